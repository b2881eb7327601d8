"""The summary of a run: what was run, what held, and what did not, grouped by cause.

It is made from the run's events alone, and goes to standard output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.console import Console

from otterproof.harness.runs.events import Ending, Judged
from otterproof.harness.runs.judgement import counts
from otterproof.harness.runs.runner import ENDS, Result
from otterproof.harness.runs.tally import COLUMNS, LESSER, cells, column, measured_readings
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements
from otterproof.harness.testkit.scenario import Scenario, scenarios
from otterproof.harness.ui.exploration import tell_explored
from otterproof.harness.ui.failures import Commands, print_causes
from otterproof.harness.ui.screen import console, line, print_block
from otterproof.harness.ui.table import Cell, print_table


@dataclass(frozen=True, slots=True)
class Options:
    """How to show a judgement. verbose: all of it."""

    commands: Commands = field(default_factory=Commands)
    verbose: bool = False


#: The colours of result headings that are not red.
_COLOUR = {"pass": "green", "unsupported": "yellow", "infra": "magenta", **dict.fromkeys(LESSER, "yellow")}


def coloured(verdict: Verdict, text: str) -> tuple[str, str]:
    return text, _COLOUR.get(verdict.value, "red")


def print_summary(judged: Judged, options: Options | None = None) -> None:
    """Print what was run, what held, and what did not, grouped by cause."""
    options = options or Options()
    started, _, finished = judged
    results, chosen, target = finished.results, started.chosen, started.target
    out = console()
    out.print(line((target, "bold")), soft_wrap=True)
    print_table(out, *_counts(results, chosen))
    known = [result for result in results if result.known]
    print_causes(out, judged.causes, options.commands, verbose=options.verbose)
    for result in sorted(results, key=lambda result: result.scenario):
        if result.verdict is Verdict.INFRA:
            out.print()
            out.print(line(coloured(result.verdict, "infra"), " ", (result.scenario, "bold")), soft_wrap=True)
            print_block(out, result.detail)
            for path in result.transcripts:
                out.print(line("  transcript: ", path), soft_wrap=True)
    for reason, names in _by_reason(known).items():
        out.print()
        out.print(line(("known", "yellow"), ": ", reason))
        for name in names:
            out.print(line("  ", name), soft_wrap=True)
    _print_readings(out, results)
    for entry in finished.stale:
        out.print()
        out.print(line(("known deviations", "red"), ": ", str(entry)), soft_wrap=True)
    for reason, count in Counter(result.unwritten for result in results if result.unwritten).items():
        out.print()
        out.print(line(("transcripts", "red"), f": those of {count} scenarios could not be written: {reason}"))
    if visited := cells(results):
        out.print(line("state tables: {visited} of {possible} cells visited".format_map(visited)))
    steps = sum(result.steps for result in results)
    if left := len(judged.not_run):
        text = "1 scenario was not run" if left == 1 else f"{left} scenarios were not run"
        out.print(line((text, "yellow"), f": {finished.ending.words}"))
    tell_explored(finished.explored)
    verdict = conclusion(judged)
    told = f" ({len(results)} scenarios, {steps} steps, {finished.seconds:.1f} s)"
    out.print(line(target, ": ", *verdict, told), soft_wrap=True)
    if any(result.transcripts for result in results) or any(one.found for one in finished.explored):
        out.print(line(f"transcripts: {finished.transcripts}"), soft_wrap=True)


def _counts(results: Sequence[Result], chosen: Sequence[Scenario]) -> tuple[Sequence[str], Sequence[Sequence[Cell]]]:
    """How many scenarios of each kind got each verdict: the headings and rows of a table."""
    kinds = {scenario.id: scenario.kind for scenario in (*scenarios(ENDS), *chosen)}
    there = {column(result) for result in results}
    columns = [name for name in COLUMNS if name in there]
    rows: list[Sequence[Cell]] = []
    for kind in sorted(set(kinds.values())):
        of_kind = [result for result in results if kinds[result.scenario] == kind]
        counts = Counter(map(column, of_kind))
        cells: list[Cell] = [(str(counts[name]), _COLOUR.get(name, "red")) if counts[name] else "-" for name in columns]
        rows.append((kind, str(len(of_kind)), str(sum(result.steps for result in of_kind)), *cells))
    return ("kind", "scenarios", "steps", *columns), rows


def _print_readings(out: Console, results: Sequence[Result]) -> None:
    """Print how many readings were measured, and which of them differ from the project's engines."""
    measured = measured_readings(results)
    if not measured:
        return
    register = requirements.load().readings
    others = [
        f"{name}:{'/'.join(sorted(set(found.values())))}"
        for name, found in measured.items()
        if set(found.values()) != {register[name].ours}
    ]
    text = f"; other than this project's engines: {', '.join(others)}" if others else ", as this project's engines"
    out.print()
    out.print(line(f"readings: {len(measured)} measured{text}"), soft_wrap=True)


def check_at_end(result: Result) -> str:
    """The id of the failure, as the end of a line."""
    return f": {result.check}" if result.check else ""


def _by_reason(known: Iterable[Result]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for result in sorted(known, key=lambda result: result.scenario):
        found.setdefault(result.known, []).append(f"{result.scenario}{check_at_end(result)}")
    return found


def conclusion(judged: Judged) -> tuple[str | tuple[str, str], ...]:
    """The final statement about a target, in coloured pieces."""
    chosen, least, finished = judged.started.chosen, judged.started.least, judged.finished
    results, stale, ending = finished.results, finished.stale, finished.ending
    if ending is Ending.INTERRUPTED:
        return ("interrupted", "yellow"), f" after {len(results)} of {len(chosen)} scenarios"
    if results and all(result.verdict is Verdict.UNSUPPORTED for result in results):
        return ("not judged", "yellow"), ": it claims no capability that these scenarios need"
    failed = [result for result in results if counts(result.verdict, result.failure, least)]
    if finished.broken(least) or any(not result.known for result in failed):
        return (("does not conform", "red"),)
    lost = sum(result.verdict is Verdict.INFRA for result in results) + len(judged.not_run)
    if lost:
        return ("not judged by all scenarios", "magenta"), f": {lost} could not be run"
    if ending.code is not None:
        return ("not judged to the end", "magenta"), f": {ending.words}"
    if stale:
        told = "known deviation is" if len(stale) == 1 else "known deviations are"
        but = "conforms except for known deviations" if failed else "conforms"
        return ((f"{but}, but {len(stale)} {told} out of date", "red"),)
    if failed:
        return ((f"conforms except for {len(failed)} known deviation{'' if len(failed) == 1 else 's'}", "yellow"),)
    lesser = sum(result.verdict is Verdict.FAIL and not result.known for result in results)
    if lesser:
        count = (
            "1 scenario fails only a recommendation" if lesser == 1 else f"{lesser} scenarios fail only recommendations"
        )
        return ("conforms", "green"), f"; {count}"
    return (("conforms", "green"),)
