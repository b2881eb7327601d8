"""The engine that the contract asks for: the entry points, and who handles what.

Receiving sorts a message by its form, keeps the books on fragments, and hands it on; the user's actions check their
arguments and the state, in the order that the choices give (such as [choice actions.send-checks]). The protocol
itself is in the modules called from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otterproof.implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_TEXT,
    ActionRefused,
    Entropy,
    ErrorMessageReceived,
    Event,
    ExtraKeyDerived,
    MessageRejected,
    OtrError,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    RefuseReason,
    RejectReason,
    SmpAbortReason,
    TextReceived,
    UserEndedSession,
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
        if not self._party.versions:  # [POLICY-OFF-1]
            self._forget_fragments()
            return [self._show(message)]
        return self._receive_kind(message, text.classify(message))

    def _receive_kind(self, message: bytes, kind: text.Kind) -> list[Event]:
        """Every kind is handled in every state. [State transitions; STATE-ACTIONS-1]"""
        match kind:
            case text.FragmentText():
                return self._receive_fragment(message, kind)
            case text.EncodedText():
                return self._receive_encoded(message, kind.start)
        self._forget_fragments()  # [FRAGMENT-RECV-15, FRAGMENT-RECV-16]
        match kind:
            case text.ErrorText():
                # Reported as the bytes that came. No state changes, and no Error Message answers it. [ERROR-TEXT-2,
                # ERROR-SHOW-1, ERROR-STATE-1, ERROR-LOOP-1]
                events: list[Event] = [ErrorMessageReceived(kind.text)]
                if Policy.ERROR_START_AKE in self._party.state.policy:
                    # [POLICY-ERROR-1, ERROR-START-1, ERROR-START-2]
                    events.append(self._query())
                return events
            case text.QueryText():  # without asking a policy, and without showing it [TAG-PURPOSE-1, QUERY-SHOW-1]
                return handshake.begin(self._party, kind.offers)
            case text.PlainText():
                events = [self._show(kind.text)]
                if Policy.WHITESPACE_START_AKE in self._party.state.policy:  # [POLICY-START-1, TAG-START-5]
                    events += handshake.begin(self._party, kind.offers)
                return events

    def _show(self, shown: bytes) -> Event:
        """Text in the clear, from which the tag was removed. It changes neither message nor authentication state.
        [Receiving plaintext without the whitespace tag; STATE-CLEAR-1, STATE-CLEAR-4, STATE-CLEAR-6, TAG-SHOW-1,
        TAG-SHOW-3]
        """
        state = self._party.state
        state.heard_plaintext = True  # [TAG-STOP-1]
        # The warning. [STATE-CLEAR-2, STATE-CLEAR-3, STATE-CLEAR-5, TAG-SHOW-2, TAG-SHOW-4]
        private = not isinstance(self._party.session(state.focus).message, Plaintext)
        return TextReceived(shown, False, private or Policy.REQUIRE_ENCRYPTION in state.policy, 0)

    def _receive_fragment(self, message: bytes, kind: text.FragmentText) -> list[Event]:
        """[Fragmentation; FRAGMENT-RECV-13, FRAGMENT-SAMPLE-1]"""
        state = self._party.state
        try:
            fragment = fragments.parse(message, kind.start, kind.version, state.instance_tag)
        except Fault as fault:
            return [MessageRejected(fault.reason)]  # what is stored stays [FRAGMENT-RECV-22]
        state.fragments, complete, reason = fragments.add(state.fragments, fragment)
        if reason is not None:
            return [MessageRejected(reason)]
        if complete is None:
            return []
        inner = text.classify(complete)
        if isinstance(inner, text.FragmentText):
            return [MessageRejected(RejectReason.NESTED_FRAGMENT)]  # [FRAGMENT-BOUND-3]
        # The header inside decides on the session, not that of the fragments. [INSTANCE-MULTI-3]
        return self._receive_kind(complete, inner)

    def _forget_fragments(self, sender: int | None = None) -> None:
        """Forget the fragments of one sender (0 for version 2), or all of them."""
        state = self._party.state
        state.fragments = {} if sender is None else {k: v for k, v in state.fragments.items() if k != sender}

    def _receive_encoded(self, message: bytes, start: int) -> list[Event]:
        """Whatever is wrong with an encoded message, it is not shown as text. [Encoded messages; ARMOUR-PARSE-3]"""
        party = self._party
        try:
            raw = text.unarmour(message, start)
            header = read_header(raw, party.state.instance_tag)
        except Fault as fault:
            if fault.reason not in TAG_REASONS:  # a discarded message leaves no trace [INSTANCE-DISCARD-4]
                self._forget_fragments()
            return [MessageRejected(fault.reason, fault.field, fault.offset)]
        self._forget_fragments(header.sender)  # [FRAGMENT-RECV-16]
        if header.kind == Kind.DATA:
            return inbound.receive(party, header, raw)
        try:
            # [COMMIT-POLICY-1, COMMIT-POLICY-2, DHKEY-POLICY-1, DHKEY-POLICY-2, REVEAL-POLICY-1, REVEAL-POLICY-2,
            # SIG-POLICY-1, SIG-POLICY-2]
            if header.kind in HANDSHAKE_KINDS and header.version not in party.versions:
                raise Fault(RejectReason.VERSION_NOT_ALLOWED)
            return handshake.receive(party, header, read_handshake_body(raw, header))
        except Fault as fault:
            return [MessageRejected(fault.reason, fault.field, fault.offset)]

    # The user's actions.

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        session = self._target(instance)
        if session is None:
            return [ActionRefused("send", RefuseReason.WRONG_STATE)]
        if len(text) > MAX_TEXT or (padding is not None and not 0 <= padding <= MAX_PADDING):
            return [ActionRefused("send", RefuseReason.TOO_LONG)]
        if b"\0" in text:
            return [ActionRefused("send", RefuseReason.HAS_NUL)]
        match session.message:
            case Plaintext():
                return [self._send_plaintext(text)]
            case Finished() as finished:  # stored, and refused [STATE-FINISHED-1, USER-SEND-9, USER-SEND-10]
                self._store(text, finished.fingerprint)
                return [ActionRefused("send", RefuseReason.WRONG_STATE)]  # [USER-SEND-8]
            case Encrypted() as encrypted:
                # Not stored, so it is never sent again: the option "drop" of the reading USER-RESEND. [USER-SEND-7,
                # USER-STORED-4, USER-STORED-5]
                if padding is not None:
                    text += b"\0" + encode_tlv(Tlv.PADDING, bytes(padding))  # [TLV-PADDING-1]
                # Nothing that is typed leaves in the clear. [STATE-ENCRYPTED-1, STATE-SECRECY-1, USER-SEND-6]
                return send_data(self._party, session.instance, encrypted, text).events

    def _send_plaintext(self, typed: bytes) -> Event:
        """[User types a message to be sent; STATE-PLAINTEXT-2]"""
        state, versions = self._party.state, self._party.versions
        if not versions:
            return OutgoingMessage(typed)  # [POLICY-OFF-1]
        if Policy.REQUIRE_ENCRYPTION in state.policy:  # [POLICY-REQUIRE-1, USER-SEND-1]
            self._store(typed, None)
            return self._query()
        # Here alone a tag is attached. [POLICY-TAG-1, USER-SEND-3, USER-SEND-4, USER-SEND-5]
        if Policy.SEND_WHITESPACE_TAG in state.policy and not state.heard_plaintext:
            return OutgoingMessage(typed + text.whitespace_tag(versions))  # [TAG-FORM-1, TAG-FORM-8]
        return OutgoingMessage(typed)  # [USER-SEND-2]

    def _store(self, typed: bytes, fingerprint: bytes | None) -> None:
        state = self._party.state
        state.stored = state.stored.plus((StoredText(typed, state.now, fingerprint),))

    def _query(self) -> Event:
        """A query for the versions that the policy allows. [QUERY-PURPOSE-1, QUERY-FORM-7]"""
        return OutgoingMessage(text.query(self._party.versions))

    def start(self) -> Sequence[Event]:
        if not self._party.versions:
            return [ActionRefused("start", RefuseReason.NOT_IN_VERSION)]
        return [self._query()]  # in the clear in every message state, which stays [USER-START-1, USER-START-2]

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        party = self._party
        session = self._target(instance)
        if session is None or isinstance(session.message, Plaintext):
            return []  # [USER-END-1]
        tag = session.instance
        events: list[Event] = []
        if isinstance(session.message, Encrypted):
            encrypted = session.message
            goodbye = b"\0" + encode_tlv(Tlv.DISCONNECTED)  # just before the keys are discarded [USER-END-2, TLV-END-1]
            events += send_data(party, tag, encrypted, goodbye, flags=IGNORE_UNREADABLE, last=True).events
            events += smp_run.dropped(tag, encrypted, SmpAbortReason.SESSION_LEFT)
            party.forget_keys(tuple(encrypted.ratchet.our_keys.values()))
        # The one way to PLAINTEXT. [STATE-PLAINTEXT-3, USER-END-3, USER-END-4]
        party.put(replace(party.session(tag), message=Plaintext()))
        if tag == party.state.focus:
            party.state.heard_plaintext = False  # [USER-SEND-4]
        events.append(UserEndedSession(tag))
        return events

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [ActionRefused("smp_start", RefuseReason.WRONG_STATE)]
        if question is not None and len(question) > MAX_QUESTION:
            return [ActionRefused("smp_start", RefuseReason.TOO_LONG)]
        if question is not None and b"\0" in question:
            return [ActionRefused("smp_start", RefuseReason.HAS_NUL)]
        return smp_run.start(self._party, tag, encrypted, secret, question)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None or not isinstance(encrypted.smp, smp.Asked):
            return [ActionRefused("smp_answer", RefuseReason.WRONG_STATE)]  # [SMP-TRUST-2]
        return smp_run.answer(self._party, tag, encrypted, encrypted.smp, secret)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [ActionRefused("smp_abort", RefuseReason.WRONG_STATE)]
        return smp_run.abort(self._party, tag, encrypted).events  # in every SMP state [SMP-ABORT-2]

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        tag, encrypted = self._secured(instance)
        if encrypted is None:
            return [ActionRefused("extra_key", RefuseReason.WRONG_STATE)]
        if self._party.session(tag).version != 3:
            return [ActionRefused("extra_key", RefuseReason.NOT_IN_VERSION)]  # [EXTRA-KEY-5]
        if len(data) > MAX_EXTRA_KEY_DATA or not 0 <= use < _USE_LIMIT:
            return [ActionRefused("extra_key", RefuseReason.TOO_LONG)]
        record = encode_tlv(Tlv.EXTRA_KEY, use.to_bytes(4, "big") + data)  # [TLV-EXTRA-1, TLV-EXTRA-2, TLV-EXTRA-3]
        sent = send_data(self._party, tag, encrypted, b"\0" + record)
        # The key is that of the message just sent. [EXTRA-KEY-2]
        return [*sent.events, ExtraKeyDerived(tag, False, use, data, sent.keys.extra)]

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
            raise OtrError(
                f"the time went backwards, from {in_words(self._party.state.now)} to {in_words(now)}; "
                "set a time that is no earlier than the last one"
            )
        self._party.state.now = now

    def set_policy(self, policy: Policy) -> None:
        """Any combination of flags, for this correspondent alone. [POLICY-SET-1]"""
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
            raise OtrError(
                f"a {type(state).__name__} is not a snapshot of this engine; restore what its snapshot() has returned"
            )
        self._party.state = state.copy()
