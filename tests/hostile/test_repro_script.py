"""The script and the page of a finding hold any text, and the script runs only the command it is given.

It tells a driver that answers as before from one that answers otherwise, and both from one that does not work.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.failure import Failure, Place
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.driver_script import LIMIT_VARIABLE, DriverRun, script
from otterproof.harness.runs.fuzz.evidence import Evidence, Needed
from otterproof.harness.runs.fuzz.execute import Failure as Failed
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


#: Two requests. Those who echo them answer both, since the first one looks like an answer to hello.
HELLO, ONE = '{"result":"hello"}', '{"id":2}'

#: A recorded run in which both were answered.
RUN = DriverRun((HELLO, ONE), (HELLO, ONE), True, "", None, 0, 10.0)

#: A recorded run in which the driver ended, and one in which it hung, over the second request.
ENDED = replace(RUN, answers=(HELLO,))
HUNG = replace(ENDED, failure=Failed("bounds", Verdict.HANG, Bucket("hang.receive"), "", False, 1))

#: A shell command that answers hello and then nothing more.
HANGS = ("sh", "-c", "head -n 1; exec sleep 1000")


def _made(folder: Path, text: str, run: DriverRun, command: Sequence[str]) -> list[str]:
    """Write the script and its files; returns the command that runs it."""
    (folder / REQUESTS).write_text("".join(f"{line}\n" for line in run.requests))
    (folder / ANSWERS_FILE).write_text("".join(f"{line}\n" for line in run.answers))
    (folder / "repro.sh").write_text(script(record(text), text, command, run))
    return ["sh", str(folder / "repro.sh")]


def _run(
    folder: Path, text: str, run: DriverRun, *command: str, given: Sequence[str] = (), limit: str = "1"
) -> subprocess.CompletedProcess[str]:
    """Run the script. command: the campaign's own one. given: the driver that the script is given instead."""
    words = [*_made(folder, text, run, command), *given]
    environment = {"PATH": "/bin:/usr/bin", LIMIT_VARIABLE: limit}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("text", SHELL)
def test_a_script_runs_nothing_of_what_it_tells(text: str, tmp_path: Path) -> None:
    done = _run(tmp_path, text, replace(RUN, answers=("another hello", ONE)), given=["cat"])
    assert (done.returncode, done.stderr) == (1, "")
    assert "The driver answers as it did when this was found." in done.stdout
    assert not (tmp_path / "owned").exists()


@each
def test_a_script_tells_any_text(text: str, tmp_path: Path) -> None:
    done = _run(tmp_path, text, replace(RUN, answers=(HELLO, "other")), given=["cat"])
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize("text", SHELL)
def test_the_command_of_the_campaign_is_run_word_for_word(text: str, tmp_path: Path) -> None:
    words = text.replace("\n", " ")
    done = _run(tmp_path, "x", RUN, "sh", "-c", 'cat >&2; head -n 1 repro.jsonl; printf "%s" "$1" >said', "sh", words)
    assert not (tmp_path / "owned").exists()
    assert done.returncode == 2, "it did not answer the second request"
    assert (tmp_path / "said").read_text() == words
    assert shlex.quote(words) in (tmp_path / "repro.sh").read_text()


def test_a_command_that_is_not_there_is_not_run(tmp_path: Path) -> None:
    assert _run(tmp_path, "x", RUN, "/nowhere/at/all").returncode == 2


@pytest.mark.parametrize("driver", [["false"], ["echo", "garbage"], ["sh", "-c", "echo '{}'; exec cat"]])
@pytest.mark.parametrize("run", [RUN, ENDED, HUNG])
def test_a_driver_that_does_not_answer_hello_is_not_run(run: DriverRun, driver: Sequence[str], tmp_path: Path) -> None:
    done = _run(tmp_path, "x", run, given=driver)
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "not run")


def test_a_first_line_that_is_no_answer_is_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    done = _run(tmp_path, "x", RUN, given=["printf", r"\033]0;owned\007\302\233\n"])
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "  ?]0;owned???")


@pytest.mark.parametrize(
    ("run", "driver", "code"),
    [
        (ENDED, ("head", "-n", "1"), 1),
        (ENDED, ("sh", "-c", "head -n 1; exit 3"), 1),
        (ENDED, HANGS, 2),
        (ENDED, ("cat",), 0),
        (HUNG, HANGS, 1),
        (HUNG, ("head", "-n", "1"), 1),  # it passes over the request, and ends with its input
        (HUNG, ("sh", "-c", "head -n 1; exit 3"), 2),
        (HUNG, ("cat",), 0),
        (RUN, ("head", "-n", "1"), 2),
        (RUN, HANGS, 2),
        (replace(RUN, question=2), ("sh", "-c", "cat; exec sleep 1000"), 1),  # it has answered everything
    ],
)
def test_the_same_breakdown_is_the_same_and_another_is_no_answer(
    run: DriverRun, driver: Sequence[str], code: int, tmp_path: Path
) -> None:
    done = _run(tmp_path, "x", run, given=driver)
    assert done.returncode == code, done.stdout + done.stderr
    assert ONE in done.stdout + done.stderr, "the request that it is about"
    assert "Waiting up to 1 s for each answer" in done.stdout


def test_the_answer_in_question_is_shown(tmp_path: Path) -> None:
    requests = (HELLO, *(f'{{"id":{number}}}' for number in range(2, 6)))
    run = replace(RUN, requests=requests, answers=requests, question=4)
    same = _run(tmp_path, "x", run, given=["cat"])
    assert (same.returncode, same.stdout.splitlines()[-4:]) == (
        1,
        ["Request 4, to which the answer is wrong:", '  {"id":4}', "Its answer:", '  {"id":4}'],
    )
    for changed, shown in (("s/3/x/", 3), ("s/4/x/", 4), ("s/[34]/x/", 4), ("s/5/x/", 5)):
        other = _run(tmp_path, "x", run, given=["sed", changed])
        assert other.returncode == 0
        assert other.stdout.splitlines()[-6:] == [
            f"The driver answers differently than when this was found. Request {shown}:",
            f'  {{"id":{shown}}}',
            "Its answer:",
            '  {"id":x}',
            "The answer when this was found:",
            f'  {{"id":{shown}}}',
        ]


def test_a_long_answer_is_cut(tmp_path: Path) -> None:
    run = replace(RUN, answers=(HELLO, "x" * 100_000))
    assert len(_run(tmp_path, "x", run, given=["cat"]).stdout) < 2000


def test_the_limit_is_that_of_the_campaign_and_must_be_a_number(tmp_path: Path) -> None:
    assert "limit=${OTTERPROOF_REPRO_TIMEOUT:-3}" in script(record("x"), "x", (), replace(RUN, limit=2.5))
    done = _run(tmp_path, "x", RUN, given=["cat"], limit="soon")
    assert (done.returncode, done.stdout) == (2, "")
    assert LIMIT_VARIABLE in done.stderr


def test_a_script_that_is_stopped_ends_the_driver(tmp_path: Path) -> None:
    """Standard error is closed when everybody who has it has ended."""
    words = _made(tmp_path, "x", RUN, ("sh", "-c", "echo started >&2; exec sleep 1000"))
    environment = {"PATH": "/bin:/usr/bin", LIMIT_VARIABLE: "1000"}
    with subprocess.Popen(
        words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment
    ) as started:
        assert started.stderr is not None
        assert started.stderr.readline() == "started\n"
        os.kill(started.pid, signal.SIGTERM)
        assert started.communicate(timeout=60)[1] == ""
    assert started.returncode == 2


def test_a_script_without_a_command_says_how_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "repro.sh").write_text(script(record("x"), "x", (), RUN))
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
