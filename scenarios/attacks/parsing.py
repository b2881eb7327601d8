"""Attacks on the parser: bytes that are made to crash it, to fill memory, or to be taken for something that they are
not.

Most are classes of defects that were found in clients: lengths that overflow (CVE-2016-2851), base64 that writes past
its buffer (CVE-2012-3461), format characters in an error text (CVE-2012-2369), marks that end too early, and TLVs of an
authentic message that are cut short.
"""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import Tlv, tlv, with_tlvs
from otterproof.harness.wire.mutate import truncate
from otterproof.implementations.contract import Established

#: Marks cut off, doubled, and in each other.
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
    """Binary messages with lengths that can't be, and of every length from nothing on."""
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
    """Marks that are cut off, base64 that is none, fragments with impossible numbers and lengths up to the end of a
    32-bit number neither crash the target nor make a session, before a handshake and in a session, which goes on.
    """
    fresh = context.target_session()
    for message in hostile(context.version, context.target_session().insider().target_tag):
        reply = fresh.receive(message)
        check(not reply.of(Established), f"no session comes of {message[:40]!r}")
    target, insider = context.encrypted()
    for message in hostile(context.version, insider.target_tag):
        reply = target.receive(message)
        reply.assert_rejected(f"{message[:40]!r}")
    target.assert_session_alive(insider)


@scenario(requirements=("!ARMOUR-PARSE-6", "!TYPES-DATA-2", "!AKE-VERIFY-6", "ROBUST-INPUT-3"))
def handshake_messages_that_are_cut_off(context: Context) -> None:
    """A handshake message that ends within any of its fields is not acted upon, and the whole one still is."""
    target = context.target_session()
    insider = target.insider()
    target.user("start")
    commit = insider.commit()
    for message in shortened(commit):
        check(not target.receive(message).messages(Kind.DH_KEY), "a commit that is cut off is not answered")
    dh_key = wire.build(target.receive(commit).message(Kind.DH_KEY))
    reveal = insider.reveal_signature(dh_key)
    for message in shortened(reveal):
        target.receive(message).assert_rejected("a Reveal Signature Message that is cut off")
    target.receive(reveal).one(Established)
    target.assert_session_alive(insider)


def shortened(message: bytes) -> Iterator[bytes]:
    """A message cut off at the beginning of each of its fields, and just before the end of each."""
    parsed = wire.parse(message)
    for field in parsed.fields:
        for length in {field.offset, field.offset + 2, field.offset + len(field.raw) - 1}:
            if field.offset <= length < len(parsed.body):
                yield truncate(message, length)


@scenario(requirements=("!TLV-FORM-8", "!TLV-SMP-8", "!TLV-SMP-10", "!TLV-SMP-6", "TLV-FORM-4", "!ROBUST-INPUT-1"))
def broken_tlvs_in_authentic_messages(context: Context) -> None:
    """A peer with valid keys sends TLVs that are cut short, have impossible lengths or counts, or are of unknown types:
    the target neither crashes nor takes anything for an SMP request, and the session goes on.
    """
    target, insider = context.encrypted()
    smp = (b"", b"\0\0\0", b"\0\0\0\6", b"\xff\xff\xff\xff", b"\0\0\0\6" + b"\xff\xff\xff\xff", b"\0\0\0\6" + bytes(24))
    broken: list[bytes] = [b"\0\0", b"\0\0\0\0", b"\0\0\1\xff\xff", b"\0\0\6\0\5abc", b"\0\xff\xff\0\0", b"\0" * 64]
    broken += [with_tlvs(b"", [Tlv(kind, 500, b"abc")]) for kind in range(10)]
    broken += [with_tlvs(b"", [tlv(kind, value)]) for kind in (2, 3, 4, 5, 7) for value in smp]
    broken.append(with_tlvs(b"", [tlv(7, b"no end of the question"), tlv(0xFFFF, b"what is this?")]))
    for plaintext in broken:
        reply = target.receive(insider.data(plaintext))
        kept = [event for event in reply.accepted if type(event).__name__ not in ("ExtraKey", "Finished")]
        check(not kept, f"nothing comes of the plaintext {plaintext[:24]!r}, and there was {kept}")
        for message in reply.messages(Kind.DATA):
            insider.read(wire.build(message))
    target.assert_session_alive(insider)


@scenario(requirements=("!FRAGMENT-BOUND-1", "!FRAGMENT-BOUND-3", "!ROBUST-GROW-1", "!FRAGMENT-RECV-12"))
def fragments_without_end(context: Context) -> None:
    """First pieces of messages that never end, from many senders, and fragments within fragments do not stop the
    session.
    """
    target, insider = context.encrypted()
    own = insider.target_tag
    piece = b"?OTR:" + b"A" * 20_000
    for sender in range(0x1000, 0x1000 + 40):
        head = b"?OTR|%x|%x,1,65535," % (sender, own) if context.version == 3 else b"?OTR,1,65535,"
        target.receive(head + piece + b",").assert_rejected("a first piece")
    nested = b"?OTR,1,1,?OTR,1,1,?OTR,1,1,x,,,"
    target.receive(nested).assert_rejected("fragments within fragments")
    target.assert_session_alive(insider)
