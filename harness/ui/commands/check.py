"""`otterproof check`: its options, what it does in which order, and what it ends with.

Whatever can be wrong with the request is said before the first scenario is run; once scenarios have been run, each
result is written and shown, whatever else goes wrong.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from otterproof.harness.runs import judging
from otterproof.harness.runs.deviations.files import NONE
from otterproof.harness.runs.events import Ending, RunFinished
from otterproof.harness.runs.judging import DEFAULT_SEED, PROFILES
from otterproof.harness.runs.runner import counts
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError, write_whole
from otterproof.harness.targets.driver import GIVE_UP_AFTER
from otterproof.harness.targets.driver.process import TIME_LIMIT
from otterproof.harness.ui.failures import Commands, commands_for
from otterproof.harness.ui.json_report import as_json
from otterproof.harness.ui.judgement import Options, print_summary
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import add_name, add_timeout, check_file, check_folder, from_zero, positive, seconds
from otterproof.harness.ui.reports.writing import SITE, write_reports
from otterproof.harness.ui.run_view import follow_run
from otterproof.harness.ui.settings import Settings, settings_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `check`."""
    parser.add_argument(
        "target", nargs="?", help="target to judge (default: the one in otterproof.toml, or independent)"
    )
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
    parser.add_argument("--seed", help=f"seed of everything random (default: {DEFAULT_SEED})")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        help="how much random runs try (default: ci, the same on every run; nightly: twenty times as much, "
        "and rare values are looked for until they are as good as certain to have occurred)",
    )
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    add_name(parser)
    add_timeout(parser)
    parser.set_defaults(timeout=None)  # the settings may have another one
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
        "--report",
        type=Path,
        metavar="DIR",
        help="write reports to DIR: a card in JSON, JUnit, SARIF and pages to read, and the transcripts of failures",
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
    _complete(options, settings_of(Path.cwd()).for_target(options.target))
    rewritten = options.known if options.fix and options.known != NONE else None
    for path, option in ((options.trace, "--trace"), (options.json, "--json"), (rewritten, "--known")):
        if path:
            check_file(path, option)
    if options.report:
        check_folder(options.report, "--report")
        if options.transcripts:
            raise UsageError("a report keeps the transcripts of failures in its own folder; leave --transcripts out")
    events = judging.run(
        options.target,
        name=options.name,
        only=options.only,
        without=options.without,
        seed=options.seed,
        profile=options.profile,
        modules=options.modules,
        jobs=options.jobs,
        timeout=options.timeout,
        give_up_after=options.give_up_after,
        max_time=options.max_time,
        max_failures=1 if options.fail_fast else options.max_failures,
        known=options.known,
        fix=options.fix,
        strict=options.strict,
        transcripts=options.transcripts,
        failures=options.report / "transcripts" if options.report else None,
        trace=options.trace,
    )
    judged = follow_run(events)
    commands = _commands(options)
    failure: OutputError | None = None
    try:
        if options.json:
            write_whole(options.json, json.dumps(as_json(judged), indent=1) + "\n")
        if options.report:
            write_reports(judged, commands.judge, options.report)
    except OutputError as error:
        failure = error  # the summary is worth all the more
    print_summary(judged, Options(commands, options.verbose))
    if options.report and failure is None:
        say(f"report: {options.report / SITE / 'index.html'}")
    if failure is not None:
        raise failure
    return _code(judged.finished, judged.started.least)


def _complete(options: argparse.Namespace, settings: Settings) -> None:
    """Fill in from the settings of the project what the command line does not say."""
    options.target = settings.target or "independent"
    options.name = options.name or settings.name
    options.known = options.known or settings.known
    options.seed = options.seed or settings.seed
    options.profile = options.profile or settings.profile
    options.timeout = options.timeout or settings.timeout or TIME_LIMIT
    options.report = options.report or settings.report
    options.only = options.only or [*settings.only]
    options.without = options.without or [*settings.without]
    options.strict = options.strict or settings.strict
    options.modules = settings.scenarios
    settings.find_scenarios()


def _commands(options: argparse.Namespace) -> Commands:
    return commands_for(
        options.target,
        name=options.name,
        known=options.known,
        seed=options.seed,
        profile=options.profile,
        timeout=options.timeout,
        give_up_after=options.give_up_after,
        strict=options.strict,
    )


def _code(finished: RunFinished, least: Level) -> int:
    results, ending = finished.results, finished.ending
    if ending is Ending.INTERRUPTED:
        return INTERRUPTED
    if finished.broken(least) or finished.stale:
        return DEVIATES
    if any(counts(result.verdict, result.failure, least) and not result.known for result in results):
        return DEVIATES
    verdicts = {result.verdict for result in results}
    unwritten = any(result.unwritten for result in results)
    if ending is not Ending.COMPLETE or unwritten or Verdict.INFRA in verdicts or verdicts <= {Verdict.UNSUPPORTED}:
        return NOT_RUN
    return CONFORMS
