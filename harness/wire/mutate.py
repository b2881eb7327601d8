"""Changes that an adversary without keys can make to a message: bits, lengths, fields, fragments, and forgeries.

Each takes a message as it is on the wire and returns it changed, with the armour whole. A forgery needs a MAC key that
has been revealed on the wire. [Fragmentation, "Revealing MAC keys"]
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence

from otterproof.harness import wire
from otterproof.harness.wire import Kind


def flip_bit(message: bytes, bit: int) -> bytes:
    """Invert one bit of what the armour holds, or of a message without armour; `bit` wraps around."""
    parsed = wire.parse(message)
    content = bytearray(parsed.body)
    if not content:
        return message
    bit %= 8 * len(content)
    content[bit // 8] ^= 0x80 >> bit % 8
    return wire.build(parsed.with_body(bytes(content)))


def truncate(message: bytes, length: int) -> bytes:
    """Keep the first bytes of what the armour holds, or of a message without armour; `length` wraps around."""
    parsed = wire.parse(message)
    return wire.build(parsed.with_body(parsed.body[: length % (len(parsed.body) + 1)]))


def change_field(message: bytes, name: str, value: int | bytes) -> bytes:
    """Give a field another value; the message is unchanged if it has no such field, or none that can hold the value."""
    try:
        return wire.build(wire.parse(message).with_value(name, value))
    except wire.FieldError:
        return message


def splice_bytes(content: bytes, at: int, cut: int, put: bytes) -> bytes:
    """Put bytes in the place of `cut` others; `at` wraps around."""
    at %= len(content) + 1
    return content[:at] + put + content[at + max(cut, 0) :]


def inverted_after(data: bytes, size: int) -> bytes:
    """The bytes with all after the first `size` inverted."""
    return data[:size] + bytes(one ^ 0xFF for one in data[size:])


def splice(message: bytes, at: int, cut: int, put: bytes, *, text: bool) -> bytes:
    """Put bytes in the place of others: in what the armour holds, or in the message as it is on the wire (text)."""
    if text:
        return splice_bytes(message, at, cut, put)
    parsed = wire.parse(message)
    return wire.build(parsed.with_body(splice_bytes(parsed.body, at, cut, put)))


#: Bytes that the forger authenticates, in search of a message and the key that fits it, before giving up. What it
#: tries is every message with every key revealed, and a hostile target reveals as many as it likes.
_FORGER_WORK = 1 << 25

#: What trying a key costs beside the message, in bytes that could be authenticated meanwhile.
_FORGER_TRY = 1 << 9


def forgery(history: Sequence[bytes]) -> bytes | None:
    """The latest data message on the wire whose MAC key has been revealed, changed and with the right MAC for that.

    None when there is none, or when it is not found within `_FORGER_WORK`, the latest messages and keys being tried
    first.
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


#: Bytes of a fragment that are not its piece, by version.
_FRAGMENT_HEADER = {2: len(b"?OTR,00001,00001,,"), 3: len(b"?OTR|00000000|00000000,00001,00001,,")}


def fragment(message: bytes, size: int) -> list[bytes]:
    """An encoded message in pieces of `size` bytes, with the version and tags it has itself; others are left whole."""
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
