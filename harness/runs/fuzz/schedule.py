"""The schedule of a campaign: which program comes next, from what the programs before it have shown.

A program that was the first to show some behaviour, and did not fail, is kept. The next program is drawn afresh, or is
a change of a kept one [mutate.py]. For that, something that was shown is chosen, the likelier the fewer programs have
shown it, and the less often the program that showed it first has been changed already. That one is changed, most often
at the move that showed it.

What is drawn for a number depends on the results of the programs up to `LAG` numbers before it, and on no later one. So
several processes can run programs at the same time and the campaign is the same whatever their count, as long as there
are no more than `LAG`. Of a kept program only its number and those of its parents are known; the program follows from
these, so that what a campaign keeps is small, and a campaign from elsewhere brings no program with it.
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

#: What is drawn for a number does not depend on the results of so many numbers before it.
LAG = 16

#: The share of programs that are drawn afresh, so that nothing is out of reach.
FRESH = 0.5

#: How often a change begins at something of each area: mostly at cells, for what is wrong in a state shows there.
_AREAS = {Area.CELL: 8, Area.TRANSITION: 4, Area.PAIR: 2, Area.COUNT: 1}

#: The same where edges count.
_AREAS_WITH_EDGES = _AREAS | {Area.EDGE: 8}

#: So many, drawn by lot, compete for being chosen; looking at all would take longer the more there are.
_CANDIDATES = 64

#: Programs that are remembered while a campaign runs.
_REMEMBERED = 512

#: What a program is a change of: nothing for one that is drawn afresh; else the number of the program that is changed,
#: the number of the one that parts are taken from, and the move at which the first is changed, which is counted from 1.
Parents = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A program that is kept. stands_for: what it was the first to show. places: the moves that showed each of that.

    changed: how often it has been changed.
    """

    parents: Parents
    stands_for: tuple[Behaviour, ...]
    places: tuple[int, ...] = ()
    changed: int = 0


#: Something that a program which is kept was the first to show: its number, after how many moves, and what it is.
_Place = tuple[int, int, Behaviour]

#: All of it by area, and altogether under None; in the order of the programs.
_Places = Mapping[Area | None, Sequence[_Place]]


def _with_places(known: _Places, more: Iterable[tuple[int, Kept]]) -> _Places:
    """With what more programs stand for."""
    found = {area: list(some) for area, some in known.items()}
    for number, one in more:
        for shown, place in zip(one.stands_for, one.places, strict=True):
            for area in (shown[0], None):
                found.setdefault(area, []).append((number, place, shown))
    return found


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a program. new: what it was the first to show, in order; nothing of a program that failed.

    places: as in Kept.
    """

    parents: Parents
    shown: frozenset[Behaviour]
    new: tuple[Behaviour, ...] = ()
    places: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Schedule:
    """What draws depend on. done: the results of so many programs count; recent: those of the programs after these.

    counts: how many programs showed each behaviour. kept: by number. What these stand for, which may be thousands of
    things, is put together once; later schedules add to it.
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
        """With the result of the next program, which counts for the draws that come later."""
        added = replace(self, recent=(*self.recent, result))
        return added.until(added.done + len(added.recent) - LAG)

    def until(self, done: int) -> Schedule:
        """With the results of so many programs, as far as they are known."""
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
        """Whether all is known that the draw of a number depends on."""
        return number - LAG <= self.done + len(self.recent)

    def for_number(self, number: int) -> Schedule:
        """What the draw of a number that is `ready` depends on."""
        return self.until(number - LAG)

    def parents(self, seed: str, number: int, first: int = 0) -> Parents:
        """The parents of the program of that number; () for one that is drawn afresh. Of a schedule `for_number`.

        first: those below are drawn afresh.
        """
        source = random.Random(f"{seed}/{number}/parents".encode(errors="surrogatepass"))
        if number < first or not self.kept or source.random() < FRESH:
            return ()
        areas = _AREAS_WITH_EDGES if Area.EDGE in self._places else _AREAS
        area = source.choices(list(areas), list(areas.values()))[0]
        some = self._places.get(area) or self._places.get(None, ())
        if len(some) > _CANDIDATES:
            some = source.sample(some, _CANDIDATES)
        parent, place, _ = source.choices(some, [self.weight(number, shown) for number, _, shown in some])[0]
        return parent, source.choice(list(self.kept)), place

    def weight(self, number: int, shown: Behaviour) -> float:
        """How likely a kept program is to be changed next at something that it has shown, as against others."""
        return 1 / (self.counts[shown] * (1 + self.kept[number].changed))

    def parents_of_last(self) -> Parents:
        """The parents of the program whose result came last."""
        return self.recent[-1].parents if self.recent else ()


def drawn_afresh(seed: str, number: int, target: Target, corpus: Sequence[Program] = ()) -> Program:
    """The program of that number as it is when nothing is known. Those of the corpus come first."""
    made = fitted(corpus[number], target) if number < len(corpus) else None
    return made or with_insiders(program(seed, number, target), seed, number)


class Programs:
    """Makes the programs of a campaign from their numbers and parents."""

    def __init__(self, seed: str, target: Target, corpus: Sequence[Program] = ()) -> None:
        self._seed, self._target, self._corpus = seed, target, corpus
        self._made: OrderedDict[int, Program] = OrderedDict()

    @property
    def first(self) -> int:
        """The first number that is not one of the corpus."""
        return len(self._corpus)

    def made(self, number: int, parents: Parents, kept: Mapping[int, Kept]) -> Program:
        """The program of a number with these parents, which are kept, as their parents are."""
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
        """The ancestors of a program that are not remembered, in the order in which they can be made."""
        left = [one for one in parents[:2] if one not in self._made]
        found = set(left)
        while left:
            more = {one for one in kept[left.pop()].parents[:2] if one not in self._made} - found
            found |= more
            left += more
        return sorted(found)


# ---- as values of JSON


def schedule_to_json(schedule: Schedule, seen: Iterable[Behaviour]) -> dict[str, Any]:
    """What can't be told from the rest of a campaign. seen: the behaviour that was seen, in order.

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
    """The schedule of a campaign that has run so many programs. ValueError when it can't be one.

    seen: the behaviour that was seen, in order, and by which program first.
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
    """The parents of a program, which are kept. ValueError."""
    if len(parents) not in (0, 3) or any(one not in kept for one in parents[:2]):
        raise ValueError(f"schedule: program {number} is a change of a program that is not kept")
    return tuple(parents)


def _shown(
    first: Mapping[int, Sequence[Behaviour]],
    number: int,
    places: Sequence[int],
    counts: Mapping[Behaviour, int] | None = None,
) -> tuple[Behaviour, ...]:
    """What a program was the first to show. counts: of what is counted already, if it should be. ValueError."""
    found = tuple(first.get(number, ()))
    if not found or len(found) != len(places) or (counts is not None and any(one not in counts for one in found)):
        raise ValueError(f"schedule: program {number} is kept, and that is not for what it was the first to show")
    return found
