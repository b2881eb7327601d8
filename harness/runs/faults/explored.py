"""Which faults explorations find by themselves, and how long their counterexamples are.

Every fault is explored in all alphabets at once, level by level, until one of them finds something: that run is a
shortest one. The depths are small, for there are hundreds of faults.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.faults.detect import Lost, results
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.targets.faults.target import PREFIX, FaultTarget

#: How many moves each alphabet is explored to; together they take some seconds for a fault that nothing finds.
DEPTHS: Mapping[str, int] = {
    "handshake": 7,
    "data": 3,
    "smp": 4,
    "refresh": 3,
    "instances": 6,
    "fragments": 3,
    "forgery": 6,
}


@dataclass(frozen=True, slots=True)
class Shortest:
    """A shortest run that shows a fault: its alphabet, the check that fails, and the number of its moves.

    moves: None where nothing was found.
    """

    fault: str
    alphabet: str = ""
    check: str = ""
    moves: int | None = None


@dataclass(slots=True)
class ExploredFaults:
    """What explorations have found, as far as it has come. lost: of which nothing is known, as workers died."""

    faults: list[str]
    shortest: dict[str, Shortest] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def found(self) -> list[int]:
        """The lengths of the counterexamples."""
        return [one.moves for one in self.shortest.values() if one.moves is not None]

    @property
    def median_moves(self) -> float | None:
        """Of the counterexamples; None if there are none."""
        return median(self.found) if self.found else None

    def explore(self, pool: Pool) -> Iterator[str]:
        """Explore every fault; the names of those that are done."""
        for one in results(pool, _shortest_of, [(name,) for name in self.faults], self.lost):
            self.shortest[one.fault] = one
            yield one.fault

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


def _shortest_of(_: WorkerContext, task: tuple[str]) -> Shortest:
    return shortest(task[0])


def shortest(fault: str, depths: Mapping[str, int] = DEPTHS) -> Shortest:
    """A shortest run of any alphabet that shows a fault, within some depths."""
    target = FaultTarget(PREFIX + fault)
    with ExitStack() as stack:
        made = {name: stack.enter_context(closing(Exploration(name, target))) for name in depths if name in ALPHABETS}
        levels = {name: exploration.levels(depths[name]) for name, exploration in made.items()}
        for _ in range(max(depths.values())):
            for name in list(levels):
                reached = next(levels[name], None)
                if reached is None:
                    del levels[name]
                    continue
                for one in sorted(reached.found, key=lambda one: len(one.moves)):
                    if one.binds:
                        return Shortest(fault, name, one.check, len(one.moves))
    return Shortest(fault)
