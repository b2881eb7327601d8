"""Whether the report about a fault names the requirement that it breaks: guess-the-bug, played by the report itself.

Every fault is judged as a third party is: by its messages and events alone, and by every scenario that such a target
meets. Its failures are grouped by cause, as reports do it. A fault is located if the first cause names the
requirement in its catalogue entry. A scenario is not run if it must pass: it does not reach the lines of the fault, or
the faulty engine gives the genuine engine's answers to everything that the genuine one was asked
(otterproof.harness.runs.faults.recorded).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from math import inf
from statistics import median
from typing import Any

from otterproof.harness.runs.causes import Cause, causes
from otterproof.harness.runs.faults.dependence import edits_key
from otterproof.harness.runs.faults.detect import Lost, Reach, ScenarioTask, judge, reach, results
from otterproof.harness.runs.faults.judged_file import Judged, JudgedFile, Outcome, outcome_of
from otterproof.harness.runs.faults.reach import about
from otterproof.harness.runs.faults.recorded import Recorder, Recording, genuine_engine
from otterproof.harness.runs.faults.sightings import View
from otterproof.harness.runs.runner import Result
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.faults.entries import Fault, faults
from otterproof.harness.targets.faults.loader import PREFIX, engine
from otterproof.harness.targets.lean import LeanTarget
from otterproof.harness.testkit.scenario import Scenario, load, scenarios

#: The name of the genuine engine as a target.
_GENUINE = "genuine_third_party"


@dataclass(frozen=True, slots=True)
class Located:
    """What was reported about a fault. rank: of the first cause that names its requirement, None if no cause does.

    check, scenario, told: of the first cause, "" and () if nothing failed. failures, causes: how many there were.
    reading: if nothing failed, the measured answer that is not the project's, as in TLV-AFTER-END:process.
    """

    fault: str
    rank: int | None
    check: str = ""
    scenario: str = ""
    told: tuple[str, ...] = ()
    failures: int = 0
    causes: int = 0
    reading: str = ""


@dataclass(slots=True)
class Localisation:
    """How well faults are located, as far as the measurement has got.

    catalogue: how many faults these were chosen from. seed: of the choice, "" if these are all of them. lost: scenarios
    and faults whose workers died.
    """

    scenarios: Mapping[str, Scenario]
    faults: Mapping[str, Fault]
    catalogue: int = 0
    seed: str = ""
    located: dict[str, Located] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    @property
    def sample(self) -> str:
        """What the figures are about, in words."""
        if not self.seed:
            return f"all {self.catalogue} faults"
        return f"a sample of {len(self.faults)} of {self.catalogue} faults, seed {self.seed}"

    @property
    def noticed(self) -> list[Located]:
        """The faults with reported failures, in their order."""
        return [one for name in self.faults if (one := self.located.get(name)) is not None and one.failures]

    @property
    def unnoticed(self) -> list[str]:
        """The faults that no scenario notices but those for the project's own engines, which no third party meets."""
        return [name for name, one in self.located.items() if not one.failures and not one.reading]

    @property
    def answers(self) -> dict[str, str]:
        """The faults that only answer an open question of the texts differently, with that answer."""
        return {name: one.reading for name, one in self.located.items() if one.reading}

    @property
    def share(self) -> float:
        """The share of the noticed faults whose requirement the first cause names; 0 if no fault is noticed."""
        return 1 - len(self.missed) / len(self.noticed) if self.noticed else 0.0

    @property
    def median_rank(self) -> float:
        """The median rank of the causes that name the requirement; infinite if most faults have no such cause."""
        return median([inf if one.rank is None else one.rank for one in self.noticed] or [inf])

    @property
    def missed(self) -> list[Located]:
        """The noticed faults whose requirement the first cause does not name."""
        return [one for one in self.noticed if one.rank != 1]

    def as_json(self) -> dict[str, Any]:
        """The figures, and what was reported about each fault, as plain values. median_rank: null if it is infinite."""
        return {
            "sample": self.sample,
            "judged": len(self.located),
            "noticed": len(self.noticed),
            "first": len(self.noticed) - len(self.missed),
            "share": self.share,
            "median_rank": None if self.median_rank == inf else self.median_rank,
            "missed": [one.fault for one in self.missed],
            "unnoticed": self.unnoticed,
            "other_answers": self.answers,
            "faults": [
                asdict(self.located[name]) | {"requirement": fault.requirement, "told": list(self.located[name].told)}
                for name, fault in self.faults.items()
                if name in self.located
            ],
            "lost": [str(one) for one in self.lost],
        }


def choose(chosen: Mapping[str, Fault], sample: int | None = None, seed: str = "1") -> Localisation:
    """An empty record for some faults, or for a sample drawn evenly from all areas of the catalogue.

    The sample follows from the seed, and a larger one begins with all faults of a smaller one. So an interrupted
    measurement is one of a smaller sample.
    """
    load()
    names, drawn = list(chosen), ""
    if sample is not None and sample < len(names):
        names, drawn = _drawn(chosen, seed)[:sample], seed
    met = {one.id: one for one in scenarios() if View.THIRD_PARTY.adds(one)}
    return Localisation(met, {name: chosen[name] for name in names}, len(chosen), drawn)


def _drawn(chosen: Mapping[str, Fault], seed: str) -> list[str]:
    """The faults in a random order, in which each area has its share from the beginning on."""
    by_area: dict[str, list[str]] = defaultdict(list)
    for name in sorted(chosen, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest()):
        by_area[chosen[name].area].append(name)
    places = ((number + 0.5) / len(some) for some in by_area.values() for number in range(len(some)))
    every = (name for some in by_area.values() for name in some)
    return [name for _, name in sorted(zip(places, every, strict=True))]


class Localiser:
    """Fills a record, using a pool of processes. Each method yields what has been done, item by item.

    kept: what is known already, and is not done again; new results are noted there.
    """

    def __init__(self, record: Localisation, pool: Pool, kept: JudgedFile) -> None:
        self.record = record
        self.kept = kept
        self._pool = pool

    @property
    def unsurveyed(self) -> list[str]:
        """The scenarios that have not been surveyed with the genuine engine."""
        return [name for name in self.record.scenarios if name not in self.kept.surveys]

    @property
    def unjudged(self) -> list[str]:
        """The faults that some scenarios still have to judge."""
        return [name for name in self.record.faults if self.stale(name)]

    def survey(self) -> Iterator[str]:
        """Run every scenario with the genuine engine."""
        tasks = [(name,) for name in self.unsurveyed]
        for found in results(self._pool, _survey, tasks, self.record.lost):
            self.kept.note_survey(found)
            yield found.scenario

    def judge(self) -> Iterator[str]:
        """Judge every fault."""
        tasks = []
        for name in self.record.faults:
            if stale := self.stale(name):
                tasks.append((name, list(self._able(name, stale))))
            else:
                self._locate(name)
        for name, found in results(self._pool, _judge, tasks, self.record.lost):
            stale = self.stale(name)
            before = self.kept.judged[name].outcomes if name in self.kept.judged else ()
            outcomes = (*(one for one in before if one.scenario in self.kept.keys.keys() - stale), *found)
            edits = edits_key(self.record.faults[name])
            self.kept.note_fault(Judged(name, edits, self.kept.keys, outcomes))
            self._locate(name)
            yield name

    def _able(self, fault: str, names: Collection[str]) -> Iterator[ScenarioTask]:
        """How to judge a fault by those of some scenarios that reach it."""
        lines = about(self.record.faults[fault].edits)
        able = (one.task(lines) for one in self.kept.surveys.values() if one.scenario in names)
        return (task for task in able if task is not None)

    def stale(self, fault: str) -> set[str]:
        """The scenarios that have not judged a fault in the present version of both."""
        known, every = self.kept.judged.get(fault), self.record.scenarios
        if known is None or known.edits != edits_key(self.record.faults[fault]):
            return {*every}
        outdated = {one.scenario for one in known.outcomes if one.outdated}
        return {name for name in every if known.keys.get(name) != self.kept.keys[name]} | (outdated & every.keys())

    def _locate(self, fault: str) -> None:
        failed = {one.scenario: one for one in self.kept.judged[fault].outcomes}
        found = [
            failed[name].as_result() if name in failed else _passed(one) for name, one in self.record.scenarios.items()
        ]
        reading = next((one.reading for one in failed.values() if one.reading), "")
        self.record.located[fault] = located(fault, causes(found), reading)


def located(name: str, found: Sequence[Cause], reading: str = "") -> Located:
    """What the causes of a fault's failures tell about it. reading: an answer that is not the project's, if any."""
    right = broken(faults()[name])
    rank = next((number for number, cause in enumerate(found, start=1) if right & {*cause.told}), None)
    if not found:
        return Located(name, rank, reading=reading)
    first, failures = found[0], sum(len(cause.results) for cause in found)
    return Located(name, rank, first.first.check, first.first.scenario, first.told, failures, len(found))


def broken(fault: Fault) -> frozenset[str]:
    """What a fault breaks: the requirements of its entry, and their restatements in the table."""
    table = requirements.load()
    return frozenset(fault.breaks).union(*map(table.restatements, fault.breaks))


def _passed(scenario: Scenario) -> Result:
    """The result of a scenario that does not reach what is wrong."""
    return Result(scenario.id, scenario.requirements, Verdict.PASS, "", 0, 0.0)


# ---- in the worker processes ----------------------------------------------------------------------------------------


def _survey(_: WorkerContext, task: tuple[str]) -> Reach:
    return _recorded(task[0])[0]


@cache
def _recorded(scenario: str) -> tuple[Reach, Recording]:
    """What a scenario does with the genuine engine when it is judged as a third party's, and a recording of that."""
    recorder = Recorder(PREFIX + _GENUINE)
    found = reach(scenario, LeanTarget(_GENUINE, recorder.engines(genuine_engine(_GENUINE))), recorder)
    return found, recorder.recording


def _judge(_: WorkerContext, task: tuple[str, list[ScenarioTask]]) -> tuple[str, list[Outcome]]:
    name, able = task
    lines, target = about(faults()[name].edits), View.THIRD_PARTY.target(name)
    different = (one for one in able if not _recorded(one.scenario)[1].answered_alike(target.name, engine(name), lines))
    found = (_outcome(one, target) for one in different)
    return name, [one for one in found if one.verdict is not Verdict.PASS or one.reading]


def _outcome(task: ScenarioTask, target: Target) -> Outcome:
    """Judge a faulty engine by a scenario."""
    judged, context = judge(task, target)
    return outcome_of(
        Result(
            task.scenario,
            (),
            judged.verdict,
            "",
            context.steps,
            0.0,
            judged.check,
            readings=context.readings,
            failure=judged.failure,
        )
    )
