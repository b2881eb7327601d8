"""Data messages received: the checks, the ratchet, the TLVs, SMP, the heartbeat.

[Receiving a Data Message, Key Management, The SMP state machine; choice data.check-order, choice data.effect-order]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.model.expect import GivesExtraKey, Verbatim
from harness.model.names import Dh, Drawn, MacKey, SharedKey, pair
from harness.model.plain import (
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
    in_group,
    smp_fault,
    smp_question,
)
from harness.model.state import NO_SMP, Ids, Ratchet, SmpRun
from harness.model.step import IGNORE_UNREADABLE, Step
from harness.wire import Message
from implementations.contract import (
    UNREADABLE_ERROR,
    Finished,
    Reason,
    Rejected,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    SmpState,
    TextReceived,
    Unreadable,
)

#: No key id can follow this one. [choice data.last-key-id]
LAST_KEYID = 0xFFFFFFFF


def refuse(step: Step, message: Message, instance: int, reason: Reason, field: str = "", offset: int = 0) -> None:
    """A data message could not be read: tell the user and the peer, unless the peer asked not to be bothered."""
    if message.has("flags") and message.number("flags") & IGNORE_UNREADABLE:
        step.reject(reason, field, offset)
        return
    step.give(Unreadable(instance, reason, field, offset))
    step.send(Verbatim(UNREADABLE_ERROR))


def receive_data(step: Step, message: Message, instance: int) -> None:
    """A data message of the right structure."""
    session = step.session(instance)
    ratchet = session.ratchet
    if ratchet is None:
        refuse(step, message, instance, Reason.NOT_ENCRYPTED)
        return
    their, our = message.number("sender_keyid"), message.number("recipient_keyid")
    our_key, their_key = ratchet.ours.get(our), ratchet.theirs.get(their)
    if our_key is None or their_key is None or their == ratchet.their_keyid == LAST_KEYID:
        refuse(step, message, instance, Reason.UNKNOWN_KEY)
        return
    written = step.book.written(message.mac_input(), message.data("mac"))
    if written is None or (written.sender, written.receiver) != (their_key, our_key):
        refuse(step, message, instance, Reason.BAD_MAC)
        return
    ids = our, their
    ratchet = replace(ratchet, verified=ratchet.verified | {ids})
    step.put(replace(session, ratchet=ratchet))
    counter, next_dh = int.from_bytes(message.data("ctr"), "big"), message.number("next_dh")
    if counter <= ratchet.received.get(ids, 0):
        refuse(step, message, instance, Reason.BAD_COUNTER)
        return
    if not in_group(next_dh):
        refuse(step, message, instance, Reason.BAD_GROUP_ELEMENT)
        return
    ratchet = replace(ratchet, received={**ratchet.received, ids: counter})
    _rotate(step, instance, ratchet, ids, step.book.dh(next_dh))
    _read(step, instance, written.plain, SharedKey(pair(our_key, their_key)))
    _heartbeat(step, instance)


def _rotate(step: Step, instance: int, ratchet: Ratchet, ids: Ids, next_dh: Dh) -> None:
    """Ours if they used our newest, then theirs if they used their newest. [When you receive a Data Message]"""
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
    step.put(replace(session, ratchet=ratchet, pending=(*session.pending, *revealed)))
    step.forget(*dropped)


def _heartbeat(step: Step, instance: int) -> None:
    """[Receiving a Data Message; choice data.heartbeat]"""
    session, interval = step.session(instance), step.config.heartbeat_interval
    if session.encrypted and interval is not None and step.state.now - session.last_sent >= interval:
        step.send_data(instance, Plain(), IGNORE_UNREADABLE)


# --------------------------------------------------------------------------------------------------------------------
# The content
# --------------------------------------------------------------------------------------------------------------------


def _read(step: Step, instance: int, plain: Plain, shared: SharedKey) -> None:
    """Text, then TLVs in order; nothing after a Disconnected TLV. `shared` is the extra key of this message."""
    if plain.text:
        step.give(TextReceived(plain.text, True, False, instance))
    for tlv in plain.tlvs:
        if isinstance(tlv, Smp) or tlv.type in SMP_STEPS:
            _receive_smp(step, instance, tlv)
        elif tlv.type == DISCONNECTED:
            step.end_by_peer(instance)
            step.give(Finished(instance))
            return
        elif tlv.type == SMP_ABORT:
            step.drop_smp(step.session(instance), Reason.PEER_ABORTED)
        elif tlv.type == EXTRA_KEY and step.session(instance).version == 3:
            if len(tlv.value) < 4:
                step.reject(Reason.BAD_TLV)
            else:
                use = int.from_bytes(tlv.value[:4], "big")
                step.expected.append(GivesExtraKey(instance, True, use, tlv.value[4:], shared))
    if plain.cut:
        step.give(Rejected(Reason.BAD_TLV))


# --------------------------------------------------------------------------------------------------------------------
# SMP
# --------------------------------------------------------------------------------------------------------------------

#: The state in which SMP message 1, 2, 3, 4 is expected. [Expected Message]
_WHEN: Mapping[int, SmpState] = {
    1: SmpState.EXPECT1,
    2: SmpState.EXPECT2,
    3: SmpState.EXPECT3,
    4: SmpState.EXPECT4,
}

#: Stands for every SMP message of insiders: nobody answers it but them.
_INSIDER = SmpId("", 0)


def _receive_smp(step: Step, instance: int, tlv: Tlv) -> None:
    """State, structure, ranges, proofs; then what the message asks for. [choice smp.check-order]"""
    run = step.session(instance).smp
    number = tlv.step if isinstance(tlv, Smp) else SMP_STEPS[tlv.type]
    if run.state is not _WHEN[number]:
        _abort(step, instance, Reason.SMP_UNEXPECTED)
        return
    fault = _fault(tlv, run)
    if fault is not None:
        _abort(step, instance, fault)
        return
    if isinstance(tlv, Smp):
        message, equal = tlv, tlv.compared == run.compared
    else:
        message, equal = Smp(number, _INSIDER, question=smp_question(tlv)), tlv.equal
    _ACTIONS[number](step, instance, message, equal)


def _fault(tlv: Tlv, run: SmpRun) -> Reason | None:
    """The check that an SMP message fails. A genuine one is fine in itself: its proofs hold if it answers ours."""
    if isinstance(tlv, Raw):
        return smp_fault(tlv)
    expected = run.sent.id if run.sent is not None else None
    return None if tlv.answers == expected else Reason.SMP_BAD_PROOF


def _abort(step: Step, instance: int, reason: Reason) -> None:
    """Send an abort, tell the user, expect message 1."""
    send_smp_abort(step, instance)
    step.give(SmpAborted(instance, reason))


def send_smp_abort(step: Step, instance: int) -> None:
    """[User requests to abort SMP]"""
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
    """Send SMP message `number`, the only TLV of a data message."""
    message = Smp(number, SmpId(step.name, step.draw("smp")), answers, compared, question)
    step.send_data(instance, Plain(tlvs=(message,)))
    return message


def _requested(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 2 TLV] The user is asked before anything is answered."""
    del equal  # nothing has been compared yet
    step.put(replace(step.session(instance), smp=SmpRun(question=message)))
    step.give(SmpRequested(instance, message.question))


def _answered(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 3 TLV]"""
    del equal  # only message 3 and 4 can tell
    compared = step.session(instance).smp.compared
    sent = send_smp(step, instance, 3, answers=message.id, compared=compared)
    step.put(replace(step.session(instance), smp=SmpRun(SmpState.EXPECT4, sent, compared=compared)))


def _concluded(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 4 TLV]"""
    compared = step.session(instance).smp.compared
    send_smp(step, instance, 4, answers=message.id, compared=compared)
    _finished(step, instance, message, equal)


def _finished(step: Step, instance: int, message: Smp, equal: bool) -> None:
    """[Receiving a type 5 TLV]"""
    del message
    step.put(replace(step.session(instance), smp=NO_SMP))
    step.give(SmpFinished(instance, equal))


_ACTIONS: Mapping[int, Callable[[Step, int, Smp, bool], None]] = {
    1: _requested,
    2: _answered,
    3: _concluded,
    4: _finished,
}
