"""Data Messages: encryption, MAC, counters, key ids, flags, and the extra symmetric key.
[Data Message, Key Management, Extra symmetric key]
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha1
from typing import Any

from harness import wire
from harness.insider import Insider, Signed, power
from harness.keys import test_key
from harness.vectors.builder import FileBuilder, GroupBuilder, invalid, valid
from harness.vectors.kinds.derive import LIMITS, OUTSIDE, exponent
from harness.vectors.kinds.encodings import random
from harness.vectors.kinds.handshake import changed, cut, ends
from harness.vectors.plays import Act, Plays, bound, does, gives, hears
from harness.vectors.scene import Scene, ended
from harness.wire import crypto
from harness.wire.fields import write
from harness.wire.layers import tlv

_TEXTS: Mapping[str, tuple[bytes, str]] = {
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


def data_messages(file: FileBuilder) -> None:
    """Messages as functions of their keys, and messages received and sent in each state."""
    for version in (2, 3):
        _functions(file, version)
        _received(file, version)
        _sent(file, version)
        _elsewhere(file, version)
        _heartbeats(file, version)


# ---- as functions ----------------------------------------------------------------------------------------------------


def message(version: int, aes_key: bytes, mac_key: bytes, plaintext: bytes, **fields: int | bytes) -> bytes:
    """A Data Message with right encryption and MAC; fields by name, in place of usual values."""
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


def _functions(file: FileBuilder, version: int) -> None:
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
    for name, (text, comment) in _TEXTS.items():
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
            others={"DATA-OLDMACS-LENGTH:accept": valid(next_dh=8, **_opened())},
            message=message(version, aes_key, mac_key, b"hello", old_mac_keys=content),
        )


def _opened() -> dict[str, object]:
    """What a message of `message(..., b"hello")` holds."""
    return {
        "flags": 0,
        "sender_keyid": 1,
        "recipient_keyid": 1,
        "ctr": (1).to_bytes(8),
        "plaintext": b"hello",
        "old_mac_keys": (),
    }


# ---- received --------------------------------------------------------------------------------------------------------

#: A message that can't be read, and one that is not to be complained about.
_SILENT = "DATA-FLAGS-4"


def encrypted(scene: Scene) -> None:
    scene.begin()


def talked(scene: Scene) -> None:
    """ENCRYPTED, and each side has used a second key."""
    scene.begin()
    scene.hear(b"one")
    scene.say(b"two")
    scene.hear(b"three")
    scene.say(b"four")


def _received(file: FileBuilder, version: int) -> None:
    shows = "DATA-RECV-1 DATA-RECV-2 DATA-TEXT-1 DATA-TEXT-3 DATA-ORDER-2 KEYMGMT-RECV-1 KEYMGMT-RECV-7"
    for name, reach in {"encrypted": encrypted, "talked": talked}.items():
        group = file.plays(
            f"v{version}-{name}",
            "Data Messages received in ENCRYPTED.",
            reach,
            version=version,
            sequel=hears(b"still here"),
        )
        for text_name, (text, comment) in _TEXTS.items():
            more = " DATA-HEARTBEAT-1 DATA-HEARTBEAT-2" if not text else " DATA-TEXT-2"
            group.play(f"text-{text_name}", comment, shows + more, hears(text))
        group.play(
            "several",
            "a run of messages under one pair of keys",
            f"{shows} DATA-CTR-1 KEYMGMT-SEND-4 DATA-RECV-13",
            lambda scene: [scene.hear(b"text %d" % n) for n in range(4)],
        )
        group.play(
            "gap",
            "the counter rises by more than one",
            f"{shows} KEYMGMT-RECV-6 DATA-CTR-1",
            hears(b"hello", ctr=1000),
            flags="Counter",
        )
        group.play(
            "ctr-ones",
            "the largest counter",
            f"{shows} DATA-CTR-4 KEYMGMT-RECV-6",
            hears(b"hello", ctr=(1 << 64) - 1),
            flags="Counter",
        )
        _counters(group)
        _keyids(group)
        _damaged(group, version)
        _flags(group)
        for key, value in OUTSIDE.items():
            group.play(
                f"next-{key}",
                f"the next D-H key is {key}, out of range",
                "KEYMGMT-NEXT-1 KEYMGMT-ROTATE-5 DATA-RECV-10",
                hears(b"hello", next_dh=value),
                reaction="error_message",
                flags="GroupElement",
                ours="KEYMGMT-NEXT-RANGE:check",
                others={"KEYMGMT-NEXT-RANGE:none": valid(sends=(), shows=(b"hello",))},
            )
        for key, value in LIMITS.items():
            group.play(
                f"next-{key}",
                f"the next D-H key is {key}",
                "KEYMGMT-ROTATE-3",
                hears(b"hello", next_dh=value),
                flags="GroupElement",
            )
    _ends_of_ids(file, version)


def _counters(group: Plays) -> None:
    refused = "KEYMGMT-RECV-6 DATA-RECV-10 KEYMGMT-RECV-9 DATA-CTR-3"
    group.play(
        "replay",
        "the same message twice",
        refused,
        lambda scene: _twice(scene),
        reaction="error_message",
        flags="Counter",
    )
    for name, (first, second) in {
        "lower": (5, 4),
        "equal": (5, 5),
        "far-lower": (1 << 63, 1),
        "unsigned": (1 << 63, (1 << 63) - 1),
    }.items():
        group.play(
            f"ctr-{name}",
            f"counter {second:#x} after {first:#x}",
            f"{refused} DATA-CTR-4",
            bound(
                (first, second), lambda scene, two: [scene.hear(b"hello", ctr=one, sender_keyid=None) for one in two]
            ),
            reaction="error_message",
            flags="Counter",
        )
    group.play(
        "ctr-0",
        "the counter is 0",
        "DATA-CTR-2 KEYMGMT-RECV-6",
        hears(b"hello", ctr=0),
        reaction="error_message",
        flags="Counter",
        ours="KEYMGMT-CTR-ZERO:reject",
        others={"KEYMGMT-CTR-ZERO:accept": valid(sends=(), shows=(b"hello",))},
    )
    forged = lambda scene: (scene.hear(b"hello", ctr=100, mac=bytes(20)), scene.hear(b"hello", ctr=5))  # noqa: E731
    group.play(
        "ctr-forged",
        "a message with a wrong MAC does not move the counter",
        "KEYMGMT-RECV-9 DATA-ORDER-1",
        forged,
        flags="Counter",
    )


def _twice(scene: Scene) -> None:
    message_once = scene.insider.data(b"hello")
    scene.give(message_once)
    scene.give(message_once)


def _keyids(group: Plays) -> None:
    unknown = "DATA-RECV-10 DATA-RECV-6 DATA-RECV-7"
    ids = {
        "recipient-0": ({"recipient_keyid": 0}, "recipient key id 0", "DATA-KEYID-5 DATA-KEYID-3"),
        "sender-0": ({"sender_keyid": 0}, "sender key id 0", "DATA-KEYID-5 DATA-KEYID-1"),
        "both-0": ({"sender_keyid": 0, "recipient_keyid": 0}, "both key ids 0", "DATA-KEYID-5"),
        "recipient-next": ({"recipient_keyid": 9}, "a recipient key id that was not announced yet", "KEYMGMT-RECV-2"),
        "sender-next": ({"sender_keyid": 9}, "a sender key id that was not announced yet", "KEYMGMT-RECV-3"),
        "recipient-top": ({"recipient_keyid": 0xFFFFFFFF}, "the largest recipient key id", "KEYMGMT-RECV-2"),
        "sender-top": ({"sender_keyid": 0xFFFFFFFF}, "the largest sender key id", "KEYMGMT-RECV-3"),
    }
    for name, (fields, comment, shows) in ids.items():
        group.play(
            f"keyid-{name}",
            comment,
            f"{shows} {unknown} DATA-KEYID-4",
            hears(b"hello", **fields),
            reaction="error_message",
            flags="KeyId",
        )

    def other_pair(scene: Scene) -> None:
        """Ids of one live pair, keys of another."""
        ours, theirs = scene.insider.our_keyid - 1, scene.insider.their_keyid
        scene.hear(b"hello", sender_keyid=ours, recipient_keyid=theirs - 1 if theirs > 1 else theirs + 1)

    group.play(
        "keyid-other-pair",
        "key ids of another pair than the one it is made with",
        f"DATA-KEYID-4 KEYMGMT-RECV-5 {unknown}",
        other_pair,
        reaction="error_message",
        flags="KeyId",
    )


def _damaged(group: Plays, version: int) -> None:
    shows = "DATA-RECV-6 DATA-RECV-7 DATA-RECV-10 DATA-RECV-12 DATA-ORDER-1 STATE-SECRECY-2"
    for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh", "ctr", "encrypted_message", "mac"):
        group.play(
            f"bit-{name}",
            f"the last bit of {name} inverted",
            f"{shows} DATA-MAC-2 KEYMGMT-RECV-5 KEYMGMT-ROTATE-5",
            bound(
                name,
                lambda scene, name: scene.give(
                    changed(scene.insider.data(b"hello"), lambda one: one.with_raw(name, _flipped(one.raw(name))))
                ),
            ),
            reaction="error_message" if name != "flags" else "ignored",
            flags="Mac",
        )
    for size in (4, 11, 20):
        group.play(
            f"old-keys-{size}",
            "MAC keys are added, which the MAC does not cover: it is readable",
            "DATA-MAC-3",
            bound(
                size,
                lambda scene, size: scene.give(
                    changed(scene.insider.data(b"hello"), lambda one: one.with_value("old_mac_keys", bytes(20 * size)))
                ),
            ),
        )
    group.play(
        "old-keys-19-bytes",
        "old MAC keys of 19 bytes",
        "DATA-OLDMACS-1 DATA-MAC-3",
        hears(b"hello", old_mac_keys=bytes(19)),
        reaction="error_message",
        flags="FieldSize",
        ours="DATA-OLDMACS-LENGTH:reject",
        others={"DATA-OLDMACS-LENGTH:accept": valid(sends=(), shows=(b"hello",))},
    )
    example = Insider(test_key("mallory"), 0x1A1A, version=version, seed=b"example")
    example.exponents, example.theirs, example.our_keyid, example.their_keyid = {1: 5, 2: 7}, {1: 8}, 2, 1
    made = example.data(b"hello")
    start = wire.parse(made).field("flags").offset
    for size in ends(made, 24):
        if size > start:
            group.play(
                f"cut-{size}",
                f"cut short after {size} bytes",
                f"ARMOUR-PARSE-6 {shows}",
                bound(size, lambda scene, size: scene.give(cut(scene.insider.data(b"hello"), size))),
                reaction="error_message",
                flags="CutShort",
            )
        else:
            group.play(
                f"cut-{size}",
                f"cut short after {size} bytes",
                "ARMOUR-PARSE-6 ARMOUR-PARSE-2",
                bound(size, lambda scene, size: scene.give(cut(scene.insider.data(b"hello"), size))),
                reaction="error_message" if size == start else "ignored",
                flags="CutShort",
            )
    for field in ("next_dh", "encrypted_message", "old_mac_keys"):
        for said in (0x7FFFFFFF, 0xFFFFFFFC):
            group.play(
                f"length-{field}-{said:x}",
                f"{field} announces {said:#x} bytes",
                f"TYPES-DATA-3 TYPES-DATA-2 {shows}",
                bound(
                    (field, said),
                    lambda scene, two: scene.give(
                        changed(
                            scene.insider.data(b"hello"),
                            lambda one: one.with_raw(two[0], two[1].to_bytes(4) + one.raw(two[0])[4:]),
                        )
                    ),
                ),
                reaction="error_message",
                flags="HugeLength",
            )


def _flipped(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def _flags(group: Plays) -> None:
    silent = {"DATA-IGNORE-FLAG:none": invalid("error_message", sends=("error",), shows=())}
    bad: Mapping[str, tuple[dict[str, Any], str]] = {
        "mac": ({"mac": bytes(20)}, "a wrong MAC"),
        "keyid": ({"recipient_keyid": 9}, "an unknown key"),
    }
    for name, (fields, comment) in bad.items():
        group.play(
            f"silent-{name}",
            f"{comment}, with IGNORE_UNREADABLE: nobody is told",
            _SILENT,
            hears(b"hello", flags=1, **fields),
            reaction="ignored",
            flags="Flags",
            ours="DATA-IGNORE-FLAG:all",
            others=silent,
        )
    crypto_only = {**silent, "DATA-IGNORE-FLAG:crypto": invalid("error_message", sends=("error",), shows=())}
    group.play(
        "silent-ctr",
        "a counter of 0, with IGNORE_UNREADABLE",
        _SILENT,
        hears(b"hello", flags=1, ctr=0),
        reaction="ignored",
        flags="Flags",
        ours="DATA-IGNORE-FLAG:all",
        others=crypto_only,
    )
    group.play(
        "silent-good",
        "IGNORE_UNREADABLE in a message that can be read",
        "DATA-FLAGS-5 DATA-FLAGS-3",
        hears(b"hello", flags=1),
        flags="Flags",
    )
    for flags in (0x02, 0x80, 0xFE):
        group.play(
            f"flags-{flags:02x}",
            "flag bits without a meaning",
            "DATA-FLAGS-6 DATA-FLAGS-3",
            hears(b"hello", flags=flags),
            flags="Flags",
            ours="DATA-FLAG-UNKNOWN:ignore",
            others={"DATA-FLAG-UNKNOWN:reject": invalid("error_message", sends=("error",), shows=())},
        )


def _ends_of_ids(file: FileBuilder, version: int) -> None:
    """Key ids at the end of their range."""

    group = file.plays(
        f"v{version}-last-keyid",
        "The correspondent's handshake key has the largest id.",
        lambda scene: scene.begin(Signed(keyid=0xFFFFFFFF)),
        version=version,
    )

    def next_one(scene: Scene) -> None:
        scene.insider.our_keyid, scene.insider.exponents[0x100000000] = 0x100000000, int.from_bytes(exponent(93))
        scene.hear(b"hello")

    group.play(
        "hello",
        "no id could follow the one that it uses",
        "KEYMGMT-NEXT-2",
        next_one,
        reaction="error_message",
        flags="KeyId",
    )
    before = file.plays(
        f"v{version}-last-but-one-keyid",
        "The last id but one.",
        lambda scene: scene.begin(Signed(keyid=0xFFFFFFFE)),
        version=version,
    )
    before.play("hello", "one more id follows", "KEYMGMT-NEXT-2", hears(b"hello"), flags="KeyId")


def _elsewhere(file: FileBuilder, version: int) -> None:
    """Data Messages where no session is encrypted."""

    def left(scene: Scene) -> None:
        scene.begin()
        scene.do("end")

    reaches: Mapping[str, tuple[str, Act]] = {
        "left": ("PLAINTEXT, the session ended by the user", left),
        "finished": ("FINISHED", ended),
    }
    others = {"DATA-UNREADABLE-REPLY:notice": invalid("reported", sends=(), shows=())}
    for name, (state, reach) in reaches.items():
        group = file.plays(f"v{version}-{name}", f"Data Messages received in {state}.", reach, version=version)
        group.play(
            "hello",
            "a message under the old keys",
            "DATA-RECV-8 DATA-RECV-9 USER-END-5 STATE-ENDED-1 STATE-ENDED-3",
            hears(b"hello"),
            reaction="error_message",
            flags="State",
            ours="DATA-UNREADABLE-REPLY:reply",
            others=others,
        )
        group.play(
            "silent",
            "the same with IGNORE_UNREADABLE",
            _SILENT,
            hears(b"hello", flags=1),
            reaction="ignored",
            flags="Flags",
            ours="DATA-IGNORE-FLAG:all",
            others={"DATA-IGNORE-FLAG:crypto": invalid("error_message", sends=("error",), shows=())},
        )
    strange = message(version, bytes(16), bytes(20), b"hello")
    fresh = file.plays(f"v{version}-plaintext", "Data Messages received in PLAINTEXT.", version=version)
    fresh.play(
        "hello",
        "a message from nowhere",
        "DATA-RECV-8 DATA-RECV-9 SMP-STATE-1 ERROR-FORM-2 ERROR-FORM-3 ERROR-TEXT-1",
        gives(strange),
        reaction="error_message",
        flags="State",
        ours="DATA-UNREADABLE-REPLY:reply",
        others=others,
    )
    for name, reach_auth in {
        "awaiting-dhkey": Scene.query,
        "awaiting-revealsig": Scene.commit,
        "awaiting-sig": Scene.reveal,
    }.items():
        waiting = file.plays(
            f"v{version}-{name}", "Data Messages received in the midst of a handshake.", reach_auth, version=version
        )
        waiting.play(
            "hello",
            "a message from nowhere",
            "DATA-RECV-8 DATA-RECV-9",
            gives(strange),
            reaction="error_message",
            flags="State",
            ours="DATA-UNREADABLE-REPLY:reply",
            others=others,
        )


# ---- sent ------------------------------------------------------------------------------------------------------------


def _sent(file: FileBuilder, version: int) -> None:
    shows = "DATA-FORM-1" if version == 2 else "DATA-FORM-2 DATA-FORM-4 DATA-FORM-5 INSTANCE-OWN-5 INSTANCE-REPLY-2"
    shows += (
        " DATA-FORM-3 DATA-FORM-6 DATA-FLAGS-2 KEYMGMT-SEND-1 KEYMGMT-SEND-2 KEYMGMT-SEND-3 DATA-NEXT-1 USER-SEND-6 "
    )
    shows += "STATE-ENCRYPTED-1 STATE-SECRECY-1 KEYMGMT-PICK-1 KEYMGMT-PICK-2 DATA-CTR-2 DATA-ENC-3 DERIVE-DATA-3"
    for name, reach in {"encrypted": encrypted, "talked": talked, "answered": lambda scene: scene.answer()}.items():
        group = file.plays(f"v{version}-sent-{name}", "Texts sent in ENCRYPTED.", reach, version=version)
        for text_name, (text, comment) in _TEXTS.items():
            group.play(f"text-{text_name}", comment, shows, does("send", text=text))
        group.play(
            "several",
            "a run of messages: the counter rises",
            f"{shows} DATA-CTR-1 DATA-CTR-3 KEYMGMT-SEND-4",
            lambda scene: [scene.do("send", text=b"text %d" % n) for n in range(4)],
        )
        group.play(
            "nul",
            "a text with a NUL is refused",
            "DATA-TEXT-1",
            does("send", text=b"a\0b"),
            reaction="refused",
            flags="Flags",
        )
        for padding in (0, 1, 100):
            group.play(
                f"padding-{padding}",
                f"with {padding} bytes of padding",
                f"{shows} TLV-PADDING-1 TLV-FORM-1",
                does("send", text=b"hello", padding=padding),
            )


def _heartbeats(file: FileBuilder, version: int) -> None:
    group = file.plays(
        f"v{version}-heartbeat",
        "Nothing was sent for a time; the interval is 60 seconds.",
        encrypted,
        version=version,
        heartbeat_interval=60,
    )

    def at(now: int, **data: int) -> Act:
        def act(scene: Scene) -> None:
            scene.time(now)
            scene.hear(b"hello", **data)

        return act

    shows = "DATA-RECV-4 DATA-RECV-5 DATA-HEARTBEAT-1"
    none = {"DATA-HEARTBEAT:none": valid(sends=(), shows=(b"hello",))}
    group.play("59", "59 seconds: nothing", shows, at(59), flags="Heartbeat")
    group.play(
        "60", "60 seconds: a heartbeat", shows, at(60), flags="Heartbeat", ours="DATA-HEARTBEAT:interval", others=none
    )
    group.play(
        "1000",
        "1000 seconds: one heartbeat",
        f"{shows} DATA-RECV-11",
        at(1000),
        flags="Heartbeat",
        ours="DATA-HEARTBEAT:interval",
        others=none,
    )

    def answered(scene: Scene) -> None:
        scene.time(1000)
        scene.hear(b"hello")
        scene.hear(b"again")

    group.play("twice", "two messages at once: one heartbeat", "DATA-RECV-4 DATA-RECV-11", answered, flags="Heartbeat")

    def ends_then(scene: Scene) -> None:
        scene.time(1000)
        scene.hear(b"", tlvs=[tlv(1)])

    group.play(
        "end",
        "a message that ends the session is not answered",
        "DATA-RECV-4 STATE-ENDED-2",
        ends_then,
        flags="Heartbeat",
        ours="DATA-HEARTBEAT-END:none",
        others={"DATA-HEARTBEAT-END:sent": valid(sends=("data",), shows=())},
    )

    def wrong(scene: Scene) -> None:
        scene.time(1000)
        scene.hear(b"hello", mac=bytes(20))

    group.play(
        "wrong",
        "a message that can't be verified is answered with an error alone",
        "DATA-RECV-7",
        wrong,
        reaction="error_message",
        flags="Mac",
    )


# ---- the extra symmetric key -----------------------------------------------------------------------------------------


def extra_key(file: FileBuilder) -> None:
    """The extra symmetric key, asked for and received, before and after changes of keys."""
    for name, reach in {"encrypted": encrypted, "talked": talked}.items():
        group = file.plays(f"v3-{name}", "Version 3.", reach)
        sent = "EXTRA-KEY-1 EXTRA-KEY-2 TLV-EXTRA-1 TLV-EXTRA-2 TLV-EXTRA-3" + (
            " EXTRA-KEY-4" if name == "talked" else ""
        )
        for use in (0, 1, 0x80000000, 0xFFFFFFFF):
            group.play(
                f"sent-{use:x}",
                f"the user asks for it, for use {use:#x}",
                sent,
                does("extra_key", use=use, data=b"file"),
                flags="ExtraKey",
            )
        received = f"{sent} EXTRA-KEY-3"
        uses = {
            "plain": b"\0\0\0\1file",
            "no-data": b"\0\0\0\1",
            "use-ones": b"\xff\xff\xff\xffx",
            "nul-data": b"\0\0\0\0\0\0",
        }
        for case, value in uses.items():
            group.play(
                f"received-{case}",
                "a type 8 TLV comes in",
                received,
                hears(b"", tlvs=[tlv(8, value)]),
                flags="ExtraKey",
            )
        group.play(
            "received-text", "with a text", received, hears(b"hello", tlvs=[tlv(8, b"\0\0\0\1")]), flags="ExtraKey"
        )
        group.play(
            "received-two",
            "two in one message: the same key",
            received,
            hears(b"", tlvs=[tlv(8, b"\0\0\0\1"), tlv(8, b"\0\0\0\2")]),
            flags="ExtraKey",
        )
        group.play(
            "received-large",
            "1000 bytes of data",
            received,
            hears(b"", tlvs=[tlv(8, b"\0\0\0\1" + b"z" * 1000)]),
            flags="ExtraKey",
        )
        for size in range(4):
            group.play(
                f"short-{size}",
                f"a value of {size} bytes, where 4 are the least",
                "TLV-EXTRA-4",
                hears(b"hello", tlvs=[tlv(8, bytes(size))]),
                reaction="accepted",
                flags="CutShort",
            )
        group.play("late", "under keys one step old", f"{received} KEYMGMT-RECV-8", _late, flags="ExtraKey")
    fresh = file.plays("v3-plaintext", "Version 3, no session.", version=3)
    fresh.play(
        "sent",
        "it can't be had in PLAINTEXT",
        "TLV-EXTRA-1",
        does("extra_key", use=1),
        reaction="refused",
        flags="State",
    )
    old = file.plays("v2", "Version 2 has none.", encrypted, version=2)
    old.play(
        "sent",
        "it can't be had in version 2",
        "EXTRA-KEY-5",
        does("extra_key", use=1),
        reaction="refused",
        flags="Policy",
    )
    for name, value in {"plain": b"\0\0\0\1file", "short": b"\0"}.items():
        old.play(
            f"received-{name}",
            "a TLV of unknown type",
            "EXTRA-KEY-5 TLV-FORM-4",
            hears(b"hello", tlvs=[tlv(8, value)]),
            flags="ExtraKey",
        )


def _late(scene: Scene) -> None:
    """The second message of a run comes under keys that the first has made the previous ones."""
    scene.hear(b"now")
    scene.hear(b"", tlvs=[tlv(8, b"\0\0\0\1late")])
