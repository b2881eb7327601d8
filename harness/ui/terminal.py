"""What a person sees of a judgement: progress while it runs, then what was run and what held; and the same as JSON.

Reports consume the stream of results and add nothing to it. The summary goes to standard output.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otterproof.harness.runs.deviations.known import Stale
from otterproof.harness.runs.faults.mutation import Mutation, MutationScore
from otterproof.harness.runs.faults.score import KINDS, ScoreCard, Scorer
from otterproof.harness.runs.matrix import Cell
from otterproof.harness.runs.runner import ENDS, Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements, states
from otterproof.harness.spec.requirements import Polarity
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.faults import Fault
from otterproof.harness.targets.registry import Listing
from otterproof.harness.testkit.scenario import Scenario, scenarios
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.progress import Ending, follow
from otterproof.harness.ui.screen import block, console, line

#: Verdicts that mean that the target does not conform.
BAD = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC, Verdict.GIVEN_UP})

_COLOUR = {Verdict.PASS: "green", Verdict.UNSUPPORTED: "yellow", Verdict.INFRA: "magenta"}


def _coloured(verdict: Verdict, text: str) -> tuple[str, str]:
    return text, _COLOUR.get(verdict, "red")


def collect(results: Iterable[Result], total: int, target: str) -> tuple[list[Result], Ending]:
    """Take all results of a judgement, showing progress."""

    def tell(result: Result) -> Text | None:
        if result.known or not (result.verdict in BAD or result.verdict is Verdict.INFRA):
            return None
        return line(_coloured(result.verdict, result.verdict.value), " ", result.scenario, _check(result))

    def title(result: Result | None) -> str:
        return f"judging {target}" + (f": {result.scenario[:40]:40}" if result else "")

    return follow(results, total, title, tell)


def summary(
    results: Sequence[Result],
    chosen: Sequence[Scenario],
    target: str,
    seconds: float,
    stale: Sequence[Stale] = (),
    ending: Ending = Ending.COMPLETE,
) -> None:
    """Print what was run, what held, and what did not, with the reason and where the transcript is.

    stale: entries of the file of known deviations that do not fit. ending: why there are not more results.
    """
    out = console()
    summaries = {scenario.id: scenario.summary for scenario in (*scenarios(ENDS), *chosen)}
    out.print(_counts(results, chosen, target))
    known = [result for result in results if result.known]
    for result in sorted(results, key=lambda result: result.scenario):
        if result.verdict in (Verdict.PASS, Verdict.UNSUPPORTED) or result.known:
            continue
        out.print()
        out.print(line(_coloured(result.verdict, result.verdict.value), " ", (result.scenario, "bold"), _check(result)))
        out.print(block(summaries[result.scenario]))
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
    verdict = _conclusion(results, chosen, stale, ending)
    out.print(line(target, ": ", *verdict, f" ({len(results)} scenarios, {steps} steps, {seconds:.1f} s)"))


def _counts(results: Sequence[Result], chosen: Sequence[Scenario], target: str) -> Table:
    """How many scenarios of each kind came to each verdict."""
    kinds = {scenario.id: scenario.kind for scenario in (*scenarios(ENDS), *chosen)}
    verdicts = [verdict for verdict in Verdict if any(result.verdict is verdict for result in results)]
    table = Table("kind", "scenarios", "steps", *(verdict.value for verdict in verdicts), title=line(target))
    for kind in sorted(set(kinds.values())):
        of_kind = [result for result in results if kinds[result.scenario] == kind]
        counts = Counter(result.verdict for result in of_kind)
        cells = [line(_coloured(verdict, str(counts[verdict])) if counts[verdict] else "-") for verdict in verdicts]
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
    results: Sequence[Result], chosen: Sequence[Scenario], stale: Sequence[Stale], ending: Ending
) -> tuple[str | tuple[str, str], ...]:
    """The last word on a target, in coloured pieces."""
    if ending is Ending.INTERRUPTED:
        return ("interrupted", "yellow"), f" after {len(results)} of {len(chosen)} scenarios"
    if results and all(result.verdict is Verdict.UNSUPPORTED for result in results):
        return ("not judged", "yellow"), ": it claims nothing that these scenarios need"
    failed = [result for result in results if result.verdict in BAD]
    if any(not result.known for result in failed):
        return (("does not conform", "red"),)
    lost = sum(result.verdict is Verdict.INFRA for result in results) + len(chosen) - len(results)
    if lost:
        return ("not judged by all scenarios", "magenta"), f": {lost} could not be run"
    if stale:
        return ((f"conforms but for what is known, and {len(stale)} known deviations are out of date", "red"),)
    if failed:
        return ((f"conforms but for {len(failed)} known deviations", "yellow"),)
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
    return {
        "target": target,
        "version": version,
        "seed": seed,
        "counts": {verdict.value: sum(result.verdict is verdict for result in results) for verdict in Verdict},
        "scenarios": [
            asdict(result)
            | {"verdict": result.verdict.value, "transcripts": list(result.transcripts), "visited": len(result.visited)}
            for result in sorted(results, key=lambda result: result.scenario)
        ],
        "not_run": sorted({one.id for one in chosen} - {result.scenario for result in results}),
        "requirements": {name: verdict.value for name, verdict in sorted(worst.items())},
        "readings": measured_readings(results),
        "cells": _cells(results),
        "known": sum(bool(result.known) for result in results),
        "stale": [str(entry) for entry in stale],
    }


def figures(measured: Mapping[str, Mapping[str, float]]) -> None:
    """Print what `bench` measured."""
    table = Table("figure", "value", title="bench")
    for group in measured.values():
        for name, value in group.items():
            table.add_row(name, f"{value:.4f}")
    console().print(table)


def targets(listed: Iterable[Listing]) -> None:
    """Print the targets that there are, and how to get those that are missing."""
    table = Table("target", "version", "here", "can do, or how to get it", title="targets")
    for one in listed:
        here = line(("yes", "green") if one.available else ("no", "yellow"))
        told = " ".join(one.capabilities) or one.install
        table.add_row(line(one.name), line(one.version), here, line(told))
    console().print(table)


def collect_cells(cells: Iterable[Cell], total: int) -> tuple[list[Cell], Ending]:
    """Take the cells of a matrix, showing progress."""

    def title(cell: Cell | None) -> str:
        return f"{cell.left} with {cell.right}: {cell.label}" if cell else "matrix"

    return follow(cells, total, title)


def matrix(cells: Sequence[Cell], names: Sequence[str]) -> None:
    """Print the matrix: rows are judged, columns are whom they talk to; conversations that went well, of how many."""
    table = Table("", *map(printable, names), title="matrix")
    for left in names:
        squares = []
        for right in names:
            found = [cell for cell in cells if (cell.left, cell.right) == (left, right)]
            labels = [
                line((cell.label, "green" if cell.passed == len(cell.results) else "red"))
                for cell in sorted(found, key=lambda cell: cell.version)
            ]
            squares.append(Text("\n").join(labels) if labels else line("-"))
        table.add_row(line(left), *squares)
    console(width=140).print(table)


def faults(catalogue: Sequence[Fault]) -> None:
    """Print the catalogue of faults by area."""
    table = Table("fault", "oracle", "seen by", "what is wrong", title=f"{len(catalogue)} faults")
    for fault in catalogue:
        table.add_row(f"fault:{fault.name}", fault.oracle, fault.observer, fault.summary)
    console(width=160).print(table)


def _phase(what: str, stream: Iterable[str], total: int) -> Ending:
    """How a phase of a command ends, whose progress is shown."""
    return follow(stream, total, lambda name: f"{what} {(name or '')[:50]:50}")[1]


def _first_unfinished(phases: Iterator[Ending]) -> Ending:
    """How the first of several phases ends that is not completed, if there is one; later ones don't begin then."""
    return next((ending for ending in phases if ending is not Ending.COMPLETE), Ending.COMPLETE)


def collect_score(scorer: Scorer) -> Ending:
    """Fill a scorer's card, showing progress. What was found until it ended is on the card."""
    card = scorer.card

    def phases() -> Iterator[Ending]:
        yield _phase("with the genuine engine:", scorer.survey(), len(card.scenarios))
        yield _phase("judging", scorer.judge(), len(card.faults))
        yield _phase("looking for what trips", scorer.trip(), len(card.untripped))

    return _first_unfinished(phases())


def collect_mutants(mutation: Mutation) -> Ending:
    """Judge mutants, showing progress."""
    surveys = len(mutation.scenarios) * len(mutation.engines)

    def phases() -> Iterator[Ending]:
        yield _phase("with the genuine engines:", mutation.survey(), surveys)
        yield _phase("judging mutants", mutation.judge(), len(mutation.score.mutants))

    return _first_unfinished(phases())


def mutants(result: MutationScore) -> None:
    """Print how many mutants were noticed, and those that were not."""
    for engine, figures in result.as_json().items():
        survived = result.survivors(engine)
        say(
            f"{engine}: {figures['share']:.1%} of the mutants that are not equivalent were noticed "
            f"({figures['killed']} noticed, {len(survived)} not, {figures['equivalent']} equivalent)"
        )
        for key in survived:
            say(f"  {key}")
    for key, by in result.mistaken.items():
        say(f"listed as equivalent, and noticed by {by}: {key}")


def score(card: ScoreCard) -> None:
    """Print the matrix of faults and kinds of scenarios, then its sums."""
    out = console(width=160)
    table = Table("fault", "requirement", *KINDS, "examples", "noticed by", title=f"{len(card.faults)} faults")
    for name, fault in card.faults.items():
        by, kinds = card.by(name), card.kinds(name)
        count = card.examples(name)
        marks = [line(("x", "green") if kind in kinds else "-") for kind in KINDS]
        first = f"{by[0].scenario}{f' and {len(by) - 1} more' if len(by) > 1 else ''}" if by else ("nobody", "red")
        table.add_row(name, fault.requirement, *marks, "-" if count is None else str(count), line(first))
    out.print(table)
    total = len(card.faults)
    for kind in KINDS:
        caught = sum(kind in card.kinds(name) for name in card.faults)
        there = sum(one.kind == kind for one in card.scenarios.values())
        out.print(f"{kind}: {caught} of {total} faults, by {there} scenarios")
    median = "-" if card.median_examples is None else f"{card.median_examples:g}"
    out.print(f"median number of random runs until a fault is noticed: {median}")


def gaps(card: ScoreCard) -> None:
    """Print the gaps: with the genuine engine, for faults, for scenarios."""
    for what, lines in card.gaps().items():
        say(f"{what}: {len(lines)}")
        for one in lines:
            say(f"  {one}")
