"""A file never chooses what is run: a command named in a file is refused unless the user gave or allowed it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.serialize import program_to_json
from otterproof.harness.runs.rerun import again
from otterproof.harness.simulation.moves import User
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui import cli
from otterproof.implementations.contract import OutgoingMessage, PartyConfig, Policy

CONFIG = PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x1A1A)
SCENARIO = "conformance.interop.alternating_data_messages[v3]"


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """A file that exists once a command has run."""
    return tmp_path / "it ran"


@pytest.fixture
def command(marker: Path) -> str:
    return f"exec:touch {shlex.quote(str(marker))}"


def write(
    folder: Path, parties: dict[str, str], verdict: Verdict | None, profile: str = SCENARIO, judged: str = ""
) -> str:
    """A transcript in which targets play parties. judged: the party under judgement, in a run of a random program."""
    program = None
    if judged:
        drawn = Program(
            Setup(start="scratch", target=open_target("reference"), role=judged), (User("alice", "start", {}),)
        )
        program = program_to_json(drawn)
    infos = {name: PartyInfo(target, CONFIG) for name, target in parties.items()}
    header = Header(b"seed", infos, profile, judged=judged or "target", program=program)
    path = folder / "sent.jsonl"
    with TranscriptWriter.create(path, header) as writer:
        writer.step(0, next(iter(parties)), "start", {}, [OutgoingMessage(b"?OTRv3?")])
        if verdict is not None:
            writer.verdict(verdict, "as recorded")
    return str(path)


VERDICTS = (Verdict.PASS, Verdict.FAIL, Verdict.CRASH, None)


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("options", [[], ["--peer", "reference"]])
def test_the_command_of_the_judged_party_is_refused(
    verdict: Verdict | None,
    options: list[str],
    command: str,
    marker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, {"target": command, "peer": "reference"}, verdict)
    assert cli.main(["replay", path, *options]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert command in told.err
    assert "as party target" in told.err
    assert "--allow-exec" in told.err
    assert "--target" in told.err
    assert not marker.exists()


@pytest.mark.parametrize("verdict", VERDICTS)
@pytest.mark.parametrize("options", [[], ["--target", "reference"]])
@pytest.mark.parametrize("party", ["peer", "eve"])
def test_the_command_of_any_other_party_is_refused_also_when_the_target_is_given(
    verdict: Verdict | None,
    options: list[str],
    party: str,
    command: str,
    marker: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(tmp_path, {"target": "reference", party: command}, verdict)
    assert cli.main(["replay", path, *options]) == 2
    told = capsys.readouterr()
    assert command in told.err
    assert f"as party {party}" in told.err
    assert "--peer" in told.err
    assert not marker.exists()


def test_the_command_of_a_random_program_is_refused(
    command: str, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"alice": command, "bob": command}, Verdict.FAIL, "fuzz", judged="alice")
    assert cli.main(["replay", path]) == 2
    assert command in capsys.readouterr().err
    assert cli.main(["replay", path, "--target", "reference"]) == 0, "the program fails no more, and bob is ours"
    assert "FIXED" in capsys.readouterr().out
    assert not marker.exists()


@pytest.mark.parametrize("scenario", [SCENARIO, "no.such.scenario"])
def test_what_the_user_names_or_allows_is_run(
    scenario: str, command: str, marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`touch` is not a driver: it is run, and then nobody can tell whether the failure still occurs."""
    path = write(tmp_path, {"target": command, "peer": command}, Verdict.FAIL, scenario)
    for options in (["--allow-exec"], ["--target", command], ["--peer", command, "--target", "reference"]):
        marker.unlink(missing_ok=True)
        assert cli.main(["replay", path, *options]) == 3
        assert "ERROR" in capsys.readouterr().out
        assert marker.exists()


def test_named_targets_play_as_recorded(tmp_path: Path) -> None:
    path = write(tmp_path, {"target": "fault:counter-constant", "peer": "independent"}, Verdict.FAIL)
    casting = Casting()
    header = read_transcript(Path(path)).header
    casting.check(header, header.parties)
    assert casting.name(header, "target") == "fault:counter-constant"
    assert Casting("reference").name(header, "target") == "reference"
    assert Casting("reference").name(header, "peer") == "independent"
    assert Casting(peer="reference").name(header, "peer") == "reference"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody", "no target 'nobody'"),
        ("Exec:touch x", "no target 'Exec:touch x'"),
        (" exec:touch x", "no target ' exec:touch x'"),
        ("/bin/sh", "no target '/bin/sh'"),
        ("fault:../../../etc/passwd", "no fault '../../../etc/passwd'"),
        ("fault:__init__", "no fault '__init__'"),
        ("fault:", "no fault ''"),
        ("fault:\ud800\x1b]0;", "no fault '\\ud800\\x1b]0;'"),
    ],
)
@pytest.mark.parametrize("verdict", [Verdict.PASS, Verdict.FAIL])
def test_a_name_that_is_none_is_the_files_mistake(
    name: str, says: str, verdict: Verdict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"target": name, "peer": "reference"}, verdict)
    assert cli.main(["replay", path]) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"otterproof: {path}, line 1: parties.target.target: {says}")
    assert "--target" in told


def test_the_command_is_shown_so_that_a_terminal_does_not_obey_it(
    marker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, {"target": f"exec:touch {marker}\x1b]0;title\x07\n\ud800"}, Verdict.FAIL)
    assert cli.main(["replay", path]) == 2
    shown = capsys.readouterr().err
    assert "\\x1b]0;title\\x07\\n\\ud800" in shown
    assert "\x1b" not in shown


def test_an_allowed_command_that_the_system_can_not_take_is_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in ("\ud800", "a\0b", "'", ""):
        path = write(tmp_path, {"target": f"exec:{words}"}, Verdict.FAIL)
        assert cli.main(["replay", path, "--allow-exec"]) in (2, 3)
        told = capsys.readouterr()
        assert told.out or told.err.startswith("otterproof: ")


def test_a_scenario_that_judges_a_party_which_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, {"alice": "reference"}, Verdict.FAIL)
    assert cli.main(["replay", path]) == 2
    assert "line 1: the judged party 'target' is not in the header; name a target with --target" in (
        capsys.readouterr().err
    )
    assert again(read_transcript(Path(path)), Casting("reference")).fate.value in ("FIXED", "ERROR")
