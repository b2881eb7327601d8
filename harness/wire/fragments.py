"""Cutting messages into fragments and joining them again, in both versions. [Fragmentation]

Fragments are made in the form of [choice fragments.sent] (tags with 8 hex digits, numbers with 5), so that what is
made here can be compared with what an engine sends. Other forms are a matter of formatting bytes.

An `Assembly` holds the pieces of one message that have come so far. It joins whatever it is given; which fragment a
receiver may add is for the caller to say. A `Joiner` reads what one party sends, and gives whole messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from otterproof.harness.wire.fields import FieldError
from otterproof.harness.wire.message import Kind, Message, parse

FRAGMENTS = frozenset({Kind.FRAGMENT_V2, Kind.FRAGMENT_V3})

#: k and n are unsigned shorts.
MAX_FRAGMENTS = 0xFFFF

#: Instance tags are INTs.
_MAX_TAG = 0xFFFFFFFF


def fragment(message: bytes, size: int, version: int, tags: tuple[int, int] = (0, 0)) -> list[bytes]:
    """A message in fragments of at most `size` bytes each, headers included; all but the last one have that size.

    tags: sender and receiver, for version 3 only. A message that would fit whole becomes a single fragment, 1 of 1.
    FieldError when the version is not 2 or 3, a tag is no INT, the message is empty or holds a comma (which would end
    the piece early), no piece fits in `size`, or more than 65535 fragments would be needed.
    """
    if version not in (2, 3):
        raise FieldError(f"version {version} has no fragments; give 2 or 3")
    if any(not 0 <= tag <= _MAX_TAG for tag in tags):
        raise FieldError(f"tags {tags} do not fit: give two numbers of at most 32 bits")
    if not message or b"," in message:
        raise FieldError("a message in fragments has at least one byte and no comma; format other ones by hand")
    marker = b"?OTR|%08x|%08x" % tags if version == 3 else b"?OTR"
    room = size - len(marker) - len(b",00001,00001,,")
    if room < 1:
        raise FieldError(
            f"no piece fits in {size} bytes; the header of version {version} leaves room from {size - room + 1}"
        )
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    if len(pieces) > MAX_FRAGMENTS:
        raise FieldError(f"{len(message)} bytes need {len(pieces)} fragments of {size} bytes, above {MAX_FRAGMENTS}")
    return [b"%s,%05d,%05d,%s," % (marker, k, len(pieces), piece) for k, piece in enumerate(pieces, start=1)]


#: Pieces, the last one first: (those before it, the last one). Adding to it copies nothing.
_Chain: TypeAlias = "tuple[_Chain, bytes] | None"


@dataclass(frozen=True, slots=True)
class Assembly:
    """The fragments of a message so far: the last one was k of n, and they have `size` bytes in all."""

    k: int = 0
    n: int = 0
    size: int = 0
    _pieces: _Chain = None

    def plus(self, fragment: Message) -> Assembly:
        """With one more. FieldError when the message is no well-formed fragment."""
        piece = fragment.piece
        if piece is None:
            raise FieldError(f"a {fragment.kind} message holds no piece; give a fragment that has the form of one")
        return Assembly(piece.k, piece.n, self.size + len(piece.content), (self._pieces, piece.content))

    def joined(self) -> bytes:
        """All pieces, in the order in which they were added."""
        found, chain = [], self._pieces
        while chain is not None:
            chain, piece = chain
            found.append(piece)
        return b"".join(reversed(found))


#: Nothing has come so far.
_NOTHING = Assembly()


def reassemble(fragments: Iterable[bytes]) -> bytes:
    """The pieces of fragments, joined in the order given. FieldError for what is no fragment."""
    assembly = _NOTHING
    for fragment in fragments:
        assembly = assembly.plus(parse(fragment))
    return assembly.joined()


class Joined(NamedTuple):
    """A message that was sent, and the pieces in which it went out: fragments, or the message itself."""

    raw: bytes
    pieces: tuple[bytes, ...]


class Joiner:
    """Joins the fragments in what a party sends one after the other."""

    def __init__(self) -> None:
        self._assembly = _NOTHING
        self._pieces: list[bytes] = []

    def add(self, raw: bytes, message: Message) -> Joined | None:
        """The message that is now whole; None when more fragments are due. message: what `parse` makes of `raw`.

        Each fragment counts as the next one of the same message, until one is the last of its n: what goes out in the
        wrong order is joined in that order. A message that is no fragment drops the fragments before it, as it does at
        the receiver.
        """
        if message.kind not in FRAGMENTS or message.piece is None:
            self._assembly, self._pieces = _NOTHING, []
            return Joined(raw, (raw,))
        self._assembly = self._assembly.plus(message)
        self._pieces.append(raw)
        if self._assembly.k < self._assembly.n:
            return None
        joined = Joined(self._assembly.joined(), tuple(self._pieces))
        self._assembly, self._pieces = _NOTHING, []
        return joined
