"""Data messages: making and reading them, their TLVs, and what each TLV sets off.

[Data Message, Receiving a Data Message, Revealing MAC keys, The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from implementations.contract import (
    UNREADABLE_ERROR,
    ExtraKey,
    Finished,
    MessageState,
    Outgoing,
    Reason,
    Rejected,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    SmpState,
    TextReceived,
    Unreadable,
)

from . import smp
from .codec import LAYOUTS, Fields, MessageType, Reject, data, header, mpi, read
from .numbers import aes_ctr, hmac_sha1, in_group, same
from .ratchet import PairKeys, Ratchet
from .smp import NO_RUN, SmpRun
from .state import Session
from .step import Step

IGNORE_UNREADABLE = 0x01

PADDING, DISCONNECTED = 0, 1
SMP_1, SMP_2, SMP_3, SMP_4, SMP_ABORT, SMP_1Q = 2, 3, 4, 5, 6, 7
EXTRA_KEY = 8

_MAX_KEYID = 0xFFFFFFFF

#: A TLV: type and value.
Tlv = tuple[int, bytes]


def ratchet_of(session: Session) -> Ratchet:
    """The ratchet of a session that is known to be ENCRYPTED."""
    if session.ratchet is None:
        raise TypeError(f"session {session.instance:08x} has no keys in {session.message_state.name}")
    return session.ratchet


# Sending


def send_data(step: Step, instance: int, text: bytes, *tlvs: Tlv, flags: int = 0) -> PairKeys:
    """Encrypt, transmit, and return the session keys that were used. [When you send a Data Message]"""
    session = step.session(instance)
    ratchet = ratchet_of(session)
    ids = (ratchet.our_keyid - 1, ratchet.their_keyid)
    keys = ratchet.pair(ids)
    keys = replace(keys, sent=keys.sent + 1)
    if tlvs:
        text += b"\0" + b"".join(kind.to_bytes(2) + len(value).to_bytes(2) + value for kind, value in tlvs)
    ctr = keys.sent.to_bytes(8)
    head = (
        header(session.version, MessageType.DATA, step.instance_tag, instance)
        + bytes([flags])
        + ids[0].to_bytes(4)
        + ids[1].to_bytes(4)
        + mpi(ratchet.ours[1].public)
        + ctr
        + data(aes_ctr(keys.sending_aes, ctr, text))
    )
    body = head + hmac_sha1(keys.sending_mac, head) + data(b"".join(session.to_reveal))
    step.put(replace(session, ratchet=ratchet.with_pair(ids, keys), to_reveal=(), last_sent=step.now))
    step.transmit(body, session.version, instance)
    return keys


# Receiving


def receive(step: Step, instance: int, body: bytes, offset: int) -> None:
    """Act on a data message, or report that it can't be read."""
    try:
        fields = read(LAYOUTS[MessageType.DATA], body, offset)
        session = step.session(instance)
        if session.message_state is not MessageState.ENCRYPTED:
            raise Reject(Reason.NOT_ENCRYPTED)
        keys, plaintext = _accept(step, session, fields, body)
    except Reject as reject:
        flags = body[offset : offset + 1]
        if flags and flags[0] & IGNORE_UNREADABLE:
            step.reject(reject)
        else:
            step.emit(Unreadable(instance, reject.reason, reject.field, reject.offset))
            step.emit(Outgoing(UNREADABLE_ERROR))
        return
    text, nul, records = plaintext.partition(b"\0")
    if text:
        step.emit(TextReceived(text, secure=True, warn=False, instance=instance))
    if nul:
        _handle_tlvs(step, instance, records, keys)
    _heartbeat(step, instance)


def _accept(step: Step, session: Session, fields: Fields, body: bytes) -> tuple[PairKeys, bytes]:
    """Verify, decrypt, rotate the keys; the session keys used and the plaintext. [When you receive a Data Message]"""
    ratchet = ratchet_of(session)
    skid, rkid = fields.number("sender_keyid"), fields.number("recipient_keyid")
    ids = (rkid, skid)
    if skid == ratchet.their_keyid == _MAX_KEYID:
        raise Reject(Reason.UNKNOWN_KEY)
    keys = ratchet.pair(ids)
    try:
        _verify(keys, fields, body)
    except Reject as reject:
        # Only the keys, once derived, and that they verified something are worth keeping of a message that is refused.
        keys = replace(keys, verified=keys.verified or reject.reason is not Reason.BAD_MAC)
        step.put(replace(session, ratchet=ratchet.with_pair(ids, keys)))
        raise
    ctr, next_dh = fields.data("ctr"), fields.number("next_dh")
    ratchet = ratchet.with_pair(ids, replace(keys, received=int.from_bytes(ctr), verified=True))
    plaintext = aes_ctr(keys.receiving_aes, ctr, fields.data("encrypted_message"))
    revealed, forgotten = session.to_reveal, ratchet.ours[:1]
    rotate_ours, rotate_theirs = rkid == ratchet.our_keyid, skid == ratchet.their_keyid
    if rotate_ours:
        ratchet, dropped = ratchet.rotate_ours(step.draw_key_pair("dh.x"))
        revealed += dropped
    if rotate_theirs:
        ratchet, dropped = ratchet.rotate_theirs(next_dh)
        revealed += dropped
    step.put(replace(session, ratchet=ratchet, to_reveal=revealed))
    if rotate_ours:
        step.forget(forgotten)
    return keys, plaintext


def _verify(keys: PairKeys, fields: Fields, body: bytes) -> None:
    """MAC, counter and next_dh of a data message, or Reject."""
    authenticated = len(body) - 20 - len(data(fields.data("old_mac_keys")))
    if not same(hmac_sha1(keys.receiving_mac, body[:authenticated]), fields.data("mac")):
        raise Reject(Reason.BAD_MAC)
    if int.from_bytes(fields.data("ctr")) <= keys.received:
        raise Reject(Reason.BAD_COUNTER)
    if not in_group(fields.number("next_dh")):
        raise Reject(Reason.BAD_GROUP_ELEMENT)


def _heartbeat(step: Step, instance: int) -> None:
    interval, session = step.config.heartbeat_interval, step.session(instance)
    if interval is None or session.message_state is not MessageState.ENCRYPTED:
        return
    if step.now - session.last_sent >= interval:
        send_data(step, instance, b"", flags=IGNORE_UNREADABLE)


def leave_encrypted(step: Step, instance: int, state: MessageState) -> None:
    """Forget all keys of a session that has ended. Those to be revealed were collected before."""
    session = step.session(instance)
    ratchet = ratchet_of(session)
    if session.smp.under_way:
        step.emit(SmpAborted(instance, Reason.SESSION_LEFT))
    identity = session.fingerprint if state is MessageState.FINISHED else b""
    step.put(replace(session, message_state=state, ratchet=None, smp=NO_RUN, ssid=b"", fingerprint=identity))
    step.forget(ratchet.ours)


def collect_mac_keys(step: Step, instance: int) -> None:
    """All live receiving MAC keys that verified something are to be revealed, for their keys are about to go."""
    session = step.session(instance)
    step.put(replace(session, to_reveal=session.to_reveal + ratchet_of(session).verified_mac_keys()))


# TLVs


def _records(records: bytes) -> Iterator[Tlv]:
    """The TLVs in their order; Reject(BAD_TLV) at one that is cut short."""
    at = 0
    while at < len(records):
        end = at + 4 + int.from_bytes(records[at + 2 : at + 4])
        if len(records) < at + 4 or len(records) < end:
            raise Reject(Reason.BAD_TLV)
        yield int.from_bytes(records[at : at + 2]), records[at + 4 : end]
        at = end


def _handle_tlvs(step: Step, instance: int, records: bytes, keys: PairKeys) -> None:
    try:
        for kind, value in _records(records):
            if kind == DISCONNECTED:
                collect_mac_keys(step, instance)
                leave_encrypted(step, instance, MessageState.FINISHED)
                step.emit(Finished(instance))
                return
            if kind in _SMP_HANDLERS:
                _smp_received(step, instance, kind, value)
            elif kind == SMP_ABORT:
                _smp_aborted(step, instance)
            elif kind == EXTRA_KEY:
                _extra_key_received(step, instance, value, keys)
    except Reject as reject:
        step.reject(reject)


def _extra_key_received(step: Step, instance: int, value: bytes, keys: PairKeys) -> None:
    if step.session(instance).version == 2:  # to version 2 this type is unknown
        return
    if len(value) < 4:
        step.emit(Rejected(Reason.BAD_TLV))
        return
    step.emit(ExtraKey(instance, True, int.from_bytes(value[:4]), value[4:], keys.extra_key))


# SMP


def _smp_aborted(step: Step, instance: int) -> None:
    session = step.session(instance)
    if session.smp.under_way:
        step.put(replace(session, smp=NO_RUN))
        step.emit(SmpAborted(instance, Reason.PEER_ABORTED))


def _smp_received(step: Step, instance: int, kind: int, value: bytes) -> None:
    expected, handler = _SMP_HANDLERS[kind]
    try:
        if step.session(instance).smp.state is not expected:
            raise Reject(Reason.SMP_UNEXPECTED)
        handler(step, instance, kind, value)
    except Reject as reject:
        smp_abort(step, instance)
        step.emit(SmpAborted(instance, reject.reason))


def smp_abort(step: Step, instance: int) -> None:
    """Send an abort and go to EXPECT1."""
    step.put(replace(step.session(instance), smp=NO_RUN))
    send_data(step, instance, b"", (SMP_ABORT, b""))


def smp_put(step: Step, instance: int, run: SmpRun) -> None:
    step.put(replace(step.session(instance), smp=run))


def _smp_1(step: Step, instance: int, kind: int, value: bytes) -> None:
    question = None
    if kind == SMP_1Q:
        question, nul, value = value.partition(b"\0")
        if not nul:
            raise Reject(Reason.SMP_MALFORMED)
    smp_put(step, instance, smp.offered(smp.decode(SMP_1, value)))
    step.emit(SmpRequested(instance, question))


def _smp_2(step: Step, instance: int, kind: int, value: bytes) -> None:
    kept = step.session(instance).smp.kept
    run, numbers = smp.receive_2(kept, smp.decode(kind, value), step.draw_smp_exponent)
    smp_put(step, instance, run)
    send_data(step, instance, b"", (SMP_3, smp.encode(SMP_3, numbers)))


def _smp_3(step: Step, instance: int, kind: int, value: bytes) -> None:
    kept = step.session(instance).smp.kept
    equal, numbers = smp.receive_3(kept, smp.decode(kind, value), step.draw_smp_exponent)
    smp_put(step, instance, NO_RUN)
    send_data(step, instance, b"", (SMP_4, smp.encode(SMP_4, numbers)))
    step.emit(SmpFinished(instance, equal))


def _smp_4(step: Step, instance: int, kind: int, value: bytes) -> None:
    equal = smp.receive_4(step.session(instance).smp.kept, smp.decode(kind, value))
    smp_put(step, instance, NO_RUN)
    step.emit(SmpFinished(instance, equal))


#: TLV type -> the SMP state in which it is accepted, and what it does then. [Expected Message]
_SMP_HANDLERS: dict[int, tuple[SmpState, Callable[[Step, int, int, bytes], None]]] = {
    SMP_1: (SmpState.EXPECT1, _smp_1),
    SMP_1Q: (SmpState.EXPECT1, _smp_1),
    SMP_2: (SmpState.EXPECT2, _smp_2),
    SMP_3: (SmpState.EXPECT3, _smp_3),
    SMP_4: (SmpState.EXPECT4, _smp_4),
}
