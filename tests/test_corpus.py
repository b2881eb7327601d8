"""A corpus: programs from transcripts, which can be run against other targets, messages and a dictionary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.corpus import CorpusError, digest_of, fitted, messages_of, program_of, read
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.reproduce import run_and_write, write_transcript
from otterproof.harness.runs.fuzz.schedule import Programs, Schedule, drawn_afresh
from otterproof.harness.simulation.moves import ChangeField, Deliver, Drop, Inject, Move, Replay, Settle, Tick, User
from otterproof.harness.simulation.record import write_step
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.odd import LACKING, OddTarget
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui import cli
from otterproof.implementations.contract import PartyConfig, Policy

REFERENCE = EngineTarget("reference")


def recorded(path: Path, engine: str, moves: Sequence[Move]) -> Path:
    """A transcript without a program, of two parties whose names occur in no program."""
    keys = {"target": "alice", "peer": "bob"}
    configs = {name: PartyConfig(published_key(key), Policy.ALLOW_V3) for name, key in keys.items()}
    header = Header(b"seed", {name: PartyInfo(engine, config) for name, config in configs.items()}, "made.up")
    parties = {name: EngineTarget(engine).engine(config, header.entropy(name)) for name, config in configs.items()}
    with TranscriptWriter.create(path, header) as writer:
        world = World(parties, {"target": ["peer"], "peer": ["target"]}, [partial(write_step, writer)])
        world.run(moves)
        writer.verdict(Verdict.PASS, "")
    return path


TALK: Sequence[Move] = [
    User("target", "start", {}),
    Settle(),
    Tick(3),
    User("peer", "send", {"text": b"hello"}),
    User("peer", "send", {"text": b"again"}),
    ChangeField("target", 0, "flags", 1),
    Deliver("target", 0),
    Deliver("target", 0),
    Replay("target", -1),
    Inject("target", b"plain words"),
]


@pytest.mark.parametrize("engine", ["reference", "independent"])
def test_a_transcript_of_either_engine_becomes_a_program(engine: str, tmp_path: Path) -> None:
    path = recorded(tmp_path / "t.jsonl", engine, TALK)
    made = program_of(read_transcript(path))
    assert made is not None
    assert made.setup == Setup(start="scratch", policy="v3")
    assert made.moves == (
        User("alice", "start", {}),
        *[Deliver(name, 0) for name in ("bob", "alice", "bob", "alice", "bob")],
        Tick(3),
        User("bob", "send", {"text": b"hello"}),
        User("bob", "send", {"text": b"again"}),
        ChangeField("alice", 0, "flags", 1),
        Deliver("alice", 0),
        Deliver("alice", 0),
        Replay("alice", -1),
        Inject("alice", b"plain words"),
    )
    assert attempt(Program(Setup(start="scratch", policy="v3", target=REFERENCE), made.moves)) is None


def test_the_program_of_a_random_run_is_taken_as_it_is(tmp_path: Path) -> None:
    one = program("s", 4, REFERENCE)
    run_and_write(tmp_path / "run.jsonl", one)
    run_and_write(tmp_path / "again.jsonl", one)
    (tmp_path / "repro.jsonl").write_text("requests of a driver\n")
    programs, without = read([tmp_path])
    assert (len(programs), without) == (1, 0)
    assert fitted(programs[0], REFERENCE) == one


def test_a_message_that_is_changed_too_much_is_lost(tmp_path: Path) -> None:
    fields: list[Move] = [ChangeField("target", 0, name, 7) for name in ("flags", "sender_keyid", "recipient_keyid")]
    path = recorded(tmp_path / "t.jsonl", "reference", [*TALK[:4], *fields, Deliver("target", 0)])
    made = program_of(read_transcript(path))
    assert made is not None
    assert Drop("alice", 0) in made.moves


def test_a_program_is_for_targets_that_can_all_of_it() -> None:
    without = OddTarget("odd:x", LACKING["without-v3"])
    assert fitted(Program(Setup(start="3"), ()), without) is None
    assert fitted(Program(Setup(network="three", start="scratch"), ()), without) is None
    assert fitted(Program(Setup(start="2"), ()), without) == Program(Setup(start="2", target=without), ())


def test_a_campaign_begins_with_its_corpus() -> None:
    corpus = (Program(Setup(start="scratch"), (Tick(1),)), Program(Setup(network="three"), (Tick(2),)))
    assert drawn_afresh("s", 0, REFERENCE, corpus).moves == (Tick(1),)
    assert drawn_afresh("s", 1, REFERENCE, corpus).moves == (Tick(2),)
    assert drawn_afresh("s", 2, REFERENCE, corpus) == drawn_afresh("s", 2, REFERENCE)
    programs, schedule = Programs("s", REFERENCE, corpus), Schedule()
    parents = schedule.parents("s", 1, programs.first)
    assert programs.made(1, parents, {}).moves == (Tick(2),)
    assert digest_of(corpus) != digest_of(corpus[:1])


def test_the_command_writes_programs_messages_and_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one"
    one.mkdir()
    recorded(one / "t.jsonl", "reference", TALK)
    out, seeds, words = tmp_path / "out", tmp_path / "seeds", tmp_path / "otr.dict"
    asked = ["corpus", str(one), "--out", str(out), "--messages", str(seeds), "--dictionary", str(words), "--json"]
    assert cli.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["programs"] == len(list(out.iterdir())) == 1
    assert told["messages"] == len(list(seeds.iterdir())) == len(messages_of([one]))
    assert b"plain words" in [path.read_bytes() for path in seeds.iterdir()]
    assert words.read_text().startswith('query_v1="?OTR?"')
    again, _ = read([out])
    assert again == read([one])[0]
    assert cli.main(["fuzz", "reference", "--corpus", str(out), "--examples", "1", "--out", str(tmp_path / "f")]) == 0
    assert cli.main(["fuzz", "reference", "--examples", "1", "--out", str(tmp_path / "f"), "--resume"]) == 2


def test_what_can_not_be_a_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    bad = tmp_path / "bad.jsonl"
    bad.write_text("words\n")
    for words, complaint in (
        (["corpus"], "nothing is to be written"),
        (["corpus", "--out", str(tmp_path / "x")], "name transcripts"),
        (
            ["corpus", str(tmp_path / "none"), "--out", str(tmp_path / "x")],
            "none does not exist; name a transcript",
        ),
        (["corpus", str(bad), "--out", str(tmp_path / "x")], "line 1"),
        (["fuzz", "reference", "--corpus", str(empty)], "has no transcript"),
    ):
        assert cli.main(words) == 2
        assert complaint in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
    with pytest.raises(CorpusError):
        read([tmp_path / "none"])


def test_a_transcript_of_nothing_has_no_program(tmp_path: Path) -> None:
    recorded(tmp_path / "t.jsonl", "reference", [])
    assert read([tmp_path]) == ((), 1)
    write_transcript(tmp_path / "u.jsonl", Program(Setup(), ()), Verdict.PASS, "")
    assert len(read([tmp_path])[0]) == 1
