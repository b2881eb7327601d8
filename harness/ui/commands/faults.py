"""`otterproof faults`: list the faults, score the scenarios by them, or judge mutants of the engines."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import dependence, judged_file, localise, score, sightings, sightings_file
from otterproof.harness.runs.faults import trips as pairs
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.explored import ExploredFaults
from otterproof.harness.runs.faults.mutants import ORIGINALS, MutationMissing, equivalent, mutants
from otterproof.harness.runs.faults.mutation import Mutation, MutationScore
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, fail, say
from otterproof.harness.ui.options import check_file, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `faults`."""
    parser.add_argument("--score", action="store_true", help="measure which scenarios detect which faults")
    parser.add_argument("--gaps", action="store_true", help="like --score, but print only the gaps")
    parser.add_argument(
        "--write", action="store_true", help="with --score or --gaps: record in the catalogue what was detected"
    )
    parser.add_argument(
        "--third-party",
        action="store_true",
        help="with --score: measure only which faults are caught as a third party's, which takes minutes",
    )
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="with --third-party or --explain: keep in FILE what has been judged, and go on from there",
    )
    parser.add_argument(
        "--explain",
        action="store_true",
        help="with --score: measure instead whether the first cause that is told of a fault names what it breaks",
    )
    parser.add_argument(
        "--sample", type=positive, metavar="N", help="with --explain: judge only N faults, drawn evenly from all areas"
    )
    parser.add_argument(
        "--mutants", type=positive, metavar="N", help="run the scenarios against N random mutants of each engine"
    )
    parser.add_argument(
        "--seed", default="1", help="seed of the choice of mutants or of the sample (default: %(default)s)"
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only scenarios whose id contains TEXT, and faults that they should detect or whose name or area has TEXT",
    )
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    parser.add_argument("--json", action="store_true", help="print the list, or the score, as JSON")


def run(options: argparse.Namespace) -> int:
    if options.mutants:
        return _mutants(options)
    _refuse_mixed(options)
    if options.explain:
        return _explain(options)
    if options.third_party:
        return _third_party(options)
    if options.score or options.gaps:
        return _score(options)
    catalogue = list((score.choose(options.only).faults if options.only else faults()).values())
    if not catalogue:
        raise _no_fault(options.only)
    if options.json:
        print(json.dumps({"faults": [asdict(fault) for fault in catalogue]}, indent=1))
    else:
        report.faults(catalogue)
    return CONFORMS


def _refuse_mixed(options: argparse.Namespace) -> None:
    """UsageError for options that mean nothing together."""
    if options.write and not (options.score or options.gaps):
        raise UsageError("--write notes what a score has found; it goes with --score or --gaps")
    if options.explain and (options.write or options.gaps or not options.score):
        raise UsageError("--explain goes with --score, and without --gaps and --write")
    if options.sample and not options.explain:
        raise UsageError("--sample chooses the faults that --score --explain judges; it goes with these")
    if options.third_party and (options.write or options.gaps or options.explain or not options.score):
        raise UsageError("--third-party goes with --score, and without --gaps, --write and --explain")
    if options.state and not (options.third_party or options.explain):
        raise UsageError("--state keeps what --score --third-party or --score --explain has judged; it goes with these")
    if options.state:
        check_file(options.state, "--state")


def _no_fault(only: str) -> UsageError:
    return UsageError(f"{only!r} is in no id of a scenario and in no fault's name or area; leave --only out for all")


def _score(options: argparse.Namespace) -> int:
    card = score.choose(options.only)
    if not card.faults:
        raise _no_fault(options.only)
    with workers(options.jobs) as pool:
        ending = report.collect_score(score.Scorer(card, pool))
        scored, explored = ending, ExploredFaults(list(card.faults))
        if ending is Ending.COMPLETE and not options.gaps:
            ending = report.collect_explored(explored, pool)
    if options.write and (scored is not Ending.COMPLETE or card.lost):
        complain("nothing was noted in the catalogue, for the score is not complete")
    elif options.write:
        pairs.write(card)
    if options.json:
        print(json.dumps(card.as_json() | {"explored": explored.as_json()}, indent=1))
    elif options.gaps:
        report.gaps(card)
    else:
        report.score(card)
        say(str(explored))
    return _code(ending, [*card.lost, *explored.lost], any(card.gaps().values()))


def _third_party(options: argparse.Namespace) -> int:
    """Measure which faults are caught as a third party's, and how much has to be seen for the others."""
    card = score.choose(options.only)
    if not card.faults:
        raise _no_fault(options.only)
    record = card.sightings
    if options.state:
        wanted = set(record.wanted)
        known = {(one.fault, one.version): one for one in sightings_file.read(options.state)}
        record.found.update((pair, one) for pair, one in known.items() if pair in wanted)
    with workers(options.jobs) as pool:
        stream = sightings.watch(record, pool)
        if options.state:
            stream = sightings_file.kept(options.state, record.found, stream)
        ending = report.collect_sightings(record, stream)
    if options.json:
        print(json.dumps(record.as_json(), indent=1))
    else:
        report.sightings(record)
    return _code(ending, record.lost, any(record.gaps().values()))


def _explain(options: argparse.Namespace) -> int:
    """Measure what is told of the faults. A requirement that is not told first is no gap: the exit code is 0."""
    chosen = score.choose(options.only).faults if options.only else faults()
    if not chosen:
        raise _no_fault(options.only)
    record = localise.choose(chosen, options.sample, options.seed)
    kept = judged_file.JudgedFile(options.state, {name: dependence.key(one) for name, one in record.scenarios.items()})
    kept.begin()
    with workers(options.jobs) as pool:
        ending = report.collect_located(localise.Localiser(record, pool, kept))
    if options.json:
        print(json.dumps(record.as_json(), indent=1))
    else:
        report.located(record)
    return _code(ending, record.lost, False)


def _code(ending: Ending, lost: Sequence[object], wrong: bool) -> int:
    """The exit code. lost: what nothing is known of, because workers died; the rest says nothing then either."""
    if ending.code is not None:
        return ending.code
    for one in lost:
        fail(one, NOT_RUN)
    if lost:
        return NOT_RUN
    return DEVIATES if wrong else CONFORMS


def _mutants(options: argparse.Namespace) -> int:
    if options.write:
        raise UsageError("--write notes what a score of faults has found; mutants are not noted")
    load()
    chosen = {one.id: one for one in scenarios(options.only)}
    if not chosen:
        raise UsageError(f"no scenario's id contains {options.only!r}; leave --only out for all")
    try:
        drawn = [one for engine in ORIGINALS for one in mutants(engine, options.mutants, options.seed)]
    except MutationMissing as missing:
        return fail(missing, NOT_RUN)
    result = MutationScore(drawn, equivalent())
    with workers(options.jobs) as pool:
        ending = report.collect_mutants(Mutation(result, chosen, pool))
    if options.json:
        print(json.dumps(result.as_json(), indent=1))
    else:
        report.mutants(result)
    wrong = bool(result.mistaken) or any(result.survivors(engine) for engine in ORIGINALS)
    return _code(ending, result.lost, wrong)
