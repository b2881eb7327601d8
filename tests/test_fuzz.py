"""Fuzzing finds a fault, shrinks it and survives Ctrl-C; a replay says whether the failure still occurs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.fuzz.actions import TABLE
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import CONFIRM, Campaign, opened
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.events import Finished
from otterproof.harness.runs.fuzz.execute import Failure, attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.shrink import Budget, Shrinker, simpler
from otterproof.harness.runs.fuzz.state import CampaignError, FindingStage
from otterproof.harness.runs.fuzz.store import STATE, read_state
from otterproof.harness.runs.rerun import RerunStatus, again
from otterproof.harness.simulation.moves import Deliver, FlipBit, Forge, Fragment, Move, Settle, Shuffle, Tick, User
from otterproof.harness.simulation.transcript import TranscriptError, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui import cli
from tests.commands import running

REFERENCE = EngineTarget("reference")
ROGUE = Path(__file__).parent / "rogue_driver.py"


@contextmanager
def small_campaign(target: str, seed: str, folder: Path) -> Iterator[Campaign]:
    """A campaign that does not shrink for long."""
    with opened(target, seed, folder) as campaign:
        campaign.attempts = 120
        yield campaign


def rogue(misdeed: str) -> str:
    return f"exec:{sys.executable} {ROGUE} {misdeed}"


# ---- programs


@pytest.mark.slow
def test_a_program_follows_from_seed_and_number_alone() -> None:
    """Another process with other hashes gives the same program."""
    code = (
        "from otterproof.harness.runs.fuzz.generate import program\n"
        "from otterproof.harness.targets.engines import EngineTarget\n"
        "for n in range(20): p = program('s', n, EngineTarget('reference')); print(p.moves, p.setup.role, p.setup.size)"
    )
    for hashes in ("1", "2"):
        told = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hashes},
        ).stdout
        here = [program("s", number, REFERENCE) for number in range(20)]
        assert told == "".join(f"{one.moves} {one.setup.role} {one.setup.size}\n" for one in here)
    assert len({repr(one.moves) for one in here}) == 20


def test_every_row_of_the_table_is_drawn_and_can_be_written_down() -> None:
    kinds: set[str] = set()
    for number in range(150):
        drawn = program("s", number, REFERENCE)
        kinds |= {getattr(move, "action", type(move).__name__) for move in drawn.moves}
        written = json.loads(json.dumps(program_to_json(drawn)))
        assert program_from_json(written, REFERENCE) == drawn
    made: set[str] = set()
    for row in TABLE:
        arguments = {name: domain.draw(random.Random(0)) for name, domain in row.draws.items()}
        made |= {getattr(m, "action", type(m).__name__) for m in row.moves(["alice", "bob"], **arguments)}
    assert made <= kinds


@pytest.mark.parametrize(
    "damage",
    [
        {"network": "ring"},
        {"start": "4"},
        {"role": "carol"},
        {"oracles": ["I99"]},
        {"moves": [{"move": "teleport"}]},
        {"moves": [{"move": "deliver", "to": "alice"}]},
        {"moves": [{"move": "deliver", "to": "carol", "position": 0}]},
        {"moves": [{"move": "user", "party": "alice", "action": "send", "args": {"words": 3}}]},
    ],
)
def test_a_damaged_program_is_an_error(damage: dict[str, object]) -> None:
    written = program_to_json(Program(Setup(target=REFERENCE), (Deliver("alice"),)))
    with pytest.raises(TranscriptError, match="program"):
        program_from_json({**written, **damage}, REFERENCE)


# ---- shrinking


def test_shrinking_leaves_what_is_needed() -> None:
    """A program fails if alice sends after a tick and before a flipped bit: three moves remain, in simplest form."""
    moves: list[Move] = [User("alice", "send", {"text": b"words and more words", "padding": 300}), Settle()] * 5
    moves = [*moves, Tick(60), *moves, FlipBit("bob", 3, 1234), Shuffle("alice", 2), *moves]

    def fails(tried: Program) -> bool:
        names = [getattr(move, "action", type(move).__name__) for move in tried.moves]
        if "Tick" not in names:
            return False
        rest = names[names.index("Tick") :]
        return "send" in rest and "FlipBit" in rest[rest.index("send") :]

    small = Shrinker(fails, Budget()).shrink(
        Program(Setup("pair", "2", "private", 300, target=REFERENCE, role="bob"), tuple(moves))
    )
    sends = [move for move in small.moves if isinstance(move, User)]
    assert len(small.moves) == 3
    assert [move.args for move in sends] == [{"text": b"text", "padding": None}]
    assert {type(move) for move in small.moves} == {Tick, User, FlipBit}
    assert (small.setup.start, small.setup.policy, small.setup.size, small.setup.role) == ("3", "both", None, "alice")


def test_shrinking_is_bounded_and_tries_nothing_twice() -> None:
    tried: list[str] = []

    def fails(one: Program) -> bool:
        tried.append(repr((one.moves, one.setup.size, one.setup.role, one.setup.start, one.setup.policy)))
        return len(one.moves) > 7

    whole = Program(Setup(target=REFERENCE), tuple(Tick(number) for number in range(1, 60)))
    assert len(Shrinker(fails, Budget(attempts=30)).shrink(whole).moves) < 59
    assert len(tried) == 30
    assert len(set(tried)) == 30


def test_simpler_moves_end() -> None:
    move: Move = FlipBit("alice", 5, 3000)
    for _ in range(100):
        following = next(iter(simpler(move)), None)
        if following is None:
            break
        move = following
    assert move == FlipBit("alice", 0, 0)


def test_a_message_is_cut_into_fewer_fragments_when_a_program_is_shrunk() -> None:
    assert [*simpler(Fragment("bob", 0, 40))] == [Fragment("bob", 0, 200)]
    assert [*simpler(Fragment("bob", 0, 200))] == []


# ---- campaigns

#: Faults, and the number of moves that suffice to show them.
FOUND = {
    "counter-constant": 4,
    "mac-keys-never-revealed": 8,
    "plaintext-in-encrypted-without-warning": 5,
    "smp-question-lost": 4,
    "fragments-too-long": 3,
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FOUND)
def test_a_fault_is_found_made_small_and_told_from_the_genuine_engine(fault: str, tmp_path: Path) -> None:
    target = f"fault:{fault}"
    with small_campaign(target, "test", tmp_path) as campaign, closing(campaign.run(200, 1)) as run:
        finding = next(event.finding for event in run if isinstance(event, Finished))
    assert finding.confirmed == CONFIRM
    assert len(finding.program.moves) <= FOUND[fault]
    transcript = read_transcript(tmp_path / finding.transcript)
    assert transcript.verdict is finding.verdict
    assert again(transcript, Casting()).fate is RerunStatus.FAILED
    assert again(transcript, Casting(target)).drift == "", "the same run again"
    unjudged = replace(transcript.header, program={**(transcript.header.program or {}), "oracles": ["bounds"]})
    goes_on = again(replace(transcript, header=unjudged), Casting(target))
    assert (goes_on.fate, goes_on.drift) == (RerunStatus.FIXED, "")
    mended = again(transcript, Casting("reference"))
    assert mended.fate is RerunStatus.FIXED, mended
    assert finding.test is not None
    written = (tmp_path / finding.test).read_text()
    for player, fails in ((target, True), ("reference", False)):
        space: dict[str, object] = {}
        exec(compile(written.replace(target, player), finding.test.name, "exec"), space)
        (test,) = (one for name, one in space.items() if name.startswith("test_"))
        assert _fails(test) is fails


def _fails(test: object) -> bool:
    assert callable(test)
    try:
        test()
    except pytest.fail.Exception:
        return True
    return False


@pytest.mark.slow
def test_the_command_and_its_test_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line to a test that pytest runs, with the exit codes."""
    out = ["--out", str(tmp_path)]
    assert cli.main(["fuzz", "fault:counter-constant", "--examples", "5", "--jobs", "1", *out]) == 1
    shown = capsys.readouterr()
    assert "fault:counter-constant: 5 programs" in shown.out
    assert re.search(r"^  plays     \w+, beginning (without|in) a session", shown.out, re.MULTILINE)
    (first, *_) = sorted(tmp_path.glob("*/test_*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(first)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 1, done.stdout
    first.write_text(first.read_text().replace("fault:counter-constant", "reference"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(first)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout
    transcript = str(sorted(tmp_path.glob("*/transcript.jsonl"))[0])
    assert cli.main(["replay", transcript]) == 1
    assert cli.main(["replay", transcript, "--target", "reference"]) == 0
    assert cli.main(["replay", transcript, "--target", "exec:/nowhere/at/all"]) == 3
    assert cli.main(["replay", transcript, "--target", "libotter"]) == 2
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if transcript in line]
    assert words == ["FAILED", "FIXED", "ERROR"]


@pytest.mark.slow
def test_a_genuine_engine_has_no_findings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fuzz", "independent", "--examples", "10", "--jobs", "1", "--out", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == [STATE]
    shown = capsys.readouterr().out
    assert "of 144 cells of the state tables" in shown
    assert "nothing found" in shown


def test_a_campaign_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Two runs equal one: the same programs and findings, and nothing of another campaign in its folder."""
    target = "fault:counter-constant"
    with small_campaign(target, "s", tmp_path / "whole") as whole:
        list(whole.run(4, 1))
    for _ in range(2):
        with small_campaign(target, "s", tmp_path / "half") as half:
            list(half.run(2, 1))
    assert half.done == whole.done == 4
    assert half.findings == whole.findings != ()
    assert read_state(tmp_path / "half", target, "s") == half.state
    for other in (("reference", "s"), (target, "other")):
        with pytest.raises(CampaignError, match="name another folder"), opened(*other, tmp_path / "half"):
            pass


@pytest.mark.slow
def test_processes_change_nothing(tmp_path: Path) -> None:
    found = []
    for count in (1, 2):
        with small_campaign("fault:counter-constant", "s", tmp_path / str(count)) as campaign:
            list(campaign.run(6, count))
        found.append(campaign.findings)
    assert found[0] == found[1] != ()


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_found(tmp_path: Path) -> None:
    """The user presses Ctrl-C as soon as something is found: it is on disk, and the campaign can continue."""
    words = ["fuzz", "fault:counter-constant", "--jobs", "2", "--examples", "100000", "--out", str(tmp_path)]
    with running(*words, cwd=tmp_path) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")  # on a busy machine, progress may be reported first
        assert any(line.startswith("fail") for line in lines), "it ended without a finding"
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "found" in out
    state = read_state(tmp_path, "fault:counter-constant", "otterproof")
    assert state.findings
    assert 0 < state.done < 100_000
    for finding in state.findings:
        assert read_transcript(tmp_path / finding.transcript).verdict is Verdict.FAIL


# ---- drivers that misbehave


@pytest.mark.slow
@pytest.mark.parametrize(
    ("misdeed", "verdict"),
    [("segfault", Verdict.CRASH), ("garbage", Verdict.DESYNC), ("failed", Verdict.CRASH), ("nulls", Verdict.FAIL)],
)
def test_a_broken_driver_is_a_finding(misdeed: str, verdict: Verdict, tmp_path: Path) -> None:
    with small_campaign(rogue(misdeed), "s", tmp_path) as campaign:
        list(campaign.run(4, 1))
    found = [finding for finding in campaign.findings if finding.verdict is verdict]
    assert found
    assert found[0].confirmed == CONFIRM
    assert again(read_transcript(tmp_path / found[0].transcript), Casting(allow_exec=True)).fate is RerunStatus.FAILED


def test_what_a_target_says_that_it_cant_do_is_passed_over() -> None:
    target = open_target(rogue("unsupported"))
    try:
        setup = Setup(start="scratch", target=target, oracles=("bounds",))
        assert attempt(Program(setup, (User("alice", "start", {}), Settle()))) is None
    finally:
        target.close()


@pytest.mark.slow
def test_how_long_a_failure_is_shrunk_can_be_said(tmp_path: Path) -> None:
    moves = []
    for time in ("0.000001", "10m"):
        folder = tmp_path / time
        words = ["fuzz", "fault:counter-constant", "--examples", "5", "--max-failures", "1", "--jobs", "1"]
        assert cli.main([*words, "--shrink-time", time, "--out", str(folder)]) == 1
        (finding,) = read_state(folder, "fault:counter-constant", "otterproof").findings
        moves.append(len(finding.program.moves))
    assert moves[0] > moves[1]


def test_a_target_that_is_not_there_is_no_finding(tmp_path: Path) -> None:
    assert cli.main(["fuzz", "exec:/nowhere/at/all", "--out", str(tmp_path)]) == 3


def test_a_failure_that_does_not_come_again_is_kept_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = Failure("authenticity", Verdict.FAIL, Bucket("authenticity.once-only"), "seen in the campaign", False, 1)
    replies = iter([once])
    genuine: Callable[..., Failure | None] = attempt

    def first_fails(drawn: Program, **options: object) -> Failure | None:
        return next(replies, None) or genuine(drawn, **options)

    monkeypatch.setattr("otterproof.harness.runs.fuzz.workers.attempt", first_fails)
    with opened("reference", "s", tmp_path) as campaign:
        list(campaign.run(1, 1))
    (finding,) = campaign.findings
    assert (finding.stage, finding.confirmed, finding.runs, finding.test) == (FindingStage.ONCE, 0, 10, None)
    transcript = read_transcript(tmp_path / finding.transcript)
    assert transcript.verdict is Verdict.PASS
    assert "did not when it was run again" in transcript.detail


def test_the_forger_is_a_move() -> None:
    """Once a key has been revealed, messages can be forged."""
    talk = [
        move
        for text in (b"one", b"two", b"three", b"four")
        for who in ("alice", "bob")
        for move in (User(who, "send", {"text": text + who.encode()}), Settle())
    ]
    made = Program(Setup(target=REFERENCE), (Forge("bob"), *talk, Forge("bob")))
    assert attempt(replace(made, setup=replace(made.setup, start="scratch"))) is None
    case = made.setup.case()
    case.run(made.moves[:-1])
    before = case.world.steps
    case.run(made.moves[-1:])
    assert case.world.steps == before + 1
