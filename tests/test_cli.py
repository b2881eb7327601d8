"""The command line with typos, missing permissions, a broken driver, or an impatient user.

Every message says what is wrong, where, and what to do; the exit code is the documented one, and there is no traceback.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import trips as pairs
from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import file_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui import cli, entry, terminal
from otterproof.vectors import FOLDER
from tests.test_judge import made, raising

ONE = ("--only", "conformance.data.key_id_0", "--jobs", "1")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file `file`, so that nothing can be written to a path below it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("something else\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "libotter"], "no target 'libotter'"),
        (["check", "--only", "nothing like it"], "leave --only out"),
        (["check", "--without", "[v2]", "--without", "[v3]"], "leaves no scenario"),
        (["check", *ONE, "--json", "missing/out.json"], "name another file with --json"),
        (["check", *ONE, "--json", "."], "name another file with --json"),
        (["check", *ONE, "--transcripts", "file"], "name another folder with --transcripts"),
        (["check", *ONE, "--known", "missing.toml"], "missing.toml can't be read"),
        (["check", *ONE, "--known", "file"], "file is not TOML"),
        (["fuzz", "independent", "--out", "file/below"], "name another folder with --out"),
        (["matrix", "reference", "--out", "file"], "name another folder with --out"),
        (["vectors", "generate", "--kind", "queries", "--out", "file"], "name another folder with --out"),
        (["vectors", "verify", "--in", "missing"], "no vectors are in missing"),
        (["vectors", "verify", "--in", "."], "name their folder with --in"),
        (["vectors", "lint", "--in", "missing"], "no vectors are in missing"),
        (["vectors", "examples", "--in", "missing"], "no vectors are in missing"),
        (["vectors", "add", "missing", *("--name", "x", "--comment", "c", "--requirement", "r")], "can't be read"),
        (["replay", "."], "has no transcripts"),
        (["replay", "file"], "file, line 1: not a line of JSON"),
        (["faults", "--write"], "goes with --score or --gaps"),
        (["faults", "--explain"], "--explain goes with --score"),
        (["faults", "--score", "--explain", "--write"], "without --gaps and --write"),
        (["faults", "--score", "--sample", "9"], "--sample chooses the faults that --score judges"),
        (["faults", "--third-party"], "--third-party goes with --score"),
        (["faults", "--score", "--third-party", "--explain"], "without --gaps, --write and --explain"),
        (["faults", "--score", "--state", "x.json"], "--state keeps what --score has judged"),
        (["faults", "--score", "--third-party", "--state", "."], "can't be written"),
        (["faults", "--mutants", "1", "--write"], "mutants are not noted"),
        (["faults", "--mutants", "1", "--only", "zzzz"], "leave --only out"),
        (["faults", "--only", "zzzz"], "leave --only out"),
        (["check", "fault:key-id-zer"], "did you mean"),
        (["targets", "install", "libotter"], "did you mean libotr?"),
        (["targets", "install", "zzzz"], "these can: libotr"),
    ],
)
@pytest.mark.usefixtures("here")
def test_wrong_usage(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert says in told.err
    assert told.out == "", "nothing is begun that can't be finished"


def test_vectors_that_are_not_there_are_not_verified(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "queries.json").write_bytes((FOLDER / "queries.json").read_bytes())
    assert cli.main(["vectors", "verify", "--in", ".", "--kind", "tlvs"]) == 2
    assert "no tlvs in .; what is there: queries" in capsys.readouterr().err


def test_only_may_be_given_several_times(tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    two = ("--only", "data.key_id_0_is", "--only", "choices.counter_0_is_refused[v3]")
    assert cli.main(["check", "reference", *two, "--jobs", "1", "--json", str(told)]) == 0
    ids = {one["scenario"] for one in json.loads(told.read_text())["runs"][0]["scenarios"]}
    assert ids == {
        f"conformance.{name}" for name in ("data.key_id_0_is_refused[v2]", "data.key_id_0_is_refused[v3]")
    } | {"conformance.choices.counter_0_is_refused[v3]"}


def test_nothing_is_left_behind_by_what_was_refused(here: Path) -> None:
    for words in (["fuzz", "libotter"], ["fuzz", "exec:false"], ["matrix", "libotter"], ["check", "libotter"]):
        assert cli.main(words) in (2, 3)
    assert [path.name for path in here.iterdir()] == ["file"]
    assert (here / "file").read_text() == "something else\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["check", "--jobs", "-3"], "'-3' is not a whole number from 1 on"),
        (["check", "--jobs", "many"], "'many' is not a whole number from 1 on"),
        (["fuzz", "independent", "--examples", "0"], "'0' is not a whole number from 1 on"),
        (["faults", "--mutants", "1.5"], "'1.5' is not a whole number from 1 on"),
        (["targets", "install"], "required: TARGET"),
        (["chekc"], "there is no command 'chekc'; did you mean check?"),
        (["zzzz"], "there is no command 'zzzz'; there are check, explain"),
        (["vectors", "verfy"], "did you mean verify?"),
        (["check", "--onyl", "smp"], "otterproof: check has no option --onyl; did you mean --only?"),
        (["check", "--pro", "ci"], "did you mean --profile?"),
        (["check", "--profile", "nightyl"], "did you mean nightly?"),
        (["replay", "one.jsonl", "another.jsonl"], "takes no more arguments"),
        (["--verison"], "did you mean --version?"),
    ],
)
def test_wrong_words(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["vectors"], ["driver"]])
def test_without_a_command_help_is_shown(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The help is not a result, so it goes to standard error with the exit code for wrong usage."""
    assert cli.main(words) == 2
    told = capsys.readouterr()
    assert "Usage: otterproof" in told.err
    assert "Examples:" in told.err
    assert told.out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "says"),
    [
        ("exec:false", "ended with exit code 1"),
        ("exec:cat", "not a JSON-RPC 2.0 response"),
        (f"exec:{sys.executable} -c 'print(1)'", "not an object"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_driver_that_is_none(driver: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (
        ["check", driver, *ONE],
        ["fuzz", driver],
        ["vectors", "verify", "--kind", "tlvs", "--target", driver],
    ):
        assert cli.main(command) == 3
        told = capsys.readouterr().err
        assert says in told
        assert "docs/reference/driver-protocol.md says what" in told


def test_a_transcript_that_cant_be_written_changes_no_verdict(here: Path) -> None:
    load()
    result = run(made(raising(ZeroDivisionError("the reason"))), EngineTarget("reference"), b"seed", here / "file")
    assert result.verdict is Verdict.INFRA
    assert result.detail == "ZeroDivisionError: the reason"
    assert result.unwritten == f"{here / 'file'}: File exists"
    assert result.transcripts == ()


def test_faults_are_listed_by_what_they_are_about(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["faults", "--only", "counter-constant"]) == 0
    out = capsys.readouterr().out
    assert "counter-constant" in out
    assert "ssid-kept-after-end" not in out


def test_names_of_targets_as_names_of_files() -> None:
    assert file_name("python-otr") == "python-otr"
    assert file_name("fault:counter-constant") == "fault-counter-constant"
    commands = ["exec:a b", "exec:a-b", "exec:a/b", "exec:" + 300 * "a", "exec:" + 301 * "a"]
    names = {file_name(command) for command in commands}
    assert len(names) == len(commands)
    assert all(len(name) < 100 and "/" not in name for name in names)


# ---- Ctrl-C


def test_ctrl_c_while_the_program_begins(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("otterproof.harness.ui.cli", SimpleNamespace(main=interrupted))
    assert entry.main() == 130
    assert capsys.readouterr().err == "otterproof: interrupted\n"


def test_an_interrupted_score_notes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: object) -> Ending:
        return Ending.INTERRUPTED

    def never(_: object) -> None:
        raise AssertionError("it was written")

    monkeypatch.setattr(terminal, "collect_score", interrupted)
    monkeypatch.setattr(pairs, "write", never)
    assert cli.main(["faults", "--score", "--write", "--only", "counter-constant", "--jobs", "1"]) == 130
    assert "the score is incomplete" in capsys.readouterr().err
