"""Which requirements the scenarios cover, and whether with positive or negative claims.

A scenario claims requirements. A positive claim means that what the requirement asks for is done, by the target or to
it, and that this is checked. A negative claim, written with a leading "!", means that the scenario breaks the
requirement or puts it to the test (a value out of range, a repeated message, a condition that does not hold) and checks
that the target notices, or does not act when it should not. A requirement with claims of only one side could be met by
an implementation that accepts everything, or by one that refuses everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from otterproof.harness.spec.entries import Problem, hint
from otterproof.harness.spec.requirements.table import RequirementClass, Table

#: The minimum share of covered requirements with claims of both sides.
MIN_BOTH_SIDES = 0.95

#: The most ids that a message lists.
_LISTED = 20


class Polarity(StrEnum):
    """Whether a claim is positive or negative; the value is the prefix of the id."""

    POSITIVE = ""
    NEGATIVE = "!"


class ClaimError(ValueError):
    """A malformed claim."""


@dataclass(frozen=True, slots=True)
class Claim:
    """States that a scenario judges a requirement, by doing what it asks or by breaking it."""

    requirement: str
    polarity: Polarity

    def __str__(self) -> str:
        return f"{self.polarity.value}{self.requirement}"

    @classmethod
    def parse(cls, text: str) -> Claim:
        """Parses "DATA-CTR-2" or "!DATA-CTR-2"."""
        requirement = text.removeprefix(Polarity.NEGATIVE.value)
        if not requirement or requirement != requirement.strip() or requirement.startswith(Polarity.NEGATIVE.value):
            raise ClaimError(
                f"{text!r} is not a claim; write the id of a requirement, with one '!' before it if it is negative"
            )
        return cls(requirement, Polarity.NEGATIVE if text != requirement else Polarity.POSITIVE)


def requirement_ids(claims: Iterable[str]) -> tuple[str, ...]:
    """The requirements that the claims name, positive or negative, in order and without duplicates."""
    return tuple(dict.fromkeys(claim.removeprefix(Polarity.NEGATIVE.value) for claim in claims))


@dataclass(frozen=True, slots=True)
class Coverage:
    """The claims on the covered requirements. positive, negative: the scenarios with such a claim, by requirement."""

    positive: Mapping[str, tuple[str, ...]]
    negative: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> tuple[str, ...]:
        """The requirements that no scenario claims."""
        return tuple(name for name in self.positive if not self.positive[name] and not self.negative[name])

    @property
    def one_sided(self) -> tuple[str, ...]:
        """The requirements with claims of one side only."""
        return tuple(name for name in self.positive if bool(self.positive[name]) != bool(self.negative[name]))

    @property
    def share(self) -> float:
        """The share of the covered requirements with claims of both sides."""
        both = sum(1 for name in self.positive if self.positive[name] and self.negative[name])
        return both / len(self.positive) if self.positive else 1.0


def measure(table: Table, scenarios: Mapping[str, Collection[str]]) -> Coverage:
    """The coverage of a table. Malformed claims, and claims on requirements that are not covered, do not count."""
    covered = [requirement.id for requirement in table.of_kind(RequirementClass.COVERED)]
    claimed: dict[Polarity, dict[str, list[str]]] = {polarity: {name: [] for name in covered} for polarity in Polarity}
    for scenario, texts in scenarios.items():
        for text in texts:
            try:
                claim = Claim.parse(text)
            except ClaimError:
                continue
            if claim.requirement in claimed[claim.polarity]:
                claimed[claim.polarity][claim.requirement].append(scenario)
    positive, negative = (
        {name: tuple(found) for name, found in claimed[polarity].items()}
        for polarity in (Polarity.POSITIVE, Polarity.NEGATIVE)
    )
    return Coverage(positive, negative)


def check_coverage(table: Table, scenarios: Mapping[str, Collection[str]]) -> list[Problem]:
    """Mismatches between the table and the scenarios (scenario id -> claims)."""
    problems = list(_claims(table, scenarios))
    coverage = measure(table, scenarios)
    for name in coverage.missing:
        remedy = (
            f"Write a scenario that claims it, or class it otherwise with a reason ({table.requirements[name].text})"
        )
        problems.append(Problem(f"requirement {name}", "it is covered, but no scenario claims it", remedy))
    if coverage.share < MIN_BOTH_SIDES:
        ids = [f"{name} (no {'negative' if coverage.positive[name] else 'positive'})" for name in coverage.one_sided]
        listed = ", ".join(ids[:_LISTED]) + (f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else "")
        what = f"{coverage.share:.1%} of the covered requirements have both a positive and a negative scenario"
        remedy = (
            f"At least {MIN_BOTH_SIDES:.0%} are needed; one-sided: {listed or 'none, but some have no scenario at all'}"
        )
        problems.append(Problem("scenarios", what, remedy))
    return problems


def _claims(table: Table, scenarios: Mapping[str, Collection[str]]) -> Iterator[Problem]:
    """Checks that every scenario claims something, and that what it claims exists and can be claimed."""
    for scenario, texts in scenarios.items():
        where = f"scenario {scenario}"
        if not texts:
            yield Problem(where, "it claims no requirement", "Name those that it judges")
        for text in texts:
            try:
                claim = Claim.parse(text)
            except ClaimError as error:
                yield Problem(where, str(error), "Correct the claim")
                continue
            found = table.requirements.get(claim.requirement)
            if found is None:
                what = f"unknown requirement {claim.requirement}{hint(claim.requirement, table.requirements)}"
                yield Problem(where, what, "Correct the id")
            elif found.kind is not RequirementClass.COVERED:
                remedy = "Remove the claim, or class the requirement as covered"
                yield Problem(where, f"it claims {claim.requirement}, which is {found.kind}: {found.reason}", remedy)
