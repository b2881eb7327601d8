"""Unusually full messages: many MAC keys, many TLVs, TLVs of one type or of every type, and the longest of each.

Most clients send one TLV at a time and reveal a key or two, so their handling of more is seldom tested. [Data Message,
Revealing MAC keys]
"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, Reply, TargetSession, check, check_equal, check_told
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer, smp_value
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, MESSAGE_3, QUESTION, SmpReply, SmpSession
from otterproof.harness.wire import Kind, build
from otterproof.harness.wire.layers import Tlv, build_smp, parse_plaintext, parse_smp, tlv
from otterproof.implementations.contract import (
    ActionRefused,
    ExtraKeyDerived,
    PeerEndedSession,
    SmpRequested,
)
from otterproof.scenarios.conformance.mac_keys import Ledger
from otterproof.scenarios.conformance.negotiation_errors import errors_told

PADDING, DISCONNECTED, UNKNOWN, EXTRA_KEY = 0, 1, 9, 8

#: The longest value of a TLV, in bytes.
LONGEST_VALUE = 0xFFFF


@scenario(requirements=("MACREVEAL-WHEN-2", "MACREVEAL-WHEN-3", "MACREVEAL-WHEN-6", "MACREVEAL-WHAT-4"))
def many_mac_keys_are_revealed(context: Context) -> None:
    """After 40 texts, each under a new key of the peer's, the target's next message reveals all MAC keys that are due.

    So does the message that ends a session. A nightly run has 3300 texts, whose keys take more than 65,535 bytes.
    """
    count = 3300 if context.thorough else 40
    for ends in (False, True):
        with context.case("the end of a session" if ends else "a text"):
            ledger = Ledger(*context.encrypted())
            ledger.insider.exponent_size = 8
            for number in range(1, count + 1):
                ledger.receive((number, 1))
            if ends:
                keys = ledger.target.user("end").message(Kind.DATA).revealed_mac_keys()
                ledger.demand_all(keys, {ledger.key(pair) for pair in ledger.due}, "the message that ends a session")
            else:
                ledger.send()
                ledger.receive((count + 1, 1))
                ledger.send(b"and the next one")


@scenario(requirements=("DATA-OLDMACS-1", "DATA-MAC-3", "TYPES-DATA-1"))
def many_old_mac_keys_are_received(context: Context) -> None:
    """A message that reveals 13, 100 or 3300 MAC keys (the last more than 65535 bytes) is read like any other."""
    target, insider = context.encrypted()
    for count in (13, 100, 3300):
        reply = target.receive(insider.data(b"with many keys", old_mac_keys=bytes(range(20)) * count))
        case = f"a message with {count} old MAC keys"
        reply.assert_shown("data.many-old-keys-refused", b"with many keys", case=case)
    target.assert_session_alive(insider)


def _read_to_the_end(context: Context, kind: int) -> None:
    """Demand that messages with many TLVs of a type without effect are read to their last TLV."""
    for number in (20, 300):
        with context.case(f"{number} TLVs of type {kind}"):
            target, insider = context.encrypted()
            records = [tlv(kind, bytes(size % 3)) for size in range(number)]
            case = f"a text and {number} TLVs of type {kind}"
            reply = target.receive(insider.data(b"a text", tlvs=records))
            reply.assert_shown("tlv.text-not-cut-at-nul", b"a text", case=case)
            reply = target.receive(insider.data(b"good bye", tlvs=[*records, tlv(DISCONNECTED)]))
            reply.assert_shown("tlv.text-not-cut-at-nul", b"good bye", case=case)
            reply.one(PeerEndedSession, "tlv.record-not-found", case=f"a type 1 TLV after {case}")


@scenario(requirements=("TLV-FORM-2", "TLV-FORM-5", "TLV-PADDING-2", "TLV-END-2"))
def many_records_of_padding(context: Context) -> None:
    """A message with hundreds of type 0 TLVs is read to its last TLV."""
    _read_to_the_end(context, PADDING)


@scenario(requirements=("TLV-FORM-4", "TLV-FORM-5", "TLV-END-2"))
def many_records_of_unknown_type(context: Context) -> None:
    """A message with hundreds of TLVs of an unknown type is read to its last TLV."""
    _read_to_the_end(context, UNKNOWN)


@scenario(versions=(3,), needs=("extra_key",), requirements=("TLV-FORM-5", "TLV-EXTRA-2", "EXTRA-KEY-3"))
def two_requests_for_the_extra_key(context: Context) -> None:
    """Two type 8 TLVs in one message are each reported with their use and data, and yield the same key."""
    target, insider = context.encrypted()
    wanted = [(1, b"a file"), (7, b"another")]
    records = [tlv(EXTRA_KEY, use.to_bytes(4) + data) for use, data in wanted]
    reply = target.receive(insider.data(b"for two files", tlvs=records))
    reply.assert_shown("data.text-not-shown", b"for two files", case="a text with two type 8 TLVs")
    found = reply.of(ExtraKeyDerived)
    check("tlv.record-not-found", len(found) == 2, expected="two extra keys", got=reply, case="two type 8 TLVs")
    key = insider.keys(insider.our_keyid - 1, insider.their_keyid).extra_key
    for event, (use, data) in zip(found, wanted, strict=True):
        check_equal("extra-key.receiver-differs", event.key, key)
        for name, value in (("use", use), ("data", data)):
            check_told("extra-key.value-misread", getattr(event, name), value, case=name)


@scenario(needs=("smp",), requirements=("TLV-FORM-5", "SMP-EXPECT-5", "TLV-SMP-4", "SMP-MSG3-3", "SMP-MSG3-4"))
def two_smp_records_in_one_message(context: Context) -> None:
    """Two SMP aborts, messages 1 or messages 3 in one message do no harm, and SMP works afterwards."""
    smp_session = SmpSession(*context.encrypted())
    first = smp_value(MESSAGE_1, smp_session.liar().message_1())
    smp_session.give(MESSAGE_1, first)
    _give_both(smp_session, tlv(ABORT), tlv(ABORT)).sends("smp.abort-answered", case="two aborts in one message")
    smp_session.is_in_expect1()
    _give_both(smp_session, tlv(MESSAGE_1, first), tlv(MESSAGE_1, first))
    smp_session.give(ABORT)
    run = smp_session.liar()
    third = smp_value(MESSAGE_3, run.message_3(smp_session.expect3(run)))
    reply = _give_both(smp_session, tlv(MESSAGE_3, third), tlv(MESSAGE_3, third))
    told = reply.outcomes.count(True) == 1
    check("smp.last-message-counts-twice", told, expected="one success", got=reply, case="two messages 3 in one")
    smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


def _give_both(smp_session: SmpSession, *records: Tlv) -> SmpReply:
    """Give the target several TLVs in one message."""
    return smp_session.heard(smp_session.subject.receive(smp_session.insider.data(tlvs=records)))


def _records(context: Context, insider: Insider) -> dict[str, Tlv]:
    """One TLV of each type that can be acted on together with others, by what it requests."""
    able = context.target.capabilities
    records = {"padding": tlv(PADDING, b"\0\1\0\0")}
    if "smp" in able:
        records["SMP"] = tlv(MESSAGE_1, smp_value(MESSAGE_1, SmpPeer(1).message_1()))
    if "extra_key" in able and context.version == 3:
        records["the extra key"] = tlv(EXTRA_KEY, b"\0\0\0\1a file")
    return records


@scenario(requirements=("TLV-FORM-5", "TLV-FORM-2", "TLV-PADDING-2"))
def records_of_every_type(context: Context) -> None:
    """When a message has TLVs of every type, each is acted on, in any order, and the text is shown.

    A type 1 TLV after them ends the session.
    """
    for backwards in (False, True):
        with context.case("in the opposite order" if backwards else "in the order of their types"):
            target, insider = context.encrypted()
            records = _records(context, insider)
            order = sorted(records.values(), key=lambda one: one.type, reverse=backwards)
            case = f"TLVs of types {', '.join(str(one.type) for one in order)}"
            reply = target.receive(insider.data(b"and a text", tlvs=order))
            reply.assert_shown("data.text-not-shown", b"and a text", case=case)
            _all_acted_on(reply, records, case)
            last = [one for one in order if one.type != MESSAGE_1]
            reply = target.receive(insider.data(b"good bye", tlvs=[tlv(ABORT), *last, tlv(DISCONNECTED)]))
            reply.assert_shown("tlv.end-hides-text", b"good bye", case=case)
            reply.one(PeerEndedSession, "tlv.record-not-found", case=f"{case}, with an abort before and the end behind")
    for what, record in records.items():
        with context.case(f"{what}, and the end of the session"):
            target, insider = context.encrypted()
            reply = target.receive(insider.data(tlvs=[record, tlv(DISCONNECTED)]))
            reply.one(PeerEndedSession, "tlv.record-not-found", case=f"a type 1 TLV after one of type {record.type}")


def _all_acted_on(reply: Reply, records: dict[str, Tlv], case: str) -> None:
    """Demand that all that was requested was done, and that the session goes on."""
    for what, kind in (("SMP", SmpRequested), ("the extra key", ExtraKeyDerived)):
        if what in records:
            done = len(reply.of(kind)) == 1
            check("tlv.record-not-found", done, expected=f"one {kind.__name__}", got=reply, case=case)
    ended = reply.of(PeerEndedSession)
    check("tlv.value-taken-for-records", not ended, expected="the session goes on", got=reply, case=case)


#: Half a mebibyte.
LONG = b"long, long text. " * 31_000


@scenario(requirements=("DATA-TEXT-2", "STATE-CLEAR-1", "TLV-FORM-3"))
def the_longest_messages(context: Context) -> None:
    """Half a mebibyte of text arrives whole, in the clear and encrypted, as does a text with the longest padding."""
    target = context.target_session()
    reply = target.receive(LONG)
    reply.assert_shown("text.not-shown-as-clear", LONG, secure=False, case=f"{len(LONG)} bytes in the clear")
    insider = target.insider()
    target.establish(insider)
    target.assert_receives_text(insider, LONG, check_id="data.long-text-lost")
    reply = target.receive(insider.data(b"a text", tlvs=[tlv(PADDING, b"\0\1\0\0" * 16383 + b"\0\1\0")]))
    case = f"padding of {LONGEST_VALUE} bytes"
    reply.assert_shown("tlv.text-not-cut-at-nul", b"a text", case=case)
    check("tlv.value-taken-for-records", not reply.of(PeerEndedSession), got=reply, case=case)
    target.assert_session_alive(insider)


def _shows_error(target: TargetSession) -> None:
    """Demand that a long Error Message is shown once and whole, as an error or as text."""
    told = errors_told(target.receive(b"?OTR Error: " + LONG))
    seen = len(told) == 1 and (told[0] is None or LONG in told[0])
    check("error.not-shown", seen, expected="the error, once", got=told, case=f"an Error Message of {len(LONG)} bytes")


@scenario(requirements=("ERROR-SHOW-1", "ERROR-STATE-1"))
def the_longest_error_message(context: Context) -> None:
    """An Error Message of half a mebibyte is shown once, before a session and during one, which goes on."""
    target = context.target_session()
    insider = target.insider()
    _shows_error(target)
    target.establish(insider)
    _shows_error(target)
    target.assert_session_alive(insider)


@scenario(versions=(3,), needs=("extra_key",), requirements=("TLV-EXTRA-2", "TLV-FORM-3"))
def the_longest_data_with_the_extra_key(context: Context) -> None:
    """The most data that fits beside a use, 65531 bytes, arrives whole; the target sends it whole or refuses it."""
    target, insider = context.encrypted()
    data = (b"a long name " * 5500)[: LONGEST_VALUE - 4]
    reply = target.receive(insider.data(tlvs=[tlv(EXTRA_KEY, (1).to_bytes(4) + data)]))
    event = reply.one(ExtraKeyDerived)
    check_told("extra-key.value-misread", event.data, data, case="data")
    for size in (256, 1025, 65531):
        name = (b"a long name " * (size // 12 + 1))[:size]
        reply = target.user("extra_key", use=1, data=name)
        if reply.of(ActionRefused) or not reply.sent:  # not every client tells of a refusal
            continue
        found = [one.value for one in target.read(insider, reply.message(Kind.DATA)).tlvs if one.type == EXTRA_KEY]
        check_equal("extra-key.data-changed", found, [(1).to_bytes(4) + name], case=f"{size} bytes of data")


@scenario(versions=(3,), needs=("smp_question",), requirements=("TLV-SMP-5", "TLV-FORM-3"))
def the_longest_questions(context: Context) -> None:
    """Questions of more than 255 bytes, up to the most that fits into a TLV, arrive whole.

    The target sends its own user's question whole, or refuses it.
    """
    smp_session = SmpSession(*context.encrypted())
    numbers = list(smp_session.liar().message_1().values())
    rest = len(build_smp(QUESTION, numbers, b""))
    for size in (256, 1025, LONGEST_VALUE - rest):
        question = (b"Is this a long question? " * (size // 25 + 1))[:size]
        case = f"a question of {size} bytes"
        asked = smp_session.give(QUESTION, build_smp(QUESTION, numbers, question))
        event = asked.reply.one(SmpRequested, "smp.not-requested", case=case)
        check_told("smp.question-changed", event.question, question, case=case)
        smp_session.give(ABORT)
        target = smp_session.subject
        reply = target.user("smp_start", secret=b"secret", question=question)
        if reply.of(ActionRefused) or not reply.sent:  # not every client tells of a refusal
            continue
        plain = parse_plaintext(smp_session.insider.peek(build(reply.message(Kind.DATA))))
        sent = [parse_smp(QUESTION, one.value).question for one in plain.tlvs if one.type == QUESTION]
        check_equal("smp.question-sent-changed", sent, [question], case=case)
        smp_session.give(ABORT)
