"""The script and the page of a finding hold any text, and the script runs only the command it is given."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from otterproof.harness.runs.failure import Failure, Place
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.driver_script import script
from otterproof.harness.runs.fuzz.evidence import Evidence, Needed
from otterproof.harness.runs.fuzz.folder import ANSWERS_FILE, REQUESTS
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.state import Finding, FindingStage
from otterproof.harness.simulation.moves import Inject, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.ui.site.finding import finding_page
from tests.hostile.test_artefacts import Page, each

#: Texts that a shell would act on, leaving a trace.
SHELL = (
    "$(touch owned)",
    "`touch owned`",
    "'; touch owned; '",
    "\n touch owned\n",
    '"; touch owned #',
    "%s%n\\n\\0",
    "-n",
    "&& touch owned",
)


def record(text: str) -> Failure:
    return Failure(text, text, (text,), case=text, expected=text, got=text, place=Place(1, text, text))


def _run(folder: Path, text: str, answers: str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run the script with a driver that echoes the requests as answers."""
    (folder / REQUESTS).write_text("hello\none\n")
    (folder / ANSWERS_FILE).write_text(answers)
    (folder / "repro.sh").write_text(script(record(text), text, command))
    return subprocess.run(
        ["sh", str(folder / "repro.sh"), *([] if command else ["cat"])],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/bin:/usr/bin"},
    )


@pytest.mark.parametrize("text", SHELL)
def test_a_script_runs_nothing_of_what_it_tells(text: str, tmp_path: Path) -> None:
    done = _run(tmp_path, text, "another hello\none\n")
    assert (done.returncode, done.stderr) == (1, "")
    assert "The driver answers as it did when this was found." in done.stdout
    assert not (tmp_path / "owned").exists()


@each
def test_a_script_tells_any_text(text: str, tmp_path: Path) -> None:
    done = _run(tmp_path, text, "hello\nother\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("text", SHELL)
def test_the_command_of_the_campaign_is_run_word_for_word(text: str, tmp_path: Path) -> None:
    words = text.replace("\n", " ")
    done = _run(
        tmp_path, "x", "hello\n" + words.strip() + "\n", "sh", "-c", 'cat >&2; echo hello; echo "$1"', "sh", words
    )
    assert not (tmp_path / "owned").exists()
    assert done.returncode in (0, 1)
    assert shlex.quote(words) in (tmp_path / "repro.sh").read_text()


def test_a_command_that_is_not_there_is_not_run(tmp_path: Path) -> None:
    assert _run(tmp_path, "x", "", "/nowhere/at/all").returncode == 2


def test_a_script_without_a_command_says_how_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "repro.sh").write_text(script(record("x"), "x", ()))
    done = subprocess.run(["sh", str(tmp_path / "repro.sh")], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: sh repro.sh COMMAND" in done.stderr


@each
def test_a_page_has_no_element_of_theirs(text: str, tmp_path: Path) -> None:
    def page(one: str) -> Page:
        bucket = Bucket(one, one, one, one, one)
        moves = (
            User("alice", "send", {"text": one.encode(errors="replace")}),
            Inject("bob", one.encode(errors="replace")),
        )
        finding = Finding(
            "a",
            FindingStage.CONFIRMED,
            one,
            Verdict.FAIL,
            bucket,
            one,
            False,
            1,
            Program(Setup(), moves),
            True,
            1,
            3,
            3,
            (one,),
        )
        needed = tuple(Needed(move, one) for move in moves)
        evidence = Evidence(finding, one, one, one, record(one), needed, one)
        return Page(finding_page(evidence, tmp_path / "transcript.jsonl"))

    assert page(text).elements <= page("harmless").elements
