"""Judges faulty engines by single scenarios, in a process that does nothing else.

A scenario is first surveyed with a genuine engine: which lines it reaches, and what it costs. It then judges any number
of engines that differ in some of these lines. Powers are remembered, because the seeds are the same.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from otterproof.harness.runs.faults.memoize import remember_powers
from otterproof.harness.runs.faults.reach import Line, Lines, Trace
from otterproof.harness.runs.fuzz.case import forget_worlds
from otterproof.harness.runs.judgement import Judgement, judge_scenario
from otterproof.harness.runs.runner import Result, seed_of
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool, Work, pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.engines import SingleEngineTarget, Target
from otterproof.harness.targets.faults.loader import PREFIX, Original, copy_engine
from otterproof.harness.targets.faults.target import PREFIX as PREFIX_OF_TARGETS
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import Scenario, load, scenario_of
from otterproof.implementations.reference import ReferenceEngine

N = TypeVar("N", bound=tuple[Any, ...])
R = TypeVar("R")

SEED = b"otterproof"

#: The verdicts by which a scenario notices a fault; INFRA is an error of the scenario itself.
NOTICED = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC})


@dataclass(frozen=True, slots=True)
class Reach:
    """What a scenario does with the genuine engine: whether it passes, the lines it reaches, and its cost in seconds.

    examples: the lines that each random run of a property reaches.
    """

    scenario: str
    passed: bool
    detail: str
    seconds: float
    reached: frozenset[Line]
    examples: Mapping[int, frozenset[Line]]

    def task(self, lines: Lines) -> ScenarioTask | None:
        """How to judge by this scenario what is wrong in some lines; None if it can't notice that."""
        if not self.passed or not (lines is None or lines & self.reached):
            return None
        able = [number for number, reached in self.examples.items() if lines is None or lines & reached]
        if self.examples and not able:
            return None
        if not self.examples:
            return ScenarioTask(self.scenario, self.seconds)
        return ScenarioTask(self.scenario, self.seconds * len(able) / len(self.examples), frozenset(able))


@dataclass(frozen=True, slots=True)
class ScenarioTask:
    """A scenario to run. seconds: what it costs. examples: the random runs to make, None for all."""

    scenario: str
    seconds: float = 0
    examples: frozenset[int] | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A scenario that noticed a fault by a check, or ended with an error of its own (`error`).

    examples, check: as in Result. others: the checks of less binding failures.
    """

    scenario: str
    fault: str
    detail: str
    examples: int
    error: bool
    check: str = ""
    others: tuple[str, ...] = ()


class _Observed(Context):
    """A context that notes which lines each random run reaches."""

    def __init__(self, scenario: Scenario, target: Target, trace: Trace) -> None:
        super().__init__(target, scenario.version, seed_of(scenario, SEED), _peer)
        self._trace = trace
        self.reached: dict[int, frozenset[Line]] = {}

    def examples(self, count: int) -> Iterator[int]:
        for number in super().examples(count):
            forget_worlds()  # otherwise, of runs that begin alike, only the first would reach the lines of a handshake
            yield number
            self.reached[number] = self._trace.take()


class _Selected(Context):
    """A context that makes only some of the random runs."""

    def __init__(self, scenario: Scenario, target: Target, wanted: frozenset[int] | None) -> None:
        super().__init__(target, scenario.version, seed_of(scenario, SEED), _peer)
        self._wanted = wanted

    def examples(self, count: int) -> Iterator[int]:
        return (number for number in super().examples(count) if self._wanted is None or number in self._wanted)


def workers(processes: int, *, remembering: bool = True) -> AbstractContextManager[Pool]:
    """A pool of judging processes. remembering: powers, which makes them faster than a target can be."""
    return pool(processes, WorkerContext(prepare=(load, remember_powers) if remembering else (load,)))


@dataclass(frozen=True, slots=True)
class Lost:
    """A task with an unknown result, because its worker died: what it was about, and how the worker died."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}"


def results(workers: Pool, work: Work[N, R], tasks: Iterable[N], lost: list[Lost]) -> Iterator[R]:
    """The results of tasks as they come. The first member of a task says what it is about. Lost tasks go to `lost`."""
    found: Iterator[R | Lost] = workers.unordered(work, tasks, lambda task, why: Lost(str(task[0]), why))
    for one in found:
        if isinstance(one, Lost):
            lost.append(one)
        else:
            yield one


_peer = SingleEngineTarget("reference", ReferenceEngine)


def survey(_: WorkerContext, task: tuple[str, Original]) -> Reach:
    """Run a scenario with a genuine engine."""
    name, original = task
    return reach(name, genuine_copy(original))


def reach(name: str, target: Target, trace: Trace | None = None) -> Reach:
    """Run a scenario with a copy of a genuine engine, which has the name of the target. trace: of that copy."""
    began = time.process_time()
    with trace or Trace(PREFIX + target.name) as trace:
        context = _Observed(scenario_of(name), target, trace)
        judged = judge_scenario(scenario_of(name), context)
    reached = trace.take().union(*context.reached.values())
    return Reach(
        name, judged.verdict is Verdict.PASS, judged.detail, time.process_time() - began, reached, context.reached
    )


@cache
def genuine_copy(original: Original) -> SingleEngineTarget:
    """A copy of a genuine engine; the peer is a genuine engine too, and its lines must not count."""
    name = f"genuine_{original.engine}"
    return SingleEngineTarget(name, copy_engine(name, {}, original))


def budgeted(tasks: Iterable[ScenarioTask], seconds: float) -> Iterator[ScenarioTask]:
    """The first tasks, up to so many seconds; of the last one only some of its random runs, if it has any."""
    for task in tasks:
        if task.seconds > seconds:
            if task.examples:
                some = sorted(task.examples)[: int(len(task.examples) * seconds / task.seconds)]
                yield ScenarioTask(task.scenario, seconds, frozenset(some))
            return
        seconds -= task.seconds
        yield task


def until_noticed(tasks: Iterable[ScenarioTask], target: Target) -> list[Notice]:
    """Judge an engine by one scenario after the other until one notices; returns all notices, errors included."""
    found: list[Notice] = []
    for task in tasks:
        found += notices(task, target)
        if detections(found):
            break
    return found


def detections(notices: Iterable[Notice]) -> list[Notice]:
    """The notices without the errors."""
    return [notice for notice in notices if not notice.error]


def notices(task: ScenarioTask, target: Target) -> list[Notice]:
    """Judge an engine by a scenario: one notice, or [] if nothing is noticed."""
    judged, context = judge(task, target)
    if judged.verdict not in NOTICED and judged.verdict is not Verdict.INFRA:
        return []
    name, error = target.name.removeprefix(PREFIX_OF_TARGETS), judged.verdict is Verdict.INFRA
    headline = judged.detail.partition("\n")[0]
    return [Notice(task.scenario, name, headline, context.tried, error, judged.check, judged.others)]


def result(task: ScenarioTask, target: Target) -> Result:
    """Judge an engine by a scenario, as `check` does."""
    judged, context = judge(task, target)
    claimed = scenario_of(task.scenario).requirements
    return Result(
        task.scenario,
        claimed,
        judged.verdict,
        judged.detail,
        context.steps,
        0.0,
        judged.check,
        examples=context.tried,
        failure=judged.failure,
    )


def judge(task: ScenarioTask, target: Target) -> tuple[Judgement, Context]:
    """Judge a target that has what the scenario needs; returns the context as well."""
    scenario = scenario_of(task.scenario)
    context = _Selected(scenario, target, task.examples)
    return judge_scenario(scenario, context), context
