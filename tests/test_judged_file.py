"""The file of judged faults: what is read back, what is judged again, and that the causes stay the same.

The file saves hours, so two things must be right: it reports nothing that a new run would not report, and a change of
the sources causes everything that depends on it, and little else, to be judged again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.causes import Cause, causes
from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import dependence
from otterproof.harness.runs.faults.dependence import edits_key, key
from otterproof.harness.runs.faults.detect import Reach, ScenarioTask, result, workers
from otterproof.harness.runs.faults.judged_file import Judged, JudgedFile, JudgedFileError, Outcome, outcome_of
from otterproof.harness.runs.faults.localise import Localisation, Localiser, choose
from otterproof.harness.runs.faults.reach import about
from otterproof.harness.runs.faults.sightings import View
from otterproof.harness.runs.workers import Pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import terminal

FAULT = "mac-skips-flags"
KEYS = {"conformance.a[v3]": "1", "conformance.b[v3]": "2"}
REACH = Reach("conformance.a[v3]", True, "", 0.5, frozenset({("a.py", 3), ("a.py", 64), ("b.py", 1)}), {})
SHAPE = ("target", "receive", "data", "text_received secure yes")
OUTCOME = Outcome("conformance.a[v3]", Verdict.FAIL, "data.counter-replayed", 4, Level.MUST, SHAPE)


def begun(path: Path, keys: dict[str, str]) -> JudgedFile:
    file = JudgedFile(path, keys)
    file.begin()
    return file


def test_what_was_noted_is_read_again(tmp_path: Path) -> None:
    written = begun(tmp_path / "state", KEYS)
    random_runs = replace(REACH, scenario="conformance.b[v3]", examples={7: frozenset({("a.py", 5)}), 9: frozenset()})
    written.note_survey(REACH)
    written.note_survey(random_runs)
    answer = Outcome("readings.b[v3]", Verdict.PASS, "", 2, reading="TLV-AFTER-END:process")
    written.note_fault(Judged(FAULT, "e", KEYS, (OUTCOME, answer)))
    again = begun(tmp_path / "state", KEYS)
    assert again.surveys == {REACH.scenario: REACH, random_runs.scenario: random_runs}
    assert again.judged == written.judged
    assert (tmp_path / "state").read_text().count('"keys"') == 1


def test_a_scenario_that_changed_is_surveyed_again(tmp_path: Path) -> None:
    begun(tmp_path / "state", KEYS).note_survey(REACH)
    assert not begun(tmp_path / "state", KEYS | {REACH.scenario: "other"}).surveys
    assert begun(tmp_path / "state", KEYS).surveys, "the sources are again as they were"


def test_a_line_that_is_not_whole_counts_for_nothing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    begun(path, KEYS).note_survey(REACH)
    whole = path.read_text()
    path.write_text(whole + '{"fault": "mac-sk')
    assert begun(path, KEYS).surveys == {REACH.scenario: REACH}
    assert path.read_text() == whole


@pytest.mark.parametrize("line", ["[]", "{}", "nonsense", '{"fault": "a", "edits": "", "outcomes": [["x"]]}'])
def test_another_file_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "state").write_text(line + "\n")
    with pytest.raises(JudgedFileError, match="line 1, is no judgement"):
        begun(tmp_path / "state", KEYS)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with workers(1) as started:
        yield started


def measure(pool: Pool, tmp_path: Path, only: str) -> tuple[Localisation, Localiser]:
    """A measure of FAULT by some scenarios, with a file; results that are not in the file have yet to be determined."""
    record = choose({FAULT: faults()[FAULT]})
    record.scenarios = {name: one for name, one in record.scenarios.items() if only in name}
    file = begun(tmp_path / "state", {name: key(one) for name, one in record.scenarios.items()})
    return record, Localiser(record, pool, file)


def test_an_interrupted_measure_goes_on_and_tells_the_same(pool: Pool, tmp_path: Path) -> None:
    record, localiser = measure(pool, tmp_path, "conformance.data_protection.")
    assert (len(localiser.unsurveyed), localiser.unjudged) == (len(record.scenarios), [FAULT])
    assert terminal.collect_located(localiser) is Ending.COMPLETE
    again, later = measure(pool, tmp_path, "conformance.data_protection.")
    assert (later.unsurveyed, later.unjudged) == ([], [])
    assert list(later.judge()) == []
    assert again.located == record.located
    assert again.located[FAULT].failures > 0


def test_only_what_depends_on_a_change_is_judged_again(pool: Pool, tmp_path: Path) -> None:
    _, localiser = measure(pool, tmp_path, "conformance.data_protection.")
    assert terminal.collect_located(localiser) is Ending.COMPLETE
    judged = localiser.kept.judged[FAULT]
    assert localiser.unjudged == []
    name, *others = localiser.record.scenarios
    localiser.kept.judged[FAULT] = replace(judged, keys={**judged.keys, name: "before"})
    assert localiser.stale(FAULT) == {name}
    localiser.kept.judged[FAULT] = replace(judged, edits="before")
    assert localiser.stale(FAULT) == {name, *others}
    failed = judged.outcomes[0]
    localiser.kept.judged[FAULT] = replace(judged, outcomes=(replace(failed, level=Level.ADVICE),))
    assert localiser.stale(FAULT) == {failed.scenario}, "its check was advice then"


def test_the_key_of_a_scenario_depends_on_what_its_module_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    load()
    ranges = next(scenarios("conformance.smp_ranges."))
    tlv = next(scenarios("conformance.tlv."))
    before = key(ranges), key(tlv)
    digest = dependence._digest

    def changed(name: str) -> object:
        return lambda module: "changed" if module == f"otterproof.{name}" else digest(module)

    monkeypatch.setattr(dependence, "_digest", changed("scenarios.conformance.tlv"))
    assert (key(ranges) == before[0], key(tlv) == before[1]) == (True, False)
    monkeypatch.setattr(dependence, "_digest", changed("harness.testkit.context"))
    assert (key(ranges) == before[0], key(tlv) == before[1]) == (False, False)
    monkeypatch.setattr(dependence, "_digest", changed("harness.judges.oracles.form"))
    assert key(tlv) != before[1]
    monkeypatch.setattr(dependence, "_digest", changed("harness.runs.causes"))
    assert (key(ranges), key(tlv)) == before


def test_the_key_of_a_fault_depends_on_its_edits_alone() -> None:
    fault = faults()[FAULT]
    assert edits_key(replace(fault, summary="Another one.", requirement="DATA-MAC-1")) == edits_key(fault)
    assert edits_key(replace(fault, edits=(replace(fault.edits[0], replace="pass"),))) != edits_key(fault)


def told(found: list[Cause]) -> list[tuple[object, ...]]:
    return [(one.first.scenario, one.first.check, one.told, one.consequence, len(one.results)) for one in found]


def test_causes_from_what_is_kept_are_those_of_the_run() -> None:
    load()
    target = View.THIRD_PARTY.target(FAULT)
    chosen = [*scenarios("conformance.data_protection."), *scenarios("conformance.tlv.")]
    results = [result(ScenarioTask(one.id), target) for one in chosen if View.THIRD_PARTY.adds(one)]
    assert any(one.failure for one in results)
    assert told(causes([outcome_of(one).as_result() for one in results])) == told(causes(results))


def test_a_scenario_that_does_not_reach_a_fault_passes(pool: Pool, tmp_path: Path) -> None:
    """This makes the measure affordable: such scenarios are not run with the fault, and count as passed."""
    name = "smp-pa-range-not-checked"
    record = choose({name: faults()[name]})
    record.scenarios = {one.id: one for one in scenarios("conformance.smp_states") if View.THIRD_PARTY.adds(one)}
    record.scenarios |= {one.id: one for one in scenarios("conformance.tlv.") if View.THIRD_PARTY.adds(one)}
    file = begun(tmp_path / "state", {name: key(one) for name, one in record.scenarios.items()})
    list(Localiser(record, pool, file).survey())
    lines, target = about(faults()[name].edits), View.THIRD_PARTY.target(name)
    unreached = [one.scenario for one in file.surveys.values() if one.task(lines) is None]
    assert 0 < len(unreached) < len(record.scenarios)
    assert {result(ScenarioTask(one), target).verdict for one in unreached} == {Verdict.PASS}
