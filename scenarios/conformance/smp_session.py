"""SMP and other events in a session: texts, key changes, forgeries, new handshakes. [The SMP state machine]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.reply import TARGET, Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpSession
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import SmpAborted, SmpFinished


@scenario(needs=("smp",), requirements=("SMP-STATE-3",))
def texts_and_new_keys_do_not_disturb_a_run(context: Context) -> None:
    """A run succeeds, in either role, when texts go both ways between any two SMP messages, so that keys change."""
    target, insider = context.encrypted()
    smp_session = SmpSession(target, insider)
    run = smp_session.liar()
    target.assert_session_alive(insider)
    smp_session.request(run)
    target.assert_session_alive(insider)
    second = smp_session.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    target.assert_session_alive(insider)
    reply = smp_session.tell(MESSAGE_3, run.message_3(second))
    reply.tells(True, check_id="smp.disturbed-by-traffic", case="the peer begins")
    run = smp_session.liar(target_asks=True)
    second = run.message_2(smp_session.expect2())
    target.assert_session_alive(insider)
    third = smp_session.tell(MESSAGE_2, second).numbers(MESSAGE_3)
    target.assert_session_alive(insider)
    reply = smp_session.tell(MESSAGE_4, run.message_4(third))
    reply.tells(True, check_id="smp.disturbed-by-traffic", case="the target begins")


@scenario(needs=("smp",), requirements=("!SMP-STATE-3", "SMP-STATE-1"))
def forgeries_do_not_disturb_a_run(context: Context) -> None:
    """SMP TLVs with a wrong MAC, or replayed by the network, do not affect a run under way."""
    smp_session = SmpSession(*context.encrypted())
    forged = [smp_session.insider.data(tlvs=[tlv(ABORT)], mac=bytes(20), ctr=100 + number) for number in range(3)]
    aborted = smp_session.insider.data(tlvs=[tlv(ABORT)])
    smp_session.subject.receive(aborted)
    for state in (3, 4):
        kind, numbers = smp_session.bring(state)
        wrong = smp_session.insider.data(tlvs=[tlv(kind, smp_value(kind, numbers))], mac=bytes(20), ctr=99)
        for message, case in (
            (forged[state - 3], "an abort with a wrong MAC"),
            (wrong, f"SMP message {kind - 1} with a wrong MAC"),
            (aborted, "an abort that is replayed"),
        ):
            smp_session.subject.receive(message).assert_rejected("smp.forgery-accepted", case)
        smp_session.tell(kind, numbers).tells(True, check_id="smp.disturbed-by-forgery", case=f"EXPECT{state}")


def _new_session(smp_session: SmpSession, key: str = "mallory") -> Reply:
    """A new handshake with the target, under any key; everything that the target reported meanwhile."""
    since = len(smp_session.subject.log)
    smp_session.insider = smp_session.subject.insider(key, seed=b"again")
    smp_session.subject.establish(smp_session.insider)
    return smp_session.subject.replies(since, TARGET)


@scenario(needs=("smp",), requirements=("SMP-STATE-4", "!SMP-STATE-4", "!SMP-SECRET-5"))
def new_handshake_during_a_run(context: Context) -> None:
    """A new handshake drops a run under way, or lets it go on; the secrets of later runs contain the new ssid."""
    for state in (2, 3, 4):
        with context.case(state):
            smp_session = SmpSession(*context.encrypted())
            fitting = smp_session.bring(state)
            stale = smp_session.liar()
            _new_session(smp_session)
            reply = smp_session.tell(*fitting)
            goes_on = {MESSAGE_2: [MESSAGE_3], MESSAGE_3: [MESSAGE_4], MESSAGE_4: []}[fitting[0]]
            check(
                "smp.run-spoilt-by-handshake",
                reply.types in ([ABORT], goes_on),
                expected=f"an abort, or SMP message {goes_on[0] - 1}" if goes_on else "an abort, or no SMP message",
                got=reply,
                case=f"the message that fits in EXPECT{state}, after a new handshake",
            )
            smp_session.give(ABORT)
            if state == 3:
                case = "the peer's secret has the old ssid"
                smp_session.asked(stale).tells(False, check_id="smp.secret-has-old-ssid", case=case)
                smp_session.give(ABORT)
            case = "the peer's secret has the new ssid"
            smp_session.asked(smp_session.liar()).tells(True, check_id="smp.secret-has-old-ssid", case=case)


@scenario(needs=("smp", "lockstep"), requirements=("SMP-STATE-4", "!SMP-STATE-4"))
def run_does_not_survive_a_change_of_peer_key(context: Context) -> None:
    """This project's engines drop a run at a new handshake, so it can't succeed with a peer that has another key."""
    for state in (3, 4):
        with context.case(state):
            smp_session = SmpSession(*context.encrypted())
            fitting = smp_session.bring(state)
            _new_session(smp_session, "bob")
            reply = smp_session.tell(*fitting)
            success = True in reply.outcomes
            check("smp.run-passes-to-another-key", not success, expected="no success", got=reply, case=f"EXPECT{state}")


@scenario(needs=("smp",), requirements=("SMP-ABORT-4", "!SMP-ABORT-4"))
def ends_of_runs_are_reported(context: Context) -> None:
    """When a wrong message, an abort or the end of the session ends a run, the user is told that it was aborted or
    failed.
    """
    for state in (2, 3, 4):
        with context.case(f"a message that does not verify, in EXPECT{state}"):
            smp_session = SmpSession(*context.encrypted())
            kind, numbers = smp_session.bring(state)
            wrong = {name: number ^ 1 for name, number in numbers.items()}
            _reported(smp_session.tell(kind, wrong).reply)
        with context.case(f"an abort in EXPECT{state}"):
            smp_session = SmpSession(*context.encrypted())
            smp_session.bring(state)
            _reported(smp_session.give(ABORT).reply)
        with context.case(f"the end of the session in EXPECT{state}"):
            smp_session = SmpSession(*context.encrypted())
            smp_session.bring(state)
            _reported(smp_session.subject.receive(smp_session.insider.data(tlvs=[tlv(1)])))


def _reported(reply: Reply) -> None:
    failed = [event for event in reply.of(SmpFinished) if not event.equal]
    told = bool(failed or reply.of(SmpAborted))
    check("smp.end-not-reported", told, expected="a report that the run has ended", got=reply)


@scenario(
    needs=("smp", "lockstep"), requirements=("SMP-ABORT-4", "SMP-STATE-2", "SMP-STATE-4", "SMP-MSG2-4", "TLV-SMP-4")
)
def user_is_told_that_a_run_has_ended(context: Context) -> None:
    """This project's engines tell their user of each run that is aborted or dropped."""
    for state in (2, 3, 4):
        with context.case(state):
            smp_session = SmpSession(*context.encrypted())
            kind, numbers = smp_session.bring(state)
            wrong = {name: number ^ 1 for name, number in numbers.items()}
            smp_session.tell(kind, wrong).reply.one(
                SmpAborted, case=f"a message that does not verify, in EXPECT{state}"
            )
            smp_session.bring(state)
            smp_session.give(ABORT).reply.one(SmpAborted, case=f"an abort in EXPECT{state}")
            smp_session.bring(state)
            _new_session(smp_session).one(SmpAborted, case=f"a new handshake in EXPECT{state}")
            smp_session.bring(state)
            reply = smp_session.subject.receive(smp_session.insider.data(tlvs=[tlv(1)]))
            reply.one(SmpAborted, case=f"the end of the session in EXPECT{state}")
