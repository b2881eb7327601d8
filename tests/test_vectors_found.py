"""One command makes a vector from a transcript."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.runs.fuzz.reproduce import run_and_write
from otterproof.harness.simulation.transcript import Header, PartyInfo, Transcript, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.engines import ENGINES, EngineTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui.cli import main
from otterproof.harness.vectorgen import found
from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.found import AddError, Found, add
from otterproof.harness.vectorgen.generate import subject
from otterproof.harness.vectorgen.notes import NOTES
from otterproof.harness.vectorgen.play_builder import ClaimError
from otterproof.harness.vectorgen.verify import verify
from otterproof.implementations.contract import PartyConfig
from otterproof.vectors import VectorFile, parse, render


def transcript(folder: Path, text: bytes = b"hello") -> Path:
    """A run of two engines, in which the judged one receives a text and then an unreadable message."""
    context = Context(EngineTarget("independent"), 3, b"seed")
    pair = context.pair()
    pair.establish("peer")
    pair.say("peer", text)
    pair.world.step("target", "receive", {"message": b"?OTR:#."})
    (path,) = context.write_transcripts(folder, "run", Verdict.FAIL, "as an example")
    return path


def made(folder: Path, engine: str) -> VectorFile:
    builder = FileBuilder("found", subject(engine), ENGINES[engine], NOTES)
    found.found(builder, folder)
    return builder.file()


def command(path: Path, to: Path, *more: str) -> int:
    words = ["--name", "an-example", "--comment", "an example", "--requirement", "ARMOUR-PARSE-1"]
    return main(["vectors", "add", str(path), "--to", str(to), *words, *more])


def test_one_command_makes_a_vector(tmp_path: Path) -> None:
    path = transcript(tmp_path)
    sources = tmp_path / "found"
    sources.mkdir()
    assert command(path, sources) == 0
    file = made(sources, "reference")
    assert render(file) == render(made(sources, "independent"))
    ((group, case),) = file
    assert case.id == "found.an-example.last"
    assert not case.outcome().valid
    assert case.outcome().reaction == "ignored"
    assert case.outcome().expect.word("reason") == "bad_armour"
    assert len(group.fields.items_of("prefix")) > 3
    again = parse(render(file), "found.json")
    assert [report.failures for report in verify([again])] == [{}, {}, {}]
    assert command(path, sources) == 2, "a case keeps its id"


def test_fewer_steps_make_another_case(tmp_path: Path) -> None:
    whole = read_transcript(transcript(tmp_path))
    steps = [step for step in whole.steps() if step.party == "target"]
    case = add(whole, "short", "an example", ["DATA-TEXT-1"], last=len(steps) - 1)
    assert case.reaction == ""
    assert len(case.steps) == len(steps) - 1
    (tmp_path / "short.json").write_text(case.to_json())
    assert Found.read(tmp_path / "short.json") == case
    ((_, written),) = made(tmp_path, "reference")
    assert written.outcome().expect.items_of("shows") == (b"hello",)


def test_a_case_that_is_another_by_now_stops_the_generator(tmp_path: Path) -> None:
    case = add(read_transcript(transcript(tmp_path)), "changed", "an example", ["ARMOUR-PARSE-1"])
    (tmp_path / "changed.json").write_text(case.to_json().replace('"reaction": "ignored"', '"reaction": "shown"'))
    with pytest.raises(ClaimError, match="it was shown when it was added, and is ignored"):
        made(tmp_path, "reference")
    (tmp_path / "changed.json").write_text("{}")
    with pytest.raises(ClaimError, match="this is not a found case"):
        made(tmp_path, "reference")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["Bad Name", "text", "ARMOUR-PARSE-1"], "has not the form"),
        (["name", " ", "ARMOUR-PARSE-1"], "say what is special"),
        (["name", "text", "NOTHING-1"], "unknown: NOTHING-1"),
    ],
)
def test_what_is_asked_must_make_sense(tmp_path: Path, words: list[str], problem: str) -> None:
    name, comment, requirement = words
    with pytest.raises(AddError, match=problem):
        add(read_transcript(transcript(tmp_path)), name, comment, [requirement])


def test_the_party_must_be_there(tmp_path: Path) -> None:
    whole = read_transcript(transcript(tmp_path))
    with pytest.raises(AddError, match="no party 'nobody'"):
        add(whole, "name", "text", ["ARMOUR-PARSE-1"], party="nobody")
    assert command(tmp_path / "run.jsonl", tmp_path, "--party", "nobody") == 2
    assert command(tmp_path / "absent.jsonl", tmp_path) == 2


def foreign(folder: Path) -> Transcript:
    """A run of a party whose keys an engine does not have."""
    header = Header(b"seed", {"target": PartyInfo("libotr", PartyConfig(published_key("alice")))})
    with TranscriptWriter.create(folder / "foreign.jsonl", header) as writer:
        writer.step(0, "target", "receive", {"message": b"hello"}, ())
        writer.verdict(Verdict.FAIL)
    return read_transcript(folder / "foreign.jsonl")


def test_a_foreign_run_without_a_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AddError, match="whose keys an engine does not have"):
        add(foreign(tmp_path), "name", "text", ["STATE-CLEAR-1"])


def test_a_program_that_goes_on_with_other_randomness_makes_a_vector(tmp_path: Path) -> None:
    """One seed establishes the session, and later values are drawn from another one."""
    target = EngineTarget("reference")
    number = next(one for one in range(50) if program("s", one, target).setup.start != "scratch")
    made_of = program("s", number, target)
    assert run_and_write(tmp_path / "run.jsonl", made_of) is None
    case = add(read_transcript(tmp_path / "run.jsonl"), "of-a-session", "an example", ["ARMOUR-PARSE-1"])
    assert case.tape
    sources = tmp_path / "found"
    sources.mkdir()
    (sources / "of-a-session.json").write_text(case.to_json())
    assert Found.read(sources / "of-a-session.json") == case
    assert render(made(sources, "reference")) == render(made(sources, "independent"))
