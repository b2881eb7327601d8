"""What `check` explores: every alphabet that suits a target, to a guaranteed depth.

All of them together take a few seconds for an engine, compared to minutes for the scenarios. A target behind a driver
is explored for at most a share of the time that the scenarios took; the certificate gives the depth that was reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from otterproof.harness.runs.events import AlphabetExplored
from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.errors import NotRepeatable
from otterproof.harness.runs.explore.explore import Explorable, Exploration, depth_in_check, explorable
from otterproof.harness.runs.explore.found import keep
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.driver import TargetError
from otterproof.harness.targets.engines import InProcess, Target

#: The share of the scenarios' time that exploring a target behind a driver may take.
SHARE = 0.2


class _TimeUp(Exception):
    """There is no time left."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of an exploration within a run.

    in_time: asked now and then; the exploration stops when it says no. seconds: how long the scenarios took. reason_of:
    why a check's failures are accepted; "" if they are not.
    """

    in_time: Callable[[], bool]
    seconds: float
    reason_of: Callable[[str], str]


def can_be_explored(target: Target) -> TypeGuard[Explorable]:
    """Whether `check` explores a target."""
    with suppress(UsageError):
        explorable(target)
        return True
    return False


def explore_guaranteed(target: Explorable, jobs: int, folder: Path, allowance: Allowance) -> Iterator[AlphabetExplored]:
    """Explore to the guaranteed depths. folder: for what is found. Raises OutputError, WorkersDied."""
    ends = time.monotonic() + allowance.seconds * SHARE
    suitable = [name for name, alphabet in ALPHABETS.items() if alphabet.suits(target.capabilities)]
    with closing(target):
        for number, name in enumerate(suitable):
            now = time.monotonic()
            until = None if isinstance(target, InProcess) else now + (ends - now) / (len(suitable) - number)
            yield _explored(name, target, jobs, folder, allowance, until)


def _explored(
    name: str, target: Explorable, jobs: int, folder: Path, allowance: Allowance, until: float | None
) -> AlphabetExplored:
    """Explore an alphabet. until: the time to stop at, by the monotonic clock."""

    def pulse(_: int) -> None:
        if not allowance.in_time() or (until is not None and time.monotonic() >= until):
            raise _TimeUp

    certificate, why = Certificate(name, target.name, target.version), ""
    try:
        pulse(0)
        with closing(Exploration(name, target, jobs, keep_going=not isinstance(target, InProcess))) as exploration:
            certificate = exploration.certificate
            for _ in exploration.levels(depth_in_check(ALPHABETS[name], target), pulse):
                pulse(0)
    except _TimeUp:
        pass
    except (NotRepeatable, TargetError) as error:  # the scenarios judge what this is about
        why = str(error)
    certificate.mark_known(allowance.reason_of)
    checks = [one.check for one in certificate.found]
    kept = [keep(name, exploration.setup, target, one, folder, passed=checks) for one in certificate.found]
    return AlphabetExplored(certificate, tuple(kept), why)
