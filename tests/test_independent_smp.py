"""The independent engine by itself: the socialist millionaires' protocol, in and out of order."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness.simulation.exchange import outgoing
from otterproof.implementations.contract import (
    MAX_QUESTION,
    ActionRefused,
    Event,
    MessageRejected,
    OutgoingMessage,
    PeerEndedSession,
    RefuseReason,
    RejectReason,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    SmpRequested,
    SmpState,
    TextReceived,
)
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.independent.outbound import send_data
from otterproof.implementations.independent.primitives import P, aes_ctr
from tests.independent_pair import (
    TAG_A,
    TAG_B,
    alice,
    cpu_seconds,
    established,
    header_size,
    raw,
    shuttle,
    sole,
    state_of,
)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("mine", "yours"), [(b"same", b"same"), (b"same", b"other"), (b"", b"")])
@pytest.mark.parametrize("question", [None, b"", b"what?"])
def test_smp(version: int, mine: bytes, yours: bytes, question: bytes | None) -> None:
    a, b = established(version)
    at_a, at_b = (TAG_B, TAG_A) if version == 3 else (0, 0)
    request = b.receive(sole(a.smp_start(mine, question=question)))
    assert request == [SmpRequested(at_b, question)]
    assert state_of(b).smp_question_waiting
    assert state_of(a).smp_state is SmpState.EXPECT2
    answer = b.smp_answer(yours)
    assert state_of(b).smp_state is SmpState.EXPECT3
    from_b, from_a = shuttle(b, a, answer)
    assert from_a == [SmpFinished(at_a, mine == yours)]
    assert from_b == [SmpFinished(at_b, mine == yours)]
    assert state_of(a).smp_state is state_of(b).smp_state is SmpState.EXPECT1
    assert not any(".smp." in name for engine in (a, b) for name in engine.secrets())


def test_smp_refused() -> None:
    a = alice()
    assert a.smp_start(b"x") == [ActionRefused("smp_start", RefuseReason.WRONG_STATE)]
    assert a.smp_answer(b"x") == [ActionRefused("smp_answer", RefuseReason.WRONG_STATE)]
    assert a.smp_abort() == [ActionRefused("smp_abort", RefuseReason.WRONG_STATE)]
    a, _ = established()
    assert a.smp_answer(b"x") == [ActionRefused("smp_answer", RefuseReason.WRONG_STATE)]
    assert a.smp_start(b"x", question=bytes(MAX_QUESTION + 1)) == [ActionRefused("smp_start", RefuseReason.TOO_LONG)]
    assert a.smp_start(b"x", question=b"\0") == [ActionRefused("smp_start", RefuseReason.HAS_NUL)]


def test_smp_abort_and_restart() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"x")))
    again = a.smp_start(b"y")
    assert len(again) == 2
    assert b.receive(outgoing(again)[0]) == [SmpAborted(TAG_A, SmpAbortReason.PEER_ABORTED)]
    assert b.receive(outgoing(again)[1]) == [SmpRequested(TAG_A, None)]
    abort = b.smp_abort()
    assert not state_of(b).smp_question_waiting
    assert a.receive(sole(abort)) == [SmpAborted(TAG_B, SmpAbortReason.PEER_ABORTED)]
    assert a.receive(sole(b.smp_abort())) == []


def test_smp_question_is_replaced_or_dropped() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"x", question=b"1")))
    a.smp_abort()
    assert b.receive(sole(a.smp_start(b"x", question=b"2"))) == [SmpRequested(TAG_A, b"2")]
    assert len(b.smp_start(b"z")) == 1
    assert not state_of(b).smp_question_waiting


def test_smp_both_start() -> None:
    a, b = established()
    from_a, from_b = sole(a.smp_start(b"x")), sole(b.smp_start(b"x"))
    abort, report = b.receive(from_a)
    assert report == SmpAborted(TAG_A, SmpAbortReason.SMP_UNEXPECTED)
    assert isinstance(abort, OutgoingMessage)
    assert a.receive(from_b)[1] == SmpAborted(TAG_B, SmpAbortReason.SMP_UNEXPECTED)
    assert a.receive(abort.message) == []


def test_smp_out_of_state_and_malformed() -> None:
    a, b = established()

    def tlv(kind: int, value: bytes) -> Sequence[Event]:
        return b.receive(raw_tlv(a, kind, value))

    for kind in (3, 4, 5):
        assert tlv(kind, b"")[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_UNEXPECTED)]
    one = b"\0\0\0\1\1"
    cases = [b"", b"\0\0\0\5", b"\0\0\0\6", b"\0\0\0\6" + one * 5, b"\0\0\0\6" + one * 6 + b"!"]
    cases.append(b"\0\0\0\6" + one * 5 + b"\0\0\0\2\0\1")
    for value in cases:
        assert tlv(2, value)[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_MALFORMED)]
    assert tlv(7, b"no nul")[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_MALFORMED)]
    assert tlv(2, b"\0\0\0\6" + one * 6)[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_BAD_ELEMENT)]
    two = b"\0\0\0\1\2"
    large = ((P - 1) // 2).to_bytes(192, "big")
    assert tlv(2, b"\0\0\0\6" + two * 2 + b"\0\0\0\xc0" + large + two * 3)[1:] == [
        SmpAborted(TAG_A, SmpAbortReason.SMP_BAD_ELEMENT)
    ]
    assert tlv(2, b"\0\0\0\6" + two * 6)[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_BAD_PROOF)]
    endless = b"\0\0\xf0\0" + b"\xff" * 0xF000
    answers: list[Event] = []
    assert cpu_seconds(lambda: answers.extend(tlv(2, b"\0\0\0\6" + two + endless + two * 4))) < 0.5
    assert answers[1:] == [SmpAborted(TAG_A, SmpAbortReason.SMP_BAD_PROOF)]
    assert tlv(6, b"value") == []


def raw_tlv(engine: IndependentEngine, kind: int, value: bytes) -> bytes:
    """A data message with one arbitrary TLV, which the engine's interface does not offer."""
    return raw_plaintext(engine, b"\0" + kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value)


def raw_plaintext(engine: IndependentEngine, plaintext: bytes) -> bytes:
    party = engine._party
    session = party.encrypted(party.state.focus)
    assert session is not None
    return sole(send_data(party, party.state.focus, session, plaintext).events)


@pytest.mark.parametrize("version", [2, 3])
def test_tlvs(version: int) -> None:
    a, b = established(version)
    instance = TAG_A if version == 3 else 0
    text = TextReceived(b"t", True, False, instance)
    assert b.receive(raw_plaintext(a, b"t\0")) == [text]
    assert b.receive(raw_plaintext(a, b"t\0\0\x63\0\1x\0\0\0\2yz")) == [text]
    assert b.receive(raw_plaintext(a, b"t\0\0\0\0")) == [text, MessageRejected(RejectReason.BAD_TLV)]
    assert b.receive(raw_plaintext(a, b"t\0\0\0\0\5abc")) == [text, MessageRejected(RejectReason.BAD_TLV)]
    short_use = b.receive(raw_plaintext(a, b"t\0\0\x08\0\3abc"))
    assert short_use == ([text, MessageRejected(RejectReason.BAD_TLV)] if version == 3 else [text])
    assert b.receive(raw_plaintext(a, b"t\0\0\1\0\0\0\0\0\5a")) == [text, PeerEndedSession(instance)]


@pytest.mark.parametrize("message", [2, 3, 4])
def test_smp_messages_changed_in_one_number(message: int) -> None:
    """Every number of every later SMP message is covered by a proof."""
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    sender, receiver = b, a
    step = b.smp_answer(b"s")
    for _ in range(message - 2):
        step = receiver.receive(sole(step))
        sender, receiver = receiver, sender
    plain = plaintext_of(receiver, outgoing(step)[0])
    start = receiver.snapshot()
    kind, count, at = plain[2], int.from_bytes(plain[5:9], "big"), 9
    assert (kind, count) == ((message + 1), {2: 11, 3: 8, 4: 3}[message])
    ends = []
    for _ in range(count):
        at += 4 + int.from_bytes(plain[at : at + 4], "big")
        ends.append(at)
    assert at == len(plain)
    sent = sender.snapshot()
    for end in ends:
        changed = bytearray(plain[5:])
        changed[end - 6] ^= 1
        receiver.restore(start)
        sender.restore(sent)
        forged = raw_tlv(sender, kind, bytes(changed))
        answer = receiver.receive(forged)
        assert isinstance(answer[-1], SmpAborted), end
        assert answer[-1].reason is SmpAbortReason.SMP_BAD_PROOF
        assert state_of(receiver).smp_state is SmpState.EXPECT1


def plaintext_of(receiver: IndependentEngine, message: bytes) -> bytes:
    """The plaintext of a data message, read with its receiver's keys but without the receiver noticing."""
    body = raw(message)
    at = header_size(3) + 1
    pair = (int.from_bytes(body[at + 4 : at + 8], "big"), int.from_bytes(body[at : at + 4], "big"))
    at += 8
    at += 4 + int.from_bytes(body[at : at + 4], "big")
    ctr = body[at : at + 8]
    length = int.from_bytes(body[at + 8 : at + 12], "big")
    session = receiver._party.encrypted(receiver.inspect().focus)
    assert session is not None
    _, keys = session.ratchet.with_keys(pair)
    return aes_ctr(keys.receiving_aes, body[at + 12 : at + 12 + length], ctr)
