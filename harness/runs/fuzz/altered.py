"""Acts in which altered copies of a message arrive just before the genuine one.

The adversary has no keys. It alters the header, single fields, the length, or bytes anywhere, in each kind of handshake
message and in texts. A receiver that ignores the altered copies still gets the genuine message.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from otterproof.harness.runs.fuzz.actions import FIELDS, NUMBER, WHO, Choice, Numbers, Row, talk
from otterproof.harness.simulation.moves import (
    ChangeField,
    Craft,
    Deliver,
    Duplicate,
    FlipBit,
    Move,
    Settle,
    Splice,
    Truncate,
    User,
)
from otterproof.harness.wire.dictionary import WORDS
from otterproof.harness.wire.layouts import TYPES

#: The most altered copies of one message.
_MOST = 8

#: Data fields of messages, and sizes for their content: empty, too short, right, and too long.
_DATA = ("encrypted_gx", "hashed_gx", "revealed_key", "encrypted_signature", "mac", "encrypted_message", "old_mac_keys")
_SIZES = (0, 1, 15, 16, 17, 19, 20, 21, 24, 31, 32, 33, 40)

#: Known message types, and unknown ones.
_TYPES = (*TYPES, 0, 1, 4, 0x13, 0xFF)

#: Lengths that cut a message within its header or next to the header's end.
_SHORT = (0, 1, 2, 3, 4, 7, 8, 11, 12)

#: An alteration of the copy that arrives next.
Alteration: TypeAlias = ChangeField | Truncate | FlipBit | Splice


@dataclass(frozen=True, slots=True)
class Alterations:
    """One to _MOST alterations of a message under way. Its receiver is filled in later."""

    def draw(self, source: random.Random) -> tuple[Alteration, ...]:
        return tuple(_altered(source) for _ in range(source.randint(1, _MOST)))


def _altered(source: random.Random) -> Alteration:
    kind = source.choice(("header", "header", "field", "data", "cut", "cut", "bit", "added", "word"))
    if kind == "header":
        if source.randrange(4) == 0:
            return ChangeField("", 0, "type", source.choice(_TYPES))
        name = source.choice(("version", "type", "sender_tag", "receiver_tag"))
        return ChangeField("", 0, name, next(values for names, values in FIELDS.items() if name in names).draw(source))
    if kind == "field":
        names, values = source.choice(list(FIELDS.items()))
        return ChangeField("", 0, source.choice(names), values.draw(source))
    if kind == "data":
        return ChangeField("", 0, source.choice(_DATA), source.randbytes(source.choice(_SIZES)))
    if kind == "cut":
        # A negative length counts from the end. It cuts one byte, empty old MAC keys, the MAC as well, or any number.
        ended = -source.choice((2, 5, 25, source.randrange(2, 80)))
        return Truncate("", 0, source.choice((source.choice(_SHORT), ended, source.randrange(600))))
    if kind == "bit":
        return FlipBit("", 0, source.randrange(3000))
    if kind == "added":
        return Splice("", 0, False, -1, 0, source.choice((b"\0", b"more", bytes(40))))
    return Splice("", 0, source.choice((True, False)), source.randrange(600), 0, source.choice(list(WORDS.values())))


def ahead(to: str, alterations: Iterable[Alteration | Craft]) -> list[Move]:
    """Altered copies of the message that arrives next, each of them delivered. Crafts of an insider count as well."""
    return [move for one in alterations for move in (Duplicate(to, 0), replace(one, to=to), Deliver(to))]


def _handshake(
    who: str, other: str, number: int, deliveries: int, alterations: Sequence[Alteration], talked: bool
) -> Sequence[Move]:
    """A handshake in which one message, the first or a later one, is altered on its way."""
    begun: list[Move] = [Settle(), User(who, "start", {})]
    begun += [Deliver((other, who)[index % 2]) for index in range(deliveries)]
    to = (other, who)[deliveries % 2]
    return [*begun, *ahead(to, alterations), Settle(), *(talk(who, other, number, there=True) if talked else [])]


def _text(who: str, other: str, number: int, alterations: Sequence[Alteration]) -> Sequence[Move]:
    """A text that is altered on its way."""
    sent = User(who, "send", {"text": b"text number %d" % number})
    return [Settle(), sent, *ahead(other, alterations), Settle()]


ALTERED: tuple[Row, ...] = (
    Row(
        "altered_handshake",
        8,
        _handshake,
        {
            "who": WHO,
            "number": NUMBER,
            # In this order: the query, the commit, the D-H Key, the Reveal Signature and the Signature.
            "deliveries": Numbers(4),
            "alterations": Alterations(),
            "talked": Choice((False, True)),
        },
    ),
    Row("altered_text", 5, _text, {"who": WHO, "number": NUMBER, "alterations": Alterations()}),
)
