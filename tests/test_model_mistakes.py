"""The symbolic model and engines that err: one detail of an engine's behaviour is wrong, and the model must object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.model import ModelDivergence, PartyModel
from otterproof.harness.simulation.moves import Drop, FlipBit, Replay, Tick
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import (
    ActionRefused,
    AuthState,
    Event,
    ExtraKeyDerived,
    MessageState,
    MessageUnreadable,
    OutgoingMessage,
    PartySnapshot,
    PeerEndedSession,
    RejectReason,
    SessionEstablished,
    SessionSnapshot,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    SmpState,
    StoredTextDropped,
    TextReceived,
    UserEndedSession,
)
from tests.model_pair import Pair, pair

#: Changes an engine's behaviour before the model sees it: the action, the events, the resulting state.
Mistake = Callable[[str, Sequence[Event], PartySnapshot], tuple[Sequence[Event], PartySnapshot]]


class Erring:
    """A follower that shows the model a changed behaviour."""

    def __init__(self, model: PartyModel, mistake: Mistake) -> None:
        self._model = model
        self._mistake = mistake

    def follow(self, action: str, args: Mapping[str, object], events: Sequence[Event], after: PartySnapshot) -> None:
        events, after = self._mistake(action, events, after)
        self._model.follow(action, args, events, after)

    def snapshot(self) -> object:
        return self._model.snapshot()

    def restore(self, state: object) -> None:
        self._model.restore(state)


def _converse(duo: Pair) -> None:
    """A conversation with everything that a mistake could affect."""
    world = duo.world
    world.user("bob", "send", text=b"in the clear")
    world.settle()
    world.user("alice", "start")
    world.user("bob", "start")
    world.settle()
    for text in (b"one", b"two", b"three"):
        for name in ("alice", "bob", "bob"):
            world.user(name, "send", text=text, padding=5)
            world.settle()
    for sender in ("alice", "bob"):
        receiver = "bob" if sender == "alice" else "alice"
        world.user(sender, "send", text=b"twice")
        world.settle()
        world.apply(Replay(receiver, len(world.network.history) - 1))
        world.settle()
        world.user(sender, "send", text=b"changed on its way")
        world.apply(FlipBit(receiver, 0, 1999))
        world.settle()
        for step, secret in (("smp_start", b"a"), ("smp_answer", b"a"), ("smp_start", b"b"), ("smp_answer", b"c")):
            world.user(sender if step == "smp_start" else receiver, step, secret=secret)
            world.settle()
        world.user(sender, "smp_start", secret=b"a", question=b"who?")
        world.settle()
        world.user(sender, "smp_abort")
        world.user(sender, "extra_key", use=7, data=b"data")
        world.apply(Tick(100))
        world.settle()
        world.user(sender, "smp_start", secret=b"a")
        world.settle()
        duo.establish()
        world.user(sender, "send", text=b"lost")
        world.apply(Drop(receiver))
        world.user(receiver, "send", text=b"more")
        world.settle()
        world.user(sender, "end")
        world.settle()
        world.user(receiver, "send", text=b"stored")
        world.user(receiver, "send", text=b"\0")
        world.apply(Tick(61 if sender == "alice" else 1))
        world.user(receiver, "end")
        world.user(receiver, "send", text=b"in the clear")
        world.settle()
        duo.establish()


def _outgoing(kind: Kind, change: Callable[[wire.Message], wire.Message]) -> Mistake:
    """Messages of a kind are sent with a change."""

    def one(event: Event) -> Event:
        if not isinstance(event, OutgoingMessage):
            return event
        parsed = wire.parse(event.message)
        return OutgoingMessage(wire.build(change(parsed))) if parsed.kind is kind else event

    return lambda action, events, after: ([one(event) for event in events], after)


def _data(name: str, change: Callable[[bytes], bytes], kind: Kind = Kind.DATA) -> Mistake:
    return _outgoing(kind, lambda message: message.with_value(name, change(message.data(name))))


def _raw(kind: Kind, change: Callable[[bytes], bytes]) -> Mistake:
    """Messages of a kind are sent with other armour."""

    def one(event: Event) -> Event:
        if isinstance(event, OutgoingMessage) and wire.parse(event.message).kind is kind:
            return OutgoingMessage(change(event.message))
        return event

    return lambda action, events, after: ([one(event) for event in events], after)


def _number(name: str, change: Callable[[int], int], kind: Kind = Kind.DATA) -> Mistake:
    return _outgoing(kind, lambda message: message.with_value(name, change(message.number(name))))


def _without(kind: type[Event]) -> Mistake:
    """Events of a kind are not reported."""
    return lambda action, events, after: ([event for event in events if not isinstance(event, kind)], after)


def _other(kind: type[Any], **changes: Callable[[Any], Any]) -> Mistake:
    """Events of a kind are reported with other content."""

    def one(event: Event) -> Event:
        if not isinstance(event, kind):
            return event
        return cast(Event, replace(event, **{name: change(getattr(event, name)) for name, change in changes.items()}))

    return lambda action, events, after: ([one(event) for event in events], after)


def _received_key_changed(
    action: str, events: Sequence[Event], after: PartySnapshot
) -> tuple[Sequence[Event], PartySnapshot]:
    """The receiver of an extra key has another one. If both had the same wrong one, the model could not tell."""
    changed = [
        replace(event, key=_flip(event.key)) if isinstance(event, ExtraKeyDerived) and event.received else event
        for event in events
    ]
    return changed, after


def _in_ratchet(**changes: Callable[[Any], Any]) -> Mistake:
    """The key management is changed."""

    def one(session: SessionSnapshot) -> SessionSnapshot:
        if session.ratchet is None:
            return session
        new = {name: change(getattr(session.ratchet, name)) for name, change in changes.items()}
        return replace(session, ratchet=replace(session.ratchet, **new))

    return _sessions_changed(one)


def _sessions_changed(one: Callable[[SessionSnapshot], SessionSnapshot]) -> Mistake:
    return lambda action, events, after: (events, replace(after, sessions=tuple(map(one, after.sessions))))


def _flip(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:] if value else value


def _not(value: bool) -> bool:
    return not value


def _dropped(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Without its last entry."""
    return dict(list(mapping.items())[:-1])


def _raised(mapping: Mapping[Any, int]) -> Mapping[Any, int]:
    """With every value one higher."""
    return {key: value + 1 for key, value in mapping.items()}


class _ReplayDelivered:
    """A message with an old counter is shown like the message before it."""

    def __init__(self) -> None:
        self._last: Event | None = None

    def __call__(
        self, action: str, events: Sequence[Event], after: PartySnapshot
    ) -> tuple[Sequence[Event], PartySnapshot]:
        for event in events:
            if (
                isinstance(event, MessageUnreadable)
                and event.reason is RejectReason.BAD_COUNTER
                and self._last is not None
            ):
                return [self._last], after
            if isinstance(event, TextReceived):
                self._last = event
        return events, after


class _ValueKept:
    """A value always stays what it was the first time."""

    def __init__(self, kind: type[Event], name: str) -> None:
        self._kind = kind
        self._name = name
        self._first: object = None

    def __call__(
        self, action: str, events: Sequence[Event], after: PartySnapshot
    ) -> tuple[Sequence[Event], PartySnapshot]:
        shown = []
        for event in events:
            if isinstance(event, self._kind):
                self._first = self._first or getattr(event, self._name)
                event = cast(Event, replace(cast(Any, event), **{self._name: self._first}))
            shown.append(event)
        return shown, after


def _session(**changes: Callable[[Any], Any]) -> Mistake:
    """Every session is shown with a change."""
    return _sessions_changed(
        lambda session: replace(session, **{name: change(getattr(session, name)) for name, change in changes.items()})
    )


def _party(**changes: Callable[[Any], Any]) -> Mistake:
    """The party's own part of the state is changed."""
    return lambda action, events, after: (
        events,
        replace(after, **{name: change(getattr(after, name)) for name, change in changes.items()}),
    )


_MISTAKES: Mapping[str, Callable[[], Mistake]] = {
    # Messages.
    "sender key id skipped": lambda: _number("sender_keyid", lambda keyid: keyid + 1),
    "recipient key id stays": lambda: _number("recipient_keyid", lambda keyid: 1),
    "counter repeated": lambda: _data("ctr", lambda counter: bytes(7) + b"\1"),
    "another next_dh": lambda: _number("next_dh", lambda key: key - 1),
    "flags": lambda: _number("flags", lambda flags: flags ^ 1),
    "other flag": lambda: _number("flags", lambda flags: flags | 2),
    "receiver tag": lambda: _number("receiver_tag", lambda tag: tag + 1),
    "sender tag": lambda: _number("sender_tag", lambda tag: tag + 1),
    "message longer": lambda: _data("encrypted_message", lambda content: content + b"\0"),
    "message shorter": lambda: _data("encrypted_message", lambda content: content[:-1]),
    "a MAC key not revealed": lambda: _data("old_mac_keys", lambda keys: keys[:-20]),
    "no MAC key revealed": lambda: _data("old_mac_keys", lambda keys: b""),
    "a MAC key revealed twice": lambda: _data("old_mac_keys", lambda keys: keys + keys[:20]),
    "MAC keys in another order": lambda: _data("old_mac_keys", lambda keys: keys[20:] + keys[:20]),
    "another MAC key": lambda: _data("old_mac_keys", _flip),
    "gy changed": lambda: _number("gy", lambda key: key + 1, Kind.DH_KEY),
    "tag in a commit": lambda: _number("receiver_tag", lambda tag: 0x100, Kind.DH_COMMIT),
    "commit to nothing": lambda: _data("encrypted_gx", lambda content: b"", Kind.DH_COMMIT),
    "X too long": lambda: _data("encrypted_signature", lambda content: content + b"x", Kind.SIGNATURE),
    "no armour": lambda: _raw(Kind.DATA, lambda message: message[:-1]),
    "text around": lambda: _raw(Kind.DATA, lambda message: b" " + message),
    # Events.
    **{
        f"no {kind.__name__}": lambda kind=kind: _without(kind)  # type: ignore[misc]
        for kind in (
            UserEndedSession,
            SessionEstablished,
            ExtraKeyDerived,
            PeerEndedSession,
            OutgoingMessage,
            ActionRefused,
            SmpAborted,
            SmpFinished,
            SmpRequested,
            StoredTextDropped,
            TextReceived,
            MessageUnreadable,
        )
    },
    "everything twice": lambda: lambda action, events, after: ([*events, *events], after),
    "replay delivered": _ReplayDelivered,
    "ssid": lambda: _other(SessionEstablished, ssid=_flip),
    "ssid kept": lambda: _ValueKept(SessionEstablished, "ssid"),
    "extra key kept": lambda: _ValueKept(ExtraKeyDerived, "key"),
    "extra key of one side": lambda: _received_key_changed,
    "fingerprint": lambda: _other(SessionEstablished, fingerprint=_flip),
    "who revealed": lambda: _other(SessionEstablished, sent_reveal_signature=_not),
    "refreshed": lambda: _other(SessionEstablished, refreshed=_not),
    "same key": lambda: _other(SessionEstablished, same_key=lambda value: True),
    "secrets equal": lambda: _other(SmpFinished, equal=lambda value: True),
    "secrets unequal": lambda: _other(SmpFinished, equal=lambda value: False),
    "question": lambda: _other(SmpRequested, question=lambda value: b"what?"),
    "text": lambda: _other(TextReceived, text=_flip),
    "secure": lambda: _other(TextReceived, secure=lambda value: True),
    "warn": lambda: _other(TextReceived, warn=_not),
    "reason": lambda: _other(MessageUnreadable, reason=lambda value: RejectReason.BAD_TLV),
    # State.
    "key id": lambda: _in_ratchet(our_keyid=lambda keyid: keyid + 1),
    "their key id": lambda: _in_ratchet(their_keyid=lambda keyid: keyid + 1),
    "our key forgotten": lambda: _in_ratchet(our_keys=_dropped),
    "our keys": lambda: _in_ratchet(our_keys=_raised),
    "their key forgotten": lambda: _in_ratchet(their_keys=_dropped),
    "their keys": lambda: _in_ratchet(their_keys=_raised),
    "sent": lambda: _in_ratchet(sent=_raised),
    "received": lambda: _in_ratchet(received=_raised),
    "received forgotten": lambda: _in_ratchet(received=lambda counters: {}),
    "verified forgotten": lambda: _in_ratchet(verified=lambda pairs: frozenset()),
    "verified more": lambda: _in_ratchet(verified=lambda pairs: pairs | {(1, 1)}),
    "pending forgotten": lambda: _session(pending_mac_keys=lambda keys: ()),
    "pending others": lambda: _session(pending_mac_keys=lambda keys: tuple(map(_flip, keys))),
    "version": lambda: _session(version=lambda version: 3),
    "message state": lambda: _session(message_state=lambda state: MessageState.PLAINTEXT),
    "never finished": lambda: _session(message_state=lambda state: MessageState.ENCRYPTED),
    "auth state": lambda: _session(auth_state=lambda state: AuthState.NONE),
    "SMP state": lambda: _session(smp_state=lambda state: SmpState.EXPECT1),
    "question waiting": lambda: _session(smp_question_waiting=lambda waiting: False),
    "ssid in session": lambda: _session(ssid=_flip),
    "fingerprint in session": lambda: _session(fingerprint=_flip),
    "fingerprint forgotten": lambda: _session(fingerprint=lambda value: b""),
    "focus": lambda: _party(focus=lambda focus: 0),
    "announcement": lambda: _party(announced=lambda open_: False),
    "always announced": lambda: _party(announced=lambda open_: True),
    "heard plaintext": lambda: _party(heard_plaintext=_not),
    "session forgotten": lambda: _party(sessions=lambda sessions: sessions[:1]),
    "stored": lambda: _party(stored=lambda texts: ()),
    "fragments": lambda: _party(fragments=lambda kept: {0: (1, 2)}),
}


def _erring(mistake: Mistake) -> Pair:
    """A pair in which everybody makes that mistake."""
    duo = pair(engines=["independent"])
    for name, party in duo.parties.items():
        duo.parties[name] = LockstepParty(name, party.engines, Erring(duo.models[name], mistake))
        duo.world.put(name, duo.parties[name])
    return duo


def test_without_a_mistake_there_is_no_divergence() -> None:
    asked: list[str] = []

    def none(action: str, events: Sequence[Event], after: PartySnapshot) -> tuple[Sequence[Event], PartySnapshot]:
        asked.append(action)
        return events, after

    duo = _erring(none)
    _converse(duo)
    assert len(asked) >= duo.world.steps > 100


@pytest.mark.parametrize("name", _MISTAKES)
def test_every_mistake_is_a_divergence(name: str) -> None:
    with pytest.raises(ModelDivergence):
        _converse(_erring(_MISTAKES[name]()))
