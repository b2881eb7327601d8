"""One party: its configuration, its whole mutable state, and the few operations that every part of the engine uses.

`PartyState` is all that a snapshot holds. Its containers are written to, but what they contain never is, so a copy
one level deep is a snapshot. A party has one correspondent and shares nothing with another [STATE-SEPARATE-1]. `Party`
draws randomness, finds and replaces sessions, and turns raw messages into events. Who does what with a message is
decided elsewhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from otterproof.implementations.contract import (
    MAX_INSTANCES,
    MIN_INSTANCE_TAG,
    MIN_MESSAGE_SIZE,
    Entropy,
    Event,
    OtrError,
    OutgoingMessage,
    PartyConfig,
    Policy,
    RejectReason,
)

from . import dsa, text
from .fragments import Partial, split
from .growing import Chain, Members
from .primitives import DH_EXPONENT, SMP_EXPONENT, KeyPair
from .session import AwaitingDhKey, Commit, Encrypted, Idle, Plaintext, Session
from .wire import Encoded, Fault, Header, Kind

_HIGHEST_TAG = 0xFFFFFFFF


class SystemEntropy:
    """The operating system's random numbers, in the shape of contract.Entropy."""

    def draw(self, label: str, index: int, size: int) -> bytes:
        """`size` fresh bytes, whatever the label and index."""
        return secrets.token_bytes(size)


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text kept for sending; fingerprint is whom it is bound to, or None. [User types a message to be sent]"""

    text: bytes = field(repr=False)
    stored_at: int
    fingerprint: bytes | None


@dataclass(slots=True)
class PartyState:
    """Everything about a party that changes. `sessions` is in the order of creation, session 0 first."""

    policy: Policy
    instance_tag: int = 0
    now: int = 0
    focus: int = 0
    heard_plaintext: bool = False
    announced: Commit | None = None
    replies_to_announced: Members = field(default_factory=Members)
    sessions: dict[int, Session] = field(default_factory=lambda: {0: Session(0)})
    stored: Chain[StoredText] = field(default_factory=Chain)
    fragments: Mapping[int, Partial] = field(default_factory=dict)
    draws: dict[str, int] = field(default_factory=dict)

    def copy(self) -> PartyState:
        """A state that does not change with this one."""
        return replace(self, sessions=self.sessions.copy(), draws=self.draws.copy())


def in_words(number: int) -> str:
    """A caller's number for an error message. Python refuses to write out one of thousands of digits."""
    bits = number.bit_length()
    return str(number) if bits <= 64 else f"(a number of {bits} bits)"


def check_config(config: PartyConfig) -> None:
    """Raise OtrError for a value out of range.

    A size from MIN_MESSAGE_SIZE on leaves room for the longest text in 65535 fragments. [FRAGMENT-SEND-12]
    """
    tag, size, interval = config.instance_tag, config.max_message_size, config.heartbeat_interval
    if tag is not None and not MIN_INSTANCE_TAG <= tag <= _HIGHEST_TAG:
        raise OtrError(
            f"instance_tag {in_words(tag)} is outside {MIN_INSTANCE_TAG} to {_HIGHEST_TAG}; "
            "give a tag in this range, or None to have one drawn"
        )
    if size is not None and size < MIN_MESSAGE_SIZE:
        raise OtrError(
            f"max_message_size {in_words(size)} is below {MIN_MESSAGE_SIZE}; "
            "give at least that many bytes, or None to send every message whole"
        )
    if interval is not None and interval < 0:
        raise OtrError(
            f"heartbeat_interval {in_words(interval)} is negative; give 0 or more seconds, or None for no heartbeats"
        )
    if not dsa.acceptable(config.key.public) or not 0 < config.key.x < config.key.public.q:
        raise OtrError(
            "the numbers of the long-term key are out of range; give a DSA key whose p has 1024, 2048 or 3072 bits and "
            "whose q has 160, with g and y from 2 to p - 1 and x from 1 to q - 1"
        )


class Party:
    """The state together with what does not change: the configuration and the source of randomness."""

    def __init__(self, config: PartyConfig, entropy: Entropy | None) -> None:
        check_config(config)
        self.config = config
        self.fingerprint = dsa.fingerprint(config.key.public)
        self._entropy: Entropy = SystemEntropy() if entropy is None else entropy
        self.state = PartyState(policy=config.policy)
        self.state.instance_tag = self._draw_tag() if config.instance_tag is None else config.instance_tag

    # Randomness.

    def draw(self, label: str, size: int) -> bytes:
        """The next `size` bytes of a label: never the same again, as the index rises. [AKE-FRESH-1, KEYS-SIG-6]"""
        index = self.state.draws.get(label, 0)
        self.state.draws[label] = index + 1
        return self._entropy.draw(label, index, size)

    def draw_key(self, label: str) -> KeyPair:
        """A new D-H key pair."""
        return KeyPair.from_bytes(self.draw(label, DH_EXPONENT))

    def draw_smp_exponent(self, label: str) -> int:
        """A new exponent for SMP. [SMPMATH-EXP-3]"""
        return int.from_bytes(self.draw(label, SMP_EXPONENT), "big")

    def _draw_tag(self) -> int:
        """A random tag, so that clients of one account have different ones. [INSTANCE-OWN-2, INSTANCE-OWN-4]"""
        tag = 0
        while tag < MIN_INSTANCE_TAG:
            tag = int.from_bytes(self.draw("instance_tag", 4), "big")
        return tag

    # Sessions.

    def session(self, instance: int) -> Session:
        """The session of that tag, or the fresh one that it would start as.

        The tag is that of the message at hand, so a forged one binds nobody. [INSTANCE-LEARN-1] Our announced commit
        waits for an answer from every instance that has no session yet. [INSTANCE-MULTI-2]
        """
        known = self.state.sessions.get(instance)
        if known is not None:
            return known
        commit = self.state.announced
        return Session(instance, auth=Idle() if commit is None else AwaitingDhKey(commit))

    def encrypted(self, instance: int) -> Encrypted | None:
        """What belongs to ENCRYPTED in that session, None in another message state."""
        message = self.session(instance).message
        return message if isinstance(message, Encrypted) else None

    def put(self, session: Session) -> None:
        """Replace a session by its new state, or begin it. `make_room` comes first where it may be new."""
        self.state.sessions[session.instance] = session

    def put_encrypted(self, instance: int, message: Encrypted) -> None:
        """Replace what belongs to ENCRYPTED in a session that is there."""
        self.put(replace(self.session(instance), message=message))

    def make_room(self, instance: int) -> None:
        """Make sure that a session of that tag can exist. Raises Fault(TOO_MANY_INSTANCES). [INSTANCE-LEARN-2]"""
        sessions = self.state.sessions
        if instance in sessions or len(sessions) <= MAX_INSTANCES:
            return
        for tag, session in sessions.items():
            if tag and isinstance(session.message, Plaintext):
                del sessions[tag]
                return
        raise Fault(RejectReason.TOO_MANY_INSTANCES)

    def forget_keys(self, dropped: tuple[KeyPair, ...]) -> None:
        """Key pairs have left our_dh: end the announcement of one of them, and the waiting for an answer to it."""
        private = {key.private for key in dropped}
        commit = self.state.announced
        if commit is not None and commit.key.private in private:
            self.state.announced = None
            self.state.replies_to_announced = Members()
        for session in list(self.state.sessions.values()):
            match session.auth:
                case AwaitingDhKey(waiting) if waiting.key.private in private:
                    self.put(replace(session, auth=Idle()))

    # Output.

    @property
    def versions(self) -> tuple[int, ...]:
        """The protocol versions that the policy allows now."""
        return text.allowed_versions(self.state.policy)

    def header(self, version: int, kind: Kind, receiver: int) -> Header:
        """The header of a message of ours: the sender tag is always ours, the receiver tag the one given.
        [INSTANCE-OWN-5, COMMIT-FORM-4, DHKEY-FORM-4, DHKEY-FORM-5, REVEAL-FORM-4, REVEAL-FORM-5, SIG-FORM-4,
        SIG-FORM-5, DATA-FORM-4, DATA-FORM-5]
        """
        if version == 2:
            return Header(version, kind)
        return Header(version, kind, self.state.instance_tag, receiver)

    def emit(self, message: Encoded) -> list[Event]:
        """Transmit an encoded message of any kind, in fragments if it must be. [FRAGMENT-SEND-9]"""
        pieces = split(text.armour(message.raw), message.header, self.config.max_message_size)
        return [OutgoingMessage(piece) for piece in pieces]
