"""The reader, which works out once for all oracles what a step means: whole messages, parsed, with their sessions.

It follows each party by its inputs and events alone: the fragments it has received, and the state of each of its
sessions. Snapshots are left to the oracles, so a party that shows none is read just as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from otterproof.harness import wire
from otterproof.harness.judges.oracles.observation import (
    ABOUT_SESSIONS,
    NO_LINK,
    TEXT,
    Observation,
    ObservedEvent,
    Sent,
    SessionView,
    enabled,
    session_of,
)
from otterproof.harness.judges.oracles.remembering import Remembering
from otterproof.harness.simulation.handshake_insider import CraftedHandshake, name_of
from otterproof.harness.simulation.insider import Crafted
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    MAX_REASSEMBLY,
    MIN_INSTANCE_TAG,
    Event,
    MessageRejected,
    MessageState,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    RejectReason,
    SessionEstablished,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.values import replace

_NO_LINKS: Mapping[int, SessionView] = {}
_NO_STORES: Mapping[int, wire.Assembly] = {}

#: No fragments yet.
_NOTHING = wire.Assembly()


class Reader(Remembering):
    """Reads the steps of a world.

    configs: those of the parties, for their initial policies; nothing is judged by an unknown policy. foreign: parties
    that are not engines of this project, with their capabilities.
    """

    fixed = frozenset({"world", "_foreign", "_unruly"})

    def __init__(
        self,
        world: World,
        configs: Mapping[str, PartyConfig] | None = None,
        foreign: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self.world = world
        self._foreign = dict(foreign or {})
        # Parties that must not be judged by their policy.
        self._unruly = frozenset(name for name, able in (foreign or {}).items() if "policy" not in able)
        self._policies = {name: config.policy for name, config in (configs or {}).items() if name not in self._unruly}
        self._stores: dict[str, Mapping[int, wire.Assembly]] = {}
        # For each foreign party, the senders of stored fragments after which something else came. [_note_interruptions]
        self._interrupted: dict[str, frozenset[int]] = {}
        # The sessions of each party that ever had a handshake, replaced as a whole when one changes.
        self._links: dict[str, Mapping[int, SessionView]] = {}
        # The instance tags in the messages of parties that don't tell their own.
        self._tags: dict[str, int] = {}
        self._handshakes = 0
        # Sessions in which a party received an insider's message that may make the two sides disagree on keys and
        # counters.
        self._renumbered: set[bytes] = set()
        # Data messages by their authenticated part, with the ssid each was sent in. Only filled if a party is foreign.
        self._genuine: dict[bytes, bytes | None] = {}

    def is_foreign(self, party: str) -> bool:
        """Whether a party is not an engine of this project."""
        return party in self._foreign

    def can_choose(self, party: str) -> bool:
        """Whether an action of this party can name one of its sessions."""
        return "instance_tags" in self._foreign.get(party, {"instance_tags"})

    def speaks(self, party: str, version: int) -> bool:
        """Whether a party supports a version, whatever its policy."""
        return party not in self._foreign or f"v{version}" in self._foreign[party]

    def policy(self, party: str) -> Policy | None:
        """The policy of a party, if it is known."""
        return self._policies.get(party)

    def link(self, party: str, instance: int) -> SessionView:
        """A session as it is now."""
        return self.links(party).get(instance, NO_LINK)

    def links(self, party: str) -> Mapping[int, SessionView]:
        """All sessions of a party that ever had a handshake."""
        return self._links.get(party, _NO_LINKS)

    def _put(self, party: str, instance: int, link: SessionView) -> None:
        self._links[party] = {**self.links(party), instance: link}

    def _own_tag(self, party: str) -> int:
        """The instance tag of a party, or the one in its messages if it does not tell its own; 0 if unknown."""
        return self.world.parties[party].instance_tag or self._tags.get(party, 0)

    def parties(self, fingerprint: bytes) -> list[str]:
        """The parties whose long-term key has that fingerprint."""
        return [name for name, party in self.world.parties.items() if party.fingerprint == fingerprint]

    def view(self, step: Step) -> Observation:
        """Read a step. Every step must be read once, in order."""
        own = self._own_tag(step.party)
        policy = self._policies.get(step.party)
        links = self.links(step.party)
        stores, raw = self._stores.get(step.party, _NO_STORES), step.args.get("message")
        foreign, interrupted = step.party in self._foreign, False
        has_come = step.failure is None or not step.failure.unsupported  # else the party does not support it
        if step.action == "receive" and has_come and isinstance(raw, bytes):
            # With OTR switched off everything is plain text, and plain text makes a party forget fragments.
            came = _incoming(raw, stores, own) if enabled(policy) else _Incoming({})
            self._stores[step.party] = came.stores
            if foreign:
                interrupted = self._note_interruptions(step.party, wire.parse_once(raw).piece, came)
        else:
            came = _Incoming(stores)
        crafted = self._crafted(came.message)
        view = Observation(
            step,
            tuple(self._observed(step, came.instance)) if step.events else (),
            policy,
            own,
            came.message,
            came.is_fragment,
            came.fragment,
            came.stores,
            came.header,
            came.instance,
            links.get(came.instance, NO_LINK),
            links,
            foreign,
            crafted if isinstance(crafted, Crafted) else None,
            crafted if isinstance(crafted, CraftedHandshake) else None,
            interrupted,
        )
        if view.foreign and _refused_for_zero_receiver(came) and view.acted_upon:
            # It may be accepted or discarded [reading INSTANCE-RECEIVER-ZERO].
            view = replace(view, header=None)
            self._stores[step.party] = {tag: one for tag, one in came.stores.items() if tag != came.instance}
        if view.changes:
            self._note_signatures(view)
        if view.crafted is not None and view.crafted.renumbered:
            self._renumbered |= {view.crafted.ssid, view.link.name}
        if view.handshake is not None and view.established:
            # The insider's client does not know of another key or key id in it.
            self._renumbered |= {view.handshake.ssid, self.link(view.party, view.instance).name}
        changed = step.args.get("policy") if step.action == "set_policy" else None
        if isinstance(changed, Policy) and step.party not in self._unruly and step.failure is None:
            self._policies[step.party] = changed
        return view

    def after_fragment(self, step: Step) -> Mapping[int, wire.Assembly] | None:
        """The fragments that a party stores after a step, if it only stored one or refused one for the right reason.

        None for any other step. `keep` then takes the place of `view`.
        """
        raw = step.args.get("message")
        if step.action != "receive" or step.failure is not None or not isinstance(raw, bytes):
            return None
        if step.party in self._foreign:
            return None
        message = wire.parse_once(raw)
        if message.kind not in wire.FRAGMENTS or not enabled(self._policies.get(step.party)):
            return None
        own = self._own_tag(step.party)
        reason, stores, whole = _take_fragment(message, self._stores.get(step.party, _NO_STORES), own)
        return stores if whole is None and only_refused(step, reason) else None

    def keep(self, party: str, stores: Mapping[int, wire.Assembly]) -> None:
        """Remember the fragments that a party stores."""
        self._stores[party] = stores

    def _note_interruptions(self, party: str, piece: wire.Piece | None, came: _Incoming) -> bool:
        """Note which fragments a foreign party may have forgotten by now; returns whether that matters for this one.

        It may have forgotten them if anything but their continuation has come since: a fragment of another sender, a
        whole message, a fragment that is illegal or malformed. [readings FRAGMENT-STREAMS, FRAGMENT-DISCARDED,
        FRAGMENT-ILLEGAL, FRAGMENT-MALFORMED] piece: that of the received fragment.
        """
        before = self._interrupted.get(party, frozenset())
        unsure = frozenset(came.stores)
        if piece is not None and came.fragment is None and (piece.k == 1 or piece.sender not in before):
            unsure -= {piece.sender}
        self._interrupted[party] = unsure
        return piece is not None and piece.k > 1 and piece.sender in before

    def renumbered(self, *ssids: bytes | None) -> bool:
        """Whether an insider may have made the two sides of a session disagree on its keys and counters."""
        return not self._renumbered.isdisjoint(ssids)

    def was_sent_in(self, link: SessionView, message: Message) -> bool:
        """Whether a data message may have been sent unchanged in a session. Only for messages to foreign parties."""
        name = message.authenticated
        return name is not None and name in self._genuine and link.may_be(self._genuine[name])

    def _crafted(self, message: Message | None) -> Crafted | CraftedHandshake | None:
        """What is known of a message, if an insider made it."""
        crafted = self.world.network.crafted
        return crafted.get(name_of(message)) if crafted and message is not None else None

    def _note_signatures(self, view: Observation) -> None:
        """Remember the Signature Message, received or sent, that ended each handshake of a step."""
        for event in view.changes:
            if isinstance(event, SessionEstablished):
                instance = session_of(event)
                sent = [one.message for one in view.sent if one.instance == instance]
                seen = [view.message, *sent] if view.message is not None else sent
                last = next((one for one in seen if one.kind is Kind.SIGNATURE), None)
                link, signature = self.link(view.party, instance), None if last is None else last.proof
                self._put(view.party, instance, replace(link, signature=signature))

    # What a step leads to

    def _observed(self, step: Step, received: int) -> Iterator[ObservedEvent]:
        """The events and whole messages of a step. received: the session of the received message, 0 if none."""
        events = step.events
        if step.party in self._foreign:
            events = [self._placed(step, event, received) for event in events]
            # The order of messages and reports within a foreign party's answer means nothing. So a session is read as
            # reported before the messages sent in it, and everything else after the messages.
            events = _ordered(events)
        typed = step.args.get("text") if step.action == "send" else None
        joiner = wire.Joiner()
        for event in events:
            if isinstance(event, OutgoingMessage):
                if typed and isinstance(typed, bytes) and in_the_clear(typed, event.message):
                    # A user may type what looks like an OTR message; sent unchanged, it is only text.
                    field = wire.Field("text", wire.Type.REST, event.message, event.message, 0)
                    text = Message(Kind.PLAINTEXT, None, (field,))
                    yield Sent(event.message, text, (event.message,), 0, NO_LINK)
                    continue
                message = wire.parse_once(event.message)
                joined = joiner.add(event.message, message)
                if joined is not None:
                    if joined.raw is not event.message:
                        message = wire.parse_once(joined.raw)
                    yield self._sent(step.party, message, joined)
                continue
            self._follow(step.party, event)
            yield event

    def _placed(self, step: Step, event: Event, received: int) -> Event:
        """An event with its session filled in, if the party does not tell it.

        That is the session of the received message, by its sender tag. A user's action is about the session that it
        names, or else the one with the latest handshake.
        """
        if isinstance(event, TextReceived) and event.instance is None:
            return replace(event, instance=received if event.secure else 0)
        if not isinstance(event, ABOUT_SESSIONS) or event.instance is not None:
            return event
        if step.action == "receive":
            return replace(event, instance=received)
        links = self.links(step.party)
        named = step.args.get("instance")
        newest = max(links, key=lambda instance: links[instance].number, default=0)
        return replace(event, instance=named if isinstance(named, int) else newest)

    def _sent(self, party: str, message: Message, joined: wire.Joined) -> Sent:
        instance = message.number("receiver_tag") if message.has("receiver_tag") else 0
        if message.has("sender_tag") and not self.world.parties[party].instance_tag:
            self._tags[party] = message.number("sender_tag")
        link = self.link(party, instance)
        if self._foreign and (name := message.authenticated) is not None:
            self._genuine[name] = link.ssid
        return Sent(joined.raw, message, joined.pieces, instance, link)

    def _follow(self, party: str, event: Event) -> None:
        if isinstance(event, SessionEstablished):
            self._handshakes += 1
            link = SessionView(
                MessageState.ENCRYPTED,
                event.version,
                event.ssid,
                event.fingerprint,
                event.sent_reveal_signature,
                self._handshakes,
            )
            self._put(party, session_of(event), link)
        elif isinstance(event, (PeerEndedSession, UserEndedSession)):
            state = MessageState.FINISHED if isinstance(event, PeerEndedSession) else MessageState.PLAINTEXT
            link = self.link(party, session_of(event))
            self._put(party, session_of(event), replace(link, state=state, ssid=b""))


def only_refused(step: Step, reason: RejectReason | None) -> bool:
    """Whether all that a party reports is that it refused a fragment for this reason, or nothing if that is None."""
    return not step.events if reason is None else list(step.events) == [MessageRejected(reason)]


class _Incoming(NamedTuple):
    """What a party has received. stores: the fragments that it then keeps; the other fields are as in Observation."""

    stores: Mapping[int, wire.Assembly]
    message: Message | None = None
    is_fragment: bool = False
    fragment: RejectReason | None = None
    header: RejectReason | None = None
    instance: int = 0


def _incoming(raw: bytes, stores: Mapping[int, wire.Assembly], own: int) -> _Incoming:
    message = wire.parse_once(raw)
    is_fragment = message.kind in wire.FRAGMENTS
    if is_fragment:
        reason, stores, whole = _take_fragment(message, stores, own)
        if whole is None:
            return _Incoming(stores, None, is_fragment, reason)
        message = wire.parse_once(whole)
        if message.kind in wire.FRAGMENTS:
            return _Incoming(stores, None, is_fragment, RejectReason.NESTED_FRAGMENT)
    header, instance = _judge_header(message, own)
    if (
        header in (RejectReason.BAD_ARMOUR, RejectReason.MALFORMED, RejectReason.UNKNOWN_VERSION)
        or message.kind in TEXT
    ):
        stores = {}
    elif instance in stores and header in (None, RejectReason.UNKNOWN_TYPE):
        stores = {tag: store for tag, store in stores.items() if tag != instance}
    return _Incoming(stores, message, is_fragment, None, header, instance)


def _ordered(events: Sequence[Event]) -> list[Event]:
    """Reports up to the last established session, then the messages, then the other reports, each in their order."""
    last = max((at for at, event in enumerate(events) if isinstance(event, SessionEstablished)), default=-1)
    early = [event for event in events[: last + 1] if not isinstance(event, OutgoingMessage)]
    late = [event for event in events[last + 1 :] if not isinstance(event, OutgoingMessage)]
    return [*early, *(event for event in events if isinstance(event, OutgoingMessage)), *late]


def in_the_clear(text: bytes, sent: bytes) -> bool:
    """Whether the sent bytes are a text as the user typed it, perhaps with a whitespace tag."""
    return sent == text or (wire.TAG_BASE in sent and wire.offered_with_text(text, sent) is not None)


def _judge_tags(sender: int, receiver: int, own: int) -> RejectReason | None:
    if sender < MIN_INSTANCE_TAG:
        return RejectReason.BAD_SENDER_TAG
    if 0 < receiver < MIN_INSTANCE_TAG:
        return RejectReason.BAD_RECEIVER_TAG
    return None if receiver in (0, own or receiver) else RejectReason.OTHER_INSTANCE


def _judge_header(message: Message, own: int) -> tuple[RejectReason | None, int]:
    """Why an encoded message is discarded before its body is read, or None, and the session it belongs to."""
    if message.kind in TEXT:
        return None, 0
    if message.kind is Kind.BAD_ARMOUR:
        return RejectReason.BAD_ARMOUR, 0
    if message.version not in (2, 3):
        return (RejectReason.MALFORMED if message.version is None else RejectReason.UNKNOWN_VERSION), 0
    if not message.has("type"):
        return RejectReason.MALFORMED, 0
    sender = 0
    if message.version == 3:
        if not message.has("sender_tag"):
            return RejectReason.MALFORMED, 0
        sender = message.number("sender_tag")
        receiver = message.number("receiver_tag") if message.has("receiver_tag") else None
        reason = _judge_tags(sender, receiver or 0, own)
        if receiver is None:
            return reason or RejectReason.MALFORMED, sender
        if reason is None and receiver == 0 and message.kind is not Kind.DH_COMMIT:
            reason = RejectReason.OTHER_INSTANCE
        if reason is not None:
            return reason, sender
    return (RejectReason.UNKNOWN_TYPE if message.kind is Kind.UNKNOWN_ENCODED else None), sender


def _refused_for_zero_receiver(came: _Incoming) -> bool:
    """Whether a message was to be discarded for its receiver tag 0, which only a D-H Commit may have."""
    zero = came.message is not None and came.message.has("receiver_tag") and not came.message.number("receiver_tag")
    return zero and came.header is RejectReason.OTHER_INSTANCE


def _take_fragment(
    message: Message, stores: Mapping[int, wire.Assembly], own: int
) -> tuple[RejectReason | None, Mapping[int, wire.Assembly], bytes | None]:
    """Why a fragment is refused, what is stored afterwards, and the message if it is now whole. [Receiving Fragments]

    These are the rules of a receiver as this oracle reads them, deliberately separate from the engines' and the
    model's.
    """
    piece = message.piece
    if piece is None:
        return RejectReason.BAD_FRAGMENT, stores, None
    sender, k, n = piece.sender, piece.k, piece.n
    if message.kind is Kind.FRAGMENT_V3 and (reason := _judge_tags(sender, piece.receiver, own)):
        return reason, stores, None
    if not 1 <= k <= n <= 0xFFFF:
        return RejectReason.BAD_FRAGMENT, stores, None
    old = stores.get(sender)
    others = stores if old is None else {tag: store for tag, store in stores.items() if tag != sender}
    if k == 1:
        kept = dict(others)
        store = _NOTHING.plus(message)
    elif old is not None and (old.n, old.k + 1) == (n, k):
        kept = dict(stores)  # keeps its place among the senders, by first fragment
        store = old.plus(message)
    else:
        return RejectReason.FRAGMENT_OUT_OF_ORDER, others, None
    if store.size > MAX_REASSEMBLY:
        return RejectReason.TOO_LARGE, others, None
    if k == n:
        return None, others, store.joined()
    kept[sender] = store
    if len(kept) > MAX_INSTANCES:
        del kept[next(iter(kept))]
    return None, kept, None
