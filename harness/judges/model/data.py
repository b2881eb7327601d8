"""The model's rules for received data messages: the checks, the ratchet, the TLVs, SMP, the heartbeat.

[Receiving a Data Message, Key Management, The SMP state machine; choice data.check-order, choice data.effect-order]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from otterproof.harness.judges.model.expect import GivesExtraKey, Verbatim
from otterproof.harness.judges.model.names import Dh, Drawn, MacKey, SharedKey, pair
from otterproof.harness.judges.model.plain import (
    DISCONNECTED,
    EXTRA_KEY,
    SMP_ABORT,
    SMP_STEPS,
    Compared,
    Plain,
    Raw,
    Smp,
    SmpId,
    Tlv,
    smp_fault,
    smp_question,
)
from otterproof.harness.judges.model.state import NO_SMP, Ids, Ratchet, SmpRun
from otterproof.harness.judges.model.step import IGNORE_UNREADABLE, Step
from otterproof.harness.wire import Message
from otterproof.harness.wire.numbers import in_group
from otterproof.implementations.contract import (
    UNREADABLE_ERROR,
    MessageRejected,
    MessageUnreadable,
    PeerEndedSession,
    RejectReason,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    SmpRequested,
    SmpState,
    TextReceived,
)

#: No key id can follow this one. [KEYMGMT-NEXT-2, choice data.last-key-id]
LAST_KEYID = 0xFFFFFFFF


def refuse(step: Step, message: Message, instance: int, reason: RejectReason, field: str = "", offset: int = 0) -> None:
    """Refuse an unreadable data message: tell the user and the peer, unless its flag says to ignore it."""
    # [DATA-FLAGS-1, DATA-FLAGS-6]
    if message.has("flags") and message.number("flags") & IGNORE_UNREADABLE:
        step.reject(reason, field, offset)  # [DATA-FLAGS-4]
        return
    step.give(MessageUnreadable(instance, reason, field, offset))  # [DATA-RECV-6, DATA-RECV-8]
    # [DATA-RECV-7, DATA-RECV-9, ERROR-FORM-2, ERROR-FORM-3, ERROR-TEXT-1]
    step.send(Verbatim(UNREADABLE_ERROR))


def receive_data(step: Step, message: Message, instance: int) -> None:
    """Receive a well-formed data message. One that fails a check is refused, and nothing in it is used.

    [DATA-FLAGS-5, DATA-ORDER-1, DATA-RECV-1, DATA-RECV-10, DATA-RECV-12]
    """
    session = step.session(instance)
    ratchet = session.ratchet
    if ratchet is None:
        refuse(step, message, instance, RejectReason.NOT_ENCRYPTED)  # [STATE-ENDED-3]
        return
    their, our = message.number("sender_keyid"), message.number("recipient_keyid")
    our_key, their_key = ratchet.ours.get(our), ratchet.theirs.get(their)  # [KEYMGMT-RECV-1, KEYMGMT-RECV-8]
    # [DATA-KEYID-5, KEYMGMT-RECV-2, KEYMGMT-RECV-3, KEYMGMT-RECV-4, KEYMGMT-ROTATE-7, MACREVEAL-WHAT-6]
    if our_key is None or their_key is None or their == ratchet.their_keyid == LAST_KEYID:
        refuse(step, message, instance, RejectReason.UNKNOWN_KEY)
        return
    written = step.book.written(message.mac_input(), message.data("mac"))  # [DATA-MAC-2, DATA-MAC-3]
    if written is None or (written.sender, written.receiver) != (their_key, our_key):
        refuse(step, message, instance, RejectReason.BAD_MAC)  # [KEYMGMT-RECV-5]
        return
    ids = our, their
    ratchet = replace(ratchet, verified=ratchet.verified | {ids})
    step.put(replace(session, ratchet=ratchet))
    counter, next_dh = int.from_bytes(message.data("ctr"), "big"), message.number("next_dh")  # [DATA-CTR-4]
    if counter <= ratchet.received.get(ids, 0):
        refuse(step, message, instance, RejectReason.BAD_COUNTER)  # [DATA-RECV-13, KEYMGMT-RECV-6]
        return
    if not in_group(next_dh):
        refuse(step, message, instance, RejectReason.BAD_GROUP_ELEMENT)  # [KEYMGMT-NEXT-1]
        return
    ratchet = replace(ratchet, received={**ratchet.received, ids: counter})  # [KEYMGMT-RECV-9]
    # [DATA-HEARTBEAT-2, DATA-RECV-3, KEYMGMT-ROTATE-5]
    _rotate(step, instance, ratchet, ids, step.book.dh(next_dh))
    # [EXTRA-KEY-2, KEYMGMT-RECV-7, TLV-FORM-7]
    _read(step, instance, written.plain, SharedKey(pair(our_key, their_key)))
    _heartbeat(step, instance)


def _rotate(step: Step, instance: int, ratchet: Ratchet, ids: Ids, next_dh: Dh) -> None:
    """Rotate our key if they used our newest one, then theirs if they used their newest one.

    [When you receive a Data Message; KEYMGMT-ROTATE-4]
    """
    our, their = ids
    revealed: list[MacKey] = []
    dropped: list[Drawn] = []
    if our == ratchet.our_keyid:
        dropped.append(ratchet.ours[our - 1])
        ratchet, keys = ratchet.rotate_ours(step.draw_key("dh.x"))
        revealed.extend(keys)
    if their == ratchet.their_keyid:
        ratchet, keys = ratchet.rotate_theirs(next_dh)
        revealed.extend(keys)
    session = step.session(instance)
    # SMP stays as it is. [SMP-STATE-3]
    step.put(replace(session, ratchet=ratchet, pending=(*session.pending, *revealed)))
    step.forget(*dropped)


def _heartbeat(step: Step, instance: int) -> None:
    """[Receiving a Data Message; DATA-RECV-4, DATA-RECV-11, choice data.heartbeat]"""
    session, interval = step.session(instance), step.config.heartbeat_interval
    if session.encrypted and interval is not None and step.state.now - session.last_sent >= interval:
        step.send_data(instance, Plain(), IGNORE_UNREADABLE)  # [DATA-RECV-5]


# --------------------------------------------------------------------------------------------------------------------
# The content
# --------------------------------------------------------------------------------------------------------------------


def _read(step: Step, instance: int, plain: Plain, shared: SharedKey) -> None:
    """Handle the text, then the TLVs in order, up to a Disconnected TLV. shared: the extra key of this message.

    Padding and TLVs of unknown type have no effect. [SMP-EXPECT-1, TLV-FORM-4, TLV-PADDING-2]
    """
    # [DATA-HEARTBEAT-1, DATA-RECV-2, DATA-TEXT-1, DATA-TEXT-2, DATA-TEXT-3, TLV-END-4]
    if plain.text:
        step.give(TextReceived(plain.text, True, False, instance))
    for tlv in plain.tlvs:  # [TLV-FORM-5]
        if isinstance(tlv, Smp) or tlv.type in SMP_STEPS:
            _receive_smp(step, instance, tlv)
        elif tlv.type == DISCONNECTED:
            step.end_by_peer(instance)
            step.give(PeerEndedSession(instance))  # [TLV-END-3]
            return
        elif tlv.type == SMP_ABORT:
            step.drop_smp(step.session(instance), SmpAbortReason.PEER_ABORTED)  # [SMP-ACTION-2, TLV-SMP-4]
        elif tlv.type == EXTRA_KEY and step.session(instance).version == 3:  # [EXTRA-KEY-5]
            if len(tlv.value) < 4:
                step.reject(RejectReason.BAD_TLV)  # [TLV-EXTRA-4]
            else:
                use = int.from_bytes(tlv.value[:4], "big")
                step.expected.append(GivesExtraKey(instance, True, use, tlv.value[4:], shared))
    if plain.cut:
        step.give(MessageRejected(RejectReason.BAD_TLV))  # [TLV-FORM-8]


# --------------------------------------------------------------------------------------------------------------------
# SMP
# --------------------------------------------------------------------------------------------------------------------

#: The SMP state in which each SMP message is expected. [Expected Message]
_WHEN: Mapping[int, SmpState] = {
    1: SmpState.EXPECT1,  # [SMP-EXPECT-2, SMP-EXPECT-3]
    2: SmpState.EXPECT2,  # [SMP-EXPECT-6]
    3: SmpState.EXPECT3,  # [SMP-EXPECT-7]
    4: SmpState.EXPECT4,  # [SMP-EXPECT-8]
}

#: The id of every SMP message made by an insider; only insiders can answer one with valid proofs.
_INSIDER = SmpId("", 0)


def _receive_smp(step: Step, instance: int, tlv: Tlv) -> None:
    """Check state, structure, ranges and proofs, then do what the message asks for. [choice smp.check-order]"""
    run = step.session(instance).smp
    number = tlv.step if isinstance(tlv, Smp) else SMP_STEPS[tlv.type]
    if run.state is not _WHEN[number]:  # [SMP-MSG1-1, SMP-MSG2-1, SMP-MSG3-1, SMP-MSG4-1]
        _abort(step, instance, SmpAbortReason.SMP_UNEXPECTED)
        return
    fault = _fault(tlv, run)
    if fault is not None:  # [SMP-ABORT-1, SMP-MSG1-5, SMP-MSG2-4, SMP-MSG3-5, SMP-MSG4-4]
        _abort(step, instance, fault)
        return
    if isinstance(tlv, Smp):
        message, equal = tlv, tlv.compared == run.compared  # [SMP-RESULT-1, SMP-SECRET-8]
    else:
        message, equal = Smp(number, _INSIDER, question=smp_question(tlv)), tlv.equal
    _ACTIONS[number](step, instance, message, equal)


def _fault(tlv: Tlv, run: SmpRun) -> SmpAbortReason | None:
    """The check that an SMP message fails, if any. A modelled party's message fails only if it does not answer ours."""
    if isinstance(tlv, Raw):
        return smp_fault(tlv)
    expected = run.sent.id if run.sent is not None else None
    return None if tlv.answers == expected else SmpAbortReason.SMP_BAD_PROOF


def _abort(step: Step, instance: int, reason: SmpAbortReason) -> None:
    """Send an abort, tell the user, and expect message 1. [SMP-EXPECT-5]"""
    send_smp_abort(step, instance)
    step.give(SmpAborted(instance, reason))  # [SMP-ABORT-4]


def send_smp_abort(step: Step, instance: int) -> None:
    """[User requests to abort SMP; SMP-ABORT-3, TLV-SMP-2, TLV-SMP-3]"""
    step.send_data(instance, Plain(tlvs=(Raw(SMP_ABORT),)))
    step.put(replace(step.session(instance), smp=NO_SMP))


def send_smp(
    step: Step,
    instance: int,
    number: int,
    *,
    answers: SmpId | None = None,
    compared: Compared | None = None,
    question: bytes | None = None,
) -> Smp:
    """Send SMP message `number` as the only TLV of a data message."""
    message = Smp(number, SmpId(step.name, step.draw("smp")), answers, compared, question)
    step.send_data(instance, Plain(tlvs=(message,)))
    return message


def _requested(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """Ask the user for the secret before anything is answered. [Receiving a type 2 TLV]"""
    del equal  # nothing has been compared yet
    step.put(replace(step.session(instance), smp=SmpRun(question=message)))
    step.give(SmpRequested(instance, message.question))  # [SMP-MSG1-4]


def _answered(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 3 TLV]"""
    del equal  # only messages 3 and 4 show it
    compared = step.session(instance).smp.compared
    sent = send_smp(step, instance, 3, answers=message.id, compared=compared)  # [SMP-MSG2-2]
    # [SMP-MSG2-3]
    step.put(replace(step.session(instance), smp=SmpRun(SmpState.EXPECT4, sent, compared=compared)))


def _concluded(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 4 TLV]"""
    compared = step.session(instance).smp.compared
    send_smp(step, instance, 4, answers=message.id, compared=compared)  # [SMP-MSG3-2]
    _finished(step, instance, message, equal)  # [SMP-MSG3-3, SMP-MSG3-4]


def _finished(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 5 TLV]"""
    del message
    step.put(replace(step.session(instance), smp=NO_SMP))  # [SMP-EXPECT-9, SMP-MSG4-3]
    step.give(SmpFinished(instance, equal))  # [SMP-MSG4-2]


#: What each SMP message leads to when it is in order. [SMP-ACTION-1]
_ACTIONS: Mapping[int, Callable[[Step, int, Smp, bool], None]] = {
    1: _requested,
    2: _answered,
    3: _concluded,
    4: _finished,
}
