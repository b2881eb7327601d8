"""Revealed MAC keys over key rotations, and what anybody can forge with them afterwards. [Revealing MAC keys]"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, valid
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.conversation import ALICE, BOB, Talk
from otterproof.harness.vectorgen.play_builder import Act, Plays, bound, does, hears
from otterproof.harness.wire import crypto
from otterproof.harness.wire.layers import tlv

_WHEN = "MACREVEAL-WHEN-1 MACREVEAL-WHEN-2 MACREVEAL-WHEN-3 MACREVEAL-WHEN-5 MACREVEAL-WHAT-1 MACREVEAL-WHAT-4"


def mac_keys(file: FileBuilder) -> None:
    """Which keys are collected and when they are revealed, step by step and over whole conversations."""
    for version in (2, 3):
        _steps(file, version)
        _ends(file, version)
        _conversations(file, version)


def _rounds(count: int) -> Act:
    def act(session: ClientSession) -> None:
        session.begin()
        for number in range(count):
            session.hear(b"hear %d" % number)
            session.say(b"say %d" % number)

    return act


def _steps(file: FileBuilder, version: int) -> None:
    for rounds in range(5):
        group = file.plays(
            f"v{version}-rounds-{rounds}",
            f"After {rounds} rounds of texts.",
            _rounds(rounds),
            version=version,
            sequel=hears(b"still here"),
        )
        shows = f"{_WHEN} MACREVEAL-WHEN-6 MACREVEAL-WHAT-2 MACREVEAL-WHAT-3"
        unused = {"MACREVEAL-UNUSED:all": valid(sends=(), shows=(b"hello",))}
        group.play(
            "hear",
            "a text comes in: keys change, MAC keys are collected",
            shows,
            hears(b"hello"),
            flags="MacKeys",
            ours="MACREVEAL-UNUSED:used",
            others=unused,
        )
        group.play(
            "hear-say",
            "what was collected goes out with the next message",
            shows,
            lambda session: (session.hear(b"hello"), session.do("send", text=b"hi")),
            flags="MacKeys",
        )
        group.play(
            "hear-say-say",
            "once",
            f"{shows} MACREVEAL-WHEN-5",
            lambda session: (session.hear(b"hello"), session.do("send", text=b"hi"), session.do("send", text=b"again")),
            flags="MacKeys",
        )
        group.play(
            "hear-hear-say",
            "two texts under the same keys",
            shows,
            lambda session: (session.hear(b"one"), session.hear(b"two"), session.do("send", text=b"hi")),
            flags="MacKeys",
        )
        group.play(
            "say", "what is still live is not revealed", "MACREVEAL-WHEN-4", does("send", text=b"hi"), flags="MacKeys"
        )
        group.play(
            "say-say",
            "nor with a second message",
            "MACREVEAL-WHEN-4 MACREVEAL-WHEN-5",
            lambda session: (session.do("send", text=b"hi"), session.do("send", text=b"again")),
            flags="MacKeys",
        )
        group.play(
            "abort",
            "any Data Message will do: an abort of SMP",
            "MACREVEAL-WHEN-3",
            lambda session: (session.hear(b"hello"), session.do("smp_abort")),
            flags="MacKeys",
        )
        group.play(
            "wrong",
            "a message that was not verified collects nothing",
            "MACREVEAL-WHAT-2 MACREVEAL-WHEN-4",
            hears(b"hello", mac=bytes(20)),
            reaction="error_message",
            flags="Mac",
        )
        group.play(
            "refused",
            "a right MAC, but a counter of 0: the key counts as used",
            "MACREVEAL-WHAT-2",
            lambda session: (session.hear(b"hello"), session.hear(b"zero", ctr=0)),
            reaction="error_message",
            flags="MacKeys",
        )


def _ends(file: FileBuilder, version: int) -> None:
    for rounds in (0, 1, 3):
        group = file.plays(
            f"v{version}-end-{rounds}",
            f"The session ends after {rounds} rounds and a text.",
            bound(rounds, lambda session, rounds: (_rounds(rounds)(session), session.hear(b"last"))),
            version=version,
        )
        shows = f"{_WHEN} MACREVEAL-END-1 USER-END-2"
        group.play(
            "user",
            "the last message reveals all that verified something",
            shows,
            does("end"),
            flags="MacKeys",
            ours="MACREVEAL-END:last",
            others={
                "MACREVEAL-END:pending": valid(sends=("data",), shows=()),
                "MACREVEAL-END:dropped": valid(sends=("data",), shows=()),
            },
        )
        group.play(
            "peer",
            "the correspondent ends: what verified something is kept for later",
            shows,
            hears(b"", tlvs=[tlv(1)]),
            flags="MacKeys",
        )

        def again(session: ClientSession) -> None:
            session.hear(b"", tlvs=[tlv(1)])
            session.begin()
            session.do("send", text=b"hi again")

        group.play(
            "peer-again",
            "and goes out with the first message of the next session",
            shows,
            again,
            flags="MacKeys",
            ours="MACREVEAL-REKEY:carried",
            others={"MACREVEAL-REKEY:dropped": valid(sends=("data",), shows=())},
        )

        def refreshed(session: ClientSession) -> None:
            session.begin()
            session.do("send", text=b"refreshed")

        group.play(
            "refresh",
            "a new handshake: the first message reveals the old session's",
            f"{shows} KEYMGMT-AKE-2",
            refreshed,
            flags="MacKeys",
            ours="MACREVEAL-REKEY:carried",
            others={"MACREVEAL-REKEY:dropped": valid(sends=("data",), shows=())},
        )


def _conversations(file: FileBuilder, version: int) -> None:
    for rounds in (2, 5):
        talk = Talk(file, f"v{version}-talk-{rounds}", version, deep=True)
        talk.start()
        talk.rounds(rounds)
        talk.do(BOB, "end")
        talk.write(
            f"{rounds} rounds of texts, then bob ends; `values` has the keys that are revealed",
            f"{_WHEN} MACREVEAL-WHEN-6",
            flags="MacKeys",
        )
    talk = Talk(file, f"v{version}-talk-one-sided", version, deep=True)
    talk.start()
    for number in range(6):
        talk.say(ALICE, b"alice %d" % number)
    talk.say(BOB, b"at last")
    talk.say(ALICE, b"good")
    talk.write("six texts of one side, then an answer", f"{_WHEN} MACREVEAL-WHEN-6", flags="MacKeys")


# ---- forgeries -------------------------------------------------------------------------------------------------------


def forgeries(file: FileBuilder) -> None:
    """With a revealed key anybody can forge a message that verifies, but no client accepts one."""
    for version in (2, 3):
        _transcripts(file, version)
        _rejected(file, version)


def _revealed(session: ClientSession) -> None:
    """The client has revealed the key of the insider's first message, which is kept."""
    session.begin()
    session.memory["original"] = session.insider.data(b"meet me at noon")
    session.give(session.memory["original"])
    session.say(b"fine")
    session.hear(b"good")
    session.memory["reveals"] = session.say(b"see you")
    session.memory["keys"] = wire.parse(session.memory["reveals"]).data("old_mac_keys")


def forge(original: bytes, was: bytes, text: bytes, key: bytes) -> bytes:
    """An intercepted message with another text of the same length, made with the old text and the MAC key."""
    message = wire.parse(original)
    mask = bytes(a ^ b for a, b in zip(was, text, strict=True))
    encrypted = message.data("encrypted_message")
    changed_text = bytes(a ^ b for a, b in zip(encrypted, mask, strict=True))
    return wire.build(crypto.mac_data(message.with_value("encrypted_message", changed_text), key))


_TEXT = b"meet me at noon"


def _transcripts(file: FileBuilder, version: int) -> None:
    """A forgery has the right MAC under the revealed key, which is the purpose of revealing it."""
    session = file.scratch(f"v{version}-transcript", _revealed, version=version)
    insider = session.insider
    original = wire.parse(session.memory["original"])
    keys = insider.keys(original.number("sender_keyid"), original.number("recipient_keyid"))
    revealed = session.memory["keys"][:20]
    group = file.group(
        f"v{version}-transcript",
        "Forged messages under a revealed MAC key, and the original.",
        "open_data",
        aes_key=keys.sending_aes,
        mac_key=revealed,
    )
    shows = "MACREVEAL-WHAT-5 MACREVEAL-WHAT-1"
    group.case("original", "the original message", shows, flags="Forgery", message=session.memory["original"])
    for name, text in {
        "text": b"meet me at nine",
        "zeros": bytes(15),
        "same": _TEXT,
        "tlv": b"by\0\0\1\0\0\0\0\0\4abcd",
    }.items():
        group.case(
            f"forged-{name}",
            f"another text: {text!r}",
            shows,
            flags="Forgery",
            message=forge(session.memory["original"], _TEXT, text, revealed),
        )
    for name, change in _CHANGES.items():
        made = wire.build(crypto.mac_data(change(original), revealed))
        group.case(f"forged-{name}", f"another {name}", shows, flags="Forgery", message=made)
    _not_forged(group, session, keys)


_CHANGES: dict[str, Callable[[wire.Message], wire.Message]] = {
    "flags": lambda one: one.with_value("flags", 1),
    "next_dh": lambda one: one.with_value("next_dh", 12345),
    "ctr": lambda one: one.with_value("ctr", b"\1" * 8),
    "keyids": lambda one: one.with_value("sender_keyid", 77),
}


def _not_forged(group: GroupBuilder, session: ClientSession, keys: crypto.SessionKeys) -> None:
    """Messages that do not verify under the revealed key."""
    original = session.memory["original"]
    for name, key in {"sending": keys.receiving_mac, "zeros": bytes(20), "aes": keys.sending_aes}.items():
        group.case(
            f"key-{name}",
            "a MAC under another key",
            "MACREVEAL-WHAT-5",
            reaction="refused",
            flags="Forgery",
            message=forge(original, _TEXT, b"meet me at nine", key),
        )
    for name in ("encrypted_message", "ctr", "flags"):
        flipped = wire.build(_flipped(wire.parse(original), name))
        group.case(
            f"no-mac-{name}",
            f"{name} changed, the MAC left as it was",
            "DATA-MAC-2",
            reaction="refused",
            flags="Forgery",
            message=flipped,
        )


def _flipped(message: wire.Message, name: str) -> wire.Message:
    raw = message.raw(name)
    return message.with_raw(name, raw[:-1] + bytes([raw[-1] ^ 1]))


def _rejected(file: FileBuilder, version: int) -> None:
    """A client whose keys have rotated accepts no forgery."""
    group = file.plays(
        f"v{version}-received",
        "Forged messages received by the client that revealed the key.",
        _revealed,
        version=version,
        sequel=hears(b"still here"),
    )
    shows = "MACREVEAL-WHAT-6 STATE-SECRECY-2 KEYMGMT-ROTATE-7 MACREVEAL-WHEN-4 ROBUST-INPUT-2 ROBUST-INPUT-3"
    _forged_texts(group, shows)

    def relabelled(session: ClientSession, ids: tuple[int, int]) -> None:
        """The forged message under the ids of live keys: the MAC is wrong for all of them."""
        message = wire.parse(forge(session.memory["original"], _TEXT, b"meet me at nine", session.memory["keys"][:20]))
        sender, recipient = session.insider.our_keyid - 1 + ids[0], session.insider.their_keyid + ids[1]
        message = message.with_value("sender_keyid", sender).with_value("recipient_keyid", recipient)
        session.give(wire.build(crypto.mac_data(message, session.memory["keys"][:20])))

    for ids in ((0, 0), (-1, 0), (0, -1), (1, 1)):
        name = "-".join(str(one).replace("-", "old-") for one in ids)
        group.play(
            f"relabelled-{name}",
            "under the ids of other keys",
            f"{shows} KEYMGMT-RECV-5",
            bound(ids, relabelled),
            reaction="error_message",
            flags="Forgery",
        )

    def every(session: ClientSession) -> None:
        """Every revealed key is tried on a message under live keys."""
        genuine = wire.parse(session.insider.data(b"meet me at noon"))
        for at in range(0, len(session.memory["keys"]), 20):
            session.give(wire.build(crypto.mac_data(genuine, session.memory["keys"][at : at + 20])))

    group.play(
        "live",
        "a message under live keys with a MAC under each revealed key",
        shows,
        every,
        reaction="error_message",
        flags="Forgery",
    )


def _forged_texts(group: Plays, shows: str) -> None:
    for name, text in {"text": b"meet me at nine", "same": _TEXT, "end": b"by\0\0\1\0\0\0\0\0\4abcd"}.items():
        group.play(
            f"forged-{name}",
            f"the first message with the text {text!r}",
            shows,
            bound(
                text,
                lambda session, text: session.give(
                    forge(session.memory["original"], _TEXT, text, session.memory["keys"][:20])
                ),
            ),
            reaction="error_message",
            flags="Forgery",
        )
    group.play(
        "original",
        "the original message once more",
        shows,
        lambda session: session.give(session.memory["original"]),
        reaction="error_message",
        flags="Forgery",
    )
    for name, change in _CHANGES.items():
        group.play(
            f"forged-{name}",
            f"another {name}",
            shows,
            bound(
                change,
                lambda session, change: session.give(
                    wire.build(
                        crypto.mac_data(change(wire.parse(session.memory["original"])), session.memory["keys"][:20])
                    )
                ),
            ),
            reaction="ignored" if name == "flags" else "error_message",
            flags="Forgery",
        )
