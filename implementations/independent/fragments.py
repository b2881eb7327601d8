"""Fragmentation: cutting an armoured message to a size, and putting received pieces together.

The pieces of an unfinished message form a chain, each link holding the one before it. Adding a piece thus costs the
same however many there are, and a snapshot that shares the chain is not touched by what is added later.
[Fragmentation]
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from implementations.contract import MAX_INSTANCES, MAX_REASSEMBLY, Reason

from .wire import Fault, Header, judge_receiver, judge_sender

_FORM_V3: Final = re.compile(rb"\?OTR\|([0-9A-Fa-f]{1,8})\|([0-9A-Fa-f]{1,8}),([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
_FORM_V2: Final = re.compile(rb"\?OTR,([0-9]{1,5}),([0-9]{1,5}),([^,]+),")
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
    """The pieces 1 to k of n, of `size` bytes together; `piece` is the k-th, the others hang on `before`."""

    k: int
    n: int
    size: int
    piece: bytes = field(repr=False)
    before: Partial | None = field(repr=False)

    def joined(self) -> bytes:
        """All pieces in one."""
        pieces = []
        link: Partial | None = self
        while link is not None:
            pieces.append(link.piece)
            link = link.before
        return b"".join(reversed(pieces))


#: What is stored, by sender tag (0 for version 2), the one that began longest ago first.
Stored = Mapping[int, Partial]


def parse(message: bytes, start: int, version: int, own_tag: int) -> Fragment:
    """The fragment that begins at `start`.

    Raises Fault: BAD_FRAGMENT for its form, then a reason about the tags, then BAD_FRAGMENT for k and n.
    """
    sender = 0
    if version == 3:
        form = _FORM_V3.match(message, start)
        if form is None:
            raise Fault(Reason.BAD_FRAGMENT)
        sender = int(form[1], 16)
        judge_sender(sender)
        judge_receiver(int(form[2], 16), own_tag, zero_allowed=True)
    else:
        form = _FORM_V2.match(message, start)
        if form is None:
            raise Fault(Reason.BAD_FRAGMENT)
    *_, k_digits, n_digits, piece = form.groups()
    k, n = int(k_digits), int(n_digits)
    if not 1 <= k <= n <= _MOST_PIECES:
        raise Fault(Reason.BAD_FRAGMENT)
    return Fragment(sender, k, n, piece)


def add(stored: Stored, fragment: Fragment) -> tuple[Stored, bytes | None, Reason | None]:
    """Take one more fragment.

    Returns what is stored from now on, the complete message if this was its last piece, and the reason if what was
    stored for this sender had to be forgotten.
    """
    kept = dict(stored)
    partial = kept.pop(fragment.sender, None)
    size = len(fragment.piece)
    if fragment.k == 1:
        began_before = False
        extended = Partial(1, fragment.n, size, fragment.piece, None)
    elif partial is not None and (fragment.k, fragment.n) == (partial.k + 1, partial.n):
        began_before = True
        extended = Partial(fragment.k, fragment.n, partial.size + size, fragment.piece, partial)
    else:
        return kept, None, Reason.FRAGMENT_OUT_OF_ORDER
    if extended.size > MAX_REASSEMBLY:
        return kept, None, Reason.TOO_LARGE
    if extended.k == extended.n:
        return kept, extended.joined(), None
    if began_before:
        # Written in place, for the age of an unfinished message is that of its first piece.
        return {**stored, fragment.sender: extended}, None, None
    while len(kept) >= MAX_INSTANCES:
        del kept[next(iter(kept))]
    kept[fragment.sender] = extended
    return kept, None, None


def split(armoured: bytes, header: Header, max_size: int | None) -> list[bytes]:
    """The messages in which to transmit an armoured one: itself if it fits, else fragments of at most max_size."""
    if max_size is None or len(armoured) <= max_size:
        return [armoured]
    tags = b"|%08x|%08x" % (header.sender, header.receiver) if header.version == 3 else b""
    room = max_size - len(b"?OTR%s,00000,00000,," % tags)
    count = -(-len(armoured) // room)
    return [
        b"?OTR%s,%05d,%05d,%s," % (tags, k, count, armoured[(k - 1) * room : k * room]) for k in range(1, count + 1)
    ]
