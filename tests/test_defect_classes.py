"""The classes of defects: each lists scenarios, and they exist."""

from __future__ import annotations

from otterproof.harness.spec.defects import classes
from otterproof.harness.testkit.scenario import load, scenarios


def test_every_class_has_scenarios_that_are_there() -> None:
    load()
    known = {scenario.id.partition("[")[0] for scenario in scenarios()}
    found = classes()
    assert len({one.id for one in found}) == len(found) == 38
    assert [one.id for one in found if not one.scenarios] == []
    unknown = {one.id: sorted(set(one.scenarios) - known) for one in found if set(one.scenarios) - known}
    assert not unknown, f"no such scenarios: {unknown}"
