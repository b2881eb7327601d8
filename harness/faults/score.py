"""The score: which scenarios notice which faults.

Every scenario is run once with the genuine engine, to see which lines of it are reached; a fault in other lines needs
no run. Every fault is then judged by all scenarios that claim its requirement, and by the others of each kind until one
notices. Scenarios that nothing has tripped so far meet one fault after the other until something does. All that does
not come out as it must is a gap.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from multiprocessing.pool import Pool
from statistics import median
from typing import Any

from harness.faults.entries import Fault, faults
from harness.faults.loader import PREFIX, copy_engine
from harness.faults.powers import remember_powers
from harness.faults.reach import Line, about, traced
from harness.faults.target import FaultTarget
from harness.judge import Result, run
from harness.requirements import Claim
from harness.scenario import Scenario, load, scenarios
from harness.targets import SoloTarget
from harness.transcript import Verdict
from implementations.reference import ReferenceEngine

#: The kinds of scenarios, in the order in which they are shown.
KINDS = ("conformance", "properties", "differential", "attacks", "deniability")

SEED = b"otterproof"

#: Verdicts by which a scenario notices a fault; INFRA is an error of the scenario's own.
NOTICED = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC})


@dataclass(frozen=True, slots=True)
class Survey:
    """What a scenario does with the genuine engine: it must pass, and it reaches these lines."""

    scenario: str
    passed: bool
    detail: str
    seconds: float
    reached: frozenset[Line]


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
        tried = {(name, fault) for fault, entry in faults().items() for name in self._plan(entry)[0]}
        crowd = {
            name: sum(self._reaches(survey, fault) for survey in self.card.surveys.values())
            for name, fault in faults().items()
        }
        tasks = []
        for scenario in self.card.untripped:
            survey = self.card.surveys[scenario]
            if survey.passed:
                able = [name for name, fault in faults().items() if self._reaches(survey, fault)]
                able = [name for name in able if name not in self.card.faults or (scenario, name) not in tried]
                tasks.append((scenario, sorted(able, key=lambda name: crowd[name])))
        for scenario, found in self._pool.imap_unordered(_trip, tasks):
            self.card.notices += found
            yield scenario

    def _plan(self, fault: Fault) -> tuple[list[str], list[list[str]]]:
        """Which scenarios judge a fault: those that do in any case, and of each kind those that may be needed."""
        surveys = sorted(self.card.surveys.values(), key=lambda survey: survey.seconds)
        able = [survey.scenario for survey in surveys if survey.passed and self._reaches(survey, fault)]
        first = [name for name in able if claims(self.card.scenarios[name], fault)]
        rest = [name for name in able if name not in first]
        return first, [[name for name in rest if self.card.scenarios[name].kind == kind] for kind in KINDS]

    @staticmethod
    def _reaches(survey: Survey, fault: Fault) -> bool:
        lines = _about(fault)
        return lines is None or not survey.reached.isdisjoint(lines)


@cache
def _about(fault: Fault) -> frozenset[Line] | None:
    return about(fault.edits)


# ---- in the worker processes ----------------------------------------------------------------------------------------


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
    copy = _genuine_copy()
    with traced(PREFIX + "genuine") as reached:
        result = run(_scenario(name), copy, SEED, peer=_peer)
    # How long it takes when nobody watches is what counts for the order in which scenarios are tried.
    seconds = result.seconds
    return Survey(name, result.verdict is Verdict.PASS, result.detail, seconds, frozenset(reached))


@cache
def _genuine_copy() -> SoloTarget:
    """Of the genuine engine a copy, for the peer is one as well and its lines are not to be counted."""
    return SoloTarget("reference", copy_engine("genuine", {}))


def _judge(task: tuple[str, list[str], list[list[str]]]) -> tuple[str, list[Notice]]:
    name, first, kinds = task
    found = [notice for scenario in first for notice in _notices(scenario, name)]
    for kind in kinds:
        if any(_scenario(one.scenario).kind == _scenario(kind[0]).kind for one in found if kind and not one.error):
            continue
        for scenario in kind:
            notices = _notices(scenario, name)
            found += notices
            if any(not one.error for one in notices):
                break
    return name, found


def _trip(task: tuple[str, list[str]]) -> tuple[str, list[Notice]]:
    scenario, names = task
    found: list[Notice] = []
    for name in names:
        notices = _notices(scenario, name)
        found += notices
        if any(not one.error for one in notices):
            break
    return scenario, found


def _notices(scenario: str, fault: str) -> list[Notice]:
    result = run(_scenario(scenario), FaultTarget(fault), SEED, peer=_peer)
    return [_notice(result, fault)] if result.verdict in NOTICED | {Verdict.INFRA} else []


def _notice(result: Result, fault: str) -> Notice:
    detail = result.detail.partition("\n")[0]
    return Notice(result.scenario, fault, detail, result.examples, result.verdict is Verdict.INFRA)
