"""The wire codec: lossless for all bytes, fields that cover the message, correctly encoded changes, working keys."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import exchange, outgoing
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import FieldError, Kind, layers
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine

V3_EXAMPLE = (
    b"?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hbrL3KAbGDdzE2ZkMyTKl7XfkSxh8YJnudstiB74i4BzT0W2haC"
    b"lG6dMary/jo9sMudwmUdlnKpIGEKXWdvJKT+hQ26h9nzMgEditLB8vjPEWAJ6gBXvZrY6ZQrx3gb4v0UaSMOMiR5sB7Eaulb2Yc6RmRnnlxg"
    b"UUC2alosg4WIeFN951PLjScajVba6dqlDi+q1H5tPvI5SWMN7PCBWIJ41+WvF+5IAZzQZYgNaVLbAAAAAAAAAAEAAAAHwNiIi5Ms+4PsY/L2i"
    b"pkTtquknfx6HodLvk3RAAAAAA==."
)


def conversation(policy: Policy) -> list[bytes]:
    """Every kind of encoded message of one version, as the reference engine makes them."""
    alice, bob = (
        ReferenceEngine(PartyConfig(published_key(name), policy, 0x111), SeededEntropy(name.encode()))
        for name in ("alice", "bob")
    )
    messages: list[bytes] = []
    parties = {"alice": alice, "bob": bob}
    exchange(parties, "alice", alice.start(), watch=lambda _, message: messages.append(message))
    return messages + outgoing(alice.send(b"hello", padding=3))


GENUINE = [message for policy in (Policy.ALLOW_V2, Policy.ALLOW_V3) for message in conversation(policy)]
BODIES: list[bytes] = sorted({wire.parse(message).body for message in GENUINE})
FRAGMENT = b"?OTR|5a73a599|27e31597,00001,00003,?OTR:AAMDJ,"
SPECIAL = [
    b"?OTR",
    b"|",
    b",",
    b":",
    b".",
    b"?",
    b"v23?",
    b" Error:",
    b"1",
    wire.TAG_BASE,
    wire.TAG_VERSIONS[3],
    b"AAMD",
    b"=",
]
soup = st.lists(st.sampled_from(SPECIAL) | st.binary(max_size=6), max_size=12).map(b"".join)
binaries = st.sampled_from([wire.parse(message).body for message in GENUINE if message.startswith(b"?OTR:")])


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """An encoded message with bytes changed, removed or added."""
    body = bytearray(draw(binaries))
    for _ in range(draw(st.integers(0, 3))):
        body[draw(st.integers(0, len(body) - 1))] = draw(st.integers(0, 255))
    return wire.armour(bytes(body[: draw(st.integers(0, len(body)))]) + draw(st.binary(max_size=5)))


def assert_tiles(raw: bytes) -> None:
    message = wire.parse(raw)
    assert wire.build(message) == raw
    at = 0
    for field in message.fields:
        assert field.offset == at
        at += len(field.raw)
    assert at == len(message.body)


@given(st.binary(max_size=80) | soup | damaged() | st.sampled_from([*GENUINE, FRAGMENT, V3_EXAMPLE]))
def test_every_byte_belongs_to_a_field(raw: bytes) -> None:
    assert_tiles(raw)
    assert wire.dissect(raw)


@pytest.mark.parametrize("body", BODIES)
def test_every_truncation_is_read_and_reported(body: bytes) -> None:
    for length in range(len(body)):
        raw = wire.armour(body[:length])
        assert_tiles(raw)
        if raw.startswith(b"?OTR:") and not body.startswith(b"?"):
            assert wire.parse(raw).problems, f"{length} bytes"


@pytest.mark.parametrize("raw", GENUINE)
def test_genuine_messages_have_no_problems(raw: bytes) -> None:
    assert wire.parse(raw).problems == ()


@given(st.sampled_from([message for message in GENUINE if message.startswith(b"?OTR:")]), st.data())
def test_a_value_that_is_set_is_read_back(raw: bytes, data: st.DataObject) -> None:
    message = wire.parse(raw)
    field = data.draw(st.sampled_from([field for field in message.fields if field.name not in ("version", "type")]))
    value = field.value
    assert value is not None
    if isinstance(value, int):
        other: int | bytes = data.draw(st.integers(0, 255))
    elif field.type is wire.Type.FIXED:
        other = data.draw(st.binary(min_size=len(value), max_size=len(value)))
    else:
        other = data.draw(st.binary(max_size=40))
    changed = wire.parse(wire.build(message.with_value(field.name, other)))
    assert changed.value(field.name) == other
    assert [one.raw for one in changed.fields if one.name != field.name] == [
        one.raw for one in message.fields if one.name != field.name
    ]


def test_values_that_do_not_fit_are_refused_with_the_way_out() -> None:
    message = wire.parse(GENUINE[-1])
    with pytest.raises(FieldError, match="does not fit"):
        message.with_value("flags", 256)
    with pytest.raises(FieldError, match="give it bytes"):
        message.with_value("ctr", 1)
    with pytest.raises(FieldError, match="with_raw"):
        message.with_value("mac", b"short")
    with pytest.raises(FieldError, match="this one has version, type"):
        message.value("gx")


def test_the_example_of_the_protocol_text() -> None:
    message = wire.parse(V3_EXAMPLE)
    assert message.kind is Kind.DATA
    assert (message.version, message.value("sender_tag"), message.value("receiver_tag")) == (3, 0x27E31599, 0x27E31597)
    assert (message.value("flags"), message.value("sender_keyid"), message.value("recipient_keyid")) == (0, 1, 2)
    assert message.value("ctr") == bytes(7) + b"\x01"
    assert len(message.data("encrypted_message")) == 7
    assert message.value("old_mac_keys") == b""


def test_fragments_are_put_together() -> None:
    cut = [V3_EXAMPLE[:200], V3_EXAMPLE[200:300], V3_EXAMPLE[300:]]
    fragments = [b"?OTR|5a73a599|27e31597,%05d,%05d,%s," % (k, 3, piece) for k, piece in enumerate(cut, 1)]
    assert wire.reassemble(fragments) == V3_EXAMPLE
    first = wire.parse(fragments[0])
    assert (first.kind, first.value("sender_tag"), first.value("k")) == (Kind.FRAGMENT_V3, b"5a73a599", b"00001")
    assert wire.parse(b"?OTR,1,2,x,").kind is Kind.FRAGMENT_V2
    assert wire.parse(b"?OTR,1,2,,").problems


@pytest.mark.parametrize(
    ("text", "versions"),
    [
        (b"?OTR?", {1}),
        (b"?OTRv2?", {2}),
        (b"?OTR?v2?", {1, 2}),
        (b"?OTRv24x?", {2}),
        (b"?OTR?v24x?", {1, 2}),
        (b"?OTR?v?", {1}),
        (b"?OTRv?", set()),
        (b"see ?OTRv32? there", {2, 3}),
    ],
)
def test_queries_of_the_protocol_text(text: bytes, versions: set[int]) -> None:
    message = wire.parse(text)
    assert message.kind is Kind.QUERY
    assert wire.offered_versions(message) == versions


def test_whitespace_tags() -> None:
    message = wire.parse(b"hi" + wire.TAG_BASE + wire.TAG_VERSIONS[3] + b"\t" * 8 + b"there")
    assert message.kind is Kind.TAGGED_PLAINTEXT
    assert wire.offered_versions(message) == {3}
    assert (message.value("before"), message.value("after")) == (b"hi", b"there")
    assert wire.parse(b"hi" + wire.TAG_BASE).kind is Kind.PLAINTEXT


@given(st.binary(max_size=60))
def test_plaintexts_are_split_without_loss(data: bytes) -> None:
    assert layers.build_plaintext(layers.parse_plaintext(data)) == data


@given(st.sampled_from([2, 3, 4, 5, 7]), st.binary(max_size=80))
def test_smp_values_are_split_without_loss(kind: int, value: bytes) -> None:
    parsed = layers.parse_smp(kind, value)
    question = b"" if parsed.question is None else parsed.question + b"\0"
    assert question + parsed.layer.body == value


def test_keys_encrypt_and_authenticate() -> None:
    message = wire.parse(GENUINE[-1])
    secret = int.from_bytes(hashlib.sha512(b"s").digest())
    keys = wire.crypto.session_keys(5, 3, secret)
    facing = wire.crypto.session_keys(3, 5, secret)
    assert (keys.sending_aes, keys.sending_mac) == (facing.receiving_aes, facing.receiving_mac)
    assert keys.sending_aes == hashlib.sha1(b"\x01" + b"\0\0\0\x40" + hashlib.sha512(b"s").digest()).digest()[:16]
    changed = wire.crypto.mac_data(wire.crypto.encrypt_data(message, keys.sending_aes, b"forged"), keys.sending_mac)
    assert wire.crypto.verifies(changed, facing.receiving_mac)
    assert wire.crypto.decrypt_data(changed, facing.receiving_aes) == b"forged"
    assert not wire.crypto.verifies(changed.with_value("flags", 1), facing.receiving_mac)
    # The authenticator does not cover the list of revealed keys.
    assert wire.crypto.verifies(changed.with_value("old_mac_keys", bytes(20)), facing.receiving_mac)


def test_armour_that_nobody_would_make_is_kept() -> None:
    raw = b"before ?OTR:" + b64encode(b"\0\3\3")[:-1] + b"B. after"
    assert wire.build(wire.parse(raw)) == raw
    assert wire.parse(b"?OTR:AA=A.").kind is Kind.BAD_ARMOUR
    assert wire.parse(b"?OTR:AAMD").kind is Kind.BAD_ARMOUR


def test_dissection_shows_fields_and_problems() -> None:
    text = wire.dissect(wire.armour(wire.parse(V3_EXAMPLE).body[:30]))
    assert "next_dh" in text
    assert "!  cut short" in text
    assert "offers 2, 3" in wire.dissect(b"?OTRv23?")


def joined(messages: Sequence[bytes]) -> list[tuple[bytes, int]]:
    """What a party sends, as whole messages, each with the number of its fragments."""
    joiner = wire.Joiner()
    found = [joiner.add(raw, wire.parse(raw)) for raw in messages]
    return [(one.raw, len(one.pieces)) for one in found if one is not None]


@pytest.mark.parametrize(
    ("raw", "piece"),
    [
        (b"?OTR|0000001a,0,2,3,abc,", None),  # the receiver is missing
        (b"?OTR|1a|2b,2,3,abc,", (0x1A, 0x2B, 2, 3, b"abc")),
        (b"?OTR,00002,00003,abc,", (0, 0, 2, 3, b"abc")),
        (b"hello", None),
    ],
)
def test_the_piece_of_a_fragment(raw: bytes, piece: tuple[int, int, int, int, bytes] | None) -> None:
    message = wire.parse(raw)
    assert message.piece == piece
    if piece is None:
        with pytest.raises(FieldError, match="holds no piece"):
            wire.Assembly().plus(message)


def test_fragments_among_other_messages_are_joined() -> None:
    first, second, third = (b"?OTR,%d,3,%s," % (k, piece) for k, piece in ((1, b"a"), (2, b"b"), (3, b"c")))
    assert joined([b"hi", first, second, third, b"bye"]) == [(b"hi", 1), (b"abc", 3), (b"bye", 1)]
    assert joined([first, third, second]) == [(b"ac", 2)], "the last one ends the message"
    assert joined([first, b"hi", second, third]) == [(b"hi", 1), (b"bc", 2)], "other messages drop what came before"
    assert joined([b"?OTR,1,1,a,", b"?OTR,1,2,"]) == [(b"a", 1), (b"?OTR,1,2,", 1)]


TAG = wire.TAG_BASE
V1, V2, V3 = (wire.TAG_VERSIONS[version] for version in (1, 2, 3))


@pytest.mark.parametrize(
    ("sent", "versions"),
    [
        (b"a text" + TAG + V2 + V3, {2, 3}),
        (b"a text" + TAG + V3 + V2, {2, 3}),
        (TAG + V3 + b"a text", {3}),
        (b"a " + TAG + V1 + V2 + b"text", {1, 2}),
        (b"a text", None),
        (b"a text" + TAG, None),
        (b"a text" + TAG + V2[:7], None),
        (b"a text" + TAG + b" " * 8, None),
        (b"a text " + TAG + V2, None),
        (b"another text" + TAG + V2, None),
        (b"a text" + V2 + TAG, None),
    ],
)
def test_a_text_with_a_tag_anywhere_and_versions_in_any_order(sent: bytes, versions: set[int] | None) -> None:
    assert wire.offered_with_text(b"a text", sent) == versions


def test_all_that_is_wrong_with_a_message_is_told_in_its_order() -> None:
    """MAC keys that are not whole, with extra bytes after them: engines report the first problem."""
    partial = wire.parse(V3_EXAMPLE).with_value("old_mac_keys", bytes(19))
    both = wire.parse(wire.build(partial.with_body(partial.body + b"more")))
    found = sorted((problem.offset, problem.field) for problem in both.problems)
    assert [name for _, name in found] == ["old_mac_keys", "end"]
