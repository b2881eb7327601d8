"""A whole run through the public API: which events come, in which order, and what is said before the first."""

from __future__ import annotations

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
