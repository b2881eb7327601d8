"""The schedule of a campaign: which program comes next, given what the programs before it have shown.

A program that was the first to show some behaviour, and did not fail, is kept. The next program is either drawn afresh
or made by changing a kept one [mutate.py]. To choose that one, a piece of behaviour is drawn, the likelier the fewer
programs have shown it and the less often the program that first showed it has been changed. That program is changed,
most often at the move that showed the behaviour.

The draw for a number depends on the results of the programs up to `LAG` numbers before it, and on no later one. So up
to `LAG` processes can run programs at the same time, and a campaign does not depend on how many they are. Of a kept
program only its number and those of its parents are stored; the program follows from these. That keeps a campaign
small, and a campaign from elsewhere can't bring a program with it.
"""

from __future__ import annotations

import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.runs.fuzz.corpus import fitted
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.insiders import with_insiders
from otterproof.harness.runs.fuzz.mutate import mutated
from otterproof.harness.targets.engines import Target

#: The draw for a number does not depend on the results of this many numbers before it.
LAG = 16

#: The share of programs that are drawn afresh, so that nothing stays out of reach.
FRESH = 0.5

#: How often each area decides which program is changed: mostly cells, for what is wrong in a state shows there.
_AREA_WEIGHTS = {Area.CELL: 8, Area.TRANSITION: 4, Area.PAIR: 2, Area.COUNT: 1}

#: The same if edges count.
_AREA_WEIGHTS_WITH_EDGES = _AREA_WEIGHTS | {Area.EDGE: 8}

#: How many candidates, drawn by lot, compete; with all of them, a draw would take longer the more there are.
_CANDIDATES = 64

#: The most programs remembered while a campaign runs.
_REMEMBERED = 512

#: What a program was made from: () if it was drawn afresh; else the number of the program that was changed, the number
#: of the one that parts were taken from, and the move, counted from 1, at which the first was changed.
Parents = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A program that is kept. stands_for: what it was the first to show. places: the move that showed each of these.

    changed: how often it has been changed.
    """

    parents: Parents
    stands_for: tuple[Behaviour, ...]
    places: tuple[int, ...] = ()
    changed: int = 0


#: What a kept program was the first to show: its number, after how many moves, and the behaviour.
_Place = tuple[int, int, Behaviour]

#: All places by area, and all together under None; in the order of the programs.
_Places = Mapping[Area | None, Sequence[_Place]]


def _with_places(known: _Places, more: Iterable[tuple[int, Kept]]) -> _Places:
    """The places, with those of more kept programs."""
    found = {area: list(some) for area, some in known.items()}
    for number, one in more:
        for shown, place in zip(one.stands_for, one.places, strict=True):
            for area in (shown[0], None):
                found.setdefault(area, []).append((number, place, shown))
    return found


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a program. new: what it was the first to show, in order; () for a program that failed.

    places: as in Kept.
    """

    parents: Parents
    shown: frozenset[Behaviour]
    new: tuple[Behaviour, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """What draws depend on. done: how many programs' results count. recent: the results after these, not counted yet.

    counts: how many programs showed each behaviour. kept: by number. The places of kept programs, which may be
    thousands, are put together once; later schedules add to them.
    """

    done: int = 0
    counts: Mapping[Behaviour, int] = field(default_factory=dict)
    kept: Mapping[int, Kept] = field(default_factory=dict)
    recent: tuple[Result, ...] = ()
    _known_places: _Places | None = field(default=None, compare=False, repr=False)

    @property
    def _places(self) -> _Places:
        if self._known_places is None:
            object.__setattr__(self, "_known_places", _with_places({}, self.kept.items()))
        return self._known_places or {}

    def after(self, result: Result) -> Schedule:
        """The schedule with the result of the next program, which counts for later draws."""
        added = replace(self, recent=(*self.recent, result))
        return added.until(added.done + len(added.recent) - LAG)

    def until(self, done: int) -> Schedule:
        """The schedule with the results of the first `done` programs counted, as far as they are known."""
        more = min(done - self.done, len(self.recent))
        if more <= 0:
            return self
        counts, kept = dict(self.counts), dict(self.kept)
        new: dict[int, Kept] = {}
        for number, result in enumerate(self.recent[:more], self.done):
            for one in result.shown:
                counts[one] = counts.get(one, 0) + 1
            if result.new:
                kept[number] = new[number] = Kept(result.parents, result.new, result.places)
            if result.parents and result.parents[0] in kept:
                parent = kept[result.parents[0]]
                kept[result.parents[0]] = replace(parent, changed=parent.changed + 1)
        places = _with_places(self._places, new.items()) if new else self._places
        return Schedule(self.done + more, counts, kept, self.recent[more:], places)

    def ready(self, number: int) -> bool:
        """Whether everything is known that the draw of a number depends on."""
        return number - LAG <= self.done + len(self.recent)

    def for_number(self, number: int) -> Schedule:
        """The schedule that a number is drawn from. The number must be `ready`."""
        return self.until(number - LAG)

    def parents(self, seed: str, number: int, first: int = 0) -> Parents:
        """The parents of the program of a number; () if it is drawn afresh. To be called on the schedule `for_number`.

        first: smaller numbers are drawn afresh.
        """
        source = random.Random(f"{seed}/{number}/parents".encode(errors="surrogatepass"))
        if number < first or not self.kept or source.random() < FRESH:
            return ()
        weights = _AREA_WEIGHTS_WITH_EDGES if Area.EDGE in self._places else _AREA_WEIGHTS
        area = source.choices(list(weights), list(weights.values()))[0]
        some = self._places.get(area) or self._places.get(None, ())
        if len(some) > _CANDIDATES:
            some = source.sample(some, _CANDIDATES)
        parent, place, _ = source.choices(some, [self.weight(number, shown) for number, _, shown in some])[0]
        return parent, source.choice(list(self.kept)), place

    def weight(self, number: int, shown: Behaviour) -> float:
        """How likely a kept program is to be changed next, at something that it has shown, compared with others."""
        return 1 / (self.counts[shown] * (1 + self.kept[number].changed))

    def parents_of_last(self) -> Parents:
        """The parents of the program whose result came last."""
        return self.recent[-1].parents if self.recent else ()


def drawn_afresh(seed: str, number: int, target: Target, corpus: Sequence[Program] = ()) -> Program:
    """The program of a number as it is when nothing is known. Programs of the corpus come first."""
    made = fitted(corpus[number], target) if number < len(corpus) else None
    return made or with_insiders(program(seed, number, target), seed, number)


class Programs:
    """Makes the programs of a campaign from their numbers and parents."""

    def __init__(self, seed: str, target: Target, corpus: Sequence[Program] = ()) -> None:
        self._seed, self._target, self._corpus = seed, target, corpus
        self._made: OrderedDict[int, Program] = OrderedDict()

    @property
    def first(self) -> int:
        """The first number that does not belong to the corpus."""
        return len(self._corpus)

    def made(self, number: int, parents: Parents, kept: Mapping[int, Kept]) -> Program:
        """The program of a number with these parents. The parents and their ancestors must be in `kept`."""
        for one in self._missing(parents, kept):
            self._made[one] = self._make(one, kept[one].parents)
        for one in parents[:2]:
            self._made.move_to_end(one)
        made = self._made[number] = self._make(number, parents)
        while len(self._made) > _REMEMBERED:
            self._made.popitem(last=False)
        return made

    def _make(self, number: int, parents: Parents) -> Program:
        if not parents:
            return drawn_afresh(self._seed, number, self._target, self._corpus)
        parent, partner = (self._made[one] for one in parents[:2])
        return mutated(self._seed, number, parent, partner, self._target, parents[2])

    def _missing(self, parents: Parents, kept: Mapping[int, Kept]) -> Sequence[int]:
        """The ancestors of a program that are not remembered, in an order in which they can be made."""
        left = [one for one in parents[:2] if one not in self._made]
        found = set(left)
        while left:
            more = {one for one in kept[left.pop()].parents[:2] if one not in self._made} - found
            found |= more
            left += more
        return sorted(found)


# ---- as values of JSON


def schedule_to_json(schedule: Schedule, seen: Iterable[Behaviour]) -> dict[str, Any]:
    """The part of a schedule that does not follow from the rest of a campaign. seen: all behaviour seen, in order.

    {"counts": [of each], "kept": [[number, changed, parents, places]], "recent": [[parents, [what was shown], places]]}
    """
    at = {one: place for place, one in enumerate(seen)}
    return {
        "counts": [schedule.counts.get(one, 0) for one in at],
        "kept": [[number, one.changed, list(one.parents), list(one.places)] for number, one in schedule.kept.items()],
        "recent": [
            [list(one.parents), sorted(at[shown] for shown in one.shown), list(one.places)] for one in schedule.recent
        ],
    }


def schedule_from_json(written: Mapping[str, Any], done: int, seen: Mapping[Behaviour, int]) -> Schedule:
    """The schedule of a campaign that has run `done` programs. ValueError if it is invalid.

    seen: all behaviour seen, in order, and the first program that showed it.
    """
    every, recent = list(seen), written["recent"]
    if len(written["counts"]) != len(every):
        raise ValueError("schedule.counts: there must be one for all behaviour that was seen")
    if len(recent) != min(done, LAG):
        raise ValueError(f"schedule.recent: after {done} programs there are the results of {min(done, LAG)}")
    first: dict[int, list[Behaviour]] = {}
    for one, number in seen.items():
        first.setdefault(number, []).append(one)
    counts = {one: count for one, count in zip(every, written["counts"], strict=True) if count}
    kept: dict[int, Kept] = {}
    for number, changed, parents, at in written["kept"]:
        if number >= done - len(recent) or number <= max(kept, default=-1):
            raise ValueError(f"schedule.kept: {number} is out of order")
        kept[number] = Kept(_known(parents, kept, number), _shown(first, number, at, counts), tuple(at), changed)
    results = []
    for number, (parents, shown, at) in enumerate(recent, done - len(recent)):
        if any(place >= len(every) for place in shown):
            raise ValueError(f"schedule.recent: program {number} has shown what was never seen")
        new = _shown(first, number, at) if at else ()
        results.append(
            Result(_known(parents, kept, number), frozenset(every[place] for place in shown), new, tuple(at))
        )
    return Schedule(done - len(recent), counts, kept, tuple(results))


def _known(parents: Sequence[int], kept: Mapping[int, Kept], number: int) -> Parents:
    """The parents of a program, which must be kept. ValueError."""
    if len(parents) not in (0, 3) or any(one not in kept for one in parents[:2]):
        raise ValueError(f"schedule: program {number} is a change of a program that is not kept")
    return tuple(parents)


def _shown(
    first: Mapping[int, Sequence[Behaviour]],
    number: int,
    places: Sequence[int],
    counts: Mapping[Behaviour, int] | None = None,
) -> tuple[Behaviour, ...]:
    """What a program was the first to show. counts: what is counted so far, if it must be in that. ValueError."""
    found = tuple(first.get(number, ()))
    if not found or len(found) != len(places) or (counts is not None and any(one not in counts for one in found)):
        raise ValueError(f"schedule: program {number} is kept, and that is not for what it was the first to show")
    return found
