"""`otterproof faults`: list the faults, score the scenarios by them, or judge mutants of the engines."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import dependence, fuzzed, judged_file, localise, score, sightings, sightings_file
from otterproof.harness.runs.faults import trips as pairs
from otterproof.harness.runs.faults.detect import workers
from otterproof.harness.runs.faults.explored import ExploredFaults
from otterproof.harness.runs.faults.fuzzed import evenly
from otterproof.harness.runs.faults.mutants import ORIGINALS, MutationMissing, equivalent, mutants
from otterproof.harness.runs.faults.mutation import Mutation, MutationScore
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, fail, say
from otterproof.harness.ui.options import check_file
from otterproof.harness.ui.results import check_json, put_result, shows_text


def run(options: argparse.Namespace) -> int:
    check_json(options)
    if options.mutants:
        return _mutants(options)
    _refuse_mixed(options)
    if options.explain:
        return _explain(options)
    if options.fuzz:
        return _fuzz(options)
    if options.third_party:
        return _third_party(options)
    if options.explore:
        return _explore(options)
    if options.score or options.gaps:
        return _score(options)
    catalogue = list((score.choose(options.only).faults if options.only else faults()).values())
    if not catalogue:
        raise _no_fault(options.only)
    if shows_text(options):
        report.faults(catalogue)
    put_result(options, "faults", {"faults": [asdict(fault) for fault in catalogue]})
    return CONFORMS


def _refuse_mixed(options: argparse.Namespace) -> None:
    """Raise UsageError for options that don't go together."""
    if options.write and not (options.score or options.gaps):
        raise UsageError("--write notes what a score has found; it goes with --score or --gaps")
    if options.explain and (options.write or options.gaps or not options.score):
        raise UsageError("--explain goes with --score, and without --gaps and --write")
    if options.fuzz and (options.write or options.gaps or options.explain or options.third_party or not options.score):
        raise UsageError("--fuzz goes with --score, and without --gaps, --write, --explain and --third-party")
    if options.sample and not (options.explain or options.fuzz or options.explore):
        raise UsageError("--sample chooses the faults that --score judges with --explain, --explore or --fuzz")
    if options.third_party and (options.write or options.gaps or options.explain or not options.score):
        raise UsageError("--third-party goes with --score, and without --gaps, --write and --explain")
    others = options.write or options.gaps or options.explain or options.fuzz or options.third_party
    if options.explore and (others or not options.score):
        raise UsageError("--explore goes with --score, and without --gaps, --write and what else --score measures")
    if options.state and not (options.third_party or options.explore or options.explain):
        raise UsageError("--state keeps what --score has judged with --third-party, --explore or --explain")
    if options.state:
        check_file(options.state, "--state")


def _no_fault(only: str) -> UsageError:
    hint = did_you_mean(only, faults(), "leave --only out for all")
    return UsageError(f"{only!r:.200} is in no id of a scenario and in no fault's name or area{hint}")


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
        complain("the catalogue was not updated, because the score is incomplete")
    elif options.write:
        pairs.write(card)
    if shows_text(options) and options.gaps:
        report.gaps(card)
    elif shows_text(options):
        report.score(card)
        say(str(explored))
    put_result(options, "faults", card.as_json() | {"explored": explored.as_json()})
    return _code(ending, [*card.lost, *explored.lost], any(card.gaps().values()))


def _third_party(options: argparse.Namespace) -> int:
    """Measure which faults are caught as a third party's, and how much must be visible to catch the others."""
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
    if shows_text(options):
        report.sightings(record)
    put_result(options, "faults", record.as_json())
    return _code(ending, record.lost, any(record.gaps().values()))


def _explore(options: argparse.Namespace) -> int:
    """Measure which faults explorations find. A fault that is not found is no gap: the exit code is 0."""
    chosen = score.choose(options.only).faults if options.only else faults()
    if not chosen:
        raise _no_fault(options.only)
    explored = ExploredFaults(evenly(chosen, options.sample))
    if options.state:
        explored.go_on(options.state)
    with workers(options.jobs) as pool:
        ending = report.collect_explored(explored, pool, options.state)
    if shows_text(options):
        report.explored(explored)
    put_result(options, "faults", explored.as_json())
    return _code(ending, explored.lost, False)


def _explain(options: argparse.Namespace) -> int:
    """Measure the reported causes of faults. A requirement that is not named first is no gap: the exit code is 0."""
    chosen = score.choose(options.only).faults if options.only else faults()
    if not chosen:
        raise _no_fault(options.only)
    record = localise.choose(chosen, options.sample, options.seed)
    kept = judged_file.JudgedFile(options.state, {name: dependence.key(one) for name, one in record.scenarios.items()})
    kept.begin()
    with workers(options.jobs) as pool:
        ending = report.collect_located(localise.Localiser(record, pool, kept))
    if shows_text(options):
        report.located(record)
    put_result(options, "faults", record.as_json())
    return _code(ending, record.lost, False)


def _fuzz(options: argparse.Namespace) -> int:
    """Measure the findings of campaigns about faults. A fault that is not found is no gap: the exit code is 0."""
    chosen = score.choose(options.only).faults if options.only else faults()
    if not chosen:
        raise _no_fault(options.only)
    record = fuzzed.choose(chosen, options.fuzz, options.sample)
    with workers(options.jobs) as pool:
        ending = report.collect_fuzzed(record, pool)
    if shows_text(options):
        report.fuzzed(record)
    put_result(options, "faults", record.as_json())
    return _code(ending, record.lost, False)


def _code(ending: Ending, lost: Sequence[object], wrong: bool) -> int:
    """The exit code. lost: items without a result, because workers died; the rest is then inconclusive too."""
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
        hint = did_you_mean(options.only, (one.id for one in scenarios()), "leave --only out for all")
        raise UsageError(f"no scenario's id contains {options.only!r:.200}{hint}")
    try:
        drawn = [one for engine in ORIGINALS for one in mutants(engine, options.mutants, options.seed)]
    except MutationMissing as missing:
        return fail(missing, NOT_RUN)
    result = MutationScore(drawn, equivalent())
    with workers(options.jobs) as pool:
        ending = report.collect_mutants(Mutation(result, chosen, pool))
    if shows_text(options):
        report.mutants(result)
    put_result(options, "faults", {"engines": result.as_json()})
    wrong = bool(result.mistaken) or any(result.survivors(engine) for engine in ORIGINALS)
    return _code(ending, result.lost, wrong)
