"""Data Messages as functions of their keys: encryption, MAC, form. [Data Message]"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha1

from otterproof.harness import wire
from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, valid
from otterproof.harness.vectorgen.kinds.derive import LIMITS, OUTSIDE, exponent
from otterproof.harness.vectorgen.kinds.encodings import random
from otterproof.harness.vectorgen.kinds.mutations import cut, ends
from otterproof.harness.wire import crypto
from otterproof.harness.wire.fields import write
from otterproof.harness.wire.numbers import power

TEXTS: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "no text at all"),
    "one": (b"a", "one byte"),
    "15": (b"b" * 15, "one byte less than a block"),
    "16": (b"c" * 16, "a block"),
    "17": (b"d" * 17, "one byte more than a block"),
    "255": (b"e" * 255, "255 bytes"),
    "256": (b"f" * 256, "256 bytes"),
    "4096": (b"g" * 4096, "256 blocks: the lowest byte of the counter is full"),
    "utf-8": ("häß ☃".encode(), "UTF-8"),
    "markup": (b"<b>bold</b> &amp;", "markup"),
    "invalid-utf-8": (b"\xff\xfe\x80", "bytes that are no text"),
    "query": (b"?OTRv23?", "text like a query is text here"),
    "lines": (b"one\r\ntwo\n", "line ends"),
}


def message(version: int, aes_key: bytes, mac_key: bytes, plaintext: bytes, **fields: int | bytes) -> bytes:
    """A Data Message with correct encryption and MAC. fields: replace the usual values, by name."""
    usual: dict[str, int | bytes] = {
        "version": version,
        "type": 3,
        "sender_tag": 0x2B2B,
        "receiver_tag": 0x1A1A,
        "flags": 0,
        "sender_keyid": 1,
        "recipient_keyid": 1,
        "next_dh": power(2, 3),
        "ctr": (1).to_bytes(8),
        "encrypted_message": b"",
        "mac": bytes(20),
        "old_mac_keys": b"",
    }
    layout = wire.layout(version, "data")
    values = {**usual, **fields}
    made = wire.parse(wire.armour(write(layout, [values[part.name] for part in layout])))
    return wire.build(crypto.mac_data(crypto.encrypt_data(made, aes_key, plaintext), mac_key))


def functions(file: FileBuilder, version: int) -> None:
    keys = crypto.session_keys(
        power(2, int.from_bytes(exponent(60))),
        power(2, int.from_bytes(exponent(61))),
        power(power(2, int.from_bytes(exponent(61))), int.from_bytes(exponent(60))),
    )
    aes_key, mac_key = keys.receiving_aes, keys.receiving_mac
    group = file.group(
        f"v{version}-open", "Data Messages under given keys.", "open_data", aes_key=aes_key, mac_key=mac_key
    )
    form = "DATA-FORM-1" if version == 2 else "DATA-FORM-2 DATA-FORM-4 DATA-FORM-5 INSTANCE-HEADER-1"
    shows = f"{form} DATA-FORM-3 DATA-FORM-6 DATA-ENC-1 DATA-ENC-2 DATA-ENC-3 DATA-MAC-1 TYPES-CTR-1 TYPES-MAC-1"
    for name, (text, comment) in TEXTS.items():
        group.case(f"text-{name}", comment, f"{shows} DATA-TEXT-1", message=message(version, aes_key, mac_key, text))
    counters = {"1": 1, "2": 2, "255": 255, "256": 256, "2-32": 1 << 32, "2-63": 1 << 63, "ones": (1 << 64) - 1}
    for name, counter in counters.items():
        group.case(
            f"ctr-{name}",
            f"the counter is {counter:#x}",
            f"{shows} DATA-CTR-4",
            flags="Counter",
            message=message(version, aes_key, mac_key, b"hello", ctr=counter.to_bytes(8)),
        )
    for keyid in (1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        group.case(
            f"keyids-{keyid:x}",
            f"key ids {keyid:#x}",
            shows,
            flags="KeyId",
            message=message(version, aes_key, mac_key, b"hello", sender_keyid=keyid, recipient_keyid=keyid),
        )
    for flags in (1, 2, 0x7F, 0x80, 0xFF):
        group.case(
            f"flags-{flags:02x}",
            f"flags {flags:#04x}",
            f"{shows} DATA-FLAGS-1",
            flags="Flags",
            message=message(version, aes_key, mac_key, b"hello", flags=flags),
        )
    for count in (1, 2, 5):
        revealed = random(f"revealed {count}", 20 * count)
        group.case(
            f"reveals-{count}",
            f"{count} old MAC keys",
            f"{shows} DATA-OLDMACS-1 MACREVEAL-WHAT-4",
            message=message(version, aes_key, mac_key, b"hello", old_mac_keys=revealed),
        )
    for name, value in LIMITS.items():
        group.case(
            f"next-{name}",
            f"the next D-H key is {name}",
            shows,
            flags="GroupElement",
            message=message(version, aes_key, mac_key, b"hello", next_dh=value),
        )
    _bad_functions(group, version, aes_key, mac_key)


def _bad_functions(group: GroupBuilder, version: int, aes_key: bytes, mac_key: bytes) -> None:
    good = message(version, aes_key, mac_key, b"hello", old_mac_keys=random("revealed 1", 20))
    body = wire.parse(good).body
    covered = wire.parse(good).field("mac").offset
    bits = sorted(
        {
            0,
            1,
            2,
            *(field.offset for field in wire.parse(good).fields if field.offset < covered),
            covered - 1,
            covered - 5,
        }
    )
    for at in bits:
        flipped = body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]
        group.case(
            f"bit-at-{at}",
            f"a bit at {at} inverted",
            "DATA-MAC-2",
            reaction="refused",
            flags="Mac",
            message=wire.armour(flipped),
        )
    macs = {
        "zeros": bytes(20),
        "first-bit": bytes([body[covered] ^ 0x80]) + body[covered + 1 : covered + 20],
        "last-bit": body[covered : covered + 19] + bytes([body[covered + 19] ^ 1]),
    }
    for name, mac in macs.items():
        group.case(
            f"mac-{name}",
            "a wrong MAC",
            "DATA-MAC-1 KEYMGMT-RECV-5",
            reaction="refused",
            flags="Mac",
            message=wire.armour(body[:covered] + mac + body[covered + 20 :]),
        )

    keys = {
        "aes-key": (hmac.digest(aes_key, body[:covered], "sha1"), "the AES key in place of the MAC key"),
        "sha1-of-all": (sha1(body[:covered] + mac_key).digest(), "a hash in place of an HMAC"),
        "sha256": (hmac.digest(mac_key, body[:covered], "sha256")[:20], "a SHA256-HMAC cut to 20 bytes"),
        "encrypted-only": (
            hmac.digest(mac_key, wire.parse(good).data("encrypted_message"), "sha1"),
            "over the encrypted message alone",
        ),
        "no-header": (hmac.digest(mac_key, body[3:covered], "sha1"), "without version and type"),
        "with-old-keys": (hmac.digest(mac_key, body[:covered] + body[covered + 20 :], "sha1"), "with the old MAC keys"),
    }
    for name, (mac, comment) in keys.items():
        group.case(
            f"mac-{name}",
            f"the MAC: {comment}",
            "DATA-MAC-1 DATA-MAC-2",
            reaction="refused",
            flags="Mac",
            message=wire.armour(body[:covered] + mac + body[covered + 20 :]),
        )
    for name, value in OUTSIDE.items():
        group.case(
            f"next-{name}",
            f"the next D-H key is {name}, out of range, under a right MAC",
            "KEYMGMT-NEXT-1",
            reaction="refused",
            flags="GroupElement",
            ours="KEYMGMT-NEXT-RANGE:check",
            others={"KEYMGMT-NEXT-RANGE:none": valid(next_dh=value, **_opened())},
            message=message(version, aes_key, mac_key, b"hello", next_dh=value),
        )
    group.case(
        "ctr-0",
        "the counter is 0, under a right MAC",
        "DATA-CTR-2",
        reaction="refused",
        flags="Counter",
        ours="KEYMGMT-CTR-ZERO:reject",
        others={"KEYMGMT-CTR-ZERO:accept": valid(next_dh=8, **{**_opened(), "ctr": bytes(8)})},
        message=message(version, aes_key, mac_key, b"hello", ctr=bytes(8)),
    )
    for size in ends(good, 24):
        if size >= 3:
            group.case(
                f"cut-{size}",
                f"cut short after {size} bytes",
                "ARMOUR-PARSE-6",
                reaction="refused",
                flags="CutShort",
                message=cut(good, size),
            )
    for more in (1, 20):
        group.case(
            f"more-{more}",
            f"{more} bytes follow the last field",
            "ARMOUR-PARSE-7",
            reaction="refused",
            flags="TrailingBytes",
            ours="ARMOUR-TRAILING:reject",
            others={
                "ARMOUR-TRAILING:accept": valid(next_dh=8, **{**_opened(), "old_mac_keys": (random("revealed 1", 20),)})
            },
            message=wire.armour(body + bytes(more)),
        )
    for size in (1, 19, 21):
        content = bytes(size)
        group.case(
            f"reveals-{size}-bytes",
            f"{size} bytes where whole MAC keys must be",
            "DATA-OLDMACS-1",
            reaction="refused",
            flags="FieldSize",
            ours="DATA-OLDMACS-LENGTH:reject",
            others={
                "DATA-OLDMACS-LENGTH:accept": valid(next_dh=8, **{**_opened(), "old_mac_keys": _whole_keys(content)})
            },
            message=message(version, aes_key, mac_key, b"hello", old_mac_keys=content),
        )


def _whole_keys(content: bytes) -> tuple[bytes, ...]:
    """The MAC keys in a field, without an incomplete one at the end."""
    return tuple(content[at : at + 20] for at in range(0, len(content) - 19, 20))


def _opened() -> dict[str, object]:
    """The parsed content of `message(..., b"hello")`."""
    return {
        "flags": 0,
        "sender_keyid": 1,
        "recipient_keyid": 1,
        "ctr": (1).to_bytes(8),
        "plaintext": b"hello",
        "old_mac_keys": (),
    }
