"""The oracles for authenticity and rejection: what is delivered was sent, and what is refused leaves no trace."""

from __future__ import annotations

from typing import NamedTuple

from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import MAC_WAS_RIGHT, Observation, Sent, session_of
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.targets.lockstep import differences
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    MessageRejected,
    MessageUnreadable,
    PartySnapshot,
    RejectReason,
    SessionEstablished,
    StoredTextDropped,
    TextReceived,
)
from otterproof.implementations.values import replace


class SentMessage(NamedTuple):
    """A data message as it was sent. text: what the user typed, b"" for no text, None if unknown."""

    sender: str
    ssid: bytes | None
    text: bytes | None


class Authenticity(Oracle):
    """Secure text that is delivered was sent by the peer in this session, once, unmodified, in order per key pair.

    Every data message that is acted upon, with text or without, must be one that some party sent in a session with the
    same ssid, and must not have been acted upon before. Its counter must exceed those of all messages accepted under
    the same pair of keys. The text shown as secure is the one that the sender's user typed, and no text is sent more
    often than it was typed. A text that is sent again after a handshake may be marked as such. The handling of a text
    with a NUL is left to the implementation, as the text of a data message ends at the first NUL. A message that an
    insider makes with the keys of the session counts as sent by that party; its text is shown unchanged, or not at all.
    """

    id = "authenticity"
    impact = Impact.AUTHENTICITY
    one_sided = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._messages: dict[bytes, SentMessage] = {}
        # Foreign parties whose users have typed a text with a NUL.
        self._with_nul: set[str] = set()
        # How often each text was typed, and how often it was sent in a data message.
        self._typed: dict[tuple[str, bytes], int] = {}
        self._sent: dict[tuple[str, bytes], int] = {}
        self._delivered: set[tuple[str, bytes]] = set()
        self._counters: dict[tuple[str, bytes, int, int], int] = {}

    def observe(self, view: Observation) -> None:
        # Judge first, as what is delivered was sent before this step.
        try:
            if view.accepted or view.observed:
                self._judge(view)
        finally:  # remembered even if a failure is excused
            if view.sent or view.step.action == "send":
                self._write_down(view)

    def _judge(self, view: Observation) -> None:
        secure = [event for event in view.reports if isinstance(event, TextReceived) and event.secure]
        if not view.accepted:
            if secure:
                expected = "no text is shown as secure"
                self.fail("authenticity.shown-unauthenticated", view, expected=expected, got=secure[0].text)
            return
        message = view.message
        if message is None or not view.link.encrypted:
            expected = "the message is refused, as the session is not ENCRYPTED"
            self.fail("authenticity.accepted-without-session", view, expected=expected, got=view.step.events)
        name = message.authenticated
        sent = self._messages.get(name) if name is not None else None
        if sent is None and view.crafted is not None:
            sent = SentMessage(view.crafted.sender, view.crafted.ssid, view.crafted.text)
        if name is None or sent is None or not view.link.may_be(sent.ssid):
            expected = "the message is refused, as nobody sent it in this session"
            self.fail("authenticity.forgery-accepted", view, expected=expected, got=view.step.events)
        if (view.party, name) in self._delivered:
            expected = "the copy is refused"
            self.fail("authenticity.accepted-twice", view, expected=expected, got=view.step.events)
        self._delivered.add((view.party, name))
        self._judge_counter(view, message)
        texts = [event.text for event in secure]
        if sent.text is None:
            known = sent.sender in self._with_nul or all(self._may_resend(sent.sender, text) for text in texts)
            genuine = known and len(texts) < 2
        else:
            wanted = [sent.text] if sent.text else []
            as_sent = len(texts) == len(wanted) and all(map(view.is_shown_as, wanted, texts))
            genuine = as_sent or (view.crafted is not None and not texts)
        if not genuine:
            typed = "any one text that was typed" if sent.text is None else sent.text or "no text"
            self.fail("authenticity.text-changed", view, expected=typed, got=texts)
        instances = [f"{session_of(event):08x}" for event in secure if session_of(event) != view.instance]
        self.demand("authenticity.wrong-instance", not instances, view, expected=f"{view.instance:08x}", got=instances)

    def _may_resend(self, sender: str, text: bytes) -> bool:
        """Whether a text is one that its sender's user typed earlier, perhaps marked as sent again. [USER-RESEND]

        If the typed text is empty, only the mark is seen, which can be any text.
        """
        return any(one in text for party, one in self._typed if party == sender)

    def _judge_counter(self, view: Observation, message: Message) -> None:
        pair = message.key_ids
        counter, where = int.from_bytes(message.data("ctr")), (view.party, view.link.name, *pair)
        last = self._counters.get(where, 0)
        if counter <= last:
            expected = f"above {last}, under key ids {pair[0]} and {pair[1]}"
            self.fail("authenticity.old-counter-accepted", view, expected=expected, got=counter)
        self._counters[where] = counter

    def _write_down(self, view: Observation) -> None:
        stored = list(view.step.before.stored) if view.step.before is not None else None
        typed = view.step.args.get("text") if view.step.action == "send" else None
        if isinstance(typed, bytes):
            self._typed[view.party, typed] = self._typed.get((view.party, typed), 0) + 1
        if view.types_nul:
            self._with_nul.add(view.party)
        # A party without snapshots is behind a driver, which may report a session after the messages sent in it.
        established = stored is None and view.established
        for one in view.observed:
            if isinstance(one, SessionEstablished):
                established = True
            elif isinstance(one, StoredTextDropped) and stored:
                stored.pop(0)
            elif isinstance(one, Sent) and (name := one.message.authenticated) is not None:
                text: bytes | None = b""
                if view.types_nul:
                    text = None
                elif isinstance(typed, bytes):
                    text = typed
                elif established:
                    text = stored.pop(0) if stored else (None if stored is None else b"")
                self._messages[name] = SentMessage(view.party, one.link.ssid, text)
                if text:
                    self._count(view, text)

    def _count(self, view: Observation, text: bytes) -> None:
        where = (view.party, text)
        self._sent[where] = self._sent.get(where, 0) + 1
        if self._sent[where] > self._typed.get(where, 0):
            typed = f"sent {self._typed.get(where, 0)} times, as often as it was typed"
            self.fail(
                "authenticity.sent-twice", view, expected=typed, got=f"sent {self._sent[where]} times: {shown(text)}"
            )


class Rejection(Oracle):
    """A message that is refused changes nothing, reveals nothing, and is answered by one Error Message at most.

    The refusal is the only outcome of the step. The snapshot afterwards equals the one before, except that fragments
    may have been forgotten, and that a MAC key is noted as used if the MAC was right but the counter or next_dh was
    not. A data message that could not be read is reported to its sender by one Error Message, or not at all if its flag
    IGNORE_UNREADABLE is set; other implementations may apply the flag to wrong keys and MACs alone. Nothing else is
    answered, except that a D-H Commit that loses against our own is answered with our own.
    """

    id = "rejection"
    impact = Impact.AVAILABILITY

    def observe(self, view: Observation) -> None:
        if view.foreign:
            if view.refused:
                self._foreign(view)
            return
        reason = view.refusal
        if reason is None:
            return
        for one in view.observed:
            if not isinstance(one, (MessageRejected, MessageUnreadable, Sent)):
                expected = f"nothing beside the refusal ({reason.value})"
                self.fail("rejection.has-effects", view, expected=expected, got=view.step.events)
        kinds = [one.message.kind for one in view.sent]
        allowed = self._answer(view, reason)
        if kinds != allowed:
            self.fail("rejection.wrong-answer", view, expected=allowed, got=kinds)
        before, after = view.step.before, view.step.after
        expected_state = (
            self._expected(view, reason, before, after) if before is not None and after is not None else after
        )
        if expected_state != after:
            changed = differences(expected_state, after, "before", "afterwards")
            self.fail("rejection.state-changed", view, expected="the state of before", got=changed)

    def _foreign(self, view: Observation) -> None:
        """Judge, by the protocol text, a data message that its receiver reports as unreadable."""
        message = view.message
        if not view.is_data or message is None or message.problems or view.ambiguous:
            return
        if view.crafted is not None and view.refusal in (None, RejectReason.MALFORMED):
            return  # a TLV may have been refused, which is not reported differently
        if view.acted_upon:
            expected = "nothing beside the refusal"
            self.fail("rejection.has-effects", view, expected=expected, got=view.step.events)
        quiet, kinds = message.number("flags") & 1, [one.message.kind for one in view.sent]
        told = any(isinstance(one, MessageUnreadable) for one in view.reports)
        if quiet and (told or kinds) and self._wrong_keys(view, message):
            self.fail("rejection.flag-ignored", view, expected="no event, and no answer", got=view.step.events)
        if told and not quiet and kinds != [Kind.ERROR]:
            self.fail("rejection.wrong-answer", view, expected=Kind.ERROR, got=kinds)

    def _wrong_keys(self, view: Observation, message: Message) -> bool:
        """Whether a data message is refused for its keys or MAC; the flag may count for these alone. [DATA-IGNORE-FLAG]

        A message that was sent in this session has the right ones; it may be refused for its counter.
        """
        if view.crafted is not None:
            return False
        return view.link.encrypted and not self._reader.was_sent_in(view.link, message)

    def _answer(self, view: Observation, reason: RejectReason) -> list[Kind]:
        if reason is RejectReason.COLLISION_WON:
            return [Kind.DH_COMMIT]
        if not view.is_data or view.message is None:
            return []
        quiet = view.message.has("flags") and view.message.number("flags") & 1
        told = any(isinstance(one, MessageUnreadable) for one in view.reports)
        if told == bool(quiet):
            if quiet:
                self.fail("rejection.flag-ignored", view, expected="the user is not told", got=view.step.events)
            self.fail("rejection.not-reported", view, expected="the user is told", got=view.step.events)
        return [] if quiet else [Kind.ERROR]

    def _expected(
        self, view: Observation, reason: RejectReason, before: PartySnapshot, after: PartySnapshot
    ) -> PartySnapshot:
        expected = replace(before, fragments=after.fragments)
        message = view.message
        if reason not in MAC_WAS_RIGHT or message is None or not view.is_data:
            return expected
        pair = (message.number("recipient_keyid"), message.number("sender_keyid"))
        sessions = tuple(
            replace(one, ratchet=replace(one.ratchet, verified=one.ratchet.verified | {pair}))
            if one.instance == view.instance and one.ratchet is not None
            else one
            for one in before.sessions
        )
        return replace(expected, sessions=sessions)
