"""The model's rules for received messages: kind and receiver, and the effect of texts, queries, errors and fragments.

Encoded messages whose header and structure are in order go on to handshake.py and data.py. [Unencoded messages, Encoded
messages, Instance Tags, Fragmentation; choice text.kind-order]
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from otterproof.harness import wire
from otterproof.harness.judges.model.book import rejection
from otterproof.harness.judges.model.data import receive_data, refuse
from otterproof.harness.judges.model.handshake import receive_handshake
from otterproof.harness.judges.model.state import Pieces
from otterproof.harness.judges.model.step import Step
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    MAX_REASSEMBLY,
    MIN_INSTANCE_TAG,
    ErrorMessageReceived,
    MessageRejected,
    Policy,
    RejectReason,
    TextReceived,
)

_FRAGMENTS = (Kind.FRAGMENT_V2, Kind.FRAGMENT_V3)


def receive(step: Step, message: bytes) -> None:
    """Receive a message from the network."""
    if not step.state.versions:  # [POLICY-OFF-1]
        _forget_fragments(step)
        _show(step, message)
        return
    parsed = wire.parse(message)
    if parsed.kind in _FRAGMENTS:
        _receive_fragment(step, parsed)
    else:
        _receive_whole(step, parsed)


def _receive_whole(step: Step, message: Message) -> None:
    """Receive a message that is not a fragment, or one put together from fragments."""
    match message.kind:
        case Kind.PLAINTEXT:
            _forget_fragments(step)  # [FRAGMENT-RECV-15]
            _show(step, message.body)
        case Kind.TAGGED_PLAINTEXT:
            _forget_fragments(step)
            _show(step, message.data("before") + message.data("after"))  # [TAG-SHOW-1, TAG-SHOW-3]
            # [POLICY-START-1, TAG-ANSWER-1, TAG-PURPOSE-1, TAG-START-5]
            if Policy.WHITESPACE_START_AKE in step.state.policy:
                step.start_handshake(wire.offered_versions(message))
        case Kind.QUERY:  # [QUERY-FLOOD-1, QUERY-SHOW-1]
            _forget_fragments(step)
            step.start_handshake(wire.offered_versions(message))
        case Kind.ERROR:
            _forget_fragments(step)
            step.give(ErrorMessageReceived(message.data("text")))  # [ERROR-SHOW-1]
            # [ERROR-LOOP-1, ERROR-START-1, ERROR-START-2, ERROR-STATE-1, POLICY-ERROR-1]
            if Policy.ERROR_START_AKE in step.state.policy:
                step.send_query()
        case Kind.BAD_ARMOUR:
            _forget_fragments(step)
            step.reject(RejectReason.BAD_ARMOUR)  # [ARMOUR-PARSE-1, ARMOUR-PARSE-3]
        case _:
            _receive_encoded(step, message)


def _show(step: Step, text: bytes) -> None:
    """Show text received in the clear. From now on no whitespace tag is sent to this correspondent.

    [Receiving plaintext ...; STATE-CLEAR-6]
    """
    step.give(TextReceived(text, False, step.warns, 0))  # [STATE-CLEAR-1, STATE-CLEAR-4]
    step.state = replace(step.state, heard_plaintext=True)  # [TAG-STOP-1, USER-SEND-4]


# --------------------------------------------------------------------------------------------------------------------
# Encoded messages
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header says. problem: why the message is not processed further. discarded: because of its tags.

    version is 0 if it is not 2 or 3, or if the header is cut short.
    """

    problem: MessageRejected | None
    version: int = 0
    sender: int = 0
    discarded: bool = False


def _read_header(body: bytes, kind: Kind, own_tag: int | None) -> _Header:
    """Judge the header, which may be cut short anywhere.

    [ARMOUR-PARSE-2, INSTANCE-DISCARD-5, choice encoding.header-order, choice sessions.receiver-tag-zero]
    """
    if len(body) < 2:
        return _Header(MessageRejected(RejectReason.MALFORMED, "version", 0))
    version = int.from_bytes(body[:2], "big")
    if version not in (2, 3):
        return _Header(MessageRejected(RejectReason.UNKNOWN_VERSION))  # [AKE-V1-1, ARMOUR-PARSE-4]
    if len(body) < 3:
        return _Header(MessageRejected(RejectReason.MALFORMED, "type", 2))
    # [ARMOUR-PARSE-5]
    unknown = MessageRejected(RejectReason.UNKNOWN_TYPE) if kind is Kind.UNKNOWN_ENCODED else None
    if version == 2:
        return _Header(unknown, 2)  # [INSTANCE-HEADER-3]
    if len(body) < 7:
        return _Header(MessageRejected(RejectReason.MALFORMED, "sender_tag", 3))
    # [INSTANCE-RANGE-1]
    sender, receiver = int.from_bytes(body[3:7], "big"), int.from_bytes(body[7:11], "big")
    if sender < MIN_INSTANCE_TAG:
        return _Header(MessageRejected(RejectReason.BAD_SENDER_TAG), 3, sender, True)  # [INSTANCE-DISCARD-2]
    if len(body) < 11:
        return _Header(MessageRejected(RejectReason.MALFORMED, "receiver_tag", 7))
    reason = _judge_receiver(receiver, own_tag, kind is Kind.DH_COMMIT)  # [INSTANCE-ZERO-2, INSTANCE-ZERO-3]
    if reason is not None:
        return _Header(MessageRejected(reason), 3, sender, True)
    return _Header(unknown, 3, sender)


def _judge_receiver(receiver: int, own_tag: int | None, may_be_zero: bool) -> RejectReason | None:
    """[Instance Tags]"""
    if 0 < receiver < MIN_INSTANCE_TAG:
        return RejectReason.BAD_RECEIVER_TAG  # [INSTANCE-DISCARD-3]
    if receiver == own_tag or (receiver == 0 and may_be_zero):
        return None
    return RejectReason.OTHER_INSTANCE  # [INSTANCE-DISCARD-1]


def _receive_encoded(step: Step, message: Message) -> None:
    """Receive an armoured message: judge header, policy and structure, and pass it on by its kind."""
    header = _read_header(message.body, message.kind, step.state.instance_tag)
    if not header.version:
        _forget_fragments(step)
    elif not header.discarded:
        _forget_fragments(step, header.sender)  # [FRAGMENT-RECV-16]
    if header.problem is not None:
        step.give(header.problem)  # [INSTANCE-DISCARD-4]
        return
    # [COMMIT-POLICY-1, COMMIT-POLICY-2, DHKEY-POLICY-1, DHKEY-POLICY-2, REVEAL-POLICY-1, REVEAL-POLICY-2, SIG-POLICY-1,
    # SIG-POLICY-2]
    if message.kind is not Kind.DATA and header.version not in step.state.versions:
        step.reject(RejectReason.VERSION_NOT_ALLOWED)
        return
    # [ARMOUR-PARSE-6, ARMOUR-PARSE-7, COMMIT-BAD-1, COMMIT-HASH-2, REVEAL-FORM-7, TYPES-DATA-2]
    if message.problems:
        first = rejection(min(message.problems, key=lambda problem: problem.offset))
        if message.kind is Kind.DATA:
            refuse(step, message, header.sender, *first)
        else:
            step.reject(*first)
    elif message.kind is Kind.DATA:
        receive_data(step, message, header.sender)
    else:
        receive_handshake(step, message, header.version, header.sender)


# --------------------------------------------------------------------------------------------------------------------
# Fragments
# --------------------------------------------------------------------------------------------------------------------


def _forget_fragments(step: Step, sender: int | None = None) -> None:
    """Forget the fragments of one sender (0: version 2), or all fragments."""
    kept = {} if sender is None else {key: one for key, one in step.state.fragments.items() if key != sender}
    step.state = replace(step.state, fragments=kept)


def _receive_fragment(step: Step, message: Message) -> None:
    """Check the form, the tags, the numbers, then the order. [Receiving Fragments; FRAGMENT-RECV-1]"""
    if message.problems:
        step.reject(RejectReason.BAD_FRAGMENT)  # [FRAGMENT-RECV-20]
        return
    sender = 0  # [FRAGMENT-RECV-17, FRAGMENT-RECV-18]
    if message.kind is Kind.FRAGMENT_V3:
        # [FRAGMENT-RECV-4]
        sender, receiver = int(message.data("sender_tag"), 16), int(message.data("receiver_tag"), 16)
        refused = RejectReason.BAD_SENDER_TAG if sender < MIN_INSTANCE_TAG else None
        # [FRAGMENT-RECV-5, FRAGMENT-RECV-6]
        refused = refused or _judge_receiver(receiver, step.state.instance_tag, True)
        if refused is not None:
            step.reject(refused)  # [FRAGMENT-RECV-22]
            return
    k, n = int(message.data("k")), int(message.data("n"))  # [FRAGMENT-RECV-3]
    # [FRAGMENT-BOUND-2, FRAGMENT-RECV-7, FRAGMENT-RECV-8, FRAGMENT-RECV-9]
    if not 1 <= k <= n <= 0xFFFF:
        step.reject(RejectReason.BAD_FRAGMENT)
        return
    _collect(step, sender, k, n, message.data("piece"))


def _collect(step: Step, sender: int, k: int, n: int, piece: bytes) -> None:
    """Add a piece to the stored ones, start again with it, or forget the stored ones."""
    before = step.state.fragments.get(sender)  # [FRAGMENT-RECV-21]
    if k == 1:  # [FRAGMENT-RECV-10]
        before = Pieces(0, n, None, 0, step.serial())
    elif before is None or (before.k + 1, before.n) != (k, n):
        _forget_fragments(step, sender)
        step.reject(RejectReason.FRAGMENT_OUT_OF_ORDER)  # [FRAGMENT-RECV-12]
        return
    pieces = before.with_piece(piece)  # [FRAGMENT-RECV-11]
    _forget_fragments(step, sender)  # [FRAGMENT-RECV-19]
    if pieces.size > MAX_REASSEMBLY:
        step.reject(RejectReason.TOO_LARGE)  # [FRAGMENT-BOUND-1]
        return
    if k < n:
        _keep(step, sender, pieces)
        return
    message = wire.parse(pieces.joined())  # [FRAGMENT-RECV-13, FRAGMENT-RECV-14]
    if message.kind in _FRAGMENTS:
        step.reject(RejectReason.NESTED_FRAGMENT)  # [FRAGMENT-BOUND-3]
    else:
        _receive_whole(step, message)  # [INSTANCE-MULTI-3]


def _keep(step: Step, sender: int, pieces: Pieces) -> None:
    """Store fragments. If there are too many senders, drop the fragments of the sender who began first.

    [FRAGMENT-BOUND-1, choice fragments.limit]
    """
    kept = dict(step.state.fragments)
    if sender not in kept and len(kept) >= MAX_INSTANCES:
        del kept[min(kept, key=lambda one: kept[one].began)]
    step.state = replace(step.state, fragments={**kept, sender: pieces})
