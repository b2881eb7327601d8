"""An exploration, from an alphabet to a certificate: what was looked at, how deep, and what broke a rule.

It ends with the first level in which something is wrong: no shorter run is.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from otterproof.harness.runs.explore.alphabet import ALPHABETS, Alphabet
from otterproof.harness.runs.explore.crew import Counterexample, Crew, Pulse, Solo
from otterproof.harness.runs.explore.search import Search
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.engines import InProcess, LockstepTarget, Target

#: So many states must wait before they are shared out to several processes.
_ENOUGH = 64


@dataclass(slots=True)
class Certificate:
    """What has been explored so far.

    target, version: who plays all parties. depth: all runs of so many moves were looked at. states: how many there are,
    the first one included. steps: how many moves were looked at. parties: in how many states each party can be. healed:
    up to this depth, the parties can talk again from every pair of states. seconds: how long it took. found: runs that
    break a rule; but for those that show only at their end, they are one move longer than the depth.
    """

    alphabet: str
    target: str
    version: str
    depth: int = 0
    states: int = 1
    steps: int = 0
    parties: list[int] = field(default_factory=list)
    healed: int = 0
    seconds: float = 0.0
    found: list[Counterexample] = field(default_factory=list)


def explorable(target: Target) -> InProcess | DriverTarget:
    """A target, if it can be explored. UsageError.

    An engine in this process can be taken back to an earlier state. What is behind the driver protocol is brought there
    again from the beginning, for which its randomness must follow from a seed.
    """
    if isinstance(target, InProcess):
        return target
    if isinstance(target, DriverTarget) and target.randomness != "none":
        return target
    raise UsageError(
        f"{target.name} can't be explored: its driver says that its randomness does not follow from a seed, so it can't "
        f"be brought to the same state twice; judge it with `otterproof check` and `otterproof fuzz`"
    )


def setup_of(alphabet: Alphabet, target: InProcess | DriverTarget) -> Setup:
    """What the runs of an alphabet start from. Engines in lockstep play all parties, another target the first one.

    They speak version 3, or version 2 if that is all that the target speaks. UsageError for an alphabet that is about
    version 3 alone.
    """
    version = "3" if "v3" in target.capabilities else "2"
    if version == "2" and alphabet.network != "pair":
        raise UsageError(f"{target.name} does not speak version 3, without which there are no several clients")
    start = alphabet.start if alphabet.start == "scratch" else version
    if isinstance(target, LockstepTarget):
        return Setup(alphabet.network, start, f"v{version}", engine=target.engine)
    return Setup(alphabet.network, start, f"v{version}", target=target, role="alice")


class Exploration:
    """Goes through the levels of an alphabet, in one process or in several; to be closed."""

    def __init__(self, name: str, target: InProcess | DriverTarget, jobs: int = 1) -> None:
        self._began = time.monotonic()
        self._alphabet, self._jobs = ALPHABETS[name], jobs
        self._crew: Crew | None = None
        self.setup = setup_of(self._alphabet, target)
        self.certificate = Certificate(name, target.name, target.version)
        self._search = Search(self._alphabet, self.setup)
        self._solo = Solo(self._search)

    def levels(self, depth: int, pulse: Pulse = lambda _: None) -> Iterator[Certificate]:
        """Explore to a depth: the certificate so far, after each level. WorkersDied.

        pulse: told now and then how many moves have been looked at in the level that is being made.
        """
        so_far = self.certificate
        while so_far.depth < depth and not so_far.found:
            self._share_out()
            deep = so_far.depth + 1
            level = (self._crew or self._solo).expand(last=deep == depth and deep > self._alphabet.healing, pulse=pulse)
            so_far.states += len(level.keys)
            so_far.steps += level.steps
            so_far.parties = level.sizes
            so_far.found += level.found
            if not level.found:
                so_far.depth = deep
                if deep <= self._alphabet.healing:
                    so_far.found += (self._crew or self._solo).heal()
                    so_far.healed = deep
            so_far.seconds = time.monotonic() - self._began
            yield so_far
            if not level.keys:
                return

    def _share_out(self) -> None:
        """From now on several processes work, if there is enough to do and the system can fork."""
        able = self._jobs > 1 and "fork" in multiprocessing.get_all_start_methods()
        if self._crew is None and able and self._solo.waiting >= _ENOUGH:
            self._crew = Crew(self._solo, self._jobs)

    def close(self) -> None:
        """End the processes that work on it."""
        if self._crew is not None:
            self._crew.close()
        self._search.close()
