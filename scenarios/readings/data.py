"""Probes of the readings on data messages, their keys and their TLVs. [Data Message, Key Management]"""

from __future__ import annotations

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.probe import reading, same_answer
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.wire import DH_PRIME, Kind
from otterproof.harness.wire.layers import Tlv, tlv, with_tlvs
from otterproof.implementations.contract import (
    ExtraKeyDerived,
    MessageUnreadable,
    PeerEndedSession,
    Policy,
    SessionEstablished,
    SmpAborted,
    SmpRequested,
)

IGNORE_UNREADABLE = 1


def is_shown(target: TargetSession, message: bytes, text: bytes) -> bool:
    return text in target.receive(message).secure


def is_reported(reply: Reply) -> bool:
    """Whether the target told its user or the peer that it can't read a message."""
    return bool(reply.messages(Kind.ERROR) or reply.of(MessageUnreadable))


def to_a_fresh_party(context: Context, message: bytes) -> Reply:
    """The reply of a party without a session to a Data Message of another party's session, readdressed to it."""
    target = context.target_session()
    insider = target.insider()
    if context.version == 2:
        return target.receive(message)
    if not insider.knows_target_tag:
        target.query()  # its answer has the tag
    return target.receive(wire.build(wire.parse(message).with_value("receiver_tag", insider.target_tag)))


@reading("KEYMGMT-NEXT-RANGE")
def next_keys_out_of_range(context: Context) -> str:
    answers = []
    for value in (0, 1, DH_PRIME - 1, DH_PRIME):
        target, insider = context.encrypted()
        answers.append("none" if is_shown(target, insider.data(b"text", next_dh=value), b"text") else "check")
    for value in (2, DH_PRIME - 2):
        target, insider = context.encrypted()
        target.assert_receives_text(insider, b"text", check_id="keys.good-next-key-refused", next_dh=value)
    return same_answer(answers, "next keys out of range")


@reading("KEYMGMT-CTR-ZERO")
def a_first_message_with_counter_0(context: Context) -> str:
    target, insider = context.encrypted()
    answer = "accept" if is_shown(target, insider.data(b"text", ctr=0), b"text") else "reject"
    target.assert_receives_text(insider, b"after it", ctr=1)
    return answer


@reading("DATA-UNREADABLE-REPLY")
def answers_to_unreadable_messages(context: Context) -> str:
    target, insider = context.encrypted()
    old = insider.data(b"before the end")
    target.receive(insider.data(tlvs=[tlv(1)]))
    finished = target.receive(old)
    fresh = to_a_fresh_party(context, old)
    answers = ["reply" if reply.messages(Kind.ERROR) else "notice" for reply in (finished, fresh)]
    return same_answer(answers, "Data Messages in PLAINTEXT and in FINISHED")


@reading("DATA-IGNORE-FLAG")
def scope_of_ignore_unreadable(context: Context) -> str:
    target, insider = context.encrypted()
    wrong_mac = target.receive(insider.data(b"text", flags=IGNORE_UNREADABLE, mac=bytes(20)))
    unknown_key = target.receive(insider.data(b"text", flags=IGNORE_UNREADABLE, sender_keyid=77))
    if is_reported(wrong_mac) or is_reported(unknown_key):
        return "none"
    repeated = insider.data(b"text", flags=IGNORE_UNREADABLE)
    target.receive(repeated).assert_shown("text.not-delivered", b"text")
    others = [target.receive(repeated)]
    late = insider.data(b"text", flags=IGNORE_UNREADABLE)
    target.receive(insider.data(tlvs=[tlv(1)]))
    others += [target.receive(late), to_a_fresh_party(context, late)]
    return "crypto" if any(is_reported(reply) for reply in others) else "all"


@reading("DATA-FLAG-UNKNOWN")
def undefined_flags(context: Context) -> str:
    target, insider = context.encrypted()
    shown = [is_shown(target, insider.data(b"text", flags=flags), b"text") for flags in (0x02, 0x80, 0xFE)]
    return same_answer(["ignore" if one else "reject" for one in shown], "flags without a meaning")


@reading("DATA-OLDMACS-LENGTH")
def old_mac_keys_of_other_lengths(context: Context) -> str:
    target, insider = context.encrypted()
    for length in (20, 40):
        target.assert_receives_text(insider, b"whole keys", old_mac_keys=bytes(length))
    shown = [is_shown(target, insider.data(b"text", old_mac_keys=bytes(length)), b"text") for length in (19, 21)]
    return same_answer(["accept" if one else "reject" for one in shown], "parts of keys")


@reading("ARMOUR-TRAILING")
def bytes_after_the_last_field(context: Context) -> str:
    target, insider = context.encrypted()
    message = wire.parse(insider.data(b"text"))
    taken = [is_shown(target, wire.build(message.with_body(message.body + b"\0")), b"text")]
    fresh = context.target_session()
    fresh.user("start")
    commit = wire.parse(fresh.insider().commit())
    taken.append(bool(fresh.receive(wire.build(commit.with_body(commit.body + b"\0"))).messages(Kind.DH_KEY)))
    fresh = context.target_session()
    insider = fresh.insider()
    fresh.user("start")
    dh_key = wire.build(fresh.receive(insider.commit()).message(Kind.DH_KEY))
    reveal = wire.parse(insider.reveal_signature(dh_key))
    reply = fresh.receive(wire.build(reveal.with_body(reveal.body + b"\0")))
    taken.append(bool(reply.of(SessionEstablished)))
    return "accept" if any(taken) else "reject"  # the answer may differ between kinds of messages


def _heartbeats(context: Context, seconds: int) -> tuple[TargetSession, Insider]:
    """A session in which nothing has been sent for so many seconds."""
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"a text")
    target.tick(seconds)
    return target, insider


@reading("DATA-HEARTBEAT", needs=("time", "heartbeat"))
def heartbeats(context: Context) -> str:
    target, insider = context.encrypted()
    target.assert_sends_text(insider, b"a text")
    for number in range(60):
        target.tick(10)
        answers = target.receive(insider.data(b"text %d" % number)).messages(Kind.DATA)
        for answer in answers:
            flags, text = answer.number("flags"), target.read(insider, answer).text
            check_equal("data.heartbeat-not-flagged", flags, IGNORE_UNREADABLE)
            check("data.heartbeat-with-text", not text, expected="no text", got=text)
        if answers:
            return "interval"
    return "none"


@reading("DATA-HEARTBEAT-EMPTY", needs=("time", "heartbeat"))
def a_heartbeat_in_answer_to_one(context: Context) -> str:
    target, insider = _heartbeats(context, 120)
    if target.receive(insider.data(b"", flags=IGNORE_UNREADABLE)).messages(Kind.DATA):
        return "sent"
    reply = target.receive(insider.data(b"a text"))
    check("data.heartbeat-not-sent", bool(reply.messages(Kind.DATA)), expected=Kind.DATA, got=reply, case="a text")
    return "none"


@reading("DATA-HEARTBEAT-END", needs=("time", "heartbeat"))
def a_heartbeat_in_answer_to_the_end(context: Context) -> str:
    target, insider = _heartbeats(context, 120)
    return "sent" if target.receive(insider.data(tlvs=[tlv(1)])).messages(Kind.DATA) else "none"


@reading("TLV-TRUNCATED")
def truncated_tlvs(context: Context) -> str:
    if _cut_end(context).of(PeerEndedSession):
        return "take"
    answers = []
    for plaintext in (with_tlvs(b"hello", [Tlv(0, 500, b"abc")]), b"hello\0\0\0\1"):
        target, insider = context.encrypted()
        reply = target.receive(insider.data(plaintext))
        shown = "drop" if b"hello" in reply.secure else "message"
        answers.append("error" if reply.messages(Kind.ERROR) else shown)
    return same_answer(answers, "TLVs that are cut short")


def _cut_end(context: Context) -> Reply:
    target, insider = context.encrypted()
    return target.receive(insider.data(with_tlvs(b"hello", [Tlv(1, 4, b"")])))


@reading("TLV-AFTER-END", needs=("smp",))
def tlvs_after_the_end(context: Context) -> str:
    target, insider = context.encrypted()
    reply = target.receive(insider.data(tlvs=[tlv(1), tlv(2, b"\0\0\0\0")]))
    if reply.messages(Kind.DATA):
        return "answer"
    return "process" if any(isinstance(event, SmpRequested | SmpAborted) for event in reply.events) else "stop"


@reading("EXTRA-V2")
def the_extra_key_in_version_2(context: Context) -> str:
    target, insider = context.encrypted()
    reply = target.receive(insider.data(b"text", tlvs=[tlv(8, b"\0\0\0\1")]))
    reply.assert_shown("text.not-delivered", b"text", case="a text beside a type 8 TLV")
    return "use" if reply.of(ExtraKeyDerived) else "ignore"


@reading("USER-END-FLAG")
def the_flag_of_the_last_message(context: Context) -> str:
    target, insider = context.encrypted()
    target.assert_receives_text(insider, b"text")
    return "set" if target.user("end").message(Kind.DATA).number("flags") & IGNORE_UNREADABLE else "clear"


@reading("ERROR-POSITION", needs=("policy",))
def error_messages_within_text(context: Context) -> str:
    target = context.target_session(policy=ALLOW[context.version] | Policy.ERROR_START_AKE)
    target.receive(b"?OTR Error: x").message(Kind.QUERY)
    return "anywhere" if target.receive(b"hello ?OTR Error: x").messages(Kind.QUERY) else "start"
