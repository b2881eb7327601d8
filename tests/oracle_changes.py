"""Records of genuine conversations, and single changes to them, for the oracles to object to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeAlias

from otterproof.harness import wire
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.world import Step
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    ActionRefused,
    AuthState,
    Event,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    OutgoingMessage,
    PartySnapshot,
    RatchetSnapshot,
    RejectReason,
    SessionEstablished,
    SessionSnapshot,
    TextReceived,
)
from otterproof.implementations.reference import ReferenceEngine
from tests.oracle_programs import PROGRAMS

#: Changes a step, or returns None to leave it alone; only the first change is made.
Change: TypeAlias = Callable[[Step], Step | None]


@cache
def record(program: str, setup: int) -> tuple[Step, ...]:
    """The steps of a genuine conversation."""
    steps: list[Step] = []
    case = Case(**PROGRAMS[program].setups[setup], engine=ReferenceEngine, oracles=("bounds",))
    world = case.world
    judges, world.judges = world.judges, []
    world.watchers.append(steps.append)
    try:
        PROGRAMS[program].play(case)
    finally:
        world.watchers.remove(steps.append)
        world.judges = judges
    return tuple(steps)


def show(oracle: str, program: str, setup: int, change: Change | None) -> bool:
    """Show a record to an oracle with one change; returns whether there was a place for the change."""
    case = Case(**PROGRAMS[program].setups[setup], engine=ReferenceEngine, oracles=(oracle,))
    changed = False
    for step in record(program, setup):
        other = change(step) if change is not None and not changed else None
        changed = changed or other is not None
        case.oracles(other or step)
    return changed


# ---- changes ----------------------------------------------------------------------------------------------------


def event(kind: type[Event], only: Callable[[Any], bool] = lambda event: True, **fields: object) -> Change:
    """Other values in the first event of a kind."""

    def change(step: Step) -> Step | None:
        for at, one in enumerate(step.events):
            if isinstance(one, kind) and only(one):
                events = list(step.events)
                events[at] = replace(one, **fields)  # type: ignore[arg-type]
                return replace(step, events=events)
        return None

    return change


def events(when: Callable[[Step], bool], then: Callable[[Sequence[Event]], Sequence[Event]]) -> Change:
    """Other events in the first step for which `when` holds."""
    return lambda step: replace(step, events=list(then(step.events))) if when(step) else None


def added(when: Callable[[Step], bool], *more: Event) -> Change:
    return events(when, lambda seen: [*seen, *more])


def removed(when: Callable[[Step], bool], kind: type[Event] | None = None) -> Change:
    """Removes the events of a kind, or all events."""
    return events(when, lambda seen: [one for one in seen if kind is not None and not isinstance(one, kind)])


def has(kind: type[Event], **fields: object) -> Callable[[Step], bool]:
    """The step has an event of that kind with these values."""

    def when(step: Step) -> bool:
        return any(
            isinstance(one, kind) and all(getattr(one, name) == value for name, value in fields.items())
            for one in step.events
        )

    return when


def got(kind: Kind, reason: RejectReason | None = None) -> Callable[[Step], bool]:
    """A message of this kind was received, and was refused for this reason or not refused."""

    def when(step: Step) -> bool:
        message = step.args.get("message")
        if not isinstance(message, bytes) or wire.parse(message).kind is not kind:
            return False
        reasons = [one.reason for one in step.events if isinstance(one, MessageRejected | MessageUnreadable)]
        return reasons == ([] if reason is None else [reason])

    return when


def does(action: str, refused: bool = False) -> Callable[[Step], bool]:
    return lambda step: step.action == action and has(ActionRefused)(step) is refused and bool(step.events)


def snapshot(when: Callable[[Step], bool], then: Callable[[PartySnapshot], PartySnapshot]) -> Change:
    return lambda step: replace(step, after=then(step.after)) if when(step) and step.after else None


def session(
    only: Callable[[SessionSnapshot], bool],
    then: Callable[[SessionSnapshot], SessionSnapshot],
    when: Callable[[Step], bool] = lambda step: True,
) -> Change:
    """Other values in the snapshot of the first session for which `only` holds."""

    def change(step: Step) -> Step | None:
        for one in step.after.sessions if step.after and when(step) else ():
            if only(one) and step.after:
                sessions = tuple(then(each) if each is one else each for each in step.after.sessions)
                return replace(step, after=replace(step.after, sessions=sessions))
        return None

    return change


def ratchet(
    then: Callable[[RatchetSnapshot], RatchetSnapshot],
    only: Callable[[RatchetSnapshot], bool] = lambda ratchet: True,
    when: Callable[[Step], bool] = lambda step: True,
) -> Change:
    def inside(one: SessionSnapshot) -> SessionSnapshot:
        return replace(one, ratchet=then(one.ratchet)) if one.ratchet else one

    return session(lambda one: one.ratchet is not None and only(one.ratchet), inside, when)


def sent(kind: Kind, then: Callable[[wire.Message], wire.Message | None], skip: int = 0) -> Change:
    """Another message in place of one that was sent; the first `skip` are left alone."""
    passed = [0]

    def change(step: Step) -> Step | None:
        for at, one in enumerate(step.events):
            message = wire.parse(one.message) if isinstance(one, OutgoingMessage) else None
            if message is None or message.kind is not kind:
                continue
            passed[0] += 1
            other = then(message) if passed[0] > skip else None
            if other is not None:
                changed = list(step.events)
                changed[at] = OutgoingMessage(wire.build(other))
                return replace(step, events=changed)
        return None

    return change


def pieces(then: Callable[[list[bytes]], list[bytes]]) -> Change:
    """Other messages in place of those of the first step that sends only fragments."""

    def change(step: Step) -> Step | None:
        out = [one.message for one in step.events if isinstance(one, OutgoingMessage)]
        if len(out) < 2 or len(out) != len(step.events) or not all(one.startswith(b"?OTR|") for one in out):
            return None
        return replace(step, events=[OutgoingMessage(one) for one in then(out)])

    return change


def revealed_twice() -> Change:
    """Revealed MAC keys are sent again with the party's next message."""
    seen: dict[int, bytes] = {}

    def again(message: wire.Message) -> wire.Message | None:
        sender, keys = message.number("sender_tag"), message.data("old_mac_keys")
        if sender in seen:
            return message.with_value("old_mac_keys", seen[sender] + keys)
        if keys:
            seen[sender] = keys
        return None

    return sent(Kind.DATA, again)


def handshake_out_of_place() -> Change:
    """An earlier handshake message is sent again when the user sends a text."""
    seen: list[Event] = []

    def change(step: Step) -> Step | None:
        if seen and does("send")(step):
            return replace(step, events=[*step.events, seen[0]])
        out = [one for one in step.events if isinstance(one, OutgoingMessage)]
        seen.extend(one for one in out if wire.parse(one.message).kind is Kind.DH_KEY)
        return None

    return change


def plus_one(message: wire.Message, name: str, more: int = 1) -> wire.Message:
    return message.with_value(name, message.number(name) + more)


# ---- changes of one kind of step ---------------------------------------------------------------------------------


def their_key_set(ratchet: RatchetSnapshot, keyid: int, value: int) -> RatchetSnapshot:
    return replace(ratchet, their_keys={**ratchet.their_keys, keyid: value})


def typed_otherwise(step: Step) -> Step | None:
    """A stored text that the user never typed."""
    return (
        replace(step, args={"text": b"something else"})
        if step.action == "send" and step.after and step.after.stored
        else None
    )


def quietly(step: Step) -> Step | None:
    if not has(MessageUnreadable, reason=RejectReason.BAD_MAC)(step):
        return None
    return replace(step, events=[MessageRejected(RejectReason.BAD_MAC)])


def established(step: Step) -> Step | None:
    """A tampered message is reported to complete a handshake."""
    if not got(Kind.REVEAL_SIGNATURE, RejectReason.BAD_MAC)(step):
        return None
    return replace(step, events=[SessionEstablished(0x2B2B, 3, bytes(8), bytes(20), False, False, False)])


def key_again(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    """Our new key is the previous one again."""
    old = ratchet.our_keys[ratchet.our_keyid - 1]
    return replace(ratchet, our_keys={**ratchet.our_keys, ratchet.our_keyid: old})


def keys_shifted(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    return their_key_set(ratchet, ratchet.their_keyid, ratchet.their_keys[ratchet.their_keyid - 1])


def one_further(ratchet: RatchetSnapshot) -> RatchetSnapshot:
    keyid = ratchet.our_keyid
    live = {keyid: ratchet.our_keys[keyid], keyid + 1: 5}
    return replace(ratchet, our_keyid=keyid + 1, our_keys=live, sent={}, received={}, verified=frozenset())


def nothing_revealed(message: wire.Message) -> wire.Message | None:
    return message.with_value("old_mac_keys", b"") if message.data("old_mac_keys") else None


def in_smp_state(session: SessionSnapshot, number: int) -> SessionSnapshot:
    return replace(session, smp_state=type(session.smp_state)(f"expect{number}"))


def moved(step: Step, kind: Kind | None = None) -> Step | None:
    """The session that a handshake message belongs to shows a wrong authentication state."""
    message = step.args.get("message")
    parsed = wire.parse(message) if isinstance(message, bytes) else None
    if parsed is None or not (
        parsed.kind is kind or (kind is None and got(Kind.REVEAL_SIGNATURE, RejectReason.BAD_MAC)(step))
    ):
        return None
    tag = parsed.number("sender_tag")
    return session(lambda one: one.instance == tag, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG))(step)


def not_waiting(step: Step) -> Step | None:
    if not has(OutgoingMessage)(step) or not got(Kind.QUERY)(step):
        return None
    waits: Callable[[SessionSnapshot], bool] = lambda one: one.auth_state is AuthState.AWAITING_DHKEY  # noqa: E731
    return session(waits, lambda one: replace(one, auth_state=AuthState.AWAITING_SIG))(step)


def other_session_changed(step: Step) -> Step | None:
    texts = [one for one in step.events if isinstance(one, TextReceived) and one.secure]
    if not texts:
        return None
    other: Callable[[SessionSnapshot], bool] = lambda one: one.instance not in (0, texts[0].instance)  # noqa: E731
    return session(other, lambda one: replace(one, smp_question_waiting=True))(step)


def text_leaks(step: Step) -> Step | None:
    text = step.args.get("text")
    if not isinstance(text, bytes) or not does("send")(step):
        return None
    return sent(Kind.DATA, lambda one: one.with_value("old_mac_keys", text))(step)


def another_session(party: PartySnapshot) -> PartySnapshot:
    return replace(party, sessions=(*party.sessions, replace(party.sessions[0], instance=0x9999)))


def encrypted_before(step: Step) -> bool:
    return step.before is not None and any(one.message_state is MessageState.ENCRYPTED for one in step.before.sessions)


def both(*conditions: Callable[[Step], bool]) -> Callable[[Step], bool]:
    return lambda step: all(condition(step) for condition in conditions)


def in_session(one: SessionSnapshot) -> bool:
    return one.message_state is MessageState.ENCRYPTED


def send_in_finished(step: Step) -> bool:
    """A user sends a text after the peer has ended the only session."""
    states = {one.message_state for one in step.before.sessions} if step.before else set()
    return step.action == "send" and MessageState.FINISHED in states and MessageState.ENCRYPTED not in states


def another_dh_key(step: Step) -> Step | None:
    """A D-H Key repeated in AWAITING_SIG has another value."""
    message, states = step.args.get("message"), {one.auth_state for one in step.before.sessions} if step.before else ()
    if not got(Kind.DH_KEY)(step) or not isinstance(message, bytes) or AuthState.AWAITING_SIG not in states:
        return None
    return replace(step, args={**step.args, "message": wire.build(wire.parse(message).with_value("gy", 5))})


def forbidden(one: MessageRejected) -> bool:
    return one.reason is RejectReason.VERSION_NOT_ALLOWED
