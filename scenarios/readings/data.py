"""Probes of readings on data messages, their keys and their TLVs. [Data Message, Key Management]"""

from __future__ import annotations

from harness import wire
from harness.course import Reply
from harness.insider import Insider
from harness.reading import reading
from harness.stage import ALLOW, Stage, Subject, check
from harness.wire import DH_PRIME, Kind
from harness.wire.layers import Tlv, tlv, with_tlvs
from implementations.contract import ExtraKey, Finished, Policy, SmpAborted, SmpRequested, Unreadable

IGNORE_UNREADABLE = 1


def all_alike(answers: list[str], what: str) -> str:
    """The one answer that several situations gave; CheckFailed if they gave different ones."""
    check(len(set(answers)) == 1, f"{what} are treated alike, and were {answers}")
    return answers[0]


def is_shown(subject: Subject, message: bytes, text: bytes) -> bool:
    return text in subject.give(message).secure


def is_reported(reply: Reply) -> bool:
    """Whether a message that can't be read has made the target say so, to either side."""
    return bool(reply.messages(Kind.ERROR) or reply.of(Unreadable))


@reading("KEYMGMT-NEXT-RANGE")
def next_keys_out_of_range(stage: Stage) -> str:
    answers = []
    for value in (0, 1, DH_PRIME - 1, DH_PRIME):
        subject, insider = stage.encrypted()
        answers.append("none" if is_shown(subject, insider.data(b"text", next_dh=value), b"text") else "check")
    for value in (2, DH_PRIME - 2):
        subject, insider = stage.encrypted()
        subject.hears(insider, b"text", next_dh=value)
    return all_alike(answers, "next keys out of range")


@reading("KEYMGMT-CTR-ZERO")
def a_first_message_with_counter_0(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    answer = "accept" if is_shown(subject, insider.data(b"text", ctr=0), b"text") else "reject"
    subject.hears(insider, b"after it", ctr=1)
    return answer


@reading("DATA-UNREADABLE-REPLY")
def answers_to_unreadable_messages(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    old = insider.data(b"before the end")
    subject.give(insider.data(tlvs=[tlv(1)]))
    finished = subject.give(old)
    fresh = stage.subject().give(old)
    answers = ["reply" if reply.messages(Kind.ERROR) else "notice" for reply in (finished, fresh)]
    return all_alike(answers, "data messages in PLAINTEXT and in FINISHED")


@reading("DATA-IGNORE-FLAG")
def unreadable_messages_that_may_be_ignored(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    wrong_mac = subject.give(insider.data(b"text", flags=IGNORE_UNREADABLE, mac=bytes(20)))
    unknown_key = subject.give(insider.data(b"text", flags=IGNORE_UNREADABLE, sender_keyid=77))
    if is_reported(wrong_mac) or is_reported(unknown_key):
        return "none"
    repeated = insider.data(b"text", flags=IGNORE_UNREADABLE)
    subject.give(repeated).shows(b"text")
    others = [subject.give(repeated)]
    late = insider.data(b"text", flags=IGNORE_UNREADABLE)
    subject.give(insider.data(tlvs=[tlv(1)]))
    others += [subject.give(late), stage.subject().give(late)]
    return "crypto" if any(is_reported(reply) for reply in others) else "all"


@reading("DATA-FLAG-UNKNOWN")
def flags_without_a_meaning(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    shown = [is_shown(subject, insider.data(b"text", flags=flags), b"text") for flags in (0x02, 0x80, 0xFE)]
    return all_alike(["ignore" if one else "reject" for one in shown], "flags without a meaning")


@reading("DATA-OLDMACS-LENGTH")
def old_mac_keys_of_other_lengths(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    for length in (20, 40):
        subject.hears(insider, b"whole keys", old_mac_keys=bytes(length))
    shown = [is_shown(subject, insider.data(b"text", old_mac_keys=bytes(length)), b"text") for length in (19, 21)]
    return all_alike(["accept" if one else "reject" for one in shown], "parts of keys")


@reading("ARMOUR-TRAILING")
def bytes_after_the_last_field(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    message = wire.parse(insider.data(b"text"))
    taken = [is_shown(subject, wire.build(message.with_body(message.body + b"\0")), b"text")]
    fresh = stage.subject()
    fresh.user("start")
    commit = wire.parse(fresh.insider().commit())
    taken.append(bool(fresh.give(wire.build(commit.with_body(commit.body + b"\0"))).messages(Kind.DH_KEY)))
    return all_alike(["accept" if one else "reject" for one in taken], "a commit and a data message with a byte more")


def _heartbeats(stage: Stage, seconds: int) -> tuple[Subject, Insider]:
    """A session in which nothing was sent for so many seconds."""
    subject, insider = stage.encrypted()
    subject.says(insider, b"a text")
    subject.tick(seconds)
    return subject, insider


@reading("DATA-HEARTBEAT", needs=("time",))
def heartbeats(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    subject.says(insider, b"a text")
    for number in range(60):
        subject.tick(10)
        answers = subject.give(insider.data(b"text %d" % number)).messages(Kind.DATA)
        for answer in answers:
            check(answer.number("flags") == IGNORE_UNREADABLE, "a heartbeat has IGNORE_UNREADABLE set")
            check(not subject.read(insider, answer).text, "a heartbeat has no text")
        if answers:
            return "interval"
    return "none"


@reading("DATA-HEARTBEAT-EMPTY", needs=("time", "heartbeat"))
def a_heartbeat_in_answer_to_one(stage: Stage) -> str:
    subject, insider = _heartbeats(stage, 120)
    if subject.give(insider.data(b"", flags=IGNORE_UNREADABLE)).messages(Kind.DATA):
        return "sent"
    answer = subject.give(insider.data(b"a text")).messages(Kind.DATA)
    check(bool(answer), "a text is answered with a heartbeat where a message without one is not")
    return "none"


@reading("DATA-HEARTBEAT-END", needs=("time", "heartbeat"))
def a_heartbeat_in_answer_to_the_end(stage: Stage) -> str:
    subject, insider = _heartbeats(stage, 120)
    return "sent" if subject.give(insider.data(tlvs=[tlv(1)])).messages(Kind.DATA) else "none"


@reading("TLV-TRUNCATED")
def tlvs_that_are_cut_short(stage: Stage) -> str:
    if _cut_end(stage).of(Finished):
        return "take"
    answers = []
    for plaintext in (with_tlvs(b"hello", [Tlv(0, 500, b"abc")]), b"hello\0\0\0\1"):
        subject, insider = stage.encrypted()
        reply = subject.give(insider.data(plaintext))
        shown = "drop" if b"hello" in reply.secure else "message"
        answers.append("error" if reply.messages(Kind.ERROR) else shown)
    return all_alike(answers, "TLVs that are cut short")


def _cut_end(stage: Stage) -> Reply:
    subject, insider = stage.encrypted()
    return subject.give(insider.data(with_tlvs(b"hello", [Tlv(1, 4, b"")])))


@reading("TLV-AFTER-END", needs=("smp",))
def tlvs_after_the_end(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    reply = subject.give(insider.data(tlvs=[tlv(1), tlv(2, b"\0\0\0\0")]))
    begun = any(isinstance(event, SmpRequested | SmpAborted) for event in reply.events)
    return "process" if begun or reply.messages(Kind.DATA) else "stop"


@reading("EXTRA-V2")
def the_extra_key_in_version_2(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    reply = subject.give(insider.data(b"text", tlvs=[tlv(8, b"\0\0\0\1")]))
    reply.shows(b"text")
    return "use" if reply.of(ExtraKey) else "ignore"


@reading("USER-END-FLAG")
def the_flag_of_the_last_message(stage: Stage) -> str:
    subject, insider = stage.encrypted()
    subject.hears(insider, b"text")
    return "set" if subject.user("end").message(Kind.DATA).number("flags") & IGNORE_UNREADABLE else "clear"


@reading("ERROR-POSITION", needs=("policy",))
def error_messages_within_text(stage: Stage) -> str:
    subject = stage.subject(policy=ALLOW[stage.version] | Policy.ERROR_START_AKE)
    subject.give(b"?OTR Error: x").message(Kind.QUERY)
    return "anywhere" if subject.give(b"hello ?OTR Error: x").messages(Kind.QUERY) else "start"
