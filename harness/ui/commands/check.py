"""`otterproof check`: the order of its work, and its exit code.

Every mistake in the request is reported before the first scenario runs, for all targets. Once scenarios have run, each
result is written and shown, whatever else goes wrong.
"""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.runs import judging
from otterproof.harness.runs.deviations.files import NONE
from otterproof.harness.runs.events import Ending, Event, Judged, RunStarted
from otterproof.harness.runs.judgement import counts
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.defaults import DEFAULT_TARGET, TIME_LIMIT
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.targets.registry import file_name, title, with_name
from otterproof.harness.ui.failures import Commands, commands_for
from otterproof.harness.ui.json_report import as_json
from otterproof.harness.ui.judgement import Options, conclusion, print_summary
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.reports.writing import SITE, TRANSCRIPTS, check_report, write_reports
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.run_view import follow_run
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.settings import Settings, settings_of
from otterproof.harness.ui.table import print_table
from otterproof.harness.ui.target_words import refuse_target


@dataclass(frozen=True, slots=True)
class _Run:
    """A target to be judged. options: its own, completed from the settings."""

    options: Namespace
    settings: Settings

    @property
    def commands(self) -> Commands:
        """The commands with which a user can continue."""
        options = self.options
        return commands_for(
            options.target,
            name=options.name,
            known=options.known,
            seed=options.seed,
            profile=options.profile,
            timeout=options.timeout,
            give_up_after=options.give_up_after,
            strict=options.strict,
            only=options.only,
            without=options.without,
            settings=self.settings,
        )

    def events(self) -> Generator[Event, None, None]:
        """The events of the run, ready to begin. Raises UsageError, TargetError, and errors of reading deviations."""
        options = self.options
        return judging.run(
            options.target,
            name=options.name,
            only=options.only,
            without=options.without,
            seed=options.seed,
            profile=options.profile,
            modules=self.settings.scenarios,
            jobs=options.jobs,
            timeout=options.timeout,
            give_up_after=options.give_up_after,
            max_time=options.max_time,
            max_failures=1 if options.fail_fast else options.max_failures,
            known=options.known,
            fix=options.fix,
            strict=options.strict,
            transcripts=options.transcripts,
            failures=options.report / TRANSCRIPTS if options.report else None,
            trace=options.trace,
        )


def run(options: argparse.Namespace) -> int:
    """Judge targets; return the exit code. UsageError, TargetError, OutputError, and errors of reading deviations."""
    refuse_target(options)
    check_json(options)
    settings = settings_of(Path.cwd())
    runs = [_completed(options, settings.for_target(target)) for target in options.targets or [None]]
    _refuse_mixed(options, runs)
    for one in runs:
        _check_files(one.options)
    ready = [(one, one.events()) for one in runs]
    if options.list:
        return _list(options, [events for _, events in ready])
    judged: list[Judged] = []
    failure: OutputError | None = None
    for one, events in ready:
        judged.append(follow_run(events))
        failure = _tell(one, judged[-1], shows_text(options), first=len(judged) == 1)
        if failure is not None or judged[-1].finished.ending is Ending.INTERRUPTED:
            break
    if len(judged) > 1 and shows_text(options):
        _print_all(judged)
    put_result(options, "check", {"runs": [as_json(one) for one in judged]})
    if failure is not None:
        raise failure
    return _worst([_code(one) for one in judged])


def _completed(options: Namespace, settings: Settings) -> _Run:
    """The run of a target: the project's settings supply what the command line leaves out."""
    several = len(options.targets) > 1
    settings.find_scenarios()
    own = Namespace(**vars(options))
    own.target = settings.target or DEFAULT_TARGET
    own.name = options.name or settings.name
    own.known = _known(options, own.target, several) or settings.known
    own.seed = options.seed or settings.seed
    own.profile = options.profile or settings.profile
    own.timeout = options.timeout or settings.timeout or TIME_LIMIT
    own.report = options.report or settings.report
    own.only = options.only or [*settings.only]
    own.without = options.without or [*settings.without]
    own.strict = options.strict or settings.strict
    if several:
        folder = file_name(own.target)
        own.report = own.report and own.report / folder
        own.transcripts = own.transcripts and own.transcripts / folder
    return _Run(own, settings)


def _known(options: Namespace, target: str, several: bool) -> Path | None:
    """The file of known deviations that the command line names for a target; of several, the one named after it."""
    given: Sequence[Path] = options.known
    if NONE in given or (len(given) == 1 and not several):
        return given[0] if NONE not in given else NONE
    return next((file for file in given if file.stem == title(target)), None)


def _refuse_mixed(options: Namespace, runs: Sequence[_Run]) -> None:
    """Raise UsageError for options that can't apply to several targets at once."""
    if len(runs) == 1:
        if len(options.known) > 1:
            raise UsageError("only one target is judged; give --known once")
        return
    titles = [title(one.options.target) for one in runs]
    twice = next((name for name in titles if titles.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice; name each target once")
    for value, option, advice in (
        (options.name, "--name", "write NAME=exec:COMMAND"),
        (options.trace, "--trace", "judge this target alone"),
    ):
        if value:
            raise UsageError(f"{option} is for one target, and several are judged; {advice}")
    for file in options.known:
        if file != NONE and file.stem not in titles:
            raise UsageError(f"--known {file}: none of the targets has that name; call the file TARGET.toml")


def _check_files(options: Namespace) -> None:
    """Raise UsageError if an output file of the run can't be written."""
    with_name(options.target, options.name)
    rewritten = options.known if options.fix and options.known != NONE else None
    for path, option in ((options.trace, "--trace"), (rewritten, "--known")):
        if path:
            check_file(path, option)
    if options.report and not options.list:
        check_report(options.report, "--report")
        if options.transcripts:
            raise UsageError("a report keeps the transcripts of failures in its own folder; leave --transcripts out")


def _list(options: Namespace, ready: Sequence[Generator[Event, None, None]]) -> int:
    """List what would be run."""
    listed = []
    for events in ready:
        started = next(events)
        events.close()  # nothing has run
        assert isinstance(started, RunStarted)
        listed.append(started)
    rows = [(one.target, each.id, each.summary) for one in listed for each in one.chosen]
    if shows_text(options):
        several = len(listed) > 1
        headings = (*(("target",) if several else ()), "scenario", "what it judges")
        print_table(console(), headings, rows if several else [row[1:] for row in rows])
    content = [
        {"target": one.target, "scenarios": [{"id": each.id, "summary": each.summary} for each in one.chosen]}
        for one in listed
    ]
    put_result(options, "check", {"chosen": content})
    return CONFORMS


def _tell(one: _Run, judged: Judged, shown: bool, *, first: bool) -> OutputError | None:
    """Write the reports of a run and show its summary; return why a report could not be written."""
    folder: Path | None = one.options.report
    failure: OutputError | None = None
    if folder:
        try:
            write_reports(judged, one.commands.whole, folder)
        except OutputError as error:
            failure = error  # still show the summary, which matters even more now
    if shown:
        if not first:
            say("")
        print_summary(judged, Options(one.commands, one.options.verbose))
        if folder and failure is None:
            say(f"report: {folder / SITE / 'index.html'}")
    return failure


def _print_all(judged: Sequence[Judged]) -> None:
    """Summarize several runs, a line each."""
    say("")
    rows = []
    for one in judged:
        pieces = [piece if isinstance(piece, tuple) else (piece, "") for piece in conclusion(one)]
        rows.append((one.started.target, ("".join(text for text, _ in pieces), pieces[0][1])))
    print_table(console(), ("target", "conclusion"), rows)


def _worst(codes: Sequence[int]) -> int:
    """The exit code of several runs: nonconformance takes precedence over what could not be judged."""
    return next((code for code in (INTERRUPTED, DEVIATES, NOT_RUN) if code in codes), CONFORMS)


def _code(judged: Judged) -> int:
    finished, least = judged.finished, judged.started.least
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
