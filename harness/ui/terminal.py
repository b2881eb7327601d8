"""Tables for people: targets, figures, the matrix, the faults and their score. They go to standard output."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median

from otterproof.harness.runs import cell as matrix_cell
from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import fuzzed as fuzzing
from otterproof.harness.runs.faults.explored import ExploredFaults
from otterproof.harness.runs.faults.localise import Localisation, Localiser
from otterproof.harness.runs.faults.mutation import Mutation, MutationScore
from otterproof.harness.runs.faults.score import KINDS, ScoreCard, Scorer
from otterproof.harness.runs.faults.sightings import Sighting, Sightings, View, unseen
from otterproof.harness.runs.workers import Pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.faults import Fault
from otterproof.harness.targets.registry import Listing
from otterproof.harness.ui.fuzz_findings import whose
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.progress import follow
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.table import Cell, print_table
from otterproof.harness.wire.shown import counted

_COLOUR = {Verdict.PASS: "green", Verdict.UNSUPPORTED: "yellow", Verdict.INFRA: "magenta"}


def targets(listed: Iterable[Listing]) -> None:
    """Print the available targets, and how to get those that are missing."""
    rows = [
        (
            one.name,
            one.version or "-",
            ("yes", "green") if one.available else ("no", "yellow"),
            " ".join(one.capabilities) or one.install,
        )
        for one in listed
    ]
    print_table(console(), ("target", "version", "here", "can do, or how to get it"), rows)


def collect_cells(cells: Iterable[matrix_cell.Cell], total: int) -> tuple[list[matrix_cell.Cell], Ending]:
    """Take the cells of a matrix, showing progress."""

    def title(cell: matrix_cell.Cell | None) -> str:
        return f"{cell.left} with {cell.right}: {cell.label}" if cell else "matrix"

    return follow(cells, total, title)


def matrix(cells: Sequence[matrix_cell.Cell], names: Sequence[str]) -> None:
    """Print the matrix, a line for each pair.

    It has the judged target, its counterpart, and for each common version how many of their conversations went well.
    """
    found = {(cell.left, cell.right, cell.version): cell for cell in cells}
    rows = [
        (left, right, *(_square(found.get((left, right, version))) for version in (2, 3)))
        for left in names
        for right in names
    ]
    print_table(console(), ("judged", "peer", "v2", "v3"), rows)


def _square(cell: matrix_cell.Cell | None) -> Cell:
    if cell is None:
        return "-"
    return f"{cell.passed}/{len(cell.results)}", "green" if cell.passed == len(cell.results) else "red"


def faults(catalogue: Sequence[Fault]) -> None:
    """Print the catalogue of faults by area."""
    rows = [(f"fault:{fault.name}", fault.oracle, fault.observer, fault.summary) for fault in catalogue]
    print_table(console(), ("fault", "oracle", "seen by", "what is wrong"), rows)


def _phase(what: str, stream: Iterable[str], total: int) -> Ending:
    """Follow one phase of a command, showing its progress; return how it ended."""
    return follow(stream, total, lambda name: f"{what} {name or ''}")[1]


def _first_unfinished(phases: Iterator[Ending]) -> Ending:
    """Run phases until one is not completed; return how that one ended. Later ones then do not begin."""
    return next((ending for ending in phases if ending is not Ending.COMPLETE), Ending.COMPLETE)


def collect_score(scorer: Scorer) -> Ending:
    """Fill a scorer's card, showing progress. The card has the results up to an interruption."""
    card = scorer.card

    def phases() -> Iterator[Ending]:
        yield _phase("as a third party:", scorer.watch(), len(card.sightings.wanted))
        yield _phase("with the genuine engine:", scorer.survey(), len(card.scenarios))
        yield _phase("judging", scorer.judge(), len(card.faults))
        yield _phase("looking for what trips", scorer.trip(), len(card.untripped))

    return _first_unfinished(phases())


def collect_sightings(record: Sightings, stream: Iterable[Sighting]) -> Ending:
    """Judge faults as a third party's, showing progress. The record has the results up to an interruption."""
    return _phase("as a third party:", (one.fault for one in stream), len(record.wanted))


def collect_explored(explored: ExploredFaults, pool: Pool, state: Path | None = None) -> Ending:
    """Explore faults, showing progress. The record and the file `state` have the results up to an interruption."""

    def phases() -> Iterator[Ending]:
        yield _phase("exploring with the genuine engine:", explored.survey(pool), len(explored.unsurveyed))
        yield _phase("exploring", explored.explore(pool, state), len(explored.wanted))

    return _first_unfinished(phases())


def collect_located(localiser: Localiser) -> Ending:
    """Fill a localiser's record, showing progress. The record has the results up to an interruption."""

    def phases() -> Iterator[Ending]:
        yield _phase("with the genuine engine:", localiser.survey(), len(localiser.unsurveyed))
        yield _phase("judging as a third party", localiser.judge(), len(localiser.unjudged))

    return _first_unfinished(phases())


def collect_fuzzed(record: fuzzing.Fuzzing, pool: Pool) -> Ending:
    """Run the campaigns of a record, showing progress. The record has the results up to an interruption."""
    return _phase("fuzzing faults", fuzzing.fuzz(record, pool), len(record.faults))


def collect_mutants(mutation: Mutation) -> Ending:
    """Judge mutants, showing progress."""
    surveys = len(mutation.scenarios) * len(mutation.engines)

    def phases() -> Iterator[Ending]:
        yield _phase("with the genuine engines:", mutation.survey(), surveys)
        yield _phase("judging mutants", mutation.judge(), len(mutation.score.mutants))

    return _first_unfinished(phases())


def mutants(result: MutationScore) -> None:
    """Print how many mutants were noticed, and list the others."""
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
    out = console()
    seen = card.sightings
    columns = ("fault", "requirement", "first noticed", *KINDS, "examples", "noticed by")
    rows: list[tuple[Cell, ...]] = []
    for name, fault in card.faults.items():
        by, kinds = card.by(name), card.kinds(name)
        count = card.examples(name)
        marks: list[Cell] = [("x", "green") if kind in kinds else "-" for kind in KINDS]
        first: Cell = (
            f"{by[0].scenario}{f' and {len(by) - 1} more' if len(by) > 1 else ''}" if by else ("nobody", "red")
        )
        view = seen.view(name)
        noticed: Cell = view.value if view else ("in no view", "red")
        rows.append((name, fault.requirement, noticed, *marks, "-" if count is None else str(count), first))
    print_table(out, columns, rows)
    for told in _views(seen):
        out.print(told)
    total = len(card.faults)
    for kind in KINDS:
        caught = sum(kind in card.kinds(name) for name in card.faults)
        there = sum(one.kind == kind for one in card.scenarios.values())
        out.print(f"{kind}: {caught} of {total} faults, by {there} scenarios")
    median = "-" if card.median_examples is None else f"{card.median_examples:g}"
    out.print(f"median number of random runs until a fault is noticed: {median}")


def _views(record: Sightings) -> Iterator[str]:
    """How many faults each view notices, a line each."""
    for view in View:
        yield f"{view.value}: {len(record.caught(view))} of {len(record.faults)} faults"


def sightings(record: Sightings) -> None:
    """Print which faults are not caught as a third party's, and how many each view notices."""
    for name in record.faults:
        view = record.view(name)
        if view is View.THIRD_PARTY or not record.of(name):
            continue
        by = ", ".join(dict.fromkeys(one.scenario for one in record.of(name) if one.scenario)) or "nobody"
        say(f"{name}: {view.value if view else 'in no view'}, by {by}")
        if why := unseen().get(name):
            say(f"  {why}")
    for told in _views(record):
        say(told)
    answers = record.readings()
    say(f"faults that only answer an open question of the texts differently: {len(answers)}")
    for what, lines in record.gaps().items():
        if lines:
            say(f"{what}: {len(lines)}")
            for one in lines:
                say(f"  {one}")


def located(record: Localisation) -> None:
    """Print how often the first cause names the requirement that a fault breaks, and what it names otherwise."""
    for one in record.missed:
        fault = record.faults[one.fault]
        say(f"{one.fault} breaks {fault.requirement}: {fault.summary}")
        say(f"  reported first: {one.check} ({', '.join(one.told) or 'no requirement'}), shown by {one.scenario}")
        rank = "by no cause" if one.rank is None else f"by cause {one.rank}"
        say(f"  {fault.requirement} is named {rank} of {one.causes}; {one.failures} scenarios fail")
    first = len(record.noticed) - len(record.missed)
    say(f"{record.sample}: {len(record.located)} judged, {len(record.noticed)} noticed")
    if record.noticed:
        say(
            f"the first cause names the right requirement for {first} of {len(record.noticed)} faults: "
            f"{record.share:.1%}"
        )
        say(f"median rank of the cause that names it: {record.median_rank:g}")
    else:
        say("no fault was noticed, so there is no share to report")
    if record.answers:
        answers = ", ".join(f"{name} ({reading})" for name, reading in record.answers.items())
        say(f"only answer an open question of the protocol texts differently: {answers}")
    if record.unnoticed:
        say(f"noticed by no scenario that judges third parties: {', '.join(record.unnoticed)}")


def explored(record: ExploredFaults) -> None:
    """Print how many faults explorations find: for each alphabet, those whose shortest run it has, and in all."""
    lengths = record.lengths
    rows: list[Sequence[Cell]] = [
        (name, str(len(moves)), f"{median(moves):g}", str(max(moves))) for name, moves in lengths.items()
    ]
    if rows:
        print_table(console(), ("alphabet", "faults", "median moves", "most moves"), rows)
    say(str(record))


def fuzzed(record: fuzzing.Fuzzing) -> None:
    """Print how many findings campaigns report for a fault, and the faults with more than one."""
    for one in record.found:
        if len(one.findings) > 1:
            say(f"{one.fault}: {len(one.findings)} findings")
            for small in one.findings:
                say(f"  {small.bucket}, {counted(small.moves, 'move')}{whose(small.moves, small.adversarial)}")
    figures = record.as_json()
    say("{judged} of {faults} faults, {programs} programs each: {found} found".format_map(figures))
    if record.found:
        say("findings of a fault: median {findings_median:g}, 95% at most {findings_95_percent}".format_map(figures))
        say("the adversary's moves in a finding: median {adversarial_moves_median:g}".format_map(figures))


def gaps(card: ScoreCard) -> None:
    """Print the gaps: with the genuine engine, for faults, for scenarios."""
    for what, lines in card.gaps().items():
        say(f"{what}: {len(lines)}")
        for one in lines:
            say(f"  {one}")
