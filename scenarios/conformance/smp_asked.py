"""SMP while the user is being asked for the secret: EXPECT1 in the protocol text, but a state of its own in any client.

SMP message 1 has arrived, and the user has not answered. Whatever arrives next, the question must either stay open, or
be dropped: then a later answer sends nothing and a new run succeeds. [The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import OUT_OF_TURN_CHECKS, PROOF_CHECKS, RANGE_CHECKS, SmpPeer, smp_value
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    QUESTION,
    SECRET,
    SmpReply,
    SmpSession,
)
from otterproof.scenarios.conformance.handshake_play import LATER
from otterproof.scenarios.conformance.smp_states import some_run

_NO_QUESTION = "smp.answer-without-question"


def _asked(context: Context) -> tuple[SmpSession, SmpPeer]:
    """A session in which the user is being asked, and the run that asks."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    smp_session.request(run)
    return smp_session, run


def _question_is_gone(smp_session: SmpSession, case: str) -> None:
    """Demand that a late answer sends no SMP message but an abort, and that a new run succeeds."""
    smp_session.user("smp_answer", secret=SECRET).refuses(_NO_QUESTION, f"an answer after {case}")
    smp_session.asked(smp_session.liar()).tells(True, case=f"a run after {case}")


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG2-1", "SMP-MSG3-1", "SMP-MSG4-1", "SMP-EXPECT-5", "!SMP-EXPECT-2", "!SMP-EXPECT-3"),
)
def messages_out_of_turn_while_the_user_is_asked(context: Context) -> None:
    """SMP messages 2, 3 and 4 are answered with an abort while the user is being asked; the question is dropped."""
    for kind in (MESSAGE_2, MESSAGE_3, MESSAGE_4):
        with context.case(f"SMP message {kind - 1}"):
            smp_session, _ = _asked(context)
            case = f"SMP message {kind - 1} while the user is asked"
            smp_session.tell(kind, some_run()[kind]).aborts(OUT_OF_TURN_CHECKS[kind], case)
            _question_is_gone(smp_session, case)


@scenario(needs=("smp",), requirements=("SMP-MSG1-5", "!SMP-MSG1-5", "!SMP-EXPECT-5", "SMP-ABORT-1", "!SMP-MSG1-2"))
def wrong_message_1_while_the_user_is_asked(context: Context) -> None:
    """While the user is being asked, a second SMP message 1 that is truncated or has a wrong proof or element is
    refused. The first question then stays open, or is dropped with an abort.
    """
    lies: dict[str, tuple[str, Callable[[SmpPeer], bytes]]] = {
        "a wrong proof": (
            PROOF_CHECKS[MESSAGE_1],
            lambda run: smp_value(MESSAGE_1, {**run.message_1(), "D3": run.message_1()["D3"] + 1}),
        ),
        "a g2a of 1": (
            RANGE_CHECKS[MESSAGE_1],
            lambda run: smp_value(MESSAGE_1, {**run.message_1(), "g2a": 1}),
        ),
        "its last byte missing": (
            "tlv.smp-value-too-short",
            lambda run: smp_value(MESSAGE_1, run.message_1())[:-1],
        ),
    }
    for name, (check_id, lie) in lies.items():
        with context.case(name):
            smp_session, run = _asked(context)
            other = smp_session.liar()
            other.e2, other.e3 = 0x76543211, 0x1FDBA985
            case = f"a second SMP message 1 with {name}"
            reply = smp_session.give(MESSAGE_1, lie(other))
            if reply.requests:  # a client may ask first, and look at message 1 when the user has answered
                smp_session.user("smp_answer", secret=SECRET).refuses(check_id, case)
                smp_session.give(ABORT)
                smp_session.asked(smp_session.liar()).tells(True, case=f"a run after {case}")
                continue
            reply.refuses(check_id, case)
            if reply.types == [ABORT]:
                _question_is_gone(smp_session, case)
                continue
            _goes_on(smp_session, run, f"the first question after {case}")


def _goes_on(smp_session: SmpSession, run: SmpPeer, case: str) -> None:
    """Demand that the user's answer continues the run that asked."""
    check_id = "smp.second-request-mishandled"
    second = smp_session.user("smp_answer", secret=SECRET).numbers(MESSAGE_2, check_id, case=case)
    smp_session.tell(MESSAGE_3, run.message_3(second)).tells(True, check_id=check_id, case=case)


@scenario(needs=("smp",), requirements=("SMP-BEGIN-1", "SMP-BEGIN-2", "!SMP-BEGIN-2", "SMP-TRUST-2", "!SMP-TRUST-2"))
def user_begins_while_asked(context: Context) -> None:
    """If the user begins a run instead of answering, message 1 goes out and that run succeeds, even if the user answers
    the question meanwhile; or nothing goes out, and the question stays open.
    """
    for answers in (False, True):
        with context.case("the user answers, too" if answers else "the user does not answer"):
            smp_session, run = _asked(context)
            reply = smp_session.user("smp_start", secret=SECRET)
            if not reply.tlvs:
                _goes_on(smp_session, run, "the question after the user's own start was refused")
                continue
            if reply.types[:1] == [ABORT]:
                reply = SmpReply(reply.reply, reply.tlvs[1:])
            own = smp_session.liar(target_asks=True)
            second = own.message_2(reply.numbers(MESSAGE_1))
            if answers:
                late = smp_session.user("smp_answer", secret=SECRET)
                late.refuses(_NO_QUESTION, "an answer after the user has begun a run instead")
                if late.types:  # an abort, which ends the run
                    continue
            third = smp_session.tell(MESSAGE_2, second).numbers(MESSAGE_3, case="a run that the user began when asked")
            smp_session.tell(MESSAGE_4, own.message_4(third)).tells(True)


@scenario(needs=("smp",), requirements=("SMP-STATE-2", "!SMP-STATE-2", "SMP-TRUST-2", "!SMP-TRUST-2"))
def users_end_of_the_session_ends_a_question(context: Context) -> None:
    """After the user has ended the session, answering its question sends nothing, either at once or in the next
    session.
    """
    smp_session, _ = _asked(context)
    target = smp_session.subject
    target.user("end")
    case = "an answer after the user's end"
    target.user("smp_answer", secret=SECRET).assert_sent(_NO_QUESTION, case=case)
    target.tick(LATER)
    smp_session.insider = target.insider(seed=b"again")
    target.establish(smp_session.insider)
    _question_is_gone(smp_session, "the end of the session of the question")


@scenario(needs=("smp",), requirements=("SMP-STATE-4", "!SMP-STATE-4", "SMP-EXPECT-9"))
def new_handshake_while_the_user_is_asked(context: Context) -> None:
    """When a handshake replaces the session while the user is being asked, the old run does not succeed, and a new one
    does.
    """
    for target_begins in (False, True):
        with context.case(target_begins):
            smp_session, run = _asked(context)
            target = smp_session.subject
            target.tick(LATER)
            smp_session.insider = target.insider(seed=b"again")
            target.establish(smp_session.insider, target_begins=target_begins)
            reply = smp_session.user("smp_answer", secret=SECRET)
            if MESSAGE_2 in reply.types:
                reply = smp_session.tell(MESSAGE_3, run.message_3(reply.numbers(MESSAGE_2)))
            case = "the run of a question that came before a new handshake"
            success = True in reply.outcomes
            check("smp.secret-has-old-ssid", not success, expected="no success", got=reply, case=case)
            smp_session.give(ABORT)
            smp_session.asked(smp_session.liar()).tells(True, case="a run after the new handshake")


def _ask(smp_session: SmpSession, run: SmpPeer, kind: int, question: bytes) -> SmpReply:
    """The target receives message 1 of a run; a type 7 TLV also carries the question."""
    prefix = question + b"\0" if kind == QUESTION else b""
    return smp_session.give(kind, prefix + smp_value(MESSAGE_1, run.message_1()))


@scenario(versions=(3,), needs=("smp", "smp_question"), requirements=("SMP-EXPECT-3", "SMP-MSG1-2", "SMP-MSG1-4"))
def question_after_a_question(context: Context) -> None:
    """If another message 1 arrives before the user has answered, it replaces the first, or both are dropped with an
    abort. Either may carry a question.
    """
    check_id = "smp.second-request-mishandled"
    for first, second in ((QUESTION, MESSAGE_1), (MESSAGE_1, QUESTION), (QUESTION, QUESTION)):
        with context.case(f"types {first} and {second}"):
            smp_session = SmpSession(*context.encrypted())
            older, newer = smp_session.liar(), smp_session.liar()
            newer.e2, newer.e3 = 0x76543211, 0x1FDBA985
            _ask(smp_session, older, first, b"first?")
            reply = _ask(smp_session, newer, second, b"second?")
            case = f"a TLV of type {second} after one of type {first}"
            if reply.types == [ABORT]:
                reply.refuses(check_id, case)
                _question_is_gone(smp_session, case)
                continue
            wanted = b"second?" if second == QUESTION else None
            asked = [request.question or None for request in reply.requests]
            check(check_id, asked == [wanted], expected=[wanted], got=asked, case=case)
            _goes_on(smp_session, newer, case)
