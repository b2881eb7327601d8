"""How much a judge has to see to notice a fault: messages and events, what is in memory as well, or a second engine.

A fault counts as caught if it is caught in the first of these views, as a third party's mistake would be. The catalogue
names the scenario that does that. It is tried first, and others only if it notices nothing. A target that answers an
open question of the protocol texts otherwise than the project's engines is not wrong; reports just state its answer. A
fault that is no more than that is caught by the probe of the question.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from otterproof.harness.runs.faults.detect import NOTICED, Lost, ScenarioTask, judge, results
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.spec.requirements import Claim, load
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.faults.entries import Fault, FaultError, faults
from otterproof.harness.targets.faults.loader import engine
from otterproof.harness.targets.faults.target import PREFIX, FaultTarget
from otterproof.harness.targets.lean import SHOWS, LeanTarget
from otterproof.harness.testkit.scenario import Scenario, scenario_of

#: Fault -> why no judge who sees only messages and events can notice it.
UNSEEN = Path(__file__).parent / "unseen.toml"


class View(Enum):
    """What a judge sees, from the least to the most."""

    THIRD_PARTY = "third party"
    DUMP = "with dump"
    LOCKSTEP = "in lockstep"

    def target(self, fault: str) -> Target:
        """The engine with a fault, as this view sees it."""
        if self is View.LOCKSTEP:
            return FaultTarget(fault)
        return LeanTarget(PREFIX + fault, engine(fault), SHOWS if self is View.DUMP else frozenset())

    def adds(self, scenario: Scenario) -> bool:
        """Whether a scenario may notice something in this view that it can't in those before.

        With a second engine any scenario may, because some demand more of the project's engines.
        """
        match self:
            case View.THIRD_PARTY:
                return not scenario.internal and not scenario.needs & SHOWS
            case View.DUMP:
                return not scenario.internal and bool(scenario.needs & SHOWS)
            case View.LOCKSTEP:
                return True


@dataclass(frozen=True, slots=True)
class Sighting:
    """In which view a fault was noticed in a version, and by which check of which scenario; None, "" and "" if in none.

    reading: the answer that was measured, as in TLV-AFTER-END:process, if that is all there is to notice.
    """

    fault: str
    version: int
    view: View | None
    scenario: str = ""
    check: str = ""
    reading: str = ""


@dataclass(slots=True)
class Sightings:
    """What has been seen of some faults so far.

    scenarios: those that may be tried. lost: faults whose workers died.
    """

    faults: Mapping[str, Fault]
    scenarios: Sequence[str]
    found: dict[tuple[str, int], Sighting] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def wanted(self) -> list[tuple[str, int]]:
        """The faults, each with a version, that are still to be judged."""
        pairs = ((name, version) for name, fault in self.faults.items() for version in fault.versions)
        return [pair for pair in pairs if pair not in self.found]

    def of(self, fault: str) -> list[Sighting]:
        """What was seen of one fault, in each of its versions."""
        return [one for version in self.faults[fault].versions if (one := self.found.get((fault, version))) is not None]

    def view(self, fault: str) -> View | None:
        """The view in which a fault was noticed in all its versions; None if there is none, or it is not known yet."""
        views = [one.view for one in self.of(fault)]
        if len(views) < len(self.faults[fault].versions):
            return None
        seen = [view for view in views if view is not None]
        return max(seen, key=list(View).index) if seen and len(seen) == len(views) else None

    def caught(self, view: View) -> list[str]:
        """The faults that a judge with this view notices."""
        order = list(View)
        return [name for name in self.faults if (own := self.view(name)) and order.index(own) <= order.index(view)]

    def readings(self) -> list[str]:
        """The faults that only answer an open question differently."""
        return [name for name in self.caught(View.THIRD_PARTY) if any(one.reading for one in self.of(name))]

    def as_json(self) -> dict[str, Any]:
        """How many faults are caught in each view, and what was seen of each, as plain values."""
        return {
            "judged": len(self.found),
            "caught": {view.value: len(self.caught(view)) for view in View},
            "faults": [
                asdict(one) | {"view": None if one.view is None else one.view.value}
                for name in self.faults
                for one in self.of(name)
            ],
            "unseen": {name: why for name, why in unseen().items() if name in self.faults},
            "gaps": self.gaps(),
            "lost": [str(one) for one in self.lost],
        }

    def gaps(self) -> dict[str, list[str]]:
        """Faults that a third party's judge misses without a reason in UNSEEN, and reasons that are wrong."""
        judged = {name for name, fault in self.faults.items() if len(self.of(name)) == len(fault.versions)}
        caught = set(self.caught(View.THIRD_PARTY))
        missed = [name for name in self.faults if name in judged - caught - unseen().keys()]
        return {
            "not caught as a third party's": [f"{name}: {self.faults[name].summary}" for name in missed],
            f"caught, though {UNSEEN.name} has a reason why not": sorted(caught & unseen().keys()),
        }


@cache
def unseen() -> Mapping[str, str]:
    """See UNSEEN. FaultError for a fault that does not exist."""
    found = tomllib.loads(UNSEEN.read_text(encoding="utf-8"))
    if unknown := sorted(found.keys() - faults().keys()):
        raise FaultError(f"{UNSEEN}: no fault {unknown[0]!r}; take the entry out")
    return found


def watch(record: Sightings, pool: Pool) -> Iterator[Sighting]:
    """Judge the faults that are still to be judged; yields each sighting as it comes."""
    tasks = [(name, version, record.scenarios) for name, version in record.wanted]
    for one in results(pool, _look, tasks, record.lost):
        record.found[one.fault, one.version] = one
        yield one


def look(fault: Fault, version: int, names: Iterable[str]) -> Sighting:
    """Judge an engine with a fault until it is noticed: by the scenario that the catalogue names, then by others.

    If nothing can notice it in the first view, only the first scenario is tried there.
    """
    first = f"{fault.hint}[v{version}]"
    others = sorted((scenario_of(name) for name in names if name != first), key=lambda one: _order(one, fault))
    ordered = [scenario_of(first), *(one for one in others if one.version == version)]
    for view in View:
        hidden = view is View.THIRD_PARTY and fault.name in unseen()
        target = view.target(fault.name)
        for one in ordered[:1] if hidden else ordered:
            if view.adds(one) and (seen := _seen(one, target, view, fault.name)) is not None:
                return seen
    return Sighting(fault.name, version, None)


def _order(scenario: Scenario, fault: Fault) -> tuple[bool, bool, bool, str]:
    """Scenarios that claim the requirement come first, then others, then probes, then random runs, which take long."""
    claimed = {Claim.parse(text).requirement for text in scenario.requirements}
    late = scenario.kind in ("properties", "differential")
    return late, scenario.kind == "readings", fault.requirement not in claimed, scenario.id


def _seen(scenario: Scenario, target: Target, view: View, fault: str) -> Sighting | None:
    """What a scenario notices of a fault; None if nothing."""
    if scenario.needs - target.capabilities:
        return None
    judged, context = judge(ScenarioTask(scenario.id), target)
    if judged.verdict in NOTICED:
        return Sighting(fault, scenario.version, view, scenario.id, judged.check)
    for name, option in context.readings.items():
        if option != load().reading(name).ours:
            return Sighting(fault, scenario.version, view, scenario.id, reading=f"{name}:{option}")
    return None


def _look(_: WorkerContext, task: tuple[str, int, Sequence[str]]) -> Sighting:
    name, version, names = task
    return look(faults()[name], version, names)
