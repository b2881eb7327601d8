"""Judging a target by scenarios: each run has a verdict, and the results come as a stream.

Scenarios are independent of each other, so they are spread over processes; each process has the target once. A
scenario's randomness comes from the seed and its id alone: it runs the same alone, in any order and in any process.

A target that breaks down while it forgets the parties of a scenario breaks down in that scenario. What goes wrong when
its process ends, after all of them or between two, is the result of one scenario that is about just that (ENDS),
however many processes there were.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import takewhile
from pathlib import Path

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.failure import Failure, failure_of
from otterproof.harness.runs.signature import check_of
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Begun, pool
from otterproof.harness.simulation.network import NotQuiescent
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec.requirements import Level, requirement_ids
from otterproof.harness.support.excused import excusing
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import (
    USUAL,
    Limits,
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetGivenUp,
    TargetHang,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.lockstep import Divergence
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import Scenario, load, scenario_of
from otterproof.harness.wire import UnreadableField

#: The scenario of how a target's process ends, without its version.
ENDS = "conformance.process.driver_exits_on_shutdown"

#: What an exception says about the target. The first class that fits counts; any other exception is our own fault.
VERDICTS: tuple[tuple[type[Exception], Verdict], ...] = (
    (CheckFailed, Verdict.FAIL),
    (Unsupported, Verdict.UNSUPPORTED),
    (Divergence, Verdict.FAIL),
    (ModelDivergence, Verdict.FAIL),
    (OracleFailure, Verdict.FAIL),
    (NotQuiescent, Verdict.FAIL),
    (UnreadableField, Verdict.FAIL),  # a message of the target lacks a field that a scenario looks at
    (TargetUnsupported, Verdict.UNSUPPORTED),  # that a claim is kept is judged by conformance.claims
    (TargetGivenUp, Verdict.GIVEN_UP),
    (TargetHang, Verdict.HANG),
    (TargetDesync, Verdict.DESYNC),
    (TargetCrash, Verdict.CRASH),
    (TargetFailed, Verdict.CRASH),
    (TargetStranded, Verdict.CRASH),  # it has been tried once more
)


#: Verdicts that mean that the target does not conform.
BAD = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC, Verdict.GIVEN_UP})

#: Verdicts of runs of which no transcript is written, unless all are.
_WITHOUT_TRANSCRIPT = (Verdict.PASS, Verdict.UNSUPPORTED, Verdict.GIVEN_UP)


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one scenario. detail: why, unless it passed; steps: inputs given to parties; seconds: it took.

    failure: the record of what went wrong, None where nothing did.

    check: the id of the failure, "" where nothing failed. [otterproof.harness.runs.signature]
    known: why a failure is accepted, "" if it is not. [otterproof.harness.runs.deviations]
    readings: what a probe measured, by the id of the reading.
    examples: how many random runs it was made of, the one that failed among them; 0 if it is none of that kind.
    visited: the cells of the state tables that it visited (otterproof.harness.spec.states), sorted.
    unwritten: why its transcripts, or the trace of it, could not be written; "" if they were.
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
        """The ids of the requirements that the scenario judges, each once, whether kept or broken in it."""
        return requirement_ids(self.requirements)

    @property
    def counts(self) -> bool:
        """Whether the target does not conform for it, were it not known. [Judgement.counts]"""
        return counts(self.verdict, self.failure)


def counts(verdict: Verdict, failure: Failure | None, least: Level = Level.MUST) -> bool:
    """Whether a target with this verdict does not conform: it broke down, or a demand of this level does not hold."""
    if verdict is not Verdict.FAIL or failure is None:
        return verdict in BAD
    return failure.level is Level.MUST or (failure.level is Level.SHOULD and least is Level.SHOULD)


def run(
    scenario: Scenario,
    target: Target,
    seed: bytes,
    folder: Path | None = None,
    keep: bool = False,
    peer: Target | None = None,
    effort: int = 1,
) -> Result:
    """Run one scenario. Transcripts go to `folder`: of a run that did not pass, or, with `keep`, of every one.

    peer: who plays the other side, the reference engine unless given. effort: how many times as many random runs a
    property is tried in.
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
        except OSError as error:  # the disk is full, say: the verdict stands all the same
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
    """What a scenario's randomness follows from."""
    return hashlib.sha256(seed + b"/" + scenario.id.encode()).digest()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says about the target. detail: why, unless it passed. check: the id of the failure, "" without one.

    failure: the record of what went wrong, None where nothing did. others: the checks of less binding failures.
    stranded: it says nothing yet, for something besides the target has ended. [TargetStranded]
    """

    verdict: Verdict
    detail: str = ""
    check: str = ""
    failure: Failure | None = None
    others: tuple[str, ...] = ()
    stranded: bool = False

    @property
    def counts(self) -> bool:
        """Whether the target does not conform for it: something that must be is not, or the target broke down."""
        return counts(self.verdict, self.failure)


def judge_scenario(scenario: Scenario, context: Context) -> Judgement:
    """Run a scenario in a context, and have its parties forgotten.

    If something has ended that the target needs, such as a screen, it is run again, and what is seen then counts.

    A demand that the texts do not make of every client stops a scenario as any other does. It is run again without that
    demand then, as far as it can go on, so that it does not hide what is more binding. What is most binding counts.
    """
    judged = _judge_once(scenario, context)
    if judged.stranded:
        again = context.again()
        judged = _judge_once(scenario, again)
        context.take_over(again)
    best = judged
    excused = set[str]()
    while judged.verdict is Verdict.FAIL and not judged.counts and judged.check not in excused:
        excused.add(judged.check)
        again = context.again()
        with excusing(excused):
            judged = _judge_once(scenario, again)
        context.readings |= again.readings
        context.visited |= again.visited
        if judged.verdict in BAD and _binding(judged) < _binding(best):
            context.take_over(again)
            best = judged
    return replace(best, others=tuple(sorted(excused - {best.check})))


def _binding(judged: Judgement) -> int:
    """How binding a failure is; 0 for what must be."""
    levels = list(Level)
    return 0 if judged.counts or judged.failure is None else levels.index(judged.failure.level)


def _judge_once(scenario: Scenario, context: Context) -> Judgement:
    judged = Judgement(Verdict.PASS)
    try:
        scenario.run(context)
        context.raise_wrong_case()
    except Exception as error:  # noqa: BLE001 (whatever it is, it becomes the verdict)
        judged = _judged(scenario, context, context.wrong_case() or error)
        if judged.verdict is Verdict.FAIL:
            context.take_picture()
    try:
        context.finish()
    except TargetError as error:
        late = judgement_of(error, scenario.requirements, context.last_steps)
        if judged.verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            return _later(late, "the scenario passed; then, when its parties were forgotten")
        judged = replace(judged, detail=f"{judged.detail}\nafterwards, when its parties were forgotten: {late.detail}")
    return judged


def _later(judged: Judgement, when: str) -> Judgement:
    """A judgement on what happened after the scenario itself."""
    failure = replace(judged.failure, case=when) if judged.failure is not None else None
    return replace(judged, detail=f"{when}: {judged.detail}", failure=failure)


def _judged(scenario: Scenario, context: Context, error: Exception) -> Judgement:
    """The judgement on a scenario that an exception ended."""
    judged = judgement_of(error, scenario.requirements, context.last_steps)
    if isinstance(error, TargetUnsupported):
        claims = ", ".join(sorted(scenario.needs))
        judged = replace(judged, detail=f"it claims {claims}, and says that it can't: {judged.detail}")
    return judged


def judgement_of(error: Exception, claimed: Sequence[str] = (), steps: Sequence[Step] = ()) -> Judgement:
    """What an exception says about the target; its text is made fit to be shown. claimed, steps: as in failure_of."""
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    detail = f"{error}" if verdict is not Verdict.INFRA else f"{type(error).__name__}: {error}"
    text = printable("\n".join([detail, *getattr(error, "__notes__", ())]), lines=True)
    check = check_of(error) if verdict in BAD else ""
    failure = failure_of(error, check, claimed, steps) if verdict in BAD else None
    return Judgement(verdict, text, check, failure, stranded=isinstance(error, TargetStranded))


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a process needs to know. folder, keep, effort: as in `run`. trace: the file for the lines of a driver.

    modules: those with scenarios of a user's own.
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
    """Run a scenario; what goes wrong in `run` itself does not end the run of the others."""
    try:
        with worker.tracing(scenario.id):
            result = run(scenario, worker.target(job.target), job.seed, job.folder, job.keep, effort=job.effort)
    except Exception as error:  # noqa: BLE001 (our own, as nothing of the target's comes this far)
        return _infra(scenario, f"{type(error).__name__}: {error}")
    return replace(result, unwritten=result.unwritten or worker.untraced)


def _infra(scenario: Scenario, why: str) -> Result:
    return Result(scenario.id, scenario.requirements, Verdict.INFRA, printable(why, lines=True), 0, 0.0)


def _leave(job: Job, worker: WorkerContext, _: None) -> Result | None:
    """The end of a worker's target, as a result of its own when something went wrong."""
    return ending(worker.target(job.target))


def ending(target: Target) -> Result | None:
    """End a target. What went wrong then or between scenarios, as a result of ENDS; None if nothing did."""
    try:
        target.leave()
    except TargetError as error:
        judged = judgement_of(error)
        lowest = min(f"v{version}" for version in (2, 3) if f"v{version}" in target.capabilities)
        late = _later(judged, "between scenarios, or after all of them")
        return Result(f"{ENDS}[{lowest}]", (), late.verdict, late.detail, 0, 0.0, late.check, failure=late.failure)
    return None


@dataclass(frozen=True, slots=True)
class ScenarioStarted:
    """A scenario has begun."""

    scenario: str


def judge(
    job: Job, chosen: Sequence[Scenario], processes: int, in_time: Callable[[], bool] = lambda: True
) -> Generator[ScenarioStarted | Result, None, None]:
    """Run scenarios against a target; which one begins, and results as they are ready. Closing the iterator ends what
    is still running.

    A result of ENDS may come though that was not chosen, for what went wrong when processes ended. in_time: asked
    before each scenario; once it says no, none is begun any more. WorkersDied.
    """
    begun = takewhile(lambda _: in_time(), chosen)
    context = WorkerContext((job.target,), job.limits, prepare=(partial(load, job.modules),), trace=job.trace)
    if processes <= 1:
        with context as worker:
            yield from and_the_end(_one_by_one(job, worker, begun), lambda: [_leave(job, worker, None)])
        return
    by_id = {scenario.id: scenario for scenario in chosen}
    with pool(processes, context) as workers:
        told = workers.as_told(
            partial(_run_by_id, job),
            (scenario.id for scenario in begun),
            lambda scenario_id, why: _infra(by_id[scenario_id], why),
        )
        events = (ScenarioStarted(one.task) if isinstance(one, Begun) else one.result for one in told)
        yield from and_the_end(events, lambda: workers.each(partial(_leave, job), lambda _: None))


def results_of(events: Iterable[ScenarioStarted | Result]) -> Iterator[Result]:
    """The results alone."""
    return (event for event in events if isinstance(event, Result))


def _one_by_one(
    job: Job, worker: WorkerContext, chosen: Iterable[Scenario]
) -> Generator[ScenarioStarted | Result, None, None]:
    for scenario in chosen:
        yield ScenarioStarted(scenario.id)
        yield _run(job, worker, scenario)


def and_the_end(
    events: Iterable[ScenarioStarted | Result], end_of: Callable[[], Iterable[Result | None]]
) -> Iterator[ScenarioStarted | Result]:
    """Results, and that of the end of the processes: it takes the place of the scenario's own if that has passed."""
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
