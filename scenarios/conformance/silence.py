"""Silence, for minutes, hours or weeks, makes nothing expire or change unless the protocol text gives it a time limit.

The protocol text limits two times, which are judged elsewhere: the age of a stored text, and when a heartbeat is due.
"""

from __future__ import annotations

from functools import partial

from otterproof.harness import wire
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.unharmed import SmpMoment, Unharmed
from otterproof.harness.wire import TAG_BASE, Kind
from otterproof.harness.wire.layers import parse_plaintext
from otterproof.implementations.contract import AuthState, MessageState, Policy, UserEndedSession
from otterproof.scenarios.conformance.cells_play import Position, Unreached, probe

MINUTE, HOUR, WEEK = 60, 3600, 7 * 24 * 3600

#: Seconds of silence, by name.
SILENCES = {"eleven minutes": 11 * MINUTE, "thirteen hours": 13 * HOUR, "ten weeks": 10 * WEEK}


def _all_silences(target: TargetSession) -> None:
    for seconds in SILENCES.values():
        target.tick(seconds)


def _silent(context: Context, moment: SmpMoment) -> None:
    """Demand that silence does not harm a session in which SMP has reached a given moment."""
    target, insider = context.encrypted(target_begins=moment in (SmpMoment.EXPECT3, SmpMoment.NO_RUN))
    session = Unharmed(target, insider, context.target.capabilities)
    session.exchange_texts("nothing has happened yet")
    session.begin(moment)
    for name, seconds in SILENCES.items():
        session.disturb(partial(target.tick, seconds), f"{name} without a message, when {moment}")
    _all_silences(target)
    session.check(f"weeks without a message, when {moment}")


@scenario(needs=("time",), requirements=("STATE-ENCRYPTED-1", "STATE-PLAINTEXT-3", "SMP-STATE-3", "MACREVEAL-WHEN-3"))
def silence_changes_no_session(context: Context) -> None:
    """Minutes, hours and weeks without a message do not change a session, its keys, counters and old MAC keys, nor an
    SMP run at any moment, even while the user is being asked for the secret.
    """
    for moment in SmpMoment:
        if moment is SmpMoment.NO_RUN or "smp" in context.target.capabilities:
            with context.case(moment):
                _silent(context, moment)


#: The check that fails if a target no longer waits for the next message of a handshake.
_EXPIRED = {
    AuthState.AWAITING_DHKEY: "handshake.awaited-dh-key-expires",
    AuthState.AWAITING_REVEALSIG: "handshake.awaited-signature-expires",
    AuthState.AWAITING_SIG: "handshake.awaited-signature-expires",
}


def _position(context: Context, message: MessageState, auth: AuthState) -> None:
    """Demand that a target stays in its states during silence."""
    at = Position(context, message, auth)
    at.arrive(False)
    _all_silences(at.subject)
    at.after = _EXPIRED.get(auth, "state.changed-by-time")
    probe(at)


@scenario(
    needs=("time",),
    requirements=(
        "STATE-AUTH-1",
        "STATE-AUTH-2",
        "STATE-AUTH-3",
        "STATE-AUTH-4",
        "STATE-FINISHED-1",
        "STATE-PLAINTEXT-1",
    ),
)
def silence_changes_no_state(context: Context) -> None:
    """In every message and authentication state, weeks without a message change nothing: a handshake under way can be
    completed, and FINISHED stays FINISHED.
    """
    for message in MessageState:
        for auth in AuthState:
            with context.case(f"{message.name}, {auth.name}"):
                try:
                    _position(context, message, auth)
                except Unreached:
                    continue  # the cell that leads there tells why


@scenario(needs=("time",), requirements=("KEYMGMT-RECV-8", "KEYMGMT-KEEP-1", "DATA-RECV-2", "DATA-CTR-3"))
def messages_that_were_long_on_the_way_are_read(context: Context) -> None:
    """A Data Message is read however long ago it was sent, whether under the current keys or the previous ones."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    for name, seconds in SILENCES.items():
        older = insider.data(b"the first", ctr=100)
        target.exchange_texts(insider)
        newer = insider.data(b"the second")
        target.tick(seconds)
        case = f"{name} on the way"
        under = f"{case}, under the keys before"
        target.receive(older).assert_shown("keys.live-key-not-accepted", b"the first", case=under)
        target.receive(newer).assert_shown("text.not-delivered", b"the second", case=case)
        target.assert_session_alive(insider)


@scenario(needs=("time",), requirements=("!KEYMGMT-RECV-6", "!DATA-RECV-13", "!STATE-ENDED-3"))
def silence_lets_nothing_old_in(context: Context) -> None:
    """After minutes, hours and weeks, a message that was already read is still refused when it is repeated. A message
    of a session that has ended is still refused after weeks.
    """
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    for name, seconds in SILENCES.items():
        read = insider.data(b"once")
        target.receive(read).assert_shown("text.not-delivered", b"once")
        target.tick(seconds)
        target.receive(read).assert_rejected("data.replay-accepted", f"a message that was read {name} ago")
        target.assert_sends_text(insider, b"go on")
    late = insider.data(b"late")
    target.user("end")
    _all_silences(target)
    target.receive(late).assert_rejected("state.ended-session-read", "a message, weeks after the user's end")


@scenario(needs=("time",), requirements=("USER-END-2", "USER-END-3", "TLV-END-1"))
def end_after_silence(context: Context) -> None:
    """A session that was silent for weeks is ended like any other: the peer is told."""
    target, insider = context.encrypted()
    target.exchange_texts(insider)
    _all_silences(target)
    reply = target.user("end")
    reply.one(UserEndedSession)
    found = parse_plaintext(insider.read(wire.build(reply.message(Kind.DATA, "user.end-not-sent"))))
    ends = 1 in [one.type for one in found.tlvs]
    check("user.end-without-disconnected-tlv", ends, expected="a type 1 TLV", got=found.tlvs)
    target.assert_sent_in_clear(b"in the open", "user.end-not-to-plaintext")


@scenario(needs=("time",), requirements=("FRAGMENT-RECV-11", "FRAGMENT-RECV-13"))
def fragments_are_kept_in_silence(context: Context) -> None:
    """A message is put together even if its fragments arrive minutes, hours or weeks apart."""
    for name, seconds in SILENCES.items():
        with context.case(name):
            target, insider = context.encrypted()
            text = b"in pieces " * 30
            pieces = wire.fragment(insider.data(text), 250, context.version, (insider.tag, insider.target_tag))
            for piece in pieces[:-1]:
                target.receive(piece).assert_sent("fragment.acted-on-too-early")
                target.tick(seconds)
            reply = target.receive(pieces[-1])
            reply.assert_shown("fragment.not-put-together", text, case=f"{name} between the pieces")


@scenario(needs=("time", "whitespace_tag", "policy"), requirements=("TAG-STOP-1", "USER-SEND-5", "USER-SEND-3"))
def silence_brings_no_tags_back(context: Context) -> None:
    """A client that stopped sending tags because plaintext arrived sends none after weeks of silence; one that still
    sends them goes on doing so.
    """
    for heard in (False, True):
        with context.case("plaintext came" if heard else "nothing came"):
            target = context.target_session(policy=ALLOW[context.version] | Policy.SEND_WHITESPACE_TAG)
            target.user("send", text=b"first")
            if heard:
                target.receive(b"hello in the clear")
            for name, seconds in SILENCES.items():
                target.tick(seconds)
                tagged = any(TAG_BASE in raw for raw in target.user("send", text=b"hello").raw)
                check_id = "tag.sent-after-plaintext" if heard else "tag.not-sent"
                check(check_id, tagged != heard, expected="no tag" if heard else "a tag", got=tagged, case=name)
