"""Mutation: programs made by changing programs that have shown something new.

Most often the parent is repeated up to the move that showed something, and goes on differently from there. Otherwise it
is changed in one to four places: moves are repeated, swapped, left out, drawn again or joined with those of another
kept program, or all of them are lifted into another setup. The seed and the number decide what is done, so a program
follows from its seed, its number and its parents.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, cast

from otterproof.harness.runs.fuzz.actions import Row
from otterproof.harness.runs.fuzz.case import CLIENTS, Setup
from otterproof.harness.runs.fuzz.generate import Program, bounded, program
from otterproof.harness.runs.fuzz.insiders import with_insiders
from otterproof.harness.runs.fuzz.stories import ACTS
from otterproof.harness.simulation.moves import Move, User
from otterproof.harness.targets.engines import Target
from otterproof.implementations.jsonform import event_name

#: How many changes are tried on a program that stays the same, such as one without moves.
_TRIES = 20

#: The share of programs that branch off at the move that showed something; the share of these with something
#: disturbing before that move; and the most acts after it.
_CONTINUED, _DISTURBED, _TAIL = 0.75, 0.6, 6

#: How often some moves are repeated. Keys are forgotten after a few repetitions; counters and buffers fill
#: up after many.
_TIMES = (2, 2, 2, 3, 3, 5, 8, 13)

#: The most moves in a sequence that is repeated.
_LONGEST = 6

Moves = tuple[Move, ...]


def mutated(seed: str, number: int, parent: Program, partner: Program, target: Target, place: int) -> Program:
    """The program of a number: a change of its parent, with parts of its partner.

    place: the move at which the parent showed something, counted from 1; 0 if it was before the moves.
    """
    source = random.Random(f"{seed}/{number}/change".encode(errors="surrogatepass"))
    if source.random() < _CONTINUED:
        return _continued(source, parent, place)
    made, least = parent, source.choice((1, 1, 2, 2, 3, 4))
    if source.random() < _LIFTED:
        made = _lifted(made, program(seed, number, target).setup)
    for done in range(1, _TRIES + 1):
        changed = source.choice(_CHANGES)(source, made, partner)
        made = replace(changed, moves=bounded(changed.moves))
        if done >= least and made != parent:
            break
    changed = with_insiders(made, seed, number)
    return replace(changed, moves=bounded(changed.moves))


def _continued(source: random.Random, parent: Program, place: int) -> Program:
    """The parent up to the move that showed something, perhaps disturbed just before it, and then other acts."""
    at = max(0, place - 1)
    begun, move = parent.moves[:at], parent.moves[at:place]
    between: Moves = ()
    if source.random() < _DISTURBED:
        for _ in range(source.choice((1, 1, 2))):
            between += _disturbing(source, parent.setup)
    moves: Moves = ()
    for _ in range(source.randint(0 if between else 1, _TAIL)):
        moves += _drawn(source, parent.setup, _row(source))
    other = with_insiders(replace(parent, moves=moves), "continued", source.randrange(1 << 30))
    return replace(parent, moves=bounded(begun + between + move + other.moves))


def _disturbing(source: random.Random, setup: Setup) -> Moves:
    """An act on what is under way to the party under test, or an act of a user."""
    row = source.choice(ACTS)
    parties = sorted(CLIENTS[setup.network])
    arguments = row.drawn(source)
    if "to" in arguments:
        arguments["to"] = parties.index(setup.role)
    if "position" in arguments:
        arguments["position"] = source.choice((0, 0, 0, -1))
    return tuple(row.moves(parties, **arguments))


# ---- changes of moves


def _part(source: random.Random, moves: Moves, most: int) -> tuple[int, int]:
    """Where a few neighbouring moves begin and end."""
    begin = source.randrange(len(moves) + 1)
    return begin, min(len(moves), begin + source.randint(1, most))


def _repeat(source: random.Random, given: Program, _: Program) -> Program:
    begin, end = _part(source, given.moves, _LONGEST)
    some = given.moves[begin:end] * source.choice(_TIMES)
    return replace(given, moves=given.moves[:begin] + some + given.moves[end:])


def _swap(source: random.Random, given: Program, _: Program) -> Program:
    if len(given.moves) < 2:
        return given
    moves = list(given.moves)
    one, other = source.sample(range(len(moves)), 2)
    moves[one], moves[other] = moves[other], moves[one]
    return replace(given, moves=tuple(moves))


def _leave_out(source: random.Random, given: Program, _: Program) -> Program:
    begin, end = _part(source, given.moves, max(1, len(given.moves) // 2))
    return replace(given, moves=given.moves[:begin] + given.moves[end:])


def _insert(source: random.Random, given: Program, _: Program) -> Program:
    at = source.randrange(len(given.moves) + 1)
    moves = _drawn(source, given.setup, _row(source))
    return replace(given, moves=given.moves[:at] + moves + given.moves[at:])


def _redraw(source: random.Random, given: Program, _: Program) -> Program:
    """Replace a move by another one of its kind, for the same party if it has one."""
    if not given.moves:
        return given
    at = source.randrange(len(given.moves))
    old = given.moves[at]
    rows = _rows().get(_kind(old))
    if not rows:
        return _insert(source, given, given)
    new = _drawn(source, given.setup, source.choice(rows))
    return replace(given, moves=given.moves[:at] + _with_party(new, old) + given.moves[at + 1 :])


def _splice(source: random.Random, given: Program, partner: Program) -> Program:
    """The beginning of one program, followed by the end of the other."""
    at, begin = source.randrange(len(given.moves) + 1), source.randrange(len(partner.moves) + 1)
    moves = moved(partner, given.setup)
    return replace(given, moves=given.moves[:at] + moves[begin:])


def _graft(source: random.Random, given: Program, partner: Program) -> Program:
    """Insert some moves of the other program."""
    at = source.randrange(len(given.moves) + 1)
    begin, end = _part(source, partner.moves, 2 * _LONGEST)
    moves = moved(partner, given.setup)
    return replace(given, moves=given.moves[:at] + moves[begin:end] + given.moves[at:])


_CHANGES: Sequence[Callable[[random.Random, Program, Program], Program]] = (
    _repeat,
    _repeat,
    _swap,
    _leave_out,
    _insert,
    _insert,
    _redraw,
    _redraw,
    _splice,
    _graft,
)

# ---- another state

#: The share of the other programs that get a new setup: another start, other clients or other settings.
_LIFTED = 0.25


def _lifted(given: Program, setup: Setup) -> Program:
    """The same moves in another setup."""
    return Program(setup, moved(given, setup))


def moved(given: Program, setup: Setup) -> Moves:
    """The moves of a program, for the clients of another setup; the target keeps its part."""
    here, there = given.setup, setup
    names = {name: list(CLIENTS[there.network])[-1] for name in CLIENTS[here.network]}
    names |= {name: name for name in CLIENTS[here.network] if name in CLIENTS[there.network]}
    if here.role != there.role and len(CLIENTS[here.network]) == len(CLIENTS[there.network]) == 2:
        first, second = CLIENTS[here.network]
        names = {first: second, second: first}
    return tuple(_renamed(move, names) for move in given.moves)


def _renamed(move: Move, names: Mapping[str, str]) -> Move:
    """A move with its party renamed."""
    changes = {one.name: names[getattr(move, one.name)] for one in fields(move) if one.name in ("party", "to")}
    return cast(Move, replace(cast(Any, move), **changes)) if changes else move


# ---- acts of the table


def _row(source: random.Random) -> Row:
    return source.choices(ACTS, [row.weight for row in ACTS])[0]


def _drawn(source: random.Random, setup: Setup, row: Row) -> Moves:
    return tuple(row.moves(sorted(CLIENTS[setup.network]), **row.drawn(source)))


def _kind(move: Move) -> str:
    return move.action if isinstance(move, User) else event_name(type(move))


@cache
def _rows() -> Mapping[str, list[Row]]:
    """The acts that consist of a single move, by the kind of that move."""
    found: dict[str, list[Row]] = {}
    for row in ACTS:
        moves = row.example()
        if len(moves) == 1:
            found.setdefault(_kind(moves[0]), []).append(row)
    return found


def _with_party(new: Moves, old: Move) -> Moves:
    """The moves, made for the party of another move."""
    (party, *_) = [getattr(old, one.name) for one in fields(old) if one.name in ("party", "to")] or [None]
    if party is None:
        return new
    changes = [one.name for one in fields(new[0]) if one.name in ("party", "to")]
    return tuple(cast(Move, replace(cast(Any, move), **dict.fromkeys(changes, party))) for move in new)
