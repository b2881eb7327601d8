"""SMP inside a session: TLVs in and out, the user's requests, and giving up.

The numbers are the business of `smp`; this module decides which message is expected, carries the numbers in TLVs, and
tells the user. Whatever is wrong with a received SMP message, the answer is an abort and SMPSTATE_EXPECT1, from which
either side can begin again. [The SMP state machine, SMP message TLVs in Data Message; SMP-ACTION-1, SMP-EXPECT-9]
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from otterproof.implementations.contract import Event, SmpAborted, SmpAbortReason, SmpFinished, SmpRequested

from . import smp
from .outbound import Sent, Tlv, send_tlv
from .party import Party
from .primitives import sha256
from .session import Encrypted
from .smp import RunFault
from .wire import Fault, Reader, encode_mpi

#: The TLV types that this module receives.
SMP_TYPES = frozenset({Tlv.SMP_1, Tlv.SMP_2, Tlv.SMP_3, Tlv.SMP_4, Tlv.SMP_ABORT, Tlv.SMP_1Q})

#: How many MPIs each SMP message has. [TLV-SMP-9]
_COUNTS = {Tlv.SMP_1: 6, Tlv.SMP_1Q: 6, Tlv.SMP_2: 11, Tlv.SMP_3: 8, Tlv.SMP_4: 3}

_SMP_VERSION = b"\x01"  # [SMP-SECRET-2]


def _encode_values(values: Sequence[int]) -> bytes:
    """The value of a TLV: the count and the MPIs. [TLV-SMP-7]"""
    return struct.pack(">I", len(values)) + b"".join(map(encode_mpi, values))


def _read_values(value: bytes, count: int) -> list[int]:
    """The MPIs of a TLV. Raises RunFault(SMP_MALFORMED). [TLV-SMP-8]

    The count is compared before any is read, so a huge one does no harm. [TLV-SMP-10]
    """
    reader = Reader(value)
    try:
        if reader.number("count", 4) != count:
            raise RunFault(SmpAbortReason.SMP_MALFORMED)
        values = [reader.mpi("value") for _ in range(count)]
        reader.end()
    except Fault:
        raise RunFault(SmpAbortReason.SMP_MALFORMED) from None
    return values


def _read_question(value: bytes) -> tuple[bytes, bytes]:
    """The question of a type 7 TLV, and what follows its NUL. Raises RunFault(SMP_MALFORMED). [TLV-SMP-6]"""
    question, nul, rest = value.partition(b"\0")
    if not nul:
        raise RunFault(SmpAbortReason.SMP_MALFORMED)
    return question, rest


def _secret(initiator: bytes, responder: bytes, ssid: bytes, secret: bytes) -> int:
    """x or y; the first two are fingerprints. What the user entered goes in byte for byte.
    [Secret information; SMP-SECRET-1, SMP-SECRET-6, SMP-SECRET-8]

    Both fingerprints and the ssid are those of this conversation, so a man in the middle of two makes them differ.
    [SMP-SECRET-3, SMP-SECRET-4, SMP-SECRET-5, SMP-SECRET-9]
    """
    return int.from_bytes(sha256(_SMP_VERSION + initiator + responder + ssid + secret), "big")


def _advance(
    party: Party, instance: int, session: Encrypted, state: smp.State, kind: Tlv, values: list[int]
) -> list[Event]:
    """Enter `state` and send the message that leads there."""
    return send_tlv(party, instance, replace(session, smp=state), kind, _encode_values(values)).events


def start(party: Party, instance: int, session: Encrypted, secret: bytes, question: bytes | None) -> list[Event]:
    """Send SMP message 1, after an abort if a run is under way. [User requests to begin SMP; SMP-USE-1, SMP-BEGIN-1]"""
    events: list[Event] = []
    if not isinstance(session.smp, smp.Expect1 | smp.Asked):
        aborted = abort(party, instance, session)  # [SMP-BEGIN-3]
        events, session = aborted.events, aborted.session
    # The one who sends message 1 is the initiator. [SMP-SECRET-7]
    x = _secret(party.fingerprint, session.fingerprint, session.ssid, secret)
    state, values = smp.begin(x, party.draw_smp_exponent)
    value = _encode_values(values)
    kind = Tlv.SMP_1
    if question is not None:
        kind, value = Tlv.SMP_1Q, question + b"\0" + value
    return events + send_tlv(party, instance, replace(session, smp=state), kind, value).events


def answer(party: Party, instance: int, session: Encrypted, asked: smp.Asked, secret: bytes) -> list[Event]:
    """Send SMP message 2. [Receiving a type 2 TLV; SMP-MSG1-2]"""
    y = _secret(session.fingerprint, party.fingerprint, session.ssid, secret)
    state, values = smp.answer(asked, y, party.draw_smp_exponent)
    return _advance(party, instance, session, state, Tlv.SMP_2, values)


def abort(party: Party, instance: int, session: Encrypted) -> Sent:
    """Send an abort, which has no value, and go to SMPSTATE_EXPECT1.
    [User requests to abort SMP; SMP-ABORT-3, TLV-SMP-3]
    """
    return send_tlv(party, instance, replace(session, smp=smp.Expect1()), Tlv.SMP_ABORT)


def receive(party: Party, instance: int, session: Encrypted, kind: Tlv, value: bytes) -> list[Event]:
    """Act on a TLV whose type is one of SMP_TYPES. [State Transitions]"""
    if kind is Tlv.SMP_ABORT:  # not answered [TLV-SMP-4, SMP-ACTION-2]
        told = dropped(instance, session, SmpAbortReason.PEER_ABORTED)
        if told:
            party.put_encrypted(instance, replace(session, smp=smp.Expect1()))
        return told
    try:
        return _receive_message(party, instance, session, kind, value)
    except RunFault as fault:  # whatever is wrong, neither a message of SMP nor an outcome follows
        # [SMP-ABORT-1, SMP-EXPECT-5, SMP-MSG1-5, SMP-MSG2-4, SMP-MSG3-5, SMP-MSG4-4]
        return [*abort(party, instance, session).events, SmpAborted(instance, fault.reason)]


def dropped(instance: int, session: Encrypted, reason: SmpAbortReason) -> list[Event]:
    """What the user is told when the run in `session`, or the question waiting there, is given up; if there is one."""
    return [] if isinstance(session.smp, smp.Expect1) else [SmpAborted(instance, reason)]  # [SMP-ABORT-4]


def _receive_message(party: Party, instance: int, session: Encrypted, kind: Tlv, value: bytes) -> list[Event]:
    draw = party.draw_smp_exponent
    match kind, session.smp:
        # [SMP-EXPECT-2, SMP-EXPECT-3]
        case ((Tlv.SMP_1 | Tlv.SMP_1Q), (smp.Expect1() | smp.Asked())):
            question, rest = (None, value) if kind is Tlv.SMP_1 else _read_question(value)
            asked = smp.check_message_1(_read_values(rest, _COUNTS[kind]), question)
            party.put_encrypted(instance, replace(session, smp=asked))
            return [SmpRequested(instance, question)]  # [SMP-MSG1-4]
        case Tlv.SMP_2, smp.Expect2() as state:  # [SMP-EXPECT-6]
            following, values = smp.answer_message_2(state, _read_values(value, _COUNTS[kind]), draw)
            return _advance(party, instance, session, following, Tlv.SMP_3, values)  # [SMP-MSG2-2]
        case Tlv.SMP_3, smp.Expect3() as state:  # [SMP-EXPECT-7]
            equal, values = smp.answer_message_3(state, _read_values(value, _COUNTS[kind]), draw)
            # Message 4 goes out whether the secrets are equal or not. [SMP-MSG3-2, SMP-MSG3-4]
            sent = _advance(party, instance, session, smp.Expect1(), Tlv.SMP_4, values)
            return [*sent, SmpFinished(instance, equal)]  # [SMP-MSG3-3]
        case Tlv.SMP_4, smp.Expect4() as state:  # [SMP-EXPECT-8]
            equal = smp.conclude(state, _read_values(value, _COUNTS[kind]))
            party.put_encrypted(instance, replace(session, smp=smp.Expect1()))  # [SMP-MSG4-3]
            return [SmpFinished(instance, equal)]  # [SMP-MSG4-2]
        case _:
            # [SMP-MSG1-1, SMP-MSG2-1, SMP-MSG3-1, SMP-MSG4-1, SMP-BEGIN-5]
            raise RunFault(SmpAbortReason.SMP_UNEXPECTED)
