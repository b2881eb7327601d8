"""Fragmentation: cutting an armoured message to a size, and putting received pieces together.

The pieces of an unfinished message form a chain, so adding one costs the same however many there are.
[Fragmentation]
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from otterproof.implementations.contract import MAX_INSTANCES, MAX_REASSEMBLY, RejectReason

from .growing import Chain
from .text import consists_of
from .wire import Fault, Header, judge_receiver, judge_sender

#: The length of "?OTR|" and of "?OTR,".
_MARKER_SIZE: Final = 5

#: Digits by base.
_DIGITS: Final = {10: string.digits.encode(), 16: string.hexdigits.encode()}
_MOST_PIECES: Final = 0xFFFF


@dataclass(frozen=True, slots=True)
class Fragment:
    """One received fragment whose tags are right; sender is 0 in version 2."""

    sender: int
    k: int
    n: int
    piece: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """The pieces 1 to k of n, of `size` bytes together."""

    k: int
    n: int
    size: int
    pieces: Chain[bytes] = field(repr=False)


_NO_PIECES: Final[Chain[bytes]] = Chain()

#: What is stored, by sender tag (0 for version 2), the one that began longest ago first.
Stored = Mapping[int, Partial]


def parse(message: bytes, start: int, version: int, own_tag: int) -> Fragment:
    """The fragment that begins at `start`.

    Raises Fault: BAD_FRAGMENT for its form, then a reason about the tags, then BAD_FRAGMENT for k and n.
    [Fragmentation; FRAGMENT-RECV-3]
    """
    sender = receiver = 0
    match version, message[start + _MARKER_SIZE :].split(b",", 4):
        case 2, [k_digits, n_digits, piece, _, *_]:
            pass
        case 3, [tags, k_digits, n_digits, piece, _]:
            sender, receiver = _read_tags(tags)
        case _:
            raise Fault(RejectReason.BAD_FRAGMENT)  # too few fields, or too many [FRAGMENT-RECV-20]
    k, n = _read_number(k_digits, 10, 5), _read_number(n_digits, 10, 5)
    if not piece:
        raise Fault(RejectReason.BAD_FRAGMENT)
    if version == 3:
        judge_sender(sender)
        judge_receiver(receiver, own_tag, zero_allowed=True)  # [FRAGMENT-RECV-5, FRAGMENT-RECV-6]
    if not 1 <= k <= n <= _MOST_PIECES:
        # [FRAGMENT-RECV-7, FRAGMENT-RECV-8, FRAGMENT-RECV-9, FRAGMENT-BOUND-2]
        raise Fault(RejectReason.BAD_FRAGMENT)
    return Fragment(sender, k, n, piece)


def _read_tags(tags: bytes) -> tuple[int, int]:
    """The two instance tags, sender first. Raises Fault(BAD_FRAGMENT)."""
    sender, bar, receiver = tags.partition(b"|")
    if not bar:
        raise Fault(RejectReason.BAD_FRAGMENT)
    return _read_number(sender, 16, 8), _read_number(receiver, 16, 8)


def _read_number(text: bytes, base: int, most: int) -> int:
    """A number of one to `most` digits. Raises Fault(BAD_FRAGMENT) for a longer one before it looks at its digits.

    Leading zeros and letters of either case are digits; a sign or a blank is not. [FRAGMENT-RECV-4, FRAGMENT-RECV-20]
    """
    if not 1 <= len(text) <= most or not consists_of(text, _DIGITS[base]):
        raise Fault(RejectReason.BAD_FRAGMENT)
    return int(text, base)


def add(stored: Stored, fragment: Fragment) -> tuple[Stored, bytes | None, RejectReason | None]:
    """Take one more fragment.

    Returns what is stored from now on, the complete message if this was its last piece, and the reason if what was
    stored for this sender had to be forgotten. Version 2 is a sender of its own, with the same rules. [FRAGMENT-RECV-1,
    FRAGMENT-RECV-17, FRAGMENT-RECV-18, FRAGMENT-RECV-21]
    """
    kept = dict(stored)
    partial = kept.pop(fragment.sender, None)
    size = len(fragment.piece)
    if fragment.k == 1:  # [FRAGMENT-RECV-10]
        began_before = False
        extended = Partial(1, fragment.n, size, _NO_PIECES.plus((fragment.piece,)))
    elif partial is not None and (fragment.k, fragment.n) == (partial.k + 1, partial.n):  # [FRAGMENT-RECV-11]
        began_before = True
        pieces = partial.pieces.plus((fragment.piece,))
        extended = Partial(fragment.k, fragment.n, partial.size + size, pieces)
    else:
        return kept, None, RejectReason.FRAGMENT_OUT_OF_ORDER  # [FRAGMENT-RECV-12]
    if extended.size > MAX_REASSEMBLY:
        return kept, None, RejectReason.TOO_LARGE  # [FRAGMENT-BOUND-1]
    if extended.k == extended.n:
        # Nothing of it stays stored, so its last piece can't complete it a second time. [FRAGMENT-RECV-14,
        # FRAGMENT-RECV-19]
        return kept, b"".join(extended.pieces), None
    if began_before:
        # Written in place, for the age of an unfinished message is that of its first piece.
        return {**stored, fragment.sender: extended}, None, None
    # [FRAGMENT-BOUND-1]
    while len(kept) >= MAX_INSTANCES:
        del kept[next(iter(kept))]
    kept[fragment.sender] = extended
    return kept, None, None


def split(armoured: bytes, header: Header, max_size: int | None) -> list[bytes]:
    """The messages in which to transmit an armoured one: itself if it fits, else fragments of at most max_size.

    The header says the version and the tags, of which version 2 has none. The smallest max_size that a configuration
    can have leaves room for the longest text in 65535 pieces. [Fragmentation; FRAGMENT-SEND-1, FRAGMENT-SEND-2,
    FRAGMENT-SEND-3, FRAGMENT-SEND-6, FRAGMENT-SEND-8, FRAGMENT-SEND-10, FRAGMENT-SEND-11, INSTANCE-HEADER-2]
    """
    if max_size is None or len(armoured) <= max_size:
        return [armoured]
    tags = b"|%08x|%08x" % (header.sender, header.receiver) if header.version == 3 else b""
    room = max_size - len(b"?OTR%s,00000,00000,," % tags)
    count = -(-len(armoured) // room)  # rounded up, so that no piece is empty [FRAGMENT-SEND-7]
    # [FRAGMENT-SEND-4, FRAGMENT-SEND-5]
    return [
        b"?OTR%s,%05d,%05d,%s," % (tags, k, count, armoured[(k - 1) * room : k * room]) for k in range(1, count + 1)
    ]
