"""The score: which scenarios notice which faults.

Every scenario is run once with the genuine engine, to see which of its lines are reached; a fault in other lines needs
no run. Every fault is then judged by all scenarios that claim its requirement, and by the others of each kind until one
notices. Scenarios that nothing has tripped so far meet one fault after the other until one does. Whatever falls short
of that is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from statistics import median
from typing import Any

from otterproof.harness.runs.faults.detect import (
    Lost,
    Notice,
    Reach,
    ScenarioTask,
    budgeted,
    detections,
    notices,
    results,
    survey,
    until_noticed,
)
from otterproof.harness.runs.faults.reach import Lines, about
from otterproof.harness.runs.faults.sightings import Sightings, watch
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.spec.requirements import Claim
from otterproof.harness.targets.faults.entries import Fault, faults
from otterproof.harness.targets.faults.loader import REFERENCE
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.testkit.scenario import Scenario, load, scenario_of, scenarios

#: The kinds of scenarios, in the order in which they are shown.
KINDS = ("conformance", "properties", "differential", "attacks", "deniability", "clients")

#: How many seconds' worth of scenarios of one kind are tried if scenarios of other kinds notice a fault. The seconds
#: are those of surveys, which take some three times as long as judging. For properties it is about 30 random runs.
BUDGET = 1.0
RANDOM_BUDGET = 5.0


@dataclass(slots=True)
class ScoreCard:
    """The whole score, as far as it has got.

    sightings: in which view each fault is noticed. lost: scenarios and faults whose workers died. Gaps may come from
    that.
    """

    scenarios: Mapping[str, Scenario]
    faults: Mapping[str, Fault]
    surveys: dict[str, Reach] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    sightings: Sightings = field(init=False)

    def __post_init__(self) -> None:
        self.sightings = Sightings(self.faults, list(self.scenarios), lost=self.lost)

    def by(self, fault: str) -> list[Notice]:
        """Who noticed a fault; scenarios that claim its requirement come first."""
        found = [one for one in self.notices if one.fault == fault and not one.error]
        return sorted(found, key=lambda one: (not self.claims(one.scenario, fault), one.scenario))

    def claims(self, scenario: str, fault: str) -> bool:
        """Whether a scenario claims the requirement that a fault breaks, and is more than a comparison."""
        return claims(self.scenarios[scenario], faults()[fault])  # a fault that trips it may not be in self.faults

    def kinds(self, fault: str) -> set[str]:
        """The kinds of scenarios that noticed a fault."""
        return {self.scenarios[one.scenario].kind for one in self.by(fault)}

    def examples(self, fault: str) -> int | None:
        """How many random runs it took until a fault was noticed; None if that is not known."""
        return min((one.examples for one in self.by(fault) if one.examples), default=None)

    @property
    def median_examples(self) -> float | None:
        found = [count for name in self.faults if (count := self.examples(name)) is not None]
        return median(found) if found else None

    @property
    def uncaught(self) -> list[str]:
        """Faults that no scenario notices."""
        return [name for name in self.faults if not self.by(name)]

    @property
    def unclaimed(self) -> list[str]:
        """Faults that are noticed, but not by a scenario that claims their requirement."""
        return [
            name
            for name in self.faults
            if self.by(name) and not any(self.claims(one.scenario, name) for one in self.by(name))
        ]

    @property
    def untripped(self) -> list[str]:
        """Scenarios that no fault trips."""
        tripped = {one.scenario for one in self.notices if not one.error}
        return [name for name in self.scenarios if name not in tripped]

    @property
    def wrong(self) -> list[Reach]:
        """Scenarios that fail with the genuine engine."""
        return [survey for survey in self.surveys.values() if not survey.passed]

    @property
    def errors(self) -> list[Notice]:
        """Scenarios that end with an error of their own when the target misbehaves."""
        return [one for one in self.notices if one.error]

    def as_json(self) -> dict[str, Any]:
        """The card as plain values."""
        return {
            "faults": [
                {
                    "name": name,
                    "area": fault.area,
                    "oracle": fault.oracle,
                    "requirement": fault.requirement,
                    "caught": bool(self.by(name)),
                    "by": [one.scenario for one in self.by(name)],
                    "claimed_by": [one.scenario for one in self.by(name) if self.claims(one.scenario, name)],
                    "kinds": [kind for kind in KINDS if kind in self.kinds(name)],
                    "examples": self.examples(name),
                    "view": None if (view := self.sightings.view(name)) is None else view.value,
                }
                for name, fault in self.faults.items()
            ],
            "scenarios": [
                {"id": name, "tripped_by": [n.fault for n in self.notices if n.scenario == name and not n.error]}
                for name in self.scenarios
            ],
            "median_examples": self.median_examples,
            "gaps": self.gaps(),
            "lost": [str(one) for one in self.lost],
        }

    def gaps(self) -> dict[str, list[str]]:
        """What falls short, by kind of gap."""
        return {
            "fails without a fault": [f"{survey.scenario}: {survey.detail}" for survey in self.wrong],
            "not caught": [self._told(name) for name in self.uncaught],
            "not caught by a scenario that claims the requirement": [self._told(name) for name in self.unclaimed],
            "tripped by no fault": self.untripped,
            "ends with an error of its own": [f"{n.scenario} with fault:{n.fault}: {n.detail}" for n in self.errors],
            **self.sightings.gaps(),
        }

    def _told(self, name: str) -> str:
        fault = self.faults[name]
        others = ", ".join(one.scenario for one in self.by(name)[:3])
        return f"{fault.requirement} {name}: {fault.summary}" + (f" [noticed by {others}]" if others else "")


def claims(scenario: Scenario, fault: Fault) -> bool:
    """See ScoreCard.claims."""
    return scenario.kind != "differential" and fault.requirement in {
        Claim.parse(text).requirement for text in scenario.requirements
    }


def choose(only: str = "") -> ScoreCard:
    """An empty card for a part of the score.

    Scenarios whose id contains `only`; faults whose name or area contains it, or whose requirement one of those
    scenarios claims. Without `only`: everything.
    """
    load()
    chosen = {one.id: one for one in scenarios(only)}
    wanted = {
        name: fault
        for name, fault in faults().items()
        if only in name or only in fault.area or any(claims(one, fault) for one in chosen.values())
    }
    return ScoreCard(chosen or {one.id: one for one in scenarios()}, wanted)


class Scorer:
    """Fills a card, using a pool of processes. Each method yields what has been done, item by item."""

    def __init__(self, card: ScoreCard, pool: Pool) -> None:
        self.card = card
        self._pool = pool

    def watch(self) -> Iterator[str]:
        """Judge every fault as if it were a third party's."""
        return (one.fault for one in watch(self.card.sightings, self._pool))

    def survey(self) -> Iterator[str]:
        """Run every scenario with the genuine engine."""
        tasks = [(name, REFERENCE) for name in self.card.scenarios]
        for found in results(self._pool, survey, tasks, self.card.lost):
            self.card.surveys[found.scenario] = found
            yield found.scenario

    def judge(self) -> Iterator[str]:
        """Judge every fault."""
        tasks = [(name, *self._plan(fault)) for name, fault in self.card.faults.items()]
        for name, found in results(self._pool, _judge, tasks, self.card.lost):
            self.card.notices += found
            yield name

    def trip(self) -> Iterator[str]:
        """For each scenario that nothing has tripped so far, look for a fault that trips it."""
        surveys = self.card.surveys
        able = {
            name: {task.scenario: task for survey in surveys.values() if (task := survey.task(_about(fault)))}
            for name, fault in faults().items()
        }
        rarest_first = sorted(able, key=lambda name: len(able[name]))
        tasks = []
        for scenario in self.card.untripped:
            tried = [name for name, fault in self.card.faults.items() if claims(self.card.scenarios[scenario], fault)]
            left = [
                (name, able[name][scenario]) for name in rarest_first if scenario in able[name] and name not in tried
            ]
            tasks.append((scenario, left))
        for scenario, found in results(self._pool, _trip, tasks, self.card.lost):
            self.card.notices += found
            yield scenario

    def _plan(self, fault: Fault) -> tuple[list[ScenarioTask], list[list[ScenarioTask]]]:
        """What judges a fault: scenarios that always do, and for each kind those that do until one notices."""
        tasks = [task for survey in self.card.surveys.values() if (task := survey.task(_about(fault)))]
        tasks.sort(key=lambda task: task.seconds)
        first = [task for task in tasks if claims(self.card.scenarios[task.scenario], fault)]
        rest = [task for task in tasks if task not in first]
        return first, [[task for task in rest if self.card.scenarios[task.scenario].kind == kind] for kind in KINDS]


@cache
def _about(fault: Fault) -> Lines:
    return about(fault.edits)


# ---- in the worker processes ----------------------------------------------------------------------------------------


def _judge(
    _: WorkerContext, task: tuple[str, list[ScenarioTask], list[list[ScenarioTask]]]
) -> tuple[str, list[Notice]]:
    name, first, kinds = task
    target = FaultTarget(name)
    found = [notice for one in first for notice in notices(one, target)]
    later: list[ScenarioTask] = []
    for kind in kinds:
        if kind and not any(
            scenario_of(one.scenario).kind == scenario_of(kind[0].scenario).kind for one in detections(found)
        ):
            random = kind[0].examples is not None
            cheap = list(budgeted(kind, RANDOM_BUDGET if random else BUDGET))
            found += until_noticed(cheap, target)
            later += [task for task in kind if task not in cheap]
    return name, found if detections(found) else found + until_noticed(later, target)


def _trip(_: WorkerContext, task: tuple[str, list[tuple[str, ScenarioTask]]]) -> tuple[str, list[Notice]]:
    scenario, able = task
    found: list[Notice] = []
    for name, one in able:
        found += notices(one, FaultTarget(name))
        if detections(found):
            break
    return scenario, found
