"""Targets that hang: a call that keeps failing is given up, and the duration of a run is bounded."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from otterproof.harness.runs.runner import Job, judge, results_of, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import (
    DriverTarget,
    GivingUp,
    Limits,
    TargetCrash,
    TargetDesync,
    TargetGivenUp,
    TargetHang,
    TargetMissing,
    TargetStranded,
)
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.options import seconds
from otterproof.harness.ui.progress import SECONDS, Status
from otterproof.implementations.contract import Event
from otterproof.implementations.reference import ReferenceEngine
from tests.test_driver_supervisor import CONFIG

load()
ROGUE = Path(__file__).parents[1] / "rogue_driver.py"


def fails(giving_up: GivingUp, method: str, error: Exception) -> None:
    with pytest.raises(type(error)), giving_up.watching("it", method):
        raise error


def answers(giving_up: GivingUp, method: str) -> None:
    with giving_up.watching("it", method):
        pass


@pytest.mark.parametrize(
    "error", [TargetHang("no answer"), TargetDesync("garbage"), TargetCrash("SIGSEGV"), TargetStranded("no screen")]
)
def test_a_method_is_given_up_and_the_others_are_not(error: Exception) -> None:
    giving_up = GivingUp(2)
    for _ in range(2):
        fails(giving_up, "receive", error)
        giving_up.next_case()
    with pytest.raises(TargetGivenUp, match=f"it: receive is no longer called after 2 failures in a row.*: {error}"):
        answers(giving_up, "receive")
    answers(giving_up, "send")


@pytest.mark.parametrize("error", [TargetHang("no answer"), TargetStranded("the screen has ended")])
def test_what_takes_long_is_forgotten_when_a_whole_case_went_well(error: Exception) -> None:
    giving_up = GivingUp(2)
    for _ in range(3):
        fails(giving_up, "receive", error)
        giving_up.next_case()
        answers(giving_up, "receive")
        giving_up.next_case()
    for _ in range(2):  # two answers before each hang are not enough
        answers(giving_up, "receive")
        fails(giving_up, "receive", error)
        giving_up.next_case()
    with pytest.raises(TargetGivenUp):
        answers(giving_up, "receive")


def test_a_crash_is_forgotten_with_the_next_answer() -> None:
    giving_up = GivingUp(2)
    for _ in range(5):
        fails(giving_up, "receive", TargetCrash("SIGSEGV"))
        giving_up.next_case()
        answers(giving_up, "receive")


def test_nothing_is_given_up_without_a_limit() -> None:
    giving_up = GivingUp()
    for _ in range(50):
        fails(giving_up, "receive", TargetHang("no answer"))
    answers(giving_up, "receive")


@pytest.mark.parametrize("misdeed", ["exit", "no_events", "stranded"])
def test_a_driver_is_not_asked_for_what_is_given_up(misdeed: str) -> None:
    target = DriverTarget("rogue", [sys.executable, ROGUE, misdeed], 20.0)
    target.giving_up.limit = 2
    try:
        for _ in range(2):
            party = target.party("alice", CONFIG, b"seed")
            with pytest.raises((TargetCrash, TargetDesync, TargetStranded)):
                party.start()
            with pytest.raises(TargetCrash, match="has ended"):
                party.send(b"to the dead")  # not a failure of `send`
            target.reset()
        party = target.party("alice", CONFIG, b"seed")
        with pytest.raises(TargetGivenUp, match="rogue: start is no longer called"):
            party.start()
        assert party.send(b"hi") == []
    finally:
        target.close()


class Asleep(ReferenceEngine):
    """Never returns from the first message."""

    def receive(self, message: bytes) -> list[Event]:
        while True:
            pass


def test_an_engine_in_this_process_is_given_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.targets.guarded.PATIENCE", 0.01)
    target = SingleEngineTarget("asleep", Asleep)
    target.giving_up.limit = 2
    chosen = list(scenarios("conformance.interop.handshake_asked"))[:3]
    verdicts = [run(one, target, b"seed").verdict for one in chosen]
    assert verdicts == [Verdict.HANG, Verdict.HANG, Verdict.GIVEN_UP]


def test_a_check_gives_up_what_always_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def asleep(_: str, limits: Limits, trace: object = None) -> SingleEngineTarget:
        target = SingleEngineTarget("asleep", Asleep)
        target.giving_up.limit = limits.give_up_after
        return target

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("otterproof.harness.targets.guarded.PATIENCE", 0.01)
    for module in ("runs.judging", "runs.worker_context"):
        monkeypatch.setattr(f"otterproof.harness.{module}.open_target", asleep)
    words = ["asleep", "--only", "conformance.negotiation", "--without", "[v2]", "--jobs", "1", "--json", "out.json"]
    assert cli.main(["check", *words, "--give-up-after", "3"]) == 1
    (content,) = json.loads(Path("out.json").read_text())["runs"]
    counts = content["counts"]
    assert counts["hang"] == 3
    assert counts["given_up"] > 5
    assert counts["infra"] == 0
    given_up = [one for one in content["scenarios"] if one["verdict"] == "given_up"]
    assert all("receive is no longer called after 3 failures in a row" in one["detail"] for one in given_up)
    assert all(one["transcripts"] == [] for one in given_up)
    assert "does not conform" in capsys.readouterr().out


def test_limits_reach_drivers_and_engines() -> None:
    target = open_target("fault:counter-constant", Limits(1.5, 4))
    assert isinstance(target, SingleEngineTarget)
    assert target.giving_up.limit == 4


@pytest.mark.parametrize(
    "words",
    [
        ["check", "exec:driver"],
        ["fuzz", "exec:driver", "--out", "out"],
        ["matrix", "exec:driver", "--out", "out"],
        ["replay", "transcript.jsonl", "--target", "exec:driver"],
        ["vectors", "verify", "--kind", "tlvs", "--target", "exec:driver"],
    ],
)
def test_the_time_limit_of_calls_is_an_option(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def driver(name: str, command: object, seconds: float, trace: object = None) -> DriverTarget:
        asked.append(seconds)
        raise TargetMissing("it is not there")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("otterproof.harness.targets.registry.DriverTarget", driver)
    (chosen,) = scenarios("conformance.interop.handshake_asked_by_target[v3]")
    result = run(chosen, SingleEngineTarget("reference", ReferenceEngine), b"seed", tmp_path, keep=True)
    Path(result.transcripts[0]).rename("transcript.jsonl")
    assert cli.main([*words, "--timeout", "1.5"]) == 3
    assert asked == [1.5]


@pytest.mark.parametrize(
    "words",
    [
        ["--timeout", "0"],
        ["--timeout", "inf"],
        ["--max-time", "-1"],
        *(["--max-time", wrong] for wrong in ("x", "m", "", "1h30", "30m1h", "1.2.3m", "h")),
    ],
)
def test_times_must_be_times(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", *words])
    assert "is not a time above 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("90", 90.0),
        ("1.5", 1.5),
        ("10s", 10.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1h5s", 3605.0),
        ("2m30s", 150.0),
        ("1e-9", 1e-9),
    ],
)
def test_times_may_have_a_unit(text: str, wanted: float) -> None:
    assert seconds(text) == wanted


# ---- --max-time, and progress


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_after_its_time_no_scenario_is_begun(processes: int) -> None:
    chosen = list(scenarios("conformance.interop.handshake_asked"))
    begun = iter([True, True])
    job = Job("reference", b"seed", None, False)
    results = list(results_of(judge(job, chosen, processes, lambda: next(begun, False))))
    assert len(results) == 2 < len(chosen)


def test_a_check_that_is_out_of_time_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["check", "reference", "--only", "conformance.interop", "--jobs", "1", "--json", "out.json"]
    assert cli.main([*words, "--max-time", "1e-9"]) == 3
    out = " ".join(capsys.readouterr().out.split())
    (content,) = json.loads(Path("out.json").read_text())["runs"]
    assert content["scenarios"] == []
    assert f"{len(content['not_run'])} scenarios were not run: time limit reached" in out
    assert f"not judged by all scenarios: {len(content['not_run'])} could not be run" in out


def test_a_log_gets_a_line_when_nothing_was_told_for_some_time() -> None:
    now = 0.0
    status = Status("judging it", 100, lambda: now)
    status.done = 31
    assert status.due() is None, "what is soon done needs no lines"
    now = SECONDS
    assert status.due() == "judging it: 31 of 100, 10 s"
    assert status.due() is None
    assert Status("it", None, lambda: now).due() is None
