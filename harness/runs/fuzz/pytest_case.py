"""A case in a test of a user's own, as `fuzz` and `explore` write them: pytest shows its failure without a traceback.

The traceback would be of the harness. If the target can't be started, nothing is known about the failure that the test
reproduces, so the test is skipped.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from otterproof.harness.runs.failure import BEFORE, explain_command, leveled_lines
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.execute import Ended, named
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import TargetError, TargetUnsupported
from otterproof.harness.targets.registry import open_target


@contextmanager
def pytest_case(*, target: str, **setup: Any) -> Iterator[Case]:
    """A `Case` in a test for pytest, which is skipped if the target can't be started, and fails without a traceback.

    target: the name of one. The other arguments are those of `Case`.
    """
    last: deque[Step] = deque(maxlen=BEFORE + 1)
    try:
        player = open_target(target)
    except TargetError as error:
        words = f"nothing was tested, because the target could not be started: {error}"
        raise pytest.skip.Exception(printable(words, lines=True)) from None
    try:
        case = Case(target=player, **setup)
        case.world.watchers.insert(0, last.append)
        yield case
    except TargetUnsupported as error:
        raise pytest.skip.Exception(printable(str(error), lines=True)) from None
    except (DemandFailed, TargetError) as error:
        failure = named(Ended(error, tuple(last), at_end=False, made=0))
        told = [f"{failure.verdict.value.upper()}  {failure.check}"]
        told += leveled_lines(failure.record) if failure.record is not None else []
        text = "\n".join([*told, f"  explain   {explain_command(failure.check)}"])
        raise pytest.fail.Exception(printable(text, lines=True), pytrace=False) from None
    finally:
        player.close()
