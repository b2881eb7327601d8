"""A user's driver under a name: reports, ids, folders and transcripts have the name, and no path."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, USAGE
from otterproof.harness.targets.registry import command_of, file_name, title, with_name
from otterproof.harness.ui.cli import main

COMMAND = "exec:" + shlex.join([sys.executable, "-m", "otterproof.implementations.drivers.engine.driver", "reference"])
SCENARIO = "conformance.interop.handshake_asked_by_peer[v3]"


def test_a_name_and_its_command() -> None:
    assert with_name("exec:./driver", "mylib") == "mylib=exec:./driver"
    assert with_name("exec:./driver", None) == "exec:./driver"
    assert (title("mylib=exec:./driver"), command_of("mylib=exec:./driver")) == ("mylib", "exec:./driver")
    assert (title("libotr"), command_of("libotr")) == ("libotr", None)
    assert file_name("mylib=exec:./driver") == "mylib"


@pytest.mark.parametrize(
    ("target", "name", "what"),
    [
        ("libotr", "mylib", "names a command, but"),
        ("other=exec:./driver", "mylib", "names a command, but"),
        ("exec:./driver", "libotr", "there is a target of that name"),
        ("exec:./driver", "My lib", "lower-case letters, digits and hyphens"),
        ("exec:./driver", "", "lower-case letters, digits and hyphens"),
    ],
)
def test_names_that_are_refused(target: str, name: str, what: str) -> None:
    with pytest.raises(UsageError, match=what):
        with_name(target, name)


def test_check_writes_the_name_and_no_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told, runs = tmp_path / "told.json", tmp_path / "runs"
    words = ["--only", SCENARIO, "--jobs", "1", "--json", str(told), "--transcripts", str(runs)]
    assert main(["check", COMMAND, "--name", "mylib", *words]) == CONFORMS
    assert "mylib: conforms" in capsys.readouterr().out
    (transcript,) = runs.glob("*.jsonl")
    for file in (told, transcript):
        assert "mylib" in file.read_text()
        assert sys.executable not in file.read_text()


def test_a_transcript_of_a_named_driver_needs_its_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--only", SCENARIO, "--jobs", "1", "--transcripts", str(tmp_path)]
    assert main(["check", f"mylib={COMMAND}", *words]) == CONFORMS
    (transcript,) = tmp_path.glob("*.jsonl")
    assert main(["replay", str(transcript)]) == USAGE
    told = " ".join(capsys.readouterr().err.split())
    assert "give its command with --target 'exec:COMMAND'" in told
    assert "python-otr" not in told, "a list of other targets does not help"
    assert main(["replay", str(transcript), "--target", f"mylib={COMMAND}"]) == CONFORMS


def test_a_transcript_that_names_a_command_under_a_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "reference", "--only", SCENARIO, "--jobs", "1", "--transcripts", str(tmp_path)]) == CONFORMS
    (transcript,) = tmp_path.glob("*.jsonl")
    first, *rest = transcript.read_text().split("\n")
    header = json.loads(first)
    header["parties"]["target"]["target"] = "mylib=exec:touch /nonexistent/hurt"
    transcript.write_text("\n".join([json.dumps(header), *rest]))
    assert main(["replay", str(transcript)]) == USAGE
    assert "A file does not choose what is run" in capsys.readouterr().err


def entry(about: str, check: str) -> str:
    return f'[[deviation]]\n{about}\ncheck = "{check}"\nreason = "It is a fault."\n'


@pytest.mark.slow
def test_known_deviations_count_in_a_campaign(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fault, known = "fault:query-ignored-when-encrypted", tmp_path / "known.toml"
    words = ["fuzz", fault, "--examples", "25", "--seed", "a", "--jobs", "1", "--out"]
    assert main([*words, str(tmp_path / "one")]) == DEVIATES
    found = read_state(tmp_path / "one", fault, "a").findings
    known.write_text("".join(entry("fuzz = true", finding.check) for finding in found))
    assert main([*words, str(tmp_path / "two"), "--known", str(known)]) == CONFORMS
    assert "known: It is a fault." in capsys.readouterr().out
    later = read_state(tmp_path / "two", fault, "a").findings
    assert {name for one in later for name in one.follows} <= {one.check for one in found}


def test_known_deviations_count_for_vectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, told = tmp_path / "known.toml", tmp_path / "told.json"
    words = ["vectors", "verify", "--kind", "queries", "--target", "fault:lower-version-preferred", "--json", str(told)]
    assert main([*words, "--known", "none"]) == DEVIATES
    (subject,) = [
        one for one in json.loads(told.read_text())["subjects"] if one["subject"] == "fault:lower-version-preferred"
    ]
    assert subject["failures"]
    assert {one["check"] for one in subject["failures"]} == {"vector.wrong-answer"}
    assert all(one["requirements"] and one["expected"] != one["got"] for one in subject["failures"])
    known.write_text(entry('vector = "queries"', "vector.wrong-answer"))
    assert main([*words, "--known", str(known)]) == CONFORMS
    assert f"{len(subject['failures'])} of them known" in capsys.readouterr().out
