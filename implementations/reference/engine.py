"""The reference engine: one party of an OTR conversation, as a state and the steps that lead from one to the next.

The theory in short. Everything a party remembers is one immutable value, `PartyState`. An input (a message, an action
of the user) runs as a `Step`: it starts from the state, collects events, and ends with a new state. Input that must not
have any effect raises `Reject` before anything was changed, and one MessageRejected event is all that remains of it. A
snapshot is the state itself and costs nothing.

What is received is first sorted by its form (text.py), an encoded message then by version, tags and type (here). The
transitions of the handshake are a table in handshake.py, those of SMP a table in exchange.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from otterproof.implementations.contract import (
    MAX_EXTRA_KEY_DATA,
    MAX_INSTANCES,
    MAX_PADDING,
    MAX_QUESTION,
    MAX_REASSEMBLY,
    MAX_TEXT,
    MIN_INSTANCE_TAG,
    MIN_MESSAGE_SIZE,
    ActionRefused,
    Entropy,
    ErrorMessageReceived,
    Event,
    ExtraKeyDerived,
    MessageState,
    OtrError,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    RefuseReason,
    RejectReason,
    SmpState,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.values import replace

from . import exchange, handshake, smp, text
from .codec import MessageType, Reject, check_tags, fingerprint, unarmour
from .numbers import acceptable
from .state import FragmentStore, PartyState, Session, StoredText, secrets
from .step import Step

_TYPES = frozenset(MessageType)


class OperatingSystemEntropy:
    """The default source of randomness: label and index do not matter."""

    def draw(self, label: str, index: int, size: int) -> bytes:
        return os.urandom(size)


class ReferenceEngine:
    """An OTR engine on `cryptography`. Methods and their promises are those of contract.Engine. [STATE-SEPARATE-1]"""

    def __init__(self, config: PartyConfig, entropy: Entropy | None = None) -> None:
        _check(config)
        self._config = config
        self._entropy = entropy or OperatingSystemEntropy()
        self._fingerprint = fingerprint(config.key.public)  # [KEYS-FPR-3]
        self._state = PartyState(config.instance_tag or 0, config.policy)
        if config.instance_tag is None:
            step = self._step()
            while step.instance_tag < MIN_INSTANCE_TAG:  # [INSTANCE-OWN-1, INSTANCE-OWN-2, INSTANCE-OWN-4]
                step.instance_tag = int.from_bytes(step.draw("instance_tag", 4))
            self._state = step.result()

    @property
    def instance_tag(self) -> int:
        return self._state.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._fingerprint

    # ---- messages -----------------------------------------------------------------------------------------------

    def receive(self, message: bytes) -> Sequence[Event]:
        """Without an allowed version, every message is plain text. [POLICY-OFF-1]"""
        step = self._step()
        if not _enabled(step.policy):
            _show_in_the_clear(step, message)
        else:
            _receive(step, message)
        return self._commit(step)

    # ---- the user -----------------------------------------------------------------------------------------------

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        session = self._session(instance)
        if session is None:
            return [ActionRefused("send", RefuseReason.WRONG_STATE)]
        if len(text) > MAX_TEXT or not 0 <= (padding or 0) <= MAX_PADDING:
            return [ActionRefused("send", RefuseReason.TOO_LONG)]
        if b"\0" in text:
            return [ActionRefused("send", RefuseReason.HAS_NUL)]
        step = self._step()
        match session.message_state:
            case MessageState.ENCRYPTED:
                tlvs = () if padding is None else ((exchange.PADDING, bytes(padding)),)  # [TLV-PADDING-1]
                # [STATE-ENCRYPTED-1, STATE-ENCRYPTED-3, USER-SEND-6]
                exchange.send_data(step, session.instance, text, *tlvs)
            case MessageState.FINISHED:  # [STATE-FINISHED-1, USER-SEND-8, USER-SEND-9, USER-SEND-10]
                _store(step, text, session.fingerprint)
                step.emit(ActionRefused("send", RefuseReason.WRONG_STATE))
            case MessageState.PLAINTEXT:
                _send_in_the_clear(step, text)
        return self._commit(step)

    def start(self) -> Sequence[Event]:
        policy = self._state.policy
        if not _enabled(policy):
            return [ActionRefused("start", RefuseReason.NOT_IN_VERSION)]
        return [OutgoingMessage(text.query(policy))]  # in every state [USER-START-1, USER-START-2]

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        session = self._session(instance)
        if session is None or session.message_state is MessageState.PLAINTEXT:
            return []  # [USER-END-1]
        step = self._step()
        if session.message_state is MessageState.ENCRYPTED:  # [TLV-END-1, USER-END-2]
            exchange.collect_mac_keys(step, session.instance)
            disconnected = (exchange.DISCONNECTED, b"")
            exchange.send_data(step, session.instance, b"", disconnected, flags=exchange.IGNORE_UNREADABLE)
            exchange.leave_encrypted(step, session.instance, MessageState.PLAINTEXT)  # [STATE-PLAINTEXT-3, USER-END-3]
        else:  # [STATE-PLAINTEXT-3, USER-END-4]
            step.put(replace(session, message_state=MessageState.PLAINTEXT, fingerprint=b""))
        if session.instance == step.focus:
            step.heard_plaintext = False  # [USER-SEND-4]
        step.emit(UserEndedSession(session.instance))
        return self._commit(step)

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        session = self._encrypted(instance)
        if session is None:
            return [ActionRefused("smp_start", RefuseReason.WRONG_STATE)]  # [SMP-STATE-1, SMP-USE-1]
        if question is not None and len(question) > MAX_QUESTION:
            return [ActionRefused("smp_start", RefuseReason.TOO_LONG)]
        if question is not None and b"\0" in question:
            return [ActionRefused("smp_start", RefuseReason.HAS_NUL)]
        step = self._step()
        # [SMP-BEGIN-3]
        if session.smp.state is not SmpState.EXPECT1:
            exchange.smp_abort(step, session.instance)
        x = smp.secret(self._fingerprint, session.fingerprint, session.ssid, secret)  # [SMP-SECRET-7]
        run, numbers = smp.begin(x, step.draw_smp_exponent)
        exchange.smp_put(step, session.instance, run)
        value = smp.encode(exchange.SMP_1, numbers)
        # [SMP-BEGIN-1, TLV-SMP-5]
        tlv = (exchange.SMP_1, value) if question is None else (exchange.SMP_1Q, question + b"\0" + value)
        exchange.send_data(step, session.instance, b"", tlv)
        return self._commit(step)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        session = self._encrypted(instance)
        if session is None or session.smp.offer is None:
            return [ActionRefused("smp_answer", RefuseReason.WRONG_STATE)]  # [SMP-TRUST-2]
        step = self._step()
        y = smp.secret(session.fingerprint, self._fingerprint, session.ssid, secret)  # [SMP-SECRET-7]
        run, numbers = smp.answer(session.smp.offer, y, step.draw_smp_exponent)
        exchange.smp_put(step, session.instance, run)
        exchange.send_data(step, session.instance, b"", (exchange.SMP_2, smp.encode(exchange.SMP_2, numbers)))
        return self._commit(step)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        session = self._encrypted(instance)
        if session is None:
            return [ActionRefused("smp_abort", RefuseReason.WRONG_STATE)]
        step = self._step()
        exchange.smp_abort(step, session.instance)  # [SMP-ABORT-2]
        return self._commit(step)

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        session = self._encrypted(instance)
        if session is None:
            return [ActionRefused("extra_key", RefuseReason.WRONG_STATE)]
        if session.version == 2:
            return [ActionRefused("extra_key", RefuseReason.NOT_IN_VERSION)]  # [EXTRA-KEY-5]
        if len(data) > MAX_EXTRA_KEY_DATA or not 0 <= use < 1 << 32:
            return [ActionRefused("extra_key", RefuseReason.TOO_LONG)]
        step = self._step()
        # [EXTRA-KEY-2, TLV-EXTRA-1, TLV-EXTRA-2, TLV-EXTRA-3]
        keys = exchange.send_data(step, session.instance, b"", (exchange.EXTRA_KEY, use.to_bytes(4) + data))
        step.emit(ExtraKeyDerived(session.instance, False, use, data, keys.extra_key))
        return self._commit(step)

    # ---- the surroundings ---------------------------------------------------------------------------------------

    def set_time(self, now: int) -> None:
        if now < self._state.now:
            raise OtrError(f"time goes backwards: {now} s after {self._state.now} s; give the later time")
        self._state = replace(self._state, now=now)

    def set_policy(self, policy: Policy) -> None:
        """Any combination of the flags. [POLICY-SET-1]"""
        self._state = replace(self._state, policy=policy)

    def inspect(self) -> PartySnapshot:
        return self._state.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        return dict(secrets(self._state))

    def snapshot(self) -> object:
        return self._state

    def restore(self, state: object) -> None:
        if not isinstance(state, PartyState):
            raise OtrError(f"not a snapshot of this engine: {type(state).__name__}; pass what snapshot() returned")
        self._state = state

    # ---- steps --------------------------------------------------------------------------------------------------

    def _step(self) -> Step:
        return Step(self._config, self._entropy, self._state)

    def _commit(self, step: Step) -> Sequence[Event]:
        self._state = step.result()
        return step.events

    def _session(self, instance: int | None) -> Session | None:
        """The session that a user action means, None if it names one that does not exist."""
        if instance is None:
            focus = self._state.focus
            return self._state.sessions.get(focus, Session(focus))
        return self._state.sessions.get(instance)

    def _encrypted(self, instance: int | None) -> Session | None:
        session = self._session(instance)
        return session if session and session.message_state is MessageState.ENCRYPTED else None


def _check(config: PartyConfig) -> None:
    tag, size, interval = config.instance_tag, config.max_message_size, config.heartbeat_interval
    if tag is not None and not MIN_INSTANCE_TAG <= tag < 1 << 32:
        raise OtrError(f"instance_tag {tag:#x} is not from {MIN_INSTANCE_TAG:#x} to 0xffffffff; give None to draw one")
    if size is not None and size < MIN_MESSAGE_SIZE:  # [FRAGMENT-SEND-6, FRAGMENT-SEND-12]
        raise OtrError(f"max_message_size {size} is below {MIN_MESSAGE_SIZE} bytes; give None not to fragment")
    if interval is not None and interval < 0:
        raise OtrError(f"heartbeat_interval {interval} s is negative; give None for no heartbeats")
    if not acceptable(config.key.public) or not 0 < config.key.x < config.key.public.q:
        raise OtrError(
            "the long-term key is not a DSA key of 1024, 2048 or 3072 bits with a q of 160; generate another one"
        )


def _enabled(policy: Policy) -> bool:
    return Policy.ALLOW_V2 in policy or Policy.ALLOW_V3 in policy


# ---- what is received -------------------------------------------------------------------------------------------


def _receive(step: Step, message: bytes, reassembled: bool = False) -> None:
    """Every kind of message, in every state. [STATE-ACTIONS-1]"""
    match text.classify(message):
        case text.BadFragment():
            step.reject(Reject(RejectReason.NESTED_FRAGMENT if reassembled else RejectReason.BAD_FRAGMENT))
        case text.Fragment() as fragment:
            _guard(step, lambda: _receive_fragment(step, fragment, reassembled))
        case text.Encoded(encoded):
            _guard(step, lambda: _receive_encoded(step, encoded))
        # Its bytes are passed on as they are, and no state changes. [ERROR-STATE-1, ERROR-TEXT-2, FRAGMENT-RECV-16]
        case text.ErrorText(error):
            step.fragments = {}
            step.emit(ErrorMessageReceived(error))  # [ERROR-SHOW-1]
            if Policy.ERROR_START_AKE in step.policy:  # [ERROR-LOOP-1, ERROR-START-1, ERROR-START-2, POLICY-ERROR-1]
                step.emit(OutgoingMessage(text.query(step.policy)))
        case text.Query(versions):
            step.fragments = {}  # [FRAGMENT-RECV-16]
            _begin_handshake(step, versions)  # and nothing is shown [QUERY-SHOW-1]
        case text.Tagged(shown, versions):
            _show_in_the_clear(step, shown)
            if Policy.WHITESPACE_START_AKE in step.policy:  # [POLICY-START-1, TAG-PURPOSE-1, TAG-START-5]
                _begin_handshake(step, versions)
        case text.Plain(shown):
            _show_in_the_clear(step, shown)


def _guard(step: Step, act: Callable[[], None]) -> None:
    """Act, and report a Reject. Who rejects has not changed anything but the stored fragments. [ROBUST-INPUT-2]"""
    try:
        act()
    except Reject as reject:
        step.reject(reject)


def _begin_handshake(step: Step, versions: frozenset[int]) -> None:
    """Answer an offer with a D-H Commit, never with another offer, or with nothing.

    [QUERY-ANSWER-1, QUERY-ANSWER-6, QUERY-FLOOD-1, QUERY-PURPOSE-2, TAG-ANSWER-1, TAG-START-7]
    """
    version = text.best_version(versions, step.policy)
    if version is not None:
        handshake.begin(step, version)


def _show_in_the_clear(step: Step, shown: bytes) -> None:
    """Plaintext, or the text beside a tag: it changes no message or authentication state.

    [FRAGMENT-RECV-15; STATE-CLEAR-1, STATE-CLEAR-4, STATE-CLEAR-6, TAG-SHOW-1, TAG-SHOW-3; TAG-STOP-1, USER-SEND-4]
    """
    step.fragments = {}
    step.heard_plaintext = True
    # [STATE-CLEAR-2, STATE-CLEAR-3, STATE-CLEAR-5, TAG-SHOW-2, TAG-SHOW-4]
    private = step.session(step.focus).message_state is not MessageState.PLAINTEXT
    warn = private or Policy.REQUIRE_ENCRYPTION in step.policy
    step.emit(TextReceived(shown, secure=False, warn=warn, instance=0))


def _receive_encoded(step: Step, encoded: bytes) -> None:
    """Act on it or Reject it; none of it is shown. [ARMOUR-PARSE-3]

    Handshake messages follow the policy: [COMMIT-POLICY-1, COMMIT-POLICY-2, DHKEY-POLICY-1, DHKEY-POLICY-2,
    REVEAL-POLICY-1, REVEAL-POLICY-2, SIG-POLICY-1, SIG-POLICY-2].
    """
    try:
        body = unarmour(encoded)
        version, kind, sender, offset = _read_header(step, body)
    except Reject as reject:
        if reject.reason in (RejectReason.BAD_ARMOUR, RejectReason.MALFORMED, RejectReason.UNKNOWN_VERSION):
            step.fragments = {}  # there is no telling whose it was
        raise
    # [FRAGMENT-RECV-16]
    _forget_fragments(step, sender)
    if kind not in _TYPES:
        raise Reject(RejectReason.UNKNOWN_TYPE)  # [ARMOUR-PARSE-5]
    if kind == MessageType.DATA:
        exchange.receive(step, sender, body, offset)
        return
    if not text.allowed(step.policy, version):
        raise Reject(RejectReason.VERSION_NOT_ALLOWED)
    handshake.receive(step, version, MessageType(kind), sender, body, offset)


def _read_header(step: Step, body: bytes) -> tuple[int, int, int, int]:
    """(version, type, sender tag or 0, where the body starts) of a message that is meant for us, or Reject.

    [INSTANCE-DISCARD-4, INSTANCE-DISCARD-5, INSTANCE-MULTI-3, INSTANCE-RANGE-1]
    """
    if len(body) < 2:  # [ARMOUR-PARSE-2]
        raise Reject(RejectReason.MALFORMED, "version", 0)
    version = int.from_bytes(body[:2])
    if version not in (2, 3):
        raise Reject(RejectReason.UNKNOWN_VERSION)  # version 1 as well [AKE-V1-1, ARMOUR-PARSE-4]
    if len(body) < 3:
        raise Reject(RejectReason.MALFORMED, "type", 2)
    kind = body[2]
    if version == 2:
        return version, kind, 0, 3
    if len(body) < 7:
        raise Reject(RejectReason.MALFORMED, "sender_tag", 3)
    sender, receiver = int.from_bytes(body[3:7]), int.from_bytes(body[7:11])
    own = step.instance_tag
    check_tags(sender, 0, own)
    if len(body) < 11:
        raise Reject(RejectReason.MALFORMED, "receiver_tag", 7)
    check_tags(sender, receiver, own)
    # [INSTANCE-ZERO-3]
    if receiver == 0 and kind != MessageType.DH_COMMIT:
        raise Reject(RejectReason.OTHER_INSTANCE)
    return version, kind, sender, 11


# ---- fragments --------------------------------------------------------------------------------------------------


def _forget_fragments(step: Step, sender: int) -> None:
    if sender in step.fragments:
        step.fragments = {tag: store for tag, store in step.fragments.items() if tag != sender}


def _receive_fragment(step: Step, fragment: text.Fragment, reassembled: bool) -> None:
    """[Receiving Fragments; FRAGMENT-RECV-1, FRAGMENT-RECV-17, FRAGMENT-RECV-18, FRAGMENT-SAMPLE-1]"""
    if reassembled:
        raise Reject(RejectReason.NESTED_FRAGMENT)  # [FRAGMENT-BOUND-3]
    if fragment.version == 3:
        check_tags(fragment.sender, fragment.receiver, step.instance_tag)  # [FRAGMENT-RECV-22, INSTANCE-RANGE-1]
    # [FRAGMENT-BOUND-2, FRAGMENT-RECV-7, FRAGMENT-RECV-8, FRAGMENT-RECV-9]
    if not 1 <= fragment.k <= fragment.n <= 0xFFFF:
        raise Reject(RejectReason.BAD_FRAGMENT)
    stored = step.fragments.get(fragment.sender)  # [FRAGMENT-RECV-21]
    # [FRAGMENT-RECV-10]
    if fragment.k == 1:
        _forget_fragments(step, fragment.sender)
        store = FragmentStore(0, fragment.n, 0, []).append(fragment.piece)
    elif stored is not None and (fragment.n, fragment.k) == (stored.n, stored.k + 1):  # [FRAGMENT-RECV-11]
        store = stored.append(fragment.piece)
    else:
        _forget_fragments(step, fragment.sender)
        raise Reject(RejectReason.FRAGMENT_OUT_OF_ORDER)  # [FRAGMENT-RECV-12, FRAGMENT-RECV-19]
    if store.size > MAX_REASSEMBLY:
        _forget_fragments(step, fragment.sender)
        raise Reject(RejectReason.TOO_LARGE)  # [FRAGMENT-BOUND-1]
    # [FRAGMENT-RECV-13, FRAGMENT-RECV-14, FRAGMENT-RECV-19]
    if store.k == store.n:
        _forget_fragments(step, fragment.sender)
        _receive(step, store.joined(), reassembled=True)
        return
    fragments = {**step.fragments, fragment.sender: store}
    if len(fragments) > MAX_INSTANCES:  # [FRAGMENT-BOUND-1]
        del fragments[next(iter(fragments))]  # a dict keeps the order of insertion: the first began longest ago
    step.fragments = fragments


# ---- what is sent -----------------------------------------------------------------------------------------------


def _store(step: Step, content: bytes, identity: bytes | None) -> None:
    """Only of texts that were not sent, so none is delivered twice. [USER-STORED-5; choice stored.never-resent]"""
    step.stored = (*step.stored, StoredText(content, step.now, identity))


def _send_in_the_clear(step: Step, content: bytes) -> None:
    """[User types a message to be sent, MSGSTATE_PLAINTEXT; STATE-PLAINTEXT-2]"""
    policy = step.policy
    if not _enabled(policy):  # [POLICY-OFF-1]
        step.emit(OutgoingMessage(content))
    elif Policy.REQUIRE_ENCRYPTION in policy:  # [POLICY-REQUIRE-1, USER-SEND-1, USER-STORED-2]
        _store(step, content, None)
        step.emit(OutgoingMessage(text.query(policy)))
    # [POLICY-TAG-1, TAG-FORM-1, TAG-STOP-1, USER-SEND-3, USER-SEND-5]
    elif Policy.SEND_WHITESPACE_TAG in policy and not step.heard_plaintext:
        step.emit(OutgoingMessage(content + text.whitespace_tag(policy)))
    else:  # [USER-SEND-2]
        step.emit(OutgoingMessage(content))
