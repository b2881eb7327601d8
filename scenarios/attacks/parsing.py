"""Attacks on the parser: bytes meant to crash it, to fill memory, or to be mistaken for what they are not.

Most represent defects found in clients: lengths that overflow (CVE-2016-2851), base64 written past the end of a buffer
(CVE-2012-3461), format characters in an error text (CVE-2012-2369), marks that end too early, and TLVs cut short in an
authentic message.
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, QUESTION
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import Tlv, tlv, with_tlvs
from otterproof.harness.wire.mutate import truncate
from otterproof.implementations.contract import ExtraKeyDerived, PeerEndedSession, SessionEstablished

#: Marks that are cut off, doubled, or nested.
MARKS = (
    b"?",
    b"?OTR",
    b"?OTR?",
    b"?OTRv",
    b"?OTRv?",
    b"?OTR?v",
    b"?OTR?v?",
    b"?OTRv" + b"2" * 5000,
    b"?OTRv" + b"3" * 5000 + b"?",
    b"?OTR:",
    b"?OTR:.",
    b"?OTR:=.",
    b"?OTR:====.",
    b"?OTR:A.",
    b"?OTR:AA=A.",
    b"?OTR:AAM\0.",
    b"?OTR:" + b"A" * 5001 + b".",
    b"?OTR:\xff\xfe.",
    b"?OTR:?OTR:?OTR:.",
    b"?OTR Error",
    b"?OTR Error:",
    b"?OTR Error:%n%n%s%s%08x{0}{}<script>&amp;",
    b"?OTR,",
    b"?OTR|",
    b"?OTR,,,,",
    b"?OTR|||||,,,,",
    b"?OTR,0,0,x,",
    b"?OTR,1,0,x,",
    b"?OTR,2,1,x,",
    b"?OTR,1,99999,x,",
    b"?OTR,65536,65537,x,",
    b"?OTR,1,2,,",
    b"?OTR,-1,-1,x,",
    b"?OTR|ffffffff|ffffffff,1,1,?OTR:AAMD.,",
    b"?OTR|100000000|0,1,1,x,",
    b" \t  \t\t\t\t \t \t \t",
    b"%s%n%x",
)


def hostile(version: int, receiver: int) -> Iterator[bytes]:
    """The marks, and binary messages that end within their header or have impossible lengths."""
    yield from MARKS
    header = version.to_bytes(2)
    tags = b"\0\0\x2b\x2b" + receiver.to_bytes(4) if version == 3 else b""
    for kind in (0x02, 0x03, 0x0A, 0x11, 0x12, 0x00, 0xFF):
        for length in (b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\xc0"):
            yield wire.armour(header + bytes([kind]) + tags + length)
            yield wire.armour(header + bytes([kind]) + tags + length + bytes(40))
        yield wire.armour(header + bytes([kind]) + tags)
        yield wire.armour(header + bytes([kind]))
    yield wire.armour(header)
    yield wire.armour(b"\0")


@scenario(requirements=("ROBUST-INPUT-1", "!ROBUST-INPUT-1", "!ROBUST-INPUT-2", "!TYPES-DATA-2", "!ARMOUR-PARSE-2"))
def hostile_bytes_do_no_harm(context: Context) -> None:
    """Truncated marks, bad base64, impossible fragment numbers, and lengths of up to 2^32 - 1 do no harm.

    They neither crash the target nor make a session, and a session under way goes on.
    """
    fresh = context.target_session()
    for message in hostile(context.version, context.target_session().insider().target_tag):
        reply = fresh.receive(message)
        check(
            "robustness.junk-accepted",
            not reply.of(SessionEstablished),
            expected="no session",
            got=reply,
            case=message,
        )
    target, insider = context.encrypted()
    for message in hostile(context.version, insider.target_tag):
        target.receive(message).assert_rejected("robustness.junk-accepted", message)
    target.assert_session_alive(insider, "robustness.junk-breaks-session")


@scenario(requirements=("!ARMOUR-PARSE-6", "!TYPES-DATA-2", "!AKE-VERIFY-6", "ROBUST-INPUT-3"))
def truncated_handshake_messages(context: Context) -> None:
    """A handshake message that ends within any of its fields is not acted on; the whole message still is."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    commit = insider.commit()
    for message in shortened(commit):
        reply = target.receive(message)
        check(
            "encoding.cut-short-accepted",
            not reply.messages(Kind.DH_KEY),
            expected="no D-H Key Message goes out",
            got=reply,
            case=_cut("D-H Commit Message", message, commit),
        )
    whole = "the whole message after ones that are cut short"
    answer = target.receive(commit).message(Kind.DH_KEY, "encoding.cut-short-changes-state", case=whole)
    dh_key = wire.build(answer)
    reveal = insider.reveal_signature(dh_key)
    for message in shortened(reveal):
        target.receive(message).assert_rejected(
            "encoding.cut-short-accepted", _cut("Reveal Signature Message", message, reveal)
        )
    target.receive(reveal).one(SessionEstablished, "encoding.cut-short-changes-state", case=whole)
    target.assert_session_alive(insider)


def shortened(message: bytes) -> Iterator[bytes]:
    """The message cut off at the beginning of each of its fields, within it, and just before its end."""
    parsed = wire.parse(message)
    for field in parsed.fields:
        for length in {field.offset, field.offset + 2, field.offset + len(field.raw) - 1}:
            if field.offset <= length < len(parsed.body):
                yield truncate(message, length)


def _cut(name: str, part: bytes, whole: bytes) -> str:
    """How much of a message is left, in words."""
    return f"{len(wire.parse(part).body)} of the {len(wire.parse(whole).body)} bytes of a {name}"


#: The value of an SMP TLV with a count of six and six MPIs without bytes, which stand for 0.
ZEROS = b"\0\0\0\6" + bytes(24)

#: Values of SMP TLVs that are not SMP messages.
BROKEN_SMP = (b"", b"\0\0\0", b"\0\0\0\6", b"\xff\xff\xff\xff", b"\0\0\0\6" + b"\xff\xff\xff\xff", ZEROS)


def _smp_check(kind: int, value: bytes) -> str:
    """The check that fails when a target acts on an SMP TLV with one of these values."""
    if kind == QUESTION:
        return "smp.question-without-message-accepted"
    if b"\xff\xff\xff\xff" in value:
        return "tlv.huge-count-accepted"
    if value == ZEROS and kind == MESSAGE_1:  # a message with six numbers
        return "smp.message-1-proof-not-verified"
    if value == ZEROS and kind == MESSAGE_4:  # a message with three
        return "tlv.smp-value-too-long"
    return "tlv.smp-value-too-short"


def _broken_plaintexts() -> Iterator[tuple[str, bytes]]:
    """Plaintexts with TLVs that must have no effect, each after the id of the check that demands this."""
    for plaintext in (b"\0\0", b"\0\0\0\0", b"\0\0\1\xff\xff", b"\0\0\6\0\5abc"):
        yield "tlv.cut-short-acted-on", plaintext
    yield "tlv.unknown-type-acted-on", b"\0\xff\xff\0\0"
    yield "tlv.cut-short-acted-on", b"\0" * 64
    for kind in range(10):
        yield "tlv.cut-short-acted-on", with_tlvs(b"", [Tlv(kind, 500, b"abc")])
    for kind in (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, QUESTION):
        for value in BROKEN_SMP:
            yield _smp_check(kind, value), with_tlvs(b"", [tlv(kind, value)])
    endless = [tlv(QUESTION, b"no end of the question"), tlv(0xFFFF, b"what is this?")]
    yield "smp.question-without-message-accepted", with_tlvs(b"", endless)


@scenario(requirements=("!TLV-FORM-8", "!TLV-SMP-8", "!TLV-SMP-10", "!TLV-SMP-6", "TLV-FORM-4", "!ROBUST-INPUT-1"))
def broken_tlvs_in_authentic_messages(context: Context) -> None:
    """Broken TLVs from a peer with valid keys do no harm, and the session goes on.

    They are cut short, have impossible lengths or counts, or are of unknown types. The target neither crashes nor takes
    any of them for an SMP request.
    """
    target, insider = context.encrypted()
    for check_id, plaintext in _broken_plaintexts():
        reply = target.receive(insider.data(plaintext))
        kept = [event for event in reply.accepted if not isinstance(event, ExtraKeyDerived | PeerEndedSession)]
        check(check_id, not kept, expected="nothing is accepted", got=kept, case=plaintext)
        for message in reply.messages(Kind.DATA):
            insider.read(wire.build(message))
    target.assert_session_alive(insider, "tlv.cut-short-ends-session")


@scenario(requirements=("!FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-3", "!ROBUST-GROW-1", "!FRAGMENT-RECV-12"))
def endless_fragments(context: Context) -> None:
    """First fragments of endless messages from many senders, and nested fragments, do not stop the session."""
    target, insider = context.encrypted()
    own = insider.target_tag
    piece = b"?OTR:" + b"A" * 20_000
    for sender in range(0x1000, 0x1000 + 40):
        head = b"?OTR|%x|%x,1,65535," % (sender, own) if context.version == 3 else b"?OTR,1,65535,"
        target.receive(head + piece + b",").assert_rejected(
            "fragment.acted-on-too-early", "the first of 65535 fragments"
        )
    nested = b"?OTR,1,1,?OTR,1,1,?OTR,1,1,x,,,"
    target.receive(nested).assert_rejected("fragment.nested-fragment-unpacked", nested)
    target.assert_session_alive(insider, "fragment.endless-message-breaks-session")
