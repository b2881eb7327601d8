"""Insiders in the handshakes of random runs: honest targets withstand them; oracles notice a fault of each kind."""

from __future__ import annotations

import hmac
import json
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.handshake import commitment, wrongly_revealed
from otterproof.harness.runs.fuzz.case import Case, Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.handshake_insiders import known_key, lying_commit, lying_dh_key, lying_signature
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.shrink import Budget, Shrinker, gentler
from otterproof.harness.runs.fuzz.source import as_source
from otterproof.harness.simulation import moves as named
from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.handshake_insider import CraftedHandshake, refusal
from otterproof.harness.simulation.moves import ChangeField, Craft, Deliver, Drop, Move, Settle, User
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.targets.odd import LACKING, ODD, OddTarget
from otterproof.harness.testkit.keys import long_key, published_key
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, Kind, crypto
from otterproof.harness.wire.craft_handshake import (
    COMMIT_PARTS,
    HANDSHAKE_PARTS,
    PUBLIC_KEYS,
    SIGNATURES,
    SIGNED_PARTS,
    VARIANTS,
    altered_commit,
    altered_dh_key,
    altered_signed,
    for_commit,
    opened,
)
from otterproof.harness.wire.fields import write
from otterproof.harness.wire.numbers import mpi, power, public_key
from otterproof.harness.wire.signed import SignedMessage, secrets_of
from tests.insider_programs import REFERENCE, assert_only_the_insider_fails

X, Y = 0x1234567 << 300, 0x7654321 << 300
KEY = bytes(range(16))


def message(kind: str, *values: int | bytes) -> wire.Message:
    """A version 3 handshake message from bob to alice."""
    code = next(code for code, name in wire.TYPES.items() if name == kind)
    return wire.parse(wire.armour(write(wire.layout(3, kind), (3, code, 0x2B2B, 0x1A1A, *values))))


@cache
def signed(primed: bool) -> SignedMessage:
    """A correct signed message of bob's."""
    ours, theirs = power(DH_GENERATOR, X), power(DH_GENERATOR, Y)
    empty = message("signature", b"", bytes(20)) if primed else message("reveal_signature", KEY, b"", bytes(20))
    keys = crypto.handshake_keys(power(theirs, X))
    others = (published_key("mallory"), long_key(), published_key("alice"))
    made = SignedMessage(empty, keys, primed, ours, theirs, published_key("bob"), others)
    identity = public_key(published_key("bob").public) + (1).to_bytes(4)
    return replace(made, message=wire.parse(made.with_identity(identity)))


# ---- the message


@pytest.mark.parametrize("primed", [False, True])
def test_a_genuine_message_need_not_be_refused(primed: bool) -> None:
    assert refusal(signed(primed)) is None


#: Lies that may be accepted: their numbers, by part.
ALLOWED = {
    "public_key": {
        list(PUBLIC_KEYS).index(name)
        for name in (
            "another's public key",
            "the receiver's public key",
            "a public key with the same y and another g",
            "a public key whose p has 2048 bits",
        )
    },
    "signature": {list(SIGNATURES).index(name) for name in SIGNATURES if "begins with a zero byte" in name},
}


@pytest.mark.parametrize("primed", [False, True])
@pytest.mark.parametrize("part", [part for part in VARIANTS if part in SIGNED_PARTS])
def test_each_lie_is_one_that_must_be_refused_or_may_be_accepted(part: str, primed: bool) -> None:
    for number in range(len(VARIANTS[part])):
        made = altered_signed(signed(primed), part, number, 0)
        if made is None:
            assert (part, primed) == ("block_mac", True), "a Signature Message reveals no key"
            continue
        assert (refusal(made) is None) == (number in ALLOWED.get(part, set())), VARIANTS[part][number]


@pytest.mark.parametrize(
    ("part", "number", "value", "check"),
    [
        ("keyid", 0, 0, "handshake.key-id-0-accepted"),
        ("keyid", 0, 0xFFFFFFFF, None),
        ("key_type", 0, 1, "encoding.other-key-type-accepted"),
        ("block_cut", 1, 0, "encoding.signature-wrong-size-accepted"),
        ("block_cut", 41, 0, "handshake.malformed-signature-block-accepted"),
        ("block_bytes", 300, b"\0\1\2", "handshake.reveal-signature-dsa-not-verified"),
        ("signature", 0, 0, "encoding.signature-out-of-range-accepted"),
        ("signature", 6, 0, "handshake.reveal-signature-dsa-not-verified"),
        ("public_key", 6, 0, "encoding.long-q-accepted"),
        ("block_mac", 0, 0, "handshake.reveal-signature-mac-not-verified"),
        ("block_form", 0, 0, "handshake.malformed-signature-block-accepted"),
        ("block_encryption", 0, 0, "handshake.wrong-encryption-accepted"),
        ("signed_value", len(VARIANTS["signed_value"]) - 1, 0, "handshake.signed-hash-of-m-accepted"),
    ],
)
def test_a_lie_has_the_check_that_is_failed_by_who_believes_it(
    part: str, number: int, value: int | bytes, check: str | None
) -> None:
    made = altered_signed(signed(False), part, number, value)
    assert made is not None
    found = refusal(made)
    assert (found.check if found is not None else None) == check


def test_what_the_text_leaves_open_is_demanded_of_our_engines_alone() -> None:
    for part, number, value in (("block_added", 0, b"\0"), ("public_key", 2, 0)):
        made = altered_signed(signed(True), part, number, value)
        assert made is not None
        found = refusal(made)
        assert found is not None
        assert found.strictly


@pytest.mark.parametrize(
    ("part", "value"), [("keyid", b"x"), ("keyid", 1), ("keyid", 1 << 32), ("key_type", -1), ("block_cut", 0)]
)
def test_what_does_not_fit_changes_nothing(part: str, value: int | bytes) -> None:
    assert altered_signed(signed(False), part, 0, value) is None


def test_a_commit_to_another_value_opens() -> None:
    plain = message("dh_commit", b"", bytes(32))
    gxmpi = mpi(power(DH_GENERATOR, X))
    commit = opened(crypto.with_gxmpi(plain, gxmpi, KEY), KEY)
    assert commit is not None
    assert commit.gx == power(DH_GENERATOR, X)
    assert opened(commit.message, bytes(16)) is None
    made = altered_commit(commit, "gx", 0, 1)
    assert made is not None
    assert (made.gxmpi, opened(made.message, KEY)) == (mpi(1), made)
    longer = altered_commit(commit, "gx_key", 0, bytes(32))
    assert longer is not None
    assert opened(longer.message, bytes(32)) == longer
    wrong = altered_commit(commit, "gx_hash", 0, 0)
    assert wrong is not None
    assert opened(wrong.message, KEY) is None
    assert altered_commit(commit, "gx", 0, commit.gx) is None
    assert altered_commit(commit, "gx_key", 0, b"short") is None


@pytest.mark.parametrize("gx", [0, 1, 2, 1 << 37, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1])
def test_what_is_revealed_for_another_commit_is_right_for_it(gx: int) -> None:
    plain = message("dh_commit", b"", bytes(32))
    commit = opened(crypto.with_gxmpi(plain, mpi(gx), bytes(16)), bytes(16))
    assert commit is not None
    made = for_commit(signed(False), commit, 0)
    assert made is not None
    assert made.message.data("revealed_key") == bytes(16)
    keys = crypto.handshake_keys(secrets_of(gx, power(DH_GENERATOR, Y))[0])
    mac = hmac.digest(keys.m2, made.message.raw("encrypted_signature"), "sha256")[:20]
    assert made.message.data("mac") == mac
    assert refusal(made) is None, "the value is judged by the commit"


def test_nobody_knows_the_secret_of_any_value() -> None:
    plain = message("dh_commit", b"", bytes(32))
    commit = opened(crypto.with_gxmpi(plain, mpi(77), KEY), KEY)
    assert commit is not None
    assert for_commit(signed(False), commit, 0) is None


def test_a_d_h_key_is_another_one() -> None:
    raw = wire.build(message("dh_key", power(DH_GENERATOR, X)))
    made = altered_dh_key(raw, 1)
    assert made is not None
    assert wire.parse(made).number("gy") == 1
    assert altered_dh_key(raw, power(DH_GENERATOR, X)) is None
    assert altered_dh_key(raw, b"x") is None


def test_one_of_the_commits_has_to_open() -> None:
    plain = message("dh_commit", b"", bytes(32))

    def one(content: bytes) -> tuple[bytes, bytes]:
        found = commitment(crypto.with_gxmpi(plain, content, KEY))
        assert found is not None
        return found

    reveal = message("reveal_signature", KEY, b"", bytes(20))
    right, low, high, cut = one(mpi(2)), one(mpi(1)), one(mpi(DH_PRIME - 1)), one(mpi(2)[:-1])
    assert wrongly_revealed([right], reveal) == wrongly_revealed([low, right, cut], reveal) == ""
    assert wrongly_revealed([], reveal) == "", "nothing is known of it"
    assert wrongly_revealed([low], reveal) == wrongly_revealed([high], reveal) == "handshake.gx-range-not-checked"
    assert wrongly_revealed([low, cut], reveal) == "handshake.gx-encoding-not-checked"
    assert wrongly_revealed([(right[0], bytes(32))], reveal) == "handshake.gx-hash-not-verified"
    assert wrongly_revealed([(right[0], b"")], reveal) == "encoding.hash-wrong-size-accepted"
    longer = message("reveal_signature", KEY * 2, b"", bytes(20))
    assert wrongly_revealed([right], longer) == "handshake.revealed-key-size-not-checked"


# ---- programs


def drawn(number: int, target: Target) -> Program:
    """A program of a few lies, in either role, as the first handshake or within a session."""
    source = random.Random(number)
    role, other = source.choice([("alice", "bob"), ("bob", "alice")])
    starts = ["scratch", *(one for one in ("2", "3") if f"v{one}" in target.capabilities)]
    moves: list[Move] = []
    for maker in source.choices([lying_commit, lying_dh_key, lying_signature, known_key], [3, 1, 4, 1], k=3):
        moves += maker(source, role, other)
    return Program(Setup(target=target, role=role, start=source.choice(starts)), tuple(moves))


def test_programs_of_lies_can_be_written_down_and_told() -> None:
    parts: set[str] = set()
    for number in range(150):
        made = drawn(number, REFERENCE)
        parts |= {move.part for move in made.moves if isinstance(move, Craft)}
        assert program_from_json(json.loads(json.dumps(program_to_json(made))), REFERENCE) == made
        for move in made.moves:
            assert eval(as_source(move), {"moves": named}) == move
            assert describe_move(move)
    assert parts == {*HANDSHAKE_PARTS, "sender_keyid"}, "a key id that was told is used in texts"


def test_a_lie_is_told_in_words() -> None:
    begins = "the insider replaces the first message waiting for bob with one that has "
    assert describe_move(Craft("bob", 0, "keyid", 0, 300)) == begins + "key id 300"
    assert describe_move(Craft("bob", 0, "block_mac", 3, 0)) == begins + "a MAC under m1"
    assert describe_move(Craft("bob", 0, "block_cut", 3, 0)) == begins + "an X without its last 3 bytes"


def test_a_lie_gives_way_to_gentler_moves_when_a_program_is_shrunk() -> None:
    assert ChangeField("bob", 0, "gy", 1) in gentler(Craft("bob", 0, "gy", 0, 1))
    assert next(gentler(Craft("bob", 0, "keyid", 0, 1))) == Deliver("bob", 0)


# ---- worlds

#: A handshake up to bob's Reveal Signature Message, or up to the Signature Message.
REVEALED: list[Move] = [User("alice", "start", {}), Deliver("bob"), Deliver("alice"), Deliver("bob")]
SIGNED: list[Move] = [User("bob", "start", {}), *(Deliver(name) for name in ("alice", "bob", "alice", "bob"))]
KEYED: list[Move] = [User("bob", "start", {}), Deliver("alice"), Deliver("bob")]


def committed(part: str, number: int, value: int | bytes) -> list[Move]:
    """A handshake with a modified commit of bob's, and a consistent continuation."""
    begun: list[Move] = [User("alice", "start", {}), Deliver("bob"), Craft("alice", 0, part, number, value)]
    return [*begun, Deliver("alice"), Deliver("bob"), Craft("alice", 0, "for_commit", 0, 0), Settle()]


def lied(begun: Sequence[Move], part: str, number: int, value: int | bytes = 0) -> list[Move]:
    """A lie in the message in transit to alice."""
    return [*begun, Craft("alice", 0, part, number, value), Settle()]


def told(part: str, name: str) -> int:
    """The number of a lie."""
    return list(VARIANTS[part]).index(name)


@pytest.mark.parametrize("start", ["scratch", "2", "3"])
def test_an_insider_changes_what_its_client_has_sent(start: str) -> None:
    for begun, part, kind in (
        (REVEALED, "keyid", Kind.REVEAL_SIGNATURE),
        (SIGNED, "keyid", Kind.SIGNATURE),
        (KEYED, "gy", Kind.DH_KEY),
        (REVEALED[:2], "gx", Kind.DH_COMMIT),
    ):
        case = Case(start=start)
        case.run([*begun, Craft("alice", 0, part, 0, 7)])
        (made,) = case.world.network.crafted.values()
        assert isinstance(made, CraftedHandshake)
        assert case.world.network.queues["alice"] == [made.raw]
        assert (wire.parse(made.raw).kind, made.sender) == (kind, "bob")
        if part == "keyid":
            assert (made.keyid, made.fingerprint) == (7, case.world.parties["bob"].fingerprint)


def test_an_insider_may_change_a_message_twice() -> None:
    case = Case(start="scratch")
    case.run([*REVEALED, Craft("alice", 0, "public_key", 0, 0), Craft("alice", 0, "keyid", 0, 9)])
    first, second = case.world.network.crafted.values()
    assert isinstance(first, CraftedHandshake)
    assert isinstance(second, CraftedHandshake)
    assert second.instead_of == first.instead_of
    assert second.keyid == 9
    assert second.refusal is not None, "it is signed by bob again, and shows another's key"


def test_the_engines_accept_other_key_ids_and_other_keys() -> None:
    for begun in (REVEALED, SIGNED):
        for part, number, value in (("keyid", 0, 300), ("keyid", 0, 0xFFFFFFFF), ("public_key", 0, 0)):
            case = Case(start="scratch", target=REFERENCE)
            events = case.run(lied(begun, part, number, value))
            assert "SessionEstablished" in [type(event).__name__ for event in events]
            case.run([User("alice", "send", {"text": b"x"}), Settle(), User("bob", "send", {"text": b"y"}), Settle()])
            case.finish()


# ---- honest targets


@pytest.mark.parametrize("number", range(8))
def test_honest_engines_stand_lies(number: int) -> None:
    failure = attempt(drawn(number, REFERENCE))
    assert failure is None, failure.detail


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({**ODD, **LACKING}))
def test_odd_targets_stand_lies(name: str) -> None:
    target = OddTarget(f"odd:{name}", {**ODD, **LACKING}[name])
    for number in range(8):
        failure = attempt(drawn(number, target))
        assert failure is None, f"{number}: {failure.detail}"


# ---- faults

#: Faults that only such lies reveal: the moves, and the check that fails.
NOTICED: Sequence[tuple[str, Sequence[Move], str]] = [
    ("gx-range-not-checked", committed("gx", 0, 0), "handshake.gx-range-not-checked"),
    ("gx-of-1-accepted", committed("gx", 0, 1), "handshake.gx-range-not-checked"),
    ("gx-upper-limit-missing", committed("gx", 0, DH_PRIME + 1), "handshake.gx-range-not-checked"),
    ("gx-structure-not-checked", committed("gx_encoding", 2, 0), "handshake.gx-encoding-not-checked"),
    ("commit-hash-not-compared", committed("gx_hash", 0, 0), "handshake.gx-hash-not-verified"),
    ("commit-hash-compared-as-a-string", committed("gx_hash", -1, 0), "handshake.gx-hash-not-verified"),
    ("any-aes-key-revealed", committed("gx_key", 0, bytes(32)), "handshake.revealed-key-size-not-checked"),
    ("gy-range-not-checked", lied(KEYED, "gy", 0, 0), "handshake.gy-range-not-checked"),
    ("key-id-0-accepted", lied(REVEALED, "keyid", 0, 0), "handshake.key-id-0-accepted"),
    ("key-id-read-as-1", lied(SIGNED, "keyid", 0, 300), "handshake.key-id-not-used"),
    ("key-type-not-checked", lied(REVEALED, "key_type", 1, 1), "encoding.other-key-type-accepted"),
    ("key-y-not-checked", lied(REVEALED, "public_key", 2), "encoding.absurd-key-accepted"),
    ("signature-under-long-q-accepted", lied(SIGNED, "public_key", 6), "encoding.long-q-accepted"),
    ("signature-of-zeros-accepted", lied(REVEALED, "signature", 0), "encoding.signature-out-of-range-accepted"),
    ("signature-out-of-range-accepted", lied(REVEALED, "signature", 5), "encoding.signature-out-of-range-accepted"),
    (
        "reveal-signature-dsa-not-verified",
        lied(REVEALED, "signed_value", 2),
        "handshake.reveal-signature-dsa-not-verified",
    ),
    ("signature-dsa-not-verified", lied(SIGNED, "signed_value", 2), "handshake.signature-message-dsa-not-verified"),
    (
        "signed-in-either-order",
        lied(REVEALED, "signed_value", told("signed_value", "a signature over the D-H values in the wrong order")),
        "handshake.reveal-signature-dsa-not-verified",
    ),
    (
        "signed-hash-of-m-accepted",
        lied(REVEALED, "signed_value", told("signed_value", "a signature over the SHA-256 hash of M")),
        "handshake.signed-hash-of-m-accepted",
    ),
    ("reveal-signature-block-as-signature", lied(SIGNED, "signed_direction", 0), "handshake.other-direction-accepted"),
    ("short-signature-block-crashes", lied(REVEALED, "block_form", 0), "crash.receive.IndexError"),
    (
        "key-id-behind-the-signature-accepted",
        lied(REVEALED, "block_form", 6),
        "handshake.malformed-signature-block-accepted",
    ),
    (
        "signature-block-in-the-clear-accepted",
        lied(REVEALED, "block_encryption", 0),
        "handshake.wrong-encryption-accepted",
    ),
    (
        "reveal-signature-mac-over-the-revealed-key-accepted",
        lied(REVEALED, "block_mac", told("block_mac", "a MAC that covers the revealed key as well")),
        "handshake.reveal-signature-mac-not-verified",
    ),
    (
        "handshake-mac-compared-as-a-string",
        lied(REVEALED, "block_mac", -1),
        "handshake.reveal-signature-mac-not-verified",
    ),
]


@pytest.mark.parametrize(("fault", "moves", "check"), NOTICED, ids=[f"{one[0]}-{one[2]}" for one in NOTICED])
def test_a_fault_is_noticed_by_a_lie(fault: str, moves: Sequence[Move], check: str) -> None:
    made = Program(Setup(target=FaultTarget(fault), start="scratch"), tuple(moves))
    assert_only_the_insider_fails(made, check)


def test_a_lie_that_is_believed_is_shrunk() -> None:
    moves = [*lied(SIGNED, "keyid", 0, 0), Drop("bob"), Settle()]
    made = Program(Setup(target=FaultTarget("key-id-0-accepted"), start="scratch"), tuple(moves))

    def fails(tried: Program) -> bool:
        again = attempt(tried)
        return again is not None and again.check == "handshake.key-id-0-accepted"

    small = Shrinker(fails, Budget()).shrink(made)
    assert [move.part for move in small.moves if isinstance(move, Craft)] == ["keyid"]
    assert len(small.moves) < len(moves)


def test_parts_have_names_of_their_own() -> None:
    assert len(HANDSHAKE_PARTS) == len(set(HANDSHAKE_PARTS)) == len(COMMIT_PARTS) + len(SIGNED_PARTS) + 3
