"""Data messages as a malicious peer would change them: one part is altered, then encrypted and authenticated again.

Such an insider has the session keys. It can change a header field, the text, a TLV, or an SMP number (with the old
proof or a new one), or overwrite any bytes. The MAC fits the result, so the receiver reads all of it. A message without
the part, or with a part that can't hold the value, is left unchanged. [Data Message, SMP Message TLVs]
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from otterproof.harness.wire import crypto
from otterproof.harness.wire.craft_smp import SMP_PARTS, Change
from otterproof.harness.wire.data_lies import LIES, Sealed, lying
from otterproof.harness.wire.fields import FieldError, Type, encode
from otterproof.harness.wire.layers import Plaintext, Tlv, build_plaintext, parse_plaintext, tlv
from otterproof.harness.wire.message import Kind, Message, armour, build, parse_once
from otterproof.harness.wire.mutate import splice_bytes

#: Looks up the session keys for a pair of key ids, the sender's first; None if the insider does not have them.
KeysOf = Callable[[int, int], crypto.SessionKeys | None]

#: The maximum size in bytes of a plaintext that an insider makes.
_MOST = 1 << 16

#: The header fields that determine a message's layout, with their offsets and types.
_OF_LAYOUT: Mapping[str, tuple[int, Type]] = {"version": (0, Type.SHORT), "type": (2, Type.BYTE)}


@dataclass(frozen=True, slots=True)
class Altered:
    """A data message that an insider made from another. plaintext, original: the content of the new one and the old
    one.

    renumbered: whether the version, the key ids, the counter or the next D-H key changed, so that the two sides may
    disagree on keys.
    """

    raw: bytes
    plaintext: bytes
    original: bytes
    renumbered: bool


def altered(raw: bytes, keys_of: KeysOf, part: str, number: int, value: int | bytes) -> Altered | None:
    """Change one part of a data message. None if nothing changes, or if the insider can't read the message."""
    message = parse_once(raw)
    keys = _keys(message, keys_of)
    if keys is None:
        return None
    original = plaintext = crypto.decrypt_data(message, keys.sending_aes)
    try:
        if part in _OF_LAYOUT:  # in another layout, the fields filled in below may not exist
            offset, kind = _OF_LAYOUT[part]
            number, value = offset, encode(kind, value, part)
        if part in _OF_LAYOUT or part == "header_bytes":
            return _with_any_header(message, keys, original, number, value)
        if part in PLAINTEXT_PARTS:
            plaintext = PLAINTEXT_PARTS[part](plaintext, number, value)[:_MOST]
        elif part == NEXT_KEY:
            message = message.with_value("sender_keyid", message.number("sender_keyid") + 1).with_value("ctr", value)
            keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid"))
            if keys is None:
                return None
        else:
            message = message.with_value(part, value)
            keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid")) or keys
    except FieldError:
        return None
    made = crypto.mac_data(crypto.encrypt_data(message, keys.sending_aes, plaintext), keys.sending_mac)
    result = build(made)
    return (
        None
        if result == raw
        else Altered(result, plaintext, original, _renumbered(parse_once(raw), parse_once(result)))
    )


def _keys(message: Message, keys_of: KeysOf) -> crypto.SessionKeys | None:
    """The keys of a data message; None if it is not a complete one, or the insider does not have its keys."""
    if message.kind is not Kind.DATA or message.problems:
        return None
    keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid"))
    return keys if keys is not None and crypto.verifies(message, keys.sending_mac) else None


def _with_any_header(
    message: Message, keys: crypto.SessionKeys, plaintext: bytes, number: int, value: int | bytes
) -> Altered | None:
    """Overwrite bytes of the authenticated part, whatever they mean, and compute the MAC of the result."""
    head = message.mac_input()
    changed = splice_bytes(head, number, len(value), value) if isinstance(value, bytes) else head
    if changed == head:
        return None
    tail = hmac.digest(keys.sending_mac, changed, "sha1") + encode(Type.DATA, message.data("old_mac_keys"), "keys")
    raw = armour(changed + tail)
    after = parse_once(raw)
    renumbered = after.kind is not Kind.DATA or bool(after.problems) or _renumbered(message, after)
    if after.kind is Kind.DATA and after.has("encrypted_message") and after.has("ctr"):
        plaintext = crypto.decrypt_data(after, keys.sending_aes)
    return Altered(raw, plaintext, crypto.decrypt_data(message, keys.sending_aes), renumbered)


def _renumbered(before: Message, after: Message) -> bool:
    names = ("version", "sender_keyid", "recipient_keyid", "next_dh", "ctr")
    return any(not after.has(name) or after.value(name) != before.value(name) for name in names)


def _of_plaintext(change: Change) -> Callable[[bytes, int, int | bytes], bytes]:
    return lambda plaintext, number, value: build_plaintext(change(parse_plaintext(plaintext), number, value))


def _text(plaintext: Plaintext, _: int, value: int | bytes) -> Plaintext:
    return replace(plaintext, text=value) if isinstance(value, bytes) else plaintext


def _added(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
    """Append a TLV of type `number`."""
    if not isinstance(value, bytes) or not 0 <= number <= 0xFFFF or len(value) > 0xFFFF:
        return plaintext
    return replace(plaintext, nul=True, tlvs=(*plaintext.tlvs, tlv(number, value)))


def _each(change: Callable[[Tlv, int | bytes], tuple[Tlv, ...]]) -> Change:
    """Change the TLV at an index, which wraps around."""

    def changed(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
        if not plaintext.tlvs:
            return plaintext
        at = number % len(plaintext.tlvs)
        tlvs = (*plaintext.tlvs[:at], *change(plaintext.tlvs[at], value), *plaintext.tlvs[at + 1 :])
        return replace(plaintext, tlvs=tlvs)

    return changed


def _typed(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    return (replace(one, type=value),) if isinstance(value, int) and 0 <= value <= 0xFFFF else (one,)


def _with_length(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    """Set the length field, whatever the size of the TLV's value."""
    return (replace(one, length=value),) if isinstance(value, int) and 0 <= value <= 0xFFFF else (one,)


def _filled(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    return (tlv(one.type, value),) if isinstance(value, bytes) and len(value) <= 0xFFFF else (one,)


def _cut(plaintext: bytes, number: int, _: int | bytes) -> bytes:
    """Cut off the last `number` bytes; wraps around."""
    return plaintext[: len(plaintext) - number % (len(plaintext) + 1)]


def _spliced(plaintext: bytes, number: int, value: int | bytes) -> bytes:
    return splice_bytes(plaintext, number, len(value), value) if isinstance(value, bytes) else plaintext


#: The parts of a data message's plaintext that an insider can change, by name.
PLAINTEXT_PARTS: Mapping[str, Callable[[bytes, int, int | bytes], bytes]] = {
    "text": _of_plaintext(_text),
    "tlv_added": _of_plaintext(_added),
    "tlv_type": _of_plaintext(_each(_typed)),
    "tlv_length": _of_plaintext(_each(_with_length)),
    "tlv_value": _of_plaintext(_each(_filled)),
    "tlv_twice": _of_plaintext(_each(lambda one, _: (one, one))),
    "tlv_left_out": _of_plaintext(_each(lambda _, __: ())),
    **{name: _of_plaintext(change) for name, change in SMP_PARTS.items()},
    "plaintext_cut": _cut,
    "plaintext_bytes": _spliced,
}

#: The fields of a data message that an insider can change.
HEADER_PARTS = (
    "flags",
    "sender_keyid",
    "recipient_keyid",
    "next_dh",
    "ctr",
    "old_mac_keys",
    "version",
    "type",
    "sender_tag",
    "receiver_tag",
)

#: The part that sets a wrong MAC. Such a message does not count as sent by the insider's client, and must be refused.
MAC = "mac"

#: The part that sends the message under the sender's next key, which it has announced, with a given counter.
NEXT_KEY = "next_key"

#: All parts of data messages that an insider can change.
PARTS = (*HEADER_PARTS, "header_bytes", NEXT_KEY, *PLAINTEXT_PARTS, MAC)


def with_wrong_mac(raw: bytes, keys_of: KeysOf, number: int, ssid: bytes) -> bytes | None:
    """A data message with a wrong MAC, one of LIES by its number; None if the insider can't read it or make it."""
    message = parse_once(raw)
    keys = _keys(message, keys_of)
    if keys is None:
        return None
    made = lying(Sealed(message, keys, ssid), LIES[number % len(LIES)])
    return None if made is None else build(made)
