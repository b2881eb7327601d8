"""The authentication state machine: beginning a handshake, its four messages, and completing it.

Each function takes a message whose header and structure are right. It raises Fault for any other reason not to act,
and then has changed nothing. [Authentication state, State transitions]
"""

from __future__ import annotations

from dataclasses import replace

from implementations.contract import Established, Event, Reason, Rejected, SmpAborted

from . import ake, dsa, smp
from .derive import handshake_keys, shared_secret
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

#: The id of the D-H key that a handshake is made with. [Key Management]
_FIRST_KEYID = 1


def begin(party: Party, offers: frozenset[int]) -> list[Event]:
    """Send a D-H Commit for the highest version that is both offered and allowed, if there is one.

    [Receiving a Query Message, Receiving plaintext with the whitespace tag]
    """
    versions = offers.intersection(party.versions)
    if not versions:
        return []
    version = max(versions)
    key, r = party.draw_key("ake.x"), party.draw("ake.r", 16)
    gxmpi = encode_mpi(key.public)
    body = DhCommit(aes_ctr(r, gxmpi), sha256(gxmpi))
    message = Encoded(party.header(version, Kind.DH_COMMIT, 0), body.encode())
    commit = Commit(key, r, body.hashed_gx, message)
    for session in list(party.state.sessions.values()):
        ours = (session.instance == 0) == (version == 2)
        party.put(replace(session, auth=AwaitingDhKey(commit) if ours else Idle()))
    party.state.announced = commit if version == 3 else None
    party.state.replies_to_announced = Members()
    return party.emit(message)


def receive(party: Party, header: Header, message: DhCommit | DhKey | RevealSignature | Signature) -> list[Event]:
    """Act on one of the four handshake messages. Raises Fault."""
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
    """[Receiving a D-H Commit Message]"""
    session = party.session(header.sender)
    match session.auth:
        case AwaitingDhKey(commit) if commit.hashed_gx > message.hashed_gx:
            return [Rejected(Reason.COLLISION_WON), *party.emit(commit.message)]
        case AwaitingRevealSig() as waiting:
            auth = replace(waiting, encrypted_gx=message.encrypted_gx, hashed_gx=message.hashed_gx)
        case Idle() | AwaitingDhKey() | AwaitingSig():
            party.make_room(session.instance)
            key = party.draw_key("ake.y")
            if party.state.announced is not None:  # a reflection of our own key is no reply to it
                party.state.replies_to_announced = party.state.replies_to_announced.plus(key.public)
            reply = Encoded(party.header(header.version, Kind.DH_KEY, header.sender), DhKey(key.public).encode())
            auth = AwaitingRevealSig(message.encrypted_gx, message.hashed_gx, key, reply)
    party.put(replace(session, auth=auth))
    return party.emit(auth.dh_key_message)


def _receive_dh_key(party: Party, header: Header, message: DhKey) -> list[Event]:
    """[Receiving a D-H Key Message]"""
    session = party.session(header.sender)
    match session.auth:
        case AwaitingDhKey(commit):
            _demand_in_group(message.gy)
            if header.version == 3 and message.gy in party.state.replies_to_announced:
                raise Fault(Reason.UNEXPECTED)  # two sessions with the same pair of D-H keys would share all keys
            party.make_room(session.instance)
            party.state.replies_to_announced = party.state.replies_to_announced.plus(message.gy)
        case AwaitingSig(gy=gy, reveal_signature_message=sent) if gy == message.gy:
            return party.emit(sent)
        case _:
            raise Fault(Reason.UNEXPECTED)
    secbytes = shared_secret(commit.key, message.gy)
    sealed = _seal(party, secbytes, commit.key, message.gy, reveal=True)
    body = RevealSignature(commit.r, sealed)
    reply = Encoded(party.header(header.version, Kind.REVEAL_SIGNATURE, header.sender), body.encode())
    party.put(replace(session, auth=AwaitingSig(commit.key, message.gy, secbytes, reply)))
    return party.emit(reply)


def _receive_reveal_signature(party: Party, header: Header, message: RevealSignature) -> list[Event]:
    """[Receiving a Reveal Signature Message]"""
    auth = party.session(header.sender).auth
    if not isinstance(auth, AwaitingRevealSig):
        raise Fault(Reason.UNEXPECTED)
    gx = ake.open_commitment(message.revealed_key, auth.encrypted_gx, auth.hashed_gx)
    _demand_in_group(gx)
    secbytes = shared_secret(auth.key, gx)
    identity = ake.unseal(handshake_keys(secbytes).reveal, message.sealed, auth.key.public, gx)
    body = Signature(_seal(party, secbytes, auth.key, gx, reveal=False))
    reply = Encoded(party.header(header.version, Kind.SIGNATURE, header.sender), body.encode())
    events = party.emit(reply)
    events += _complete(party, header, identity, auth.key, gx, secbytes, sent_reveal_signature=False)
    return events


def _receive_signature(party: Party, header: Header, message: Signature) -> list[Event]:
    """[Receiving a Signature Message]"""
    auth = party.session(header.sender).auth
    if not isinstance(auth, AwaitingSig):
        raise Fault(Reason.UNEXPECTED)
    identity = ake.unseal(handshake_keys(auth.secbytes).reply, message.sealed, auth.key.public, auth.gy)
    return _complete(party, header, identity, auth.key, auth.gy, auth.secbytes, sent_reveal_signature=True)


def _demand_in_group(value: int) -> None:
    if not in_group(value):
        raise Fault(Reason.BAD_GROUP_ELEMENT)


def _seal(party: Party, secbytes: bytes, key: KeyPair, theirs: int, *, reveal: bool) -> SealedSignature:
    """Our proof for the Reveal Signature Message, or for the Signature Message."""
    keys = handshake_keys(secbytes)
    nonce = party.draw("dsa.k", dsa.NONCE_SIZE)
    chosen = keys.reveal if reveal else keys.reply
    return ake.seal(chosen, party.config.key, nonce, _FIRST_KEYID, key.public, theirs)


def _complete(
    party: Party,
    header: Header,
    identity: ake.Identity,
    key: KeyPair,
    theirs: int,
    secbytes: bytes,
    *,
    sent_reveal_signature: bool,
) -> list[Event]:
    """Enter ENCRYPTED. [Key Management; choice completion.order, but the first step]"""
    instance = header.sender
    session = party.session(instance)
    events: list[Event] = []
    old = session.message if isinstance(session.message, Encrypted) else None
    pending = session.pending_mac_keys
    if old is not None:
        pending = pending.plus(old.ratchet.mac_keys())
        if not isinstance(old.smp, smp.Expect1):
            events.append(SmpAborted(instance, Reason.REHANDSHAKE))
    new = Encrypted(
        ssid=handshake_keys(secbytes).ssid,
        fingerprint=dsa.fingerprint(identity.key),
        ratchet=Ratchet.begin(
            our_first=key,
            our_second=party.draw_key("dh.x"),
            their_keyid=identity.keyid,
            their_y=theirs,
            secbytes=secbytes,
            previous=None if old is None else old.ratchet,
        ),
        last_sent=party.state.now,
    )
    party.put(replace(session, version=header.version, auth=Idle(), message=new, pending_mac_keys=pending))
    if old is not None:
        party.forget_keys(tuple(old.ratchet.our_keys.values()))
    party.state.focus = instance
    established = Established(
        instance=instance,
        version=header.version,
        ssid=new.ssid,
        fingerprint=new.fingerprint,
        sent_reveal_signature=sent_reveal_signature,
        refreshed=old is not None,
        same_key=old is not None and old.fingerprint == new.fingerprint,
    )
    events.append(established)
    return events + send_stored(party, instance, new)
