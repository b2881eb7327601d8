"""The state of a party in the model, as names: sessions, authentication, ratchet, SMP, fragments, stored texts.

Everything is immutable: a step makes a new state from the old one, so a snapshot is just a reference. The book has the
values behind the names. [Key Management, The protocol state machine]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TypeAlias

from otterproof.harness.judges.model.names import Commit, Dh, Drawn, Identity, MacKey, MessageName, Ssid
from otterproof.harness.judges.model.plain import Compared, Smp
from otterproof.implementations.contract import AuthState, MessageState, Policy, SmpState

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
    """We have sent `commit`. message: what to send if it is to be sent again."""

    commit: Commit
    message: MessageName

    state = AuthState.AWAITING_DHKEY


@dataclass(frozen=True, slots=True)
class AwaitingRevealSig:
    """We have answered their commit with the D-H key y. The two fields of the commit are kept."""

    y: Drawn
    encrypted_gx: bytes
    hashed_gx: bytes
    message: MessageName

    state = AuthState.AWAITING_REVEALSIG


@dataclass(frozen=True, slots=True)
class AwaitingSig:
    """We have opened our commit to a party whose D-H key is gy."""

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
    """Where SMP stands. sent: the message that the expected answer must refer to, if one is expected.

    question: the message 1 that waits for the user's secret; the state is then EXPECT1. compared: our side.
    """

    state: SmpState = SmpState.EXPECT1  # [SMP-EXPECT-4]
    sent: Smp | None = None
    question: Smp | None = None
    compared: Compared | None = None

    @property
    def busy(self) -> bool:
        """Whether aborting it causes an event."""
        return self.state is not SmpState.EXPECT1 or self.question is not None


NO_SMP = SmpRun()

# --------------------------------------------------------------------------------------------------------------------
# Ratchet
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ratchet:
    """D-H keys by id: two of ours, and one or two of theirs. [KEYMGMT-KEEP-1]

    sent, received: the last counters of each pair of ids [KEYMGMT-RECV-10]. verified: the pairs whose receiving MAC key
    has verified a message.
    """

    our_keyid: int
    their_keyid: int
    ours: Mapping[int, Drawn]
    theirs: Mapping[int, Dh]
    sent: Mapping[Ids, int] = field(default_factory=dict)
    received: Mapping[Ids, int] = field(default_factory=dict)
    verified: frozenset[Ids] = frozenset()

    @property
    def sending(self) -> Ids:
        """The ids of the pair under which the next data message is sent: our previous key and their current one.

        [KEYMGMT-SEND-1, KEYMGMT-PICK-1, KEYMGMT-PICK-2]
        """
        return self.our_keyid - 1, self.their_keyid

    def mac_keys(self, ids: Iterable[Ids]) -> tuple[MacKey, ...]:
        """The receiving MAC keys of these pairs, in the order of our id, then theirs. [MACREVEAL-WHAT-1]"""
        return tuple(MacKey(self.theirs[their], self.ours[our]) for our, their in sorted(ids))

    def rotate_ours(self, new: Drawn) -> tuple[Ratchet, tuple[MacKey, ...]]:
        """Drop our previous key and add a new one. Also returns the MAC keys to reveal for the dropped one.

        [Revealing MAC keys; DATA-KEYID-2, KEYMGMT-ROTATE-1, KEYMGMT-ROTATE-2]
        """
        old, current = self.our_keyid - 1, self.our_keyid
        # [MACREVEAL-WHAT-2, MACREVEAL-WHAT-3, MACREVEAL-WHEN-1, MACREVEAL-WHEN-4]
        gone = self.mac_keys(ids for ids in self.verified if ids[0] == old)
        ours = {current: self.ours[current], current + 1: new}
        return replace(self._without(our=old), our_keyid=current + 1, ours=ours), gone

    def rotate_theirs(self, new: Dh) -> tuple[Ratchet, tuple[MacKey, ...]]:
        """Drop their previous key, if there is one, and add the one announced. Also returns the MAC keys to reveal.

        [Revealing MAC keys; KEYMGMT-ROTATE-3]
        """
        old, current = self.their_keyid - 1, self.their_keyid
        gone = self.mac_keys(ids for ids in self.verified if ids[1] == old)  # [MACREVEAL-WHEN-2]
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
    """The session with one instance of the correspondent. born: its place in the order of creation.

    ratchet and ssid are set in ENCRYPTED alone, identity in ENCRYPTED and FINISHED. pending: MAC keys to reveal.
    last_sent: when the last data message was sent or, if there was none, when the handshake completed.
    """

    instance: int
    born: int = 0
    version: int = 0
    message_state: MessageState = MessageState.PLAINTEXT  # [STATE-PLAINTEXT-1]
    auth: Auth = field(default_factory=Idle)  # [STATE-AUTH-1]
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
    """A text kept for sending. bound: the correspondent it was meant for, None for any."""

    text: bytes
    since: int
    bound: Identity | None


Content: TypeAlias = "tuple[Content | None, bytes]"


@dataclass(frozen=True, slots=True)
class Pieces:
    """The fragments kept of one sender: k of n have arrived, with `size` bytes in all.

    content: (what came before, the last piece), so that a piece is added without copying the earlier ones; None if
    there is no piece yet. began: the serial number of the first fragment, for the order of senders.
    """

    k: int
    n: int
    content: Content | None
    size: int
    began: int

    def with_piece(self, piece: bytes) -> Pieces:
        """The same with one more piece."""
        return Pieces(self.k + 1, self.n, (self.content, piece), self.size + len(piece), self.began)

    def joined(self) -> bytes:
        """All pieces that have arrived, joined in their order."""
        pieces, content = [], self.content
        while content is not None:
            content, piece = content
            pieces.append(piece)
        return b"".join(reversed(pieces))


@dataclass(frozen=True, slots=True)
class State:
    """A party. sessions: by instance [INSTANCE-MULTI-1]. serial: counts creations, for their order.

    draws: how often each entropy label has been drawn.
    """

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
        """The protocol versions that the policy allows. [Policies; POLICY-V2-1, POLICY-V3-1]"""
        return tuple(version for version, flag in ALLOW.items() if flag in self.policy)


ALLOW: Mapping[int, Policy] = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
