"""Which requirements the scenarios cover, and whether by positive or by negative claims.

A scenario claims requirements. A positive claim says: here what the requirement asks for is done, by the target or to
it, and that is checked. A negative claim, written with "!" in front, says: here the requirement is broken or put to the
test (a value out of range, a repeated message, a condition that does not hold), and it is checked that the target
notices, or that it does not do the thing when it is not due. A requirement with only one of the two could be met by an
implementation that accepts everything, or by one that refuses everything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from otterproof.harness.spec.entries import Problem, hint
from otterproof.harness.spec.requirements.table import RequirementClass, Table

#: The least share of covered requirements that has claims of both sides.
MIN_BOTH_SIDES = 0.95

#: As many ids as a message lists.
_LISTED = 20


class Polarity(StrEnum):
    """Whether a claim is positive or negative; the value is the prefix of the id."""

    POSITIVE = ""
    NEGATIVE = "!"


class ClaimError(ValueError):
    """A claim that has not the form."""


@dataclass(frozen=True, slots=True)
class Claim:
    """That a scenario judges a requirement, by doing what it asks for or by breaking it."""

    requirement: str
    polarity: Polarity

    def __str__(self) -> str:
        return f"{self.polarity.value}{self.requirement}"

    @classmethod
    def parse(cls, text: str) -> Claim:
        """ "DATA-CTR-2" or "!DATA-CTR-2"."""
        requirement = text.removeprefix(Polarity.NEGATIVE.value)
        if not requirement or requirement != requirement.strip() or requirement.startswith(Polarity.NEGATIVE.value):
            raise ClaimError(
                f"{text!r} is not a claim; write the id of a requirement, with one '!' before it if it is negative"
            )
        return cls(requirement, Polarity.NEGATIVE if text != requirement else Polarity.POSITIVE)


def requirement_ids(claims: Iterable[str]) -> tuple[str, ...]:
    """The requirements that claims name, each once and in their order, whichever side they are of."""
    return tuple(dict.fromkeys(claim.removeprefix(Polarity.NEGATIVE.value) for claim in claims))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is claimed of the covered requirements. positive, negative: the scenarios of each."""

    positive: Mapping[str, tuple[str, ...]]
    negative: Mapping[str, tuple[str, ...]]

    @property
    def missing(self) -> tuple[str, ...]:
        """Those that no scenario claims."""
        return tuple(name for name in self.positive if not self.positive[name] and not self.negative[name])

    @property
    def one_sided(self) -> tuple[str, ...]:
        """Those with claims of one side only."""
        return tuple(name for name in self.positive if bool(self.positive[name]) != bool(self.negative[name]))

    @property
    def share(self) -> float:
        """The share of the covered requirements that has claims of both sides."""
        both = sum(1 for name in self.positive if self.positive[name] and self.negative[name])
        return both / len(self.positive) if self.positive else 1.0


def measure(table: Table, scenarios: Mapping[str, Collection[str]]) -> Coverage:
    """The coverage of a table. Claims without the form, or of ids that are not covered, do not count."""
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
    """What is wrong between the table and the scenarios (id of each with its claims)."""
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
    """Every scenario claims something, and what it claims is there to be claimed."""
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
