"""The material of the stories of `fuzz`: texts that look like messages, altered copies, and changed randomness."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from otterproof.harness import wire
from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.fuzz.actions import Choice, Either, Row, Several
from otterproof.harness.runs.fuzz.altered import ALTERED
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.lookalikes import Lookalike, Series
from otterproof.harness.runs.fuzz.reproduce import header_of, run_and_write
from otterproof.harness.runs.fuzz.schedule import drawn_afresh
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.stories import ACTS
from otterproof.harness.runs.rerun import RerunStatus, again
from otterproof.harness.simulation.moves import ChangeField, Deliver, Duplicate, Move, Settle, Splice, User
from otterproof.harness.simulation.transcript import TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import parse_transcript, read_transcript
from otterproof.harness.targets.engines import EngineTarget, SingleEngineTarget
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import MessageUnreadable, RejectReason
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy
from otterproof.implementations.reference import ReferenceEngine

ALONE = SingleEngineTarget("reference", ReferenceEngine)


def test_lookalikes_are_of_all_kinds_of_text() -> None:
    source = random.Random(1)
    drawn = [Lookalike().draw(source) for _ in range(400)]
    kinds = {wire.parse(text).kind for text in drawn}
    assert kinds >= {Kind.QUERY, Kind.ERROR, Kind.FRAGMENT_V3, Kind.TAGGED_PLAINTEXT, Kind.UNKNOWN_ENCODED}
    assert len(set(drawn)) > 300


def test_a_domain_of_several_or_of_one_of_others() -> None:
    source = random.Random(2)
    lengths = {len(Several(Choice((1,)), 3).draw(source)) for _ in range(50)}
    assert lengths == {1, 2, 3}
    assert {Either((Choice((1,)), Choice((2,)))).draw(source) for _ in range(50)} == {1, 2}


@pytest.mark.parametrize("row", ALTERED, ids=lambda row: row.name)
def test_the_genuine_message_comes_after_its_altered_copies(row: Row) -> None:
    moves = row.example()
    last = max(place for place, move in enumerate(moves) if isinstance(move, Duplicate))
    assert isinstance(moves[last + 2], Deliver)
    assert isinstance(moves[last + 3], Settle)
    assert sum(isinstance(move, Duplicate) for move in moves) >= 1


@pytest.mark.parametrize("row", ACTS, ids=lambda row: row.name)
def test_acts_can_be_written_down(row: Row) -> None:
    source = random.Random(3)
    for _ in range(5):
        made = program("s", 1, ALONE)
        made = Program(made.setup, tuple(row.moves(["alice", "bob"], **row.drawn(source))))
        assert program_from_json(program_to_json(made), ALONE) == made


def _fresh_numbers(entropy: int) -> bytes:
    """The D-H Key of a handshake that a case performs after its start."""
    case = Case(start="3", target=ALONE, role="alice", entropy=entropy)
    moves: list[Move] = [User("bob", "start", {}), Deliver("alice"), Deliver("bob"), Deliver("alice")]
    case.run(moves)
    return b"".join(sent.message for sent in case.world.network.history[-2:])


def test_cases_of_another_number_go_on_with_other_randomness() -> None:
    first, second, again = _fresh_numbers(1), _fresh_numbers(2), _fresh_numbers(1)
    assert first == again != second
    assert _fresh_numbers(0) == _fresh_numbers(0) != first


@pytest.mark.parametrize("start", ["scratch", "3"])
def test_a_case_draws_the_same_whether_its_session_is_brought_about_or_taken_back(start: str) -> None:
    moves: list[Move] = [User("bob", "start", {}), Settle(), User("alice", "send", {"text": b"hello"}), Settle()]
    histories = []
    for fresh in (False, True):
        case = Case(start=start, target=ALONE, role="alice", entropy=7, fresh=fresh)
        case.run(moves)
        histories.append(case.world.network.history[-6:])
    assert histories[0] == histories[1]


def test_a_transcript_has_what_its_seed_does_not_say(tmp_path: Path) -> None:
    """One seed establishes the session, and the case continues with another one."""
    made = program("s", 3, EngineTarget("reference"))
    assert made.setup.entropy
    path = tmp_path / "run.jsonl"
    assert run_and_write(path, made) is None
    transcript = read_transcript(path)
    assert bool(transcript.header.parties[made.setup.role].tape) == (made.setup.start != "scratch")
    assert again(transcript, Casting()).fate is RerunStatus.SAME


def test_a_source_goes_on_with_another_one() -> None:
    source = RecordingEntropy(SeededEntropy(b"1"))
    first = source.draw("d-h key", 0, 40)
    source.go_on(SeededEntropy(b"2"))
    assert source.draw("d-h key", 0, 40) == first
    assert source.draw("d-h key", 1, 40) == SeededEntropy(b"2").draw("d-h key", 1, 40)


@pytest.mark.parametrize("number", range(40))
def test_honest_engines_stand_stories(number: int) -> None:
    assert attempt(program("stories", number, ALONE)) is None


def test_a_series_is_a_message_in_fragments_that_is_mostly_whole() -> None:
    source = random.Random(4)
    drawn = [Series().draw(source) for _ in range(200)]
    assert {len(series) for series in drawn} >= {1, 2, 3, 4}
    assert {wire.parse(one).kind for series in drawn for one in series} >= {Kind.FRAGMENT_V2, Kind.FRAGMENT_V3}


def test_a_file_can_hold_all_that_is_drawn() -> None:
    for number in range(40):
        made = drawn_afresh("file", number, ALONE)
        content = io.StringIO()
        TranscriptWriter(content, header_of(made)).verdict(Verdict.PASS, "")
        read = parse_transcript(content.getvalue().encode())
        assert program_from_json(read.header.program or {}, ALONE) == made


@pytest.mark.parametrize("start", ["2", "3"])
def test_engines_and_the_model_name_the_first_of_two_faults(start: str) -> None:
    """MAC keys that are not whole, with extra bytes after them; found by libFuzzer."""
    case = Case(start=start, target=EngineTarget("reference"), role="alice")
    moves: list[Move] = [
        User("bob", "send", {"text": b"hello"}),
        ChangeField("alice", 0, "old_mac_keys", bytes(19)),
        Splice("alice", 0, False, -1, 0, b"more"),
        Deliver("alice"),
    ]
    (told, *_) = case.run(moves)[1:]
    assert isinstance(told, MessageUnreadable)
    assert (told.reason, told.field) == (RejectReason.MALFORMED, "old_mac_keys")
    case.finish()
