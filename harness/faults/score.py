"""The score: which scenarios notice which faults.

Every scenario is run once with the genuine engine, to see which lines of it are reached; a fault in other lines needs
no run. Every fault is then judged by all scenarios that claim its requirement, and by the others of each kind until one
notices. Scenarios that nothing has tripped so far meet one fault after the other until something does. All that does
not come out as it must is a gap.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.pool import Pool
from statistics import median
from typing import Any

from harness.faults.entries import Fault, faults
from harness.faults.loader import PREFIX, copy_engine
from harness.faults.powers import remember_powers
from harness.faults.reach import Line, Lines, Trace, about
from harness.faults.target import FaultTarget
from harness.fuzz.case import forget_worlds
from harness.judge import seed_of, verdict_of
from harness.requirements import Claim
from harness.scenario import Scenario, load, scenarios
from harness.stage import Stage
from harness.targets import SoloTarget
from harness.transcript import Verdict
from implementations.reference import ReferenceEngine

#: The kinds of scenarios, in the order in which they are shown.
KINDS = ("conformance", "properties", "differential", "attacks", "deniability")

SEED = b"otterproof"

#: How many seconds' worth of scenarios of one kind are tried on a fault that other scenarios notice.
BUDGET = 1.5

#: Verdicts by which a scenario notices a fault; INFRA is an error of the scenario's own.
NOTICED = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC})


@dataclass(frozen=True, slots=True)
class Survey:
    """What a scenario does with the genuine engine: it must pass, and it reaches these lines, in `seconds` of work.

    examples: of a property, the lines that each of the random runs reaches.
    """

    scenario: str
    passed: bool
    detail: str
    seconds: float
    reached: frozenset[Line]
    examples: Mapping[int, frozenset[Line]]

    def task(self, lines: Lines) -> Task | None:
        """How to judge by this scenario what is wrong in some lines; None if that can't be noticed."""
        if not self.passed or not (lines is None or lines & self.reached):
            return None
        able = [number for number, reached in self.examples.items() if lines is None or lines & reached]
        if self.examples and not able:
            return None
        return Task(self.scenario, self.seconds, frozenset(able) if self.examples else None)


@dataclass(frozen=True, slots=True)
class Task:
    """A scenario to be run, and which of its random runs if not all. seconds: what it costs."""

    scenario: str
    seconds: float = 0
    examples: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A scenario that noticed a fault (or, with `error`, stumbled over it). examples: as in judge.Result."""

    scenario: str
    fault: str
    detail: str
    examples: int
    error: bool


@dataclass(slots=True)
class Card:
    """The whole score, as far as it has come. chosen: what is scored."""

    scenarios: Mapping[str, Scenario]
    faults: Mapping[str, Fault]
    surveys: dict[str, Survey] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    def by(self, fault: str) -> list[Notice]:
        """Who noticed a fault; claimants first."""
        found = [one for one in self.notices if one.fault == fault and not one.error]
        return sorted(found, key=lambda one: (not self.claims(one.scenario, fault), one.scenario))

    def claims(self, scenario: str, fault: str) -> bool:
        """Whether a scenario claims the requirement that a fault breaks, and is more than a comparison."""
        return claims(self.scenarios[scenario], self.faults[fault])

    def kinds(self, fault: str) -> set[str]:
        """The kinds of scenarios that noticed a fault."""
        return {self.scenarios[one.scenario].kind for one in self.by(fault)}

    def examples(self, fault: str) -> int | None:
        """How many random runs it took until a fault was noticed, where that is known."""
        return min((one.examples for one in self.by(fault) if one.examples), default=None)

    @property
    def median_examples(self) -> float | None:
        found = [count for name in self.faults if (count := self.examples(name)) is not None]
        return median(found) if found else None

    @property
    def uncaught(self) -> list[str]:
        """Faults that nothing notices."""
        return [name for name in self.faults if not self.by(name)]

    @property
    def unclaimed(self) -> list[str]:
        """Faults that are noticed, but by no scenario that claims their requirement."""
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
    def wrong(self) -> list[Survey]:
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
                }
                for name, fault in self.faults.items()
            ],
            "scenarios": [
                {"id": name, "tripped_by": [n.fault for n in self.notices if n.scenario == name and not n.error]}
                for name in self.scenarios
            ],
            "median_examples": self.median_examples,
            "gaps": self.gaps(),
        }

    def gaps(self) -> dict[str, list[str]]:
        """What does not come out as it must, by kind of gap."""
        return {
            "fails without a fault": [f"{survey.scenario}: {survey.detail}" for survey in self.wrong],
            "not caught": [self._told(name) for name in self.uncaught],
            "not caught by a scenario that claims the requirement": [self._told(name) for name in self.unclaimed],
            "tripped by no fault": self.untripped,
            "ends with an error of its own": [f"{n.scenario} with fault:{n.fault}: {n.detail}" for n in self.errors],
        }

    def _told(self, name: str) -> str:
        fault = self.faults[name]
        others = ", ".join(one.scenario for one in self.by(name)[:3])
        return f"{fault.requirement} {name}: {fault.summary}" + (f" [noticed by {others}]" if others else "")


def claims(scenario: Scenario, fault: Fault) -> bool:
    """See Card.claims."""
    return scenario.kind != "differential" and fault.requirement in {
        Claim.parse(text).requirement for text in scenario.requirements
    }


def choose(only: str = "") -> Card:
    """An empty card for what `only` is about.

    Scenarios whose id contains it; faults whose name or area contains it, or whose requirement one of those scenarios
    claims. Without it: everything.
    """
    load()
    chosen = {one.id: one for one in scenarios(only)}
    wanted = {
        name: fault
        for name, fault in faults().items()
        if only in name or only in fault.area or any(claims(one, fault) for one in chosen.values())
    }
    return Card(chosen or {one.id: one for one in scenarios()}, wanted)


class Scorer:
    """Fills a card with processes. Each of the methods gives a stream of what has been done, one item at a time."""

    def __init__(self, card: Card, processes: int) -> None:
        self.card = card
        self._stack = ExitStack()
        self._pool: Pool = self._stack.enter_context(
            multiprocessing.get_context("spawn").Pool(processes, _start_worker)
        )

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def survey(self) -> Iterator[str]:
        """Run every scenario with the genuine engine."""
        for survey in self._pool.imap_unordered(_survey, list(self.card.scenarios)):
            self.card.surveys[survey.scenario] = survey
            yield survey.scenario

    def judge(self) -> Iterator[str]:
        """Judge every fault."""
        tasks = [(name, *self._plan(fault)) for name, fault in self.card.faults.items()]
        for name, found in self._pool.imap_unordered(_judge, tasks):
            self.card.notices += found
            yield name

    def trip(self) -> Iterator[str]:
        """Look for a fault that trips each of the scenarios which nothing has tripped so far."""
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
        for scenario, found in self._pool.imap_unordered(_trip, tasks):
            self.card.notices += found
            yield scenario

    def _plan(self, fault: Fault) -> tuple[list[Task], list[list[Task]]]:
        """What judges a fault: scenarios that do in any case, and of each kind those that do until one notices."""
        tasks = [task for survey in self.card.surveys.values() if (task := survey.task(_about(fault)))]
        tasks.sort(key=lambda task: task.seconds)
        first = [task for task in tasks if claims(self.card.scenarios[task.scenario], fault)]
        rest = [task for task in tasks if task not in first]
        return first, [[task for task in rest if self.card.scenarios[task.scenario].kind == kind] for kind in KINDS]


@cache
def _about(fault: Fault) -> Lines:
    return about(fault.edits)


# ---- in the worker processes ----------------------------------------------------------------------------------------


class _Observed(Stage):
    """A stage on which random runs are told apart by the lines they reach."""

    def __init__(self, scenario: Scenario, target: SoloTarget, trace: Trace) -> None:
        super().__init__(target, scenario.version, seed_of(scenario, SEED), _peer)
        self._trace = trace
        self.reached: dict[int, frozenset[Line]] = {}

    def examples(self, count: int) -> Iterator[int]:
        for number in super().examples(count):
            forget_worlds()  # or only the first of several runs that begin alike would reach the lines of a handshake
            yield number
            self.reached[number] = self._trace.take()


class _Selected(Stage):
    """A stage on which only some of the random runs are made."""

    def __init__(self, scenario: Scenario, target: SoloTarget, wanted: frozenset[int] | None) -> None:
        super().__init__(target, scenario.version, seed_of(scenario, SEED), _peer)
        self._wanted = wanted

    def examples(self, count: int) -> Iterator[int]:
        return (number for number in super().examples(count) if self._wanted is None or number in self._wanted)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that shows the results
    load()
    remember_powers()


@cache
def _scenario(name: str) -> Scenario:
    (found,) = (one for one in scenarios(name) if one.id == name)
    return found


_peer = SoloTarget("reference", ReferenceEngine)


def _survey(name: str) -> Survey:
    target = _genuine_copy()
    began = time.process_time()
    with Trace(PREFIX + "genuine") as trace:
        stage = _Observed(_scenario(name), target, trace)
        verdict, detail = verdict_of(_scenario(name), stage)
    reached = trace.take().union(*stage.reached.values())
    return Survey(name, verdict is Verdict.PASS, detail, time.process_time() - began, reached, stage.reached)


@cache
def _genuine_copy() -> SoloTarget:
    """Of the genuine engine a copy, for the peer is one as well and its lines are not to be counted."""
    return SoloTarget("reference", copy_engine("genuine", {}))


def _judge(task: tuple[str, list[Task], list[list[Task]]]) -> tuple[str, list[Notice]]:
    name, first, kinds = task
    target = FaultTarget(name)
    found = [notice for one in first for notice in notices(one, target)]
    later: list[Task] = []
    for kind in kinds:
        if kind and not any(_scenario(one.scenario).kind == _scenario(kind[0].scenario).kind for one in _sure(found)):
            cheap = list(_within(kind, BUDGET))
            found += _until_noticed(cheap, target)
            later += kind[len(cheap) :]
    return name, found if _sure(found) else found + _until_noticed(later, target)


def _within(tasks: Iterable[Task], seconds: float) -> Iterator[Task]:
    """The first tasks, up to so many seconds."""
    for task in tasks:
        seconds -= task.seconds
        if seconds < 0 and task.examples is None:
            return
        yield task


def _trip(task: tuple[str, list[tuple[str, Task]]]) -> tuple[str, list[Notice]]:
    scenario, able = task
    found: list[Notice] = []
    for name, one in able:
        found += notices(one, FaultTarget(name))
        if _sure(found):
            break
    return scenario, found


def _until_noticed(tasks: Iterable[Task], target: FaultTarget) -> list[Notice]:
    found: list[Notice] = []
    for task in tasks:
        found += notices(task, target)
        if _sure(found):
            break
    return found


def _sure(notices: Iterable[Notice]) -> list[Notice]:
    return [notice for notice in notices if not notice.error]


def notices(task: Task, target: FaultTarget) -> list[Notice]:
    """Judge a fault by a scenario: one notice, or none if it goes unnoticed."""
    scenario = _scenario(task.scenario)
    stage = _Selected(scenario, target, task.examples)
    verdict, detail = verdict_of(scenario, stage)
    if verdict not in NOTICED and verdict is not Verdict.INFRA:
        return []
    return [Notice(scenario.id, target.fault, detail.partition("\n")[0], stage.tried, verdict is Verdict.INFRA)]
