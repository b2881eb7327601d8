"""Courses in which any target is compared with the reference engine (otterproof.harness.testkit.side_by_side)."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.side_by_side import ComparedSession, compare
from otterproof.harness.testkit.smp_session import MESSAGE_4, SmpSession
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.mutate import flip_bit


@scenario(requirements=("AKE-OUTLINE-1", "!COMMIT-REVEALSIG-1", "!DHKEY-SIG-1", "!SIG-NONE-1", "!REVEAL-IGNORED-1"))
def handshakes_side_by_side(context: Context) -> None:
    """The target agrees with the reference engine on every handshake message, in both roles, when it comes in turn, is
    repeated, or comes out of turn.
    """

    def begun_by_the_insider(session: ComparedSession) -> None:
        insider = session.insider()
        session.user("start", "start")
        commit = insider.commit()
        dh_key = session.give("commit", commit).message(Kind.DH_KEY)
        session.give("commit again", commit)
        reveal = insider.reveal_signature(wire.build(dh_key))
        session.give("reveal signature", reveal)
        session.give("reveal signature again", reveal)
        session.give("commit of an old handshake", commit)

    def begun_by_the_target(session: ComparedSession) -> None:
        insider = session.insider()
        commit = session.give("query", b"?OTRv%d?" % context.version).message(Kind.DH_COMMIT)
        dh_key = insider.dh_key()
        reveal = session.give("D-H key", dh_key).message(Kind.REVEAL_SIGNATURE)
        session.give("D-H key again", dh_key)
        gx = insider.decommit(wire.build(commit), wire.build(reveal))
        signature = insider.signature(gx)
        session.give("signature", signature)
        session.give("signature again", signature)

    compare(context, begun_by_the_insider)
    compare(context, begun_by_the_target)


def damaged(message: bytes) -> bytes:
    """A data message with the last bit of its text inverted."""
    field = wire.parse(message).field("encrypted_message")
    return flip_bit(message, 8 * (field.offset + len(field.raw)) - 1)


@scenario(requirements=("KEYMGMT-SEND-1", "DATA-CTR-1", "KEYMGMT-ROTATE-1", "!DATA-RECV-12", "!DATA-RECV-13"))
def sessions_side_by_side(context: Context) -> None:
    """The target agrees with the reference engine in a session: with texts that alternate, follow each other, or are
    repeated, damaged, late or empty, with TLVs, and at the end.
    """

    def course(session: ComparedSession) -> None:
        insider = session.insider()
        session.subject.establish(insider)
        held: list[bytes] = []
        for number in range(4):
            text = insider.data(b"text %d" % number)
            session.give(f"damaged {number}", damaged(text), "DATA-UNREADABLE-REPLY")
            session.give(f"text {number}", text)
            session.give(f"text {number} again", text, "DATA-UNREADABLE-REPLY")
            held.append(insider.data(b"held %d" % number))
            session.give(f"after {number}", insider.data(b"after %d" % number))
            session.give(f"held {number}", held[-1], "DATA-UNREADABLE-REPLY")
            sent = session.user(f"answer {number}", "send", text=b"answer %d" % number)
            insider.read(wire.build(sent.message(Kind.DATA)))
        session.give("no text", insider.data(b""))
        session.give("padding", insider.data(b"padded", tlvs=[tlv(0, bytes(20))]))
        session.give("unknown TLV", insider.data(b"unknown", tlvs=[tlv(0x1234, b"x")]))
        session.give("the end", insider.data(b"bye", tlvs=[tlv(1)]))
        session.user("typed after the end", "send", text=b"are you there?")

    compare(context, course)


@scenario(requirements=("!ROBUST-INPUT-2", "!ARMOUR-PARSE-5", "!QUERY-PARSE-2", "!ERROR-STATE-1"))
def odd_input_side_by_side(context: Context) -> None:
    """The target agrees with the reference engine on what it shows and sends when it receives plain text, queries, an
    error and malformed messages, before and during a session.
    """
    odd = (
        ("plain text", b"hello", ()),
        ("a query for version 1", b"?OTR?", ()),
        ("a query that offers nothing", b"?OTRv?", ("QUERY-CLOSING",)),
        ("an error", b"?OTR Error: x", ()),
        ("an unknown type", wire.armour(context.version.to_bytes(2) + b"\x77"), ("ARMOUR-UNKNOWN",)),
        ("an empty armour", b"?OTR:.", ("ARMOUR-UNKNOWN",)),
        ("no base64", b"?OTR:!!!!.", ("ARMOUR-UNKNOWN", "ARMOUR-BASE64")),
    )

    def before(session: ComparedSession) -> None:
        for label, message, readings in odd:
            session.give(label, message, *readings)

    def within(session: ComparedSession) -> None:
        insider = session.insider()
        session.subject.establish(insider)
        for label, message, readings in odd:
            session.give(label, message, *readings)
        session.give("a text", insider.data(b"a text"))

    compare(context, before)
    compare(context, within)


@scenario(needs=("smp",), requirements=("SMP-BEGIN-1", "!SMP-ABORT-1", "SMPMATH-TEST-1"))
def smp_side_by_side(context: Context) -> None:
    """The target agrees with the reference engine in SMP, begun by either side with equal and unequal secrets, and with
    an SMP message that is not expected.
    """

    def course(session: ComparedSession) -> None:
        insider = session.insider()
        session.subject.establish(insider)
        smp_session = SmpSession(session.subject, insider)
        for secret in (b"the otter swims", b"another"):
            session.smp(f"the insider asks with {secret!r}", smp_session.asked(smp_session.liar(secret)), "SMP-UNEQUAL")
            session.smp(
                f"the target asks, {secret!r}",
                smp_session.asks(smp_session.liar(secret, target_asks=True)),
                "SMP-UNEQUAL",
            )
        session.smp("message 4 at once", smp_session.tell(MESSAGE_4, {"Rb": 4, "cR": 5, "D7": 6}), "SMP-UNEXPECTED")

    compare(context, course)
