"""Scenarios that need not be run with a faulty engine, because it answers every recorded call like the genuine one."""

from __future__ import annotations

import pytest

from otterproof.harness.runs.faults.detect import ScenarioTask, reach, result
from otterproof.harness.runs.faults.reach import about
from otterproof.harness.runs.faults.recorded import Recorder, Recording
from otterproof.harness.runs.faults.sightings import View
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.faults import faults
from otterproof.harness.targets.faults.loader import PREFIX, copy_engine, engine
from otterproof.harness.targets.lean import LeanTarget
from otterproof.harness.testkit.scenario import load, scenarios

GENUINE = "genuine_recorded"


def recorded(scenario: str) -> Recording:
    recorder = Recorder(PREFIX + GENUINE)
    target = LeanTarget(GENUINE, recorder.engines(copy_engine(GENUINE, {})))
    assert reach(scenario, target, recorder).passed
    return recorder.recording


@pytest.mark.parametrize("fault", ["mac-skips-flags", "counter-stored-before-mac", "counter-of-four-bytes"])
def test_where_all_answers_are_alike_the_scenario_passes(fault: str) -> None:
    load()
    lines, target = about(faults()[fault].edits), View.THIRD_PARTY.target(fault)
    alike, failed = set(), set()
    chosen = [*scenarios("conformance.data_counters."), *scenarios("conformance.data_protection.")]
    for one in chosen:
        if not View.THIRD_PARTY.adds(one):
            continue
        if recorded(one.id).answered_alike(fault, engine(fault), lines):
            alike.add(one.id)
        if result(ScenarioTask(one.id), target).verdict is not Verdict.PASS:
            failed.add(one.id)
    assert failed
    assert not alike & failed


@pytest.mark.parametrize("name", ["conformance.data_counters.counters_must_rise[v3]", "properties.runs.fragments[v3]"])
def test_the_lines_that_are_reached_are_those_of_a_survey(name: str) -> None:
    """Each is measured with a fresh copy of the engine, because engines keep tables of powers."""
    load()
    area = name.split(".")[1]
    with_recorder, without = f"genuine_recorded_{area}", f"genuine_bare_{area}"
    recorder = Recorder(PREFIX + with_recorder)
    found = reach(name, LeanTarget(with_recorder, recorder.engines(copy_engine(with_recorder, {}))), recorder)
    bare = reach(name, LeanTarget(without, copy_engine(without, {})))
    assert (found.reached, found.examples) == (bare.reached, bare.examples)
    assert recorder.recording.complete


def test_a_genuine_engine_answers_as_recorded_and_what_was_not_recorded_is_unknown() -> None:
    load()
    recording = recorded(next(one.id for one in scenarios("conformance.data_counters.") if not one.internal))
    genuine = copy_engine(GENUINE, {})
    assert recording.answered_alike(GENUINE, genuine, None)
    recording.complete = False
    assert not recording.answered_alike(GENUINE, genuine, None)
