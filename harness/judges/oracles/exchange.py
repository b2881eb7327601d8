"""The oracles for what passes between a party and the network, whatever its content: tags, fragments, leaks, bounds."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace

from otterproof.harness import wire
from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import ALLOW, TEXT, Observation, Sent, session_of
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.targets.lockstep import differences
from otterproof.harness.wire import Kind, Message, Problem
from otterproof.harness.wire.shown import counted, shown
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    ActionRefused,
    AuthState,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    PartyConfig,
    PartySnapshot,
    Policy,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    SessionSnapshot,
    TextReceived,
)


class InstanceTags(Oracle):
    """Foreign or malformed instance tags never touch a session, and sessions with several instances stay apart.

    An answer carries the tag of the client that it answers. A message whose tags show that it is not for this client is
    discarded with the matching reason. A message or a user's action changes no session but its own, except that a
    handshake waiting with a D-H key that has just been dropped may go back to NONE.
    """

    id = "instance-tags"
    impact = Impact.INTEROPERABILITY

    def observe(self, view: Observation) -> None:
        for one in view.sent:
            self._outgoing(view, one)
        discarded = (RejectReason.BAD_SENDER_TAG, RejectReason.BAD_RECEIVER_TAG, RejectReason.OTHER_INSTANCE)
        taken = (view.acted_upon and not view.ambiguous) if view.foreign else view.refusal is not view.header
        if view.header in discarded and taken:
            expected = f"the message is discarded: {view.header.value}"
            self.fail("instance-tags.not-discarded", view, expected=expected, got=view.step.events)
        touched = self._touched(view)
        if touched is not None:
            self._isolation(view, touched)

    def _outgoing(self, view: Observation, one: Sent) -> None:
        message = one.message
        if message.version != 3 or not message.has("receiver_tag"):
            return
        receiver = message.number("receiver_tag")
        if view.foreign and message.kind is Kind.DH_COMMIT and view.message is not None and view.message.kind in TEXT:
            return  # a query and a tag name no sender; the commit may be for a known client. [COMMIT-FORM-5]
        if view.step.action == "receive" and receiver not in (0, view.instance) and not view.ambiguous:
            expected = f"receiver tag {view.instance:08x}, the sender tag of the message that is answered"
            self.fail("instance-tags.answer-to-another", view, expected=expected, got=f"{receiver:08x}")

    def _touched(self, view: Observation) -> set[int] | None:
        """The sessions that the step may change; None for all."""
        if view.step.action in ("set_policy", "start"):
            return set()
        if view.step.action != "receive":
            instance = view.step.args.get("instance")
            if instance is None and view.step.before is not None:
                instance = view.step.before.focus
            return {instance} if isinstance(instance, int) else None
        if view.message is None or view.header is not None or view.message.kind in (Kind.ERROR, Kind.PLAINTEXT):
            return set()
        if view.message.kind in (Kind.QUERY, Kind.TAGGED_PLAINTEXT):
            return None
        return {view.instance}

    def _isolation(self, view: Observation, touched: set[int]) -> None:
        before, after = view.step.before, view.step.after
        if before is None or after is None or (view.same_sessions and before.focus == after.focus):
            return
        was = {session.instance: session for session in before.sessions}
        now = {session.instance: session for session in after.sessions}
        for instance in {*was, *now} - touched:
            if not self._unchanged(was.get(instance), now.get(instance), len(was)):
                allowed = ", ".join(f"{one:08x}" for one in sorted(touched)) or "no session"
                expected, got = f"only these sessions may change: {allowed}", f"session {instance:08x} changes"
                self.fail("instance-tags.other-session-changed", view, expected=expected, got=got)
        moved = {session_of(event) for event in view.changes if isinstance(event, SessionEstablished)}
        if after.focus != before.focus and after.focus not in moved & touched:
            expected = f"{before.focus:08x}, or a session that has just been established"
            self.fail("instance-tags.focus-moved", view, expected=expected, got=f"{after.focus:08x}")

    def _unchanged(self, was: SessionSnapshot | None, now: SessionSnapshot | None, count: int) -> bool:
        if was is None or now is None:
            full = now is None and count > MAX_INSTANCES
            return full and was is not None and was.message_state is MessageState.PLAINTEXT
        if was.auth_state is AuthState.AWAITING_DHKEY and now.auth_state is AuthState.NONE:
            now = replace(now, auth_state=was.auth_state)
        return was == now


def holds(party: PartySnapshot | None, stores: Mapping[int, wire.Assembly]) -> bool:
    """Whether a party stores these fragments and no others. True for a party that shows no state."""
    if party is None:
        return True
    held = party.fragments
    return len(held) == len(stores) and all(held.get(tag) == (one.k, one.n) for tag, one in stores.items())


def _stored(fragments: Mapping[int, tuple[int, int]]) -> str:
    """The stored fragments, in words."""
    return ", ".join(f"{k} of {n} from {sender:08x}" for sender, (k, n) in fragments.items()) or "nothing"


#: The end of a fragment that has nothing between its last two commas.
_EMPTY_PIECE = b",,"


class Fragments(Oracle):
    """Only fragments 1 to n in their order assemble; anything else resets or is ignored as written; memory is bounded.

    What is stored for each sender follows from the received fragments by the rules of the protocol text. A fragment
    that is stored causes no event, and one that is refused causes only the refusal. Only encoded messages are sent in
    fragments, and these are complete, in order, not empty, within the agreed size, and carry the tags of the message
    itself.
    """

    id = "fragments"
    impact = Impact.INTEROPERABILITY
    fixed = frozenset({"_reader", "_sizes"})

    def __init__(self, reader: Reader, configs: Mapping[str, PartyConfig] | None = None) -> None:
        super().__init__(reader)
        self._sizes = {name: config.max_message_size for name, config in (configs or {}).items()}

    def observe(self, view: Observation) -> None:
        if view.step.action == "receive" and view.is_fragment and not view.ambiguous:
            right = [] if view.fragment is None else [MessageRejected(view.fragment)]
            wrong = view.acted_upon if view.foreign else list(view.observed) != right
            if (view.message is None or view.fragment) and wrong:
                whole = "nothing is taken for genuine before the message is whole"
                self.fail("fragments.not-inert", view, expected=whole if view.foreign else right, got=view.step.events)
        # Sent messages come second: other oracles presume that what was received must have had no effect.
        for one in view.sent:
            self._outgoing(view, one)
        party = view.step.after
        if party is None:
            return
        if view.step.action == "receive" and not holds(party, view.stores):
            stored = {sender: (store.k, store.n) for sender, store in view.stores.items()}
            self.fail("fragments.wrong-store", view, expected=_stored(stored), got=_stored(party.fragments))
        if len(party.fragments) > MAX_INSTANCES:
            expected, got = f"fragments of at most {MAX_INSTANCES} senders", f"of {len(party.fragments)}"
            self.fail("fragments.too-many-senders", view, expected=expected, got=got)

    def _outgoing(self, view: Observation, one: Sent) -> None:
        size = self._sizes.get(view.party)
        encoded = one.message.armour is not None
        if size is not None and encoded and any(len(piece) > size for piece in one.pieces):
            got = f"{max(map(len, one.pieces))} bytes"
            self.fail("fragments.over-maximum-size", view, expected=f"at most {size} bytes", got=got)
        if len(one.pieces) == 1:
            if one.message.kind in wire.FRAGMENTS:
                self._stray(view, one)
            return
        parts = [wire.parse_once(piece) for piece in one.pieces]
        pieces = [piece for part in parts if (piece := part.piece) is not None]
        numbers = [(piece.k, piece.n) for piece in pieces]
        if not encoded or numbers != [(k, len(parts)) for k in range(1, len(parts) + 1)]:
            what = f"of {shown(one.message.kind)}: {', '.join(f'{k} of {n}' for k, n in numbers)}"
            expected = f"fragments 1 to {len(parts)} of an encoded message"
            self.fail("fragments.wrong-sequence", view, expected=expected, got=what)
        versions = {part.version for part in parts}
        if versions != {one.message.version}:
            self.fail("fragments.wrong-version", view, expected=one.message.version, got=versions)
        if one.message.version != 3:
            return
        own = (one.message.number("sender_tag"), one.message.number("receiver_tag"))
        for piece in pieces:
            tags = (piece.sender, piece.receiver)
            if tags != own:
                expected, got = (f"{sender:08x} and {receiver:08x}" for sender, receiver in (own, tags))
                self.fail("fragments.wrong-tags", view, expected=expected, got=got)

    def _stray(self, view: Observation, one: Sent) -> None:
        """A fragment was sent that belongs to no message: it is malformed, or contains another fragment as a whole."""
        if one.raw.endswith(_EMPTY_PIECE):
            self.fail("fragment.empty-piece-sent", view, expected="at least one byte in each fragment", got=one.raw)
        self.fail("fragments.wrong-sequence", view, expected="fragments of an encoded message", got=one.raw)


#: Shorter texts may occur in a message by chance.
_TELLING = 6

#: The maximum number of texts that are remembered.
_REMEMBERED = 256


class Leaks(Oracle):
    """Plaintext never leaves in the clear where state or policy forbids it, and text received in the clear is flagged.

    In ENCRYPTED, what the user types is sent in data messages alone. In FINISHED nothing is sent, and in PLAINTEXT
    under REQUIRE_ENCRYPTION only a query. Texts, questions and secrets typed there are never found in a sent message,
    with its armour or without. Otherwise a text is sent as it was typed, at most with a whitespace tag. Another
    implementation may, in every state, send a query when one is typed, taking it as the wish to start OTR. Text
    received in the clear is never shown as secure, and the user is warned in ENCRYPTED, in FINISHED and under
    REQUIRE_ENCRYPTION; another implementation need not warn while OTR is switched off.
    """

    id = "leaks"
    impact = Impact.CONFIDENTIALITY

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        # (party, private text) -> the text as it would appear in armour.
        self._private: dict[tuple[str, bytes], bytes] = {}

    def observe(self, view: Observation) -> None:
        for event in view.reports:
            if isinstance(event, TextReceived):
                self._shown(view, event)
        if view.step.action == "send" and self._public(view):
            return
        if view.step.action in ("send", "smp_start", "smp_answer", "extra_key"):
            self._remember(view)
        for one in view.sent:
            self._search(view, one)

    def _state(self, view: Observation) -> MessageState | None:
        """The message state that decides what happens to a text typed now; None if unknown."""
        instance = view.action_instance
        if instance is None:
            states = {link.state for link in view.links.values()}
            return states.pop() if len(states) == 1 else None
        link = view.links.get(instance)
        return link.state if link else MessageState.PLAINTEXT

    def _public(self, view: Observation) -> bool:
        """Judge what is sent when a user sends a text, and return whether the text may go out in the clear."""
        text, state = view.step.args.get("text"), self._state(view)
        kinds = [one.message.kind for one in view.sent]
        refused = any(isinstance(event, ActionRefused) for event in view.reports)
        if state is None or (view.foreign and not view.enabled):
            return True  # the state is unknown, or OTR is off, for which the text demands nothing
        if refused or not isinstance(text, bytes):
            if kinds:
                self.fail("leaks.sent-although-refused", view, expected="nothing goes out", got=kinds)
            return False
        if view.foreign and self._wishes(view, text):
            return True
        if state is not MessageState.PLAINTEXT:
            expected = [Kind.DATA] if state is MessageState.ENCRYPTED else []
            if kinds != expected:
                check_id = "leaks.sent-unencrypted" if state is MessageState.ENCRYPTED else "leaks.sent-after-end"
                self.fail(check_id, view, expected=expected, got=kinds)
            return False
        if view.policy is None:
            return True
        if Policy.REQUIRE_ENCRYPTION in view.policy and view.enabled:
            if [wire.parse_once(one.raw).kind for one in view.sent] != [Kind.QUERY]:  # even if the text is one
                self.fail("leaks.sent-despite-policy", view, expected=Kind.QUERY, got=kinds)
            return False
        self._in_the_clear(view, text, view.policy)
        return True

    def _wishes(self, view: Observation, text: bytes) -> bool:
        """Whether a user types a query and a query is sent: a client may take it as the wish to start OTR."""
        typed = wire.parse(text)
        alone = typed.kind is Kind.QUERY and not typed.data("before") and not typed.data("after")
        return alone and [wire.parse_once(one.raw).kind for one in view.sent] == [Kind.QUERY]

    def _in_the_clear(self, view: Observation, text: bytes, policy: Policy) -> None:
        out = b"".join(one.raw for one in view.sent)
        may = Policy.SEND_WHITESPACE_TAG in policy and view.enabled
        allowed = frozenset(version for version, flag in ALLOW.items() if flag in policy)
        tagged = wire.offered_with_text(text, out) == allowed
        if out != text and not (may and tagged) and not view.types_nul:
            expected = f"{shown(text)}{', or that with the whitespace tag' if may else ''}"
            self.fail("leaks.clear-text-changed", view, expected=expected, got=out)
        if may and view.step.before is not None and tagged is view.step.before.heard_plaintext:
            got, expected = ("a tag", "no tag") if tagged else ("no tag", "a tag")
            self.fail("leaks.wrong-tag", view, expected=expected, got=got)

    def _shown(self, view: Observation, event: TextReceived) -> None:
        if event.secure:
            expected = "text that came in the clear is not shown as secure"
            self.demand("leaks.clear-text-shown-secure", view.is_data, view, expected=expected, got=event)
            return
        instance = session_of(event)
        self.demand("leaks.clear-text-in-session", instance == 0, view, expected="instance 0", got=instance)
        if view.is_data and not view.ambiguous:
            expected = "nothing of a Data Message is shown as plain text"
            self.fail("leaks.data-message-shown-in-clear", view, expected=expected, got=event)
        before = view.step.before
        if view.policy is None or (before is None and len(view.links) > 1):
            return
        if view.foreign and not view.enabled:
            return  # OTR is off, and received text gets no special treatment
        focus = view.links.get(before.focus) if before is not None else next(iter(view.links.values()), None)
        private = focus is not None and focus.state is not MessageState.PLAINTEXT
        warn = private or Policy.REQUIRE_ENCRYPTION in view.policy
        expected, got = ("with a warning" if one else "without a warning" for one in (warn, event.warn))
        self.demand("leaks.wrong-warning", event.warn in (warn, None), view, expected=expected, got=got)

    def _remember(self, view: Observation) -> None:
        for name in ("text", "secret", "question", "data"):
            value = view.step.args.get(name)
            # What looks like an OTR message may legitimately occur in one that is sent.
            if isinstance(value, bytes) and len(value) >= _TELLING and not value.startswith(b"?OTR"):
                self._private[view.party, value] = b64encode(value)[: len(value) // 3 * 4]
        while len(self._private) > _REMEMBERED:
            del self._private[next(iter(self._private))]

    def _search(self, view: Observation, one: Sent) -> None:
        body = one.message.body
        for (party, text), armoured in self._private.items():
            if party == view.party and (text in body or text in one.raw or armoured in one.raw):
                got = f"in {shown(one.message.kind)}: {shown(text)}"
                self.fail("leaks.private-text-in-message", view, expected="it is in no message", got=got)


#: The maximum number of whole messages sent in answer to one, apart from texts that waited for the handshake: an SMP
#: answer and a heartbeat after a data message; one message after any other.
_ANSWERS = {Kind.DATA: 2}

#: The maximum size of an answer in bytes; the longest is a Reveal Signature with a 3072-bit key.
_ANSWER_SIZE = 8192


#: Problems, by code and field, that the protocol texts do not demand to be refused; "" stands for any field. [readings
#: ARMOUR-TRAILING, TYPES-MPI-ZEROS, DATA-OLDMACS-LENGTH] A hash of another length leads to no session, but may be
#: answered. [COMMIT-HASH-2]
_LEFT_OPEN = {("trailing", ""), ("leading-zero", ""), ("length", "old_mac_keys"), ("length", "hashed_gx")}


class Bounds(Oracle):
    """Bad input is refused or ignored as documented: no exception, bounded answers, bounded memory.

    No input raises an exception. A received message never causes an event that belongs to users' actions, or the other
    way round. An action that is refused does nothing else, except that a text refused in FINISHED is stored. An encoded
    message is either acted upon or refused with a documented reason. One that does not have the form of its type is
    refused; where the protocol texts leave that open (trailing bytes, numbers with leading zeros, hashes and old MAC
    keys of a wrong length), only the engines of this project have to refuse it. The answers to a message are few and
    short, and the number of sessions is bounded.
    """

    id = "bounds"
    impact = Impact.AVAILABILITY

    def observe(self, view: Observation) -> None:
        step = view.step
        if step.failure is not None:
            # A target may declare that it does not support an action.
            if not step.failure.unsupported:
                self.fail("bounds.breaks-down", view, expected="events, or none", got=step.failure.text)
            return
        if step.action == "receive":
            self._received(view)
        else:
            self._acted(view)
        if step.after is not None and len(step.after.sessions) > MAX_INSTANCES + 1:
            expected, got = f"at most {MAX_INSTANCES}, and session 0", len(step.after.sessions)
            self.fail("bounds.too-many-sessions", view, expected=expected, got=got)

    def _received(self, view: Observation) -> None:
        for one in view.reports:
            if isinstance(one, ActionRefused):
                expected = "a message is refused by MessageRejected or MessageUnreadable"
                self.fail("bounds.wrong-refusal", view, expected=expected, got=view.step.events)
        refusals = [one for one in view.reports if isinstance(one, (MessageRejected, MessageUnreadable))]
        if any(one.reason is None for one in refusals) and not view.foreign:
            self.fail("bounds.refusal-without-reason", view, expected="a documented reason", got=view.step.events)
        message = view.message
        taken = (view.acted_upon and not view.ambiguous) if view.foreign else not view.refused
        if message is not None and view.header is not None and taken:
            expected = f"the message is refused for its header: {view.header.value}"
            self.fail("bounds.bad-header-accepted", view, expected=expected, got=view.step.events)
        broken = self._broken(message, view.foreign) if message is not None else None
        if broken is not None and taken:
            expected = f"the message is refused: {broken}"
            self.fail("bounds.malformed-message-accepted", view, expected=expected, got=view.step.events)
        stored = len(view.step.before.stored) if view.step.before is not None else None
        sent = view.sent
        most = _ANSWERS.get(message.kind, 1) if message is not None else int(view.ambiguous)
        if view.crafted is not None:
            most += len(view.crafted.tlvs)  # each TLV may be answered
        if view.established:
            if stored is None:
                return
            most += stored
            # Stored texts, which are sent now, are as long as the user typed them.
            sent = [one for one in sent if one.message.kind is not Kind.DATA]
        if len(view.sent) > most:
            expected = f"at most {counted(most, 'answer')}" if most else "no answer"
            got = [one.message.kind for one in view.sent]
            self.fail("bounds.too-many-answers", view, expected=expected, got=got)
        if any(len(one.raw) > _ANSWER_SIZE for one in sent):
            expected, size = f"at most {_ANSWER_SIZE} bytes", max(len(one.raw) for one in sent)
            self.fail("bounds.answer-too-large", view, expected=expected, got=f"{size} bytes")

    @staticmethod
    def _broken(message: Message, foreign: bool) -> Problem | None:
        """The first problem for which an encoded message has to be refused."""
        if message.kind not in wire.ENCODED:
            return None
        allowed = _LEFT_OPEN if foreign else frozenset()
        return next(
            (one for one in message.problems if not {(one.code, ""), (one.code, one.field)} & allowed),
            None,
        )

    def _acted(self, view: Observation) -> None:
        if any(isinstance(one, (MessageRejected, MessageUnreadable)) for one in view.reports):
            expected = "an action is refused by ActionRefused"
            self.fail("bounds.wrong-refusal", view, expected=expected, got=view.step.events)
        refused = next((one for one in view.reports if isinstance(one, ActionRefused)), None)
        if refused is None:
            return
        before, after = view.step.before, view.step.after
        if len(view.observed) > 1 or refused.action != view.step.action:
            expected = f"the refusal of {view.step.action} alone"
            self.fail("bounds.refused-action-has-effects", view, expected=expected, got=view.step.events)
        if before is None or after is None:
            return
        if (
            view.step.action == "send"
            and refused.reason is RefuseReason.WRONG_STATE
            and isinstance(text := view.step.args.get("text"), bytes)
        ):
            kept = replace(before, stored=(*before.stored, text))
            if after == kept:
                return
        if after != before:
            expected = f"the state of before, as the action is refused: {shown(refused.reason)}"
            got = differences(before, after, "before", "afterwards")
            self.fail("bounds.refused-action-changes-state", view, expected=expected, got=got)
