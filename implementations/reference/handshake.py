"""The authenticated key exchange: its four messages, and what each does in each authentication state.

The transitions are a table: (authentication state, message type) -> what to do. A combination that is not in it is
ignored. Every transition makes all its checks before it changes or draws anything, and Rejects the message when one
fails. [Authenticated Key Exchange, Authentication state; AKE-OUTLINE-1, AKE-VALID-4, AKE-VERIFY-6, COMMIT-BAD-1,
REVEAL-IGNORED-1, REVEAL-REJECT-1, SIG-REJECT-1; choice handshake.failed-check]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from otterproof.implementations.contract import (
    RECENT,
    AuthState,
    DsaPublicKey,
    MessageState,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    StoredTextDropped,
)
from otterproof.implementations.values import quickly_made, replace

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

#: The AES counter in the handshake starts at 0. [COMMIT-GX-4, REVEAL-SIG-8, SIG-SIG-8]
_ZERO = bytes(8)

#: Our key id in every handshake. [REVEAL-SIG-2, SIG-SIG-2, KEYMGMT-AKE-1; choice handshake.fresh-keys]
_OUR_KEYID = 1


def begin(step: Step, version: int) -> None:
    """Send a D-H Commit, giving up every handshake under way. [Receiving a Query Message]

    Message states are left alone: an encrypted session goes on. [QUERY-ANSWER-7, QUERY-ANSWER-8, QUERY-FLOOD-2,
    TAG-START-6]
    """
    # [AKE-FRESH-1, COMMIT-GX-1]
    r, x = step.draw("ake.r", 16), step.draw_key_pair("ake.x")
    gxmpi = mpi(x.public)  # [COMMIT-GX-3, COMMIT-GX-6]
    hashed = sha256(gxmpi)  # [COMMIT-HASH-1]
    # [COMMIT-FORM-1, COMMIT-FORM-2, COMMIT-FORM-4, COMMIT-FORM-5, INSTANCE-ZERO-1]
    start = header(version, MessageType.DH_COMMIT, step.instance_tag, 0)
    body = start + data(aes_ctr(r, _ZERO, gxmpi)) + data(hashed)  # [COMMIT-GX-4]
    commit = Commit(version, r, x, hashed, body)
    step.announced = commit if version == 3 else None
    step.answers = frozenset()
    for session in step.sessions.values():
        # Only sessions of its version wait for an answer, so one of another version is unexpected. [DHKEY-VERSION-1]
        concerned = (session.instance == 0) == (version == 2)
        # [QUERY-ANSWER-5, STATE-AUTH-2, TAG-START-4]
        step.put(replace(session, auth=AwaitingDHKey(commit) if concerned else Idle()))
    step.transmit(body, version)


def receive(step: Step, version: int, kind: MessageType, instance: int, body: bytes, offset: int) -> None:
    """Act on a handshake message whose body begins at `offset`, or Reject it."""
    fields = read(LAYOUTS[kind], body, offset)
    session = step.session(instance)
    transition = TRANSITIONS.get((session.auth.state, kind))
    if transition is None:
        # [DHKEY-NONE-1, DHKEY-REVEALSIG-1; REVEAL-NONE-1, REVEAL-DHKEY-1, REVEAL-AWAITSIG-1; SIG-NONE-1, SIG-DHKEY-1,
        # SIG-REVEALSIG-1]
        raise Reject(RejectReason.UNEXPECTED)
    transition(step, Peer(version, session), fields)


A = TypeVar("A", AwaitingDHKey, AwaitingRevealSig, AwaitingSig)


@quickly_made
@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a message came from: the version it was in, and the session as it stands."""

    version: int
    session: Session

    def header(self, step: Step, kind: MessageType) -> bytes:
        """With the version of the handshake, and both tags. [INSTANCE-REPLY-1, INSTANCE-REPLY-2]

        [DHKEY-FORM-1, DHKEY-FORM-2, DHKEY-FORM-4, DHKEY-FORM-5]
        [REVEAL-FORM-1, REVEAL-FORM-2, REVEAL-FORM-4, REVEAL-FORM-5]
        [SIG-FORM-1, SIG-FORM-2, SIG-FORM-4, SIG-FORM-5]
        """
        return header(self.version, kind, step.instance_tag, self.session.instance)


def _answer_commit(step: Step, peer: Peer, fields: Fields) -> None:
    """Reply with a new D-H Key Message.

    [COMMIT-DHKEY-5, COMMIT-NONE-1, COMMIT-SIG-1] The message state stays until the handshake completes.
    [COMMIT-LIVE-1]
    """
    step.make_room(peer.session.instance)
    y = step.draw_key_pair("ake.y")  # [AKE-FRESH-1]
    message = peer.header(step, MessageType.DH_KEY) + mpi(y.public)
    # [AKE-REFLECT-1]
    step.answers |= {y.public}  # our own key, come back to us, must not be taken for a correspondent's
    auth = AwaitingRevealSig(y, message, fields.data("encrypted_gx"), fields.data("hashed_gx"))
    # [COMMIT-DHKEY-6, COMMIT-NONE-2, COMMIT-SIG-2, STATE-AUTH-3]
    step.put(replace(peer.session, auth=auth))
    step.transmit(message, peer.version, peer.session.instance)


def _commits_collide(step: Step, peer: Peer, fields: Fields) -> None:
    """Both sent a D-H Commit: the higher hash stays. Bytes compare as the numbers they stand for.

    [COMMIT-DHKEY-1, COMMIT-DHKEY-2, COMMIT-DHKEY-4, COMMIT-DHKEY-7]
    """
    auth = peer.session.auth
    if isinstance(auth, AwaitingDHKey) and auth.commit.hashed_gx > fields.data("hashed_gx"):
        step.reject(Reject(RejectReason.COLLISION_WON))
        step.transmit(auth.commit.message, peer.version)  # [COMMIT-DHKEY-3, COMMIT-DHKEY-8]
    else:
        _answer_commit(step, peer, fields)


def _replace_commit(step: Step, peer: Peer, fields: Fields) -> None:
    """Retransmit the same D-H Key Message; the new D-H Commit takes the place of the old.

    [COMMIT-REVEALSIG-1, COMMIT-REVEALSIG-2, COMMIT-REVEALSIG-3]
    """
    auth = _state(peer.session, AwaitingRevealSig)
    auth = replace(auth, encrypted_gx=fields.data("encrypted_gx"), hashed_gx=fields.data("hashed_gx"))
    step.put(replace(peer.session, auth=auth))
    step.transmit(auth.message, peer.version, peer.session.instance)


def _reveal(step: Step, peer: Peer, fields: Fields) -> None:
    """D-H Key received: reply with a Reveal Signature Message. [DHKEY-DHKEY-1]"""
    commit, gy = _state(peer.session, AwaitingDHKey).commit, fields.number("gy")
    if not in_group(gy):
        raise Reject(RejectReason.BAD_GROUP_ELEMENT)  # [AKE-VALID-1]
    if peer.version == 3 and gy in step.answers:  # [AKE-REFLECT-1]
        raise Reject(RejectReason.UNEXPECTED)  # another session has it, and would have the same keys; or it is our own
    step.make_room(peer.session.instance)
    step.answers |= {gy}
    keys = derive(gy, commit.x)
    block = _sign(step, keys.c, keys.m1, keys.m2, commit.x.public, gy)  # [DERIVE-AKE-8, REVEAL-SIG-1]
    message = peer.header(step, MessageType.REVEAL_SIGNATURE) + data(commit.r) + block  # [REVEAL-FORM-6]
    step.put(replace(peer.session, auth=AwaitingSig(commit.x, gy, keys, message)))  # [DHKEY-DHKEY-2, STATE-AUTH-4]
    step.transmit(message, peer.version, peer.session.instance)


def _reveal_again(step: Step, peer: Peer, fields: Fields) -> None:
    """The same D-H Key once more: retransmit the same Reveal Signature Message. [DHKEY-SIG-1, DHKEY-SIG-2]"""
    auth = _state(peer.session, AwaitingSig)
    if fields.number("gy") != auth.gy:
        raise Reject(RejectReason.UNEXPECTED)
    step.transmit(auth.message, peer.version, peer.session.instance)


def _reveal_received(step: Step, peer: Peer, fields: Fields) -> None:
    """Check the Reveal Signature, reply with a Signature Message; the session is encrypted. [REVEAL-ACCEPT-1]"""
    auth = _state(peer.session, AwaitingRevealSig)
    gxmpi = aes_ctr(fields.data("revealed_key"), _ZERO, auth.encrypted_gx)
    if not same(sha256(gxmpi), auth.hashed_gx):
        raise Reject(RejectReason.BAD_COMMITMENT)  # [AKE-VERIFY-1]
    gx = read(GXMPI, gxmpi).number("gx")  # [COMMIT-GX-6, REVEAL-SIG-10]
    if not in_group(gx):
        raise Reject(RejectReason.BAD_GROUP_ELEMENT)  # [AKE-VALID-2]
    keys = derive(gx, auth.y)
    signer, keyid = _check_signature(fields, keys.c, keys.m1, keys.m2, gx, auth.y.public)
    block = _sign(step, keys.c_primed, keys.m1_primed, keys.m2_primed, auth.y.public, gx)  # [SIG-SIG-1]
    # [REVEAL-ACCEPT-2]
    step.transmit(peer.header(step, MessageType.SIGNATURE) + block, peer.version, peer.session.instance)
    _complete(step, peer, auth.y, gx, keyid, keys, signer)


def _signature_received(step: Step, peer: Peer, fields: Fields) -> None:
    """Check the Signature; the session is encrypted. [SIG-ACCEPT-1]

    Its keys are of this handshake, and other ones than those of a Reveal Signature. [SIG-REPLAY-1, SIG-REPLAY-2]
    """
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
    """The seven values of a handshake. [Computing AES keys, MAC keys, and the secure session id]

    [DERIVE-AKE-1, DERIVE-AKE-2, DERIVE-AKE-3, DERIVE-AKE-4, DERIVE-AKE-5, DERIVE-AKE-6, DERIVE-AKE-7]
    """
    secbytes = mpi(ours.private.applied_to(theirs))  # [DERIVE-SECRET-1, DERIVE-SECRET-2]
    h2 = [sha256(bytes([b]) + secbytes) for b in range(6)]
    return AkeKeys(h2[0][:8], h2[1][:16], h2[1][16:], h2[2], h2[3], h2[4], h2[5], secbytes)


def _sign(step: Step, c: bytes, m1: bytes, m2: bytes, ours: int, theirs: int) -> bytes:
    """Encrypted signature (DATA) and its MAC, from the signer's side.

    The long-term key signs, and it and the signature are encrypted. [AKE-OUTLINE-3, KEYS-PUBKEY-1]
    """
    key = step.config.key
    identity = public_key(key.public) + _OUR_KEYID.to_bytes(4)
    signed = hmac_sha256(m1, mpi(ours) + mpi(theirs) + identity)  # [REVEAL-SIG-5, SIG-SIG-5]
    signature = None
    # [KEYS-SIG-6, REVEAL-SIG-7, SIG-SIG-7]
    while signature is None:
        nonce = int.from_bytes(step.draw("dsa.k", 28)) % (key.public.q - 1) + 1
        signature = sign(key, signed, nonce)
    encrypted = data(aes_ctr(c, _ZERO, identity + signature))  # [REVEAL-SIG-6, REVEAL-SIG-8, SIG-SIG-6, SIG-SIG-8]
    # [REVEAL-MAC-1, REVEAL-MAC-2, SIG-MAC-1, SIG-MAC-2]
    return encrypted + hmac_sha256(m2, encrypted)[:20]


def _check_signature(
    fields: Fields, c: bytes, m1: bytes, m2: bytes, theirs: int, ours: int
) -> tuple[DsaPublicKey, int]:
    """The signer's long-term key and D-H key id, or Reject."""
    encrypted = fields.data("encrypted_signature")
    if not same(hmac_sha256(m2, data(encrypted))[:20], fields.data("mac")):
        raise Reject(RejectReason.BAD_MAC)  # [AKE-VERIFY-2, AKE-VERIFY-4]
    x = read(SIGNATURE_BLOCK, aes_ctr(c, _ZERO, encrypted))  # [REVEAL-SIG-9, SIG-SIG-9]
    signer = DsaPublicKey(x.number("p"), x.number("q"), x.number("g"), x.number("y"))
    keyid = x.number("keyid")
    if x.number("pubkey_type") != 0 or not acceptable(signer):
        raise Reject(RejectReason.BAD_PUBLIC_KEY)  # [KEYS-PARAMS-1, KEYS-PUBKEY-4]
    if keyid == 0:
        raise Reject(RejectReason.BAD_KEY_ID)  # [REVEAL-SIG-3, REVEAL-SIG-4, SIG-SIG-3, SIG-SIG-4]
    signed = hmac_sha256(m1, mpi(theirs) + mpi(ours) + public_key(signer) + keyid.to_bytes(4))
    if not verify(signer, signed, x.data("signature")):
        raise Reject(RejectReason.BAD_SIGNATURE)  # [AKE-VERIFY-3, AKE-VERIFY-5]
    return signer, keyid


def _complete(
    step: Step, peer: Peer, ours: KeyPair, theirs: int, their_keyid: int, keys: AkeKeys, signer: DsaPublicKey
) -> None:
    """The handshake has succeeded: ENCRYPTED. [choice completion.order]

    Nothing of the correspondent, not even a tag, is reported or relied on before. A session that was there is replaced.
    [AKE-BOTH-1, AKE-HIDE-1, AKE-OUTLINE-2, INSTANCE-LEARN-1, STATE-AUTH-6, STATE-ENCRYPTED-2, STATE-ENCRYPTED-4,
    STATE-FINISHED-3]
    """
    session, old = peer.session, peer.session.ratchet
    identity = fingerprint(signer)  # our own key, too, is reported as what it is [AKE-REFLECT-2, KEYS-FPR-3]
    sent_reveal_signature = isinstance(session.auth, AwaitingSig)  # [DERIVE-SSID-2]
    known: tuple[int | None, int] = (None, theirs)  # [KEYMGMT-AKE-3]
    # The handshake's secret is that of the first pair of keys, too.
    pairs = {(_OUR_KEYID, their_keyid): PairKeys.derive(ours, theirs, keys.secbytes)}
    if old is not None:
        if session.smp.under_way:
            step.emit(SmpAborted(session.instance, SmpAbortReason.REHANDSHAKE))
        # [KEYMGMT-AKE-2, KEYMGMT-AKE-4]
        if theirs == old.theirs[old.their_keyid == their_keyid] and old.their_keyid - their_keyid in (0, 1):
            known, their_keyid = old.theirs, old.their_keyid
    step.put(
        replace(
            session,
            version=peer.version,
            message_state=MessageState.ENCRYPTED,  # [REVEAL-ACCEPT-4, SIG-ACCEPT-3]
            # Not after a failed check. [REVEAL-ACCEPT-3, SIG-ACCEPT-2, STATE-AUTH-7; choice handshake.failed-check]
            auth=Idle(),
            # [KEYMGMT-KEEP-1, KEYMGMT-START-1]
            ratchet=Ratchet(_OUR_KEYID + 1, (ours, step.draw_key_pair("dh.x")), their_keyid, known, pairs),
            smp=NO_RUN,
            ssid=keys.ssid,
            fingerprint=identity,
            # [MACREVEAL-END-1, MACREVEAL-WHEN-6]
            to_reveal=session.to_reveal + (old.verified_mac_keys() if old else ()),
            last_sent=step.now,
        )
    )
    if old is not None:
        step.forget(old.ours)
    step.focus = session.instance
    refreshed = old is not None
    step.emit(
        SessionEstablished(
            instance=session.instance,
            version=peer.version,
            ssid=keys.ssid,
            fingerprint=identity,
            sent_reveal_signature=sent_reveal_signature,
            refreshed=refreshed,
            same_key=refreshed and session.fingerprint == identity,
        )
    )
    # After the Signature Message, each is sent once, encrypted, or never.
    # [REVEAL-ACCEPT-5, SIG-ACCEPT-4, USER-STORED-1, USER-STORED-2]
    stored = step.stored
    step.stored = ()
    for item in stored:
        # Recent, and written for this key. [ERROR-RESEND-1, USER-STORED-3, USER-STORED-4]
        if step.now - item.time <= RECENT and item.fingerprint in (None, identity):
            send_data(step, session.instance, item.text)
        else:
            step.emit(StoredTextDropped(item.text))  # [USER-STORED-6]
