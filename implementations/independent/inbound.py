"""Receiving Data Messages: the checks in their order, key rotation, text and TLVs, and the heartbeat.
[Receiving a Data Message, Key Management]
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace

from otterproof.implementations.contract import (
    UNREADABLE_ERROR,
    Event,
    ExtraKeyDerived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    RejectReason,
    SmpAbortReason,
    TextReceived,
)

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
    """Act on a Data Message whose header is right. The flags of one that can be read don't matter. [DATA-FLAGS-5]"""
    try:
        message = read_data_body(raw, header)
        plaintext, keys = _open(party, header.sender, message)
    except Fault as fault:
        # The flags count even when what follows them is malformed; bits without a meaning don't. [DATA-FLAGS-6]
        flags = raw[header.size : header.size + 1]
        return _complain(header.sender, fault, quiet=bool(flags and flags[0] & IGNORE_UNREADABLE))
    events = _deliver(party, header.sender, plaintext, keys)
    return events + _heartbeat(party, header.sender)


def _complain(instance: int, fault: Fault, *, quiet: bool) -> list[Event]:
    """Tell the user, and the correspondent by an Error Message, the same in every message state.
    [Receiving a Data Message; DATA-RECV-6, DATA-RECV-7, DATA-RECV-8, DATA-RECV-9]

    Its text is fixed and holds nothing of this party. [ERROR-FORM-2, ERROR-FORM-3, ERROR-TEXT-1]
    """
    if quiet:
        return [MessageRejected(fault.reason, fault.field, fault.offset)]  # [DATA-FLAGS-4]
    return [MessageUnreadable(instance, fault.reason, fault.field, fault.offset), OutgoingMessage(UNREADABLE_ERROR)]


def _open(party: Party, instance: int, message: DataMessage) -> tuple[bytes, SessionKeys]:
    """Check, decrypt and rotate; the keys returned are those of the message. Raises Fault. [DATA-RECV-1]

    What is in the message is used only when its MAC is right, and keys and counters change only when all is.
    [DATA-ORDER-1, DATA-RECV-10, DATA-RECV-12, KEYMGMT-RECV-9, KEYMGMT-ROTATE-5]
    """
    session = party.encrypted(instance)
    if session is None:
        raise Fault(RejectReason.NOT_ENCRYPTED)
    pair = (message.recipient_keyid, message.sender_keyid)
    session.ratchet.check_pair(pair)
    ratchet, keys = session.ratchet.with_keys(pair)
    verified = same(sha1_hmac(keys.receiving_mac, message.authenticated), message.mac)
    if verified:
        ratchet = ratchet.mark_verified(pair)
    # From here on the derived keys are kept, and so is it that one of them verified, whatever else is wrong.
    party.put_encrypted(instance, replace(session, ratchet=ratchet))
    if not verified:
        raise Fault(RejectReason.BAD_MAC)  # [KEYMGMT-RECV-5]
    ratchet = ratchet.accept_counter(pair, int.from_bytes(message.ctr, "big"))  # [DATA-CTR-4]
    if not in_group(message.next_dh):
        raise Fault(RejectReason.BAD_GROUP_ELEMENT)  # [KEYMGMT-NEXT-1]
    _rotate(party, instance, replace(session, ratchet=ratchet), message)
    return aes_ctr(keys.receiving_aes, message.encrypted_message, message.ctr), keys  # [KEYMGMT-RECV-7]


def _rotate(party: Party, instance: int, session: Encrypted, message: DataMessage) -> None:
    """Rotate our keys, then theirs, if the message used the latest ones; `session` has accepted it.

    A message without text counts as well. [Key Management; DATA-RECV-3, DATA-HEARTBEAT-2, KEYMGMT-ROTATE-4] One that
    gets lost is made up for by the next, for neither end drops a key that the other may still use. [KEYMGMT-ROTATE-6]
    """
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
    """The TLVs, lazily, so that those before a broken one are acted upon. Raises Fault(BAD_TLV).

    They stand back to back, and there may be none. [TLV-FORM-2, TLV-FORM-3, TLV-FORM-6, TLV-FORM-8]
    """
    offset = 0
    while offset < len(data):
        start = offset + _TLV_HEADER.size
        if start > len(data):
            raise Fault(RejectReason.BAD_TLV)
        kind, length = _TLV_HEADER.unpack_from(data, offset)
        offset = start + length
        if offset > len(data):
            raise Fault(RejectReason.BAD_TLV)
        yield kind, data[start:offset]


def _deliver(party: Party, instance: int, plaintext: bytes, keys: SessionKeys) -> list[Event]:
    """Show the text and act on the TLVs. [Data Message; TLV-FORM-7, DATA-RECV-2]

    The text is shown first, whatever TLVs follow it, whole and unchanged. [DATA-TEXT-1, DATA-TEXT-2, DATA-TEXT-3,
    TLV-END-4]
    """
    text, _, tlvs = plaintext.partition(b"\0")  # [TLV-FORM-1]
    events: list[Event] = [TextReceived(text, True, False, instance)] if text else []  # [DATA-HEARTBEAT-1]
    records = _records(tlvs)
    session = party.encrypted(instance)
    try:
        # A TLV that ends the session is the last one looked at, so none is taken without a session. [TLV-FORM-5]
        while session is not None and (record := next(records, None)) is not None:
            kind, value = record
            events += _receive_tlv(party, instance, session, kind, value, keys)
            session = party.encrypted(instance)
    except Fault as fault:
        events.append(MessageRejected(fault.reason))
    return events


def _receive_tlv(
    party: Party, instance: int, session: Encrypted, kind: int, value: bytes, keys: SessionKeys
) -> list[Event]:
    """Act on one TLV. What those that are not SMP's do is the same in every SMP state. [SMP-EXPECT-1, SMP-STATE-3]"""
    if kind in smp_run.SMP_TYPES:
        return smp_run.receive(party, instance, session, Tlv(kind), value)
    if kind == Tlv.DISCONNECTED:
        return _disconnected(party, instance, session)
    # In version 2 it is a TLV of unknown type. [EXTRA-KEY-5]
    if kind == Tlv.EXTRA_KEY and party.session(instance).version == 3:
        if len(value) < _USE_SIZE:
            return [MessageRejected(RejectReason.BAD_TLV)]  # [TLV-EXTRA-4]
        use = int.from_bytes(value[:_USE_SIZE], "big")  # [TLV-EXTRA-2]
        # The key is that of the pair this very message was read with. [EXTRA-KEY-2, EXTRA-KEY-3, EXTRA-KEY-4]
        return [ExtraKeyDerived(instance, True, use, value[_USE_SIZE:], keys.extra)]
    return []  # padding, or a type that is not known [TLV-FORM-4, TLV-PADDING-2]


def _disconnected(party: Party, instance: int, session: Encrypted) -> list[Event]:
    """The correspondent has ended the session: FINISHED. Its keys are forgotten, but for the MAC keys to reveal.
    [Receiving a TLV type 1; TLV-END-2, STATE-ENDED-1, STATE-ENDED-2, STATE-FINISHED-2, MACREVEAL-END-1]
    """
    whole = party.session(instance)
    pending = whole.pending_mac_keys.plus(session.ratchet.mac_keys())
    party.put(replace(whole, message=Finished(session.fingerprint), pending_mac_keys=pending))
    party.forget_keys(tuple(session.ratchet.our_keys.values()))
    return [*smp_run.dropped(instance, session, SmpAbortReason.SESSION_LEFT), PeerEndedSession(instance)]  # [TLV-END-3]


def _heartbeat(party: Party, instance: int) -> list[Event]:
    """An empty message, if none went out for long enough. [Receiving a Data Message; DATA-RECV-4, DATA-RECV-5]

    It counts as one that went out, so the heartbeats of two clients don't answer each other, unless both are configured
    with an interval of 0. [DATA-RECV-11]
    """
    session = party.encrypted(instance)
    interval = party.config.heartbeat_interval
    if session is None or interval is None or party.state.now - session.last_sent < interval:
        return []
    return send_data(party, instance, session, b"", flags=IGNORE_UNREADABLE).events
