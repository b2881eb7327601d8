"""The authenticated key exchange: its four messages, and what each does in each authentication state.

The transitions are a table: (authentication state, message type) -> what to do. A combination that is not in it is
ignored. Every transition makes all its checks before it changes or draws anything. [Authenticated Key Exchange,
Authentication state]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from implementations.contract import (
    RECENT,
    AuthState,
    DsaPublicKey,
    Established,
    MessageState,
    Reason,
    SmpAborted,
    StoredDropped,
)

from .codec import (
    GXMPI,
    LAYOUTS,
    SIGNATURE_BLOCK,
    Fields,
    MessageType,
    Reject,
    data,
    fingerprint,
    header,
    mpi,
    public_key,
    read,
)
from .exchange import send_data
from .numbers import acceptable, aes_ctr, hmac_sha256, in_group, same, sha256, sign, verify
from .ratchet import KeyPair, PairKeys, Ratchet
from .smp import NO_RUN
from .state import AkeKeys, AwaitingDHKey, AwaitingRevealSig, AwaitingSig, Commit, Idle, Session
from .step import Step

#: The AES counter in the handshake starts at 0.
_ZERO = bytes(8)

#: Our key id in every handshake. [choice handshake.fresh-keys]
_OUR_KEYID = 1


def begin(step: Step, version: int) -> None:
    """Send a D-H Commit, giving up every handshake under way. [Receiving a Query Message]"""
    r, x = step.draw("ake.r", 16), step.draw_key_pair("ake.x")
    gxmpi = mpi(x.public)
    hashed = sha256(gxmpi)
    start = header(version, MessageType.DH_COMMIT, step.instance_tag, 0)
    body = start + data(aes_ctr(r, _ZERO, gxmpi)) + data(hashed)
    commit = Commit(version, r, x, hashed, body)
    step.announced = commit if version == 3 else None
    step.answers = frozenset()
    for session in step.sessions.values():
        concerned = (session.instance == 0) == (version == 2)
        step.put(replace(session, auth=AwaitingDHKey(commit) if concerned else Idle()))
    step.transmit(body, version)


def receive(step: Step, version: int, kind: MessageType, instance: int, body: bytes, offset: int) -> None:
    """Act on a handshake message whose body begins at `offset`, or Reject it."""
    fields = read(LAYOUTS[kind], body, offset)
    session = step.session(instance)
    transition = TRANSITIONS.get((session.auth.state, kind))
    if transition is None:
        raise Reject(Reason.UNEXPECTED)
    transition(step, Peer(version, session), fields)


A = TypeVar("A", AwaitingDHKey, AwaitingRevealSig, AwaitingSig)


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a message came from: the version it was in, and the session as it stands."""

    version: int
    session: Session

    def header(self, step: Step, kind: MessageType) -> bytes:
        return header(self.version, kind, step.instance_tag, self.session.instance)


def _answer_commit(step: Step, peer: Peer, fields: Fields) -> None:
    """Reply with a new D-H Key Message."""
    step.make_room(peer.session.instance)
    y = step.draw_key_pair("ake.y")
    message = peer.header(step, MessageType.DH_KEY) + mpi(y.public)
    step.answers |= {y.public}  # our own key, come back to us, must not be taken for a correspondent's
    auth = AwaitingRevealSig(y, message, fields.data("encrypted_gx"), fields.data("hashed_gx"))
    step.put(replace(peer.session, auth=auth))
    step.transmit(message, peer.version, peer.session.instance)


def _commits_collide(step: Step, peer: Peer, fields: Fields) -> None:
    """Both sent a D-H Commit: the higher hash stays. Bytes compare as the numbers they stand for."""
    auth = peer.session.auth
    if isinstance(auth, AwaitingDHKey) and auth.commit.hashed_gx > fields.data("hashed_gx"):
        step.reject(Reject(Reason.COLLISION_WON))
        step.transmit(auth.commit.message, peer.version)
    else:
        _answer_commit(step, peer, fields)


def _replace_commit(step: Step, peer: Peer, fields: Fields) -> None:
    """Retransmit the same D-H Key Message; the new D-H Commit takes the place of the old."""
    auth = _state(peer.session, AwaitingRevealSig)
    auth = replace(auth, encrypted_gx=fields.data("encrypted_gx"), hashed_gx=fields.data("hashed_gx"))
    step.put(replace(peer.session, auth=auth))
    step.transmit(auth.message, peer.version, peer.session.instance)


def _reveal(step: Step, peer: Peer, fields: Fields) -> None:
    """D-H Key received: reply with a Reveal Signature Message."""
    commit, gy = _state(peer.session, AwaitingDHKey).commit, fields.number("gy")
    if not in_group(gy):
        raise Reject(Reason.BAD_GROUP_ELEMENT)
    if peer.version == 3 and gy in step.answers:
        raise Reject(Reason.UNEXPECTED)  # another session has it, and would have the same keys; or it is our own
    step.make_room(peer.session.instance)
    step.answers |= {gy}
    keys = derive(gy, commit.x)
    block = _sign(step, keys.c, keys.m1, keys.m2, commit.x.public, gy)
    message = peer.header(step, MessageType.REVEAL_SIGNATURE) + data(commit.r) + block
    step.put(replace(peer.session, auth=AwaitingSig(commit.x, gy, keys, message)))
    step.transmit(message, peer.version, peer.session.instance)


def _reveal_again(step: Step, peer: Peer, fields: Fields) -> None:
    """The same D-H Key once more: retransmit the same Reveal Signature Message."""
    auth = _state(peer.session, AwaitingSig)
    if fields.number("gy") != auth.gy:
        raise Reject(Reason.UNEXPECTED)
    step.transmit(auth.message, peer.version, peer.session.instance)


def _reveal_received(step: Step, peer: Peer, fields: Fields) -> None:
    """Check the Reveal Signature, reply with a Signature Message; the session is encrypted."""
    auth = _state(peer.session, AwaitingRevealSig)
    gxmpi = aes_ctr(fields.data("revealed_key"), _ZERO, auth.encrypted_gx)
    if not same(sha256(gxmpi), auth.hashed_gx):
        raise Reject(Reason.BAD_COMMITMENT)
    gx = read(GXMPI, gxmpi).number("gx")
    if not in_group(gx):
        raise Reject(Reason.BAD_GROUP_ELEMENT)
    keys = derive(gx, auth.y)
    signer, keyid = _check_signature(fields, keys.c, keys.m1, keys.m2, gx, auth.y.public)
    block = _sign(step, keys.c_primed, keys.m1_primed, keys.m2_primed, auth.y.public, gx)
    step.transmit(peer.header(step, MessageType.SIGNATURE) + block, peer.version, peer.session.instance)
    _complete(step, peer, auth.y, gx, keyid, keys, signer)


def _signature_received(step: Step, peer: Peer, fields: Fields) -> None:
    """Check the Signature; the session is encrypted."""
    auth = _state(peer.session, AwaitingSig)
    keys = auth.keys
    signer, keyid = _check_signature(fields, keys.c_primed, keys.m1_primed, keys.m2_primed, auth.gy, auth.x.public)
    _complete(step, peer, auth.x, auth.gy, keyid, keys, signer)


TRANSITIONS: dict[tuple[AuthState, MessageType], Callable[[Step, Peer, Fields], None]] = {
    (AuthState.NONE, MessageType.DH_COMMIT): _answer_commit,
    (AuthState.AWAITING_DHKEY, MessageType.DH_COMMIT): _commits_collide,
    (AuthState.AWAITING_REVEALSIG, MessageType.DH_COMMIT): _replace_commit,
    (AuthState.AWAITING_SIG, MessageType.DH_COMMIT): _answer_commit,
    (AuthState.AWAITING_DHKEY, MessageType.DH_KEY): _reveal,
    (AuthState.AWAITING_SIG, MessageType.DH_KEY): _reveal_again,
    (AuthState.AWAITING_REVEALSIG, MessageType.REVEAL_SIGNATURE): _reveal_received,
    (AuthState.AWAITING_SIG, MessageType.SIGNATURE): _signature_received,
}


def _state(session: Session, kind: type[A]) -> A:
    """The authentication state as the type that the transition table promises."""
    if not isinstance(session.auth, kind):
        raise TypeError(f"transition for {kind.__name__} taken in {type(session.auth).__name__}")
    return session.auth


def derive(theirs: int, ours: KeyPair) -> AkeKeys:
    """The seven values of a handshake. [Computing AES keys, MAC keys, and the secure session id]"""
    secbytes = mpi(ours.private.applied_to(theirs))
    h2 = [sha256(bytes([b]) + secbytes) for b in range(6)]
    return AkeKeys(h2[0][:8], h2[1][:16], h2[1][16:], h2[2], h2[3], h2[4], h2[5], secbytes)


def _sign(step: Step, c: bytes, m1: bytes, m2: bytes, ours: int, theirs: int) -> bytes:
    """Encrypted signature (DATA) and its MAC, from the signer's side."""
    key = step.config.key
    identity = public_key(key.public) + _OUR_KEYID.to_bytes(4)
    signed = hmac_sha256(m1, mpi(ours) + mpi(theirs) + identity)
    signature = None
    while signature is None:
        nonce = int.from_bytes(step.draw("dsa.k", 28)) % (key.public.q - 1) + 1
        signature = sign(key, signed, nonce)
    encrypted = data(aes_ctr(c, _ZERO, identity + signature))
    return encrypted + hmac_sha256(m2, encrypted)[:20]


def _check_signature(
    fields: Fields, c: bytes, m1: bytes, m2: bytes, theirs: int, ours: int
) -> tuple[DsaPublicKey, int]:
    """The signer's long-term key and D-H key id, or Reject."""
    encrypted = fields.data("encrypted_signature")
    if not same(hmac_sha256(m2, data(encrypted))[:20], fields.data("mac")):
        raise Reject(Reason.BAD_MAC)
    x = read(SIGNATURE_BLOCK, aes_ctr(c, _ZERO, encrypted))
    signer = DsaPublicKey(x.number("p"), x.number("q"), x.number("g"), x.number("y"))
    keyid = x.number("keyid")
    if x.number("pubkey_type") != 0 or not acceptable(signer):
        raise Reject(Reason.BAD_PUBLIC_KEY)
    if keyid == 0:
        raise Reject(Reason.BAD_KEY_ID)
    signed = hmac_sha256(m1, mpi(theirs) + mpi(ours) + public_key(signer) + keyid.to_bytes(4))
    if not verify(signer, signed, x.data("signature")):
        raise Reject(Reason.BAD_SIGNATURE)
    return signer, keyid


def _complete(
    step: Step, peer: Peer, ours: KeyPair, theirs: int, their_keyid: int, keys: AkeKeys, signer: DsaPublicKey
) -> None:
    """The handshake has succeeded: ENCRYPTED. [choice completion.order]"""
    session, old = peer.session, peer.session.ratchet
    identity = fingerprint(signer)
    sent_reveal_signature = isinstance(session.auth, AwaitingSig)
    known: tuple[int | None, int] = (None, theirs)
    # The handshake's secret is that of the first pair of keys, too.
    pairs = {(_OUR_KEYID, their_keyid): PairKeys.derive(ours, theirs, keys.secbytes)}
    if old is not None:
        if session.smp.under_way:
            step.emit(SmpAborted(session.instance, Reason.REHANDSHAKE))
        if theirs == old.theirs[old.their_keyid == their_keyid] and old.their_keyid - their_keyid in (0, 1):
            known, their_keyid = old.theirs, old.their_keyid
    step.put(
        replace(
            session,
            version=peer.version,
            message_state=MessageState.ENCRYPTED,
            auth=Idle(),
            ratchet=Ratchet(_OUR_KEYID + 1, (ours, step.draw_key_pair("dh.x")), their_keyid, known, pairs),
            smp=NO_RUN,
            ssid=keys.ssid,
            fingerprint=identity,
            to_reveal=session.to_reveal + (old.verified_mac_keys() if old else ()),
            last_sent=step.now,
        )
    )
    if old is not None:
        step.forget(old.ours)
    step.focus = session.instance
    refreshed = old is not None
    step.emit(
        Established(
            instance=session.instance,
            version=peer.version,
            ssid=keys.ssid,
            fingerprint=identity,
            sent_reveal_signature=sent_reveal_signature,
            refreshed=refreshed,
            same_key=refreshed and session.fingerprint == identity,
        )
    )
    stored = step.stored
    step.stored = ()
    for item in stored:
        if step.now - item.time <= RECENT and item.fingerprint in (None, identity):
            send_data(step, session.instance, item.text)
        else:
            step.emit(StoredDropped(item.text))
