"""Layers inside messages: parsed without loss, and opened and closed with the keys of a real handshake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import exchange
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import Kind, crypto, layers
from otterproof.harness.wire.layers import Layer
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine

SEEDS = {name: name.encode() for name in ("alice", "bob")}


def handshake(policy: Policy) -> dict[Kind, wire.Message]:
    """The four messages of a handshake that alice asks for and bob begins, by kind."""
    alice, bob = (
        ReferenceEngine(PartyConfig(published_key(name), policy, 0x111), SeededEntropy(seed))
        for name, seed in SEEDS.items()
    )
    messages: dict[Kind, wire.Message] = {}

    def watch(_: str, raw: bytes) -> None:
        message = wire.parse(raw)
        messages[message.kind] = message

    exchange({"alice": alice, "bob": bob}, "alice", alice.start(), watch=watch)
    return messages


HANDSHAKES = [handshake(Policy.ALLOW_V2), handshake(Policy.ALLOW_V3)]


def drawn(party: str, label: str, size: int) -> int:
    return int.from_bytes(SeededEntropy(SEEDS[party]).draw(label, 0, size), "big")


def group_element(exponent: int) -> int:
    return pow(wire.DH_GENERATOR, exponent, wire.DH_PRIME)


@pytest.mark.parametrize("messages", HANDSHAKES)
def test_the_commit_holds_what_the_seed_says(messages: dict[Kind, wire.Message]) -> None:
    commit, reveal = messages[Kind.DH_COMMIT], messages[Kind.REVEAL_SIGNATURE]
    r = reveal.data("revealed_key")
    gxmpi = layers.parse_gxmpi(crypto.committed_gxmpi(commit, r))
    assert gxmpi.problems == ()
    assert gxmpi.value("gx") == group_element(drawn("bob", "ake.x", 40))
    # Closing an opened layer gives the same message, so the hash is right as well.
    assert wire.build(crypto.with_gxmpi(commit, gxmpi.body, r)) == wire.build(commit)


@pytest.mark.parametrize("messages", HANDSHAKES)
def test_signature_blocks_open_and_close(messages: dict[Kind, wire.Message]) -> None:
    gy = messages[Kind.DH_KEY].number("gy")
    assert gy == group_element(drawn("alice", "ake.y", 40))
    keys = crypto.handshake_keys(pow(gy, drawn("bob", "ake.x", 40), wire.DH_PRIME))
    sides = [
        (Kind.REVEAL_SIGNATURE, keys.c, keys.m2, "bob"),
        (Kind.SIGNATURE, keys.c_primed, keys.m2_primed, "alice"),
    ]
    for kind, c, m2, signer in sides:
        message = messages[kind]
        block = layers.parse_signature_block(crypto.signature_block(message, c))
        assert block.problems == ()
        public = published_key(signer).public
        assert [block.value(name) for name in ("p", "q", "g", "y")] == [public.p, public.q, public.g, public.y]
        assert block.value("keyid") == 1
        assert wire.build(crypto.with_signature_block(message, block.body, c, m2)) == wire.build(message)
        other = crypto.with_signature_block(message, block.with_value("keyid", 0), c, m2)
        assert layers.parse_signature_block(crypto.signature_block(other, c)).value("keyid") == 0
        assert other.raw("mac") != message.raw("mac")


def assert_tiles(layer: Layer, data: bytes) -> None:
    at = 0
    for field in layer.fields:
        assert field.offset == at
        at += len(field.raw)
    assert (at, layer.body) == (len(data), data)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_layer(data: bytes) -> None:
    for read in (layers.parse_signature_block, layers.parse_public_key, layers.parse_gxmpi):
        assert_tiles(read(data), data)


@given(st.data())
def test_numbers_of_smp_messages_are_read_back_under_their_names(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([2, 3, 4, 5, 7]))
    names = wire.SMP_NUMBERS[2 if kind == 7 else kind]
    size = len(names)
    numbers = data.draw(st.lists(st.integers(0, wire.DH_PRIME), min_size=size, max_size=size))
    question = data.draw(st.binary(max_size=9).map(lambda text: text.replace(b"\0", b""))) if kind == 7 else None
    value = layers.build_smp(kind, numbers, question)
    parsed = layers.parse_smp(kind, value)
    assert parsed.layer.problems == ()
    assert parsed.question == question
    assert parsed.layer.value("count") == size
    assert [parsed.layer.value(name) for name in names] == numbers
    cut = value[: data.draw(st.integers(0, len(value) - 1))]
    shorter = layers.parse_smp(kind, cut)
    assert shorter.layer.problems
    assert (b"" if shorter.question is None else shorter.question + b"\0") + shorter.layer.body == cut


@given(st.binary(max_size=20), st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=20)), max_size=4))
def test_texts_and_tlvs_are_read_back(text: bytes, records: list[tuple[int, bytes]]) -> None:
    text = text.replace(b"\0", b"")
    tlvs = [layers.tlv(kind, value) for kind, value in records]
    plaintext = layers.parse_plaintext(layers.with_tlvs(text, tlvs))
    assert (plaintext.text, plaintext.nul, plaintext.rest) == (text, True, b"")
    assert list(plaintext.tlvs) == tlvs
