"""Changes that an adversary without keys can make to a message: to bits, lengths, fields and fragments, and forgeries.

Each function takes a message as it is on the wire and returns it changed, with intact armour. A forgery needs a MAC key
that was revealed on the wire. [Fragmentation, "Revealing MAC keys"]
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from otterproof.harness import wire
from otterproof.harness.wire import Kind


def flip_bit(message: bytes, bit: int) -> bytes:
    """Invert one bit of the decoded content, or of a message without armour; `bit` wraps around."""
    parsed = wire.parse(message)
    content = bytearray(parsed.body)
    if not content:
        return message
    bit %= 8 * len(content)
    content[bit // 8] ^= 0x80 >> bit % 8
    return wire.build(parsed.with_body(bytes(content)))


def truncate(message: bytes, length: int) -> bytes:
    """Keep the first bytes of the decoded content, or of a message without armour; `length` wraps around."""
    parsed = wire.parse(message)
    return wire.build(parsed.with_body(parsed.body[: length % (len(parsed.body) + 1)]))


def change_field(message: bytes, name: str, value: int | bytes) -> bytes:
    """Give a field another value. Changes nothing if there is no such field, or it can't hold the value."""
    try:
        return wire.build(wire.parse(message).with_value(name, value))
    except wire.FieldError:
        return message


def splice_bytes(content: bytes, at: int, cut: int, put: bytes) -> bytes:
    """Replace `cut` bytes from `at` on by `put`; `at` wraps around."""
    at %= len(content) + 1
    return content[:at] + put + content[at + max(cut, 0) :]


def inverted_after(data: bytes, size: int) -> bytes:
    """The data with every byte after the first `size` inverted."""
    return data[:size] + bytes(one ^ 0xFF for one in data[size:])


def splice(message: bytes, at: int, cut: int, put: bytes, *, text: bool) -> bytes:
    """Replace bytes of the decoded content or, with `text`, of the message as it is on the wire."""
    if text:
        return splice_bytes(message, at, cut, put)
    parsed = wire.parse(message)
    return wire.build(parsed.with_body(splice_bytes(parsed.body, at, cut, put)))


#: How many bytes the forger authenticates in search of a message and a fitting key before it gives up. It tries every
#: message with every revealed key, and a hostile target can reveal as many as it likes.
_FORGER_WORK = 1 << 25

#: The fixed cost of trying a key, in bytes that could be authenticated in the same time.
_FORGER_TRY = 1 << 9


def forgery(history: Sequence[bytes]) -> bytes | None:
    """The latest data message on the wire whose MAC key has been revealed, with changed content and the right MAC.

    None if there is none, or if it is not found within `_FORGER_WORK`. The latest messages and keys are tried first.
    """
    messages = [wire.parse_once(raw) for raw in history]
    whole = [message for message in messages if message.kind is Kind.DATA and not message.problems]
    keys = [key for message in whole for key in message.revealed_mac_keys()]
    work = 0
    for message in reversed(whole):
        authenticated, mac = message.mac_input(), message.data("mac")
        for key in reversed(keys):
            work += len(authenticated) + _FORGER_TRY
            if work > _FORGER_WORK:
                return None
            if hmac.digest(key, authenticated, "sha1") == mac:
                changed = bytes(one ^ 1 for one in message.data("encrypted_message"))
                return wire.build(wire.crypto.mac_data(message.with_value("encrypted_message", changed), key))
    return None


#: The size in bytes of a fragment without its piece, by version.
_FRAGMENT_HEADER = {2: len(b"?OTR,00001,00001,,"), 3: len(b"?OTR|00000000|00000000,00001,00001,,")}


def fragment(message: bytes, size: int) -> list[bytes]:
    """Cut an encoded message into pieces of `size` bytes, with its own version and tags; leave other messages whole."""
    parsed = wire.parse(message)
    if parsed.version not in (2, 3) or not message.startswith(b"?OTR:"):
        return [message]
    tags = (0, 0)
    if parsed.version == 3 and parsed.has("sender_tag") and parsed.has("receiver_tag"):
        tags = (parsed.number("sender_tag"), parsed.number("receiver_tag"))
    try:
        return wire.fragment(message, size + _FRAGMENT_HEADER[parsed.version], parsed.version, tags)
    except wire.FieldError:
        return [message]
