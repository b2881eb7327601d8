"""Insiders and byte mutations in random runs: honest targets withstand them, and some faults are only found by them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from otterproof import Policy
from otterproof.harness import wire
from otterproof.harness.runs.fuzz import insiders
from otterproof.harness.runs.fuzz.case import Case, Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.insiders import with_insiders
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.shrink import Budget, Shrinker, gentler, is_adversarial, simpler
from otterproof.harness.runs.fuzz.source import as_source
from otterproof.harness.simulation import moves as named
from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.insider import Crafted
from otterproof.harness.simulation.moves import Craft, Deliver, Drop, Move, Settle, Splice, User
from otterproof.harness.simulation.transcript import TranscriptError
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.odd import LACKING, ODD, OddTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.wire import DH_PRIME, crypto
from otterproof.harness.wire.craft import PARTS, PLAINTEXT_PARTS, altered
from otterproof.harness.wire.craft_smp import Lie, smp_lie
from otterproof.harness.wire.dictionary import WORDS, as_file
from otterproof.harness.wire.layers import build_smp, tlv, with_tlvs
from otterproof.harness.wire.numbers import power
from tests.insider_programs import REFERENCE, assert_only_the_insider_fails

SECRET = b"open sesame"


#: A run of SMP in which bob, the insider, is the initiator or the responder.
BEGUN: Move = User("bob", "smp_start", {"secret": SECRET, "question": None})
ASKED: list[Move] = [User("alice", "smp_start", {"secret": SECRET, "question": None}), Settle()]
ANSWERED: list[Move] = [Settle(), User("alice", "smp_answer", {"secret": SECRET})]
SENT = User("bob", "send", {"text": b"text"})


def drawn(number: int, target: Target, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A short program with insiders."""
    monkeypatch.setattr(insiders, "SHARE", 1)
    made = program("insiders", number, target)
    return with_insiders(replace(made, moves=made.moves[:4]), "insiders", number)


# ---- the message


KEYS = crypto.session_keys(power(2, 1234567), power(2, 7654321), power(2, 1234567 * 7654321))


def sealed(plaintext: bytes) -> bytes:
    """A data message under KEYS."""
    values = (3, 3, 0x2B2B, 0x1A1A, 0, 1, 1, 5, bytes(7) + b"\1", b"", bytes(20), b"")
    empty = wire.parse(wire.armour(wire.fields.write(wire.layout(3, "data"), values)))
    return wire.build(crypto.mac_data(crypto.encrypt_data(empty, KEYS.sending_aes, plaintext), KEYS.sending_mac))


EXAMPLES: Sequence[tuple[str, int, int | bytes, bytes]] = [
    ("text", 0, b"other", with_tlvs(b"other", [tlv(1, b"x"), tlv(0, b"pad")])),
    ("tlv_added", 6, b"", with_tlvs(b"text", [tlv(1, b"x"), tlv(0, b"pad"), tlv(6)])),
    ("tlv_type", 1, 8, with_tlvs(b"text", [tlv(1, b"x"), tlv(8, b"pad")])),
    ("tlv_length", 0, 9, b"text\0\0\1\0\x09x" + b"\0\0\0\3pad"),
    ("tlv_value", 2, b"yy", with_tlvs(b"text", [tlv(1, b"yy"), tlv(0, b"pad")])),
    ("tlv_twice", 1, 0, with_tlvs(b"text", [tlv(1, b"x"), tlv(0, b"pad"), tlv(0, b"pad")])),
    ("tlv_left_out", 0, 0, with_tlvs(b"text", [tlv(0, b"pad")])),
    ("plaintext_cut", 2, 0, with_tlvs(b"text", [tlv(1, b"x"), tlv(0, b"pad")])[:-2]),
    ("plaintext_bytes", 1, b"XX", b"tXXt" + with_tlvs(b"", [tlv(1, b"x"), tlv(0, b"pad")])),
]


@pytest.mark.parametrize(("part", "number", "value", "plaintext"), EXAMPLES)
def test_a_part_of_the_plaintext_is_changed_under_a_right_mac(
    part: str, number: int, value: int | bytes, plaintext: bytes
) -> None:
    before = with_tlvs(b"text", [tlv(1, b"x"), tlv(0, b"pad")])
    made = altered(sealed(before), lambda *_: KEYS, part, number, value)
    assert made is not None
    message = wire.parse(made.raw)
    assert crypto.verifies(message, KEYS.sending_mac)
    assert crypto.decrypt_data(message, KEYS.sending_aes) == plaintext == made.plaintext
    assert made.original == before
    assert not made.renumbered


def test_each_part_of_the_plaintext_has_an_example() -> None:
    assert {part for part, *_ in EXAMPLES} == {part for part in PLAINTEXT_PARTS if not part.startswith("smp_")}


@pytest.mark.parametrize(
    ("part", "value", "renumbered"),
    [
        ("flags", 1, False),
        ("next_dh", DH_PRIME, True),
        ("ctr", b"\xff" * 8, True),
        ("sender_keyid", 0, True),
        ("old_mac_keys", b"x" * 20, False),
        ("header_bytes", b"\0\4", True),
        ("version", 2, True),
        ("type", 10, True),
    ],
)
def test_a_field_of_the_header_is_changed_under_a_right_mac(part: str, value: int | bytes, renumbered: bool) -> None:
    made = altered(sealed(b"text"), lambda *_: KEYS, part, 0, value)
    assert made is not None
    assert made.renumbered == renumbered
    message = wire.parse(made.raw)
    if part != "header_bytes":
        assert message.value(part) == value
    if part not in ("header_bytes", "version", "type"):
        assert crypto.verifies(message, KEYS.sending_mac)
        assert crypto.decrypt_data(message, KEYS.sending_aes) == b"text"


def test_another_question_is_asked_with_the_same_numbers() -> None:
    before = with_tlvs(b"", [tlv(7, build_smp(7, range(2, 8), b"who?"))])
    assert PLAINTEXT_PARTS["smp_question"](before, 0, b"what?") == with_tlvs(
        b"", [tlv(7, build_smp(7, range(2, 8), b"what?"))]
    )
    assert PLAINTEXT_PARTS["smp_question"](with_tlvs(b"", [tlv(2, build_smp(2, range(2, 8)))]), 0, b"what?") == (
        with_tlvs(b"", [tlv(2, build_smp(2, range(2, 8)))])
    )


@pytest.mark.parametrize(
    ("part", "value"), [("flags", b"x"), ("text", 3), ("tlv_type", 3), ("smp_number", 0), ("mac", b""), ("ctr", b"")]
)
def test_what_is_not_there_or_does_not_fit_changes_nothing(part: str, value: int | bytes) -> None:
    assert altered(sealed(b"text"), lambda *_: KEYS, part, 0, value) is None


def test_without_the_keys_nothing_is_changed() -> None:
    other = crypto.session_keys(3, 4, 5)
    assert altered(sealed(b"text"), lambda *_: None, "text", 0, b"x") is None
    assert altered(sealed(b"text"), lambda *_: other, "text", 0, b"x") is None
    assert altered(b"?OTR:AAMD.", lambda *_: KEYS, "text", 0, b"x") is None


def test_a_first_message_of_smp_with_a_proof_made_again_is_a_right_one() -> None:
    before = with_tlvs(b"", [tlv(2, build_smp(2, range(2, 8)))])

    def lie_of(part: str, number: int, value: int, version: int = 3, at: bytes = before) -> tuple[int, Lie] | None:
        changed = PLAINTEXT_PARTS[part](at, number, value)
        assert changed != at
        return smp_lie(at, changed, version)

    proved = PLAINTEXT_PARTS["smp_proved"](PLAINTEXT_PARTS["smp_proved"](before, 0, 77), 1, 88)
    assert smp_lie(before, proved, 3) is None
    assert lie_of("smp_proved", 0, 1, at=proved) == (2, Lie.RANGE)
    assert lie_of("smp_proved", 0, 1, version=2, at=proved) is None, "version 2 does not speak of ranges"
    assert lie_of("smp_congruent", 0, 0, at=proved) == (2, Lie.RANGE)
    assert lie_of("smp_congruent", 1, 0, version=2, at=proved) is None, "version 2 does not speak of ranges"
    assert lie_of("smp_zeros", 1, 0, at=proved) == (2, Lie.PROOF)
    assert lie_of("smp_base", 1, 3, at=proved) == (2, Lie.PROOF)
    assert lie_of("smp_base", 1, 2, at=proved) is None, "2 is the base that it should be"
    assert lie_of("smp_number", 1, 5, at=proved) == (2, Lie.PROOF)
    assert lie_of("tlv_type", 0, 3) is None, "something else is changed"


def test_the_dictionary_can_be_read_by_other_fuzzers() -> None:
    lines = as_file().splitlines()
    assert len(lines) == len(WORDS)
    for line, (name, word) in zip(lines, WORDS.items(), strict=True):
        found = re.fullmatch(r'([a-z0-9_]+)="((?:[ !#-\[\]-~]|\\x[0-9a-f]{2})+)"', line)
        assert found is not None
        assert found[1] == name
        assert re.sub(r"\\x(..)", lambda hit: chr(int(hit[1], 16)), found[2]).encode("latin-1") == word


# ---- programs


def test_programs_have_insiders_and_can_be_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    parts: set[str] = set()
    for number in range(150):
        made = drawn(number, REFERENCE, monkeypatch)
        parts |= {move.part for move in made.moves if isinstance(move, Craft)}
        parts |= {"splice" for move in made.moves if isinstance(move, Splice)}
        assert program_from_json(json.loads(json.dumps(program_to_json(made))), REFERENCE) == made
        for move in made.moves:
            assert eval(as_source(move), {"moves": named, "Policy": Policy}) == move
            assert describe_move(move)
    assert parts >= {*PARTS, "splice"} - {"version", "type"} | {"flags"}


def test_programs_without_insiders_are_as_ever() -> None:
    plain = [program("s", number, REFERENCE) for number in range(30)]
    mixed = [with_insiders(one, "s", number) for number, one in enumerate(plain)]
    assert 0 < sum(one == other for one, other in zip(plain, mixed, strict=True)) < len(plain)


def test_a_part_that_nobody_knows_is_an_error() -> None:
    written = program_to_json(Program(Setup(target=REFERENCE), (Craft("alice", 0, "text", 0, b""),)))
    written["moves"][0]["part"] = "soul"
    with pytest.raises(TranscriptError, match=r"moves\[0\]\.part"):
        program_from_json(written, REFERENCE)


def test_an_insider_gives_way_to_gentler_moves_when_a_program_is_shrunk() -> None:
    assert next(gentler(Craft("bob", 0, "flags", 0, 1))) == Deliver("bob", 0)
    assert named.ChangeField("bob", 0, "flags", 1) in gentler(Craft("bob", 0, "flags", 0, 1))
    assert named.Truncate("bob", 0, 7) in gentler(Splice("bob", 0, False, 7, 0, b"x"))
    assert all(is_adversarial(move) for move in (Craft("bob", 0, "text", 0, b""), Splice("bob", 0, True, 0, 0, b"")))
    assert {one.part for one in simpler(Craft("bob", 3, "smp_number", 4, 1 << 300)) if isinstance(one, Craft)} == {
        "smp_number"
    }


# ---- worlds


def test_the_next_case_is_followed_by_the_model_again() -> None:
    setup = Setup()
    crafted: list[Move] = [User("bob", "send", {"text": b"x"}), Craft("alice", 0, "text", 0, b"y"), Settle()]
    for moves in (crafted, [Settle()]):
        case = setup.case()
        followed = [isinstance(one, LockstepParty) and one.follower is not None for one in case.world.parties.values()]
        assert followed == [True, True]
        events = case.run(moves)
        assert [getattr(event, "text", None) for event in events if hasattr(event, "secure")] in ([b"y"], [])
        case.finish()
    assert setup.case().world.network.crafted == {}


def test_a_message_that_an_insider_makes_of_anothers_is_of_the_first_sender() -> None:
    case = Case()
    case.run([User("bob", "send", {"text": b"x"})])
    case.run([Craft("alice", 0, "ctr", 0, b"\0" * 7 + b"\x09"), Craft("alice", 0, "text", 0, b"y")])
    first, second = [one for one in case.world.network.crafted.values() if isinstance(one, Crafted)]
    assert (first.renumbered, second.renumbered) == (True, True)
    assert first.instead_of == second.instead_of
    assert (second.sender, second.text) == ("bob", b"y")


def test_a_splice_is_of_the_text_or_of_what_the_armour_holds() -> None:
    case = Case(start="scratch")
    case.run([User("bob", "start", {}), Settle(1)])
    queue = case.world.network.queues["bob"]
    before = wire.parse(queue[0]).body
    case.world.apply(Splice("bob", 0, False, 2, 1, b"\x0a\x0b"))
    assert wire.parse(queue[0]).body == before[:2] + b"\x0a\x0b" + before[3:]
    case.world.apply(Splice("bob", 0, True, 0, 5, b"?OTR!"))
    assert queue[0].startswith(b"?OTR!")


# ---- honest targets


@pytest.mark.parametrize("number", range(10))
def test_honest_engines_stand_insiders(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = attempt(drawn(number, REFERENCE, monkeypatch))
    assert failure is None, failure.detail


def test_an_insider_may_use_a_key_before_it_is_acknowledged() -> None:
    """The id of the correspondent's key rises by two between two messages of the party under test."""
    answer = User("alice", "send", {"text": b"answer"})
    talk: list[Move] = [SENT, Settle(), answer, Settle(), SENT, SENT]
    target = OddTarget("odd:silent", ODD["silent"])
    for role in (REFERENCE, target):
        moves = (*talk, Craft("alice", -1, "sender_keyid", 0, 3), Settle(), answer, Settle())
        assert attempt(Program(Setup(target=role), moves)) is None


def test_a_run_of_smp_that_is_finished_and_then_given_up_is_finished() -> None:
    """The third message twice in one: the first completes the run, and the second is unexpected."""
    twice: list[Move] = [BEGUN, *ANSWERED, Deliver("bob"), Craft("alice", 0, "tlv_twice", 0, 0), Settle()]
    assert attempt(Program(Setup(target=REFERENCE), tuple(twice))) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({**ODD, **LACKING}))
def test_odd_targets_stand_insiders(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless they fail the same program without insiders: an insider's messages must raise no alarm."""
    target = OddTarget(f"odd:{name}", {**ODD, **LACKING}[name])
    for number in range(12):
        failure = attempt(drawn(number, target, monkeypatch))
        assert failure is None, f"{number}: {failure.detail}"


def test_an_answer_to_a_message_that_also_ends_the_session_has_the_keys_after_it() -> None:
    """The abort of SMP goes out before the session ends, under the key that the message announced."""
    added = (Craft("alice", -1, "tlv_added", 2, b""), Craft("alice", -1, "tlv_added", 1, b""))
    assert attempt(Program(Setup(target=REFERENCE), (SENT, *added, Settle()))) is None


# ---- faults

#: Faults that only an insider finds: the moves, and the check that fails.
ONLY_INSIDERS: Sequence[tuple[str, Sequence[Move], str]] = [
    (
        "smp-g2a-range-not-checked",
        [BEGUN, Craft("alice", 0, "smp_proved", 0, 1), Settle()],
        "smp.message-1-range-not-checked",
    ),
    (
        "smp-1-c2-proof-not-checked",
        [BEGUN, Craft("alice", 0, "smp_number", 2, 5), Settle()],
        "smp.message-1-proof-not-verified",
    ),
    (
        "smp-2-cp-proof-not-checked",
        [*ASKED, User("bob", "smp_answer", {"secret": SECRET}), Craft("alice", 0, "smp_number", 9, 5), Settle()],
        "smp.message-2-proof-not-verified",
    ),
    (
        "smp-3-cr-proof-not-checked",
        [BEGUN, *ANSWERED, Deliver("bob"), Craft("alice", 0, "smp_number", 7, 5), Settle()],
        "smp.message-3-proof-not-verified",
    ),
    ("next-key-not-checked", [SENT, Craft("alice", 0, "next_dh", 0, 1), Settle()], "keys.next-key-out-of-range"),
    (
        "truncated-tlv-ends-the-session",
        [SENT, Craft("alice", 0, "tlv_added", 1, b"x"), Craft("alice", 0, "tlv_length", 0, 9), Settle()],
        "states.state-not-as-reported",
    ),
    ("unknown-tlv-crashes", [SENT, Craft("alice", 0, "tlv_added", 9, b""), Settle()], "crash.receive.ValueError"),
    (
        "extra-key-without-use-crashes",
        [SENT, Craft("alice", 0, "tlv_added", 8, b""), Settle()],
        "crash.receive.IndexError",
    ),
]


@pytest.mark.parametrize(("fault", "moves", "check"), ONLY_INSIDERS, ids=[one[0] for one in ONLY_INSIDERS])
def test_a_fault_that_only_an_insider_finds(fault: str, moves: Sequence[Move], check: str) -> None:
    target = open_target(f"fault:{fault}")
    made = Program(Setup(target=target), tuple(moves))
    assert_only_the_insider_fails(made, check)

    def fails(tried: Program) -> bool:
        again = attempt(tried)
        return again is not None and again.check == check

    small = Shrinker(fails, Budget()).shrink(replace(made, moves=(*moves, Drop("bob"), Settle())))
    assert any(isinstance(move, Craft) for move in small.moves)
    assert len(small.moves) <= len(moves)
