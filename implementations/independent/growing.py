"""Collections that grow by one item at a time, at a cost that does not depend on how many they hold.

The correspondent decides how many pieces, keys to reveal or answers a party has to remember. States are replaced and
never written to, and copying a tuple or a set for each new item would make the whole work grow with the square of
their number [ROBUST-INPUT-1]. A collection from here is immutable as well, and the next one shares what it holds with
the one before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class _Link(Generic[_T]):
    """One item, and the link of the item before it."""

    item: _T = field(repr=False)
    before: _Link[_T] | None = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class Chain(Generic[_T]):
    """A sequence to which items are added at the end. Iteration is in the order in which they were added."""

    _last: _Link[_T] | None = field(default=None, repr=False)

    def plus(self, items: Iterable[_T]) -> Chain[_T]:
        """This chain and `items` after it; the work grows with their number alone."""
        last = self._last
        for item in items:
            last = _Link(item, last)
        return Chain(last)

    def __iter__(self) -> Iterator[_T]:
        items = []
        link = self._last
        while link is not None:
            items.append(link.item)
            link = link.before
        return reversed(items)


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """A set of numbers to which numbers are added.

    It is kept as sets of falling sizes, each more than the next one. A new number joins with the sets that
    are no larger than what it has grown to, so each number is copied once for every doubling of the whole.
    """

    _sets: tuple[frozenset[int], ...] = field(default=(), repr=False)

    def plus(self, number: int) -> Members:
        """This set and `number`."""
        kept = list(self._sets)
        joined = frozenset((number,))
        while kept and len(kept[-1]) <= len(joined):
            joined |= kept.pop()
        return Members((*kept, joined))

    def __contains__(self, number: int) -> bool:
        return any(number in numbers for numbers in self._sets)
