"""Courses that any target takes beside the reference engine (otterproof.harness.testkit.side_by_side)."""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.side_by_side import Side, compare
from otterproof.harness.testkit.smp_session import MESSAGE_4, SmpSession
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.mutate import flip_bit


@scenario(requirements=("AKE-OUTLINE-1", "!COMMIT-REVEALSIG-1", "!DHKEY-SIG-1", "!SIG-NONE-1", "!REVEAL-IGNORED-1"))
def handshakes_side_by_side(context: Context) -> None:
    """Every message of the handshake in both roles, each of them once too often and out of turn."""

    def begun_by_the_insider(side: Side) -> None:
        insider = side.insider()
        side.user("start", "start")
        commit = insider.commit()
        dh_key = side.give("commit", commit).message(Kind.DH_KEY)
        side.give("commit again", commit)
        reveal = insider.reveal_signature(wire.build(dh_key))
        side.give("reveal signature", reveal)
        side.give("reveal signature again", reveal)
        side.give("commit of an old handshake", commit)

    def begun_by_the_target(side: Side) -> None:
        insider = side.insider()
        commit = side.give("query", b"?OTRv%d?" % context.version).message(Kind.DH_COMMIT)
        dh_key = insider.dh_key()
        reveal = side.give("D-H key", dh_key).message(Kind.REVEAL_SIGNATURE)
        side.give("D-H key again", dh_key)
        gx = insider.decommit(wire.build(commit), wire.build(reveal))
        signature = insider.signature(gx)
        side.give("signature", signature)
        side.give("signature again", signature)

    compare(context, begun_by_the_insider)
    compare(context, begun_by_the_target)


def damaged(message: bytes) -> bytes:
    """A data message with the last bit of its text inverted."""
    field = wire.parse(message).field("encrypted_message")
    return flip_bit(message, 8 * (field.offset + len(field.raw)) - 1)


@scenario(requirements=("KEYMGMT-SEND-1", "DATA-CTR-1", "KEYMGMT-ROTATE-1", "!DATA-RECV-12", "!DATA-RECV-13"))
def sessions_side_by_side(context: Context) -> None:
    """Texts in turn and in a row, repeated, damaged, late, without text, with TLVs, and the end."""

    def course(side: Side) -> None:
        insider = side.insider()
        side.subject.establish(insider)
        held: list[bytes] = []
        for number in range(4):
            text = insider.data(b"text %d" % number)
            side.give(f"damaged {number}", damaged(text), "DATA-UNREADABLE-REPLY")
            side.give(f"text {number}", text)
            side.give(f"text {number} again", text, "DATA-UNREADABLE-REPLY")
            held.append(insider.data(b"held %d" % number))
            side.give(f"after {number}", insider.data(b"after %d" % number))
            side.give(f"held {number}", held[-1], "DATA-UNREADABLE-REPLY")
            sent = side.user(f"answer {number}", "send", text=b"answer %d" % number)
            insider.read(wire.build(sent.message(Kind.DATA)))
        side.give("no text", insider.data(b""))
        side.give("padding", insider.data(b"padded", tlvs=[tlv(0, bytes(20))]))
        side.give("unknown TLV", insider.data(b"unknown", tlvs=[tlv(0x1234, b"x")]))
        side.give("the end", insider.data(b"bye", tlvs=[tlv(1)]))
        side.user("typed after the end", "send", text=b"are you there?")

    compare(context, course)


@scenario(requirements=("!ROBUST-INPUT-2", "!ARMOUR-PARSE-5", "!QUERY-PARSE-2", "!ERROR-STATE-1"))
def odd_input_side_by_side(context: Context) -> None:
    """Text, marks and messages that are not of the form, before and in a session: what is shown and what goes out."""
    odd = (
        ("plain text", b"hello", ()),
        ("a query for version 1", b"?OTR?", ()),
        ("a query that offers nothing", b"?OTRv?", ("QUERY-CLOSING",)),
        ("an error", b"?OTR Error: x", ()),
        ("an unknown type", wire.armour(context.version.to_bytes(2) + b"\x77"), ("ARMOUR-UNKNOWN",)),
        ("an empty armour", b"?OTR:.", ("ARMOUR-UNKNOWN",)),
        ("no base64", b"?OTR:!!!!.", ("ARMOUR-UNKNOWN", "ARMOUR-BASE64")),
    )

    def before(side: Side) -> None:
        for label, message, readings in odd:
            side.give(label, message, *readings)

    def within(side: Side) -> None:
        insider = side.insider()
        side.subject.establish(insider)
        for label, message, readings in odd:
            side.give(label, message, *readings)
        side.give("a text", insider.data(b"a text"))

    compare(context, before)
    compare(context, within)


@scenario(needs=("smp",), requirements=("SMP-BEGIN-1", "!SMP-ABORT-1", "SMPMATH-TEST-1"))
def smp_side_by_side(context: Context) -> None:
    """SMP begun by either side, with equal and with other secrets, and a message that nobody waits for."""

    def course(side: Side) -> None:
        insider = side.insider()
        side.subject.establish(insider)
        smp_session = SmpSession(side.subject, insider)
        for secret in (b"the otter swims", b"another"):
            side.smp(f"the insider asks with {secret!r}", smp_session.asked(smp_session.liar(secret)), "SMP-UNEQUAL")
            side.smp(
                f"the target asks, {secret!r}",
                smp_session.asks(smp_session.liar(secret, target_asks=True)),
                "SMP-UNEQUAL",
            )
        side.smp("message 4 at once", smp_session.tell(MESSAGE_4, {"Rb": 4, "cR": 5, "D7": 6}), "SMP-UNEXPECTED")

    compare(context, course)
