"""Judging late: oracles judge a step while a driver works on the next one, so that both processes have work.

Half of the time that a case through a driver takes passes in the driver, and otherwise the harness would only wait. In
this way a failure is noticed one or more steps late. So the program is then run again, with each step judged at once.
[execute.py]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from otterproof.harness.runs.fuzz.case import Case, Setup
from otterproof.harness.targets.driver import DriverTarget


def may_judge_late(setup: Setup) -> bool:
    """Whether the cases of a setup can be judged late: a driver plays a party, and can repeat what it does."""
    return isinstance(setup.target, DriverTarget) and setup.target.randomness != "none"


@contextmanager
def judging_late(case: Case) -> Iterator[None]:
    """Inside, steps of a case are judged while its driver works on the next request, or by `finish` or `catch_up`.

    If an error ends the case, the steps before it are judged first. TypeError if no driver plays a party.
    """
    driver = case.session.driver if case.session is not None else case.setup.target
    if not isinstance(driver, DriverTarget):
        raise TypeError(f"{type(driver).__name__} is no driver, so it does nothing while the harness judges")
    with case.world.judging_late():
        driver.meanwhile = case.world.judge_waiting
        try:
            yield
        except Exception:
            case.catch_up()
            raise
        finally:
            driver.meanwhile = None
