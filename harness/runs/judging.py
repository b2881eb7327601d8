"""A complete run against one target: an invalid request is an error at once; after that, events report what happens.

This is `otterproof check` as a function for any program: `otterproof.run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.causes import causes
from otterproof.harness.runs.events import (
    AlphabetExplored,
    CauseFound,
    DeviationsRewritten,
    Ending,
    Event,
    RunFinished,
    RunStarted,
    ScenarioFinished,
    not_run,
)
from otterproof.harness.runs.explore.guaranteed import Allowance, can_be_explored, explore_guaranteed
from otterproof.harness.runs.judgement import counts
from otterproof.harness.runs.run_folder import run_folder
from otterproof.harness.runs.runner import Job, Result, ScenarioStarted, judge
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.defaults import DEFAULT_SEED, GIVE_UP_AFTER, PROFILES, TIME_LIMIT
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.driver import DriverTarget, Limits, TraceFile
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import Scenario, chosen, load, matching, scenarios


@dataclass(frozen=True, slots=True)
class _Plan:
    """A run that can begin.

    target: the job's target, opened for exploration. file: of known deviations. part: not the whole suite. most: the
    number of failures that ends the run.
    """

    began: RunStarted
    target: Target
    job: Job
    processes: int
    file: Path | None
    fix: bool
    part: bool
    max_time: float | None
    most: int | None
    folder: Path | None


def run(
    target: str,
    *,
    name: str | None = None,
    only: Sequence[str] = (),
    without: Sequence[str] = (),
    seed: str = DEFAULT_SEED,
    profile: str = "ci",
    modules: Sequence[str] = (),
    jobs: int = 1,
    timeout: float = TIME_LIMIT,
    give_up_after: int = GIVE_UP_AFTER,
    max_time: float | None = None,
    max_failures: int | None = None,
    known: Path | None = None,
    fix: bool = False,
    strict: bool = False,
    transcripts: Path | None = None,
    failures: Path | None = None,
    trace: Path | None = None,
) -> Generator[Event, None, None]:
    """Judge a target by the scenarios, and yield events.

    target: its name, or exec:COMMAND; name: what to call a command. only, without: texts that the ids of scenarios
    must, and must not, contain. profile: the number of random runs, one of PROFILES. modules: modules with the user's
    own scenarios. jobs: processes; for more than one, the calling program must be importable, as for the standard
    library's multiprocessing. timeout: seconds for one call of a driver. give_up_after: after this many hangs or
    crashes of one method in a row, it is no longer called. max_time: seconds after which no scenario is started.
    max_failures: stop after this many. known: the file of known deviations (by default the one shipped for the target;
    Path("none") for none), which `fix` rewrites. strict: recommendations count. transcripts: a folder for all of them;
    without it, those of failures go to the folder `failures`, or to otterproof-failures. trace: a file for the lines of
    the driver protocol.

    An invalid request raises UsageError, TargetError, DeviationError or InputError at once. During the run,
    KeyboardInterrupt is raised again after RunFinished. Closing the generator ends what is running.
    """
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r:.60}; there are {', '.join(PROFILES)}")
    load(modules)
    named = with_name(target, name)
    file = deviations.file_for(title(named), known)
    if fix and file is None:
        raise UsageError("--fix rewrites a file of known deviations; name it with --known FILE")
    if not fix:
        deviations.entries_of(file)
    _of_suite(only, without, [*scenarios()])
    limits = Limits(timeout, give_up_after)
    probe = open_target(named, limits, TraceFile(trace, begin=True) if trace else None)
    probe.close()
    if trace and not isinstance(probe, DriverTarget):
        raise UsageError(f"{title(named)} has no driver whose lines --trace could write; leave --trace out")
    able = [one for one in scenarios() if one.needs <= probe.capabilities or not one.internal]
    asked = tuple(_of_suite(only, without, able, f", of those for {title(named)}"))
    job = Job(
        named,
        seed.encode(errors="surrogatepass"),
        None,
        transcripts is not None,
        limits,
        trace,
        PROFILES[profile],
        tuple(modules),
    )
    least = Level.SHOULD if strict else Level.MUST
    plan = _Plan(
        RunStarted(title(named), probe.version, probe.capabilities, seed, asked, probe.randomness, least),
        probe,
        job,
        jobs,
        file,
        fix,
        bool(only or without),
        max_time,
        max_failures,
        transcripts or failures,
    )
    return _judging(plan)


def _judging(plan: _Plan) -> Generator[Event, None, None]:
    """The events of a run that can begin."""
    yield plan.began
    began = time.monotonic()
    known = deviations.Known(() if plan.fix else deviations.entries_of(plan.file))
    results: list[Result] = []
    explored: list[AlphabetExplored] = []
    ending, why = Ending.COMPLETE, ""
    interrupted: KeyboardInterrupt | None = None
    with run_folder(plan.folder, plan.job.target, date.today()) as folder:
        try:
            with closing(_scenarios(plan, folder, known, began)) as events:
                for event in events:
                    if isinstance(event, ScenarioFinished):
                        results.append(event.result)
                    yield event
                    if plan.most is not None and _failures(results, plan.began.least) >= plan.most:
                        ending = Ending.ENOUGH_FAILED
                        break
            if ending is Ending.COMPLETE and not_run(plan.began, results):
                ending = Ending.OUT_OF_TIME
            if ending is Ending.COMPLETE and not plan.part and can_be_explored(plan.target):
                allowed = Allowance(_in_time(plan, began), time.monotonic() - began, known.reason_of)
                for one in explore_guaranteed(plan.target, plan.processes, folder, allowed):
                    explored.append(one)
                    yield one
        except KeyboardInterrupt as error:
            ending, interrupted = Ending.INTERRUPTED, error
        except WorkersDied as error:
            ending, why = Ending.WORKERS_DIED, str(error)
        except OutputError as error:
            ending, why = Ending.NOT_WRITTEN, str(error)
    if plan.fix and plan.file and ending is Ending.COMPLETE:
        try:
            fixed = deviations.fix(plan.file, results, _others(results) if plan.part else ())
        except OutputError as error:
            ending, why = Ending.NOT_WRITTEN, str(error)
        else:
            yield DeviationsRewritten(plan.file, *fixed)
            deviations.entries_of.cache_clear()
            known = deviations.Known(deviations.entries_of(plan.file))
            results = list(known.mark(results))
    yield from map(CauseFound, causes(results))
    stale = known.stale(results) if ending is Ending.COMPLETE else []
    yield RunFinished(ending, tuple(results), tuple(stale), folder, time.monotonic() - began, why, tuple(explored))
    if interrupted is not None:
        raise interrupted


def _scenarios(
    plan: _Plan, folder: Path, known: deviations.Known, began: float
) -> Generator[ScenarioStarted | ScenarioFinished, None, None]:
    """The scenarios as they begin and end. Raises WorkersDied."""
    done, processes = 0, min(plan.processes, len(plan.began.chosen))
    job = replace(plan.job, folder=folder)
    with closing(judge(job, plan.began.chosen, processes, _in_time(plan, began))) as judging:
        for event in judging:
            if isinstance(event, ScenarioStarted):
                yield event
            else:
                done += 1
                yield ScenarioFinished(next(known.mark([event])), done, len(plan.began.chosen))


def _in_time(plan: _Plan, began: float) -> Callable[[], bool]:
    """A function that says whether there is time left."""
    return lambda: plan.max_time is None or time.monotonic() - began < plan.max_time


def _failures(results: Sequence[Result], least: Level) -> int:
    """How many results mean that the target does not conform."""
    return sum(counts(result.verdict, result.failure, least) and not result.known for result in results)


def _of_suite(only: Sequence[str], without: Sequence[str], able: Sequence[Scenario], whose: str = "") -> list[Scenario]:
    """The requested scenarios among these. whose: these, in words. Raises UsageError if there are none."""
    for text in only:
        if not matching(text, able):
            ids = {one.id.partition("[")[0] for one in able}
            hint = did_you_mean(text, ids, "leave --only out to run all")
            raise UsageError(f"no scenario's id contains {text!r:.200}{whose}{hint}")
    found = chosen(only, without, able)
    if not found:
        raise UsageError(f"--without {' '.join(without)} leaves no scenario; choose a text that fewer ids contain")
    return found


def _others(results: Sequence[Result]) -> set[str]:
    """The scenarios of the suite that have no result."""
    return {scenario.id for scenario in scenarios()} - {result.scenario for result in results}
