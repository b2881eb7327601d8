"""The acts that a random run is made of: what users do, what the adversary does, and with which arguments.

Each row of the table is one kind of act. It says how often the act is drawn, which values its arguments can take, and
which moves it makes. `otterproof fuzz` draws from the table with its own generator (generate.py); the state machines
under pytest draw from it with Hypothesis (scenarios/properties/machines.py). The first value of each domain is the
simplest.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from otterproof.harness import wire
from otterproof.harness.runs.fuzz.case import BOTH, POLICIES
from otterproof.harness.simulation.moves import (
    ChangeField,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Forge,
    Fragment,
    Inject,
    Move,
    Replay,
    Settle,
    Shuffle,
    Tick,
    Truncate,
    User,
)
from otterproof.implementations.contract import MAX_PADDING, Policy


class Domain(Protocol):
    """The values that an argument can take."""

    def draw(self, source: random.Random) -> Any: ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; a value that is listed twice is drawn twice as often."""

    values: tuple[Any, ...]

    def draw(self, source: random.Random) -> Any:
        return source.choice(self.values)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number from 0 to `last`. mostly: 0 half of the time."""

    last: int
    mostly: bool = False

    def draw(self, source: random.Random) -> int:
        if self.mostly and source.random() < 0.5:
            return 0
        return source.randrange(self.last + 1)


@dataclass(frozen=True, slots=True)
class Blob:
    """Random bytes, at most `size` of them."""

    size: int

    def draw(self, source: random.Random) -> bytes:
        return source.randbytes(source.randrange(self.size + 1))


@dataclass(frozen=True, slots=True)
class Change:
    """A field of a message and a value for it, from FIELDS."""

    def draw(self, source: random.Random) -> tuple[str, int | bytes]:
        names = source.choice(list(FIELDS))
        value: int | bytes = FIELDS[names].draw(source)
        return source.choice(names), value


@dataclass(frozen=True, slots=True)
class Several:
    """One to `most` values of another domain."""

    of: Domain
    most: int

    def draw(self, source: random.Random) -> tuple[Any, ...]:
        return tuple(self.of.draw(source) for _ in range(source.randint(1, self.most)))


@dataclass(frozen=True, slots=True)
class Either:
    """A value of one of several domains."""

    of: tuple[Domain, ...]

    def draw(self, source: random.Random) -> Any:
        return source.choice(self.of).draw(source)


#: A party, by its index among the names; the index wraps around.
WHO = Numbers(2)
POSITION = Numbers(5, mostly=True)
NUMBER = Numbers(99_999)
SECRET = Choice((b"open sesame", b"open sesame", b"Open Sesame"))

#: Values for single fields: the limits of their types, and of what the protocol text allows.
FIELDS: Mapping[tuple[str, ...], Choice | Blob] = {
    ("sender_tag", "receiver_tag"): Choice((0, 1, 0xFF, 0x1A1A, 0x2B2B, 1 << 31)),
    ("sender_keyid", "recipient_keyid"): Choice((0, 1, 2, 3, 0xFFFFFFFF)),
    ("gy", "next_dh"): Choice((0, 1, 2, wire.DH_PRIME - 1, wire.DH_PRIME)),
    ("flags",): Choice((0, 1, 0xFF)),
    ("version",): Choice((0, 1, 2, 3, 4)),
    ("type",): Choice((0x02, 0x03, 0x0A, 0x11, 0x12, 0x13)),
    ("hashed_gx", "encrypted_gx", "encrypted_message", "old_mac_keys"): Blob(40),
    ("ctr",): Choice((bytes(8), b"\xff" * 8)),
}

#: Messages that the adversary makes up.
INJECTED = Choice(
    (
        b"?OTRv2?",
        b"?OTRv23?",
        b"?OTR?v?",
        b"?OTR Error: no such thing",
        b"?OTR:.",
        b"?OTR:AAMD.",
        b"?OTR:AAQD.",
        b"?OTR|00002b2b|00001a1a,00001,00002,?OTR:AAMD,",
        b"?OTR|2b2b|1a1a,3,2,x,",
        b"?OTR,1,2,?OTR:AAID,",
        b"?OTR,2,2,=,",
        b"plain words",
        b"words with a tag" + wire.TAG_BASE + wire.TAG_VERSIONS[2] + wire.TAG_VERSIONS[3] + b" in between",
        b"",
    )
)

#: The policies of plain programs.
PLAIN = tuple(name for name in POLICIES if name != "tagging")

FLAGS = Choice((*(POLICIES[name] for name in PLAIN), Policy.NONE, BOTH | Policy.ERROR_START_AKE))

#: Makes the moves of an act from its arguments. `who` and `to` are names by then; `other` is whom `who` talks to.
Maker: TypeAlias = Callable[..., Sequence[Move]]


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of act. draws: the domain of each argument; the arguments `who` and `to` are parties."""

    name: str
    weight: int
    make: Maker
    draws: Mapping[str, Domain] = field(default_factory=dict)

    def drawn(self, source: random.Random) -> dict[str, Any]:
        """Random arguments for the moves."""
        return {name: domain.draw(source) for name, domain in self.draws.items()}

    def example(self) -> Sequence[Move]:
        """The moves for fixed arguments, between two parties."""
        return self.moves(["alice", "bob"], **self.drawn(random.Random(0)))

    def moves(self, parties: Sequence[str], **arguments: Any) -> Sequence[Move]:
        """The moves between parties of these names."""
        named = dict(arguments)
        for name in {"who", "to"} & named.keys():
            named[name] = parties[arguments[name] % len(parties)]
        if "who" in named:
            named["other"] = parties[(arguments["who"] + 1) % len(parties)]
        return self.make(**named)


def _text(number: int, long: bool = False) -> bytes:
    return b"text number %d" % number + (b", a long one" * 30 if long else b"")


def _act(action: str) -> Maker:
    """A single action of a user, with its arguments as drawn."""
    return lambda who, other, **args: [User(who, action, args)]


def _send(who: str, other: str, number: int, padding: int | None, long: bool) -> Sequence[Move]:
    return [User(who, "send", {"text": _text(number, long), "padding": padding})]


def talk(who: str, other: str, number: int, there: bool) -> Sequence[Move]:
    """A text that arrives, and perhaps an answer; the round trip makes keys change."""
    moves: list[Move] = [User(who, "send", {"text": _text(number)}), Settle()]
    return [*moves, User(other, "send", {"text": _text(number + 1)}), Settle()] if there else moves


def _smp_run(who: str, other: str, secret: bytes, answer: bytes, deliveries: int) -> Sequence[Move]:
    """A run of SMP in which both users cooperate, up to a given message."""
    begun: list[Move] = [User(who, "smp_start", {"secret": secret, "question": None}), Settle()]
    return [*begun, User(other, "smp_answer", {"secret": answer}), *[Deliver(who), Deliver(other)] * deliveries]


def _change(to: str, position: int, change: tuple[str, int | bytes]) -> Sequence[Move]:
    return [ChangeField(to, position, *change)]


#: The receiver of a message under way, and its position in the queue.
_THERE: Mapping[str, Domain] = {"to": WHO, "position": POSITION}

TABLE: tuple[Row, ...] = (
    # What users do
    Row(
        "send",
        3,
        _send,
        {
            "who": WHO,
            "number": NUMBER,
            "padding": Choice((None, None, 0, 1, 300, MAX_PADDING + 1)),
            "long": Choice((False, True)),
        },
    ),
    Row("talk", 6, talk, {"who": WHO, "number": NUMBER, "there": Choice((False, True))}),
    Row("send_odd_text", 1, _act("send"), {"who": WHO, "text": Choice((b"", b"a\0b", b"?OTR:AAMD.", b"?OTRv23?"))}),
    Row("start", 2, _act("start"), {"who": WHO}),
    Row("end", 1, _act("end"), {"who": WHO}),
    Row(
        "smp_start",
        1,
        _act("smp_start"),
        {"who": WHO, "secret": SECRET, "question": Choice((None, b"", b"who goes there?"))},
    ),
    Row("smp_answer", 1, _act("smp_answer"), {"who": WHO, "secret": SECRET}),
    Row("smp_run", 2, _smp_run, {"who": WHO, "secret": SECRET, "answer": SECRET, "deliveries": Numbers(4)}),
    Row("smp_abort", 1, _act("smp_abort"), {"who": WHO}),
    Row(
        "extra_key",
        1,
        _act("extra_key"),
        {"who": WHO, "use": Choice((0, 1, 1 << 32)), "data": Choice((b"", b"a file's name"))},
    ),
    Row("set_policy", 1, _act("set_policy"), {"who": WHO, "policy": FLAGS}),
    Row("tick", 1, lambda seconds: [Tick(seconds)], {"seconds": Choice((1, 59, 60, 61))}),
    # What the network does
    Row("deliver", 5, lambda to, position: [Deliver(to, position)], _THERE),
    Row("deliver_all", 5, lambda: [Settle()]),
    Row("drop", 1, lambda to, position: [Drop(to, position)], _THERE),
    Row("duplicate", 1, lambda to, position: [Duplicate(to, position)], _THERE),
    Row("delay", 1, lambda to, position: [Delay(to, position)], _THERE),
    Row("replay", 3, lambda to, index: [Replay(to, -1 - index)], {"to": WHO, "index": Numbers(60)}),
    Row("flip_bit", 3, lambda to, position, bit: [FlipBit(to, position, bit)], {**_THERE, "bit": Numbers(3000)}),
    Row("change_field", 3, _change, {**_THERE, "change": Change()}),
    Row(
        "truncate", 1, lambda to, position, length: [Truncate(to, position, length)], {**_THERE, "length": Numbers(400)}
    ),
    Row("inject", 1, lambda to, message: [Inject(to, message)], {"to": WHO, "message": INJECTED}),
    Row(
        "fragment", 1, lambda to, position, size: [Fragment(to, position, size)], {**_THERE, "size": Choice((60, 200))}
    ),
    Row("shuffle", 1, lambda to, seed: [Shuffle(to, seed)], {"to": WHO, "seed": Numbers(3)}),
    Row("forge", 1, lambda to: [Forge(to)], {"to": WHO}),
)
