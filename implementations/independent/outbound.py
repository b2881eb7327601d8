"""Sending Data Messages: plaintext and TLVs, keys and counters, old MAC keys, and texts that were stored.
[Data Message, Key Management]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

from otterproof.implementations.contract import RECENT, Event, StoredTextDropped

from .derive import SessionKeys
from .growing import Chain
from .party import Party
from .primitives import aes_ctr, sha1_hmac
from .session import Encrypted
from .wire import Encoded, Kind, encode_data, encode_mpi


class Tlv(IntEnum):
    """The TLV types that mean something. [Data Message; TLV-SMP-1]"""

    PADDING = 0  # [TLV-PADDING-1]
    DISCONNECTED = 1  # [TLV-END-1]
    SMP_1 = 2
    SMP_2 = 3
    SMP_3 = 4
    SMP_4 = 5
    SMP_ABORT = 6  # [TLV-SMP-2]
    SMP_1Q = 7  # [TLV-SMP-5]
    EXTRA_KEY = 8  # [TLV-EXTRA-1]


def encode_tlv(kind: Tlv, value: bytes = b"") -> bytes:
    """One TLV record. [TLV-FORM-3, TLV-SAMPLE-1]"""
    return struct.pack(">HH", kind, len(value)) + value


@dataclass(frozen=True, slots=True)
class Sent:
    """What sending a Data Message comes to: the events, the session after it, and the keys it was made with."""

    events: list[Event]
    session: Encrypted
    keys: SessionKeys


def send_data(
    party: Party, instance: int, session: Encrypted, plaintext: bytes, *, flags: int = 0, last: bool = False
) -> Sent:
    """Encrypt `plaintext` and transmit it in session `instance`; its state becomes `session`, with the message counted.

    flags: the bitwise or of the flags, none for an ordinary message. [DATA-FLAGS-1, DATA-FLAGS-2]
    last: this message ends the session, so it reveals every MAC key that verified something. [Data Message;
    DATA-FORM-6, DATA-KEYID-4]
    """
    pair = session.ratchet.sending_pair
    ratchet, keys = session.ratchet.with_keys(pair)
    ratchet, counter = ratchet.count_sent(pair)
    whole = party.session(instance)
    # What was collected goes into every kind of message, once, and also after the session has ended or was replaced.
    # [MACREVEAL-WHEN-3, MACREVEAL-WHEN-6, MACREVEAL-END-1]
    revealed = whole.pending_mac_keys.plus(ratchet.mac_keys() if last else ())
    sender_keyid, recipient_keyid = pair
    next_dh = ratchet.our_keys[ratchet.our_keyid].public  # [KEYMGMT-SEND-2, DATA-NEXT-1]
    ctr = counter.to_bytes(8, "big")

    header = party.header(whole.version, Kind.DATA, instance)
    body = struct.pack(">BII", flags, sender_keyid, recipient_keyid) + encode_mpi(next_dh)
    body += ctr + encode_data(aes_ctr(keys.sending_aes, plaintext, ctr))  # [KEYMGMT-SEND-3, DATA-ENC-1]
    mac = sha1_hmac(keys.sending_mac, header.encode() + body)  # [DATA-MAC-1, DATA-MAC-2]
    message = Encoded(header, body + mac + encode_data(b"".join(revealed)))  # [MACREVEAL-WHAT-4, DATA-OLDMACS-1]

    following = replace(session, ratchet=ratchet, last_sent=party.state.now)
    party.put(replace(whole, message=following, pending_mac_keys=Chain()))  # [MACREVEAL-WHEN-5]
    return Sent(party.emit(message), following, keys)


def send_tlv(party: Party, instance: int, session: Encrypted, kind: Tlv, value: bytes = b"") -> Sent:
    """Transmit a single TLV without text and flags."""
    return send_data(party, instance, session, b"\0" + encode_tlv(kind, value))


def send_stored(party: Party, instance: int, session: Encrypted) -> list[Event]:
    """Send the stored texts in a session that has just become ENCRYPTED, or drop them. None stays stored.

    They go out encrypted, once, while they are recent, and to nobody but the one they were written for.
    [USER-STORED-1, USER-STORED-2, USER-STORED-3, USER-STORED-4, ERROR-RESEND-1]
    """
    events: list[Event] = []
    stored, party.state.stored = party.state.stored, Chain()
    for entry in stored:
        recent = party.state.now - entry.stored_at <= RECENT
        if recent and entry.fingerprint in (None, session.fingerprint):
            sent = send_data(party, instance, session, entry.text)
            session = sent.session
            events += sent.events
        else:
            events.append(StoredTextDropped(entry.text))  # [USER-STORED-6]
    return events
