"""Which faults explorations find by themselves, and how long their counterexamples are.

Every fault is explored in all alphabets at once, level by level, until one of them finds something, so that run is a
shortest one. The depths are small, because there are hundreds of faults. Each alphabet is first explored with the
genuine engine to see which lines it reaches: an alphabet that reaches no line of a fault can't find it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from otterproof.harness.runs.explore.alphabet import ROLES
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.explore.found import program_of
from otterproof.harness.runs.explore.solo import Counterexample
from otterproof.harness.runs.faults import sightings_file
from otterproof.harness.runs.faults.detect import Lost, genuine_copy, results
from otterproof.harness.runs.faults.reach import Line, Lines, Trace, about
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.targets.faults.entries import faults
from otterproof.harness.targets.faults.loader import PREFIX as PREFIX_OF_COPIES
from otterproof.harness.targets.faults.loader import REFERENCE
from otterproof.harness.targets.faults.target import PREFIX, FaultTarget

#: How many moves deep each alphabet is explored. Together this takes some seconds for a fault that nothing finds.
DEPTHS: Mapping[str, int] = {
    "handshake": 7,
    "data": 3,
    "smp": 4,
    "refresh": 3,
    "instances": 6,
    "fragments": 3,
    "forgery": 6,
}

#: From this many faults on, a survey saves more time than it takes.
_MANY = 10

#: The name of these results in a file.
_WHAT = "explorations"


@dataclass(frozen=True, slots=True)
class Shortest:
    """A shortest run that shows a fault: its alphabet, the check that fails, and the number of its moves.

    moves: None if nothing was found.
    """

    fault: str
    alphabet: str = ""
    check: str = ""
    moves: int | None = None


@dataclass(frozen=True, slots=True)
class FirstFound:
    """The first counterexample to a binding rule, its alphabet, and the program that makes its run."""

    alphabet: str
    counterexample: Counterexample
    program: Program


@dataclass(slots=True)
class ExploredFaults:
    """What explorations have found so far.

    reached: the lines of the engine that each alphabet reaches. lost: tasks whose workers died.
    """

    faults: list[str]
    shortest: dict[str, Shortest] = field(default_factory=dict)
    reached: dict[str, frozenset[Line]] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def found(self) -> list[int]:
        """The lengths of the counterexamples."""
        return [one.moves for one in self.shortest.values() if one.moves is not None]

    @property
    def lengths(self) -> dict[str, list[int]]:
        """The lengths of the counterexamples by alphabet, for each alphabet that has any."""
        made: dict[str, list[int]] = {name: [] for name in DEPTHS}
        for one in self.shortest.values():
            if one.moves is not None:
                made[one.alphabet].append(one.moves)
        return {name: moves for name, moves in made.items() if moves}

    @property
    def median_moves(self) -> float | None:
        """The median length of the counterexamples; None without any."""
        return median(self.found) if self.found else None

    @property
    def unsurveyed(self) -> list[str]:
        """The alphabets still to be explored with the genuine engine; for a few faults it isn't worth the time."""
        return [name for name in DEPTHS if name not in self.reached] if len(self.wanted) >= _MANY else []

    def survey(self, pool: Pool) -> Iterator[str]:
        """Explore alphabets with the genuine engine; yields the names of those that are done."""
        for name, lines in results(pool, _survey, [(name,) for name in self.unsurveyed], self.lost):
            self.reached[name] = lines
            yield name

    @property
    def wanted(self) -> list[str]:
        """The faults that are still to be explored."""
        return [name for name in self.faults if name not in self.shortest]

    def explore(self, pool: Pool, state: Path | None = None) -> Iterator[str]:
        """Explore the wanted faults; yields the names of those that are done. state: kept up to date. OutputError."""
        tasks = [(name, self.able(about(faults()[name].edits))) for name in self.wanted]
        for one in results(pool, _shortest_of, tasks, self.lost):
            self.shortest[one.fault] = one
            if state is not None:
                self.keep(state)
            yield one.fault

    def able(self, lines: Lines) -> list[str]:
        """The alphabets that may find what is wrong in some lines; those that were not surveyed are among them."""
        return [name for name in DEPTHS if lines is None or name not in self.reached or lines & self.reached[name]]

    def go_on(self, path: Path) -> None:
        """Take over what a file says about these faults. SightingsFileError."""
        known = sightings_file.read_entries(path, _WHAT, lambda one: Shortest(**one))
        self.shortest.update((one.fault, one) for one in known if one.fault in self.faults)

    def keep(self, path: Path) -> None:
        """Write what has been found to a file. OutputError."""
        sightings_file.write_entries(path, _WHAT, map(asdict, self.shortest.values()))

    def as_json(self) -> dict[str, Any]:
        """The record as plain values."""
        return {
            "found": len(self.found),
            "of": len(self.shortest),
            "median_moves": self.median_moves,
            "faults": [asdict(one) for one in self.shortest.values()],
        }

    def __str__(self) -> str:
        told = f"found by exploring alone: {len(self.found)} of {len(self.shortest)} faults"
        return told if self.median_moves is None else f"{told}, median number of moves: {self.median_moves:g}"


# ---- in the worker processes ----------------------------------------------------------------------------------------


def _survey(_: WorkerContext, task: tuple[str]) -> tuple[str, frozenset[Line]]:
    (name,) = task
    target = genuine_copy(REFERENCE)
    with Trace(PREFIX_OF_COPIES + target.name) as trace, closing(Exploration(name, target)) as exploration:
        for _level in exploration.levels(DEPTHS[name]):
            pass
        return name, trace.take()


def _shortest_of(_: WorkerContext, task: tuple[str, Collection[str]]) -> Shortest:
    name, able = task
    return shortest(name, {alphabet: depth for alphabet, depth in DEPTHS.items() if alphabet in able})


def shortest(fault: str, depths: Mapping[str, int] = DEPTHS) -> Shortest:
    """A shortest run, in any alphabet, that shows a fault within some depths."""
    found = first_found(fault, depths)
    if found is None:
        return Shortest(fault)
    return Shortest(fault, found.alphabet, found.counterexample.check, len(found.counterexample.moves))


def first_found(fault: str, depths: Mapping[str, int] = DEPTHS, role: str = ROLES[0]) -> FirstFound | None:
    """The counterexample with the fewest moves, in any alphabet, for a fault of the party of that role."""
    target = FaultTarget(PREFIX + fault)
    with ExitStack() as stack:
        made = {name: stack.enter_context(closing(Exploration(name, target, role=role))) for name in depths}
        levels = {name: exploration.levels(depths[name]) for name, exploration in made.items()}
        for _ in range(max(depths.values(), default=0)):
            for name in list(levels):
                reached = next(levels[name], None)
                if reached is None:
                    del levels[name]
                    continue
                for one in sorted(reached.found, key=lambda one: len(one.moves)):
                    if one.binds:
                        return FirstFound(name, one, program_of(made[name].setup, one))
    return None
