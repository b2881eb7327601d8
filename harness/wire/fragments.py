"""Cutting messages into fragments: the way back from `reassemble`, in both versions. [Fragmentation]

Fragments are made in the form of [choice fragments.sent] (tags with 8 hex digits, numbers with 5), so that what is
made here can be compared with what an engine sends. Other forms are a matter of formatting bytes.
"""

from __future__ import annotations

from otterproof.harness.wire.fields import FieldError

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
