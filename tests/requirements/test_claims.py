"""The claims of scenarios on the table: the form of a claim, and coverage."""

from __future__ import annotations

import pytest

from otterproof.harness.spec.requirements import (
    MIN_BOTH_SIDES,
    Claim,
    ClaimError,
    Polarity,
    RequirementClass,
    check_coverage,
    lint,
    load,
    measure,
)
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios as all_scenarios
from tests.requirements.damage import finds


def everything() -> dict[str, list[str]]:
    """A scenario for each covered requirement, with claims of both sides."""
    covered = load().of_kind(RequirementClass.COVERED)
    return {f"conformance.{r.id}[v3]": [r.id, f"!{r.id}"] for r in covered}


def test_claims() -> None:
    assert Claim.parse("DATA-CTR-2") == Claim("DATA-CTR-2", Polarity.POSITIVE)
    assert Claim.parse("!DATA-CTR-2") == Claim("DATA-CTR-2", Polarity.NEGATIVE)
    for text in ("DATA-CTR-2", "!DATA-CTR-2"):
        assert str(Claim.parse(text)) == text


@pytest.mark.parametrize("text", ["", "!", "!!DATA-CTR-2", " DATA-CTR-2", "! DATA-CTR-2"])
def test_claims_without_the_form(text: str) -> None:
    with pytest.raises(ClaimError, match="write the id of a requirement"):
        Claim.parse(text)
    finds(lint(scenarios={**everything(), "s": [text]}), "scenario s", "is not a claim")


def test_full_coverage_is_clean() -> None:
    assert lint(scenarios=everything()) == []
    assert measure(load(), everything()).share == 1


def test_covered_requirement_without_scenario() -> None:
    scenarios = everything()
    del scenarios["conformance.DATA-CTR-2[v3]"]
    finds(lint(scenarios=scenarios), "requirement DATA-CTR-2", "no scenario claims it")
    assert measure(load(), scenarios).missing == ("DATA-CTR-2",)


def test_scenario_with_unknown_requirement() -> None:
    problem = finds(lint(scenarios={**everything(), "s": ["!DATA-CTR-22"]}), "scenario s", "unknown requirement")
    assert "DATA-CTR-2" in problem.what


def test_scenario_without_requirement() -> None:
    finds(lint(scenarios={**everything(), "s": []}), "scenario s", "claims no requirement")


@pytest.mark.parametrize("kind", [RequirementClass.UNTESTABLE, RequirementClass.OUT_OF_SCOPE])
def test_scenario_claims_what_is_not_covered(kind: RequirementClass) -> None:
    name = load().of_kind(kind)[0].id
    finds(lint(scenarios={**everything(), "s": [name]}), "scenario s", f"claims {name}, which is {kind}")


def test_share_of_both_sides() -> None:
    table, scenarios = load(), everything()
    spare = int(len(scenarios) * (1 - MIN_BOTH_SIDES))
    names = list(scenarios)
    for name in names[:spare]:
        scenarios[name] = scenarios[name][:1]
    assert check_coverage(table, scenarios) == []
    assert len(measure(table, scenarios).one_sided) == spare
    for name in names[spare : spare + 25]:
        scenarios[name] = scenarios[name][1:]
    problem = finds(check_coverage(table, scenarios), "scenarios", "both a positive and a negative scenario")
    assert "(no negative)" in problem.remedy
    assert "more" in problem.remedy


def test_the_scenarios_cover_the_table() -> None:
    """Every covered requirement is claimed, nearly all from both sides, and every claimed id exists."""
    load_scenarios()
    problems = lint(scenarios={scenario.id: scenario.requirements for scenario in all_scenarios()})
    assert problems == [], "\n".join(map(str, problems))
