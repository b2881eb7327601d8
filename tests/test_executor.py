"""Campaigns on several machines: a Dask scheduler with workers, here on loopback, gives the result of one process."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from otterproof.harness.runs import executor as executors
from otterproof.harness.runs.executor import Remote
from otterproof.harness.runs.fuzz.behaviour import Area
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.events import ProgramRun
from otterproof.harness.runs.fuzz.state import State
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Later, WorkersDied
from otterproof.harness.support.errors import UsageError
from otterproof.harness.ui import cli

#: A target with findings, and how many programs are run against it.
TARGET, PROGRAMS = "fault:counter-constant", 24

#: A target that reports its code coverage.
TELLING = f"telling=exec:{sys.executable} {Path(__file__).parent / 'edges_driver.py'}"

#: The words of a scheduler and of a worker on loopback, except the scheduler's address and the worker's folder.
SCHEDULER = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
WORKER = ("--host", "127.0.0.1", "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory")

dask = pytest.mark.skipif(find_spec("distributed") is None, reason="Dask is an extra")


def square(_: WorkerContext, task: int) -> int:
    if task < 0:
        raise ValueError("a task that can not be done")
    return task * task


def nothing(task: int, why: str) -> int:
    raise AssertionError(f"{task} is lost: {why}")


@dataclass(eq=False)
class Future:
    """A future of a scheduler that runs tasks on request."""

    ask: Callable[[], Any]

    def result(self) -> Any:
        return self.ask()


@dataclass
class Client:
    """A client of a scheduler in this process. most: the maximum number of tasks it had at the same time."""

    running: list[Future] = field(default_factory=list)
    most: int = 0

    def submit(self, work: Callable[..., Any], *given: Any, pure: bool) -> Future:
        assert not pure, "the same program may be run twice"

        def ask() -> Any:
            self.running.remove(future)
            return work(*given)

        future = Future(ask)
        self.running.append(future)
        self.most = max(self.most, len(self.running))
        return future

    def cancel(self, futures: list[Future]) -> None:
        self.running = [one for one in self.running if one not in futures]


def remote(client: Client) -> Remote:
    return Remote(client, "tcp://nowhere:1", WorkerContext())


@dask
def test_results_come_in_order_and_no_more_tasks_are_given_than_are_known() -> None:
    client = Client()
    done: list[int] = []

    def tasks() -> Iterator[int | Later]:
        for number in range(20):
            while number - len(done) >= 4:
                yield Later()
            yield number

    for result in remote(client).ordered(square, tasks(), nothing):
        done.append(result)
    assert done == [number**2 for number in range(20)]
    assert client.most == 4
    assert client.running == []


@dask
def test_what_is_under_way_is_cancelled_when_nobody_wants_it() -> None:
    client = Client()
    results = cast(Generator[int, None, None], remote(client).ordered(square, iter(range(1000)), nothing))
    assert next(results) == 0
    results.close()
    assert client.most == executors.AHEAD
    assert client.running == []


@dask
def test_an_error_of_a_task_is_raised_here() -> None:
    with pytest.raises(ValueError, match="can not be done"):
        list(remote(Client()).ordered(square, iter([1, -1]), nothing))


@dask
def test_a_task_whose_workers_die_is_lost_and_a_scheduler_that_is_gone_ends_the_work() -> None:
    distributed = pytest.importorskip("distributed")

    def dead(_: WorkerContext, task: int) -> int:
        raise distributed.scheduler.KilledWorker("task", SimpleNamespace(address="tcp://x:1"), 3)

    def gone(_: WorkerContext, task: int) -> int:
        raise distributed.comm.core.CommClosedError("closed")

    assert list(remote(Client()).ordered(dead, iter([7]), lambda task, why: -task)) == [-7]
    with pytest.raises(WorkersDied, match="--resume"):
        list(remote(Client()).ordered(gone, iter([7]), nothing))


def test_without_dask_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    words = ["fuzz", "reference", "--scheduler", "tcp://127.0.0.1:1", "--examples", "1", "--out", str(tmp_path / "f")]
    assert cli.main(words) == 2
    assert "pip install 'otterproof[dask]'" in capsys.readouterr().err


@dask
@pytest.mark.parametrize("address", ["garbage", "nonsense://x", "tcp://127.0.0.1", "tcp://x:y", "[::1"])
def test_what_is_no_address_is_refused_before_a_client_exists(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of such an address takes a minute to close, and prints a traceback then."""
    distributed = pytest.importorskip("distributed")
    clients: list[object] = []
    monkeypatch.setattr(distributed, "Client", lambda *given, **_: clients.append(given))
    with (
        pytest.raises(UsageError, match="is not the address of a scheduler; give one such as tcp://"),
        executors.executor(1, address, WorkerContext()),
    ):
        pass
    assert clients == []


@pytest.mark.slow
@dask
def test_a_scheduler_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "_PATIENCE", 1)
    with (
        pytest.raises(UsageError, match="no scheduler answers"),
        executors.executor(1, "tcp://127.0.0.1:1", WorkerContext()),
    ):
        pass


@dask
def test_dask_logs_nothing_while_its_workers_are_used(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logger = logging.getLogger("distributed.client")
    monkeypatch.setattr(executors, "_client", lambda _: SimpleNamespace(close=lambda: logger.error("closed badly")))
    monkeypatch.setattr(logging.getLogger("distributed"), "propagate", True)
    with executors.executor(1, "tcp://127.0.0.1:1", WorkerContext()):
        logger.error("lost")
    assert caplog.messages == []
    logger.error("later")
    assert caplog.messages == ["later"]


@contextmanager
def started(module: str, *words: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A part of Dask in a process of its own, and its output until then."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said = next((found[0] for line in process.stderr if (found := re.search(until, line))), None)
        assert said is not None, f"{module} has ended without saying {until}"
        yield process, said
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.stderr.close()
        process.wait()


def run(target: str, folder: Path, scheduler: str = "", kill: subprocess.Popen[str] | None = None) -> State:
    """Run a campaign to its end; optionally kill a worker after a third of it."""
    with opened(target, "s", folder) as campaign:
        campaign.attempts, campaign.scheduler, campaign.edges = 40, scheduler, target == TELLING
        for event in campaign.run(PROGRAMS, 1):
            if isinstance(event, ProgramRun) and event.number == PROGRAMS // 3 and kill is not None:
                os.killpg(kill.pid, signal.SIGKILL)
        return campaign.state


@pytest.mark.slow
@dask
def test_a_scheduler_that_is_killed_ends_the_campaign_with_one_message(tmp_path: Path) -> None:
    with (
        started("dask_scheduler", *SCHEDULER, until=r"tcp://127\.0\.0\.1:\d+") as (scheduler, address),
        started("dask_worker", address, *WORKER, str(tmp_path / "1"), until="Registered to"),
    ):
        words = ["fuzz", "independent", "--max-time", "10m", "--out", str(tmp_path / "f"), "--scheduler", address]
        fuzz = subprocess.Popen(
            [sys.executable, "-m", "otterproof", *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert fuzz.stderr is not None
        assert "/s, " in next(fuzz.stderr), "programs are being run"
        os.killpg(scheduler.pid, signal.SIGKILL)
        _, said = fuzz.communicate(timeout=60)
    last = [one for one in said.splitlines() if not one.startswith("fuzzing independent: ")]
    assert last == [f"otterproof: the scheduler at {address} is gone; start it again, and go on with --resume"]
    assert fuzz.returncode == 3


@pytest.mark.slow
@dask
@pytest.mark.parametrize("target", [TARGET, TELLING], ids=["engine", "telling-edges"])
def test_two_workers_of_which_one_is_killed_give_what_one_process_gives(target: str, tmp_path: Path) -> None:
    with started("dask_scheduler", *SCHEDULER, until=r"tcp://127\.0\.0\.1:\d+") as (_, address):
        first = started("dask_worker", address, *WORKER, str(tmp_path / "1"), until="Registered to")
        other = started("dask_worker", address, *WORKER, str(tmp_path / "2"), until="Registered to")
        with first as (doomed, _), other:
            torn = run(target, tmp_path / "torn", address, doomed)
            assert doomed.wait(30) == -signal.SIGKILL
    whole = run(target, tmp_path / "whole")
    assert torn == whole
    assert torn.done == PROGRAMS
    assert bool(torn.findings) == (target == TARGET)
    assert any(area is Area.EDGE for area, _ in torn.seen) == (target == TELLING)
