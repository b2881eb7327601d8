"""Data messages: making and reading them, their TLVs, and what each TLV sets off.

[Data Message, Receiving a Data Message, Revealing MAC keys, The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from otterproof.implementations.contract import (
    UNREADABLE_ERROR,
    ExtraKeyDerived,
    MessageRejected,
    MessageState,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    RejectReason,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    SmpRequested,
    SmpState,
    TextReceived,
)
from otterproof.implementations.values import replace

from . import smp
from .codec import LAYOUTS, Fields, MessageType, Reject, data, header, mpi, read
from .numbers import aes_ctr, hmac_sha1, in_group, same
from .ratchet import PairKeys, Ratchet
from .smp import NO_RUN, SmpFailed, SmpRun
from .state import Session
from .step import Step

IGNORE_UNREADABLE = 0x01  # [DATA-FLAGS-3]

PADDING, DISCONNECTED = 0, 1
SMP_1, SMP_2, SMP_3, SMP_4, SMP_ABORT, SMP_1Q = 2, 3, 4, 5, 6, 7  # [TLV-SMP-1]
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
    """Encrypt, transmit, and return the session keys that were used. [When you send a Data Message]

    The text goes out unchanged, whatever its length. [DATA-TEXT-1, DATA-TEXT-2]
    """
    session = step.session(instance)
    ratchet = ratchet_of(session)
    # Both ids are at least 1, as ours begin at 1 and a handshake with 0 is refused.
    # [DATA-KEYID-1, DATA-KEYID-3, KEYMGMT-PICK-1, KEYMGMT-PICK-2, KEYMGMT-SEND-1]
    ids = (ratchet.our_keyid - 1, ratchet.their_keyid)
    keys = ratchet.pair(ids)
    # Counting begins at 1, so the top half of the counter is never 0.
    # [DATA-CTR-1, DATA-CTR-2, DATA-CTR-3, KEYMGMT-SEND-4]
    keys = replace(keys, sent=keys.sent + 1)
    # [TLV-FORM-1, TLV-FORM-2, TLV-FORM-3]
    if tlvs:
        text += b"\0" + b"".join(kind.to_bytes(2) + len(value).to_bytes(2) + value for kind, value in tlvs)
    ctr = keys.sent.to_bytes(8)
    head = (
        # [DATA-FORM-1, DATA-FORM-2, DATA-FORM-4, DATA-FORM-5]
        header(session.version, MessageType.DATA, step.instance_tag, instance)
        + bytes([flags])  # [DATA-FLAGS-1, DATA-FLAGS-2]
        + ids[0].to_bytes(4)  # [DATA-KEYID-4]
        + ids[1].to_bytes(4)
        + mpi(ratchet.ours[1].public)  # [DATA-NEXT-1, KEYMGMT-SEND-2]
        + ctr
        + data(aes_ctr(keys.sending_aes, ctr, text))  # [DATA-ENC-1, KEYMGMT-SEND-3]
    )
    # [DATA-MAC-1, DATA-MAC-2, DATA-MAC-3; DATA-OLDMACS-1, MACREVEAL-WHAT-4, MACREVEAL-WHEN-3]
    body = head + hmac_sha1(keys.sending_mac, head) + data(b"".join(session.to_reveal))
    step.put(replace(session, ratchet=ratchet.with_pair(ids, keys), to_reveal=(), last_sent=step.now))
    step.transmit(body, session.version, instance)
    return keys


# Receiving


def receive(step: Step, instance: int, body: bytes, offset: int) -> None:
    """Act on a data message, or report that it can't be read.

    Other bits of the flags than IGNORE_UNREADABLE, and this one in a message that can be read, have no effect.
    [DATA-FLAGS-5, DATA-FLAGS-6]
    """
    try:
        fields = read(LAYOUTS[MessageType.DATA], body, offset)
        session = step.session(instance)
        if session.message_state is not MessageState.ENCRYPTED:
            raise Reject(RejectReason.NOT_ENCRYPTED)
        keys, plaintext = _accept(step, session, fields, body)
    except Reject as reject:
        flags = body[offset : offset + 1]
        if flags and flags[0] & IGNORE_UNREADABLE:
            step.reject(reject)  # [DATA-FLAGS-4]
        else:  # [DATA-RECV-6, DATA-RECV-7, DATA-RECV-8, DATA-RECV-9]
            step.emit(MessageUnreadable(instance, reject.reason, reject.field, reject.offset))
            # A fixed sentence, without secrets and names. [ERROR-FORM-2, ERROR-FORM-3, ERROR-TEXT-1]
            step.emit(OutgoingMessage(UNREADABLE_ERROR))
        return
    text, nul, records = plaintext.partition(b"\0")  # [TLV-FORM-1, TLV-FORM-6]
    # [DATA-HEARTBEAT-1, DATA-RECV-2, DATA-TEXT-3, TLV-END-4]
    if text:
        step.emit(TextReceived(text, secure=True, warn=False, instance=instance))
    # Only of a message that was verified. [TLV-FORM-7]
    if nul:
        _handle_tlvs(step, instance, records, keys)
    _heartbeat(step, instance)


def _accept(step: Step, session: Session, fields: Fields, body: bytes) -> tuple[PairKeys, bytes]:
    """Verify, decrypt, rotate the keys; the session keys used and the plaintext. [When you receive a Data Message]

    Nothing is decrypted, and no counter or D-H key changes, before everything is verified; what the plaintext is does
    not matter. [DATA-HEARTBEAT-2, DATA-ORDER-1, DATA-RECV-1, DATA-RECV-10, DATA-RECV-12, KEYMGMT-ROTATE-5]
    """
    ratchet = ratchet_of(session)
    skid, rkid = fields.number("sender_keyid"), fields.number("recipient_keyid")
    ids = (rkid, skid)
    # No key could follow it. [KEYMGMT-NEXT-2]
    if skid == ratchet.their_keyid == _MAX_KEYID:
        raise Reject(RejectReason.UNKNOWN_KEY)
    keys = ratchet.pair(ids)  # also of the previous keys [KEYMGMT-RECV-1, KEYMGMT-RECV-8, KEYMGMT-ROTATE-6]
    try:
        _verify(keys, fields, body)
    except Reject as reject:
        # Only the keys, once derived, and that they verified something are worth keeping of a message that is refused.
        keys = replace(keys, verified=keys.verified or reject.reason is not RejectReason.BAD_MAC)
        step.put(replace(session, ratchet=ratchet.with_pair(ids, keys)))
        raise
    ctr, next_dh = fields.data("ctr"), fields.number("next_dh")
    ratchet = ratchet.with_pair(ids, replace(keys, received=int.from_bytes(ctr), verified=True))  # [KEYMGMT-RECV-9]
    plaintext = aes_ctr(keys.receiving_aes, ctr, fields.data("encrypted_message"))  # [KEYMGMT-RECV-7]
    revealed, forgotten = session.to_reveal, ratchet.ours[:1]
    # [DATA-RECV-3, KEYMGMT-ROTATE-1, KEYMGMT-ROTATE-3, KEYMGMT-ROTATE-4]
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
    # From the first byte to the field before the MAC. [DATA-MAC-2, DATA-MAC-3]
    authenticated = len(body) - 20 - len(data(fields.data("old_mac_keys")))
    if not same(hmac_sha1(keys.receiving_mac, body[:authenticated]), fields.data("mac")):
        raise Reject(RejectReason.BAD_MAC)  # [DATA-MAC-1, KEYMGMT-RECV-5]
    # The last counter of a new pair is 0, so that a counter of 0 is refused. A repeated message is refused, too.
    # [DATA-CTR-2, DATA-CTR-4, DATA-RECV-13, KEYMGMT-RECV-6]
    if int.from_bytes(fields.data("ctr")) <= keys.received:
        raise Reject(RejectReason.BAD_COUNTER)
    if not in_group(fields.number("next_dh")):
        raise Reject(RejectReason.BAD_GROUP_ELEMENT)  # [KEYMGMT-NEXT-1]


def _heartbeat(step: Step, instance: int) -> None:
    """Answer a message without text if nothing was sent for the interval; a heartbeat counts as sent, too.

    [DATA-RECV-4, DATA-RECV-5, DATA-RECV-11]
    """
    interval, session = step.config.heartbeat_interval, step.session(instance)
    if interval is None or session.message_state is not MessageState.ENCRYPTED:
        return
    if step.now - session.last_sent >= interval:
        send_data(step, instance, b"", flags=IGNORE_UNREADABLE)


def leave_encrypted(step: Step, instance: int, state: MessageState) -> None:
    """Forget all keys of a session that has ended. Those to be revealed were collected before.

    [SMP-STATE-2, STATE-ENDED-1, STATE-ENDED-3, USER-END-5]
    """
    session = step.session(instance)
    ratchet = ratchet_of(session)
    if session.smp.under_way:
        step.emit(SmpAborted(instance, SmpAbortReason.SESSION_LEFT))  # [SMP-ABORT-4]
    identity = session.fingerprint if state is MessageState.FINISHED else b""
    step.put(replace(session, message_state=state, ratchet=None, smp=NO_RUN, ssid=b"", fingerprint=identity))
    step.forget(ratchet.ours)


def collect_mac_keys(step: Step, instance: int) -> None:
    """All live receiving MAC keys that verified something are to be revealed, for their keys are about to go.

    [MACREVEAL-END-1, MACREVEAL-WHEN-6]
    """
    session = step.session(instance)
    step.put(replace(session, to_reveal=session.to_reveal + ratchet_of(session).verified_mac_keys()))


# TLVs


def _records(records: bytes) -> Iterator[Tlv]:
    """The TLVs in their order; Reject(BAD_TLV) at one that is cut short.

    [TLV-FORM-2, TLV-FORM-3, TLV-FORM-8, TLV-SAMPLE-1]
    """
    at = 0
    while at < len(records):
        end = at + 4 + int.from_bytes(records[at + 2 : at + 4])
        if len(records) < at + 4 or len(records) < end:
            raise Reject(RejectReason.BAD_TLV)
        yield int.from_bytes(records[at : at + 2]), records[at + 4 : end]
        at = end


def _handle_tlvs(step: Step, instance: int, records: bytes, keys: PairKeys) -> None:
    """Act on each TLV. Those of unknown type, and padding, are skipped. [TLV-FORM-4, TLV-FORM-5, TLV-PADDING-2]"""
    try:
        for kind, value in _records(records):
            # In every SMP state: [SMP-EXPECT-1, STATE-ENDED-2, STATE-FINISHED-2, TLV-END-2, TLV-END-3].
            if kind == DISCONNECTED:
                collect_mac_keys(step, instance)
                leave_encrypted(step, instance, MessageState.FINISHED)
                step.emit(PeerEndedSession(instance))
                return
            if kind in _SMP_HANDLERS:
                _smp_received(step, instance, kind, value)
            elif kind == SMP_ABORT:
                _smp_aborted(step, instance)  # without an answer [SMP-ACTION-2, TLV-SMP-4]
            elif kind == EXTRA_KEY:
                _extra_key_received(step, instance, value, keys)
    except Reject as reject:
        step.reject(reject)


def _extra_key_received(step: Step, instance: int, value: bytes, keys: PairKeys) -> None:
    # [EXTRA-KEY-5]
    if step.session(instance).version == 2:  # to version 2 this type is unknown
        return
    # [TLV-EXTRA-4]
    if len(value) < 4:
        step.emit(MessageRejected(RejectReason.BAD_TLV))
        return
    # The key is that of the message that brings the TLV, even if the message has changed the current keys.
    # [EXTRA-KEY-2, EXTRA-KEY-3, TLV-EXTRA-2]
    step.emit(ExtraKeyDerived(instance, True, int.from_bytes(value[:4]), value[4:], keys.extra_key))


# SMP


def _smp_aborted(step: Step, instance: int) -> None:
    session = step.session(instance)
    if session.smp.under_way:
        step.put(replace(session, smp=NO_RUN))
        step.emit(SmpAborted(instance, SmpAbortReason.PEER_ABORTED))


def _smp_received(step: Step, instance: int, kind: int, value: bytes) -> None:
    """Act on an SMP message, or answer it with an abort.

    Not expected: [SMP-BEGIN-5, SMP-MSG1-1, SMP-MSG2-1, SMP-MSG3-1, SMP-MSG4-1]. Does not verify, or has not the form:
    [SMP-ABORT-1, SMP-EXPECT-5, SMP-MSG1-5, SMP-MSG2-4, SMP-MSG3-5, SMP-MSG4-4].
    """
    expected, handler = _SMP_HANDLERS[kind]
    try:
        if step.session(instance).smp.state is not expected:
            raise SmpFailed(SmpAbortReason.SMP_UNEXPECTED)
        handler(step, instance, kind, value)
    except SmpFailed as failed:
        smp_abort(step, instance)
        step.emit(SmpAborted(instance, failed.reason))


def smp_abort(step: Step, instance: int) -> None:
    """Send an abort and go to EXPECT1. [SMP-ABORT-3, SMP-EXPECT-5, TLV-SMP-2, TLV-SMP-3]"""
    step.put(replace(step.session(instance), smp=NO_RUN))
    send_data(step, instance, b"", (SMP_ABORT, b""))


def smp_put(step: Step, instance: int, run: SmpRun) -> None:
    step.put(replace(step.session(instance), smp=run))


def _smp_1(step: Step, instance: int, kind: int, value: bytes) -> None:
    question = None
    if kind == SMP_1Q:  # [TLV-SMP-5, TLV-SMP-6]
        question, nul, value = value.partition(b"\0")
        if not nul:
            raise SmpFailed(SmpAbortReason.SMP_MALFORMED)
    smp_put(step, instance, smp.offered(smp.decode(SMP_1, value)))
    step.emit(SmpRequested(instance, question))  # [SMP-MSG1-4]


def _smp_2(step: Step, instance: int, kind: int, value: bytes) -> None:
    kept = step.session(instance).smp.kept
    run, numbers = smp.receive_2(kept, smp.decode(kind, value), step.draw_smp_exponent)
    smp_put(step, instance, run)
    send_data(step, instance, b"", (SMP_3, smp.encode(SMP_3, numbers)))


def _smp_3(step: Step, instance: int, kind: int, value: bytes) -> None:
    """Answered whether the secrets are equal or not. [SMP-MSG3-2, SMP-MSG3-3, SMP-MSG3-4]"""
    kept = step.session(instance).smp.kept
    equal, numbers = smp.receive_3(kept, smp.decode(kind, value), step.draw_smp_exponent)
    smp_put(step, instance, NO_RUN)
    send_data(step, instance, b"", (SMP_4, smp.encode(SMP_4, numbers)))
    step.emit(SmpFinished(instance, equal))


def _smp_4(step: Step, instance: int, kind: int, value: bytes) -> None:
    """[SMP-MSG4-2, SMP-MSG4-3]"""
    equal = smp.receive_4(step.session(instance).smp.kept, smp.decode(kind, value))
    smp_put(step, instance, NO_RUN)
    step.emit(SmpFinished(instance, equal))


#: TLV type -> the SMP state in which it is accepted, and what it does then. A question is accepted in version 2, too.
#: [Expected Message; SMP-ACTION-1, SMP-EXPECT-2, SMP-EXPECT-3, SMP-EXPECT-6, SMP-EXPECT-7, SMP-EXPECT-8]
_SMP_HANDLERS: dict[int, tuple[SmpState, Callable[[Step, int, int, bytes], None]]] = {
    SMP_1: (SmpState.EXPECT1, _smp_1),
    SMP_1Q: (SmpState.EXPECT1, _smp_1),
    SMP_2: (SmpState.EXPECT2, _smp_2),
    SMP_3: (SmpState.EXPECT3, _smp_3),
    SMP_4: (SmpState.EXPECT4, _smp_4),
}
