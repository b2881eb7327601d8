"""SMP: each TLV in each state of the SMP state machine. [Expected Message, State Transitions]"""

from __future__ import annotations

from functools import cache

from harness.scenario import scenario
from harness.smp import Numbers, SmpLiar
from harness.smp_talk import ABORT, MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpTalk
from harness.stage import Stage
from harness.wire.layers import tlv
from implementations.contract import Finished

STATES = (1, 2, 3, 4)


@cache
def some_run() -> dict[int, Numbers]:
    """The four messages of a run between two others, by TLV type: right in themselves, and of no use to the target."""
    asks, answers = SmpLiar(7), SmpLiar(8)
    answers.e2, answers.e3 = 0x2345671, 0x9ABCDF13
    first = asks.message_1()
    second = answers.message_2(first)
    third = asks.message_3(second)
    return {MESSAGE_1: first, MESSAGE_2: second, MESSAGE_3: third, MESSAGE_4: answers.message_4(third)}


def _out_of_turn(stage: Stage, kind: int, states: tuple[int, ...]) -> None:
    """In each of these states a message of this type is answered with an abort, and the run under way is dropped."""
    talk = SmpTalk(*stage.encrypted())
    for state in states:
        fitting = talk.bring(state) if state != 1 else (MESSAGE_1, {})
        why = f"SMP TLV {kind} in EXPECT{state}"
        talk.tell(kind, some_run()[kind]).aborts(why)
        talk.has_dropped(fitting, why)
    talk.is_in_expect1()
    talk.subject.still_talks(talk.insider)


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG1-1", "SMP-EXPECT-5", "!SMP-EXPECT-6", "!SMP-EXPECT-7", "!SMP-EXPECT-8", "!SMP-BEGIN-2"),
)
def message_1_out_of_turn(stage: Stage) -> None:
    """SMP message 1 while a run is under way is answered with an abort, the run is dropped, and another can begin."""
    _out_of_turn(stage, MESSAGE_1, (2, 3, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG2-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-7", "!SMP-EXPECT-8", "!SMP-MSG2-3"),
)
def message_2_out_of_turn(stage: Stage) -> None:
    """SMP message 2 that is not waited for is answered with an abort, and the run under way is dropped."""
    _out_of_turn(stage, MESSAGE_2, (1, 3, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG3-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-6", "!SMP-EXPECT-8", "!SMP-EXPECT-4"),
)
def message_3_out_of_turn(stage: Stage) -> None:
    """SMP message 3 that is not waited for is answered with an abort, and the run under way is dropped."""
    _out_of_turn(stage, MESSAGE_3, (1, 2, 4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG4-1", "!SMP-EXPECT-2", "!SMP-EXPECT-3", "!SMP-EXPECT-6", "!SMP-EXPECT-7", "!SMP-MSG1-3"),
)
def message_4_out_of_turn(stage: Stage) -> None:
    """SMP message 4 that is not waited for is answered with an abort, and the run under way is dropped."""
    _out_of_turn(stage, MESSAGE_4, (1, 2, 3))


@scenario(needs=("smp",), requirements=("!SMP-MSG3-4", "!SMP-MSG4-3"))
def last_message_counts_once(stage: Stage) -> None:
    """SMP message 3 or 4 that comes again after the run has ended is answered with an abort, and is no success."""
    talk = SmpTalk(*stage.encrypted())
    for state in (3, 4):
        fitting = talk.bring(state)
        talk.tell(*fitting).tells(True)
        talk.tell(*fitting).aborts(f"SMP TLV {fitting[0]} a second time")
    talk.is_in_expect1()


@scenario(
    needs=("smp",),
    requirements=("SMP-ACTION-2", "!SMP-ACTION-2", "TLV-SMP-4", "!TLV-SMP-4", "SMP-EXPECT-5", "!SMP-EXPECT-5"),
)
def abort_ends_a_run_and_is_not_answered(stage: Stage) -> None:
    """A type 6 TLV is answered in no state, also when it comes twice; the run is dropped, and another can begin."""
    talk = SmpTalk(*stage.encrypted())
    for state in STATES:
        fitting = talk.bring(state)
        for _ in range(2):
            reply = talk.give(ABORT)
            reply.sends()
            reply.refuses("an abort")
        talk.has_dropped(fitting, f"an abort in EXPECT{state}")
    talk.is_in_expect1()
    talk.subject.still_talks(talk.insider)


@scenario(needs=("smp",), requirements=("TLV-SMP-4", "!TLV-SMP-4", "SMP-ACTION-2", "SMP-EXPECT-9"))
def question_taken_back_can_be_asked_again(stage: Stage) -> None:
    """The other side aborts before the user has answered, and begins again: the user is asked again."""
    talk = SmpTalk(*stage.encrypted())
    talk.request(talk.liar())
    talk.give(ABORT).sends()
    talk.asked(talk.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-4", "!TLV-SMP-4", "SMP-TRUST-2", "!SMP-TRUST-2"))
def late_answer_to_a_question_taken_back(stage: Stage) -> None:
    """The other side aborts before the user has answered: the answer that comes too late sends nothing."""
    talk = SmpTalk(*stage.encrypted())
    talk.request(talk.liar())
    talk.give(ABORT).sends()
    talk.user("smp_answer", secret=SECRET).sends()


@scenario(needs=("smp",), requirements=("SMP-TRUST-2", "!SMP-TRUST-2"))
def answer_to_no_question_is_refused(stage: Stage) -> None:
    """A user who answers twice, or without having been asked, sends nothing, and disturbs nothing."""
    talk = SmpTalk(*stage.encrypted())
    talk.user("smp_answer", secret=SECRET).sends()
    run = talk.liar()
    second = talk.expect3(run)
    talk.user("smp_answer", secret=b"another").sends()
    talk.tell(MESSAGE_3, run.message_3(second)).tells(True)
    talk.user("smp_answer", secret=SECRET).sends()


@scenario(needs=("smp",), requirements=("SMP-EXPECT-1",))
def padding_does_not_disturb_a_run(stage: Stage) -> None:
    """A type 0 TLV in the middle of a run changes nothing: the run goes on, and succeeds."""
    talk = SmpTalk(*stage.encrypted())
    for state in (3, 4):
        fitting = talk.bring(state)
        talk.give(0, b"padding").sends()
        talk.tell(*fitting).tells(True)
    kind, numbers = talk.bring(2)
    talk.give(0).sends()
    talk.tell(kind, numbers).sends(MESSAGE_3)


@scenario(needs=("smp",), requirements=("SMP-EXPECT-1", "!SMP-EXPECT-1", "SMP-STATE-2", "!SMP-STATE-2"))
def end_of_the_session_ends_a_run(stage: Stage) -> None:
    """A type 1 TLV is obeyed in each SMP state; in the session that follows nothing is left of the run."""
    for state in STATES:
        subject, insider = stage.encrypted()
        talk = SmpTalk(subject, insider)
        fitting = talk.bring(state)
        if state == 1:
            talk.request(talk.liar())
        subject.give(insider.data(tlvs=[tlv(1)])).one(Finished)
        subject.user("end")
        _again(talk, fitting, f"the end of its session in EXPECT{state}")


@scenario(needs=("smp",), requirements=("SMP-STATE-2", "!SMP-STATE-2"))
def user_who_ends_the_session_ends_a_run(stage: Stage) -> None:
    """The user ends the session in the middle of a run: in the session that follows nothing is left of it."""
    for state in (2, 3):
        talk = SmpTalk(*stage.encrypted())
        fitting = talk.bring(state)
        talk.subject.user("end")
        _again(talk, fitting, f"the user's end in EXPECT{state}")


def _again(talk: SmpTalk, fitting: tuple[int, Numbers], why: str) -> None:
    """A session with the same correspondent, in which the run of the last one is not known."""
    talk.insider = talk.subject.insider(seed=b"again")
    talk.subject.establish(talk.insider)
    talk.has_dropped(fitting, why)
    talk.is_in_expect1()


@scenario(needs=("smp",), requirements=("SMP-EXPECT-2", "SMP-EXPECT-3", "SMP-MSG1-2"))
def second_message_1_while_the_user_is_asked(stage: Stage) -> None:
    """Another message 1 before the user has answered replaces the first, or both are given up with an abort."""
    talk = SmpTalk(*stage.encrypted())
    talk.request(talk.liar())
    newer = talk.liar()
    newer.e2, newer.e3 = 0x76543211, 0x1FDBA985
    reply = talk.tell(MESSAGE_1, newer.message_1())
    if reply.types == [ABORT]:
        reply.refuses("a second message 1 where both are given up")
        talk.user("smp_answer", secret=SECRET).sends()
        talk.is_in_expect1()
        return
    reply.sends()
    second = talk.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    talk.tell(MESSAGE_3, newer.message_3(second)).tells(True)
