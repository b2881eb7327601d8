"""What must not disturb a session, at every moment of SMP. [The protocol state machine, State transitions]"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from otterproof.harness.testkit.context import CheckFailed, Context, TargetSession
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.unharmed import SmpMoment, Unharmed
from otterproof.scenarios.conformance.handshake_play import LATER
from otterproof.scenarios.conformance.unharmed_play import disturbances

#: The requirements that say that each kind of disturbance has no effect.
_CLAIMS = (
    "STATE-ENCRYPTED-3",
    "STATE-ENCRYPTED-4",
    "STATE-CLEAR-6",
    "ERROR-STATE-1",
    "QUERY-ANSWER-6",
    "QUERY-ANSWER-7",
    "COMMIT-LIVE-1",
    "USER-START-2",
    "DATA-FORM-1",
    "MACREVEAL-WHEN-3",
    "MACREVEAL-WHAT-1",
    "MACREVEAL-WHAT-2",
    "EXTRA-KEY-2",
)


def _disturbed(context: Context, moment: SmpMoment, names: Sequence[str]) -> None:
    """Demand that a session in which SMP has reached a moment survives some disturbances, one after the other."""
    target, insider = context.encrypted(target_begins=moment in (SmpMoment.EXPECT2, SmpMoment.EXPECT4))
    session = Unharmed(target, insider, context.target.capabilities)
    session.exchange_texts("nothing has happened yet")
    session.begin(moment)
    every = disturbances(context.version)
    for name in names:
        session.disturb(partial(every[name], target, insider), f"{name}, when {moment}")
    session.check(f"{names[-1] if len(names) == 1 else 'all of this'}, when {moment}")


def nothing_disturbs(context: Context, moment: SmpMoment) -> None:
    """Demand that no disturbance harms a session in which SMP has reached a moment.

    All disturbances are tried in one session; if it is harmed, each is tried in its own session to find the cause.
    """
    names = list(disturbances(context.version))
    try:
        _disturbed(context, moment, names)
    except CheckFailed:
        for name in names:
            with context.case(name):
                _disturbed(context, moment, [name])
        if context.wrong_case() is None:
            raise


@scenario(requirements=_CLAIMS)
def nothing_disturbs_a_session(context: Context) -> None:
    """In ENCRYPTED, no query, failed handshake, text in the clear, Error Message, fragment, forgery or message of
    another client disturbs the session: texts, the extra key and SMP go on as before, and key ids, counters and old MAC
    keys are what the earlier messages make them.
    """
    nothing_disturbs(context, SmpMoment.NO_RUN)


@scenario(needs=("smp",), requirements=("SMP-STATE-3", *_CLAIMS))
def nothing_disturbs_a_question(context: Context) -> None:
    """While the user is asked for the SMP secret, nothing else that arrives disturbs the session or the question."""
    nothing_disturbs(context, SmpMoment.ASKED)


@scenario(needs=("smp",), requirements=("SMP-STATE-3", *_CLAIMS))
def nothing_disturbs_smp_in_expect2(context: Context) -> None:
    """While SMP message 2 is expected, nothing else that arrives disturbs the session or the run."""
    nothing_disturbs(context, SmpMoment.EXPECT2)


@scenario(needs=("smp",), requirements=("SMP-STATE-3", *_CLAIMS))
def nothing_disturbs_smp_in_expect3(context: Context) -> None:
    """While SMP message 3 is expected, nothing else that arrives disturbs the session or the run."""
    nothing_disturbs(context, SmpMoment.EXPECT3)


@scenario(needs=("smp",), requirements=("SMP-STATE-3", *_CLAIMS))
def nothing_disturbs_smp_in_expect4(context: Context) -> None:
    """While SMP message 4 is expected, nothing else that arrives disturbs the session or the run."""
    nothing_disturbs(context, SmpMoment.EXPECT4)


#: The tags of two clients of one account, each with a session.
_FIRST, _SECOND = 0x2B2B, 0xA3C3C3C3


def _beside(context: Context, moment: SmpMoment) -> None:
    """Demand that a session in which SMP has reached a moment survives a session with another client of the account."""
    able = context.target.capabilities
    target = context.target_session()
    first, second = target.insider(tag=_FIRST, seed=b"first"), target.insider(tag=_SECOND, seed=b"second")
    target.establish(first)
    session = Unharmed(target, first, able, named=True)
    session.exchange_texts("there is no other session yet")
    session.begin(moment)
    target.tick(LATER)
    session.disturb(partial(_establish, target, second), f"a session with another client begins, when {moment}")
    other = Unharmed(target, second, able, named=True)
    # Pairs each moment of one run with a different moment of the other; over all moments, each run meets each moment.
    moments = list(SmpMoment) if "smp" in able else [SmpMoment.NO_RUN]
    at = moments[(moments.index(moment) + 1) % len(moments)]
    session.disturb(partial(other.begin, at), f"in the session with another client {at}, when {moment}")
    session.disturb(partial(other.check, "a session beside it"), f"another client's SMP run ends, when {moment}")
    case = f"Error Message, query and forgery in the session with another client, when {moment}"
    session.disturb(partial(_disturb_all, target, second), case)
    session.disturb(partial(target.end_by_peer, second), f"another client ends its session, when {moment}")
    session.check(f"a session with another client, from its beginning to its end, when {moment}")


def _establish(target: TargetSession, insider: Insider) -> None:
    target.establish(insider)


def _disturb_all(target: TargetSession, insider: Insider) -> None:
    for disturbance in disturbances(target.version).values():
        disturbance(target, insider)


@scenario(versions=(3,), needs=("instance_tags",), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def another_clients_session_disturbs_nothing(context: Context) -> None:
    """A session with another client of the account, with its own SMP runs, does not affect a session or its SMP run
    from beginning to end, at any moment of that run.
    """
    for moment in SmpMoment:
        if moment is SmpMoment.NO_RUN or "smp" in context.target.capabilities:
            with context.case(moment):
                _beside(context, moment)
