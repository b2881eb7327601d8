"""`otterproof check`: its options, what it does in which order, and what it ends with.

Whatever can be wrong with the request is said before the first scenario is run; once scenarios have been run, each
result is written and shown, whatever else goes wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.run_folder import run_folder
from otterproof.harness.runs.runner import Job, Result, counts, judge
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError, write_whole
from otterproof.harness.targets.driver import GIVE_UP_AFTER, DriverTarget, Limits, TraceFile
from otterproof.harness.targets.driver.process import TIME_LIMIT
from otterproof.harness.targets.registry import open_target, title, with_name
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui import judgement as report
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import add_name, add_timeout, check_file, from_zero, positive, seconds
from otterproof.harness.ui.progress import Ending

#: The seed unless another is given.
DEFAULT_SEED = "otterproof"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.add_argument("target", nargs="?", default="independent", help="target to judge (default: %(default)s)")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="TEXT",
        help="only scenarios whose id contains TEXT; may be given several times",
    )
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="TEXT",
        help="no scenarios whose id contains TEXT; may be given several times",
    )
    parser.add_argument("--seed", default=DEFAULT_SEED, help="seed of everything random (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    add_name(parser)
    add_timeout(parser)
    parser.add_argument(
        "--give-up-after",
        type=from_zero,
        default=GIVE_UP_AFTER,
        metavar="N",
        help="stop calling a method after it hung or crashed N times in a row; 0: never (default: %(default)s)",
    )
    parser.add_argument("--max-time", type=seconds, metavar="SECONDS", help="start no scenario after SECONDS")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts to FILE as JSON")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write every line to and from the target's driver to FILE"
    )
    parser.add_argument(
        "--transcripts",
        type=Path,
        metavar="DIR",
        help="write the transcript of every run to DIR, or to a new folder in DIR if it is not empty (default: only "
        "those of failed runs, to a new folder in otterproof-failures)",
    )
    parser.add_argument(
        "--known",
        type=Path,
        metavar="FILE",
        help="TOML file of the target's known deviations, or 'none' (default: the file shipped for the target, if any)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="count what the texts say a client should do, and not only what it must"
    )
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first scenario that fails")
    parser.add_argument("--max-failures", type=positive, metavar="N", help="stop when so many scenarios have failed")
    parser.add_argument("--verbose", action="store_true", help="tell every failure in full, not the first few causes")
    parser.add_argument("--fix", action="store_true", help="rewrite the file of known deviations to match this run")


def run(options: argparse.Namespace) -> int:
    """Judge a target; the exit code. UsageError, TargetError, OutputError and what reading known deviations raises."""
    load()
    limits = Limits(options.timeout, options.give_up_after)
    target = with_name(options.target, options.name)
    called = title(target)
    for path, option in ((options.trace, "--trace"), (options.json, "--json")):
        if path:
            check_file(path, option)
    file = _known_file(options)
    known = deviations.Known(deviations.entries_of(file) if not options.fix else ())
    _of_suite(options, [*scenarios()])
    probe = open_target(target, limits, TraceFile(options.trace, begin=True) if options.trace else None)
    version, capabilities = probe.version, probe.capabilities
    probe.close()
    if options.trace and not isinstance(probe, DriverTarget):
        raise UsageError(f"{called} has no driver whose lines --trace could write; leave --trace out")
    chosen = _of_suite(options, [one for one in scenarios() if one.needs <= capabilities or not one.internal])
    seed = options.seed.encode(errors="surrogatepass")
    least = Level.SHOULD if options.strict else Level.MUST
    began = time.monotonic()

    def in_time() -> bool:
        return options.max_time is None or time.monotonic() - began < options.max_time

    with run_folder(options.transcripts, target, date.today()) as folder:
        job = Job(target, seed, folder, options.transcripts is not None, limits, options.trace)
        most = 1 if options.fail_fast else options.max_failures
        with closing(judge(job, chosen, min(options.jobs, len(chosen)), in_time)) as judging:
            stream = known.mark(judging)
            results, ending = report.collect(stream, len(chosen), called, _enough(most, least))
    if ending is Ending.COMPLETE and len(results) < len(chosen):
        ending = Ending.OUT_OF_TIME
    if options.fix and file and ending is Ending.COMPLETE:
        removed, added = deviations.fix(file, results, _not_run(results) if options.only or options.without else ())
        complain(f"{file}: {removed} entries taken out, {added} put in")
        deviations.entries_of.cache_clear()
        known = deviations.Known(deviations.entries_of(file))
        results = list(known.mark(results))
    stale = known.stale(results) if ending is Ending.COMPLETE else []
    failure: OutputError | None = None
    if options.json:
        content = report.as_json(results, called, version, options.seed, stale, chosen)
        try:
            write_whole(options.json, json.dumps(content, indent=1) + "\n")
        except OutputError as error:
            failure = error  # the summary is worth all the more
    shown = report.Options(_command(options), options.verbose, least)
    report.summary(results, chosen, called, time.monotonic() - began, stale, ending, shown)
    if any(result.transcripts for result in results):
        say(f"transcripts: {folder}")
    if failure is not None:
        raise failure
    return _code(results, stale, ending, least)


def _enough(most: int | None, least: Level) -> Callable[[Result], bool]:
    """Whether so many scenarios have failed; asked once after each."""
    failed = 0

    def enough(result: Result) -> bool:
        nonlocal failed
        failed += counts(result.verdict, result.failure, least) and not result.known
        return most is not None and failed >= most

    return enough


def _command(options: argparse.Namespace) -> list[str]:
    """The words that judge the same target in the same way; a user adds a scenario to them."""
    words = ["otterproof", "check", options.target]
    if options.name:
        words += ["--name", options.name]
    if options.seed != DEFAULT_SEED:
        words += ["--seed", options.seed]
    if options.known:
        words += ["--known", str(options.known)]
    if options.timeout != TIME_LIMIT:
        words += ["--timeout", f"{options.timeout:g}"]
    if options.give_up_after != GIVE_UP_AFTER:
        words += ["--give-up-after", str(options.give_up_after)]
    return [*words, "--strict"] if options.strict else words


def _code(results: Sequence[Result], stale: Sequence[object], ending: Ending, least: Level) -> int:
    if ending is Ending.INTERRUPTED:
        return INTERRUPTED
    if stale or any(counts(result.verdict, result.failure, least) and not result.known for result in results):
        return DEVIATES
    verdicts = {result.verdict for result in results}
    unwritten = any(result.unwritten for result in results)
    if ending is not Ending.COMPLETE or unwritten or Verdict.INFRA in verdicts or verdicts <= {Verdict.UNSUPPORTED}:
        return NOT_RUN
    return CONFORMS


def _of_suite(options: argparse.Namespace, able: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that are asked for, of these. UsageError where there are none."""
    for text in options.only:
        if not any(text in one.id for one in able):
            raise UsageError(f"no scenario's id contains {text!r}; leave --only out to run all")
    chosen = [one for one in able if not options.only or any(text in one.id for text in options.only)]
    chosen = [one for one in chosen if not any(text in one.id for text in options.without)]
    if not chosen:
        raise UsageError(
            f"--without {' '.join(options.without)} leaves no scenario; choose a text that fewer ids contain"
        )
    return chosen


def _not_run(results: Sequence[Result]) -> set[str]:
    """The scenarios of the suite without those that have a result."""
    return {scenario.id for scenario in scenarios()} - {result.scenario for result in results}


def _known_file(options: argparse.Namespace) -> Path | None:
    """The file of known deviations that counts; None if there is none."""
    file = deviations.file_for(title(with_name(options.target, options.name)), options.known)
    if options.fix and file is None:
        raise UsageError("--fix rewrites a file of known deviations; name it with --known FILE")
    return file
