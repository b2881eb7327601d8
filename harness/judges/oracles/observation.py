"""What an oracle sees of a step: whole messages and events, each with the session that it belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from otterproof.harness import wire
from otterproof.harness.simulation.handshake_insider import CraftedHandshake
from otterproof.harness.simulation.insider import Crafted
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.cached import cached_property
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    Event,
    ExtraKeyDerived,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    PeerEndedSession,
    Policy,
    RejectReason,
    SessionEstablished,
    SessionSnapshot,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.values import quickly_made

#: The policy flag that allows a version.
ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

#: As a number for speed, since it is needed in every step.
_VERSIONS = (Policy.ALLOW_V2 | Policy.ALLOW_V3).value

#: The messages of the handshake.
HANDSHAKE = frozenset({Kind.DH_COMMIT, Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE})

#: Text: messages that are neither encoded nor fragments.
TEXT = frozenset({Kind.PLAINTEXT, Kind.TAGGED_PLAINTEXT, Kind.QUERY, Kind.ERROR})

#: Reasons for refusing something in a message that was itself accepted.
AFTER_ACCEPTANCE = frozenset({RejectReason.BAD_TLV})

#: Reasons for refusing a data message although its MAC is right.
MAC_WAS_RIGHT = frozenset({RejectReason.BAD_COUNTER, RejectReason.BAD_GROUP_ELEMENT})

#: Events that report that a message was refused.
_REFUSALS = (MessageUnreadable, MessageRejected)

#: Events that report that the state of a session has changed.
_CHANGES = (SessionEstablished, PeerEndedSession, UserEndedSession)

#: Events that are about one session.
ABOUT_SESSIONS = (
    SessionEstablished,
    PeerEndedSession,
    UserEndedSession,
    MessageUnreadable,
    SmpRequested,
    SmpFinished,
    SmpAborted,
    ExtraKeyDerived,
)

#: All events that name a session.
_HAVE_INSTANCE = (*ABOUT_SESSIONS, TextReceived)


def session_of(event: Event) -> int:
    """The session of an event that a Reader has read; 0 if it is about none, and in version 2."""
    if isinstance(event, _HAVE_INSTANCE) and event.instance is not None:
        return event.instance
    return 0


def enabled(policy: Policy | None) -> bool:
    """Whether a policy allows any version; True if the policy is unknown."""
    return policy is None or bool(policy._value_ & _VERSIONS)


@quickly_made
@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as the events of its party show it. `number` counts completed handshakes in the whole world.

    ssid, fingerprint, sent_reveal_signature: None if the party does not tell. signature: the proof of the Signature
    Message that ended the handshake, which both sides have seen; None if unknown.
    """

    state: MessageState = MessageState.PLAINTEXT
    version: int = 0
    ssid: bytes | None = b""
    fingerprint: bytes | None = b""
    sent_reveal_signature: bool | None = False
    number: int = 0
    signature: bytes | None = None

    @property
    def name(self) -> bytes:
        """What distinguishes this session from others of its party: the ssid, if it is told."""
        return self.ssid if self.ssid is not None else b"handshake %d" % self.number

    def may_be(self, ssid: bytes | None) -> bool:
        """Whether this can be the session that a party knows by this ssid. None: the party does not tell the ssid."""
        return self.ssid is None or ssid is None or self.ssid == ssid

    def same_as(self, other: SessionView) -> bool | None:
        """Whether this and a session of another party are two sides of one session; None if unknown."""
        if self.ssid is not None and other.ssid is not None:
            return self.ssid == other.ssid
        if self.signature is not None and other.signature is not None:
            return self.signature == other.signature
        return None

    @property
    def encrypted(self) -> bool:
        return self.state is MessageState.ENCRYPTED


NO_LINK = SessionView()


class Sent(NamedTuple):
    """A whole message that a party sent. instance, link: the session of an encoded message, as it was at the time."""

    raw: bytes
    message: Message
    pieces: tuple[bytes, ...]
    instance: int
    link: SessionView


#: An event, or a whole sent message, which takes the place of its OutgoingMessage events.
ObservedEvent: TypeAlias = Event | Sent


@dataclass(eq=False)  # not frozen, as one is made in every step; no slots, for cached properties
class Observation:
    """The meaning of a step.

    message: the whole message received in this step; None if there is none (user actions, fragments that don't complete
    one), or if the policy switches OTR off. fragment: the reason for refusing a fragment, or None. header: the reason
    for discarding an encoded message by its header, or None. instance, link: the session of the message, as it was
    before the step. links: all sessions of the party before the step. foreign: the party is not an engine of this
    project, and its events are only what it chooses to tell. crafted, handshake: what is known of an insider's data or
    handshake message. interrupted: whether the received fragment belongs to others that a foreign party may have
    forgotten.

    The rest is worked out here once for all oracles. sent: the whole messages that the party sent. reports: its other
    events. changes: its reports of changed sessions. is_data: a data message for this party was received, valid or not.
    accepted: it was also acted upon; for a foreign party, visibly so. The caller of the oracles sets two more. settled:
    the party's sessions are as they were when all oracles last judged them and found nothing wrong. An oracle then need
    not judge them again by what it remembers, unless that has changed. under_test: what the party does by itself is
    judged, and not only how the others' messages fare with it.
    """

    step: Step
    observed: tuple[ObservedEvent, ...]
    policy: Policy | None
    own_tag: int
    message: Message | None = None
    is_fragment: bool = False
    fragment: RejectReason | None = None
    stores: Mapping[int, wire.Assembly] = field(default_factory=dict)
    header: RejectReason | None = None
    instance: int = 0
    link: SessionView = NO_LINK
    links: Mapping[int, SessionView] = field(default_factory=dict)
    foreign: bool = False
    crafted: Crafted | None = None
    handshake: CraftedHandshake | None = None
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.settled = False
        self.under_test = True
        self.party = self.step.party
        self.sent: Sequence[Sent] = ()
        self.reports: Sequence[Event] = ()
        self.changes: Sequence[SessionEstablished | PeerEndedSession | UserEndedSession] = ()
        self._refusals: Sequence[MessageUnreadable | MessageRejected] = ()
        if self.observed:
            self.sent = [one for one in self.observed if isinstance(one, Sent)]
            if len(self.sent) < len(self.observed):
                self._sort()
        self.is_data = self.message is not None and self.message.kind is Kind.DATA and self.header is None
        if self.foreign:
            self.accepted = self.is_data and any(map(_shows_acceptance, self.reports))
        else:
            self.accepted = self.is_data and not self._refusals

    def _sort(self) -> None:
        """Pick out the reports, and among them the refusals and the changes of sessions."""
        self.reports = [one for one in self.observed if not isinstance(one, Sent)]
        self.changes = [one for one in self.reports if isinstance(one, _CHANGES)]
        self._refusals = [
            one for one in self.reports if isinstance(one, _REFUSALS) and one.reason not in AFTER_ACCEPTANCE
        ]

    @property
    def refused(self) -> bool:
        """Whether the received message was refused, with a reason or without one."""
        return bool(self._refusals)

    @property
    def refusal(self) -> RejectReason | None:
        """Why the received message was refused; None if it was not, or if no reason is told."""
        return self._refusals[0].reason if self._refusals else None

    @property
    def data_sent(self) -> Sequence[Sent]:
        """The data messages that the party sent."""
        return [one for one in self.sent if one.message.kind is Kind.DATA] if self.sent else ()

    @property
    def established(self) -> bool:
        """Whether a handshake has completed."""
        return any(isinstance(one, SessionEstablished) for one in self.changes)

    @cached_property
    def same_sessions(self) -> bool:
        """Whether the party shows its sessions, and none of them has changed in this step."""
        before, after = self.step.before, self.step.after
        return before is not None and after is not None and before.sessions == after.sessions

    @cached_property
    def acted_upon(self) -> bool:
        """Whether the received message had visible effects in the protocol, as only a genuine one may have.

        Sending an Error Message and showing text received in the clear do not count.
        """
        answers = HANDSHAKE | {Kind.DATA}
        return any(
            _shows_acceptance(one)
            or isinstance(one, SessionEstablished)
            or (isinstance(one, Sent) and one.message.kind in answers)
            for one in self.observed
        )

    @property
    def ambiguous(self) -> bool:
        """Whether a foreign party received bytes that the protocol texts allow to be read as one of several messages.

        Its reaction is then not judged by what the engines read.
        """
        return self.foreign and (self.interrupted or self._ambiguous)

    @cached_property
    def _ambiguous(self) -> bool:
        raw = self.step.args.get("message") if self.step.action == "receive" else None
        if not isinstance(raw, bytes):
            return False
        return wire.is_ambiguous(wire.parse_once(raw)) or (self.message is not None and wire.is_ambiguous(self.message))

    def is_shown_as(self, sent: bytes | None, shown: bytes | None) -> bool:
        """Whether a text of the peer's user is shown as it was sent.

        Texts are in UTF-8 [section "Data Message"]; how a foreign party shows other bytes is its own affair.
        """
        if shown == sent:
            return True
        return self.foreign and shown is not None and sent is not None and not _is_utf_8(sent)

    @property
    def enabled(self) -> bool:
        """Whether the policy allows any version; True if the policy is not known."""
        return enabled(self.policy)

    @property
    def action_instance(self) -> int | None:
        """The session that a user's action is about; None if unknown.

        If the action names none, an engine uses its focus. Other implementations choose by themselves, as the sent
        messages show; with only one session there is no choice.
        """
        instance = self.step.args.get("instance")
        if isinstance(instance, int):
            return instance
        if self.step.before is not None:
            return self.step.before.focus
        if not self.foreign or len(self.links) < 2:
            return max(self.links, key=lambda one: self.links[one].number, default=0)
        return next((one.instance for one in self.sent if one.message.kind is Kind.DATA), None)

    @property
    def types_nul(self) -> bool:
        """Whether a foreign party's user types a text with a NUL, which ends the text of a data message.

        The protocol texts do not say what is then sent: the text may be refused, cut at the NUL, or sent with something
        else in the NUL's place. The engines refuse it.
        """
        typed = self.step.args.get("text") if self.step.action == "send" else None
        return self.foreign and isinstance(typed, bytes) and b"\0" in typed

    def session(self, instance: int, *, after: bool = True) -> SessionSnapshot | None:
        """The snapshot of a session after the step, or before it; None if there is none."""
        party = self.step.after if after else self.step.before
        if party is None:
            return None
        for one in party.sessions:  # no generator, for speed: all oracles ask, and there are one or two
            if one.instance == instance:
                return one
        return None


def _shows_acceptance(event: ObservedEvent) -> bool:
    """Whether only a data message that was accepted can have caused this."""
    if isinstance(event, TextReceived):
        return event.secure
    if isinstance(event, ExtraKeyDerived):
        return event.received
    return isinstance(event, (PeerEndedSession, SmpRequested, SmpFinished))


def _is_utf_8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
