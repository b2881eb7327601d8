"""How soon `fuzz` notices faults: the measure, its storage, and one fault measured by the command."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from otterproof.harness.runs import bench_cases
from otterproof.harness.runs.bench_cases import Calls
from otterproof.harness.runs.faults.brought_about import brought_about, recorded
from otterproof.harness.runs.faults.detection import (
    DetectionFileError,
    DetectionMeasurement,
    Noticed,
    choose,
    kept,
    notice,
    read,
)
from otterproof.harness.runs.faults.drawn import drawn
from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.runs.fuzz.execute import attempt, prepare
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.simulation.moves import Craft
from otterproof.harness.targets.engines import LockstepTarget, SingleEngineTarget
from otterproof.harness.targets.faults import faults
from otterproof.harness.targets.faults.loader import engine
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.ui import cli
from otterproof.implementations.contract import Engine, Entropy, PartyConfig
from otterproof.implementations.reference import ReferenceEngine, numbers


def _record(*counts: tuple[int, int]) -> DetectionMeasurement:
    """A record of faults noticed after so many programs of `fuzz`, and after so many programs of single acts."""
    record = choose(faults(), len(counts), 1, 100, ways=(Way.FEEDBACK, Way.SINGLE_ACTS))
    for name, pair in zip(record.faults, counts, strict=True):
        for way, programs in zip(record.ways, pair, strict=True):
            record.found[name, "1", way] = Noticed(programs, 1.5, "some.check" if programs else "")
    return record


def test_what_is_not_noticed_takes_longer_than_all_that_is() -> None:
    record = _record((3, 10), (5, 0), (0, 0))
    assert (record.median_programs(Way.FEEDBACK), record.median_programs(Way.SINGLE_ACTS)) == (5, math.inf)
    assert record.ratio is None
    assert record.share(Way.FEEDBACK) == pytest.approx(2 / 3)
    assert _record((3, 10), (5, 20), (0, 30)).ratio == 5 / 20
    assert record.unnoticed == [list(record.faults)[2]]
    plain = json.loads(json.dumps(record.as_json()))["ways"]
    assert plain["single-acts"]["programs_median"] is None
    assert sum(pair[1] for pair in plain["feedback"]["by_observer"].values()) == 3


def test_only_what_was_run_in_all_ways_counts() -> None:
    record = _record((3, 10), (5, 0))
    del record.found[next(iter(record.faults)), "1", Way.SINGLE_ACTS]
    assert [one.programs for one in record.of(Way.FEEDBACK).values()] == [5]


def test_a_measurement_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    path, record = tmp_path / "seen.json", _record((3, 10), (5, 0))
    assert list(kept(path, record, iter(["x"]))) == ["x"]
    again = choose(faults(), 2, 1, 100, ways=record.ways)
    read(path, again)
    assert again.found == record.found
    read(tmp_path / "none", again)
    for other in (choose(faults(), 2, 1, 99), choose(faults(), 2, 1, 100, compared=True)):
        with pytest.raises(DetectionFileError, match="another --programs"):
            read(path, other)
    path.write_text("[]")
    with pytest.raises(DetectionFileError, match="no file of detection"):
        read(path, again)


def test_a_run_ends_when_its_time_is_up() -> None:
    assert notice(FaultTarget("trailing-bytes-accepted"), "s", 1000, Way.FEEDBACK, seconds=0).programs == 0


def test_what_no_oracle_objects_to_shows_beside_a_genuine_engine() -> None:
    """tag-shown: what a user is shown is the client's choice, so oracles do not object."""
    assert notice(FaultTarget("tag-shown"), "1", 5, Way.AFRESH).programs == 0
    (found,) = brought_about(["tag-shown"], "1", Way.AFRESH, 5, 60)
    assert (found.fault, 0 < found.programs <= 5, found.seconds > 0) == ("tag-shown", True, True)


@pytest.mark.parametrize("way", [Way.AFRESH, Way.SINGLE_ACTS])
def test_a_fault_is_brought_about_by_the_program_in_which_two_engines_differ(way: Way) -> None:
    """Replaying a recording gives the same result as engines running side by side."""
    names = ["error-not-shown", "tags-in-version-2", "smp-with-undefined-flag", "query-ignored-during-handshake"]
    found = {one.fault: one.programs for one in brought_about(names, "3", way, 12, 60)}
    for name in names:
        programs = islice(drawn(_Beside(name), "3", way), 12)
        differing = [number for number, (made, _) in enumerate(programs, start=1) if attempt(made) is not None]
        assert found.get(name, 0) == (differing or [0])[0], name


def test_the_genuine_engine_answers_as_recorded() -> None:
    target = SingleEngineTarget("reference", ReferenceEngine)
    for made, _ in islice(drawn(target, "1", Way.AFRESH), 6):
        recording = recorded(made)
        assert recording.complete
        assert len(recording.parties) == 1
        assert recording.answered_alike("reference", ReferenceEngine, None)
        assert {call.method for call in recording.calls} >= {"inspect", "secrets", "receive"}


class _Beside(LockstepTarget):
    """The engine with a fault beside a genuine one."""

    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        return {"faulty": engine(self.name)(config, entropy), "genuine": ReferenceEngine(config, entropy)}


@pytest.mark.slow
def test_the_command_compares_the_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--detection", "--faults", "1", "--programs", "30", "--jobs", "1"]
    state = ["--state", str(tmp_path / "seen.json")]
    assert cli.main([*words, *state, "--json", str(tmp_path / "result.json")]) == 0
    shown = capsys.readouterr().out
    assert "median until noticed" in shown
    assert "1 of 1 run in all ways" in shown
    written = json.loads((tmp_path / "result.json").read_text())["detection"]
    assert {one["way"] for one in written["runs"]} == {"feedback", "afresh", "single-acts"}
    assert written["runs"] == json.loads((tmp_path / "seen.json").read_text())["runs"]


@pytest.mark.slow
def test_the_command_compares_with_a_genuine_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", "--detection", "--lockstep", "--faults", "8", "--programs", "10", "--jobs", "1"]
    state = ["--way", "feedback", "--state", str(tmp_path / "seen.json")]
    for _ in range(2):  # the second time, everything is already known
        assert cli.main([*words, *state]) == 0
        shown = capsys.readouterr().out
        assert "8 of 778 faults, compared with a genuine engine, 1 seed" in " ".join(shown.split())
        assert "8 of 8 run in all ways" in " ".join(shown.split())


@pytest.mark.parametrize("words", [["--faults", "3"], ["--all"], ["--seeds", "2"], ["--way", "afresh"]])
def test_options_that_mean_nothing_together_are_refused(words: list[str]) -> None:
    assert cli.main(["bench", *words]) == 2


def test_the_bare_cryptography_is_what_the_engine_calls() -> None:
    target = SingleEngineTarget("reference", ReferenceEngine)
    genuine = numbers.Exponent.applied_to, numbers.sha1
    with bench_cases.recorded() as calls:
        assert attempt(program("s", 0, target)) is None
    assert (numbers.Exponent.applied_to, numbers.sha1) == genuine
    assert len(calls.made) > 20
    assert calls.again(time.perf_counter) > 0
    with bench_cases.recorded() as again:
        assert Calls(calls.made).again(time.perf_counter) > 0
    assert not again.made, "it is nothing but the primitives"


def test_what_insiders_compute_counts_once() -> None:
    target, remembered = SingleEngineTarget("reference", ReferenceEngine), set[object]()
    programs = islice(drawn(target, bench_cases.SEED, Way.FEEDBACK), 12)
    (made, _) = next(one for one in programs if sum(isinstance(move, Craft) for move in one[0].moves) > 3)
    prepare(made)
    counts = []
    for _ in range(2):
        with bench_cases.recorded(remembered) as calls:
            assert attempt(made) is None
        counts.append(Counter(call.func.__name__ for call in calls.made))
    assert remembered
    assert counts[0] - counts[1] == {"power": len(remembered)}
