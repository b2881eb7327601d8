"""Judging a target by scenarios: each run has a verdict, and the results arrive as a stream.

Scenarios are independent of each other, so they are spread over processes, each with one instance of the target. A
scenario's randomness comes from the seed and its id alone, so it runs the same by itself, in any order and in any
process.

A breakdown while the target forgets the parties of a scenario counts for that scenario. What goes wrong when its
process ends, after all scenarios or between two, is the result of one scenario about just that (ENDS), however many
processes there were.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.judgement import counts, judge_scenario, judgement_of, later
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Begun, pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import requirement_ids
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import USUAL, Limits, TargetError
from otterproof.harness.targets.engines import Target
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import Scenario, load, scenario_of

#: The scenario about how a target's process ends, without its version.
ENDS = "conformance.process.driver_exits_on_shutdown"

#: Verdicts for which no transcript is written, unless all are.
_WITHOUT_TRANSCRIPT = (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one scenario. detail: why, unless it passed; steps: inputs given to parties; seconds: duration.

    failure: the record of what went wrong, None if nothing did.

    check: the id of the failure, "" if nothing failed. [otterproof.harness.runs.signature]
    known: why a failure is accepted, "" if it is not. [otterproof.harness.runs.deviations]
    readings: what a probe measured, by the id of the reading.
    examples: the number of its random runs, including a failed one; 0 if it has none.
    visited: the cells of the state tables that it visited (otterproof.harness.spec.states), sorted.
    unwritten: why its transcripts or its trace could not be written; "" if they were.
    """

    scenario: str
    requirements: tuple[str, ...]
    verdict: Verdict
    detail: str
    steps: int
    seconds: float
    check: str = ""
    transcripts: tuple[str, ...] = ()
    known: str = ""
    examples: int = 0
    readings: Mapping[str, str] = field(default_factory=dict)
    visited: tuple[str, ...] = ()
    unwritten: str = ""
    failure: Failure | None = None

    @property
    def claimed(self) -> tuple[str, ...]:
        """The ids of the requirements that the scenario judges, each once, whether as kept or as broken."""
        return requirement_ids(self.requirements)

    @property
    def counts(self) -> bool:
        """Whether it means that the target does not conform, leaving known deviations aside. [Judgement.counts]"""
        return counts(self.verdict, self.failure)


def run(
    scenario: Scenario,
    target: Target,
    seed: bytes,
    folder: Path | None = None,
    keep: bool = False,
    peer: Target | None = None,
    effort: int = 1,
) -> Result:
    """Run one scenario. Transcripts go to `folder`: of a run that did not pass, or, with `keep`, of every run.

    peer: plays the other side, by default the reference engine. effort: a factor for the number of random runs in which
    a property is tried.
    """
    began = time.perf_counter()
    missing = scenario.needs - target.capabilities
    if missing:
        detail = f"{target.name} does not claim {', '.join(sorted(missing))}"
        return Result(scenario.id, scenario.requirements, Verdict.UNSUPPORTED, detail, 0, 0.0)
    context = Context(target, scenario.version, seed_of(scenario, seed), peer)
    context.effort = effort
    judgement = judge_scenario(scenario, context)
    verdict, detail, failure = judgement.verdict, judgement.detail, judgement.failure
    paths: list[Path] = []
    unwritten = ""
    if folder is not None and (keep or verdict not in _WITHOUT_TRANSCRIPT):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            paths = context.write_transcripts(folder, scenario.id, verdict, detail)
            if failure is not None:
                failure = replace(failure, picture=context.write_picture(folder, scenario.id))
        except OSError as error:  # the disk is full, say: the verdict stands anyway
            unwritten = f"{folder}: {error.strerror or error}"
        except OutputError as error:
            unwritten = f"{folder}: {error.reason}"
    return Result(
        scenario.id,
        scenario.requirements,
        verdict,
        detail,
        context.steps,
        time.perf_counter() - began,
        judgement.check,
        tuple(map(str, paths)),
        readings=context.readings,
        visited=tuple(sorted(context.visited)),
        examples=context.tried,
        unwritten=unwritten,
        failure=failure,
    )


def seed_of(scenario: Scenario, seed: bytes) -> bytes:
    """The seed of a scenario's randomness."""
    return hashlib.sha256(seed + b"/" + scenario.id.encode()).digest()


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a process needs to know. folder, keep, effort: as in `run`. trace: the file for the lines of a driver.

    modules: those with the user's own scenarios.
    """

    target: str
    seed: bytes
    folder: Path | None
    keep: bool
    limits: Limits = USUAL
    trace: Path | None = None
    effort: int = 1
    modules: tuple[str, ...] = ()


def _run_by_id(job: Job, worker: WorkerContext, scenario_id: str) -> Result:
    return _run(job, worker, scenario_of(scenario_id))


def _run(job: Job, worker: WorkerContext, scenario: Scenario) -> Result:
    """Run a scenario; an error in `run` itself does not stop the other scenarios."""
    try:
        with worker.tracing(scenario.id):
            result = run(scenario, worker.target(job.target), job.seed, job.folder, job.keep, effort=job.effort)
    except Exception as error:  # noqa: BLE001 (our own defect: errors of the target don't get this far)
        return _infra(scenario, f"{type(error).__name__}: {error}")
    return replace(result, unwritten=result.unwritten or worker.untraced)


def _infra(scenario: Scenario, why: str) -> Result:
    return Result(scenario.id, scenario.requirements, Verdict.INFRA, printable(why, lines=True), 0, 0.0)


def _leave(job: Job, worker: WorkerContext, _: None) -> Result | None:
    """End a worker's target; return a result if something went wrong."""
    return ending(worker.target(job.target))


def ending(target: Target) -> Result | None:
    """End a target. Problems then, or between scenarios, become a result of ENDS; None if there were none."""
    try:
        target.leave()
    except TargetError as error:
        judged = judgement_of(error)
        lowest = min(f"v{version}" for version in (2, 3) if f"v{version}" in target.capabilities)
        late = later(judged, "between scenarios, or after all of them")
        return Result(f"{ENDS}[{lowest}]", (), late.verdict, late.detail, 0, 0.0, late.check, failure=late.failure)
    return None


@dataclass(frozen=True, slots=True)
class ScenarioStarted:
    """A scenario has begun."""

    scenario: str


def judge(
    job: Job, chosen: Sequence[Scenario], processes: int, in_time: Callable[[], bool] = lambda: True
) -> Generator[ScenarioStarted | Result, None, None]:
    """Run scenarios against a target; yield which one begins, and results as they are ready.

    Closing the iterator ends what is still running. A result of ENDS may come even if ENDS was not chosen, for problems
    when processes ended. in_time: asked before each scenario; once it says no, no more are begun. Raises WorkersDied.
    """
    begun = takewhile(lambda _: in_time(), chosen)
    context = WorkerContext((job.target,), job.limits, prepare=(partial(load, job.modules),), trace=job.trace)
    if processes <= 1:
        with context as worker:
            yield from with_ending_result(_one_by_one(job, worker, begun), lambda: [_leave(job, worker, None)])
        return
    by_id = {scenario.id: scenario for scenario in chosen}
    with pool(processes, context) as workers:
        told = workers.as_told(
            partial(_run_by_id, job),
            (scenario.id for scenario in begun),
            lambda scenario_id, why: _infra(by_id[scenario_id], why),
        )
        events = (ScenarioStarted(one.task) if isinstance(one, Begun) else one.result for one in told)
        yield from with_ending_result(events, lambda: workers.each(partial(_leave, job), lambda _: None))


def results_of(events: Iterable[ScenarioStarted | Result]) -> Iterator[Result]:
    """The results alone."""
    return (event for event in events if isinstance(event, Result))


def _one_by_one(
    job: Job, worker: WorkerContext, chosen: Iterable[Scenario]
) -> Generator[ScenarioStarted | Result, None, None]:
    for scenario in chosen:
        yield ScenarioStarted(scenario.id)
        yield _run(job, worker, scenario)


def with_ending_result(
    events: Iterable[ScenarioStarted | Result], end_of: Callable[[], Iterable[Result | None]]
) -> Iterator[ScenarioStarted | Result]:
    """Add the result of ending the processes: it replaces the scenario's own result if that has passed."""
    passed: dict[str, Result] = {}
    failed = False
    for result in events:
        if isinstance(result, ScenarioStarted):
            yield result
        elif result.scenario.startswith(ENDS) and result.verdict is Verdict.PASS:
            passed[result.scenario] = result
        else:
            failed |= result.scenario.startswith(ENDS) and result.verdict is not Verdict.UNSUPPORTED
            yield result
    ends = sorted((one for one in end_of() if one is not None), key=lambda one: (one.verdict.value, one.detail))
    if ends and not failed:
        own = passed.get(ends[0].scenario, ends[0])
        end = ends[0]
        passed[own.scenario] = replace(
            own, verdict=end.verdict, detail=end.detail, check=end.check, failure=end.failure
        )
    yield from passed.values()
