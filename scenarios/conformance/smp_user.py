"""SMP: what the user asks for, and what the user is asked. [User requests to begin SMP, User requests to abort SMP]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check, check_equal
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    QUESTION,
    SECRET,
    SmpSession,
)
from otterproof.harness.wire.layers import parse_smp, tlv
from otterproof.implementations.contract import PeerEndedSession, SmpRequested


@scenario(
    needs=("smp", "smp_abort"),
    requirements=("SMP-ABORT-2", "SMP-ABORT-3", "!SMP-ABORT-3", "SMP-ACTION-1", "TLV-SMP-3"),
)
def user_aborts_a_run(context: Context) -> None:
    """In each state, the user's abort sends an empty type 6 TLV and ends the run; SMP then begins from the start."""
    smp_session = SmpSession(*context.encrypted())
    for state in (2, 3, 4):
        fitting = smp_session.bring(state)
        reply = smp_session.user("smp_abort")
        reply.sends("smp.user-abort-not-sent", ABORT, case=f"EXPECT{state}")
        length = reply.tlvs[0].length
        check_equal("smp.abort-not-empty", length, 0, case=f"EXPECT{state}")
        smp_session.has_dropped("smp.run-survives-user-abort", fitting, f"the user's abort in EXPECT{state}")
    smp_session.is_in_expect1()


@scenario(needs=("smp", "smp_abort"), requirements=("SMP-ABORT-2", "SMP-ABORT-3", "SMP-TRUST-2", "!SMP-TRUST-2"))
def user_aborts_without_a_run(context: Context) -> None:
    """In EXPECT1 the user's abort is sent too, even if no run has begun; a question is dropped, and a later answer
    sends nothing.
    """
    smp_session = SmpSession(*context.encrypted())
    smp_session.user("smp_abort").sends("smp.user-abort-not-sent", ABORT, case="EXPECT1, with nothing under way")
    smp_session.request(smp_session.liar())
    smp_session.user("smp_abort").sends("smp.user-abort-not-sent", ABORT, case="EXPECT1, instead of an answer")
    smp_session.is_in_expect1()
    smp_session.request(smp_session.liar())
    smp_session.user("smp_abort")
    case = "an answer after the user's own abort"
    smp_session.user("smp_answer", secret=SECRET).sends("smp.answer-without-question", case=case)


@scenario(
    needs=("smp",),
    requirements=("SMP-BEGIN-3", "!SMP-BEGIN-3", "SMP-BEGIN-4", "!SMP-BEGIN-4", "!SMP-BEGIN-1"),
)
def user_begins_while_a_run_is_under_way(context: Context) -> None:
    """A user who begins again during a run sends an abort and a new message 1, or goes on with the run; either can
    succeed.
    """
    for state in (2, 3, 4):
        with context.case(state):
            smp_session = SmpSession(*context.encrypted())
            fitting = smp_session.bring(state)
            reply = smp_session.user("smp_start", secret=SECRET)
            if reply.types == [ABORT, MESSAGE_1]:
                run = smp_session.liar(target_asks=True)
                first = parse_smp(MESSAGE_1, reply.tlvs[1].value).layer
                second = run.message_2({name: int(first.value(name)) for name in ("g2a", "g3a")})
                third = smp_session.tell(MESSAGE_2, second).numbers(MESSAGE_3, "smp.restarted-run-fails")
                reply = smp_session.tell(MESSAGE_4, run.message_4(third))
                reply.tells(True, check_id="smp.restarted-run-fails", case=f"restarted in EXPECT{state}")
                continue
            reply.sends("smp.restart-without-abort", case=f"EXPECT{state}")
            reply = smp_session.tell(*fitting)
            follows, outcomes = {2: ((MESSAGE_3,), ()), 3: ((MESSAGE_4,), (True,)), 4: ((), (True,))}[state]
            reply.sends("smp.run-lost-by-restart", *follows, case=f"EXPECT{state}")
            reply.tells(*outcomes, check_id="smp.run-lost-by-restart", case=f"EXPECT{state}")


@scenario(needs=("smp",), requirements=("SMP-BEGIN-5", "!SMP-BEGIN-5", "!SMP-MSG1-2"))
def both_begin_at_the_same_time(context: Context) -> None:
    """When both sides send message 1 at once, each answers with an abort; neither run succeeds, and later runs work."""
    smp_session = SmpSession(*context.encrypted())
    smp_session.expect2()
    check_id = "smp.simultaneous-start-mishandled"
    reply = smp_session.tell(MESSAGE_1, smp_session.liar().message_1())
    reply.aborts(check_id, "SMP message 1 after the target has sent its own")
    smp_session.give(ABORT).sends(check_id, case="the peer's abort")
    smp_session.asks(smp_session.liar(target_asks=True)).tells(True, check_id=check_id, case="a later run")
    smp_session.asked(smp_session.liar()).tells(True, check_id=check_id, case="a later run")


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("SMP-MSG1-4", "!SMP-MSG1-4", "SMP-EXPECT-3", "TLV-SMP-5"),
)
def question_is_shown_as_it_was_sent(context: Context) -> None:
    """The bytes before the first NUL of a type 7 TLV are shown to the user; for a type 2 TLV, no question is shown."""
    smp_session = SmpSession(*context.encrypted())
    first = smp_value(MESSAGE_1, smp_session.liar().message_1())
    for question in (b"why?", "Wo schwimmt er \u2014 \u6c34?".encode(), b" two  blanks ", b"long " * 300):
        request = smp_session.give(QUESTION, question + b"\0" + first).reply.one(SmpRequested, "smp.question-changed")
        check_equal("smp.question-changed", request.question, question)
        smp_session.give(ABORT)
    request = smp_session.request(smp_session.liar()).requests[0]
    check("smp.question-invented", not request.question, expected="no question", got=request.question)


@scenario(
    versions=(3,),
    needs=("smp", "smp_question"),
    requirements=("TLV-SMP-5", "!TLV-SMP-5", "SMP-EXPECT-3"),
)
def run_with_a_question(context: Context) -> None:
    """The user's question goes out in a type 7 TLV, followed by a NUL and message 1; the run then goes on as usual."""
    smp_session = SmpSession(*context.encrypted())
    question = "Was schwimmt \u2014 \u6c34?".encode()
    reply = smp_session.user("smp_start", secret=SECRET, question=question)
    first = reply.numbers(QUESTION)
    check("smp.own-question-asked", not reply.requests, expected="the user is not asked", got=reply.requests)
    sent = parse_smp(QUESTION, reply.tlvs[0].value).question
    check_equal("smp.question-sent-changed", sent, question)
    run = smp_session.liar(target_asks=True)
    third = smp_session.tell(MESSAGE_2, run.message_2(first)).numbers(MESSAGE_3)
    smp_session.tell(MESSAGE_4, run.message_4(third)).tells(True)
    run = smp_session.liar()
    value = question + b"\0" + smp_value(MESSAGE_1, run.message_1())
    smp_session.give(QUESTION, value).reply.one(SmpRequested)
    second = smp_session.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    smp_session.tell(MESSAGE_3, run.message_3(second)).tells(True)


@scenario(versions=(3,), needs=("smp", "smp_question"), requirements=("!SMP-EXPECT-3", "!SMP-MSG1-1", "SMP-MSG1-1"))
def question_out_of_turn(context: Context) -> None:
    """A type 7 TLV during a run is answered with an abort, and the run is dropped."""
    smp_session = SmpSession(*context.encrypted())
    value = b"why?\0" + smp_value(MESSAGE_1, smp_session.liar().message_1())
    for state in (2, 3, 4):
        fitting = smp_session.bring(state)
        case = f"a type 7 TLV in EXPECT{state}"
        smp_session.give(QUESTION, value).aborts("smp.message-1-out-of-turn", case)
        smp_session.has_dropped("smp.message-1-out-of-turn", fitting, case)
    smp_session.is_in_expect1()


@scenario(versions=(3,), needs=("smp", "smp_question"), requirements=("TLV-SMP-6", "!TLV-SMP-6", "SMP-ABORT-1"))
def question_without_a_message_is_refused(context: Context) -> None:
    """A type 7 TLV that has no NUL, or no complete message 1 after it, is refused and does no harm."""
    smp_session = SmpSession(*context.encrypted())
    first = smp_value(MESSAGE_1, smp_session.liar().message_1())
    for value, case in (
        (b"", "an empty type 7 TLV"),
        (b"why?", "a question without a NUL"),
        (b"why?\0", "a question without message 1"),
        (b"\0", "a NUL alone"),
        (b"why?\0" + first[:100], "a question and the first 100 bytes of message 1"),
        (b"why?\0" + first[:-1], "a question and message 1 without its last byte"),
        (b"why\0not?\0" + first, "a question with a NUL in it"),
    ):
        smp_session.give(QUESTION, value).refuses("smp.question-without-message-accepted", case)
    smp_session.is_in_expect1()
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(needs=("smp",), requirements=("SMP-STATE-1", "!SMP-STATE-1", "!SMP-ABORT-2", "!SMP-ACTION-1"))
def no_smp_outside_encrypted(context: Context) -> None:
    """In FINISHED, a user who begins SMP sends nothing, and an SMP message of the old session is refused."""
    target, insider = context.encrypted()
    smp_session = SmpSession(target, insider)
    late = insider.data(tlvs=[tlv(MESSAGE_1, smp_value(MESSAGE_1, smp_session.liar().message_1()))])
    target.receive(insider.data(tlvs=[tlv(1)])).one(PeerEndedSession)
    target.user("smp_start", secret=SECRET).assert_sent("smp.outside-encrypted", case="the user begins SMP in FINISHED")
    reply = smp_session.heard(target.receive(late))
    reply.refuses("smp.outside-encrypted", "SMP message 1 of the old session in FINISHED")
    target.user("end")
    smp_session.insider = target.insider(seed=b"again")
    target.establish(smp_session.insider)
    smp_session.asked(smp_session.liar()).tells(True)
