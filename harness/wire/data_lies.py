"""Wrong MACs for data messages: computed with the right key, but over too little, too much or something else.

Scenarios send them to any target, and insiders use them in random runs. Each lie is made from a genuine message. Most
give the bytes that the MAC covers in place of the right ones, or None if the version has no such thing; the rest change
the right MAC. [Data Message]
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

from otterproof.harness.wire import crypto
from otterproof.harness.wire.message import Message
from otterproof.harness.wire.mutate import inverted_after


@dataclass(frozen=True, slots=True)
class Sealed:
    """A genuine data message, and the keys that it was made with.

    ssid: that of its session. clients: the instance tags of sender and receiver, even if the message has none. Both are
    b"" if unknown.
    """

    message: Message
    keys: crypto.SessionKeys
    ssid: bytes = b""
    clients: bytes = b""

    @property
    def covered(self) -> bytes:
        """What the MAC covers."""
        return self.message.mac_input()

    @property
    def text(self) -> bytes:
        return self.message.data("encrypted_message")

    @property
    def plaintext(self) -> bytes:
        return crypto.decrypt_data(self.message, self.keys.sending_aes)

    @property
    def tags(self) -> bytes:
        """Both instance tags, b"" in version 2."""
        return b"".join(self.message.raw(name) for name in _TAGS) if self.message.version == 3 else b""

    def without(self, *names: str) -> bytes:
        """All fields before the MAC except those named."""
        fields = self.message.fields[: self.message.fields.index(self.message.field("mac"))]
        return b"".join(field.raw for field in fields if field.name not in names)

    def altered(self, **values: int) -> bytes:
        """What the MAC would cover if some fields had other values."""
        changed = self.message
        for name, value in values.items():
            changed = changed.with_value(name, value)
        return changed.mac_input()

    def of_version_3(self, covered: Callable[[], bytes]) -> bytes | None:
        return covered() if self.message.version == 3 else None


_TAGS = ("sender_tag", "receiver_tag")

#: Gives what a wrong MAC covers; None if the version has no such lie.
Covered: TypeAlias = Callable[[Sealed], bytes | None]

#: A MAC over swapped key ids. It is right if both ids are the same.
OTHER_ORDER = "covers the key ids in the other order"


def _leaving_out(name: str) -> Covered:
    return lambda of: of.without(name) if of.message.has(name) else None


#: MAC inputs that leave something out or replace it.
TOO_LITTLE: Mapping[str, Covered] = {
    **{
        f"leaves out {name}": _leaving_out(name)
        for name in (
            "version",
            "type",
            *_TAGS,
            "flags",
            "sender_keyid",
            "recipient_keyid",
            "next_dh",
            "ctr",
            "encrypted_message",
        )
    },
    "leaves out version and type": lambda of: of.without("version", "type"),
    "leaves out the length of the encrypted message": lambda of: of.covered[: -len(of.text) - 4] + of.text,
    "leaves out the length of the next key": lambda of: of.covered.replace(
        of.message.raw("next_dh"), of.message.raw("next_dh")[4:], 1
    ),
    "leaves out what does not fill a block": lambda of: of.covered[: len(of.covered) // 64 * 64],
    "covers the encrypted message alone": lambda of: of.text,
    "covers the encrypted message and its length alone": lambda of: of.message.raw("encrypted_message"),
    "covers the plaintext in place of the encrypted message": lambda of: of.covered[: -len(of.text)] + of.plaintext,
    "covers the plaintext alone": lambda of: of.plaintext,
    "covers other flags": lambda of: of.altered(flags=of.message.number("flags") ^ 1),
    OTHER_ORDER: lambda of: of.altered(
        sender_keyid=of.message.number("recipient_keyid"), recipient_keyid=of.message.number("sender_keyid")
    ),
    "leaves out both instance tags": lambda of: of.of_version_3(lambda: of.without(*_TAGS)),
    "leaves out version, type and instance tags": lambda of: of.of_version_3(
        lambda: of.without("version", "type", *_TAGS)
    ),
    "covers the instance tags in the other order": lambda of: of.of_version_3(
        lambda: of.altered(sender_tag=of.message.number("receiver_tag"), receiver_tag=of.message.number("sender_tag"))
    ),
    "covers instance tags of 0": lambda of: of.of_version_3(lambda: of.covered.replace(of.tags, bytes(8), 1)),
    "covers a header of version 2": lambda of: of.of_version_3(
        lambda: b"\0\2\3" + of.without("version", "type", *_TAGS)
    ),
}

#: MAC inputs that include the field of old MAC keys.
OLD_KEYS: Mapping[str, Covered] = {
    "also covers zeros in the place of the MAC, and the length of the old MAC keys": lambda of: of.covered + bytes(24),
    "also covers the length of the old MAC keys": lambda of: of.covered + bytes(4),
}

#: MAC inputs that include anything else that the MAC must not cover.
TOO_MUCH: Mapping[str, Covered] = {
    "also covers the mark of an encoded message": lambda of: b"?OTR:" + of.covered,
    "also covers zeros in the place of the MAC": lambda of: of.covered + bytes(20),
    "also covers the ssid": lambda of: of.ssid + of.covered if of.ssid else None,
    "also covers a NUL": lambda of: of.covered + b"\0",
    "also covers instance tags, which version 2 does not have": lambda of: (
        b"\0\2\3" + of.clients + of.covered[3:] if of.clients and of.message.version == 2 else None
    ),
}

#: MACs that a faulty comparison may accept, made from the right MAC.
COMPARISON_MISTAKES: Mapping[str, Callable[[bytes], bytes]] = {
    "is of zeros": lambda mac: bytes(20),
    "has its last bit inverted": lambda mac: mac[:-1] + bytes([mac[-1] ^ 1]),
    "has its first bit inverted": lambda mac: bytes([mac[0] ^ 0x80]) + mac[1:],
    "has only its first half right": lambda mac: inverted_after(mac, 10),
}

_COVERED: Mapping[str, Covered] = {**TOO_LITTLE, **OLD_KEYS, **TOO_MUCH}

#: A wrong MAC that a C string comparison accepts, as the right MAC begins with a zero byte. Few messages have such a
#: MAC, so the last bytes of the text are varied until this one has.
CUT_SHORT = "is right up to the zero byte that it begins with"
_CHANGED = 4

#: The names of all lies.
LIES: tuple[str, ...] = (*_COVERED, *COMPARISON_MISTAKES, CUT_SHORT)


def lying(of: Sealed, lie: str) -> Message | None:
    """The message with the wrong MAC of a lie; None if this version has no such lie, or if the MAC is right."""
    if lie == CUT_SHORT:
        return _cut_short(of)
    mac = _lying_mac(of, lie)
    return None if mac is None else of.message.with_value("mac", mac)


def _cut_short(of: Sealed) -> Message | None:
    """The message, its text varied so that the right MAC begins with a zero byte, with a MAC that shares only that."""
    if len(of.text) < _CHANGED:
        return None
    kept = of.text[:-_CHANGED]
    ends = (number.to_bytes(_CHANGED) for number in count())
    tried = (of.message.with_value("encrypted_message", kept + end) for end in ends)
    message, right = next((one, mac) for one in tried if (mac := crypto.data_mac(one, of.keys.sending_mac))[0] == 0)
    return message.with_value("mac", inverted_after(right, 1))


def _lying_mac(of: Sealed, lie: str) -> bytes | None:
    """The wrong MAC of a lie; None if there is no such lie, or if the MAC is right."""
    right = hmac.digest(of.keys.sending_mac, of.covered, "sha1")
    if lie in COMPARISON_MISTAKES:
        made = COMPARISON_MISTAKES[lie](right)
    else:
        covered = _COVERED[lie](of)
        made = right if covered is None else hmac.digest(of.keys.sending_mac, covered, "sha1")
    return None if made == right else made
