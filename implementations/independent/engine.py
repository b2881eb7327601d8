"""The engine that the contract asks for: the entry points, and who handles what.

Receiving sorts a message by its form, keeps the books on fragments, and hands it on; the user's actions check their
arguments and the state, in the order that the choices give (such as [choice actions.send-checks]). The protocol
itself is in the modules called from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_TEXT,
    Ended,
    Entropy,
    ErrorReceived,
    Event,
    ExtraKey,
    OtrError,
    Outgoing,
    PartyConfig,
    PartySnapshot,
    Policy,
    Reason,
    Refused,
    Rejected,
    TextReceived,
)

from . import fragments, handshake, inbound, smp, smp_run, text
from .outbound import Tlv, encode_tlv, send_data
from .party import Party, PartyState, StoredText, in_words
from .secret_values import all_secrets
from .session import Encrypted, Finished, Plaintext, Session
from .wire import HANDSHAKE_KINDS, IGNORE_UNREADABLE, TAG_REASONS, Fault, Kind, read_handshake_body, read_header

_USE_LIMIT = 1 << 32


class IndependentEngine:
    """An implementation of contract.Engine, where its methods are described."""

    def __init__(self, config: PartyConfig, entropy: Entropy | None = None) -> None:
        """Raises OtrError for a configuration out of range."""
        self._party = Party(config, entropy)

    @property
    def instance_tag(self) -> int:
        return self._party.state.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._party.fingerprint

    # Receiving.

    def receive(self, message: bytes) -> Sequence[Event]:
        if not self._party.versions:
            self._forget_fragments()
            return [self._show(message)]
        return self._receive_kind(message, text.classify(message))

    def _receive_kind(self, message: bytes, kind: text.Kind) -> list[Event]:
        match kind:
            case text.FragmentText():
                return self._receive_fragment(message, kind)
            case text.EncodedText():
                return self._receive_encoded(message, kind.start)
        self._forget_fragments()
        match kind:
            case text.ErrorText():
                events: list[Event] = [ErrorReceived(kind.text)]
                if Policy.ERROR_START_AKE in self._party.state.policy:
                    events.append(self._query())
                return events
            case text.QueryText():
                return handshake.begin(self._party, kind.offers)
            case text.PlainText():
                events = [self._show(kind.text)]
                if Policy.WHITESPACE_START_AKE in self._party.state.policy:
                    events += handshake.begin(self._party, kind.offers)
                return events

    def _show(self, shown: bytes) -> Event:
        """Text in the clear. [Receiving plaintext without the whitespace tag]"""
        state = self._party.state
        state.heard_plaintext = True
        private = not isinstance(self._party.session(state.focus).message, Plaintext)
        return TextReceived(shown, False, private or Policy.REQUIRE_ENCRYPTION in state.policy, 0)

    def _receive_fragment(self, message: bytes, kind: text.FragmentText) -> list[Event]:
        state = self._party.state
        try:
            fragment = fragments.parse(message, kind.start, kind.version, state.instance_tag)
        except Fault as fault:
            return [Rejected(fault.reason)]
        state.fragments, complete, reason = fragments.add(state.fragments, fragment)
        if reason is not None:
            return [Rejected(reason)]
        if complete is None:
            return []
        inner = text.classify(complete)
        if isinstance(inner, text.FragmentText):
            return [Rejected(Reason.NESTED_FRAGMENT)]
        return self._receive_kind(complete, inner)

    def _forget_fragments(self, sender: int | None = None) -> None:
        """Forget the fragments of one sender (0 for version 2), or all of them."""
        state = self._party.state
        state.fragments = {} if sender is None else {k: v for k, v in state.fragments.items() if k != sender}

    def _receive_encoded(self, message: bytes, start: int) -> list[Event]:
        """[Encoded messages]"""
        party = self._party
        try:
            raw = text.unarmour(message, start)
            header = read_header(raw, party.state.instance_tag)
        except Fault as fault:
            if fault.reason not in TAG_REASONS:
                self._forget_fragments()
            return [Rejected(fault.reason, fault.field, fault.offset)]
        self._forget_fragments(header.sender)
        if header.kind == Kind.DATA:
            return inbound.receive(party, header, raw)
        try:
            if header.kind in HANDSHAKE_KINDS and header.version not in party.versions:
                raise Fault(Reason.VERSION_NOT_ALLOWED)
            return handshake.receive(party, header, read_handshake_body(raw, header))
        except Fault as fault:
            return [Rejected(fault.reason, fault.field, fault.offset)]

    # The user's actions.

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        session = self._target(instance)
        if session is None:
            return [Refused("send", Reason.WRONG_STATE)]
        if len(text) > MAX_TEXT or (padding is not None and not 0 <= padding <= MAX_PADDING):
            return [Refused("send", Reason.TOO_LONG)]
        if b"\0" in text:
            return [Refused("send", Reason.HAS_NUL)]
        match session.message:
            case Plaintext():
                return [self._send_plaintext(text)]
            case Finished() as finished:
                self._store(text, finished.fingerprint)
                return [Refused("send", Reason.WRONG_STATE)]
            case Encrypted() as encrypted:
                if padding is not None:
                    text += b"\0" + encode_tlv(Tlv.PADDING, bytes(padding))
                return send_data(self._party, session.instance, encrypted, text).events

    def _send_plaintext(self, typed: bytes) -> Event:
        """[User types a message to be sent]"""
        state, versions = self._party.state, self._party.versions
        if not versions:
            return Outgoing(typed)
        if Policy.REQUIRE_ENCRYPTION in state.policy:
            self._store(typed, None)
            return self._query()
        if Policy.SEND_WHITESPACE_TAG in state.policy and not state.heard_plaintext:
            return Outgoing(typed + text.whitespace_tag(versions))
        return Outgoing(typed)

    def _store(self, typed: bytes, fingerprint: bytes | None) -> None:
        state = self._party.state
        state.stored = state.stored.plus((StoredText(typed, state.now, fingerprint),))

    def _query(self) -> Event:
        return Outgoing(text.query(self._party.versions))

    def start(self) -> Sequence[Event]:
        if not self._party.versions:
            return [Refused("start", Reason.NOT_IN_VERSION)]
        return [self._query()]

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        party = self._party
        session = self._target(instance)
        if session is None or isinstance(session.message, Plaintext):
            return []
        tag = session.instance
        events: list[Event] = []
        if isinstance(session.message, Encrypted):
            encrypted = session.message
            goodbye = b"\0" + encode_tlv(Tlv.DISCONNECTED)
            events += send_data(party, tag, encrypted, goodbye, flags=IGNORE_UNREADABLE, last=True).events
            events += smp_run.dropped(tag, encrypted, Reason.SESSION_LEFT)
            party.forget_keys(tuple(encrypted.ratchet.our_keys.values()))
        party.put(replace(party.session(tag), message=Plaintext()))
        if tag == party.state.focus:
            party.state.heard_plaintext = False
        events.append(Ended(tag))
        return events

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [Refused("smp_start", Reason.WRONG_STATE)]
        if question is not None and len(question) > MAX_QUESTION:
            return [Refused("smp_start", Reason.TOO_LONG)]
        if question is not None and b"\0" in question:
            return [Refused("smp_start", Reason.HAS_NUL)]
        return smp_run.start(self._party, tag, encrypted, secret, question)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None or not isinstance(encrypted.smp, smp.Asked):
            return [Refused("smp_answer", Reason.WRONG_STATE)]
        return smp_run.answer(self._party, tag, encrypted, encrypted.smp, secret)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [Refused("smp_abort", Reason.WRONG_STATE)]
        return smp_run.abort(self._party, tag, encrypted).events

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [Refused("extra_key", Reason.WRONG_STATE)]
        if self._party.session(tag).version != 3:
            return [Refused("extra_key", Reason.NOT_IN_VERSION)]
        if len(data) > MAX_EXTRA_KEY_DATA or not 0 <= use < _USE_LIMIT:
            return [Refused("extra_key", Reason.TOO_LONG)]
        record = encode_tlv(Tlv.EXTRA_KEY, use.to_bytes(4, "big") + data)
        sent = send_data(self._party, tag, encrypted, b"\0" + record)
        return [*sent.events, ExtraKey(tag, False, use, data, sent.keys.extra)]

    def _target(self, instance: int | None) -> Session | None:
        """The session that an action means, None if it names one that does not exist."""
        state = self._party.state
        if instance is None:
            return self._party.session(state.focus)
        return state.sessions.get(instance)

    def _secured(self, instance: int | None) -> tuple[int, Encrypted | None]:
        """The tag of the session that an action means, and what belongs to ENCRYPTED if it is in that state."""
        tag = self._party.state.focus if instance is None else instance
        return tag, self._party.encrypted(tag)

    def set_time(self, now: int) -> None:
        if now < self._party.state.now:
            raise OtrError(f"the time went backwards, from {in_words(self._party.state.now)} to {in_words(now)}")
        self._party.state.now = now

    def set_policy(self, policy: Policy) -> None:
        self._party.state.policy = policy

    # Looking inside.

    def inspect(self) -> PartySnapshot:
        state = self._party.state
        return PartySnapshot(
            instance_tag=state.instance_tag,
            focus=state.focus,
            announced=state.announced is not None,
            heard_plaintext=state.heard_plaintext,
            sessions=tuple(state.sessions[tag].snapshot() for tag in sorted(state.sessions)),
            stored=tuple(entry.text for entry in state.stored),
            fragments={sender: (partial.k, partial.n) for sender, partial in state.fragments.items()},
        )

    def secrets(self) -> Mapping[str, bytes]:
        return all_secrets(self._party.state)

    def snapshot(self) -> object:
        return self._party.state.copy()

    def restore(self, state: object) -> None:
        """Raises OtrError for anything but a snapshot of this class."""
        if not isinstance(state, PartyState):
            raise OtrError("not a snapshot of this engine")
        self._party.state = state.copy()
