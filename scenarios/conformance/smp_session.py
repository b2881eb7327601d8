"""SMP and what else happens in a session: texts, changes of keys, forgeries, new handshakes. [The SMP state machine]"""

from __future__ import annotations

from harness.course import TARGET, Reply
from harness.scenario import scenario
from harness.smp import smp_value
from harness.smp_talk import ABORT, MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpTalk
from harness.stage import Stage
from harness.wire.layers import tlv
from implementations.contract import SmpAborted


@scenario(needs=("smp",), requirements=("SMP-STATE-3",))
def texts_and_new_keys_do_not_disturb_a_run(stage: Stage) -> None:
    """Between any two SMP messages texts go both ways, so that keys change: the run succeeds, in either role."""
    subject, insider = stage.encrypted()
    talk = SmpTalk(subject, insider)
    run = talk.liar()
    subject.still_talks(insider)
    talk.request(run)
    subject.still_talks(insider)
    second = talk.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    subject.still_talks(insider)
    talk.tell(MESSAGE_3, run.message_3(second)).tells(True)
    run = talk.liar(target_asks=True)
    second = run.message_2(talk.expect2())
    subject.still_talks(insider)
    third = talk.tell(MESSAGE_2, second).numbers(MESSAGE_3)
    subject.still_talks(insider)
    talk.tell(MESSAGE_4, run.message_4(third)).tells(True)


@scenario(needs=("smp",), requirements=("!SMP-STATE-3", "SMP-STATE-1"))
def forgeries_do_not_disturb_a_run(stage: Stage) -> None:
    """SMP TLVs under a wrong MAC, or replayed by the network, change nothing in a run under way."""
    talk = SmpTalk(*stage.encrypted())
    forged = [talk.insider.data(tlvs=[tlv(ABORT)], mac=bytes(20), ctr=100 + number) for number in range(3)]
    aborted = talk.insider.data(tlvs=[tlv(ABORT)])
    talk.subject.give(aborted)
    for state in (3, 4):
        kind, numbers = talk.bring(state)
        wrong = talk.insider.data(tlvs=[tlv(kind, smp_value(kind, numbers))], mac=bytes(20), ctr=99)
        for message in (forged[state - 3], wrong, aborted):
            talk.subject.give(message).accepts_nothing("a forged or replayed SMP message")
        talk.tell(kind, numbers).tells(True)


def _new_session(talk: SmpTalk, key: str = "mallory") -> Reply:
    """A new handshake with the target, as whoever has the key; all that the target told meanwhile."""
    since = len(talk.subject.log)
    talk.insider = talk.subject.insider(key, seed=b"again")
    talk.subject.establish(talk.insider)
    return talk.subject.replies(since, TARGET)


@scenario(needs=("smp",), requirements=("SMP-STATE-4", "!SMP-STATE-4", "!SMP-SECRET-5"))
def new_handshake_in_the_middle_of_a_run(stage: Stage) -> None:
    """A run under way is dropped by a new handshake, or goes on; after it the secret has the new ssid in it."""
    for state in (2, 3, 4):
        talk = SmpTalk(*stage.encrypted())
        fitting = talk.bring(state)
        stale = talk.liar()
        _new_session(talk)
        reply = talk.tell(*fitting)
        goes_on = {MESSAGE_2: [MESSAGE_3], MESSAGE_3: [MESSAGE_4], MESSAGE_4: []}[fitting[0]]
        stage.check(reply.types in ([ABORT], goes_on), f"a run that is not dropped goes on: {reply.types}")
        talk.give(ABORT)
        if state == 3:
            talk.asked(stale).tells(False)
            talk.give(ABORT)
        talk.asked(talk.liar()).tells(True)


@scenario(needs=("smp", "lockstep"), requirements=("SMP-STATE-4", "!SMP-STATE-4"))
def run_does_not_pass_to_another_key(stage: Stage) -> None:
    """This project's engines drop a run at a new handshake: with another key it can't be brought to a success."""
    for state in (3, 4):
        talk = SmpTalk(*stage.encrypted())
        fitting = talk.bring(state)
        _new_session(talk, "bob")
        reply = talk.tell(*fitting)
        stage.check(True not in reply.outcomes, f"a run of another correspondent's is no success: {reply.reply}")


@scenario(needs=("smp", "lockstep"), requirements=("SMP-STATE-2", "SMP-STATE-4", "SMP-MSG2-4", "TLV-SMP-4"))
def user_is_told_that_a_run_has_ended(stage: Stage) -> None:
    """This project's engines tell their user of each run that comes to no end."""
    for state in (2, 3, 4):
        talk = SmpTalk(*stage.encrypted())
        kind, numbers = talk.bring(state)
        talk.tell(kind, {name: number ^ 1 for name, number in numbers.items()}).reply.one(SmpAborted)
        talk.bring(state)
        talk.give(ABORT).reply.one(SmpAborted)
        talk.bring(state)
        stage.check(len(_new_session(talk).of(SmpAborted)) == 1, "a run that ends with a new handshake is told of")
        talk.bring(state)
        talk.subject.give(talk.insider.data(tlvs=[tlv(1)])).one(SmpAborted)
