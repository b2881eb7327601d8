"""Targets by name: existing and unknown ones, and an engine with a fault, which must not pass."""

from __future__ import annotations

import json

import pytest

from otterproof.harness.runs.runner import run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.faults import faults
from otterproof.harness.targets.registry import UnknownTarget, open_target
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.implementations.contract import Policy

load()


def test_a_fault_is_a_target_that_fails() -> None:
    target = open_target("fault:counter-starts-at-0")
    for name in ("properties.runs.two_clients[v3]", "conformance.interop.one_sided_data_messages[v2]"):
        (scenario,) = scenarios(name)
        result = run(scenario, target, b"seed")
        assert result.verdict is Verdict.FAIL
        assert ("the run as a program" in result.detail) == name.startswith("properties")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("libotter", "did you mean libotr"),
        ("zzzz", "there are reference, independent, libotr"),
        ("fault:none-such", "none-such"),
        ("exec:", "give one, as in"),
        ("exec:python3 'driver.py", "mind the quotes"),
    ],
)
def test_wrong_names(name: str, says: str) -> None:
    with pytest.raises(UnknownTarget, match=says):
        open_target(name)


def test_the_catalogue_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["faults", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["faults"]
    assert len(listed) == len(faults()) >= 120
    assert {"name", "summary", "source", "oracle", "requirement", "observer"} <= set(listed[0])


def test_targets_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["targets", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["targets"]
    assert [one["name"] for one in listed][:3] == ["reference", "independent", "libotr"]
    assert all(set(one) == {"name", "version", "available", "capabilities", "install"} for one in listed)
    assert all(one["available"] or one["install"] for one in listed)


@pytest.mark.parametrize("policy", [Policy.NONE, Policy.ALLOW_V2, Policy.ALLOW_V3 | Policy.ERROR_START_AKE])
def test_policies_are_shown_as_programs_have_them(policy: Policy) -> None:
    assert eval(repr(policy), {"Policy": Policy}) == policy
