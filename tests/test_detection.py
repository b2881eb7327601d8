"""How soon `fuzz` notices faults: the measure, what is kept of it, and one fault measured by the command."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

import pytest

from otterproof.harness.runs.bench_cases import Calls, recorded
from otterproof.harness.runs.faults.detection import Detection, DetectionFileError, Noticed, choose, kept, notice, read
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.targets.engines import EngineTarget, SingleEngineTarget
from otterproof.harness.targets.faults import faults
from otterproof.harness.targets.faults.target import ComparedFaultTarget, FaultTarget
from otterproof.harness.ui import cli
from otterproof.implementations.reference import ReferenceEngine, numbers


def _record(*counts: tuple[int, int]) -> Detection:
    """Of faults that were noticed after so many programs with the schedule, and so many without."""
    record = choose(faults(), len(counts), 1, 100)
    for name, pair in zip(record.faults, counts, strict=True):
        for way, programs in zip((True, False), pair, strict=True):
            record.found[name, "1", way] = Noticed(programs, 1.5, "some.check" if programs else "")
    return record


def test_what_is_not_noticed_takes_longer_than_all_that_is() -> None:
    record = _record((3, 10), (5, 0), (0, 0))
    assert (record.median_programs(feedback=True), record.median_programs(feedback=False)) == (5, math.inf)
    assert record.ratio is None
    assert record.share(feedback=True) == pytest.approx(2 / 3)
    assert _record((3, 10), (5, 20), (0, 30)).ratio == 5 / 20
    assert record.unnoticed == [list(record.faults)[2]]
    plain = json.loads(json.dumps(record.as_json()))
    assert plain["without_feedback"]["programs_median"] is None
    assert sum(pair[1] for pair in plain["with_feedback"]["by_observer"].values()) == 3


def test_only_what_was_run_both_ways_is_compared() -> None:
    record = _record((3, 10), (5, 0))
    del record.found[next(iter(record.faults)), "1", False]
    assert [one.programs for one in record.of(feedback=True).values()] == [5]


def test_a_measurement_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    path, record = tmp_path / "seen.json", _record((3, 10), (5, 0))
    assert list(kept(path, record, iter(["x"]))) == ["x"]
    again = choose(faults(), 2, 1, 100)
    read(path, again)
    assert again.found == record.found
    read(tmp_path / "none", again)
    for other in (choose(faults(), 2, 1, 99), choose(faults(), 2, 1, 100, lockstep=True)):
        with pytest.raises(DetectionFileError, match="another --programs"):
            read(path, other)
    path.write_text("[]")
    with pytest.raises(DetectionFileError, match="no file of detection"):
        read(path, again)


def test_a_run_ends_when_its_time_is_up() -> None:
    assert notice(FaultTarget("trailing-bytes-accepted"), "s", 1000, feedback=True, seconds=0).programs == 0


def test_beside_a_genuine_engine_a_fault_shows_that_no_oracle_objects_to() -> None:
    """tag-shown: what a user reads is the choice of a client, so oracles let it be."""
    alone, compared = (notice(kind("tag-shown"), "1", 5, feedback=False) for kind in (FaultTarget, ComparedFaultTarget))
    assert (alone.programs, compared.check) == (0, "engines-agree.events-differ")
    assert not notice(EngineTarget("reference"), "1", 5, feedback=False).programs


@pytest.mark.slow
def test_the_command_compares_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--detection", "--faults", "1", "--programs", "30", "--jobs", "1"]
    state = ["--state", str(tmp_path / "seen.json")]
    assert cli.main([*words, *state, "--json", str(tmp_path / "result.json")]) == 0
    shown = capsys.readouterr().out
    assert "median until noticed" in shown
    assert "1 of 1 compared" in shown
    written = json.loads((tmp_path / "result.json").read_text())["detection"]
    assert {one["feedback"] for one in written["runs"]} == {True, False}
    assert written["runs"] == json.loads((tmp_path / "seen.json").read_text())["runs"]


@pytest.mark.parametrize("words", [["--faults", "3"], ["--all"], ["--seeds", "2"]])
def test_options_that_mean_nothing_together_are_refused(words: list[str]) -> None:
    assert cli.main(["bench", *words]) == 2


def test_the_bare_cryptography_is_what_the_engine_calls() -> None:
    target = SingleEngineTarget("reference", ReferenceEngine)
    genuine = numbers.Exponent.applied_to, numbers.sha1
    with recorded() as calls:
        assert attempt(program("s", 0, target)) is None
    assert (numbers.Exponent.applied_to, numbers.sha1) == genuine
    assert len(calls.made) > 20
    assert calls.again(time.perf_counter) > 0
    with recorded() as again:
        assert Calls(calls.made).again(time.perf_counter) > 0
    assert not again.made, "it is nothing but the primitives"
