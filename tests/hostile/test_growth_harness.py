"""The harness does linear work on what targets send: the codec with its layers, the model, the oracles' reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.model import NameTable, PartyModel
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import crypto, layers, mutate
from otterproof.implementations.contract import MIN_MESSAGE_SIZE, Event, OutgoingMessage, PartyConfig, Policy
from otterproof.implementations.reference import ReferenceEngine
from tests.hostile.growth import (
    MESSAGES,
    OWN_TAG,
    PLAINTEXTS,
    SMP_PLAINTEXTS,
    Family,
    all_linear,
    data,
    encoded,
    fragments,
)
from tests.model_pair import Pair

_KEY_FIELDS = (1).to_bytes(4) * 2 + data(b"\2") + (1).to_bytes(8)


def _text(size: int) -> bytes:
    return b"a" * size


def _data_message(size: int) -> bytes:
    return encoded(3, 0x03, b"\0" + _KEY_FIELDS + data(bytes(size)) + bytes(20) + data(bytes(size // 20 * 20)))


# ---- the codec ------------------------------------------------------------------------------------------------------

CODEC: Mapping[str, Callable[[bytes], object]] = {
    "parse and build": lambda raw: wire.build(wire.parse(raw)),
    "dissect": wire.dissect,
    "offered versions": lambda raw: wire.offered_versions(wire.parse(raw)),
    "a bit flipped": lambda raw: mutate.flip_bit(raw, 1 << 20),
    "cut short": lambda raw: mutate.truncate(raw, 1 << 19),
    "a field changed": lambda raw: mutate.change_field(raw, "mac", bytes(20)),
    "in fragments": lambda raw: mutate.fragment(raw, 64),
}


@pytest.mark.parametrize("entry", CODEC)
def test_the_codec(entry: str) -> None:
    all_linear(CODEC[entry], MESSAGES, large=1 << 17)


def test_a_field_given_a_long_value() -> None:
    message = wire.parse(_data_message(100))
    for name in ("next_dh", "flags", "mac", "encrypted_message"):

        def change(value: int | bytes, name: str = name) -> object:
            with suppress(wire.FieldError):
                return message.with_value(name, value)
            return None

        all_linear(change, {name: _text})
        all_linear(change, {f"{name}, a number": lambda size: 1 << 8 * size})


@pytest.mark.slow
def test_fragments() -> None:
    all_linear(wire.reassemble, {"fragments": fragments}, large=1 << 15)
    all_linear(lambda message: wire.fragment(message, 64, 3, (1, 2)), {"a message": _text})


def test_forgery_with_many_keys() -> None:
    """Every data message may reveal any number of keys, and each key might fit each message."""
    all_linear(
        mutate.forgery,
        {
            "many messages": lambda size: [_data_message(40)] * size,
            "many keys": lambda size: [_data_message(20 * size)] * 4,
            "many messages and keys": lambda size: [_data_message(size)] * (size // 8),
        },
        small=16,
        large=1 << 10,
    )


LAYERS: Mapping[str, Callable[[bytes], object]] = {
    "plaintext": lambda raw: layers.build_plaintext(layers.parse_plaintext(raw)),
    "signature block": layers.parse_signature_block,
    "public key": layers.parse_public_key,
    "gxmpi": layers.parse_gxmpi,
    "SMP 1": lambda raw: layers.parse_smp(2, raw),
    "SMP 1 with a question": lambda raw: layers.parse_smp(7, raw),
}


@pytest.mark.parametrize("entry", LAYERS)
def test_layers(entry: str) -> None:
    long_numbers: dict[str, Family] = {
        "long numbers": lambda size: b"\0\0" + data(b"\xff" * size) * 4 + (1).to_bytes(4) + bytes(40),
        "zeros": lambda size: bytes(size),
        "one long number": lambda size: data(b"\xff" * size),
    }
    all_linear(LAYERS[entry], {**PLAINTEXTS, **SMP_PLAINTEXTS, **long_numbers}, large=1 << 15)


def test_what_keys_do_to_a_message() -> None:
    def again(raw: bytes) -> object:
        message = wire.parse(raw)
        return crypto.verifies(crypto.mac_data(crypto.encrypt_data(message, bytes(16), b"text"), bytes(20)), bytes(20))

    all_linear(again, {"data message": _data_message})
    all_linear(lambda raw: crypto.decrypt_data(wire.parse(raw), bytes(16)), {"data message": _data_message})


# ---- the model -----------------------------------------------------------------------------------------------------


def _config(policy: Policy = Policy.ALLOW_V2 | Policy.ALLOW_V3) -> PartyConfig:
    return PartyConfig(published_key("alice"), policy | Policy.WHITESPACE_START_AKE, OWN_TAG)


def test_the_model_on_any_message() -> None:
    model = PartyModel("alice", _config(), NameTable())
    all_linear(lambda raw: model.predict("receive", {"message": raw}), MESSAGES, large=1 << 17)


def test_the_model_on_fragments() -> None:
    model = PartyModel("alice", _config(), NameTable())
    fresh = model.state

    def receive_all(messages: Sequence[bytes]) -> None:
        model.state = fresh
        for message in messages:
            model.state = model.predict("receive", {"message": message}).state

    long_ones: Callable[[int], list[bytes]] = lambda size: [  # noqa: E731
        b"?OTR,%d,%d,%s," % (k, size, b"A" * 512) for k in range(1, size + 1)
    ]
    all_linear(receive_all, {"short ones": fragments, "long ones": long_ones}, small=64, large=1 << 12)


def test_the_model_copies_no_fragment_that_came_before() -> None:
    """Too little of a message is kept for copies of it to show up in the time, so identities are compared instead."""
    model = PartyModel("alice", _config(), NameTable())
    contents = []
    for message in fragments(3):
        model.state = model.predict("receive", {"message": message}).state
        contents.append(model.state.fragments[0].content)
    assert [content and content[0] for content in contents] == [None, *contents[:-1]]
    assert all(later and later[0] is content for content, later in pairwise(contents))


def _pair(**names: int | None) -> tuple[Pair, object, bytes]:
    """Alice and Bob after a handshake, and a data message from Bob that has not been delivered."""
    configs = {
        name: PartyConfig(published_key(name), Policy.ALLOW_V2 | Policy.ALLOW_V3, tag, names.get(name), None)
        for name, tag in (("alice", OWN_TAG), ("bob", 0x2B2B))
    }
    pair = Pair(configs, "growth", ("reference",))
    pair.establish()
    (sent,) = pair.parties["bob"].send(b"text")
    if not isinstance(sent, OutgoingMessage):
        raise TypeError(f"sending gave {sent}")
    return pair, pair.snapshot(), sent.message


@pytest.mark.slow
def test_the_model_on_data_messages() -> None:
    pair, state, message = _pair()

    def receive(plaintext: bytes) -> None:
        pair.restore(state)
        pair.parties["alice"].receive(pair.insider(message, plaintext))

    all_linear(receive, PLAINTEXTS, large=1 << 16)
    all_linear(receive, SMP_PLAINTEXTS, large=1 << 15)


@pytest.mark.parametrize("size", [None, MIN_MESSAGE_SIZE])
def test_the_model_on_what_a_user_asks(size: int | None) -> None:
    pair, state, _ = _pair(alice=size)
    alice = pair.parties["alice"]
    entries: dict[str, Callable[[bytes], object]] = {
        "send": alice.send,
        "smp_start": alice.smp_start,
        "question": lambda text: alice.smp_start(b"secret", question=text),
        "extra_key": lambda text: alice.extra_key(1, text),
    }
    for name, entry in entries.items():

        def ask(text: bytes, entry: Callable[[bytes], object] = entry) -> None:
            pair.restore(state)
            entry(text)

        all_linear(ask, {name: _text}, large=1 << 17)


# ---- the reader of the oracles -------------------------------------------------------------------------------------


def _view(action: str, args: Mapping[str, object], events: Sequence[Event]) -> Step:
    return Step(1, 0, "alice", action, args, events, None, None, None)


def _reader() -> Reader:
    world = World({"alice": ReferenceEngine(_config())}, {"alice": ["alice"]})
    return Reader(world, {"alice": _config()})


def test_the_reader_on_any_message() -> None:
    def read(raw: bytes) -> None:
        view = _reader().view(_view("receive", {"message": raw}, [OutgoingMessage(raw)]))
        list(view.sent)

    all_linear(read, MESSAGES, large=1 << 17)


def test_the_reader_on_fragments() -> None:
    def receive_all(messages: Sequence[bytes]) -> None:
        reader = _reader()
        for message in messages:
            reader.view(_view("receive", {"message": message}, []))

    def sent_all(messages: Sequence[bytes]) -> None:
        args = {"text": b"a" * 1024 * len(messages)}
        _reader().view(_view("send", args, [OutgoingMessage(message) for message in messages]))

    all_linear(receive_all, {"received": fragments}, small=64, large=1 << 12)
    all_linear(sent_all, {"sent": fragments}, small=64, large=1 << 12)
