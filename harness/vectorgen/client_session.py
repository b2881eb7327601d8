"""The session in which the cases of the vectors are played: a client under test, and an insider who talks with it.

A `ClientSession` records every step. The acts of a case are functions of the session, so they can be repeated with
another client in place of the engine; the insider then makes its messages for that client's keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scripted_handshake import ScriptedHandshake
from otterproof.harness.wire import Kind
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.actions import args_to_json, perform
from otterproof.implementations.contract import (
    ActionRefused,
    Event,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    PartyConfig,
    PartySnapshot,
    Policy,
    RefuseReason,
    RejectReason,
    SessionSnapshot,
    SmpAborted,
    SmpAbortReason,
    TextReceived,
)
from otterproof.implementations.jsonform import config_to_json, event_to_json

#: The tags of the client and of the insider.
TAG, PEER_TAG = 0x1A1A, 0x2B2B

ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3

#: The sets of versions that a policy can allow, by name.
POLICIES = {"v2": (2,), "v3": (3,), "v23": (2, 3)}


def policy_of(versions: tuple[int, ...], more: Policy = Policy.NONE) -> Policy:
    """The policy that allows some versions, with further flags."""
    policy = more
    for version in versions:
        policy |= ALLOW[version]
    return policy


class Client(Protocol):
    """What a session needs of a client."""

    @property
    def instance_tag(self) -> int: ...
    def receive(self, message: bytes) -> Sequence[Event]: ...
    def set_time(self, now: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Step:
    """One input and its result. time: None if unchanged since the previous step."""

    time: int | None
    action: str
    args: Mapping[str, Any]
    events: tuple[Event, ...]

    def fields(self) -> dict[str, Any]:
        """The step as a vector records it."""
        written = {
            "action": self.action,
            "args": args_to_json(self.action, self.args),
            "events": tuple(event_to_json(event) for event in self.events),
        }
        return written if self.time is None else {"time": self.time, **written}


@dataclass
class ClientSession:
    """A client and an insider. memory: what acts keep for later acts."""

    client: Client
    version: int
    insider: Insider
    steps: list[Step] = field(default_factory=list)
    memory: dict[str, Any] = field(default_factory=dict)
    _time: int | None = None

    def time(self, now: int) -> None:
        """Set the time of the next step."""
        self._time = now

    def do(self, action: str, **args: Any) -> list[Event]:
        """Perform one step."""
        time, self._time = self._time, None
        if time is not None:
            self.client.set_time(time)
        events = perform(self.client, action, args)
        self.steps.append(Step(time, action, args, events))
        return list(events)

    def give(self, message: bytes) -> list[Event]:
        """The client receives a message."""
        return self.do("receive", message=message)

    def sent(self) -> bytes:
        """The only message that the last step sent."""
        messages = outgoing(self.steps[-1].events)
        if len(messages) != 1:
            raise UnexpectedAnswer(f"the last step sent {len(messages)} messages instead of one: {messages!r:.200}")
        return messages[0]

    # ---- common beginnings --------------------------------------------------------------------------------------

    @property
    def handshake(self) -> ScriptedHandshake:
        """The insider's current handshake. The client's messages are stored in the memory by kind."""
        return ScriptedHandshake(self.insider, self._exchange, self.memory)

    def _exchange(self, message: bytes, kind: Kind) -> bytes:
        """Whatever the client answers is taken as the expected message; the case checks it by its visible effects."""
        self.give(message)
        return self.sent()

    def query(self) -> bytes:
        """Query the client for this version; returns its D-H Commit."""
        return self.handshake.query()

    def reveal(self) -> bytes:
        """Query the client and answer its commit with a D-H Key; returns its Reveal Signature."""
        self.handshake.query()
        return self.handshake.dh_key()

    def answer(self, signed: SignatureOptions = HONEST_SIGNATURE) -> list[Event]:
        """The client begins a handshake, and the insider completes it."""
        return self.give(self.handshake.by_client(signed))

    def signature(self, signed: SignatureOptions = HONEST_SIGNATURE) -> bytes:
        """The insider's Signature Message in answer to the client's Reveal Signature."""
        return self.handshake.signature(signed)

    def commit(self) -> bytes:
        """The insider commits; returns the client's D-H Key."""
        return self.handshake.commit()

    def begin(self, signed: SignatureOptions = HONEST_SIGNATURE) -> list[Event]:
        """The insider begins and completes a handshake."""
        return self.give(self.handshake.by_insider(signed))

    def hear(self, text: bytes = b"hello", **data: Any) -> list[Event]:
        """The insider sends a data message."""
        return self.give(self.insider.data(text, **data))

    def say(self, text: bytes = b"hi") -> bytes:
        """The client's user sends a text, which the insider reads; returns the message."""
        self.do("send", text=text)
        message = self.sent()
        self.insider.read(message)
        return message


class UnexpectedAnswer(Exception):
    """A session can't continue: the client did not do what the act relies on."""


def ended(session: ClientSession) -> None:
    """A session that the insider has ended, in FINISHED."""
    session.begin()
    session.hear(b"", tlvs=[tlv(1)])


def config(version: int | None, policy: Policy | None = None, **more: Any) -> PartyConfig:
    """The configuration of a client. version: the only one allowed, if no policy is given."""
    allowed = BOTH if version is None else ALLOW[version]
    given = {"key": published_key("alice"), "instance_tag": TAG, **more}
    return PartyConfig(policy=allowed if policy is None else policy, **given)


def party_fields(made: PartyConfig) -> dict[str, Any]:
    """A configuration as a vector records it."""
    key = made.key
    written = config_to_json(made)
    written["key"] = {"p": key.public.p, "q": key.public.q, "g": key.public.g, "y": key.public.y, "x": key.x}
    written["policy"] = tuple(written["policy"])
    return written


# ---- what is observed ------------------------------------------------------------------------------------------------


def seen(events: Sequence[Event]) -> dict[str, Any]:
    """The kinds of the messages sent, and the texts shown."""
    kinds = []
    for message in outgoing(events):
        kind = wire.parse(message).kind
        kinds.append("fragment" if kind in wire.FRAGMENTS else str(kind))
    return {
        "sends": tuple(kinds),
        "shows": tuple(event.text for event in events if isinstance(event, TextReceived)),
    }


#: Reasons for sending an earlier message again.
_RESENT = frozenset({RejectReason.COLLISION_WON})


def reaction(events: Sequence[Event]) -> tuple[str, str]:
    """How the events of a step show that something is invalid, and why; two empty strings if they do not."""
    texts = any(isinstance(event, TextReceived) for event in events)
    for event in events:
        match event:
            case MessageUnreadable(reason=RejectReason() as reason):
                return "error_message", reason.value
            case SmpAborted(reason=SmpAbortReason() as reason) if reason.value.startswith("smp_"):
                return "smp_abort", reason.value
            case MessageRejected(reason=RejectReason() as reason):
                if reason in _RESENT:
                    return "resent", reason.value
                return ("accepted" if texts or reason is RejectReason.BAD_TLV else "ignored"), reason.value
            case ActionRefused(reason=RefuseReason() as reason):
                return "refused", reason.value
    return "", ""


# ---- the state -------------------------------------------------------------------------------------------------------


def _session(session: SessionSnapshot) -> dict[str, Any]:
    ratchet = session.ratchet

    def counters(table: Mapping[tuple[int, int], int]) -> dict[str, int]:
        return {f"{ours},{theirs}": table[ours, theirs] for ours, theirs in sorted(table)}

    return {
        "instance": session.instance,
        "version": session.version,
        "message_state": session.message_state.value,
        "auth_state": session.auth_state.value,
        "smp_state": session.smp_state.value,
        "smp_question_waiting": session.smp_question_waiting,
        "ssid": session.ssid,
        "fingerprint": session.fingerprint,
        "our_keyid": ratchet.our_keyid if ratchet else 0,
        "their_keyid": ratchet.their_keyid if ratchet else 0,
        "sent": counters(ratchet.sent) if ratchet else {},
        "received": counters(ratchet.received) if ratchet else {},
        "pending_mac_keys": session.pending_mac_keys,
    }


def state(snapshot: PartySnapshot) -> dict[str, Any]:
    """A state as a vector records it. Sessions in which nothing has happened are left out."""
    sessions = tuple(_session(session) for session in snapshot.sessions)
    fresh = {**_session(snapshot.sessions[0]), "instance": 0, "version": 0, "ssid": b"", "fingerprint": b""}
    fresh |= {"message_state": MessageState.PLAINTEXT.value, "auth_state": "none", "smp_state": "expect1"}
    fresh |= {"our_keyid": 0, "their_keyid": 0, "sent": {}, "received": {}, "pending_mac_keys": ()}
    fresh |= {"smp_question_waiting": False}
    return {
        "heard_plaintext": snapshot.heard_plaintext,
        "sessions": tuple(one for one in sessions if {**one, "instance": 0} != fresh),
        "stored": snapshot.stored,
        "fragments": {str(tag): f"{k},{n}" for tag, (k, n) in sorted(snapshot.fragments.items())},
    }
