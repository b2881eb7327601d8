"""What passes between a party and the network, whatever it means: tags, fragments, leaks, bounds (I11 to I14)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace

from harness import wire
from harness.drivers import TargetUnsupported
from harness.oracles.base import Oracle
from harness.oracles.reading import ALLOW, Reader, Sent, View
from harness.wire import Kind, Message
from implementations.contract import (
    MAX_INSTANCES,
    MIN_INSTANCE_TAG,
    AuthState,
    Established,
    MessageState,
    PartyConfig,
    Policy,
    Reason,
    Refused,
    Rejected,
    SessionSnapshot,
    TextReceived,
    Unreadable,
)


class InstanceTags(Oracle):
    """Foreign or malformed instance tags never touch a session, and sessions with several instances stay apart.

    Every version 3 message goes out with the party's own tag, and with receiver tag 0 only if it is a D-H Commit;
    answers carry the tag of whom they answer. A message whose tags say that it is not for this client is discarded
    with the reason that fits. A message, and a user's action, changes no session but its own; only a handshake that
    waits with a D-H key that has just been dropped may go back to NONE.
    """

    id = "I11"

    def observe(self, view: View) -> None:
        for one in view.sent:
            self._outgoing(view, one)
        discarded = (Reason.BAD_SENDER_TAG, Reason.BAD_RECEIVER_TAG, Reason.OTHER_INSTANCE)
        if view.header in discarded and (view.acted_upon if view.foreign else view.refusal is not view.header):
            self.fail(view, f"refusal {view.refusal} for a message whose tags are {view.header}", "it is discarded")
        touched = self._touched(view)
        if touched is not None:
            self._isolation(view, touched)

    def _outgoing(self, view: View, one: Sent) -> None:
        message = one.message
        if message.version != 3 or not message.has("receiver_tag"):
            return
        sender, receiver = message.number("sender_tag"), message.number("receiver_tag")
        told = self._reader.world.parties[view.party].instance_tag  # 0 if it is not; it need not stay the same then
        if sender != (told or sender) or sender < MIN_INSTANCE_TAG:
            self.fail(view, f"sender tag {sender:#x} goes out", f"our own, {view.own_tag:#x}")
        if receiver < MIN_INSTANCE_TAG and (receiver or message.kind is not Kind.DH_COMMIT):
            self.fail(view, f"receiver tag {receiver:#x} on a {message.kind} message", "the tag of the session")
        if view.step.action == "receive" and receiver not in (0, view.instance):
            self.fail(view, f"an answer to {view.instance:#x} goes to {receiver:#x}", "it goes to whom it answers")

    def _touched(self, view: View) -> set[int] | None:
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

    def _isolation(self, view: View, touched: set[int]) -> None:
        before, after = view.step.before, view.step.after
        if before is None or after is None:
            return
        was = {session.instance: session for session in before.sessions}
        now = {session.instance: session for session in after.sessions}
        for instance in {*was, *now} - touched:
            if not self._unchanged(was.get(instance), now.get(instance), len(was)):
                self.fail(view, f"session {instance:08x} is changed", f"only {sorted(touched)} may change")
        moved = {event.instance for event in view.happenings if isinstance(event, Established)}
        if after.focus != before.focus and after.focus not in moved & touched:
            self.fail(view, f"the focus moves to {after.focus:08x}", "it moves to a session that becomes ENCRYPTED")

    def _unchanged(self, was: SessionSnapshot | None, now: SessionSnapshot | None, count: int) -> bool:
        if was is None or now is None:
            full = now is None and count > MAX_INSTANCES
            return full and was is not None and was.message_state is MessageState.PLAINTEXT
        if was.auth_state is AuthState.AWAITING_DHKEY and now.auth_state is AuthState.NONE:
            now = replace(now, auth_state=was.auth_state)
        return was == now


class Fragments(Oracle):
    """Only fragments 1 to n in their order assemble; anything else resets or is ignored as written; memory is bounded.

    What is stored for each sender is what the protocol text's rules make of the fragments that came in, a fragment
    that is stored gives no event, and one that is refused no other than its reason. Only encoded messages go out in
    fragments: all of them, in order, none empty, none above the size agreed, with the tags of the message itself.
    """

    id = "I12"
    fixed = frozenset({"_reader", "_sizes"})

    def __init__(self, reader: Reader, configs: Mapping[str, PartyConfig] | None = None) -> None:
        super().__init__(reader)
        self._sizes = {name: config.max_message_size for name, config in (configs or {}).items()}

    def observe(self, view: View) -> None:
        for one in view.sent:
            self._outgoing(view, one)
        if view.step.action == "receive" and view.is_fragment:
            expected = [] if view.fragment is None else [Rejected(view.fragment)]
            wrong = view.acted_upon if view.foreign else list(view.happenings) != expected
            if (view.message is None or view.fragment) and wrong:
                self.fail(view, f"{list(view.happenings)!r:.200} for a fragment", f"{expected}")
        party = view.step.after
        if party is None:
            return
        if view.step.action == "receive":
            stored = {sender: (store.k, store.n) for sender, store in view.stores.items()}
            if dict(party.fragments) != stored:
                self.fail(view, f"the state shows fragments {dict(party.fragments)}", f"{stored} by the rules")
        if len(party.fragments) > MAX_INSTANCES:
            self.fail(view, f"fragments of {len(party.fragments)} senders are kept", f"{MAX_INSTANCES} at most")

    def _outgoing(self, view: View, one: Sent) -> None:
        size = self._sizes.get(view.party)
        encoded = one.message.armour is not None
        if size is not None and encoded and any(len(piece) > size for piece in one.pieces):
            self.fail(view, f"{max(map(len, one.pieces))} bytes go out at once", f"{size} at most")
        if len(one.pieces) == 1:
            return
        parts = [wire.parse(piece) for piece in one.pieces]
        numbers = [(int(part.data("k")), int(part.data("n"))) for part in parts]
        if not encoded or numbers != [(k, len(parts)) for k in range(1, len(parts) + 1)]:
            self.fail(view, f"fragments {numbers} of a {one.message.kind} message", "1 to n of an encoded message")
        if {part.version for part in parts} != {one.message.version}:
            self.fail(view, "fragments of another version than their message", "the version of the message")
        for part in parts if one.message.version == 3 else ():
            tags = (int(part.data("sender_tag"), 16), int(part.data("receiver_tag"), 16))
            own = (one.message.number("sender_tag"), one.message.number("receiver_tag"))
            if tags != own:
                self.fail(view, f"a fragment with tags {tags}", f"those of its message, {own}")


#: Texts shorter than this may be in any message by chance.
_TELLING = 6

#: Most texts remembered of each party.
_REMEMBERED = 256


class Leaks(Oracle):
    """Plaintext never leaves in the clear where state or policy forbids it, and text received in the clear is flagged.

    What the user types in ENCRYPTED goes out in data messages alone, in FINISHED not at all, and in PLAINTEXT under
    REQUIRE_ENCRYPTION only a query goes out. Texts, questions and secrets typed there are never found in any message
    sent, armour taken off or not. Otherwise a text goes out as it was typed, at most with a whitespace tag. A text
    shown that came in the clear is never called secure, and the user is warned in ENCRYPTED, in FINISHED and under
    REQUIRE_ENCRYPTION.
    """

    id = "I13"

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._private: dict[tuple[str, bytes], None] = {}

    def observe(self, view: View) -> None:
        for event in view.happenings:
            if isinstance(event, TextReceived):
                self._shown(view, event)
        if view.step.action == "send" and self._public(view):
            return
        if view.step.action in ("send", "smp_start", "smp_answer", "extra_key"):
            self._remember(view)
        for one in view.sent:
            self._search(view, one)

    def _state(self, view: View) -> MessageState | None:
        """The message state that decides what happens to a text typed now; None when that can't be told."""
        instance = view.meant
        if instance is None:
            states = {link.state for link in view.links.values()}
            return states.pop() if len(states) == 1 else None
        link = view.links.get(instance)
        return link.state if link else MessageState.PLAINTEXT

    def _public(self, view: View) -> bool:
        """Judge what goes out when a user sends; whether the text is free to go out in the clear."""
        text, state = view.step.args.get("text"), self._state(view)
        kinds = [one.message.kind for one in view.sent]
        refused = any(isinstance(event, Refused) for event in view.happenings)
        if state is None or (view.foreign and not view.enabled):
            return True  # OTR is switched off, of which the text says no more, or nobody knows what it did
        if refused or not isinstance(text, bytes):
            if kinds:
                self.fail(view, f"{list(map(str, kinds))} goes out although refused", "nothing")
            return False
        if state is not MessageState.PLAINTEXT:
            expected = [Kind.DATA] if state is MessageState.ENCRYPTED else []
            if kinds != expected:
                self.fail(view, f"{list(map(str, kinds))} goes out in {state.name}", f"{list(map(str, expected))}")
            return False
        if view.policy is None:
            return True
        if Policy.REQUIRE_ENCRYPTION in view.policy and view.enabled:
            if [wire.parse(one.raw).kind for one in view.sent] != [Kind.QUERY]:  # also where the text is one
                self.fail(view, f"{list(map(str, kinds))} goes out under REQUIRE_ENCRYPTION", "a query")
            return False
        self._in_the_clear(view, text, view.policy)
        return True

    def _in_the_clear(self, view: View, text: bytes, policy: Policy) -> None:
        out = b"".join(one.raw for one in view.sent)
        may = Policy.SEND_WHITESPACE_TAG in policy and view.enabled
        groups = b"".join(wire.TAG_VERSIONS[version] for version, flag in sorted(ALLOW.items()) if flag in policy)
        tagged = text + wire.TAG_BASE + groups
        if out != text and not (may and out == tagged):
            self.fail(view, f"{out[:80]!r} goes out", f"the text as it was typed{', or with the tag' if may else ''}")
        if may and view.step.before is not None and (out == tagged) is view.step.before.heard_plaintext:
            self.fail(view, "the tag is sent, or not", "it is sent until the peer is heard in plain text")

    def _shown(self, view: View, event: TextReceived) -> None:
        if event.secure:
            self.demand(view.is_data, view, "text that came in the clear is called secure", "it is not")
            return
        self.demand(event.instance == 0, view, f"instance {event.instance:#x} for plain text", "instance 0")
        if view.is_data:
            self.fail(view, "a data message is shown as plain text", "it is never")
        before = view.step.before
        if view.policy is None or (before is None and len(view.links) > 1):
            return
        focus = view.links.get(before.focus) if before is not None else next(iter(view.links.values()), None)
        private = focus is not None and focus.state is not MessageState.PLAINTEXT
        warn = private or Policy.REQUIRE_ENCRYPTION in view.policy
        self.demand(event.warn is warn, view, f"warn={event.warn} for plain text", f"warn={warn}")

    def _remember(self, view: View) -> None:
        for name in ("text", "secret", "question", "data"):
            value = view.step.args.get(name)
            # What looks like a part of the protocol may go out as one, too.
            if isinstance(value, bytes) and len(value) >= _TELLING and not value.startswith(b"?OTR"):
                self._private[view.party, value] = None
        while len(self._private) > _REMEMBERED:
            del self._private[next(iter(self._private))]

    def _search(self, view: View, one: Sent) -> None:
        body = one.message.body
        for party, text in self._private:
            if party != view.party:
                continue
            if text in body or text in one.raw or b64encode(text)[: len(text) // 3 * 4] in one.raw:
                self.fail(view, f"{text[:60]!r} is found in a {one.message.kind} message", "it leaves only encrypted")


#: Most whole messages that one message received calls for, texts that waited for the handshake apart: an answer of
#: SMP and a heartbeat.
_ANSWERS = {Kind.DATA: 2}

#: Most bytes of an answer; a Reveal Signature with a 3072-bit key is the longest.
_ANSWER_SIZE = 8192


class Bounds(Oracle):
    """Bad input meets a documented refusal or a documented silence: no exception, bounded answers, bounded memory.

    No input raises. What is received never gives an event that belongs to users' actions, nor the other way round; an
    action that is refused does nothing else, except that a text refused in FINISHED is stored. An encoded message is
    either acted upon or refused, with a documented reason. The answers to a message are few and short, and the state
    has a bounded number of sessions.
    """

    id = "I14"

    def observe(self, view: View) -> None:
        step = view.step
        if step.failure is not None:
            if not step.failure.startswith(TargetUnsupported.__name__):  # it said so, and did nothing
                self.fail(view, f"it raises {step.failure}", "no input raises")
            return
        if step.action == "receive":
            self._received(view)
        else:
            self._acted(view)
        if step.after is not None and len(step.after.sessions) > MAX_INSTANCES + 1:
            self.fail(view, f"{len(step.after.sessions)} sessions", f"{MAX_INSTANCES} and session 0 at most")

    def _received(self, view: View) -> None:
        refusals = [one for one in view.happenings if isinstance(one, Rejected | Unreadable)]
        if any(isinstance(one, Refused) for one in view.happenings):
            self.fail(view, "a message received is refused as an action", "Rejected or Unreadable")
        if any(one.reason is Reason.UNSPECIFIED for one in refusals) and not view.foreign:
            self.fail(view, "a refusal without a reason", "one of the documented reasons")
        message = view.message
        taken = view.acted_upon if view.foreign else view.refusal is None
        if message is not None and view.header is not None and taken:
            self.fail(view, f"a message is acted upon whose header is {view.header.value}", "it is refused")
        if message is not None and self._broken(message) and taken:
            problem = message.problems[0]
            self.fail(view, f"a malformed message is acted upon: {problem}", "it is refused")
        stored = len(view.step.before.stored) if view.step.before is not None else None
        sent = list(view.sent)
        most = _ANSWERS.get(message.kind, 1) if message is not None else 0
        if any(isinstance(one, Established) for one in view.happenings):
            if stored is None:
                return
            most += stored
            sent = sent[:1]
        if len(list(view.sent)) > most:
            self.fail(view, f"{len(list(view.sent))} answers", f"{most} at most")
        if any(len(one.raw) > _ANSWER_SIZE for one in sent):
            self.fail(view, f"an answer of {max(len(one.raw) for one in sent)} bytes", f"{_ANSWER_SIZE} at most")

    @staticmethod
    def _broken(message: Message) -> bool:
        return message.kind in wire.ENCODED and bool(message.problems)

    def _acted(self, view: View) -> None:
        if any(isinstance(one, Rejected | Unreadable) for one in view.happenings):
            self.fail(view, "a user's action gives a refusal of received messages", "Refused")
        refused = next((one for one in view.happenings if isinstance(one, Refused)), None)
        if refused is None:
            return
        before, after = view.step.before, view.step.after
        if len(view.happenings) > 1 or refused.action != view.step.action:
            self.fail(view, f"{list(view.happenings)!r:.200}", "a refusal of this action alone")
        if before is None or after is None:
            return
        if (
            view.step.action == "send"
            and refused.reason is Reason.WRONG_STATE
            and isinstance(text := view.step.args.get("text"), bytes)
        ):
            kept = replace(before, stored=(*before.stored, text))
            if after == kept:
                return
        if after != before:
            self.fail(view, f"an action refused with {refused.reason.value} changes the state", "nothing changes")
