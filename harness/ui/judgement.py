"""What a person sees of a judgement: progress while it runs, then what was run and what held; and the same as JSON.

Reports consume the stream of results and add nothing to it. The summary goes to standard output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otterproof.harness.runs.causes import causes
from otterproof.harness.runs.deviations.known import Stale
from otterproof.harness.runs.runner import BAD, ENDS, Result, counts
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements, states
from otterproof.harness.spec.requirements import Level, Polarity
from otterproof.harness.testkit.scenario import Scenario, scenarios
from otterproof.harness.ui.failures import print_causes
from otterproof.harness.ui.progress import Ending, follow
from otterproof.harness.ui.screen import block, console, line


@dataclass(frozen=True, slots=True)
class Options:
    """How a judgement is shown. command: the words that judged, to be repeated for a single scenario. verbose: all of
    it. least: the level from which on demands count.
    """

    command: Sequence[str] = ("otterproof", "check")
    verbose: bool = False
    least: Level = Level.MUST


#: What results are counted under, in their order, and the colours of those that are not red. Failures of what is not
#: binding are counted apart.
_LESSER = tuple(level.value for level in Level if level is not Level.MUST)
_COLUMNS = ("pass", "fail", *_LESSER, *(one.value for one in Verdict if one not in (Verdict.PASS, Verdict.FAIL)))
_COLOUR = {"pass": "green", "unsupported": "yellow", "infra": "magenta", **dict.fromkeys(_LESSER, "yellow")}


def _coloured(verdict: Verdict, text: str) -> tuple[str, str]:
    return text, _COLOUR.get(verdict.value, "red")


def collect(
    results: Iterable[Result], total: int, target: str, enough: Callable[[Result], bool] = lambda _: False
) -> tuple[list[Result], Ending]:
    """Take all results of a judgement, showing progress. enough: asked after each; once it says yes, that is all."""

    def tell(result: Result) -> Text | None:
        if result.known or not (result.verdict in BAD or result.verdict is Verdict.INFRA):
            return None
        return line(_coloured(result.verdict, result.verdict.value), " ", result.scenario, _check(result))

    def title(result: Result | None) -> str:
        return f"judging {target}" + (f": {result.scenario[:40]:40}" if result else "")

    return follow(results, total, title, tell, enough)


def summary(
    results: Sequence[Result],
    chosen: Sequence[Scenario],
    target: str,
    seconds: float,
    stale: Sequence[Stale] = (),
    ending: Ending = Ending.COMPLETE,
    options: Options | None = None,
) -> None:
    """Print what was run, what held, and what did not, by its causes.

    stale: entries of the file of known deviations that do not fit. ending: why there are not more results.
    """
    options = options or Options()
    out = console()
    out.print(_counts(results, chosen, target))
    known = [result for result in results if result.known]
    print_causes(out, causes(results), options.command, verbose=options.verbose)
    for result in sorted(results, key=lambda result: result.scenario):
        if result.verdict is Verdict.INFRA:
            out.print()
            out.print(line(_coloured(result.verdict, "infra"), " ", (result.scenario, "bold")))
            out.print(block(result.detail))
            for path in result.transcripts:
                out.print(line("  transcript: ", path), soft_wrap=True)
    for reason, names in _by_reason(known).items():
        out.print()
        out.print(line(("known", "yellow"), ": ", reason))
        for name in names:
            out.print(line("  ", name))
    _print_readings(out, results)
    for entry in stale:
        out.print()
        out.print(line(("known deviations", "red"), ": ", str(entry)))
    for reason, count in Counter(result.unwritten for result in results if result.unwritten).items():
        out.print()
        out.print(line(("transcripts", "red"), f": those of {count} scenarios could not be written: {reason}"))
    if cells := _cells(results):
        out.print(line("state tables: {visited} of {possible} cells visited".format_map(cells)))
    steps = sum(result.steps for result in results)
    if ending is not Ending.COMPLETE:
        out.print(line((f"{len(chosen) - len(results)} scenarios were not run", "yellow"), f": {ending.value}"))
    verdict = _conclusion(results, chosen, stale, ending, options.least)
    out.print(line(target, ": ", *verdict, f" ({len(results)} scenarios, {steps} steps, {seconds:.1f} s)"))


def _column(result: Result) -> str:
    """Under what a result is counted: its verdict, or the level of what it failed if that is not binding."""
    if result.verdict is Verdict.FAIL and not result.counts and result.failure is not None:
        return result.failure.level.value
    return result.verdict.value


def _counts(results: Sequence[Result], chosen: Sequence[Scenario], target: str) -> Table:
    """How many scenarios of each kind came to each verdict."""
    kinds = {scenario.id: scenario.kind for scenario in (*scenarios(ENDS), *chosen)}
    there = {_column(result) for result in results}
    columns = [name for name in _COLUMNS if name in there]
    table = Table("kind", "scenarios", "steps", *columns, title=line(target))
    for kind in sorted(set(kinds.values())):
        of_kind = [result for result in results if kinds[result.scenario] == kind]
        counts = Counter(map(_column, of_kind))
        cells = [line((str(counts[name]), _COLOUR.get(name, "red")) if counts[name] else "-") for name in columns]
        table.add_row(kind, str(len(of_kind)), str(sum(result.steps for result in of_kind)), *cells)
    return table


def _print_readings(out: Console, results: Sequence[Result]) -> None:
    """How many readings were measured, and which of them are others than those of the project's engines."""
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
    out.print(line(f"readings: {len(measured)} measured{text}"))


def measured_readings(results: Iterable[Result]) -> dict[str, dict[str, str]]:
    """What probes have measured: id of the reading -> version -> option."""
    measured: dict[str, dict[str, str]] = {}
    for result in sorted(results, key=lambda result: result.scenario):
        for name, option in result.readings.items():
            measured.setdefault(name, {})[f"v{result.scenario.partition('[v')[2][:1]}"] = option
    return dict(sorted(measured.items()))


def _cells(results: Sequence[Result]) -> dict[str, int]:
    """How many cells of the state tables were visited, and how many there are in those versions; {} if none was."""
    visited = {cell for result in results for cell in result.visited}
    possible = {str(cell) for cell in states.possible()}
    versions = {cell.partition(" ")[0] for cell in visited}
    there = {cell for cell in possible if cell.partition(" ")[0] in versions}
    return {"visited": len(visited & possible), "possible": len(there)} if visited else {}


def _check(result: Result) -> str:
    """The id of the failure, as the end of a line."""
    return f": {result.check}" if result.check else ""


def _by_reason(known: Iterable[Result]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for result in sorted(known, key=lambda result: result.scenario):
        found.setdefault(result.known, []).append(f"{result.scenario}{_check(result)}")
    return found


def _conclusion(
    results: Sequence[Result], chosen: Sequence[Scenario], stale: Sequence[Stale], ending: Ending, least: Level
) -> tuple[str | tuple[str, str], ...]:
    """The last word on a target, in coloured pieces."""
    if ending is Ending.INTERRUPTED:
        return ("interrupted", "yellow"), f" after {len(results)} of {len(chosen)} scenarios"
    if results and all(result.verdict is Verdict.UNSUPPORTED for result in results):
        return ("not judged", "yellow"), ": it claims nothing that these scenarios need"
    failed = [result for result in results if counts(result.verdict, result.failure, least)]
    if any(not result.known for result in failed):
        return (("does not conform", "red"),)
    lost = sum(result.verdict is Verdict.INFRA for result in results) + len(chosen) - len(results)
    if lost:
        return ("not judged by all scenarios", "magenta"), f": {lost} could not be run"
    if stale:
        return ((f"conforms but for what is known, and {len(stale)} known deviations are out of date", "red"),)
    if failed:
        return ((f"conforms but for {len(failed)} known deviations", "yellow"),)
    lesser = sum(result.verdict is Verdict.FAIL and not result.known for result in results)
    if lesser:
        count = f"{lesser} scenario fails" if lesser == 1 else f"{lesser} scenarios fail"
        return ("conforms", "green"), f"; {count} by a recommendation only"
    return (("conforms", "green"),)


def as_json(
    results: Sequence[Result],
    target: str,
    version: str,
    seed: str,
    stale: Sequence[Stale] = (),
    chosen: Sequence[Scenario] = (),
) -> dict[str, Any]:
    """The whole judgement as plain JSON values: counts, a verdict for each scenario and for each requirement.

    A requirement has the worst verdict of its scenarios. stale: entries of the known deviations that do not fit.
    chosen: the scenarios that should have been run.
    """
    order = [
        Verdict.PASS,
        Verdict.UNSUPPORTED,
        Verdict.INFRA,
        Verdict.GIVEN_UP,
        Verdict.DESYNC,
        Verdict.HANG,
        Verdict.CRASH,
        Verdict.FAIL,
    ]
    worst: dict[str, Verdict] = {}
    table = requirements.load().requirements
    for result in results:
        for name in {claim.removeprefix(Polarity.NEGATIVE) for claim in result.requirements}:
            if (
                name in table
                and f"[v{table[name].versions[0]}]" != result.scenario[-4:]
                and len(table[name].versions) == 1
            ):
                continue  # it is of the other version
            worst[name] = max(worst.get(name, Verdict.PASS), result.verdict, key=order.index)
    count = Counter(map(_column, results))
    return {
        "target": target,
        "version": version,
        "seed": seed,
        "counts": {name: count[name] for name in _COLUMNS},
        "scenarios": [
            asdict(result)
            | {"verdict": result.verdict.value, "transcripts": list(result.transcripts), "visited": len(result.visited)}
            | {"counts": result.counts}
            for result in sorted(results, key=lambda result: result.scenario)
        ],
        "causes": [
            {"check": cause.first.check, "first": cause.first.scenario, "consequence": cause.consequence}
            | {"requirements": list(cause.told), "scenarios": [one.scenario for one in cause.results]}
            for cause in causes(results)
        ],
        "not_run": sorted({one.id for one in chosen} - {result.scenario for result in results}),
        "requirements": {name: verdict.value for name, verdict in sorted(worst.items())},
        "readings": measured_readings(results),
        "cells": _cells(results),
        "known": sum(bool(result.known) for result in results),
        "stale": [str(entry) for entry in stale],
    }
