"""The settings of a project: where they are found, their valid values, and which apply to another target."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest
from jsonschema import Draft202012Validator

from otterproof.harness.runs import judging
from otterproof.harness.support.defaults import TIME_LIMIT
from otterproof.harness.support.errors import UsageError
from otterproof.harness.ui import cli
from otterproof.harness.ui.commands import check
from otterproof.harness.ui.settings import SCHEMA, Settings, SettingsError, settings_of


def test_without_files_there_are_the_defaults(tmp_path: Path) -> None:
    assert settings_of(tmp_path) == Settings()
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nkey = 1\n")
    assert settings_of(tmp_path) == Settings()


@pytest.mark.parametrize(("file", "head"), [("otterproof.toml", ""), ("pyproject.toml", "[tool.otterproof]\n")])
def test_both_files_say_the_same(file: str, head: str, tmp_path: Path) -> None:
    text = 'target = "exec:./driver"\nname = "mylib"\nknown = "known.toml"\nscenarios = ["my.scenarios"]\ntimeout = 5\n'
    (tmp_path / file).write_text(head + text)
    found = settings_of(tmp_path)
    assert found == Settings(
        tmp_path / file, "exec:./driver", "mylib", tmp_path / "known.toml", scenarios=("my.scenarios",), timeout=5
    )
    other = found.for_target("reference")
    assert (other.target, other.name, other.known, other.timeout) == ("reference", None, None, None)
    assert found.for_target(None) == found.for_target("exec:./driver") == found


def test_no_file_of_known_deviations(tmp_path: Path) -> None:
    (tmp_path / "otterproof.toml").write_text('known = "none"')
    assert settings_of(tmp_path).known == Path("none")
    (tmp_path / "otterproof.toml").write_text('report = "none"')
    assert settings_of(tmp_path).report == tmp_path / "none"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('tagret = "x"', "unknown setting 'tagret'; did you mean target?"),
        ("unheard-of = 1", "there are target, name, known"),
        ('profile = "weekly"', "profile: 'weekly' is not one of"),
        ("timeout = 0", "The time limit for a call of a driver, in seconds."),
        ("timeout = inf", "timeout: inf is not a number of seconds"),
        ("timeout = nan", "timeout: nan is not a number of seconds"),
        ('name = "\\u001b[2J"', "The name of a target exec:COMMAND"),
        ("target = [", "is not TOML"),
    ],
)
def test_mistakes_are_told(text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "otterproof.toml").write_text(text)
    with pytest.raises(SettingsError) as caught:
        settings_of(tmp_path)
    assert says in str(caught.value)
    assert "\x1b" not in str(caught.value)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "reference"]) == 2


def test_the_command_line_comes_before_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if it only repeats a default."""
    (tmp_path / "otterproof.toml").write_text('target = "reference"\ntimeout = 99\nprofile = "nightly"')
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[float, str]] = []

    def run(*_: object, timeout: float, profile: str, **__: object) -> NoReturn:
        asked.append((timeout, profile))
        raise UsageError("that is all")

    monkeypatch.setattr(judging, "run", run)
    assert cli.main(["check"]) == cli.main(["check", "--timeout", "10", "--profile", "ci"]) == 2
    assert cli.main(["check", "independent"]) == 2
    assert asked == [(99, "nightly"), (10, "ci"), (TIME_LIMIT, "nightly")]


def test_settings_are_in_one_file_only(tmp_path: Path) -> None:
    (tmp_path / "otterproof.toml").write_text('target = "libotr"')
    (tmp_path / "pyproject.toml").write_text('[tool.otterproof]\ntarget = "potr"')
    with pytest.raises(SettingsError, match="keep one of them"):
        settings_of(tmp_path)


def test_the_settings_of_a_folder_around_do_not_count(tmp_path: Path) -> None:
    """They could name a command chosen by somebody else."""
    (tmp_path / "otterproof.toml").write_text('target = "exec:touch ran"')
    inside = tmp_path / "inside"
    inside.mkdir()
    assert settings_of(inside) == Settings()


def test_the_schema_has_every_setting() -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Settings.__dataclass_fields__) - {"file"}
    assert all(one["description"].endswith(".") for one in schema["properties"].values())


@pytest.mark.slow
def test_check_takes_its_target_from_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "otterproof.toml").write_text(
        'target = "fault:counter-starts-at-0"\nonly = ["data_counters.counter_0"]\n'
    )
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check", "--jobs", "1"]) == 1
    assert "form.counter-zero" in capsys.readouterr().out
    assert cli.main(["check", "reference", "--jobs", "1", "--only", "key_id_0_is_refused"]) == 0
    (tmp_path / "otterproof.toml").write_text('scenarios = ["no_such_module"]\n')
    assert cli.main(["check", "reference", "--jobs", "1"]) == 2
    assert "put it beside otterproof.toml" in capsys.readouterr().err


@pytest.mark.slow
def test_modules_of_scenarios_are_found_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "otterproof.toml").write_text('target = "reference"\nscenarios = ["ours"]\nonly = ["ours"]\n')
    (tmp_path / "ours.py").write_text(
        '"""Ours."""\nfrom otterproof import scenario\n\n\n@scenario(versions=(3,))\ndef greets(context):\n'
        '    """It greets."""\n    context.pair().establish("target")\n'
    )
    command = [sys.executable, "-m", "otterproof", "check", "--jobs", "2"]
    done = subprocess.run(
        [*command, "--json", "told.json"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert '"ours.greets[v3]"' in (tmp_path / "told.json").read_text()


@pytest.mark.parametrize(
    ("settings", "words", "repeated"),
    [
        ("", [], []),
        ("", ["--seed", "otterproof", "--timeout", "10"], []),
        ("", ["--seed", "x", "--profile", "nightly"], ["--seed", "x", "--profile", "nightly"]),
        ('seed = "x"', [], ["--seed", "x"]),
        ('seed = "x"', ["--seed", "otterproof"], ["--seed", "otterproof"]),
        ('profile = "nightly"', ["--profile", "ci"], ["--profile", "ci"]),
        ('target = "reference"\ntimeout = 99', ["--timeout", "10"], ["--timeout", "10"]),
        ('target = "reference"\ntimeout = 99', [], ["--timeout", "99"]),
    ],
)
def test_the_command_that_repeats_a_run_does_the_same_with_these_settings_and_without(
    settings: str, words: list[str], repeated: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "otterproof.toml").write_text(settings)
    monkeypatch.chdir(tmp_path)
    told: list[tuple[str, ...]] = []
    monkeypatch.setattr(check, "write_reports", lambda judged, command, folder: told.append(tuple(command)))
    only = ["--only", "conformance.data.key_id_0_is_refused[v3]", "--jobs", "1"]
    assert cli.main(["check", "reference", *words, *only, "--report", "report"]) == 0
    assert told == [("otterproof", "check", "reference", *repeated, *only[:2])]
