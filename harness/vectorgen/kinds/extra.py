"""The extra symmetric key: requested and received, before and after key rotations. [Extra symmetric key]"""

from __future__ import annotations

from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.kinds.data_states import encrypted, talked
from otterproof.harness.vectorgen.play_builder import does, hears
from otterproof.harness.wire.layers import tlv


def extra_key(file: FileBuilder) -> None:
    """The extra symmetric key, requested and received, before and after key rotations."""
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


def _late(session: ClientSession) -> None:
    """The second message of a run arrives under keys that the first has made the previous ones."""
    session.hear(b"now")
    session.hear(b"", tlvs=[tlv(8, b"\0\0\0\1late")])
