"""SMP: each TLV in each state of the SMP state machine. [Expected Message, State Transitions]"""

from __future__ import annotations

from functools import cache

from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import OUT_OF_TURN_CHECKS, Numbers, SmpPeer
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpSession
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import PeerEndedSession

STATES = (1, 2, 3, 4)


@cache
def some_run() -> dict[int, Numbers]:
    """The four messages of a run between two other parties, by TLV type: valid in themselves, but of no use here."""
    asks, answers = SmpPeer(7), SmpPeer(8)
    answers.e2, answers.e3 = 0x2345671, 0x9ABCDF13
    first = asks.message_1()
    second = answers.message_2(first)
    third = asks.message_3(second)
    return {MESSAGE_1: first, MESSAGE_2: second, MESSAGE_3: third, MESSAGE_4: answers.message_4(third)}


def _out_of_turn(context: Context, kind: int, states: tuple[int, ...]) -> None:
    """Demand that in each of these states, a message of this type is answered with an abort, and the run dropped."""
    smp_session = SmpSession(*context.encrypted())
    for state in states:
        fitting = smp_session.bring(state) if state != 1 else (MESSAGE_1, {})
        case = f"SMP message {kind - 1} in EXPECT{state}"
        smp_session.tell(kind, some_run()[kind]).aborts(OUT_OF_TURN_CHECKS[kind], case)
        smp_session.has_dropped(OUT_OF_TURN_CHECKS[kind], fitting, case)
    smp_session.is_in_expect1()
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG1-1", "SMP-EXPECT-5", "!SMP-EXPECT-6", "!SMP-EXPECT-7", "!SMP-EXPECT-8", "!SMP-BEGIN-2"),
)
def message_1_out_of_turn(context: Context) -> None:
    """SMP message 1 during a run is answered with an abort; the run is dropped, and another can begin."""
    _out_of_turn(context, MESSAGE_1, (2, 3, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG2-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-7", "!SMP-EXPECT-8", "!SMP-MSG2-3"),
)
def message_2_out_of_turn(context: Context) -> None:
    """SMP message 2 in a state that does not expect it is answered with an abort, and the run under way is dropped."""
    _out_of_turn(context, MESSAGE_2, (1, 3, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG3-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-6", "!SMP-EXPECT-8", "!SMP-EXPECT-4"),
)
def message_3_out_of_turn(context: Context) -> None:
    """SMP message 3 in a state that does not expect it is answered with an abort, and the run under way is dropped."""
    _out_of_turn(context, MESSAGE_3, (1, 2, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG4-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-6", "!SMP-EXPECT-7", "!SMP-MSG1-3"),
)
def message_4_out_of_turn(context: Context) -> None:
    """SMP message 4 in a state that does not expect it is answered with an abort, and the run under way is dropped."""
    _out_of_turn(context, MESSAGE_4, (1, 2, 3))


@scenario(needs=("smp",), requirements=("!SMP-MSG3-4", "!SMP-MSG4-3"))
def repeated_last_message_is_refused(context: Context) -> None:
    """SMP message 3 or 4 that is repeated after the run has ended is answered with an abort, and brings no success."""
    smp_session = SmpSession(*context.encrypted())
    for state in (3, 4):
        fitting = smp_session.bring(state)
        smp_session.tell(*fitting).tells(True)
        smp_session.tell(*fitting).aborts(
            "smp.last-message-counts-twice", f"SMP message {fitting[0] - 1} a second time"
        )
    smp_session.is_in_expect1()


@scenario(
    needs=("smp",),
    requirements=("SMP-ACTION-2", "!SMP-ACTION-2", "TLV-SMP-4", "!TLV-SMP-4", "SMP-EXPECT-5", "!SMP-EXPECT-5"),
)
def abort_ends_a_run_and_is_not_answered(context: Context) -> None:
    """A type 6 TLV is not answered in any state, even if repeated; the run is dropped, and another can begin."""
    smp_session = SmpSession(*context.encrypted())
    for state in STATES:
        fitting = smp_session.bring(state)
        for _ in range(2):
            reply = smp_session.give(ABORT)
            reply.sends("smp.abort-answered", case=f"EXPECT{state}")
            reply.refuses("smp.abort-answered", f"EXPECT{state}")
        smp_session.has_dropped("smp.run-survives-abort", fitting, f"an abort in EXPECT{state}")
    smp_session.is_in_expect1()
    smp_session.subject.assert_session_alive(smp_session.insider)


@scenario(needs=("smp",), requirements=("TLV-SMP-4", "!TLV-SMP-4", "SMP-ACTION-2", "SMP-EXPECT-9"))
def aborted_question_can_be_asked_again(context: Context) -> None:
    """If the peer aborts before the user has answered and begins again, the user is asked again."""
    smp_session = SmpSession(*context.encrypted())
    smp_session.request(smp_session.liar())
    smp_session.give(ABORT).sends("smp.abort-answered", case="while the user is asked")
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-4", "!TLV-SMP-4", "SMP-TRUST-2", "!SMP-TRUST-2"))
def answer_after_the_peers_abort(context: Context) -> None:
    """If the peer aborts before the user has answered, the late answer sends nothing."""
    smp_session = SmpSession(*context.encrypted())
    smp_session.request(smp_session.liar())
    smp_session.give(ABORT).sends("smp.abort-answered", case="while the user is asked")
    case = "an answer after the peer's abort"
    smp_session.user("smp_answer", secret=SECRET).sends("smp.answer-without-question", case=case)


@scenario(needs=("smp",), requirements=("SMP-TRUST-2", "!SMP-TRUST-2"))
def unsolicited_answer_is_refused(context: Context) -> None:
    """If the user answers twice, or without having been asked, nothing is sent and no run is disturbed."""
    check_id = "smp.answer-without-question"
    smp_session = SmpSession(*context.encrypted())
    smp_session.user("smp_answer", secret=SECRET).sends(check_id, case="an answer before any request")
    smp_session.give(ABORT)  # some clients begin a run with it, which is over now
    run = smp_session.liar()
    second = smp_session.expect3(run)
    smp_session.user("smp_answer", secret=b"another").sends(check_id, case="a second answer")
    reply = smp_session.tell(MESSAGE_3, run.message_3(second))
    reply.tells(True, check_id=check_id, case="SMP message 3 after a second answer, with another secret")
    smp_session.user("smp_answer", secret=SECRET).sends(check_id, case="an answer after the run")


@scenario(needs=("smp",), requirements=("SMP-EXPECT-1",))
def padding_does_not_disturb_a_run(context: Context) -> None:
    """A type 0 TLV in the middle of a run changes nothing: the run goes on and succeeds."""
    smp_session = SmpSession(*context.encrypted())
    for state in (3, 4):
        fitting = smp_session.bring(state)
        smp_session.give(0, b"padding").sends("smp.disturbed-by-padding", case=f"a type 0 TLV in EXPECT{state}")
        case = f"the message that fits, after a type 0 TLV in EXPECT{state}"
        smp_session.tell(*fitting).tells(True, check_id="smp.disturbed-by-padding", case=case)
    kind, numbers = smp_session.bring(2)
    smp_session.give(0).sends("smp.disturbed-by-padding", case="an empty type 0 TLV in EXPECT2")
    case = "SMP message 2 after a type 0 TLV"
    smp_session.tell(kind, numbers).sends("smp.disturbed-by-padding", MESSAGE_3, case=case)


@scenario(needs=("smp",), requirements=("SMP-EXPECT-1", "!SMP-EXPECT-1", "SMP-STATE-2", "!SMP-STATE-2"))
def peers_end_of_the_session_ends_a_run(context: Context) -> None:
    """A type 1 TLV ends the session in each SMP state; nothing of the run remains in the next session."""
    target, insider = context.encrypted()
    target.end_by_peer(insider)
    for state in STATES:
        with context.case(state):
            target, insider = context.encrypted()
            smp_session = SmpSession(target, insider)
            fitting = smp_session.bring(state)
            if state == 1:
                smp_session.request(smp_session.liar())
            target.receive(insider.data(tlvs=[tlv(1)])).one(
                PeerEndedSession, "smp.end-not-obeyed", case=f"EXPECT{state}"
            )
            target.user("end")
            _again(smp_session, fitting, f"the end of its session in EXPECT{state}")


@scenario(needs=("smp",), requirements=("SMP-STATE-2", "!SMP-STATE-2"))
def users_end_of_the_session_ends_a_run(context: Context) -> None:
    """If the user ends the session in the middle of a run, nothing of the run remains in the next session."""
    for state in (2, 3):
        with context.case(state):
            smp_session = SmpSession(*context.encrypted())
            fitting = smp_session.bring(state)
            smp_session.subject.user("end")
            _again(smp_session, fitting, f"the user's end in EXPECT{state}")


def _again(smp_session: SmpSession, fitting: tuple[int, Numbers], case: str) -> None:
    """A new session with the same peer, in which the previous session's run must be forgotten."""
    smp_session.insider = smp_session.subject.insider(seed=b"again")
    smp_session.subject.establish(smp_session.insider)
    smp_session.has_dropped("smp.run-survives-session", fitting, case)
    smp_session.is_in_expect1("smp.run-survives-session")


@scenario(needs=("smp",), requirements=("SMP-EXPECT-2", "SMP-EXPECT-3", "SMP-MSG1-2"))
def second_message_1_while_the_user_is_asked(context: Context) -> None:
    """Another message 1 before the user has answered replaces the first, or both are dropped with an abort."""
    smp_session = SmpSession(*context.encrypted())
    smp_session.request(smp_session.liar())
    newer = smp_session.liar()
    newer.e2, newer.e3 = 0x76543211, 0x1FDBA985
    reply = smp_session.tell(MESSAGE_1, newer.message_1())
    if reply.types == [ABORT]:
        reply.refuses("smp.second-request-mishandled", "a second SMP message 1, answered with an abort")
        case = "an answer after both requests were given up"
        smp_session.user("smp_answer", secret=SECRET).refuses("smp.second-request-mishandled", case)
        smp_session.is_in_expect1()
        return
    reply.sends("smp.second-request-mishandled", case="a second SMP message 1")
    second = smp_session.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    reply = smp_session.tell(MESSAGE_3, newer.message_3(second))
    reply.tells(True, check_id="smp.second-request-mishandled", case="SMP message 3 of the second run")
