"""Data Messages sent: user texts and heartbeats. [Data Message]"""

from __future__ import annotations

from otterproof.harness.vectorgen.builder import FileBuilder, valid
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.kinds.data_functions import TEXTS
from otterproof.harness.vectorgen.kinds.data_states import encrypted, talked
from otterproof.harness.vectorgen.play_builder import Act, does
from otterproof.harness.wire.layers import tlv


def sent(file: FileBuilder, version: int) -> None:
    shows = "DATA-FORM-1" if version == 2 else "DATA-FORM-2 DATA-FORM-4 DATA-FORM-5 INSTANCE-OWN-5 INSTANCE-REPLY-2"
    shows += (
        " DATA-FORM-3 DATA-FORM-6 DATA-FLAGS-2 KEYMGMT-SEND-1 KEYMGMT-SEND-2 KEYMGMT-SEND-3 DATA-NEXT-1 USER-SEND-6 "
    )
    shows += "STATE-ENCRYPTED-1 STATE-SECRECY-1 KEYMGMT-PICK-1 KEYMGMT-PICK-2 DATA-CTR-2 DATA-ENC-3 DERIVE-DATA-3"
    for name, reach in {"encrypted": encrypted, "talked": talked, "answered": lambda session: session.answer()}.items():
        group = file.plays(f"v{version}-sent-{name}", "Texts sent in ENCRYPTED.", reach, version=version)
        for text_name, (text, comment) in TEXTS.items():
            group.play(f"text-{text_name}", comment, shows, does("send", text=text))
        group.play(
            "several",
            "a run of messages: the counter rises",
            f"{shows} DATA-CTR-1 DATA-CTR-3 KEYMGMT-SEND-4",
            lambda session: [session.do("send", text=b"text %d" % n) for n in range(4)],
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


def heartbeats(file: FileBuilder, version: int) -> None:
    group = file.plays(
        f"v{version}-heartbeat",
        "Nothing was sent for a time; the interval is 60 seconds.",
        encrypted,
        version=version,
        heartbeat_interval=60,
    )

    def at(now: int, **data: int) -> Act:
        def act(session: ClientSession) -> None:
            session.time(now)
            session.hear(b"hello", **data)

        return act

    shows = "DATA-RECV-4 DATA-RECV-5 DATA-HEARTBEAT-1"
    none = {"DATA-HEARTBEAT:none": valid(sends=(), shows=(b"hello",))}
    group.play("59", "59 seconds: nothing", shows, at(59), flags="Heartbeat")
    group.play(
        "61", "61 seconds: a heartbeat", shows, at(61), flags="Heartbeat", ours="DATA-HEARTBEAT:interval", others=none
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

    def answered(session: ClientSession) -> None:
        session.time(1000)
        session.hear(b"hello")
        session.hear(b"again")

    group.play("twice", "two messages at once: one heartbeat", "DATA-RECV-4 DATA-RECV-11", answered, flags="Heartbeat")

    def ends_then(session: ClientSession) -> None:
        session.time(1000)
        session.hear(b"", tlvs=[tlv(1)])

    group.play(
        "end",
        "a message that ends the session is not answered",
        "DATA-RECV-4 STATE-ENDED-2",
        ends_then,
        flags="Heartbeat",
        ours="DATA-HEARTBEAT-END:none",
        others={"DATA-HEARTBEAT-END:sent": valid(sends=("data",), shows=())},
    )

    def wrong(session: ClientSession) -> None:
        session.time(1000)
        session.hear(b"hello", mac=bytes(20))

    group.play(
        "wrong",
        "a message that can't be verified is answered with an error alone",
        "DATA-RECV-7",
        wrong,
        reaction="error_message",
        flags="Mac",
    )
