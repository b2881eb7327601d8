"""Data Messages received: texts, counters, key ids, flags, damage, and messages outside an encrypted session.
[Data Message, Key Management]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import FileBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ClientSession, ended
from otterproof.harness.vectorgen.kinds.data_functions import TEXTS, functions, message
from otterproof.harness.vectorgen.kinds.data_sent import heartbeats, sent
from otterproof.harness.vectorgen.kinds.data_states import encrypted, talked
from otterproof.harness.vectorgen.kinds.derive import LIMITS, OUTSIDE, exponent
from otterproof.harness.vectorgen.kinds.mutations import changed, cut, ends
from otterproof.harness.vectorgen.play_builder import Act, Plays, bound, gives, hears


def data_messages(file: FileBuilder) -> None:
    """Messages as functions of their keys; messages received and sent in each state."""
    for version in (2, 3):
        functions(file, version)
        _received(file, version)
        sent(file, version)
        _elsewhere(file, version)
        heartbeats(file, version)


#: A message that can't be read, and one that must not be complained about.
_SILENT = "DATA-FLAGS-4"


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
        for text_name, (text, comment) in TEXTS.items():
            more = " DATA-HEARTBEAT-1 DATA-HEARTBEAT-2" if not text else " DATA-TEXT-2"
            group.play(f"text-{text_name}", comment, shows + more, hears(text))
        group.play(
            "several",
            "a run of messages under one pair of keys",
            f"{shows} DATA-CTR-1 KEYMGMT-SEND-4 DATA-RECV-13",
            lambda session: [session.hear(b"text %d" % n) for n in range(4)],
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
        lambda session: _twice(session),
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
                (first, second),
                lambda session, two: [session.hear(b"hello", ctr=one, sender_keyid=None) for one in two],
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
    forged = lambda session: (session.hear(b"hello", ctr=100, mac=bytes(20)), session.hear(b"hello", ctr=5))  # noqa: E731
    group.play(
        "ctr-forged",
        "a message with a wrong MAC does not move the counter",
        "KEYMGMT-RECV-9 DATA-ORDER-1",
        forged,
        flags="Counter",
    )


def _twice(session: ClientSession) -> None:
    message_once = session.insider.data(b"hello")
    session.give(message_once)
    session.give(message_once)


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

    def other_pair(session: ClientSession) -> None:
        """Ids of one live pair of keys, encrypted with another."""
        ours, theirs = session.insider.our_keyid - 1, session.insider.their_keyid
        session.hear(b"hello", sender_keyid=ours, recipient_keyid=theirs - 1 if theirs > 1 else theirs + 1)

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
                lambda session, name: session.give(
                    changed(session.insider.data(b"hello"), lambda one: one.with_raw(name, _flipped(one.raw(name))))
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
                lambda session, size: session.give(
                    changed(
                        session.insider.data(b"hello"), lambda one: one.with_value("old_mac_keys", bytes(20 * size))
                    )
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
    example = Insider(published_key("mallory"), 0x1A1A, version=version, seed=b"example")
    example.exponents, example.theirs, example.our_keyid, example.their_keyid = {1: 5, 2: 7}, {1: 8}, 2, 1
    made = example.data(b"hello")
    start = wire.parse(made).field("flags").offset
    for size in ends(made, 24):
        if size > start:
            group.play(
                f"cut-{size}",
                f"cut short after {size} bytes",
                f"ARMOUR-PARSE-6 {shows}",
                bound(size, lambda session, size: session.give(cut(session.insider.data(b"hello"), size))),
                reaction="error_message",
                flags="CutShort",
            )
        else:
            group.play(
                f"cut-{size}",
                f"cut short after {size} bytes",
                "ARMOUR-PARSE-6 ARMOUR-PARSE-2",
                bound(size, lambda session, size: session.give(cut(session.insider.data(b"hello"), size))),
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
                    lambda session, two: session.give(
                        changed(
                            session.insider.data(b"hello"),
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
    """Key ids at the ends of their range."""

    group = file.plays(
        f"v{version}-last-keyid",
        "The correspondent's handshake key has the largest id.",
        lambda session: session.begin(SignatureOptions(keyid=0xFFFFFFFF)),
        version=version,
    )

    def next_one(session: ClientSession) -> None:
        session.insider.our_keyid, session.insider.exponents[0x100000000] = 0x100000000, int.from_bytes(exponent(93))
        session.hear(b"hello")

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
        lambda session: session.begin(SignatureOptions(keyid=0xFFFFFFFE)),
        version=version,
    )
    before.play("hello", "one more id follows", "KEYMGMT-NEXT-2", hears(b"hello"), flags="KeyId")


def _elsewhere(file: FileBuilder, version: int) -> None:
    """Data Messages outside an encrypted session."""

    def left(session: ClientSession) -> None:
        session.begin()
        session.do("end")

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
        "awaiting-dhkey": ClientSession.query,
        "awaiting-revealsig": ClientSession.commit,
        "awaiting-sig": ClientSession.reveal,
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
