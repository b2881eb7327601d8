"""The independent engine by itself: fragments."""

from __future__ import annotations

import pytest

from otterproof.harness.simulation.exchange import outgoing
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    MAX_REASSEMBLY,
    MessageRejected,
    RejectReason,
    TextReceived,
)
from otterproof.implementations.independent import IndependentEngine
from tests.independent_pair import (
    QUERY,
    TAG_A,
    TAG_B,
    alice,
    bob,
    cpu_seconds,
    established,
    frag,
    raw,
    sole,
    wrap,
)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("size", [64, 200, 500])
def test_fragmented_conversation(version: int, size: int) -> None:
    a, b = established(version, size=size)
    pieces = outgoing(a.send(b"x" * 900))
    assert all(len(piece) == size for piece in pieces[:-1])
    assert len(pieces[-1]) <= size
    prefix = b"?OTR|%08x|%08x,00001," % (TAG_A, TAG_B) if version == 3 else b"?OTR,00001,"
    assert pieces[0].startswith(prefix)
    for piece in pieces[:-1]:
        assert b.receive(piece) == []
    sender = TAG_A if version == 3 else 0
    assert dict(b.inspect().fragments) == {sender: (len(pieces) - 1, len(pieces))}
    assert b.receive(pieces[-1]) == [TextReceived(b"x" * 900, True, False, sender)]
    assert dict(b.inspect().fragments) == {}


def test_fragment_refusals_leave_the_stored_alone() -> None:
    a = alice()
    assert a.receive(frag(1, 3, b"?OTR")) == []
    before = a.inspect()
    bad = [frag(0, 0, b"x"), frag(0, 3, b"x"), frag(4, 3, b"x"), frag(1, 65536, b"x"), frag(2, 3, b"")]
    bad += [
        frag("000002", 3, b"x"),
        frag("", 3, b"x"),
        frag(" 2", 3, b"x"),
        b"?OTR|",
        b"?OTR,",
        b"?OTR|1",
        b"?OTR,1,2,x",
    ]
    bad += [b"?OTR|000000500|1a2b,2,3,x,", b"?OTR|x|1a2b,2,3,x,", b"?OTR||,2,3,x,", frag(2, 3, b"x")[:-1]]
    for message in bad:
        assert a.receive(message) == [MessageRejected(RejectReason.BAD_FRAGMENT)], message
    assert a.receive(frag(0, 0, b"x", sender=0xFF)) == [MessageRejected(RejectReason.BAD_SENDER_TAG)]
    assert a.receive(frag(2, 3, b"x", receiver=0xFF)) == [MessageRejected(RejectReason.BAD_RECEIVER_TAG)]
    assert a.receive(frag(2, 3, b"x", receiver=TAG_B)) == [MessageRejected(RejectReason.OTHER_INSTANCE)]
    assert a.inspect() == before
    assert a.receive(b"before " + frag(2, 3, b"v", receiver=0) + b" after") == []
    assert raw(sole(a.receive(frag(3, 3, b"3?"))))[2] == 2


def test_fragments_out_of_order_and_apart() -> None:
    a = alice()
    assert a.receive(frag(2, 3, b"x")) == [MessageRejected(RejectReason.FRAGMENT_OUT_OF_ORDER)]
    a.receive(frag(1, 3, b"x"))
    a.receive(b"?OTR,1,2,x,")
    a.receive(frag(1, 2, b"x", sender=0x501))
    assert dict(a.inspect().fragments) == {0x500: (1, 3), 0: (1, 2), 0x501: (1, 2)}
    assert a.receive(frag(2, 4, b"x")) == [MessageRejected(RejectReason.FRAGMENT_OUT_OF_ORDER)]
    assert dict(a.inspect().fragments) == {0: (1, 2), 0x501: (1, 2)}
    assert a.receive(frag(2, 2, b"!", sender=0x501)) == [TextReceived(b"x!", False, False, 0)]
    # A complete unencoded message discards all stored fragments.
    assert dict(a.inspect().fragments) == {}


def test_what_forgets_fragments() -> None:
    b = bob()

    def fresh() -> IndependentEngine:
        a = alice()
        a.receive(frag(1, 3, b"x", sender=TAG_B))
        a.receive(frag(1, 3, b"x", sender=0x501))
        a.receive(b"?OTR,1,2,x,")
        return a

    commit3, commit2 = sole(b.receive(QUERY[3])), sole(bob().receive(QUERY[2]))
    other = wrap(raw(commit3)[:7] + (0x999).to_bytes(4, "big") + raw(commit3)[11:])
    cases: list[tuple[bytes, set[int]]] = [
        (b"hello", set()),
        (b"?OTRv2?", set()),
        (b"?OTR Error: x", set()),
        (b"?OTR:!.", set()),
        (wrap(b"\0\4\2"), set()),
        (wrap(b"\0\3\2\0"), set()),
        (other, {TAG_B, 0x501, 0}),
        (wrap(b"\0\3\x0a" + raw(commit3)[3:7] + bytes(4)), {TAG_B, 0x501, 0}),
        (commit3, {0x501, 0}),
        (wrap(raw(commit3)[:11]), {0x501, 0}),
        (commit2, {TAG_B, 0x501}),
        (frag(9, 9, b"x", sender=0x777), {TAG_B, 0x501, 0}),
    ]
    for message, left in cases:
        a = fresh()
        a.receive(message)
        assert set(a.inspect().fragments) == left, message


def test_nested_and_too_large_fragments() -> None:
    a = alice()
    assert a.receive(frag(1, 2, b"?OTR|")) == []
    assert a.receive(frag(2, 2, b"500|")) == [MessageRejected(RejectReason.NESTED_FRAGMENT)]
    assert a.receive(frag(1, 1, b"?OTR|")) == [MessageRejected(RejectReason.NESTED_FRAGMENT)]
    assert a.receive(frag(1, 2, bytes(MAX_REASSEMBLY + 1))) == [MessageRejected(RejectReason.TOO_LARGE)]
    assert a.receive(frag(1, 3, bytes(MAX_REASSEMBLY))) == []
    assert a.receive(frag(2, 3, b"x")) == [MessageRejected(RejectReason.TOO_LARGE)]
    assert dict(a.inspect().fragments) == {}


def test_oldest_sender_makes_room_for_fragments() -> None:
    a = alice()
    for sender in range(0x500, 0x500 + MAX_INSTANCES):
        a.receive(frag(1, 3, b"x", sender=sender))
    a.receive(frag(2, 3, b"x", sender=0x500))
    a.receive(frag(1, 3, b"x", sender=0x501))
    a.receive(frag(1, 3, b"x", sender=0x900))
    a.receive(frag(1, 3, b"x", sender=0x901))
    left = set(a.inspect().fragments)
    assert len(left) == MAX_INSTANCES
    assert {0x501, 0x900, 0x901} <= left
    assert not {0x500, 0x502} & left


@pytest.mark.slow
def test_many_small_fragments_are_cheap() -> None:
    a = alice()

    def fill() -> None:
        for k in range(1, 65536):
            events = a.receive(frag(k, 65535, b"x"))
        assert events == [TextReceived(b"x" * 65535, False, False, 0)]
        for k in range(1, 65535):
            a.receive(frag(k, 65535, b"x"))
        a.receive(b"forget them")

    assert cpu_seconds(fill) < 20
