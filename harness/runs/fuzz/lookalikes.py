"""Texts that look like messages of the protocol, drawn from its grammar: valid ones, and ones that are nearly valid.

The adversary injects them, users type them, and insiders put them into messages. Each is a query, a whitespace tag, an
Error Message, a fragment or an encoded message, with or without words around it. Numbers, versions and types are at the
limits of their fields. [OTR Query Messages, Tagged plaintext messages, OTR Error Messages, Fragmentation, Encoding]
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS
from otterproof.harness.wire.layouts import TYPES

#: What comes before and after; most often nothing.
_BEFORE = (b"", b"", b"", b"words ", b"? ", b"\n", b"?OTR", b"w" * 1100)
_AFTER = (b"", b"", b"", b" words", b" 3 words?", b"2?", b"\n", b" ?OTRv23?")

#: Eight blanks and tabs that stand for no version, and a group that is cut short.
_UNKNOWN_GROUP, _CUT_GROUP = b" \t \t\t\t\t ", b" \t "

#: The texts of errors: plain, with format characters, with terminal escapes, in UTF-8 and not, long, and empty.
_ERRORS = (b" no such thing", b" 100%s%n%d", b" \x1b[31mred", " caf\u00e9".encode(), b" \xff", b" e" * 1000, b"")

#: Numbers of fragments: at the limits of several number types, and in odd notations.
_NUMBERS = ("0", "1", "2", "3", "00002", "255", "256", "257", "32768", "65535", "65536", "65537", "-1", "+1", " 1", "")

#: Instance tags, including those of the parties.
_TAGS = (0, 1, 0xFF, 0x100, 0x1A1A, 0x2B2B, 0x2B01, 0xFFFFFFFF)

_VERSIONS = (0, 1, 2, 3, 4, 0x0203, 0xFFFF)

#: The contents of fragments.
_PIECES = (b"", b"=", b"?OTR:AAMD", b"?OTR:AAMDAAAAAQAAAAE.", b"plain words", b"?OTRv23?", b"?OTR,1,1,x,", b"x" * 5000)


@dataclass(frozen=True, slots=True)
class Lookalike:
    """A text that looks like a message, or nearly so."""

    def draw(self, source: random.Random) -> bytes:
        made = source.choice(_MAKERS)(source)
        return source.choice(_BEFORE) + made + source.choice(_AFTER)


def _query(source: random.Random) -> bytes:
    first = source.choice((b"", b"?"))
    digits = bytes(source.choice(b"0123349x") for _ in range(source.randrange(5)))
    return b"?OTR" + first + source.choice((b"", b"v" + digits + source.choice((b"?", b"?", b"?", b""))))


def _tag(source: random.Random) -> bytes:
    groups = [*TAG_VERSIONS.values(), _UNKNOWN_GROUP, _CUT_GROUP]
    return source.choice((TAG_BASE, TAG_BASE, TAG_BASE[:-1])) + b"".join(
        source.sample(groups, source.choice((0, 1, 2, 2, 3, 4)))
    )


def _error(source: random.Random) -> bytes:
    return source.choice((b"?OTR Error:", b"?OTR Error:", b"?OTR Error", b"?otr error:")) + source.choice(_ERRORS)


def _fragment(source: random.Random) -> bytes:
    likely = source.choice((("1", "1"), ("1", "2"), ("2", "2"), ("1", "65535")))
    number, total = source.choice((likely, (source.choice(_NUMBERS), source.choice(_NUMBERS))))
    form = source.choice(("%08x", "%08x", "%x", "%08X", "%09x"))
    two = source.choice(((0x1A1A, 0x2B2B), (0x2B2B, 0x1A1A), (source.choice(_TAGS), source.choice(_TAGS))))
    tags = "|".join(form % tag for tag in two[: source.choice((2, 2, 2, 1))])
    head = source.choice((f"?OTR|{tags},", f"?OTR|{tags},", "?OTR,", "?OTR|"))
    return f"{head}{number},{total},".encode() + source.choice(_PIECES) + source.choice((b",", b",", b",", b"", b",,"))


def _encoded(source: random.Random) -> bytes:
    """An encoded message with a header, whole or cut, and perhaps something after it."""
    content = source.choice(_VERSIONS).to_bytes(2) + bytes([source.choice((*TYPES, *TYPES, 0, 0x13, 0xFF))])
    content += source.choice(_TAGS).to_bytes(4) + source.choice(_TAGS).to_bytes(4)
    content += source.choice((b"", b"\0", bytes(4), b"\0\0\0\1\2", b"\x7f\xff\xff\xff", bytes(60)))
    kept = source.choice((len(content), len(content), source.randrange(len(content))))
    end = source.choice((b".", b".", b".", b"", b".."))
    return b"?OTR:" + base64.b64encode(content[:kept]) + end


def _with_tlvs(source: random.Random) -> bytes:
    """A text in the clear, with what would be TLVs in a data message."""
    return b"in the clear\0" + source.randrange(9).to_bytes(2) + source.choice((b"\0\0", b"\0\1\0", b"\0\4"))


#: Messages that come in pieces; some are fragments themselves.
_WHOLE = (
    b"?OTRv23?",
    b"?OTR Error: in pieces",
    b"plain words in pieces",
    b"?OTR:AAMDAAAAAQAAAAE=.",
    b"?OTR,1,1,?OTRv2?,",
    b"?OTR|00002b2b|00001a1a,00001,00001,?OTRv23?,",
)

#: How fragments of version 3 are written, given five values: two tags, a number, the count and a piece.
_FORMS = (
    b"?OTR|%08x|%08x,%05d,%05d,%s,",
    b"?OTR|%x|%x,%d,%d,%s,",
    b"?OTR|%08X|%08X,%d,%d,%s,",
)


@dataclass(frozen=True, slots=True)
class _Piece:
    sender: int
    receiver: int
    number: int
    count: int
    piece: bytes


#: What may be wrong with one fragment of a message.
_ALTERED: Sequence[Callable[[random.Random, _Piece], _Piece]] = (
    lambda source, one: one,
    lambda source, one: replace(one, number=_near(source, one.number)),
    lambda source, one: replace(one, count=_near(source, one.count)),
    lambda source, one: replace(one, sender=source.choice(_TAGS)),
    lambda source, one: replace(one, piece=b""),
)


def _near(source: random.Random, number: int) -> int:
    """Another number, which may have the same lower bits."""
    return source.choice((0, 1, 2, 3, 5, number + (1 << 8), number + (1 << 16), number + (1 << 32)))


@dataclass(frozen=True, slots=True)
class Series:
    """A message in fragments, one of which may be altered, come twice, or come last."""

    def draw(self, source: random.Random) -> tuple[bytes, ...]:
        whole, count = source.choice(_WHOLE), source.randint(1, 4)
        size = -(-len(whole) // count)
        pieces = [whole[at : at + size] for at in range(0, len(whole), size)]
        sender, receiver = source.choice(((0x1A1A, 0x2B2B), (0x2B2B, 0x1A1A), (0x1A1A, 0)))
        parts = [_Piece(sender, receiver, number, len(pieces), piece) for number, piece in enumerate(pieces, start=1)]
        at = source.randrange(len(parts))
        parts[at] = source.choice(_ALTERED)(source, parts[at])
        if source.randrange(4) == 0:
            parts.append(parts[at] if source.choice((True, False)) else parts.pop(at))
        if source.randrange(4) == 0:
            return tuple(b"?OTR,%d,%d,%s," % (one.number, one.count, one.piece) for one in parts)
        form = source.choice(_FORMS)
        return tuple(form % (one.sender, one.receiver, one.number, one.count, one.piece) for one in parts)


_MAKERS: Sequence[Callable[[random.Random], bytes]] = (_query, _tag, _error, _fragment, _encoded, _with_tlvs)
