"""The end of a pytest run: the failed requirements, each with its cause, and the cells that nothing reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.runs.events import Judged
from otterproof.harness.runs.tally import unvisited
from otterproof.harness.support.printable import printable

#: How many causes and cells are listed; the report has all.
MOST = 20


def write_section(terminal: pytest.TerminalReporter, judged: Judged, report: Path | None, unwritten: str) -> None:
    """Write the section of a run. report: path of the whole report, None without one. unwritten: what is missing."""
    started, causes, finished = judged
    terminal.section(f"otterproof: {printable(started.target)}")
    for cause in causes[:MOST]:
        names = ", ".join(cause.told) or "no requirement"
        count = f"{len(cause.results)} scenario{'' if len(cause.results) == 1 else 's'}"
        what = f"{cause.first.check or cause.first.verdict.value} ({count})"
        rule = cause.failure.rule.partition("\n")[0]
        terminal.line(printable(f"{cause.level.value:6} {names}: {what}: {rule}"))
    if len(causes) > MOST:
        terminal.line(f"and {len(causes) - MOST} more causes")
    if judged.not_run:
        terminal.line(f"interrupted: {len(judged.not_run)} of {len(started.chosen)} scenarios were not run")
    for stale in finished.stale:
        terminal.line(printable(f"known deviations: {stale}"))
    missed = unvisited(finished.results)
    if missed:
        shown = ", ".join(missed[:MOST]) + (", ..." if len(missed) > MOST else "")
        terminal.line(printable(f"{len(missed)} cells of the state tables were not visited: {shown}"))
    if unwritten:
        terminal.line(printable(f"not written: {unwritten}"))
    folder = report if report is not None else finished.transcripts
    if report is not None or any(result.transcripts for result in finished.results):
        terminal.line(printable(f"{'report' if report is not None else 'transcripts'}: {folder}"))
