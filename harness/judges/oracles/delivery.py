"""Authenticity and rejection: what is delivered was sent, and what is refused leaves no trace (I1, I2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from otterproof.harness.judges.oracles.base import Oracle
from otterproof.harness.judges.oracles.reading import MAC_WAS_RIGHT, Observation, Reader, Sent
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    Established,
    PartySnapshot,
    Reason,
    Rejected,
    StoredDropped,
    TextReceived,
    Unreadable,
)


def authenticated(message: Message) -> bytes | None:
    """A digest of the part of a data message that its MAC covers, and of the MAC; None if the message is cut short.

    The revealed MAC keys after it are not authenticated, so an adversary can change them.
    """
    if message.kind is not Kind.DATA or not message.has("mac"):
        return None
    return hashlib.sha256(message.mac_input() + message.data("mac")).digest()


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A data message as it was sent. text: what the user typed, b"" for no text, None if that can't be told."""

    sender: str
    ssid: bytes
    text: bytes | None


class Authenticity(Oracle):
    """Secure text that is delivered was sent by the peer in this session, once, unmodified, in order per key pair.

    Every data message that is acted upon, with text or without, must be one that some party transmitted in a session
    with the same ssid, and must not have been acted upon before. Its counter must exceed those of all messages
    accepted under the same pair of keys. The text shown as secure is the one that the sender's user typed, and no text
    is sent more often than it was typed.
    """

    id = "I1"

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._letters: dict[bytes, SentMessage] = {}
        # How often each text was typed, and how often it went out in a data message.
        self._typed: dict[tuple[str, bytes], int] = {}
        self._sent: dict[tuple[str, bytes], int] = {}
        self._delivered: set[tuple[str, bytes]] = set()
        self._counters: dict[tuple[str, bytes, int, int], int] = {}

    def observe(self, view: Observation) -> None:
        # Judge first, as what is delivered was sent before this step.
        self._judge(view)
        self._write_down(view)

    def _judge(self, view: Observation) -> None:
        shown = [event for event in view.happenings if isinstance(event, TextReceived) and event.secure]
        if not view.accepted:
            if shown:
                # [DATA-RECV-12]
                self.fail(view, f"{shown[0].text[:60]!r} is shown as secure", "only an accepted data message shows it")
            return
        message = view.message
        if message is None or not view.link.encrypted:
            # [STATE-ENDED-3, USER-END-5]
            self.fail(view, "a data message is acted upon outside ENCRYPTED", "it is refused with NOT_ENCRYPTED")
        name = authenticated(message)
        letter = self._letters.get(name) if name is not None else None
        if name is None or letter is None or letter.ssid != view.link.ssid:
            # [DATA-MAC-2, STATE-SECRECY-2]
            self.fail(view, "a data message that nobody sent in this session is acted upon", "it is refused")
        # [DATA-RECV-13]
        self.demand((view.party, name) not in self._delivered, view, "it is acted upon again", "a copy is refused")
        self._delivered.add((view.party, name))
        self._judge_counter(view, message)
        texts = [event.text for event in shown]
        if letter.text is None:
            genuine = all((letter.sender, text) in self._typed for text in texts) and len(texts) < 2
        else:
            genuine = texts == ([letter.text] if letter.text else [])
        if not genuine:
            # [DATA-TEXT-1, DATA-TEXT-3]
            self.fail(view, f"shown as secure: {texts!r:.200}", f"{letter.sender} sent {letter.text!r:.200}")
        # [INSTANCE-MULTI-1]
        self.demand(
            all(event.instance == view.instance for event in shown),
            view,
            "the text is shown for another session",
            "it is shown for the session that it came in",
        )

    def _judge_counter(self, view: Observation, message: Message) -> None:
        pair = (message.number("sender_keyid"), message.number("recipient_keyid"))
        counter, where = int.from_bytes(message.data("ctr")), (view.party, view.link.ssid, *pair)
        last = self._counters.get(where, 0)
        if counter <= last:
            # [KEYMGMT-RECV-6]
            self.fail(view, f"counter {counter} accepted after {last} for key ids {pair}", "counters rise")
        self._counters[where] = counter

    def _write_down(self, view: Observation) -> None:
        stored = list(view.step.before.stored) if view.step.before is not None else None
        typed = view.step.args.get("text") if view.step.action == "send" else None
        if isinstance(typed, bytes):
            self._typed[view.party, typed] = self._typed.get((view.party, typed), 0) + 1
        # A party without snapshots is behind a driver, which may report a session after the messages sent in it.
        established = stored is None and any(isinstance(one, Established) for one in view.happenings)
        for one in view.happenings:
            if isinstance(one, Established):
                established = True
            elif isinstance(one, StoredDropped) and stored:
                stored.pop(0)
            elif isinstance(one, Sent) and (name := authenticated(one.message)) is not None:
                text: bytes | None = b""
                if isinstance(typed, bytes):
                    text = typed
                elif established:
                    text = stored.pop(0) if stored else (None if stored is None else b"")
                self._letters[name] = SentMessage(view.party, one.link.ssid, text)
                if text:
                    self._count(view, text)

    def _count(self, view: Observation, text: bytes) -> None:
        where = (view.party, text)
        self._sent[where] = self._sent.get(where, 0) + 1
        if self._sent[where] > self._typed.get(where, 0):
            # [USER-STORED-5]
            times = f"{self._sent[where]} times, typed {self._typed.get(where, 0)} times"
            self.fail(view, f"{text[:60]!r} is sent {times}", "what was typed once is sent once")


class Rejection(Oracle):
    """What is refused changes nothing, reveals nothing, and is answered by one Error Message at most.

    A refusal is the only outcome of its step. The snapshot afterwards equals the one before, except that fragments may
    have been forgotten, and that a MAC key is noted as used if the MAC was right but the counter or next_dh was not. A
    data message that could not be read is reported to its sender by one Error Message, or not at all if its flag
    IGNORE_UNREADABLE is set. Nothing else is answered, except that a D-H Commit which loses against our own is answered
    with our own.
    """

    id = "I2"

    def observe(self, view: Observation) -> None:
        reason = view.refusal
        if reason is None:
            return
        if view.foreign:
            self._foreign(view, reason)
            return
        for one in view.happenings:
            if not isinstance(one, Rejected | Unreadable | Sent):
                # [DATA-RECV-12, REVEAL-REJECT-1, SIG-REJECT-1]
                self.fail(view, f"{reason.value} together with {one!r:.200}", "a refusal is the only outcome")
        kinds = [one.message.kind for one in view.sent]
        allowed = self._answer(view, reason)
        if kinds != allowed:
            # [COMMIT-DHKEY-3, DATA-RECV-7, DATA-RECV-9, INSTANCE-DISCARD-4]
            self.fail(view, f"{reason.value} answered with {list(map(str, kinds))}", f"{list(map(str, allowed))}")
        before, after = view.step.before, view.step.after
        # [COMMIT-BAD-1, COMMIT-DHKEY-2, DATA-RECV-10, INSTANCE-DISCARD-4, REVEAL-IGNORED-1, ROBUST-INPUT-2]
        if before is not None and after is not None and self._expected(view, reason, before, after) != after:
            self.fail(view, f"{reason.value} changed the state", "the snapshot is the same as before")

    def _foreign(self, view: Observation, reason: Reason) -> None:
        """Judge by the protocol text a data message that its receiver reports as unreadable."""
        message = view.message
        if not view.is_data or message is None or message.problems:
            return
        if view.acted_upon:
            # [DATA-RECV-12]
            self.fail(view, f"{reason.value} together with {view.happenings!r:.200}", "what is refused has no effect")
        quiet, kinds = message.number("flags") & 1, [one.message.kind for one in view.sent]
        told = any(isinstance(one, Unreadable) for one in view.happenings)
        if quiet and (told or kinds):
            # [DATA-FLAGS-4]
            seen = f"the user is {'' if told else 'not '}told, and {list(map(str, kinds))} goes out"
            self.fail(view, seen, "what has the flag IGNORE_UNREADABLE is ignored when it can't be read")
        if told and not quiet and kinds != [Kind.ERROR]:
            # [DATA-RECV-7, DATA-RECV-9]
            self.fail(view, f"answered with {list(map(str, kinds))}", "it is answered with an Error Message")

    def _answer(self, view: Observation, reason: Reason) -> list[Kind]:
        if reason is Reason.COLLISION_WON:
            return [Kind.DH_COMMIT]
        if not view.is_data or view.message is None:
            return []
        quiet = view.message.has("flags") and view.message.number("flags") & 1
        told = any(isinstance(one, Unreadable) for one in view.happenings)
        if told == bool(quiet):
            # [DATA-FLAGS-4, DATA-RECV-6, DATA-RECV-8]
            self.fail(
                view,
                f"IGNORE_UNREADABLE is {'set' if quiet else 'clear'}, the user is {'' if told else 'not '}told",
                "the user is told unless the flag is set",
            )
        return [] if quiet else [Kind.ERROR]

    def _expected(
        self, view: Observation, reason: Reason, before: PartySnapshot, after: PartySnapshot
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
