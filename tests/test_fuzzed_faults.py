"""How many findings campaigns make of one fault: the measure, and one fault measured."""

from __future__ import annotations

import json

import pytest

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.fuzzed import FindingSize, Fuzzed, Fuzzing, choose, share_of
from otterproof.harness.targets.faults import faults
from otterproof.harness.ui import cli, terminal


def test_the_figures_are_of_the_faults_that_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    names = list(faults())[:4]
    record = Fuzzing({name: faults()[name] for name in names}, 10, len(faults()))
    for name, counts in zip(names, ((), (1,), (3, 0), (5,)), strict=True):
        findings = tuple(FindingSize("some.check", 8, count) for count in counts)
        record.fuzzed[name] = Fuzzed(name, int(bool(counts)), findings)
    assert record.counts == [1, 1, 2]
    assert record.adversarial == [0, 1, 3, 5]
    plain = json.loads(json.dumps(record.as_json()))
    assert (plain["judged"], plain["found"], plain["faults"]) == (4, 3, len(faults()))
    assert (plain["findings_median"], plain["findings_95_percent"], plain["adversarial_moves_median"]) == (1, 2, 2)
    terminal.fuzzed(record)
    shown = capsys.readouterr().out
    assert f"4 of {len(faults())} faults, 10 programs each: 3 found" in shown
    assert f"{names[2]}: 2 findings" in shown


def test_the_share_is_of_whole_numbers() -> None:
    assert share_of([]) == 0
    assert share_of([1]) == 1
    assert share_of([1] * 19 + [9]) == 1
    assert share_of([1] * 18 + [9, 9]) == 9


def test_a_sample_is_taken_from_all_areas() -> None:
    areas = {fault.area for fault in choose(faults(), 1, 60).faults.values()}
    assert len(areas) > 10


@pytest.mark.slow
def test_a_fault_is_one_finding() -> None:
    record = choose({"counter-constant": faults()["counter-constant"]}, 4)
    with workers(1) as pool:
        assert terminal.collect_fuzzed(record, pool) is Ending.COMPLETE
    assert record.counts == [1]
    assert record.found[0].first > 0


@pytest.mark.parametrize("words", [["--fuzz", "3"], ["--score", "--fuzz", "3", "--gaps"], ["--score", "--sample", "3"]])
def test_options_that_mean_nothing_together_are_refused(words: list[str]) -> None:
    assert cli.main(["faults", *words]) == 2
