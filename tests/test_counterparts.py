"""Each scenario that only works with the project's engines in lockstep has counterparts for any target, or a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.runs.faults.counterparts import Counterpart, CounterpartError, counterparts, problems
from otterproof.harness.testkit.scenario import load

SCENARIO = "conformance.choices.undefined_flags_are_ignored"
PROBE = "readings.data.undefined_flags"


def test_every_scenario_for_lockstep_has_counterparts_or_a_reason() -> None:
    load()
    assert list(problems(counterparts())) == []


def changed(entry: Counterpart | None, name: str = SCENARIO) -> list[str]:
    """The problems if one entry is replaced or missing."""
    load()
    entries = {key: value for key, value in counterparts().items() if key != name}
    return list(problems(entries if entry is None else entries | {name: entry}))


def test_a_scenario_without_an_entry_is_told() -> None:
    assert changed(None) == [f"{SCENARIO} has no entry"]


def test_an_entry_for_another_scenario_is_told() -> None:
    assert changed(Counterpart((PROBE,), ""), PROBE) == [f"{PROBE} is no scenario for lockstep alone"]


@pytest.mark.parametrize(
    "name", ["readings.data.undefined", "conformance.choices", "deniability.memory.rotated_keys_are_forgotten"]
)
def test_a_counterpart_that_judges_no_third_party_is_told(name: str) -> None:
    told = changed(Counterpart((PROBE, name), ""))
    assert told == [f"{SCENARIO}[v{version}]: {name} judges no third party" for version in (2, 3)]


def test_counterparts_that_judge_another_version_alone_are_told() -> None:
    told = changed(Counterpart(("conformance.instances_clients",), ""))
    assert f"{SCENARIO}[v2]: no counterpart judges a third party in version 2" in told


def test_the_scenario_that_catches_the_fault_is_a_counterpart() -> None:
    told = changed(Counterpart(("conformance.data",), ""))
    wanted = f"{SCENARIO}[v3]: unknown-flags-refused trips it, and {PROBE}, which catches that fault, is no counterpart"
    assert wanted in told


def test_a_scenario_may_have_a_reason_alone() -> None:
    assert changed(Counterpart((), "Nothing can be seen.")) == []


@pytest.mark.parametrize(
    "entry", ["", 'reason = " "', "by = []", "reason = 3", 'by = "one"', "by = [3]", 'by = ["one"]\nmore = 1']
)
def test_an_entry_of_another_form_is_refused(tmp_path: Path, entry: str) -> None:
    path = tmp_path / "counterparts.toml"
    path.write_text(f'["{SCENARIO}"]\n{entry}\n')
    with pytest.raises(CounterpartError, match="by"):
        counterparts(path)
