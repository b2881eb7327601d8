"""A whole run through the public API: the events, their order, and what is reported before the first one."""

from __future__ import annotations

import errno
from collections.abc import Generator
from pathlib import Path

import pytest

import otterproof
from otterproof import (
    CauseFound,
    Ending,
    OtterproofError,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    ScenarioStarted,
    Verdict,
)
from otterproof.harness.runs import deviations
from otterproof.harness.runs.events import Event
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.ui.run_view import follow_run

ONLY = ("conformance.data_counters.counter_0",)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_events_of_a_run(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, *between, last = otterproof.run("fault:counter-starts-at-0", only=ONLY, jobs=jobs)
    assert isinstance(first, RunStarted)
    assert isinstance(last, RunFinished)
    names = {one.id for one in first.chosen}
    assert len(names) == 2
    begun, ended = set[str](), set[str]()
    for event in between[: 2 * len(names)]:
        if isinstance(event, ScenarioStarted):
            begun.add(event.scenario)
        else:
            assert isinstance(event, ScenarioFinished)
            assert event.result.scenario in begun
            ended.add(event.result.scenario)
            assert (event.done, event.total) == (len(ended), len(names))
    assert begun == ended == names
    causes = between[2 * len(names) :]
    assert [cause.cause.first.check for cause in causes if isinstance(cause, CauseFound)] == ["form.counter-zero"]
    assert last.ending is Ending.COMPLETE
    assert {result.scenario for result in last.results} == names
    assert all(Path(path).is_file() for result in last.results for path in result.transcripts)


def test_what_is_wrong_with_a_request_is_raised_at_once() -> None:
    with pytest.raises(OtterproofError, match="no scenario's id contains"):
        otterproof.run("reference", only=["nothing-of-that-name"])
    with pytest.raises(OtterproofError, match="name it with --known"):
        otterproof.run("reference", fix=True)
    with pytest.raises(OtterproofError, match="there are ci, nightly"):
        otterproof.run("reference", profile="weekly")


def test_ctrl_c_ends_a_run_with_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    events = otterproof.run("reference", only=ONLY)
    while not isinstance(next(events), ScenarioFinished):
        pass
    last = events.throw(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        next(events)
    assert isinstance(last, RunFinished)
    assert last.ending is Ending.INTERRUPTED
    assert [result.verdict for result in last.results] == [Verdict.PASS]


def test_enough_failures_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    *_, last = otterproof.run("fault:counter-starts-at-0", only=ONLY, max_failures=1)
    assert isinstance(last, RunFinished)
    assert last.ending is Ending.ENOUGH_FAILED
    assert len(last.results) == 1


def test_a_full_disk_ends_a_run_with_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutputError("known.toml", OSError(errno.ENOSPC, "no space left"))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(deviations, "fix", full)
    *_, last = otterproof.run("reference", only=ONLY, known=tmp_path / "known.toml", fix=True)
    assert isinstance(last, RunFinished)
    assert last.ending is Ending.NOT_WRITTEN
    assert "no space left" in last.why
    assert [result.verdict for result in last.results] == [Verdict.PASS, Verdict.PASS]


def test_ctrl_c_before_or_after_the_scenarios_ends_the_view() -> None:
    """The run has no handler there: it ends without RunFinished, and nothing is left to wait for."""

    def interrupted() -> Generator[Event, None, None]:
        yield RunStarted("mylib", "1", frozenset(), "seed", ())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow_run(interrupted())
