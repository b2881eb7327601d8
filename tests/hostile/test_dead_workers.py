"""Worker processes that die: their tasks are lost and reported, the rest continues, and nothing waits forever."""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults.detect import Lost, results
from otterproof.harness.runs.faults.score import Scorer
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.runs.fuzz.state import FindingStage
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.fuzz.workers import DIED, Ran
from otterproof.harness.runs.runner import Job, Result
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import WorkersDied, pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.testkit.scenario import Scenario
from otterproof.harness.ui import cli
from tests.commands import ROOT, finished

#: The tasks of this module are numbers; a negative one kills its worker with that signal.
DEADLY = -signal.SIGKILL

SIGNALLER = Path(__file__).parent / "signaller.py"


#: The context for workers that need nothing.
NOTHING = WorkerContext()


def square(_: WorkerContext, number: int) -> int:
    """A task. 99 ends its worker; 0 fails."""
    if number < 0:
        os.kill(os.getpid(), -number)
    if number == 99:
        os._exit(7)
    if not number:
        raise ZeroDivisionError("the reason")
    return number * number


def signalled(_: WorkerContext, number: int) -> str:
    """A task that sends a signal to its own process and survives."""
    os.kill(os.getpid(), number)
    return signal.Signals(number).name


def broken() -> None:
    raise LookupError("no such target")


def unlucky() -> None:
    os._exit(3)


class Losses:
    """The lost tasks that a stream was told of."""

    def __init__(self) -> None:
        self.tasks: dict[int, str] = {}

    def __call__(self, task: int, why: str) -> int:
        self.tasks[task] = why
        return -1


@pytest.mark.slow
def test_a_task_whose_worker_dies_is_lost_alone() -> None:
    lost = Losses()
    with pool(2, NOTHING) as workers:
        assert list(workers.ordered(square, [1, 2, DEADLY, 3, 99, 4], lost)) == [1, 4, -1, 9, -1, 16]
    assert lost.tasks == {
        DEADLY: "the worker process that ran this died: killed by SIGKILL",
        99: "the worker process that ran this died: it ended with exit code 7",
    }


@pytest.mark.slow
def test_a_worker_that_is_killed_while_it_waits_loses_nothing() -> None:
    lost = Losses()
    with pool(1, NOTHING) as workers:
        stream = workers.ordered(square, [2, 3], lost)
        assert next(stream) == 4
        (pid,) = workers.pids
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert list(stream) == [9]
    assert lost.tasks == {}


@pytest.mark.slow
def test_workers_that_die_again_and_again_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.runs.workers.MAX_DEATHS", 2)
    found: list[int] = []
    with pool(1, NOTHING) as workers, pytest.raises(WorkersDied, match=r"2 worker processes died.*SIGKILL.*--jobs 1"):
        found.extend(workers.unordered(square, [DEADLY] * 100, Losses()))
    assert found == [-1, -1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("begin", "error", "says"),
    [(broken, LookupError, "no such target"), (unlucky, WorkersDied, "it ended with exit code 3")],
)
def test_workers_that_cannot_begin_end_the_command(
    begin: Callable[[], None], error: type[Exception], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("otterproof.harness.runs.workers.MAX_DEATHS", 2)
    with pool(1, WorkerContext(prepare=(begin,))) as workers, pytest.raises(error, match=says):
        list(workers.ordered(square, [1], Losses()))


@pytest.mark.slow
def test_an_error_of_a_task_is_raised_with_its_place() -> None:
    with pool(1, NOTHING) as workers, pytest.raises(ZeroDivisionError, match="the reason") as raised:
        list(workers.ordered(square, [0], Losses()))
    assert "in square" in str(raised.value.__cause__)


@pytest.mark.slow
def test_signals_that_end_a_command_are_for_the_main_process() -> None:
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    with pool(1, NOTHING) as workers:
        told = list(workers.ordered(signalled, numbers, lambda number, why: why))
    assert told == ["SIGINT", "SIGTERM", "SIGHUP"]


@pytest.mark.slow
def test_leaving_ends_workers_in_the_middle_of_a_task() -> None:
    with pool(2, NOTHING) as workers:
        stream = workers.unordered(_sleep_or_not, [0, 300], lambda number, why: -1)
        assert next(stream) == 0
    assert multiprocessing.active_children() == []


def _sleep_or_not(_: WorkerContext, seconds: int) -> int:
    signal.sigtimedwait([signal.SIGUSR2], seconds)
    return seconds


@pytest.fixture
def parricide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A driver that kills one worker. The test has its own current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return f"exec:{sys.executable} {SIGNALLER} {tmp_path / 'done'} {os.getpid()} caller SIGKILL"


@pytest.mark.slow
def test_a_check_goes_on_and_ends_as_not_run(parricide: str) -> None:
    words = ["check", parricide, "--only", "conformance.interop.handshake_asked", "--jobs", "2", "--json", "out.json"]
    done = finished(*words, cwd=Path())
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    verdicts = json.loads(Path("out.json").read_text())["runs"][0]["scenarios"]
    assert Counter(one["verdict"] for one in verdicts) == {"pass": 3, "infra": 1}
    assert "the worker process that ran this died: killed by SIGKILL" in done.stdout
    assert "not judged by all scenarios: 1 could not be run" in " ".join(done.stdout.split())


@pytest.mark.slow
def test_a_campaign_goes_on_and_ends_as_not_run(parricide: str) -> None:
    assert cli.main(["fuzz", parricide, "--examples", "3", "--out", "out", "--jobs", "2"]) == 3
    state = read_state(Path("out"), parricide, "otterproof")
    assert state.done == 3
    assert [one.verdict for one in state.findings] == [Verdict.INFRA]


def test_what_killed_a_worker_is_not_run_in_the_main_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = Failure("bounds", Verdict.INFRA, Bucket(DIED), "the worker process that ran this died", False, 0)
    monkeypatch.setattr("otterproof.harness.runs.fuzz.campaign.results", lambda *_, **__: iter([Ran(0, (), failure)]))
    for module in ("workers", "campaign", "reproduce", "evidence"):
        monkeypatch.setattr(f"otterproof.harness.runs.fuzz.{module}.attempt", lambda *_, **__: pytest.fail("it is run"))
    with opened("reference", "s", tmp_path) as campaign:
        list(campaign.run(1, 1))
    (finding,) = campaign.findings
    assert finding.stage is FindingStage.ONCE
    transcript = read_transcript(tmp_path / finding.transcript)
    assert (transcript.verdict, transcript.detail) == (Verdict.INFRA, failure.detail)
    assert transcript.header.program is not None
    assert len(transcript.header.program["moves"]) == len(program("s", 0, EngineTarget("reference")).moves) > 0


@pytest.mark.slow
def test_a_matrix_goes_on_and_ends_as_not_run(parricide: str) -> None:
    assert cli.main(["matrix", parricide, "--out", "out", "--jobs", "2"]) == 3
    cells = json.loads(Path("out/matrix.json").read_text())["cells"]
    assert sorted({one["verdict"] for cell in cells for one in cell["scenarios"]}) == ["infra", "pass"]


def test_a_score_with_losses_is_no_verdict_and_notes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gaps may be due to the losses, so they are not recorded as gaps."""

    def losing(scorer: Scorer) -> Ending:
        scorer.card.lost.append(Lost("some-fault", "the worker process that ran this died: killed by SIGKILL"))
        return Ending.COMPLETE

    def never(_: object) -> None:
        raise AssertionError("it was written")

    monkeypatch.setattr("otterproof.harness.ui.terminal.collect_score", losing)
    monkeypatch.setattr("otterproof.harness.runs.faults.trips.write", never)
    assert cli.main(["faults", "--gaps", "--write", "--only", "counter-constant", "--jobs", "1"]) == 3
    told = capsys.readouterr().err
    assert "some-fault: the worker process that ran this died: killed by SIGKILL" in told
    assert "the score is incomplete" in told


@pytest.mark.slow
def test_what_a_scorer_loses_is_noted_under_its_name() -> None:
    lost: list[Lost] = []
    with pool(1, NOTHING) as workers:
        found = list(results(workers, _square_named, [("two", 2), ("deadly", DEADLY), ("three", 3)], lost))
    assert found == [4, 9]
    assert [str(one) for one in lost] == ["deadly: the worker process that ran this died: killed by SIGKILL"]


def _square_named(worker: WorkerContext, task: tuple[str, int]) -> int:
    return square(worker, task[1])


def test_a_check_whose_workers_all_die_shows_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def dying(job: Job, chosen: Sequence[Scenario], *_: object) -> Iterator[Result]:
        yield Result(chosen[0].id, (), Verdict.PASS, "", 1, 0.0)
        raise WorkersDied("10 worker processes died")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("otterproof.harness.runs.judging.judge", dying)
    words = ["check", "reference", "--only", "conformance.interop.handshake_asked", "--json", "out.json"]
    assert cli.main(words) == 3
    told = capsys.readouterr()
    assert told.err == "otterproof: 10 worker processes died\n"
    assert "3 scenarios were not run: worker processes died" in told.out
    assert len(json.loads(Path("out.json").read_text())["runs"][0]["not_run"]) == 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux ends workers with the main process")
def test_workers_end_with_the_main_process() -> None:
    """The main process is killed while a worker is in the middle of a task."""
    code = (
        "from otterproof.harness.runs.workers import pool\nfrom tests.hostile.test_dead_workers import NOTHING, rest\n"
    )
    code += "with pool(1, NOTHING) as workers:\n    list(workers.ordered(rest, [300], None))"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as main:
        assert main.stdout is not None
        worker = os.pidfd_open(int(main.stdout.readline()))
        try:
            main.kill()
            assert select.select([worker], [], [], 60)[0], "the worker has ended"
        finally:
            os.close(worker)


def rest(worker: WorkerContext, seconds: int) -> int:
    """A task that reports its process and then sleeps."""
    print(os.getpid(), flush=True)
    return _sleep_or_not(worker, seconds)
