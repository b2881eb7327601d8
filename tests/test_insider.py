"""The insider: its honest messages are accepted, and its messages are only wrong where it is asked to lie."""

from __future__ import annotations

import pytest

from otterproof.harness import wire
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number, smp_value
from otterproof.harness.wire import DH_PRIME
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import fingerprint, power
from otterproof.harness.wire.proofs import prove_degenerate, smp_hash
from otterproof.implementations.contract import (
    Engine,
    Event,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PartyConfig,
    Policy,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    TextReceived,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.reference import ReferenceEngine

ENGINES = pytest.mark.parametrize("engine", [ReferenceEngine, IndependentEngine])
VERSIONS = pytest.mark.parametrize("version", [2, 3])


def facing(engine: type[ReferenceEngine] | type[IndependentEngine], version: int) -> tuple[Engine, Insider]:
    policy = Policy.ALLOW_V2 if version == 2 else Policy.ALLOW_V3
    target = engine(PartyConfig(published_key("alice"), policy, 0x1A1A), SeededEntropy(b"insider"))
    return target, Insider(published_key("mallory"), 0x1A1A, version=version)


def sent(events: object) -> bytes:
    assert isinstance(events, list)
    (message,) = [event.message for event in events if isinstance(event, OutgoingMessage)]
    assert isinstance(message, bytes)
    return message


def begun(target: Engine, insider: Insider, signed: SignatureOptions | None = None) -> list[Event]:
    """The insider starts the handshake; returns the answer to its Reveal Signature."""
    dh_key = sent(list(target.receive(insider.commit())))
    return list(target.receive(insider.reveal_signature(dh_key, signed or SignatureOptions())))


@ENGINES
@VERSIONS
def test_he_can_begin(engine: type[ReferenceEngine], version: int) -> None:
    target, insider = facing(engine, version)
    established = begun(target, insider)[1]
    assert isinstance(established, SessionEstablished)
    assert established.fingerprint == fingerprint(published_key("mallory").public)
    assert established.ssid == insider.ssid


@ENGINES
@VERSIONS
def test_he_can_answer(engine: type[ReferenceEngine], version: int) -> None:
    target, insider = facing(engine, version)
    commit = sent(list(target.receive(b"?OTRv%d?" % version)))
    reveal = sent(list(target.receive(insider.dh_key())))
    events = target.receive(insider.signature(insider.decommit(commit, reveal), SignatureOptions(keyid=7)))
    assert [type(event) for event in events] == [SessionEstablished]
    assert target.receive(insider.data(b"under key 7"))[0] == TextReceived(
        b"under key 7", secure=True, warn=False, instance=0x2B2B if version == 3 else 0
    )


@ENGINES
@VERSIONS
def test_a_conversation_changes_keys(engine: type[ReferenceEngine], version: int) -> None:
    target, insider = facing(engine, version)
    begun(target, insider)
    for number in range(5):
        events = target.receive(insider.data(b"to the target %d" % number))
        assert isinstance(events[0], TextReceived)
        assert insider.read(sent(list(target.send(b"from the target %d" % number)))) == b"from the target %d" % number
    assert insider.our_keyid > 4
    assert insider.their_keyid > 4


@ENGINES
@pytest.mark.parametrize(
    ("signed", "reason"),
    [
        (SignatureOptions(keyid=0), RejectReason.BAD_KEY_ID),
        (SignatureOptions(kind=1), RejectReason.BAD_PUBLIC_KEY),
        (SignatureOptions(advertised_key=published_key("bob").public), RejectReason.BAD_SIGNATURE),
        (SignatureOptions(swap_dh=True), RejectReason.BAD_SIGNATURE),
        (SignatureOptions(signature=(0, 0)), RejectReason.BAD_SIGNATURE),
        (SignatureOptions(high_r=True), RejectReason.BAD_SIGNATURE),
        (SignatureOptions(mac=bytes(20)), RejectReason.BAD_MAC),
    ],
)
def test_a_lie_in_the_handshake_is_the_only_thing_wrong(
    engine: type[ReferenceEngine], signed: SignatureOptions, reason: RejectReason
) -> None:
    target, insider = facing(engine, 3)
    assert begun(target, insider, signed) == [MessageRejected(reason)]


@ENGINES
def test_public_values_that_nobody_should_have(engine: type[ReferenceEngine]) -> None:
    target, insider = facing(engine, 3)
    for public in (0, 1, DH_PRIME - 1, DH_PRIME):
        dh_key = sent(list(target.receive(insider.commit(public))))
        reveal = insider.reveal_signature(dh_key, SignatureOptions(secret=1), public=public)
        assert target.receive(reveal) == [MessageRejected(RejectReason.BAD_GROUP_ELEMENT)]


@ENGINES
def test_a_lie_in_a_data_message_is_the_only_thing_wrong(engine: type[ReferenceEngine]) -> None:
    target, insider = facing(engine, 3)
    begun(target, insider)
    lies = {
        insider.data(b"x", next_dh=1): RejectReason.BAD_GROUP_ELEMENT,
        insider.data(b"x", ctr=0): RejectReason.BAD_COUNTER,
        insider.data(b"x", sender_keyid=9): RejectReason.UNKNOWN_KEY,
        insider.data(b"x", recipient_keyid=9): RejectReason.UNKNOWN_KEY,
        insider.data(b"x", mac=bytes(20)): RejectReason.BAD_MAC,
    }
    for message, reason in lies.items():
        assert target.receive(message)[0] == MessageUnreadable(0x2B2B, reason)
    assert isinstance(target.receive(insider.data(b"the truth"))[0], TextReceived)


@ENGINES
@VERSIONS
@pytest.mark.parametrize("begins", [True, False])
def test_smp(engine: type[ReferenceEngine], version: int, begins: bool) -> None:
    """The insider can play either part, and knows everything it would have to lie about."""
    target, insider = facing(engine, version)
    begun(target, insider)
    pair = (fingerprint(published_key("mallory").public), target.fingerprint)
    run = SmpPeer(secret_number(*(pair if begins else pair[::-1]), insider.ssid, b"secret"))
    if begins:
        target.receive(insider.data(tlvs=[tlv(2, smp_value(2, run.message_1()))]))
        second = insider.smp_numbers(sent(list(target.smp_answer(b"secret"))), 3)
        events = list(target.receive(insider.data(tlvs=[tlv(4, smp_value(4, run.message_3(second)))])))
    else:
        first = insider.smp_numbers(sent(list(target.smp_start(b"secret"))), 2)
        third = list(target.receive(insider.data(tlvs=[tlv(3, smp_value(3, run.message_2(first)))])))
        fourth = run.message_4(insider.smp_numbers(sent(third), 4))
        events = list(target.receive(insider.data(tlvs=[tlv(5, smp_value(5, fourth))])))
    assert events[-1] == SmpFinished(0x2B2B if version == 3 else 0, True)


@ENGINES
def test_a_range_check_alone_stands_against_a_degenerate_element(engine: type[ReferenceEngine]) -> None:
    target, insider = facing(engine, 3)
    begun(target, insider)
    for element in (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1):
        c, d = prove_degenerate(1, element)
        numbers = {**SmpPeer(5).message_1(), "g2a": element, "c2": c, "D2": d}
        events = target.receive(insider.data(tlvs=[tlv(2, smp_value(2, numbers))]))
        assert events[-1] == SmpAborted(0x2B2B, SmpAbortReason.SMP_BAD_ELEMENT)


@pytest.mark.parametrize("element", [0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1])
@pytest.mark.parametrize("prefix", [1, 2, 3, 4])
def test_proofs_of_degenerate_elements_verify(prefix: int, element: int) -> None:
    c, d = prove_degenerate(prefix, element)
    assert c == smp_hash(prefix, power(2, d) * power(element, c) % DH_PRIME)


def test_a_count_can_be_wrong() -> None:
    numbers = SmpPeer(5).message_1()
    assert smp_value(2, numbers)[:4] == (6).to_bytes(4)
    assert smp_value(2, numbers, count=7, tail=b"x") == (7).to_bytes(4) + smp_value(2, numbers)[4:] + b"x"


def test_his_messages_are_well_formed() -> None:
    insider = Insider(published_key("mallory"), 0x1A1A)
    for message in (insider.commit(), insider.dh_key()):
        assert wire.parse(message).problems == ()
    assert wire.parse(insider.commit()).number("receiver_tag") == 0
    assert wire.parse(insider.commit(receiver=5)).number("receiver_tag") == 5


@VERSIONS
def test_he_reads_who_the_target_says_it_is(version: int) -> None:
    target, insider = facing(ReferenceEngine, version)
    with pytest.raises(ValueError, match="let it sign first"):
        insider.identity(wire.parse(insider.dh_key()))
    signature = begun(target, insider)[0]
    assert isinstance(signature, OutgoingMessage)
    block = insider.identity(wire.parse(signature.message))
    assert not block.problems
    assert block.value("keyid") == 1
    assert block.value("y") == published_key("alice").public.y
    insider.theirs, insider.their_keyid = {9: 5}, 9
    insider.learn_peer_keyid(wire.parse(signature.message))
    assert (insider.theirs, insider.their_keyid) == ({1: 5}, 1)


def test_he_finds_an_exponent_with_a_wanted_secret() -> None:
    theirs = power(2, 0x123456789)
    insider = facing(ReferenceEngine, 3)[1]
    exponent = insider.exponent(theirs, lambda public, secret: public > theirs and secret.bit_length() <= 1528)
    assert power(2, exponent) > theirs
    assert power(theirs, exponent).bit_length() <= 1528


@VERSIONS
def test_he_seals_any_bytes(version: int) -> None:
    target, insider = facing(ReferenceEngine, version)
    begun(target, insider)
    genuine = wire.parse(insider.data(b"sealed again"))
    assert insider.seal(genuine.mac_input()) == wire.build(genuine)
    event = target.receive(insider.seal(genuine.mac_input(), old_mac_keys=bytes(20)))[0]
    assert isinstance(event, TextReceived)
    short = insider.seal(genuine.mac_input()[:-1])
    assert isinstance(target.receive(short)[0], MessageUnreadable)


@VERSIONS
def test_other_session_keys_are_the_only_thing_wrong(version: int) -> None:
    target, insider = facing(ReferenceEngine, version)
    begun(target, insider)
    wrong = insider.data(b"other keys", keys=insider.keys(2, 1))
    unreadable = target.receive(wrong)[0]
    assert isinstance(unreadable, MessageUnreadable)
    assert unreadable.reason is RejectReason.BAD_MAC
    right = insider.data(b"the same", keys=insider.keys(1, 1))
    assert isinstance(target.receive(right)[0], TextReceived)


def test_other_keys_in_the_handshake() -> None:
    target, insider = facing(ReferenceEngine, 3)
    derived = SignatureOptions(derive=lambda secret: wire.crypto.handshake_keys(secret + 1))
    assert begun(target, insider, derived) == [MessageRejected(RejectReason.BAD_MAC)]
