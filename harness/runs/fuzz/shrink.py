"""Shrinking: from a program that fails to a small one that fails in the same way.

First, moves are left out, those of the adversary before the others: all, half of them, a quarter, ... one (delta
debugging). Replays keep naming the same message. [otterproof.harness.runs.fuzz.replays] Consecutive `Settle` moves are
merged. Then the adversary's moves are replaced by gentler ones, such as a flipped bit by a changed field, or a changed
message by a lost one. Finally the remaining moves and the setup are simplified. Positions wrap around and a move on an
empty queue does nothing, so every part of a program is a program.

Shrinking is bounded, and the smallest program found by then is the result. The bounds that matter are counts, which
give the same result on every machine: attempts, and attempts that hang, because each of those takes the whole time
limit of a call. The bound in seconds is for targets that are slow in every call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from otterproof.harness.runs.fuzz.case import CLIENTS, Setup
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.replays import without
from otterproof.harness.runs.fuzz.serialize import MOST_SETTLED_AT_ONCE
from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Forge,
    Fragment,
    Move,
    Replay,
    Settle,
    Shuffle,
    Splice,
    Tick,
    Truncate,
    User,
)
from otterproof.harness.support.defaults import SHRINK_TIME
from otterproof.harness.wire.craft import HEADER_PARTS

#: How many attempts shrinking one failure may take.
ATTEMPTS = 300

#: How many of them may hang. With the time limit of a call, 10 seconds, these take three minutes and a half.
HANGS = 20

#: The simplest text, and the largest size of fragments that is drawn: the fewer fragments, the simpler.
_TEXT, _PIECE = b"text", 200


@dataclass(slots=True)
class Budget:
    """What may still be spent on shrinking one failure. seconds: by `clock`, from when the budget is made."""

    attempts: int = ATTEMPTS
    hangs: int = HANGS
    seconds: float = SHRINK_TIME
    clock: Callable[[], float] = time.monotonic
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.seconds

    @property
    def left(self) -> bool:
        """Whether another attempt may begin."""
        return self.attempts > 0 and self.hangs > 0 and self.clock() < self._until


class Shrinker:
    """Makes a program smaller for as long as `fails` says that it fails in the same way, within a budget.

    sent: for each move of the program that failed last, how many messages had been sent before it, as far as known.
    """

    def __init__(
        self, fails: Callable[[Program], bool], budget: Budget, sent: Callable[[], Sequence[int]] = tuple
    ) -> None:
        self._fails = fails
        self._budget = budget
        self._sent = sent
        self._tried: set[str] = set()

    def shrink(self, program: Program) -> Program:
        """The smallest program found. The given one must fail."""
        if any(isinstance(move, Replay) for move in program.moves):
            self._still(program)  # to learn what it sends
        while self._budget.left:
            before = program
            program = self._fewer(program, is_adversarial)
            program = self._fewer(program, lambda _: True)
            program = self._merged(program)
            program = self._replaced(program, gentler)
            program = self._simpler(program)
            if program == before:
                break
        return program

    def simplest(self, program: Program, other: Program) -> Program:
        """The other program if it fails as well, else the given one."""
        return other if other != program and self._still(other) else program

    def _still(self, program: Program) -> bool:
        """Whether a program fails. It is tried only once, and only within the budget; otherwise the answer is no."""
        setup, shown = program.setup, repr(program.moves)
        judged = f"{setup.oracles} {setup.excused} {setup.entropy}"
        name = f"{setup.network} {setup.start} {setup.policy} {setup.size} {setup.role} {judged} {shown}"
        if name in self._tried or not self._budget.left:
            return False
        self._tried.add(name)
        self._budget.attempts -= 1
        return self._fails(program)

    def _fewer(self, program: Program, which: Callable[[Move], bool]) -> Program:
        """The program without those of the selected moves that are not needed."""
        size = sum(map(which, program.moves))
        while size:
            at = 0
            while places := [place for place, move in enumerate(program.moves) if which(move)][at : at + size]:
                left = tuple(move for place, move in enumerate(program.moves) if place not in places)
                pointed = without(program.moves, places, self._sent())
                shorter = (replace(program, moves=moves) for moves in (pointed, left))
                found = next(filter(self._still, shorter), None)
                if found is not None:
                    program = found
                else:
                    at += size
            size //= 2
        return program

    def _merged(self, program: Program) -> Program:
        """The program with consecutive `Settle` moves merged."""
        at = 1
        while at < len(program.moves):
            one, other = program.moves[at - 1 : at + 1]
            if (
                isinstance(one, Settle)
                and isinstance(other, Settle)
                and one.limit + other.limit <= MOST_SETTLED_AT_ONCE
            ):
                merged = Settle(one.limit + other.limit)
                shorter = replace(program, moves=(*program.moves[: at - 1], merged, *program.moves[at + 1 :]))
                if self._still(shorter):
                    program = shorter
                    continue
            at += 1
        return program

    def _replaced(self, program: Program, others: Callable[[Move], Iterator[Move]]) -> Program:
        """The program with moves replaced where it still fails. others: gives a move's replacements, the best first."""
        at = 0
        while at < len(program.moves):
            for move in others(program.moves[at]):
                changed = replace(program, moves=(*program.moves[:at], move, *program.moves[at + 1 :]))
                if self._still(changed):
                    program = changed
                    break
            else:
                at += 1
        return program

    def _simpler(self, program: Program) -> Program:
        for plain in _plainer(program):
            if self._still(plain):
                program = plain
                break
        return self._replaced(program, simpler)


def _plainer(program: Program) -> Iterator[Program]:
    """The program with simpler setups, the simplest first."""
    setup = program.setup
    if setup.network != "pair":
        names = dict(zip(CLIENTS[setup.network], [*CLIENTS["pair"], "bob"], strict=True))
        moves = tuple(_changed(move, lambda value: names.get(value, value)) for move in program.moves)
        yield Program(replace(setup, network="pair", role=names[setup.role]), moves)
    for changes in ({"excused": ()}, {"entropy": 0}, {"size": None}, {"policy": "both"}, {"start": "3"}):
        plain: Setup = replace(setup, **cast(Any, changes))
        if plain != setup and f"v{plain.start}" in plain.capabilities:
            yield replace(program, setup=plain)
    if setup.network == "pair" and setup.role != "alice":
        names = {"alice": "bob", "bob": "alice"}
        moves = tuple(_changed(move, lambda value: names.get(value, value)) for move in program.moves)
        yield Program(replace(setup, role="alice"), moves)


def _changed(move: Move, name: Callable[[Any], Any]) -> Move:
    """A move with its party renamed."""
    changes = {one.name: name(getattr(move, one.name)) for one in fields(move) if one.name in ("party", "to")}
    return cast(Move, replace(cast(Any, move), **changes))


def is_adversarial(move: Move) -> bool:
    """Whether a move is the adversary's, not that of a user, the clock or a network that works."""
    return not isinstance(move, User | Tick | Settle) and not (isinstance(move, Deliver) and move.position == 0)


#: The moves on a message under way, the gentlest first: what any network does, before what takes an adversary.
_GENTLE: tuple[Callable[[str, int], Move], ...] = (Deliver, Drop, Duplicate, Delay)

#: Values for fields, to replace a change that is less plain.
_FIELDS = (("flags", 1), ("ctr", bytes(8)), ("recipient_keyid", 0), ("sender_keyid", 0), ("next_dh", 1), ("gy", 1))


def gentler(move: Move) -> Iterator[Move]:
    """Replacements for a move of the adversary that ask less of it, the gentlest first."""
    match move:
        case Drop() | Duplicate() | Delay() | Fragment():
            yield Deliver(move.to, move.position)
        case Shuffle() | Forge():
            yield Deliver(move.to)
        case Replay():
            yield Duplicate(move.to)
        case Craft(part=part):
            yield from (make(move.to, move.position) for make in _GENTLE)
            if part in (*HEADER_PARTS, "gy", "revealed_key"):
                yield ChangeField(move.to, move.position, part, move.value)
        case ChangeField() | Truncate() | FlipBit() | Splice():
            yield from (make(move.to, move.position) for make in _GENTLE)
            if not isinstance(move, ChangeField):
                yield from (ChangeField(move.to, move.position, name, value) for name, value in _FIELDS)
            if isinstance(move, Splice) and not move.text:
                yield Truncate(move.to, move.position, move.at)
            if isinstance(move, FlipBit):
                yield Truncate(move.to, move.position, move.bit // 8)
        case _:
            return


def simpler(move: Move) -> Iterator[Move]:
    """Simpler versions of a move, the simplest first."""
    for one in fields(move):
        value = getattr(move, one.name)
        if isinstance(move, User) and isinstance(value, Mapping):
            for name, argument in value.items():
                for plain in _simpler_argument(name, argument):
                    yield replace(move, args={**value, name: plain})
        elif isinstance(move, Fragment) and one.name == "size":
            if move.size < _PIECE:
                yield replace(move, size=_PIECE)
        elif one.name not in ("party", "to", "action", "name", "part", "limit"):
            for plain in _simpler_value(value):
                yield cast(Move, replace(cast(Any, move), **{one.name: plain}))


def _simpler_argument(name: str, value: object) -> Iterator[object]:
    if name in ("padding", "question") and value is not None:
        yield None
    elif name == "text" and isinstance(value, bytes) and len(value) > len(_TEXT) and not value.startswith(b"?OTR"):
        yield _TEXT
    elif name == "use" and value:
        yield 0


def _simpler_value(value: object) -> Sequence[object]:
    match value:
        case bool() | None:
            return []
        case int() if value > 1:
            return [0, value // 2, value - 1]
        case int() if value < -1:
            return [-1, value // 2, value + 1]
        case 1:
            return [0]
        case bytes() if value:
            return [b"", value[: len(value) // 2]]
        case _:
            return []
