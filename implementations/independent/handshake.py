"""The authentication state machine: beginning a handshake, its four messages, and completing it.

Each function takes a message whose header and structure are right. It raises Fault for any other reason not to act,
and then has changed nothing: the state stays, and the genuine message can still follow.
[Authentication state, State transitions; choice handshake.failed-check; AKE-VALID-4, AKE-VERIFY-6, REVEAL-REJECT-1,
REVEAL-IGNORED-1, SIG-REJECT-1]

A message that is not expected in the present state is ignored in the same way.
[DHKEY-NONE-1, DHKEY-REVEALSIG-1, REVEAL-NONE-1, REVEAL-DHKEY-1, REVEAL-AWAITSIG-1, SIG-NONE-1, SIG-DHKEY-1,
SIG-REVEALSIG-1]
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from otterproof.implementations.contract import (
    Event,
    MessageRejected,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
)

from . import ake, dsa, smp
from .derive import SignatureKeys, handshake_keys, shared_secret
from .growing import Members
from .outbound import send_stored
from .party import Party
from .primitives import KeyPair, aes_ctr, in_group, sha256
from .ratchet import Ratchet
from .session import AwaitingDhKey, AwaitingRevealSig, AwaitingSig, Commit, Encrypted, Idle
from .wire import (
    DhCommit,
    DhKey,
    Encoded,
    Fault,
    Header,
    Kind,
    RevealSignature,
    SealedSignature,
    Signature,
    encode_mpi,
)

#: The id of the D-H key that a handshake is made with. [Key Management; KEYMGMT-AKE-1, REVEAL-SIG-2, SIG-SIG-2]
_FIRST_KEYID = 1


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a handshake has established once the correspondent's proof is checked: who they are, and the D-H keys."""

    identity: ake.Identity
    ours: KeyPair
    theirs: int
    secbytes: bytes = field(repr=False)
    ssid: bytes
    sent_reveal_signature: bool


def begin(party: Party, offers: frozenset[int]) -> list[Event]:
    """Send a D-H Commit for the highest version that is both offered and allowed, if there is one.

    This is done in every message state and authentication state. It leaves the message state alone, and takes the
    place of a handshake that was under way.
    [Receiving a Query Message, Receiving plaintext with the whitespace tag; QUERY-PURPOSE-2, QUERY-ANSWER-1,
    QUERY-ANSWER-7, QUERY-ANSWER-8, QUERY-FLOOD-1, QUERY-FLOOD-2, TAG-ANSWER-1, TAG-START-6]
    """
    versions = offers.intersection(party.versions)
    if not versions:
        return []  # [QUERY-ANSWER-6, TAG-START-7]
    # [QUERY-ANSWER-2, QUERY-ANSWER-3, QUERY-ANSWER-4, TAG-START-1, TAG-START-2, TAG-START-3]
    version = max(versions)
    key, r = party.draw_key("ake.x"), party.draw("ake.r", 16)  # [AKE-FRESH-1, COMMIT-GX-1]
    gxmpi = encode_mpi(key.public)  # [COMMIT-GX-3]
    body = DhCommit(aes_ctr(r, gxmpi), sha256(gxmpi))  # [COMMIT-GX-4, COMMIT-HASH-1]
    message = Encoded(party.header(version, Kind.DH_COMMIT, 0), body.encode())  # [COMMIT-FORM-5, INSTANCE-ZERO-1]
    commit = Commit(key, r, body.hashed_gx, message)
    for session in list(party.state.sessions.values()):
        # A session of the other version does not wait for an answer. [DHKEY-VERSION-1]
        ours = (session.instance == 0) == (version == 2)
        # [STATE-AUTH-2, QUERY-ANSWER-5, TAG-START-4]
        party.put(replace(session, auth=AwaitingDhKey(commit) if ours else Idle()))
    party.state.announced = commit if version == 3 else None
    party.state.replies_to_announced = Members()
    return party.emit(message)


def receive(party: Party, header: Header, message: DhCommit | DhKey | RevealSignature | Signature) -> list[Event]:
    """Act on one of the four handshake messages. Raises Fault. [AKE-OUTLINE-1]"""
    match message:
        case DhCommit():
            return _receive_commit(party, header, message)
        case DhKey():
            return _receive_dh_key(party, header, message)
        case RevealSignature():
            return _receive_reveal_signature(party, header, message)
        case Signature():
            return _receive_signature(party, header, message)


def _receive_commit(party: Party, header: Header, message: DhCommit) -> list[Event]:
    """[Receiving a D-H Commit Message]

    Whatever it is answered with, an encrypted session stays as it is. [COMMIT-LIVE-1]
    """
    session = party.session(header.sender)
    match session.auth:
        # Both hashes have 32 bytes, so they compare like numbers. The higher one wins at both ends, in whatever order
        # the commits arrive. [COMMIT-DHKEY-1, COMMIT-DHKEY-7]
        case AwaitingDhKey(commit) if commit.hashed_gx > message.hashed_gx:
            # [COMMIT-DHKEY-2, COMMIT-DHKEY-3, COMMIT-DHKEY-4, COMMIT-DHKEY-8]
            return [MessageRejected(RejectReason.COLLISION_WON), *party.emit(commit.message)]
        case AwaitingRevealSig() as waiting:
            # The same answer once more, to a new commit. [COMMIT-REVEALSIG-1, COMMIT-REVEALSIG-2, COMMIT-REVEALSIG-3]
            auth = replace(waiting, encrypted_gx=message.encrypted_gx, hashed_gx=message.hashed_gx)
        case Idle() | AwaitingDhKey() | AwaitingSig():
            # Our own commit, if there is one, is forgotten. [COMMIT-NONE-1, COMMIT-DHKEY-5, COMMIT-SIG-1]
            party.make_room(session.instance)
            key = party.draw_key("ake.y")  # [AKE-FRESH-1]
            if party.state.announced is not None:  # a reflection of our own key is no reply to it [AKE-REFLECT-1]
                party.state.replies_to_announced = party.state.replies_to_announced.plus(key.public)
            # [INSTANCE-REPLY-1]
            reply = Encoded(party.header(header.version, Kind.DH_KEY, header.sender), DhKey(key.public).encode())
            # [STATE-AUTH-3, COMMIT-NONE-2, COMMIT-DHKEY-6, COMMIT-SIG-2]
            auth = AwaitingRevealSig(message.encrypted_gx, message.hashed_gx, key, reply)
    party.put(replace(session, auth=auth))
    return party.emit(auth.dh_key_message)


def _receive_dh_key(party: Party, header: Header, message: DhKey) -> list[Event]:
    """[Receiving a D-H Key Message]"""
    session = party.session(header.sender)
    match session.auth:
        case AwaitingDhKey(commit):
            _demand_in_group(message.gy)  # [AKE-VALID-1]
            if header.version == 3 and message.gy in party.state.replies_to_announced:
                raise Fault(RejectReason.UNEXPECTED)  # two sessions with the same pair of D-H keys would share all keys
            party.make_room(session.instance)
            party.state.replies_to_announced = party.state.replies_to_announced.plus(message.gy)
        case AwaitingSig(gy=gy, reveal_signature_message=sent) if gy == message.gy:
            return party.emit(sent)  # [DHKEY-SIG-1]
        case _:
            raise Fault(RejectReason.UNEXPECTED)  # another g^y in AWAITING_SIG, or another state [DHKEY-SIG-2]
    secbytes = shared_secret(commit.key, message.gy)
    sealed = _seal(party, handshake_keys(secbytes).reveal, commit.key, message.gy)
    body = RevealSignature(commit.r, sealed)
    reply = Encoded(party.header(header.version, Kind.REVEAL_SIGNATURE, header.sender), body.encode())
    party.put(replace(session, auth=AwaitingSig(commit.key, message.gy, secbytes, reply)))  # [STATE-AUTH-4]
    return party.emit(reply)  # [DHKEY-DHKEY-1, DHKEY-DHKEY-2]


def _receive_reveal_signature(party: Party, header: Header, message: RevealSignature) -> list[Event]:
    """[Receiving a Reveal Signature Message; REVEAL-ACCEPT-1]"""
    auth = party.session(header.sender).auth
    if not isinstance(auth, AwaitingRevealSig):
        raise Fault(RejectReason.UNEXPECTED)
    gx = ake.open_commitment(message.revealed_key, auth.encrypted_gx, auth.hashed_gx)
    _demand_in_group(gx)  # [AKE-VALID-2]
    secbytes = shared_secret(auth.key, gx)
    keys = handshake_keys(secbytes)
    identity = ake.unseal(keys.reveal, message.sealed, auth.key.public, gx)
    body = Signature(_seal(party, keys.reply, auth.key, gx))
    # All after the D-H Key carries the tags of both sides. [INSTANCE-REPLY-2]
    reply = Encoded(party.header(header.version, Kind.SIGNATURE, header.sender), body.encode())
    events = party.emit(reply)  # [REVEAL-ACCEPT-2]
    outcome = _Outcome(identity, auth.key, gx, secbytes, keys.ssid, sent_reveal_signature=False)
    return events + _complete(party, header, outcome)


def _receive_signature(party: Party, header: Header, message: Signature) -> list[Event]:
    """[Receiving a Signature Message; SIG-ACCEPT-1]"""
    auth = party.session(header.sender).auth
    if not isinstance(auth, AwaitingSig):
        raise Fault(RejectReason.UNEXPECTED)
    keys = handshake_keys(auth.secbytes)
    identity = ake.unseal(keys.reply, message.sealed, auth.key.public, auth.gy)
    outcome = _Outcome(identity, auth.key, auth.gy, auth.secbytes, keys.ssid, sent_reveal_signature=True)
    return _complete(party, header, outcome)


def _demand_in_group(value: int) -> None:
    if not in_group(value):
        raise Fault(RejectReason.BAD_GROUP_ELEMENT)


def _seal(party: Party, keys: SignatureKeys, ours: KeyPair, theirs: int) -> SealedSignature:
    """Our proof, for the signature message that `keys` are for.

    This is all that the long-term key is used for. [KEYS-PUBKEY-1]
    """
    nonce = party.draw("dsa.k", dsa.NONCE_SIZE)
    return ake.seal(keys, party.config.key, nonce, _FIRST_KEYID, ours.public, theirs)


def _complete(party: Party, header: Header, outcome: _Outcome) -> list[Event]:
    """Enter ENCRYPTED. [Key Management; choice completion.order, but the first step; STATE-ENCRYPTED-2, STATE-AUTH-6]

    Nothing but a proof that was checked leads here, whatever the message state was before. [STATE-ENCRYPTED-4,
    STATE-FINISHED-3, AKE-OUTLINE-2, AKE-HIDE-1] A proof that fails leads nowhere and leaves the authentication state
    as it is: the option "keep" of the reading AKE-FAIL-STATE. [STATE-AUTH-7]
    """
    instance = header.sender
    session = party.session(instance)
    events: list[Event] = []
    old = session.message if isinstance(session.message, Encrypted) else None
    pending = session.pending_mac_keys
    if old is not None:
        pending = pending.plus(old.ratchet.mac_keys())  # [MACREVEAL-END-1]
        if not isinstance(old.smp, smp.Expect1):
            events.append(SmpAborted(instance, SmpAbortReason.REHANDSHAKE))  # the new session has none [SMP-STATE-4]
    new = Encrypted(
        ssid=outcome.ssid,
        fingerprint=dsa.fingerprint(outcome.identity.key),
        ratchet=Ratchet.begin(
            our_first=outcome.ours,
            our_second=party.draw_key("dh.x"),
            their_keyid=outcome.identity.keyid,
            their_y=outcome.theirs,
            secbytes=outcome.secbytes,
            previous=None if old is None else old.ratchet,
        ),
        last_sent=party.state.now,
    )
    # [REVEAL-ACCEPT-3, REVEAL-ACCEPT-4, SIG-ACCEPT-2, SIG-ACCEPT-3]
    party.put(replace(session, version=header.version, auth=Idle(), message=new, pending_mac_keys=pending))
    if old is not None:
        party.forget_keys(tuple(old.ratchet.our_keys.values()))
    party.state.focus = instance
    # A correspondent with our own long-term key is reported under its fingerprint, as any other is: the option "accept"
    # of the reading AKE-REFLECTION. [AKE-BOTH-1, AKE-REFLECT-2]
    established = SessionEstablished(
        instance=instance,
        version=header.version,
        ssid=new.ssid,
        fingerprint=new.fingerprint,
        sent_reveal_signature=outcome.sent_reveal_signature,  # [DERIVE-SSID-2]
        refreshed=old is not None,
        same_key=old is not None and old.fingerprint == new.fingerprint,
    )
    events.append(established)
    return events + send_stored(party, instance, new)  # [REVEAL-ACCEPT-5, SIG-ACCEPT-4]
