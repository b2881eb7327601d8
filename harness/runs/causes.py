"""Failures put together by their cause, the most basic cause first.

One mistake makes many scenarios fail, and most of them not where the mistake is. So failures with one check are one
cause, and some causes are consequences of others:

- A check that helpers make everywhere, such as that a text arrives, says little about the cause.
- A failure that looks like many of those (the same kind of message led to the same reports) says no more than they do,
  though its check is about something particular: its scenario did not get as far as that.

What is left is put in an order by how much the results accuse the requirement behind a check: scenarios that judge it
fail, and few of them pass. The measure is Ochiai's, from fault localisation. What is equal there is put in the order in
which a conversation goes, for what comes later needs what comes before it.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import checks
from otterproof.harness.spec.requirements import Level

#: The areas of checks, in the order in which a conversation needs them.
ORDER = (
    "driver",
    "robustness",
    "bounds",
    "message",
    "encoding",
    "query",
    "tag",
    "error",
    "instance",
    "instance-tags",
    "handshake",
    "derivation",
    "session",
    "agreement",
    "data",
    "counters",
    "authenticity",
    "rejection",
    "text",
    "leaks",
    "fragment",
    "fragments",
    "keys",
    "key-ids",
    "mac-reveal",
    "mac-revelation",
    "deniability",
    "forgetting",
    "tlv",
    "extra-key",
    "smp",
    "state",
    "states",
    "policy",
    "user",
    "limits",
    "run",
    "healing",
    "reading",
    "engines-agree",
    "model",
    "differential",
)

#: So many failures of general checks that look alike are what breaks everywhere.
COMMON = 4


@dataclass(frozen=True, slots=True)
class Cause:
    """Failures that are taken to have one cause. first: the one that shows it best; results: all of them, it included.

    consequence: the demand is one that helpers make everywhere, and something more specific fails besides.
    """

    first: Result
    results: tuple[Result, ...]
    consequence: bool

    @property
    def failure(self) -> Failure:
        """The record of the first."""
        if self.first.failure is None:
            raise ValueError(f"{self.first.scenario} did not fail")
        return self.first.failure

    @property
    def level(self) -> Level:
        """How binding the demand is; a target that breaks down breaks what is binding."""
        return self.failure.level if self.first.verdict is Verdict.FAIL else Level.MUST


def causes(results: Sequence[Result]) -> list[Cause]:
    """The causes of the failures among the results of one target, the most basic first. Known failures are left out."""
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        if result.failure is not None and not result.known:
            groups[result.check or result.verdict.value].append(result)
    general = Counter(_shape(one) for name, group in groups.items() if is_general(name) for one in group)
    common = {shape for shape, count in general.items() if count >= COMMON}
    own = {name: [one for one in group if _shape(one) not in common] for name, group in groups.items()}
    specific = {name for name in groups if own[name] and not is_general(name)}
    accused = accusation(results)
    found = [
        Cause(_clearest(own[name] or group), tuple(group), bool(specific) and name not in specific)
        for name, group in groups.items()
    ]
    return sorted(found, key=lambda cause: _rank(cause, accused))


def _shape(result: Result) -> str:
    """What a failure looks like, whatever it is about: the last input and what it led to, without texts and numbers."""
    place = result.failure.place if result.failure is not None else None
    if place is None:
        return ""
    return re.sub(r'"[^"]*"|\d+', "", f"{result.verdict.value}: {place.action}: {place.result}")


def is_general(check: str) -> bool:
    """Whether a check is one that helpers make in many scenarios, so that it says little about the cause."""
    return check in checks() and not checks()[check].requirements


def accusation(results: Iterable[Result]) -> Mapping[str, float]:
    """How much the results accuse each requirement, from 0 to 1: by Ochiai, of the scenarios that claim it."""
    failed: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    total = 0
    for result in results:
        if result.verdict is Verdict.UNSUPPORTED:
            continue
        claimed = {name.removeprefix("!") for name in result.requirements}
        tried.update(claimed)
        if result.failure is not None and not result.known:
            total += 1
            failed.update(claimed)
    return {name: count / sqrt(total * tried[name]) for name, count in failed.items()}


def _clearest(group: Sequence[Result]) -> Result:
    """Of the failures of one check, the one that shows it best: about just that, and short."""
    own = set(checks()[group[0].check].requirements) if group[0].check in checks() else set()

    def order(result: Result) -> tuple[bool, int, str]:
        return not own & {name.removeprefix("!") for name in result.requirements}, result.steps, result.scenario

    return min(group, key=order)


def _rank(cause: Cause, accused: Mapping[str, float]) -> tuple[int, bool, float, int, int, str]:
    area = cause.first.check.partition(".")[0]
    levels = list(Level)
    return (
        levels.index(cause.level),
        cause.consequence,
        -max((accused.get(name, 0.0) for name in cause.failure.requirements), default=0.0),
        ORDER.index(area) if area in ORDER else len(ORDER),
        -len(cause.results),
        cause.first.check,
    )
