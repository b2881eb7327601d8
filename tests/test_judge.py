"""Judging: which verdict an outcome gets, what is recorded, and what the commands print and return."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs import bench
from otterproof.harness.runs.casting import Casting, ReplayParties
from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.runner import Job, Result, judge, results_of, run
from otterproof.harness.simulation.network import NotQuiescent
from otterproof.harness.simulation.replay import replay
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets import engines as targets
from otterproof.harness.targets.driver import (
    TargetCrash,
    TargetDesync,
    TargetFailed,
    TargetHang,
    TargetUnsupported,
)
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.lockstep import Divergence
from otterproof.harness.targets.registry import UnknownTarget, open_target
from otterproof.harness.testkit.context import TARGET, Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import Scenario, ScenarioError, load, scenario, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.json_report import as_json
from otterproof.harness.ui.judgement import print_summary
from otterproof.implementations.contract import Event, TextReceived
from otterproof.implementations.independent import IndependentEngine
from tests.commands import finished
from tests.judged import judged

load()


def made(body: Callable[[Context], None], *needs: str) -> Scenario:
    return Scenario(
        "made.up[v3]", "made", "A made-up one.\n\nMore.", 3, ("SOME-ID-1",), frozenset(needs), frozenset(), body
    )


def raising(error: Exception) -> Callable[[Context], None]:
    def body(context: Context) -> None:
        context.pair().establish(TARGET)
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "verdict", "check"),
    [
        (CheckFailed("made.up", "It holds."), Verdict.FAIL, "made.up"),
        (Unsupported("no clock"), Verdict.UNSUPPORTED, ""),
        (
            Divergence("engines-agree.events-differ", "a", "send", {}, "here"),
            Verdict.FAIL,
            "engines-agree.events-differ",
        ),
        (NotQuiescent(500, 1), Verdict.FAIL, "run.never-settles"),
        (TargetUnsupported("can't"), Verdict.UNSUPPORTED, ""),
        (TargetCrash("signal", method="receive", how="sigsegv"), Verdict.CRASH, "crash.receive.sigsegv"),
        (TargetFailed("KeyError: 9", method="receive", how="KeyError"), Verdict.CRASH, "exception.receive.KeyError"),
        (TargetHang("slow", method="receive"), Verdict.HANG, "hang.receive"),
        (TargetDesync("garbage", method="receive"), Verdict.DESYNC, "desync.receive"),
        (TargetHang("slow"), Verdict.HANG, "hang.target"),
        (ZeroDivisionError("our own fault"), Verdict.INFRA, ""),
    ],
)
def test_errors_become_verdicts(error: Exception, verdict: Verdict, check: str, tmp_path: Path) -> None:
    result = run(made(raising(error)), EngineTarget("reference"), b"seed", tmp_path)
    assert (result.verdict, result.check) == (verdict, check)
    assert str(error) in result.detail
    assert bool(result.transcripts) == (verdict is not Verdict.UNSUPPORTED)


def test_what_is_not_claimed_is_not_asked() -> None:
    result = run(made(raising(AssertionError("it was run")), "telepathy"), EngineTarget("reference"), b"seed")
    assert result.verdict is Verdict.UNSUPPORTED
    assert "telepathy" in result.detail


@pytest.mark.slow
def test_transcripts_can_be_replayed(tmp_path: Path) -> None:
    kept = run(made(lambda context: None), EngineTarget("reference"), b"s", tmp_path)
    assert kept.transcripts == ()
    (chosen,) = scenarios("conformance.interop.smp_with_question[v3]")
    result = run(chosen, EngineTarget("independent"), b"seed", tmp_path, keep=True)
    assert result.verdict is Verdict.PASS
    transcript = read_transcript(Path(result.transcripts[0]))
    assert transcript.verdict is Verdict.PASS
    for target in (None, "reference"):
        with ReplayParties(Casting(target)) as players:
            replayed = replay(transcript, players)
        assert replayed.same
        assert replayed.steps == len(list(transcript.steps())) > 10


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    (chosen,) = scenarios("conformance.interop.handshake_asked_by_target[v2]")
    texts = []
    for folder, seed in (("a", b"seed"), ("b", b"seed"), ("c", b"other")):
        result = run(chosen, EngineTarget("reference"), seed, tmp_path / folder, keep=True)
        texts.append(Path(result.transcripts[0]).read_text())
    assert texts[0] == texts[1] != texts[2]


def test_results_as_json_and_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [made(raising(CheckFailed("made.up", "Water is dry.")))]
    results = [run(one, EngineTarget("reference"), b"seed") for one in chosen]
    content = as_json(judged(results))
    assert content["counts"]["fail"] == 1
    assert content["scenarios"][0]["scenario"] == "made.up[v3]"
    assert content["requirements"] == {"SOME-ID-1": "fail"}
    json.dumps(content)
    print_summary(judged(results, chosen=chosen))
    text = capsys.readouterr().out
    for part in ("FAIL  made.up", "1 scenario, version 3", "Water is dry.", "--only 'made.up[v3]'", "does not conform"):
        assert part in text


def test_a_requirement_has_its_worst_verdict() -> None:
    results = [Result("a", ("R",), Verdict.PASS, "", 1, 0), Result("b", ("R",), Verdict.CRASH, "", 1, 0)]
    assert as_json(judged(results))["requirements"] == {"R": "crash"}


@pytest.mark.slow
def test_processes_find_the_same_as_one() -> None:
    chosen = list(scenarios("handshake_asked"))
    found = [
        sorted((result.scenario, result.verdict, result.steps) for result in results_of(judge(job, chosen, processes)))
        for job in [Job("independent", b"seed", None, False)]
        for processes in (1, 2)
    ]
    assert len(found[0]) == 4
    assert found[0] == found[1]


def test_scenarios_must_be_described_and_unique(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "otterproof.harness.testkit.scenario._TABLE", {}
    )  # this test does not touch the table that others read

    def nameless(context: Context) -> None:
        pass

    with pytest.raises(ScenarioError, match="docstring"):
        scenario()(nameless)
    nameless.__doc__ = "Now it has one."
    scenario(versions=(2,))(nameless)
    with pytest.raises(ScenarioError, match="rename one"):
        scenario(versions=(2,))(nameless)


def test_unknown_targets_are_told_what_there_is() -> None:
    with pytest.raises(UnknownTarget, match=r"did you mean libotr\?"):
        open_target("libotter")
    with pytest.raises(UnknownTarget, match="reference, independent"):
        open_target("zzzz")


class Deaf(IndependentEngine):
    """Shows no encrypted text."""

    def receive(self, message: bytes) -> list[Event]:
        return [event for event in super().receive(message) if not (isinstance(event, TextReceived) and event.secure)]


@pytest.mark.slow
def test_exit_codes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    one = ["--only", "conformance.interop.alternating", "--jobs", "1"]
    assert cli.main(["check", *one, "--json", "out.json", "--transcripts", "all"]) == 0
    assert json.loads(Path("out.json").read_text())["runs"][0]["counts"]["pass"] == 2
    assert cli.main(["check", *one, "--without", "[v2]", "--json", "out.json"]) == 0
    assert json.loads(Path("out.json").read_text())["runs"][0]["counts"]["pass"] == 1
    good = str(sorted(Path("all").glob("*.jsonl"))[0])
    assert cli.main(["replay", good]) == 0
    assert "SAME" in capsys.readouterr().out

    monkeypatch.setitem(targets.ENGINES, "independent", Deaf)
    assert cli.main(["check", *one]) == 1
    out = capsys.readouterr().out
    assert "does not conform" in out
    assert "alternating_data_messages" in out
    failed = str(next(Path("otterproof-failures").rglob("*.jsonl")))
    assert cli.main(["replay", failed]) == 1, "it fails as recorded"
    assert "FAILED" in capsys.readouterr().out
    assert cli.main(["replay", good]) == 1
    out = capsys.readouterr().out
    assert "DRIFTED" in out
    assert "differs from the recording" in out
    monkeypatch.setitem(targets.ENGINES, "independent", IndependentEngine)
    assert cli.main(["replay", failed]) == 0
    out = capsys.readouterr().out
    assert "FIXED" in out
    assert "differs from the recording" in out


@pytest.mark.slow
def test_a_missing_target_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = finished("check", "libotr", cwd=tmp_path)
    assert done.returncode == 3
    assert "apt-get install gcc pkg-config libotr5-dev" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_bench_has_the_promised_figures() -> None:
    groups = list(bench.measure(rounds=1))
    assert [one[0].name for one in groups] == list(bench.MEASUREMENTS)[: len(groups)]
    figures = [figure for group in groups for figure in group]
    assert {"ratchet_vs_crypto", "ake_vs_crypto", "snapshot", "driver_call"} <= {one.name for one in figures}
    assert {one.name for one in figures} <= set(bench.FIGURES)
    assert all(one.value > 0 for one in figures)


def test_bench_says_what_is_being_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The title that is shown after each measurement names the next one."""
    figures = [(bench.Figure(name, 1.0),) for name in bench.MEASUREMENTS]
    titles: list[str] = []

    def follow(items: Any, total: int, title: Any) -> Any:
        titles.append(title(None))
        titles.extend(title(one) for one in items)
        return list(items), Ending.INTERRUPTED

    monkeypatch.setattr(bench, "measure", lambda: figures)
    monkeypatch.setattr("otterproof.harness.ui.commands.bench.follow", follow)
    with pytest.raises(KeyboardInterrupt):
        cli.main(["bench"])
    assert titles[:-1] == [f"measuring {name}" for name in bench.MEASUREMENTS]


def test_a_figure_is_within_its_limit_or_not() -> None:
    for name, meaning in bench.FIGURES.items():
        if meaning.limit is None:
            assert bench.Figure(name, 1e9).within is None
            continue
        more, less = bench.Figure(name, meaning.limit * 1.01), bench.Figure(name, meaning.limit * 0.99)
        most = meaning.bound is bench.Bound.MOST
        assert (more.within, less.within) == (not most, most)
        assert bench.Figure(name, meaning.limit).within
