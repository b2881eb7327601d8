"""Receiving Data Messages: the checks in their order, key rotation, text and TLVs, and the heartbeat.
[Receiving a Data Message, Key Management]
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from implementations.contract import (
    UNREADABLE_ERROR,
    Event,
    ExtraKey,
    Outgoing,
    Reason,
    Rejected,
    TextReceived,
    Unreadable,
)
from implementations.contract import Finished as FinishedEvent

from . import smp_run
from .derive import SessionKeys
from .outbound import Tlv, send_data
from .party import Party
from .primitives import KeyPair, aes_ctr, in_group, same, sha1_hmac
from .session import Encrypted, Finished
from .wire import IGNORE_UNREADABLE, DataMessage, Fault, Header, read_data_body

_TLV_HEADER = struct.Struct(">HH")

#: Bytes at the start of an extra-key TLV that tell the use of the key. [Extra symmetric key]
_USE_SIZE = 4


def receive(party: Party, header: Header, raw: bytes) -> list[Event]:
    """Act on a Data Message whose header is right."""
    try:
        message = read_data_body(raw, header)
        plaintext, keys = _open(party, header.sender, message)
    except Fault as fault:
        # The flags count even when what follows them is malformed.
        flags = raw[header.size : header.size + 1]
        return _complain(header.sender, fault, quiet=bool(flags and flags[0] & IGNORE_UNREADABLE))
    events = _deliver(party, header.sender, plaintext, keys)
    return events + _heartbeat(party, header.sender)


def _complain(instance: int, fault: Fault, *, quiet: bool) -> list[Event]:
    if quiet:
        return [Rejected(fault.reason, fault.field, fault.offset)]
    return [Unreadable(instance, fault.reason, fault.field, fault.offset), Outgoing(UNREADABLE_ERROR)]


def _open(party: Party, instance: int, message: DataMessage) -> tuple[bytes, SessionKeys]:
    """Check, decrypt and rotate; the keys returned are those of the message. Raises Fault."""
    session = party.encrypted(instance)
    if session is None:
        raise Fault(Reason.NOT_ENCRYPTED)
    pair = (message.recipient_keyid, message.sender_keyid)
    session.ratchet.check_pair(pair)
    ratchet, keys = session.ratchet.with_keys(pair)
    verified = same(sha1_hmac(keys.receiving_mac, message.authenticated), message.mac)
    if verified:
        ratchet = ratchet.mark_verified(pair)
    # From here on the derived keys are kept, and so is it that one of them verified, whatever else is wrong.
    party.put_encrypted(instance, replace(session, ratchet=ratchet))
    if not verified:
        raise Fault(Reason.BAD_MAC)
    ratchet = ratchet.accept_counter(pair, int.from_bytes(message.ctr, "big"))
    if not in_group(message.next_dh):
        raise Fault(Reason.BAD_GROUP_ELEMENT)
    _rotate(party, instance, replace(session, ratchet=ratchet), message)
    return aes_ctr(keys.receiving_aes, message.encrypted_message, message.ctr), keys


def _rotate(party: Party, instance: int, session: Encrypted, message: DataMessage) -> None:
    """Rotate our keys, then theirs, if the message used the latest ones; `session` has accepted it."""
    ratchet = session.ratchet
    whole = party.session(instance)
    pending = whole.pending_mac_keys
    dropped: tuple[KeyPair, ...] = ()
    if message.recipient_keyid == ratchet.our_keyid:
        ratchet, revealed, previous = ratchet.rotate_ours(lambda: party.draw_key("dh.x"))
        pending = pending.plus(revealed)
        dropped = (previous,)
    if message.sender_keyid == ratchet.their_keyid:
        ratchet, revealed = ratchet.rotate_theirs(message.next_dh)
        pending = pending.plus(revealed)
    party.put(replace(whole, message=replace(session, ratchet=ratchet), pending_mac_keys=pending))
    party.forget_keys(dropped)


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The TLVs, lazily, so that those before a broken one are acted upon. Raises Fault(BAD_TLV)."""
    offset = 0
    while offset < len(data):
        start = offset + _TLV_HEADER.size
        if start > len(data):
            raise Fault(Reason.BAD_TLV)
        kind, length = _TLV_HEADER.unpack_from(data, offset)
        offset = start + length
        if offset > len(data):
            raise Fault(Reason.BAD_TLV)
        yield kind, data[start:offset]


def _deliver(party: Party, instance: int, plaintext: bytes, keys: SessionKeys) -> list[Event]:
    """Show the text and act on the TLVs. [Data Message]"""
    text, _, tlvs = plaintext.partition(b"\0")
    events: list[Event] = [TextReceived(text, True, False, instance)] if text else []
    records = _records(tlvs)
    session = party.encrypted(instance)
    try:
        # A TLV that ends the session is the last one looked at, so none is taken without a session.
        while session is not None and (record := next(records, None)) is not None:
            kind, value = record
            events += _receive_tlv(party, instance, session, kind, value, keys)
            session = party.encrypted(instance)
    except Fault as fault:
        events.append(Rejected(fault.reason))
    return events


def _receive_tlv(
    party: Party, instance: int, session: Encrypted, kind: int, value: bytes, keys: SessionKeys
) -> list[Event]:
    if kind in smp_run.SMP_TYPES:
        return smp_run.receive(party, instance, session, Tlv(kind), value)
    if kind == Tlv.DISCONNECTED:
        return _disconnected(party, instance, session)
    if kind == Tlv.EXTRA_KEY and party.session(instance).version == 3:
        if len(value) < _USE_SIZE:
            return [Rejected(Reason.BAD_TLV)]
        use = int.from_bytes(value[:_USE_SIZE], "big")
        return [ExtraKey(instance, True, use, value[_USE_SIZE:], keys.extra)]
    return []


def _disconnected(party: Party, instance: int, session: Encrypted) -> list[Event]:
    """The correspondent has ended the session: FINISHED."""
    whole = party.session(instance)
    pending = whole.pending_mac_keys.plus(session.ratchet.mac_keys())
    party.put(replace(whole, message=Finished(session.fingerprint), pending_mac_keys=pending))
    party.forget_keys(tuple(session.ratchet.our_keys.values()))
    return [*smp_run.dropped(instance, session, Reason.SESSION_LEFT), FinishedEvent(instance)]


def _heartbeat(party: Party, instance: int) -> list[Event]:
    """An empty message, if none went out for long enough. [Receiving a Data Message]"""
    session = party.encrypted(instance)
    interval = party.config.heartbeat_interval
    if session is None or interval is None or party.state.now - session.last_sent < interval:
        return []
    return send_data(party, instance, session, b"", flags=IGNORE_UNREADABLE).events
