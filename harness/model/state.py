"""The state of a party, as names: sessions, authentication, ratchet, SMP, fragments, stored texts.

Everything is immutable, a step makes a new state out of an old one; so a snapshot is a reference. What the values
behind the names are is in the book. [Key Management, The protocol state machine]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from harness.model.names import Commit, Dh, Drawn, Identity, MacKey, MessageName, Ssid
from harness.model.plain import Compared, Smp
from implementations.contract import AuthState, MessageState, Policy, SmpState

#: Ids of our key and theirs.
Ids: TypeAlias = tuple[int, int]

# --------------------------------------------------------------------------------------------------------------------
# Authentication state
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Idle:
    """No handshake is under way."""

    state = AuthState.NONE


@dataclass(frozen=True, slots=True)
class AwaitingDhKey:
    """We have sent `commit`; `message` is what to send again."""

    commit: Commit
    message: MessageName

    state = AuthState.AWAITING_DHKEY


@dataclass(frozen=True, slots=True)
class AwaitingRevealSig:
    """We have answered their commit, whose two fields are kept, with the D-H key y."""

    y: Drawn
    encrypted_gx: bytes
    hashed_gx: bytes
    message: MessageName

    state = AuthState.AWAITING_REVEALSIG


@dataclass(frozen=True, slots=True)
class AwaitingSig:
    """We have opened our commit to somebody whose D-H key is gy."""

    commit: Commit
    gy: Dh
    message: MessageName

    state = AuthState.AWAITING_SIG


Auth: TypeAlias = Idle | AwaitingDhKey | AwaitingRevealSig | AwaitingSig

# --------------------------------------------------------------------------------------------------------------------
# SMP
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SmpRun:
    """Where SMP stands. sent: the message that an answer must go with, if one is expected.

    question: the message 1 that waits for the user's secret (the state is EXPECT1 then). compared: our side.
    """

    state: SmpState = SmpState.EXPECT1
    sent: Smp | None = None
    question: Smp | None = None
    compared: Compared | None = None

    @property
    def busy(self) -> bool:
        """Whether giving it up is worth an event."""
        return self.state is not SmpState.EXPECT1 or self.question is not None


NO_SMP = SmpRun()

# --------------------------------------------------------------------------------------------------------------------
# Ratchet
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ratchet:
    """D-H keys by id, two of ours, one or two of theirs; by pair of ids the counters and who has verified something."""

    our_keyid: int
    their_keyid: int
    ours: Mapping[int, Drawn]
    theirs: Mapping[int, Dh]
    sent: Mapping[Ids, int] = field(default_factory=dict)
    received: Mapping[Ids, int] = field(default_factory=dict)
    verified: frozenset[Ids] = frozenset()

    @property
    def sending(self) -> Ids:
        """The ids of the pair that the next data message is sent under: our previous key, their current."""
        return self.our_keyid - 1, self.their_keyid

    def mac_keys(self, ids: Iterable[Ids]) -> tuple[MacKey, ...]:
        """The receiving MAC keys of these pairs, by our id, then theirs."""
        return tuple(MacKey(self.theirs[their], self.ours[our]) for our, their in sorted(ids))

    def rotate_ours(self, new: Drawn) -> tuple[Ratchet, tuple[MacKey, ...]]:
        """Drop our previous key, add a new one. The MAC keys that are to be revealed for it. [Revealing MAC Keys]"""
        old, current = self.our_keyid - 1, self.our_keyid
        gone = self.mac_keys(ids for ids in self.verified if ids[0] == old)
        ours = {current: self.ours[current], current + 1: new}
        return replace(self._without(our=old), our_keyid=current + 1, ours=ours), gone

    def rotate_theirs(self, new: Dh) -> tuple[Ratchet, tuple[MacKey, ...]]:
        """Drop their previous key, if there is one, and take the one announced. The MAC keys to be revealed."""
        old, current = self.their_keyid - 1, self.their_keyid
        gone = self.mac_keys(ids for ids in self.verified if ids[1] == old)
        theirs = {current: self.theirs[current], current + 1: new}
        return replace(self._without(their=old), their_keyid=current + 1, theirs=theirs), gone

    def _without(self, *, our: int | None = None, their: int | None = None) -> Ratchet:
        def stays(ids: Ids) -> bool:
            return ids[0] != our and ids[1] != their

        return replace(
            self,
            sent={ids: counter for ids, counter in self.sent.items() if stays(ids)},
            received={ids: counter for ids, counter in self.received.items() if stays(ids)},
            verified=frozenset(filter(stays, self.verified)),
        )


# --------------------------------------------------------------------------------------------------------------------
# Session and party
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """One correspondent's instance. born: its place in the order in which sessions were created.

    ratchet and ssid are set exactly in ENCRYPTED, identity also in FINISHED. pending: MAC keys to reveal.
    last_sent: when a data message last went out, or the handshake completed.
    """

    instance: int
    born: int = 0
    version: int = 0
    message_state: MessageState = MessageState.PLAINTEXT
    auth: Auth = field(default_factory=Idle)
    ratchet: Ratchet | None = None
    ssid: Ssid | None = None
    identity: Identity | None = None
    smp: SmpRun = NO_SMP
    pending: tuple[MacKey, ...] = ()
    last_sent: int = 0

    @property
    def encrypted(self) -> bool:
        return self.message_state is MessageState.ENCRYPTED


@dataclass(frozen=True, slots=True)
class Stored:
    """A text kept for sending. bound: the correspondent it was meant for, None for whoever comes."""

    text: bytes
    since: int
    bound: Identity | None


Content: TypeAlias = "tuple[Content | None, bytes]"


@dataclass(frozen=True, slots=True)
class Pieces:
    """The fragments kept of one sender: k of n have come, with `size` bytes. began: their place among beginnings.

    content: (what came before, the last piece), so that a piece is added without copying those before it; None when
    there is none yet.
    """

    k: int
    n: int
    content: Content | None
    size: int
    began: int

    def with_piece(self, piece: bytes) -> Pieces:
        """One more has come."""
        return Pieces(self.k + 1, self.n, (self.content, piece), self.size + len(piece), self.began)

    def joined(self) -> bytes:
        """All that has come, in its order."""
        pieces, content = [], self.content
        while content is not None:
            content, piece = content
            pieces.append(piece)
        return b"".join(reversed(pieces))


@dataclass(frozen=True, slots=True)
class State:
    """A party. draws: how often each entropy label has been drawn. serial: counts creations, for their order."""

    policy: Policy
    instance_tag: int | None
    now: int = 0
    focus: int = 0
    announced: AwaitingDhKey | None = None
    answered: frozenset[Dh] = frozenset()
    heard_plaintext: bool = False
    sessions: Mapping[int, Session] = field(default_factory=lambda: MappingProxyType({0: Session(0)}))
    stored: tuple[Stored, ...] = ()
    fragments: Mapping[int, Pieces] = field(default_factory=dict)
    draws: Mapping[str, int] = field(default_factory=dict)
    serial: int = 0

    @property
    def versions(self) -> tuple[int, ...]:
        """The protocol versions that the policy allows. [Policies]"""
        return tuple(version for version, flag in ALLOW.items() if flag in self.policy)


ALLOW: Mapping[int, Policy] = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
