"""The insider: what he makes is accepted when it should be, and wrong only where he is asked to lie."""

from __future__ import annotations

import pytest

from harness import wire
from harness.insider import Insider, Signed, fingerprint, power
from harness.keys import test_key
from harness.smp import SmpLiar, knows_degenerate, secret_number, smp_hash, smp_value
from harness.wire import DH_PRIME
from harness.wire.layers import tlv
from implementations.contract import (
    Engine,
    Established,
    Event,
    Outgoing,
    PartyConfig,
    Policy,
    Reason,
    Rejected,
    SmpAborted,
    SmpFinished,
    TextReceived,
    Unreadable,
)
from implementations.entropy import SeededEntropy
from implementations.independent import IndependentEngine
from implementations.reference import ReferenceEngine

ENGINES = pytest.mark.parametrize("engine", [ReferenceEngine, IndependentEngine])
VERSIONS = pytest.mark.parametrize("version", [2, 3])


def facing(engine: type[ReferenceEngine] | type[IndependentEngine], version: int) -> tuple[Engine, Insider]:
    policy = Policy.ALLOW_V2 if version == 2 else Policy.ALLOW_V3
    target = engine(PartyConfig(test_key("alice"), policy, 0x1A1A), SeededEntropy(b"insider"))
    return target, Insider(test_key("mallory"), 0x1A1A, version=version)


def sent(events: object) -> bytes:
    assert isinstance(events, list)
    (message,) = [event.message for event in events if isinstance(event, Outgoing)]
    assert isinstance(message, bytes)
    return message


def begun(target: Engine, liar: Insider, signed: Signed | None = None) -> list[Event]:
    """He begins the handshake; what comes of his Reveal Signature."""
    dh_key = sent(list(target.receive(liar.commit())))
    return list(target.receive(liar.reveal_signature(dh_key, signed or Signed())))


@ENGINES
@VERSIONS
def test_he_can_begin(engine: type[ReferenceEngine], version: int) -> None:
    target, liar = facing(engine, version)
    established = begun(target, liar)[1]
    assert isinstance(established, Established)
    assert established.fingerprint == fingerprint(test_key("mallory").public)
    assert established.ssid == liar.ssid


@ENGINES
@VERSIONS
def test_he_can_answer(engine: type[ReferenceEngine], version: int) -> None:
    target, liar = facing(engine, version)
    commit = sent(list(target.receive(b"?OTRv%d?" % version)))
    reveal = sent(list(target.receive(liar.dh_key())))
    events = target.receive(liar.signature(liar.opened(commit, reveal), Signed(keyid=7)))
    assert [type(event) for event in events] == [Established]
    assert target.receive(liar.data(b"under key 7"))[0] == TextReceived(
        b"under key 7", secure=True, warn=False, instance=0x2B2B if version == 3 else 0
    )


@ENGINES
@VERSIONS
def test_a_conversation_changes_keys(engine: type[ReferenceEngine], version: int) -> None:
    target, liar = facing(engine, version)
    begun(target, liar)
    for number in range(5):
        events = target.receive(liar.data(b"to the target %d" % number))
        assert isinstance(events[0], TextReceived)
        assert liar.read(sent(list(target.send(b"from the target %d" % number)))) == b"from the target %d" % number
    assert liar.our_keyid > 4
    assert liar.their_keyid > 4


@ENGINES
@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (Signed(keyid=0), Reason.BAD_KEY_ID),
        (Signed(kind=1), Reason.BAD_PUBLIC_KEY),
        (Signed(shown=test_key("bob").public), Reason.BAD_SIGNATURE),
        (Signed(swapped=True), Reason.BAD_SIGNATURE),
        (Signed(pair=(0, 0)), Reason.BAD_SIGNATURE),
        (Signed(high_r=True), Reason.BAD_SIGNATURE),
        (Signed(mac=bytes(20)), Reason.BAD_MAC),
    ],
)
def test_a_lie_in_the_handshake_is_the_only_thing_wrong(
    engine: type[ReferenceEngine], signed: Signed, reason: Reason
) -> None:
    target, liar = facing(engine, 3)
    assert begun(target, liar, signed) == [Rejected(reason)]


@ENGINES
def test_public_values_that_nobody_should_have(engine: type[ReferenceEngine]) -> None:
    target, liar = facing(engine, 3)
    for public in (0, 1, DH_PRIME - 1, DH_PRIME):
        dh_key = sent(list(target.receive(liar.commit(public))))
        reveal = liar.reveal_signature(dh_key, Signed(secret=1), public=public)
        assert target.receive(reveal) == [Rejected(Reason.BAD_GROUP_ELEMENT)]


@ENGINES
def test_a_lie_in_a_data_message_is_the_only_thing_wrong(engine: type[ReferenceEngine]) -> None:
    target, liar = facing(engine, 3)
    begun(target, liar)
    lies = {
        liar.data(b"x", next_dh=1): Reason.BAD_GROUP_ELEMENT,
        liar.data(b"x", ctr=0): Reason.BAD_COUNTER,
        liar.data(b"x", sender_keyid=9): Reason.UNKNOWN_KEY,
        liar.data(b"x", recipient_keyid=9): Reason.UNKNOWN_KEY,
        liar.data(b"x", mac=bytes(20)): Reason.BAD_MAC,
    }
    for message, reason in lies.items():
        assert target.receive(message)[0] == Unreadable(0x2B2B, reason)
    assert isinstance(target.receive(liar.data(b"the truth"))[0], TextReceived)


@ENGINES
@VERSIONS
@pytest.mark.parametrize("begins", [True, False])
def test_smp(engine: type[ReferenceEngine], version: int, begins: bool) -> None:
    """He can play either part, and knows what he would have to lie about."""
    target, liar = facing(engine, version)
    begun(target, liar)
    pair = (fingerprint(test_key("mallory").public), target.fingerprint)
    run = SmpLiar(secret_number(*(pair if begins else pair[::-1]), liar.ssid, b"secret"))
    if begins:
        target.receive(liar.data(tlvs=[tlv(2, smp_value(2, run.message_1()))]))
        second = liar.smp_numbers(sent(list(target.smp_answer(b"secret"))), 3)
        events = list(target.receive(liar.data(tlvs=[tlv(4, smp_value(4, run.message_3(second)))])))
    else:
        first = liar.smp_numbers(sent(list(target.smp_start(b"secret"))), 2)
        third = list(target.receive(liar.data(tlvs=[tlv(3, smp_value(3, run.message_2(first)))])))
        fourth = run.message_4(liar.smp_numbers(sent(third), 4))
        events = list(target.receive(liar.data(tlvs=[tlv(5, smp_value(5, fourth))])))
    assert events[-1] == SmpFinished(0x2B2B if version == 3 else 0, True)


@ENGINES
def test_a_range_check_alone_stands_against_a_degenerate_element(engine: type[ReferenceEngine]) -> None:
    target, liar = facing(engine, 3)
    begun(target, liar)
    for element in (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1):
        c, d = knows_degenerate(1, element)
        numbers = {**SmpLiar(5).message_1(), "g2a": element, "c2": c, "D2": d}
        events = target.receive(liar.data(tlvs=[tlv(2, smp_value(2, numbers))]))
        assert events[-1] == SmpAborted(0x2B2B, Reason.SMP_BAD_ELEMENT)


@pytest.mark.parametrize("element", [0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1])
@pytest.mark.parametrize("prefix", [1, 2, 3, 4])
def test_proofs_of_degenerate_elements_verify(prefix: int, element: int) -> None:
    c, d = knows_degenerate(prefix, element)
    assert c == smp_hash(prefix, power(2, d) * power(element, c) % DH_PRIME)


def test_a_count_can_be_wrong() -> None:
    numbers = SmpLiar(5).message_1()
    assert smp_value(2, numbers)[:4] == (6).to_bytes(4)
    assert smp_value(2, numbers, count=7, tail=b"x") == (7).to_bytes(4) + smp_value(2, numbers)[4:] + b"x"


def test_his_messages_are_well_formed() -> None:
    liar = Insider(test_key("mallory"), 0x1A1A)
    for message in (liar.commit(), liar.dh_key()):
        assert wire.parse(message).problems == ()
    assert wire.parse(liar.commit()).number("receiver_tag") == 0
    assert wire.parse(liar.commit(receiver=5)).number("receiver_tag") == 5


@VERSIONS
def test_he_reads_who_the_target_says_it_is(version: int) -> None:
    target, liar = facing(ReferenceEngine, version)
    with pytest.raises(ValueError, match="let him sign first"):
        liar.identity(wire.parse(liar.dh_key()))
    signature = begun(target, liar)[0]
    assert isinstance(signature, Outgoing)
    block = liar.identity(wire.parse(signature.message))
    assert not block.problems
    assert block.value("keyid") == 1
    assert block.value("y") == test_key("alice").public.y
    liar.theirs, liar.their_keyid = {9: 5}, 9
    liar.meet(wire.parse(signature.message))
    assert (liar.theirs, liar.their_keyid) == ({1: 5}, 1)


def test_he_finds_an_exponent_with_a_wanted_secret() -> None:
    theirs = power(2, 0x123456789)
    liar = facing(ReferenceEngine, 3)[1]
    exponent = liar.exponent(theirs, lambda public, secret: public > theirs and secret.bit_length() <= 1528)
    assert power(2, exponent) > theirs
    assert power(theirs, exponent).bit_length() <= 1528


@VERSIONS
def test_he_seals_any_bytes(version: int) -> None:
    target, liar = facing(ReferenceEngine, version)
    begun(target, liar)
    genuine = wire.parse(liar.data(b"sealed again"))
    assert liar.seal(genuine.mac_input()) == wire.build(genuine)
    event = target.receive(liar.seal(genuine.mac_input(), old_mac_keys=bytes(20)))[0]
    assert isinstance(event, TextReceived)
    short = liar.seal(genuine.mac_input()[:-1])
    assert isinstance(target.receive(short)[0], Unreadable)


@VERSIONS
def test_other_session_keys_are_the_only_thing_wrong(version: int) -> None:
    target, liar = facing(ReferenceEngine, version)
    begun(target, liar)
    wrong = liar.data(b"other keys", keys=liar.keys(2, 1))
    unreadable = target.receive(wrong)[0]
    assert isinstance(unreadable, Unreadable)
    assert unreadable.reason is Reason.BAD_MAC
    right = liar.data(b"the same", keys=liar.keys(1, 1))
    assert isinstance(target.receive(right)[0], TextReceived)


def test_other_keys_in_the_handshake() -> None:
    target, liar = facing(ReferenceEngine, 3)
    derived = Signed(derive=lambda secret: wire.crypto.handshake_keys(secret + 1))
    assert begun(target, liar, derived) == [Rejected(Reason.BAD_MAC)]
