"""A search in one process: the states to expand in this level, and those of the next.

A level is explored in slices of some seconds. After a slice, every new state is known by its key and by how it was
reached, so that it can be shared with other processes (crew.py) and written to a file (journal.py).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from otterproof.harness.runs.explore.search import Broken, Fresh, Key, Label, Search, State, narrowed
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.moves import Move
from otterproof.harness.spec.checks import level_of
from otterproof.harness.spec.requirements import Level


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A run that breaks a rule: the id of its check, the moves, and whether it shows only after all of them.

    labels: of the moves, for another process. known: the reason why it is accepted, if it is a known deviation.
    """

    check: str
    detail: str
    moves: tuple[Move, ...]
    at_end: bool
    labels: tuple[Label, ...] = ()
    known: str = ""

    @property
    def level(self) -> Level:
        """How binding the rule is."""
        return level_of(self.check)

    @property
    def binds(self) -> bool:
        """Whether the rule is binding."""
        return self.level is Level.MUST


class Reached(NamedTuple):
    """How a new state was reached: the key of the state before it, and the label of the move. fresh: as in `State`."""

    before: Key
    label: Label
    fresh: Fresh


@dataclass(slots=True)
class Slice:
    """The results of a part of a level, in one process or in all.

    new: the new states, by their keys. again: states of the next level that were reached again, and what is fresh in
    them. expanded: the states that are done. left: how many of the level are not. steps: how many moves were tried.
    sizes: of the parties' graphs.
    """

    new: dict[Key, Reached] = field(default_factory=dict)
    again: dict[Key, Fresh] = field(default_factory=dict)
    expanded: list[Key] = field(default_factory=list)
    left: int = 0
    steps: int = 0
    found: list[Counterexample] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Turn off Python's garbage collector: it would walk all states over and over, and they have no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Solo:
    """A search in this process."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.seen: set[Key] = {search.root.key}
        #: The states to expand in this level, and those found for the next; of those, the ones that other processes
        #: keep.
        self.now: list[State] = [search.root] if search.opened else []
        self.next: dict[Key, State] = {}
        self.elsewhere: set[Key] = set()

    def opening(self) -> list[Counterexample]:
        """Rules broken without a move: while the parties get their sessions, or when they talk right after that."""
        healing = self.search.heal(self.search.root) if self.search.opened else []
        return [self._counterexample(broken) for broken in [*self.search.opening, *healing]]

    def slice(self, seconds: float, *, last: bool = False) -> Slice:
        """Expand states for this long. last: no level follows, so new states are not kept."""
        made, ends = Slice(), time.monotonic() + seconds
        with _no_collector():
            while self.now:
                self._expand(self.now.pop(), made, last=last)
                if time.monotonic() >= ends:
                    break
        made.left = len(self.now)
        made.sizes = self.search.sizes
        return made

    def _expand(self, state: State, made: Slice, *, last: bool) -> None:
        found = self.search.expand(state, self.seen)
        made.expanded.append(state.key)
        made.steps += found.steps
        made.found += map(self._counterexample, found.broken)
        for key, one in found.reached.items():
            label = one.path.label if one.path is not None else ()
            made.new[key] = Reached(state.key, label, one.fresh)
            if not last:
                self.next[key] = one
        if last:
            return
        for key, fresh in found.again:
            mine = self.next.get(key)
            if mine is not None:
                mine.fresh = narrowed(mine.fresh, fresh)
            if mine is not None or key in self.elsewhere:
                made.again[key] = narrowed(made.again.get(key), fresh)

    def narrow(self, again: Mapping[Key, Fresh]) -> None:
        """Record what is fresh in states of the next level that were reached again."""
        for key, fresh in again.items():
            if (one := self.next.get(key)) is not None:
                one.fresh = narrowed(one.fresh, fresh)

    def agree(self, others: Iterable[Key], theirs: Iterable[Key]) -> None:
        """Record what other processes found. theirs: states found here as well, which other processes keep."""
        for key in theirs:
            self.next.pop(key, None)
            self.elsewhere.add(key)
        self.seen.update(others)
        self.elsewhere.update(others)

    def next_level(self) -> int:
        """The level is done; return how many states wait in the next one."""
        self.now, self.next, self.elsewhere = list(self.next.values()), {}, set()
        return len(self.now)

    def heal(self) -> list[Counterexample]:
        """Have the parties talk again from the states of the next level; return where they can't."""
        return [self._counterexample(broken) for one in self.next.values() for broken in self.search.heal(one)]

    def share(self, number: int, of: int) -> None:
        """Keep one part of the states; the others are for other processes."""
        kept = dict(list(self.next.items())[number::of])
        self.elsewhere |= self.next.keys() - kept.keys()
        self.now, self.next = self.now[number::of], kept

    def _counterexample(self, broken: Broken) -> Counterexample:
        paths = broken.path.all() if broken.path is not None else []
        check = check_of(broken.error) or f"internal.{type(broken.error).__name__.lower()}"
        moves, labels = tuple(path.move for path in paths), tuple(path.label for path in paths)
        return Counterexample(check, str(broken.error), moves, broken.at_end, labels)
