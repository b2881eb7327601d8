"""What an engine remembers, as values: a party has sessions, a session has an authentication state, a ratchet, an SMP
run.

Nothing here is ever changed in place (but for the growing tail of a FragmentStore, see there). A step of the engine
builds a new `PartyState` from the old one; a snapshot is the old one, and a message that is rejected leaves it in
force. So what a value shows of itself is worked out once and kept in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from otterproof.implementations.contract import AuthState, MessageState, PartySnapshot, Policy, SessionSnapshot
from otterproof.implementations.values import quickly_made

from .ratchet import KeyPair, Ratchet
from .smp import NO_RUN, SmpRun


@dataclass(frozen=True, slots=True)
class Commit:
    """A D-H Commit of ours. `message`: the binary message, to be sent again as it is."""

    version: int
    r: bytes = field(repr=False)
    x: KeyPair
    hashed_gx: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class AkeKeys:
    """What a handshake's shared secret gives; the primed ones belong to the Signature Message. [DERIVE-AKE-8]"""

    ssid: bytes
    c: bytes = field(repr=False)
    c_primed: bytes = field(repr=False)
    m1: bytes = field(repr=False)
    m2: bytes = field(repr=False)
    m1_primed: bytes = field(repr=False)
    m2_primed: bytes = field(repr=False)
    secbytes: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Idle:
    """AUTHSTATE_NONE. [STATE-AUTH-1]"""

    state = AuthState.NONE


@dataclass(frozen=True, slots=True)
class AwaitingDHKey:
    """We sent a D-H Commit. [STATE-AUTH-2]"""

    commit: Commit
    state = AuthState.AWAITING_DHKEY


@dataclass(frozen=True, slots=True)
class AwaitingRevealSig:
    """We answered a D-H Commit with `message`, our D-H Key. [STATE-AUTH-3]"""

    y: KeyPair
    message: bytes
    encrypted_gx: bytes
    hashed_gx: bytes
    state = AuthState.AWAITING_REVEALSIG


@dataclass(frozen=True, slots=True)
class AwaitingSig:
    """We answered a D-H Key with `message`, our Reveal Signature. [STATE-AUTH-4]"""

    x: KeyPair
    gy: int
    keys: AkeKeys
    message: bytes
    state = AuthState.AWAITING_SIG


Auth = Idle | AwaitingDHKey | AwaitingRevealSig | AwaitingSig


@quickly_made
@dataclass(frozen=True, slots=True)
class Session:
    """The state kept for one of the correspondent's clients. `order`: a later session has a higher one.

    [INSTANCE-MULTI-1, STATE-AUTH-1, STATE-PLAINTEXT-1]
    """

    instance: int
    order: int = 0
    version: int = 0
    message_state: MessageState = MessageState.PLAINTEXT
    auth: Auth = Idle()
    ratchet: Ratchet | None = None
    smp: SmpRun = NO_RUN  # apart from the ratchet: changes of keys do not touch it [SMP-STATE-3]
    ssid: bytes = b""
    fingerprint: bytes = b""
    to_reveal: tuple[bytes, ...] = ()
    last_sent: int = 0
    _shown: SessionSnapshot | None = field(default=None, init=False, repr=False, compare=False)

    def inspect(self) -> SessionSnapshot:
        shown = self._shown
        if shown is None:
            shown = SessionSnapshot(
                instance=self.instance,
                version=self.version,
                message_state=self.message_state,
                auth_state=self.auth.state,
                smp_state=self.smp.state,
                smp_question_waiting=self.smp.offer is not None,
                ssid=self.ssid,
                fingerprint=self.fingerprint,
                ratchet=self.ratchet.inspect() if self.ratchet else None,
                pending_mac_keys=self.to_reveal,
            )
            object.__setattr__(self, "_shown", shown)
        return shown


@dataclass(frozen=True, slots=True)
class StoredText:
    """A text to be sent after the handshake, to `fingerprint` only if that is not None."""

    text: bytes = field(repr=False)
    time: int
    fingerprint: bytes | None


@quickly_made
@dataclass(frozen=True, slots=True)
class FragmentStore:
    """The first `k` of `n` pieces of a message, `size` bytes so far.

    The list is shared with the stores that came before, which look at fewer of its pieces. It grows at its end by the
    store that sees all of it; a store that does not (after `restore`) goes on with a copy. So n pieces cost n steps,
    not n squared.
    """

    k: int
    n: int
    size: int
    pieces: list[bytes]

    def append(self, piece: bytes) -> FragmentStore:
        pieces = self.pieces if len(self.pieces) == self.k else self.pieces[: self.k]
        pieces.append(piece)
        return FragmentStore(self.k + 1, self.n, self.size + len(piece), pieces)

    def joined(self) -> bytes:
        return b"".join(self.pieces[: self.k])


@quickly_made
@dataclass(frozen=True, slots=True)
class PartyState:
    """Everything an engine remembers of one correspondent. Sessions, fragments and draws are replaced, never changed.

    [STATE-SEPARATE-1]

    answers: the g^y with which the announced commit has been answered so far, and our own since then.
    """

    instance_tag: int
    policy: Policy
    now: int = 0
    focus: int = 0
    announced: Commit | None = None
    answers: frozenset[int] = frozenset()
    heard_plaintext: bool = False
    sessions: Mapping[int, Session] = field(default_factory=lambda: {0: Session(0)})
    sessions_created: int = 0
    stored: tuple[StoredText, ...] = ()
    fragments: Mapping[int, FragmentStore] = field(default_factory=dict)
    draws: Mapping[str, int] = field(default_factory=dict)
    _shown: PartySnapshot | None = field(default=None, init=False, repr=False, compare=False)

    def inspect(self) -> PartySnapshot:
        shown = self._shown
        if shown is None:
            shown = PartySnapshot(
                instance_tag=self.instance_tag,
                focus=self.focus,
                announced=self.announced is not None,
                heard_plaintext=self.heard_plaintext,
                sessions=tuple([session.inspect() for _, session in sorted(self.sessions.items())]),
                stored=tuple([stored.text for stored in self.stored]),
                fragments={sender: (store.k, store.n) for sender, store in self.fragments.items()},
            )
            object.__setattr__(self, "_shown", shown)
        return shown


def secrets(party: PartyState) -> Iterator[tuple[str, bytes]]:
    """Every secret that is remembered, with a name that says where."""
    if party.announced is not None:
        yield from _commit_secrets("announced", party.announced)
    for session in party.sessions.values():
        name = f"session {session.instance:08x}"
        auth = session.auth
        if isinstance(auth, AwaitingDHKey):
            yield from _commit_secrets(f"{name} commit", auth.commit)
        elif isinstance(auth, AwaitingRevealSig):
            yield f"{name} y", _big_endian(auth.y.private.number)
        elif isinstance(auth, AwaitingSig):
            yield f"{name} x", _big_endian(auth.x.private.number)
            for key in ("c", "c_primed", "m1", "m2", "m1_primed", "m2_primed", "secbytes"):
                yield f"{name} {key}", getattr(auth.keys, key)
        if session.ratchet is not None:
            yield from _ratchet_secrets(name, session.ratchet)
        for number, value in session.smp.kept.items():
            yield f"{name} smp {number}", _big_endian(value)
        for index, mac_key in enumerate(session.to_reveal):
            yield f"{name} to reveal {index}", mac_key
    for index, stored in enumerate(party.stored):
        yield f"stored text {index}", stored.text


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def _commit_secrets(name: str, commit: Commit) -> Iterator[tuple[str, bytes]]:
    yield f"{name} r", commit.r
    yield f"{name} x", _big_endian(commit.x.private.number)


def _ratchet_secrets(name: str, ratchet: Ratchet) -> Iterator[tuple[str, bytes]]:
    for age, pair in enumerate(reversed(ratchet.ours)):
        yield f"{name} our_dh {ratchet.our_keyid - age}", _big_endian(pair.private.number)
    for (ours, theirs), keys in ratchet.pairs.items():
        for key in ("sending_aes", "sending_mac", "receiving_aes", "receiving_mac", "secbytes"):
            yield f"{name} pair {ours},{theirs} {key}", getattr(keys, key)
