"""Cutting messages into fragments and joining them again, in both versions. [Fragmentation]

Fragments have the form of [choice fragments.sent] (tags with 8 hex digits, numbers with 5), so that they can be
compared with those an engine sends. For other forms, format the bytes directly.

An `Assembly` holds the pieces of one message received so far. It joins whatever it is given; the caller decides which
fragments a receiver may add. A `Joiner` reads what one party sends and returns whole messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from otterproof.harness.wire.fields import FieldError
from otterproof.harness.wire.message import Kind, Message, parse
from otterproof.implementations.values import quickly_made

FRAGMENTS = frozenset({Kind.FRAGMENT_V2, Kind.FRAGMENT_V3})

#: k and n are unsigned shorts.
MAX_FRAGMENTS = 0xFFFF

#: Instance tags are INTs.
_MAX_TAG = 0xFFFFFFFF


def fragment(message: bytes, size: int, version: int, tags: tuple[int, int] = (0, 0)) -> list[bytes]:
    """Cut a message into fragments of at most `size` bytes each, headers included; all but the last have that size.

    tags: sender and receiver, for version 3 only. A message that would fit whole becomes a single fragment, 1 of 1.
    FieldError if the version is not 2 or 3, a tag does not fit an INT, the message is empty or holds a comma (which
    would end the piece early), no piece fits in `size`, or more than 65535 fragments would be needed.
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


#: A linked list of pieces, the last one first: (earlier pieces, last piece). Adding to it copies nothing.
_Chain: TypeAlias = "tuple[_Chain, bytes] | None"


@quickly_made
@dataclass(frozen=True, slots=True)
class Assembly:
    """The fragments of a message so far: the last was k of n, and their pieces have `size` bytes in all."""

    k: int = 0
    n: int = 0
    size: int = 0
    _pieces: _Chain = None

    def plus(self, fragment: Message) -> Assembly:
        """Add a fragment. FieldError if the message is not a well-formed fragment."""
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


#: No fragments yet.
_NOTHING = Assembly()


def reassemble(fragments: Iterable[bytes]) -> bytes:
    """Join the pieces of fragments in the order given. FieldError for anything that is not a fragment."""
    assembly = _NOTHING
    for fragment in fragments:
        assembly = assembly.plus(parse(fragment))
    return assembly.joined()


class Joined(NamedTuple):
    """A message that was sent, and the pieces it was sent in: its fragments, or the message itself."""

    raw: bytes
    pieces: tuple[bytes, ...]


class Joiner:
    """Joins the fragments among the messages that a party sends."""

    def __init__(self) -> None:
        self._assembly = _NOTHING
        self._pieces: list[bytes] = []

    def add(self, raw: bytes, message: Message) -> Joined | None:
        """The message that is now whole; None while more fragments are due. message: `raw` as `parse` reads it.

        Each fragment counts as the next one of the same message, until one is the last of its n: fragments sent in the
        wrong order are joined in that order. A message that is not a fragment discards the fragments before it, as at
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
