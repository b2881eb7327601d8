"""The plaintext of Data Messages: where the text ends, TLVs, and the effect of each TLV. [Data Message, TLVs]"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ClientSession
from otterproof.harness.vectorgen.play_builder import Plays, bound, does, hears
from otterproof.harness.wire.layers import Tlv, build_plaintext, parse_plaintext, tlv, with_tlvs


def _raw(*records: tuple[int, int, bytes]) -> bytes:
    """TLVs with arbitrary length fields."""
    return b"".join(kind.to_bytes(2) + length.to_bytes(2) + value for kind, length, value in records)


def tlvs(file: FileBuilder) -> None:
    """Splitting plaintexts, and TLVs of each type in a session."""
    _split(file.group("split", "Plaintexts, split into text and TLVs.", "plaintext"))
    for version in (2, 3):
        group = file.plays(
            f"v{version}",
            "TLVs received in ENCRYPTED.",
            lambda session: session.begin(),
            version=version,
            sequel=hears(b"still here"),
        )
        _received(group)
        _cut_received(group)
        _ends(file, version)
        _sent(file, version)


# ---- splitting -------------------------------------------------------------------------------------------------------


def _split(group: GroupBuilder) -> None:
    form = "TLV-FORM-1 TLV-FORM-2 TLV-FORM-3"
    texts = {"none": b"", "text": b"hello", "high": b"\xff\xfe", "long": b"x" * 300}
    lists: Mapping[str, tuple[Tlv, ...]] = {
        "padding": (tlv(0, b"hello"),),
        "padding-empty": (tlv(0),),
        "disconnected": (tlv(1),),
        "two": (tlv(0, b"a"), tlv(1)),
        "three": (tlv(0, b"\0\0\0"), tlv(9, b"x"), tlv(0, b"")),
        "unknown": (tlv(0x7FFF, b"?"), tlv(0xFFFF, b"??")),
        "nuls": (tlv(0, bytes(40)),),
        "large": (tlv(0, b"p" * 1000),),
        "like-tlv": (tlv(0, _raw((1, 0, b""))),),
    }
    for text_name, text in texts.items():
        for name, records in lists.items():
            sample = " TLV-SAMPLE-1" if name in ("padding", "disconnected") else ""
            group.case(
                f"{text_name}-{name}",
                f"text {text[:10]!r}, {len(records)} TLVs",
                form + sample,
                plaintext=with_tlvs(text, records),
            )
        group.case(f"{text_name}-no-nul", "no NUL: no TLVs", "TLV-FORM-1", plaintext=text)
        group.case(f"{text_name}-nul", "a NUL and nothing after it", "TLV-FORM-6", plaintext=text + b"\0")
    for name, broken, before in _broken():
        for text_name, text in {"none": b"", "text": b"hello"}.items():
            plaintext = text + b"\0" + broken
            whole = parse_plaintext(plaintext)
            kept = tuple({"type": one.type, "value": one.value} for one in whole.tlvs if len(one.value) == one.length)
            if len(kept) != before:
                raise ValueError(f"{name}: {len(kept)} TLVs are whole, and {before} must be")
            seen = {"text": text, "tlvs": kept}
            nothing = {"text": b"", "tlvs": ()}
            others = {
                "TLV-TRUNCATED:message": invalid("ignored", **nothing),
                "TLV-TRUNCATED:error": invalid("error_message", **seen),
            }
            if name.startswith("value-"):
                taken = (*kept, {"type": whole.tlvs[-1].type, "value": whole.tlvs[-1].value})
                others["TLV-TRUNCATED:take"] = valid(text=text, tlvs=taken)
            group.case(
                f"broken-{name}-{text_name}",
                "a TLV is cut short, or stray bytes follow",
                "TLV-FORM-8 TLV-FORM-3",
                reaction="accepted",
                flags="CutShort",
                ours="TLV-TRUNCATED:drop",
                others=others,
                plaintext=plaintext,
            )


def _broken() -> Iterator[tuple[str, bytes, int]]:
    """(name, TLVs ending in a truncated one, number of whole TLVs before it)"""
    for size in (1, 2, 3):
        yield f"header-{size}", bytes(size), 0
        yield (
            f"header-{size}-after",
            build_plaintext(parse_plaintext(with_tlvs(b"", [tlv(0, b"ab")])))[1:] + b"\1" * size,
            1,
        )
    for said, there in ((1, 0), (2, 1), (5, 4), (256, 255), (0x7FFF, 3), (0x8000, 3), (0xFFFF, 0), (0xFFFF, 100)):
        yield f"value-{said:x}-{there}", _raw((0, said, b"v" * there)), 0
    yield "value-after", _raw((0, 2, b"ab"), (9, 5, b"cd")), 1
    yield "value-disconnected", _raw((1, 1, b"")), 0
    yield "value-swallows", _raw((0, 200, _raw((1, 0, b"")))), 0


# ---- in a session ----------------------------------------------------------------------------------------------------


def _received(group: Plays) -> None:
    shown = "TLV-FORM-1 TLV-FORM-2 TLV-FORM-3 DATA-TEXT-3 DATA-RECV-2 DATA-HEARTBEAT-1"
    texts = {"none": b"", "text": b"hello"}
    lists: Mapping[str, tuple[Sequence[Tlv], str, str]] = {
        "padding": ([tlv(0, b"padding")], "padding is ignored", "TLV-PADDING-2 TLV-PADDING-1"),
        "padding-like-tlv": ([tlv(0, _raw((1, 0, b"")))], "padding that looks like a TLV is padding", "TLV-PADDING-2"),
        "unknown": ([tlv(9, b"?")], "a TLV of unknown type is ignored", "TLV-FORM-4"),
        "unknown-high": ([tlv(0xFFFF, b"?"), tlv(0x8001)], "types with the highest bit set", "TLV-FORM-4"),
        "unknown-between": (
            [tlv(0, b"a"), tlv(0x100), tlv(0, b"b")],
            "an unknown one among others",
            "TLV-FORM-4 TLV-FORM-5",
        ),
        "many": ([tlv(0, b"x")] * 50, "fifty TLVs", "TLV-FORM-2 TLV-FORM-5"),
        "nul-alone": ([], "a NUL and nothing after it", "TLV-FORM-6"),
        "smp-abort": ([tlv(6)], "an abort with no run under way", "SMP-ACTION-2 TLV-SMP-4"),
        "smp-abort-value": ([tlv(6, b"why")], "an abort with a value", "SMP-ACTION-2 TLV-SMP-4"),
    }
    for text_name, text in texts.items():
        for name, (records, comment, shows) in lists.items():
            group.play(
                f"{name}-{text_name}",
                comment,
                f"{shown} {shows}",
                bound(
                    (text, tuple(records)),
                    lambda session, two: session.hear(two[0] + b"\0" if not two[1] else two[0], tlvs=two[1]),
                ),
            )
    group.play(
        "wrong-mac",
        "TLVs of a message that is not verified",
        "TLV-FORM-7 DATA-RECV-12",
        hears(b"", tlvs=[tlv(1)], mac=bytes(20)),
        reaction="error_message",
        flags="Mac",
    )


def _cut_received(group: Plays) -> None:
    for name, broken, _ in _broken():
        group.play(
            f"broken-{name}",
            "a TLV is cut short, or stray bytes follow; the text stands",
            "TLV-FORM-8",
            hears(b"hello\0" + broken),
            reaction="accepted",
            flags="CutShort",
            ours="TLV-TRUNCATED:drop",
            others={
                "TLV-TRUNCATED:message": invalid("ignored", sends=(), shows=()),
                "TLV-TRUNCATED:error": invalid("error_message", sends=("error",), shows=(b"hello",)),
                "TLV-TRUNCATED:take": valid(sends=(), shows=(b"hello",)),
            },
        )


def _ends(file: FileBuilder, version: int) -> None:
    """The Disconnected TLV."""
    group = file.plays(
        f"v{version}-end",
        "The correspondent ends the session.",
        lambda session: (session.begin(), session.hear(b"hi"), session.say()),
        version=version,
    )
    shows = "TLV-END-1 TLV-END-2 TLV-END-3 STATE-FINISHED-2 STATE-ENDED-1 STATE-ENDED-2 STATE-ACTIONS-1"
    group.play("alone", "FINISHED", shows, hears(b"", tlvs=[tlv(1)]))
    group.play("text", "the text of the message is still shown", f"{shows} TLV-END-4", hears(b"bye", tlvs=[tlv(1)]))
    group.play("value", "its value is not looked at", shows, hears(b"", tlvs=[tlv(1, b"reason")]))
    group.play("padded", "padding before it", f"{shows} TLV-FORM-5", hears(b"", tlvs=[tlv(0, b"x"), tlv(1)]))
    group.play(
        "followed",
        "TLVs after it",
        "TLV-FORM-5 STATE-ENDED-1",
        hears(b"", tlvs=[tlv(1), tlv(8, b"\0\0\0\1")]),
        ours="TLV-AFTER-END:stop",
        others={"TLV-AFTER-END:process": valid(sends=(), shows=())},
    )
    group.play(
        "broken-after",
        "what follows it is not even read",
        "TLV-FORM-8 STATE-ENDED-1",
        hears(b"\0" + _raw((1, 0, b"")) + b"\1"),
    )

    def again(session: ClientSession) -> None:
        session.hear(b"", tlvs=[tlv(1)])
        session.hear(b"", tlvs=[tlv(1)])

    group.play(
        "twice", "a second one can't be read any more", "STATE-ENDED-3", again, reaction="error_message", flags="State"
    )

    def typed(session: ClientSession) -> None:
        session.hear(b"", tlvs=[tlv(1)])
        session.do("send", text=b"secret")

    group.play(
        "typed",
        "what is typed in FINISHED is not sent",
        "STATE-FINISHED-1 USER-SEND-8 USER-SEND-9 USER-SEND-10",
        typed,
        reaction="refused",
        flags="State",
    )

    def ended(session: ClientSession) -> None:
        session.hear(b"", tlvs=[tlv(1)])
        session.do("end")

    group.play(
        "ended", "the user ends the session, too: PLAINTEXT, nothing is sent", "USER-END-4 STATE-PLAINTEXT-3", ended
    )


def _sent(file: FileBuilder, version: int) -> None:
    group = file.plays(
        f"v{version}-sent",
        "TLVs that are sent.",
        lambda session: (session.begin(), session.hear(b"hi")),
        version=version,
    )
    for size in (0, 1, 255, 256):
        group.play(
            f"padding-{size}",
            f"padding of {size} bytes",
            "TLV-PADDING-1 TLV-FORM-1 TLV-FORM-3",
            does("send", text=b"hello", padding=size),
        )
    group.play(
        "end",
        "the user ends the session: a type 1 TLV without text",
        "USER-END-2 USER-END-3 TLV-END-1",
        does("end"),
        ours="USER-END-FLAG:set",
        others={"USER-END-FLAG:clear": valid(sends=("data",), shows=())},
    )
    group.play(
        "abort",
        "the user aborts SMP: a type 6 TLV of length 0",
        "TLV-SMP-2 TLV-SMP-3 SMP-ABORT-2 SMP-ABORT-3",
        does("smp_abort"),
    )
