"""An exploration, from an alphabet to a certificate: what was explored, how deep, and which rules were broken.

It ends after the first level in which a binding rule is broken: no shorter run breaks one.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from otterproof.harness.runs.explore.alphabet import ALPHABETS, ROLES, Alphabet
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.crew import Crew
from otterproof.harness.runs.explore.journal import Journal, Stale
from otterproof.harness.runs.explore.search import Search
from otterproof.harness.runs.explore.solo import Counterexample, Solo
from otterproof.harness.runs.fuzz.case import CLIENTS, Setup
from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.engines import InProcess, LockstepTarget, Target

#: How many states must be waiting before they are shared among several processes.
_ENOUGH = 64


#: Seconds of a slice: the most work that is lost on an interruption, and the interval of progress reports.
SLICE = 1.0

#: A target that can be explored.
Explorable: TypeAlias = InProcess | DriverTarget

#: Called with the number of further moves explored in the present level.
Pulse = Callable[[int], None]


def explorable(target: Target) -> Explorable:
    """Check that a target can be explored. Raises UsageError.

    An engine in this process can return to an earlier state. A target behind the driver protocol gets there by starting
    over, so its randomness must follow from a seed.
    """
    if isinstance(target, InProcess):
        return target
    if isinstance(target, DriverTarget) and target.randomness != "none":
        return target
    raise UsageError(
        f"{target.name} can't be explored: its driver says that its randomness does not follow from a seed, so it "
        f"can't be brought to the same state twice; judge it with `otterproof check` and `otterproof fuzz`"
    )


def setup_of(alphabet: Alphabet, target: Explorable, role: str = ROLES[0]) -> Setup:
    """What the runs of an alphabet start from. Engines in lockstep play all parties; another target plays one role.

    They speak version 3, or version 2 if the target speaks only that. Raises UsageError if the alphabet is only for
    version 3 or a role is given for engines in lockstep.
    """
    version = "3" if "v3" in target.capabilities else "2"
    if not alphabet.suits(target.capabilities):
        raise UsageError(f"{target.name} can't have several clients: that needs version 3 and instance tags of ours")
    start = alphabet.start if alphabet.start == "scratch" else version
    if isinstance(target, LockstepTarget):
        if role != ROLES[0]:
            raise UsageError(f"{target.name} plays all parties, so it has no role; leave out --role")
        return Setup(alphabet.network, start, f"v{version}", engine=target.engine)
    plays = role if role in CLIENTS[alphabet.network] else f"{role}1"
    return Setup(alphabet.network, start, f"v{version}", target=target, role=plays)


def depths_of(alphabet: Alphabet, target: Explorable) -> tuple[int, int]:
    """The number of moves to explore, and the number up to which the parties must be able to talk again."""
    return (alphabet.depth, alphabet.healing) if isinstance(target, InProcess) else alphabet.replayed


def depth_in_check(alphabet: Alphabet, target: Explorable) -> int:
    """The number of moves that `check` explores."""
    if isinstance(target, InProcess):
        return alphabet.guaranteed
    return alphabet.restored_in_check if "snapshot" in target.capabilities else alphabet.replayed_in_check


class Exploration:
    """Goes through the levels of an alphabet, in one process or in several; must be closed."""

    def __init__(
        self,
        name: str,
        target: Explorable,
        jobs: int = 1,
        *,
        role: str = ROLES[0],
        keep_going: bool = False,
        folder: Path | None = None,
    ) -> None:
        """role: the party that the target plays, unless it plays all.

        keep_going: continue after the first level in which a binding rule is broken. folder: where the state is kept on
        disk, so that the exploration can resume after an interruption. Raises UsageError for an alphabet that the
        target can't run.
        """
        self._began = time.monotonic()
        self._alphabet, self._jobs, self._keep_going = ALPHABETS[name], jobs, keep_going
        #: The default number of moves to explore.
        self.depth, self._healing = depths_of(self._alphabet, target)
        self._crew: Crew | None = None
        self.setup = setup_of(self._alphabet, target, role)
        played = self.setup.role if self.setup.target is not None else ""
        self.certificate = Certificate(name, target.name, target.version, played)
        self._search = self._new_search()
        self._solo = Solo(self._search)
        self._wrong_without_a_move = self._solo.opening()
        self._note(self._wrong_without_a_move)
        self._journal = None
        if folder is not None:
            header = {
                "alphabet": repr(self._alphabet),
                "target": target.name,
                "version": target.version,
                "role": played,
            }
            self._journal = Journal(folder / f"{name}.state", {**header, "keep_going": keep_going})

    def _new_search(self) -> Search:
        return Search(self._alphabet, self.setup, keep_going=self._keep_going)

    def resume(self) -> None:
        """Resume this exploration if it was interrupted before. Raises OutputError."""
        if self._journal is None:
            return
        try:
            told = self._journal.retrace(self._solo)
        except Stale:
            self._search.close()
            self._search = self._new_search()
            self._solo = Solo(self._search)
            self._journal.begin(self._search.root.key)
            return
        if not told.found and not told.steps:
            self._journal.begin(self._search.root.key)
            return
        so_far = self.certificate
        so_far.depth, so_far.healed, so_far.steps = told.depth, told.healed, told.steps
        so_far.states, so_far.parties = len(self._solo.seen), told.sizes
        self._note(told.found)
        self._began = time.monotonic() - told.seconds

    def levels(self, depth: int, pulse: Pulse = lambda _: None) -> Iterator[Certificate]:
        """Explore to a depth, yielding a certificate after each level. WorkersDied, NotRepeatable, OutputError.

        If a rule is broken without any move, depth 0 comes first.

        pulse: called after each slice with the number of moves explored in the present level.
        """
        so_far = self.certificate
        if self._wrong_without_a_move and not so_far.depth:
            yield so_far
        while so_far.depth < depth and self._goes_on() and self._search.opened:
            deep = so_far.depth + 1
            found = self._level(deep, last=deep == depth and deep > self._healing, pulse=pulse)
            if self._goes_on():
                so_far.depth = deep
                if deep <= self._healing:
                    self._note(healing := (self._crew or self._solo).heal())
                    so_far.healed = deep
                    found += healing
            waiting = (self._crew or self._solo).next_level()
            if self._journal is not None and self._goes_on():
                self._journal.level(deep, so_far.healed, found)
            so_far.seconds = time.monotonic() - self._began
            yield so_far
            if not waiting:
                break
        if self._journal is not None:
            self._journal.remove()

    def _goes_on(self) -> bool:
        return self._keep_going or not any(one.binds for one in self.certificate.found)

    def _level(self, deep: int, *, last: bool, pulse: Pulse) -> list[Counterexample]:
        """Explore a level; return the rules broken in it."""
        so_far, steps = self.certificate, 0
        found: list[Counterexample] = []
        while True:
            self._share_out()
            made = (self._crew or self._solo).slice(SLICE, last=last)
            so_far.seconds = time.monotonic() - self._began
            if self._journal is not None:
                self._journal.slice(deep, made, so_far.seconds)
            so_far.states += len(made.new)
            so_far.steps += made.steps
            so_far.parties = made.sizes
            self._note(made.found)
            found += made.found
            steps += made.steps
            if not made.left:
                return found
            pulse(steps)

    def _note(self, found: Sequence[Counterexample]) -> None:
        """Keep the first counterexample for each check."""
        known = {one.check for one in self.certificate.found}
        for one in found:
            if one.check not in known:
                known.add(one.check)
                self.certificate.found.append(one)

    def _share_out(self) -> None:
        """Start several processes, if there is enough to do and the system can fork."""
        able = self._jobs > 1 and "fork" in multiprocessing.get_all_start_methods()
        if self._crew is None and able and len(self._solo.now) >= _ENOUGH:
            self._crew = Crew(self._solo, self._jobs)

    def close(self) -> None:
        """End the processes that work on it."""
        if self._crew is not None:
            self._crew.close()
        self._search.close()
