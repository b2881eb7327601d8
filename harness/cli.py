"""The command line: `otterproof check`, `targets`, `matrix`, `bench`, `faults`, `fuzz`, `replay`, `vectors`.

The exit codes of all commands are in exits.py. `check` and `vectors` are modules of their own.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from harness import bench, checking, deviations, matrix, report
from harness.again import Fate, again
from harness.casting import Casting
from harness.drivers import GIVE_UP_AFTER, THIRD_PARTIES, Limits, TargetError
from harness.drivers.registry import cache
from harness.exits import CONFORMS, DEVIATES, EXPLAINED, INTERRUPTED, NOT_RUN, USAGE
from harness.faults import FaultError, faults, pairs, score
from harness.faults.judging import workers
from harness.faults.mutants import ORIGINALS, MutationMissing, equivalent, mutants
from harness.faults.mutation import Mutation, MutationScore
from harness.fuzz.campaign import opened
from harness.fuzz.report import campaign_summary, show_campaign
from harness.fuzz.state import CampaignError
from harness.inputs import InputError
from harness.options import Parser, UsageError, add_timeout, check_folder, positive, seconds
from harness.outputs import OutputError, write_whole
from harness.pool import WorkersDied
from harness.printable import printable
from harness.progress import Ending
from harness.roster import UnknownTarget, file_name, listing, make
from harness.scenario import load, scenarios
from harness.screen import complain, say, show_all_text
from harness.targets import ENGINES
from harness.transcript import TranscriptError, Verdict, tool_version
from harness.transcript_reading import read_transcript
from harness.vectors import commands as vectors

#: What `replay` ends with.
FATES = {
    Fate.SAME: CONFORMS,
    Fate.FIXED: CONFORMS,
    Fate.FAILED: DEVIATES,
    Fate.DRIFTED: DEVIATES,
    Fate.ERROR: NOT_RUN,
}


#: Errors of the system that are the machine's state, and not a defect of ours.
_NO_DEFECT = frozenset(
    {
        errno.EACCES,
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. KeyboardInterrupt."""
    show_all_text()
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except FaultError as error:  # the catalogue is not as it must be
        return _fail(error, NOT_RUN)
    except TargetError as error:  # it could not even be started
        return _fail("\n".join([str(error), *getattr(error, "__notes__", ())]), NOT_RUN)
    except (OutputError, WorkersDied) as error:  # a full disk, say
        return _fail(error, NOT_RUN)
    except (UsageError, InputError, CampaignError, UnknownTarget, TranscriptError, deviations.DeviationError) as error:
        return _fail(error, USAGE)
    except OSError as error:
        if error.errno not in _NO_DEFECT:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror}; see to that, and run this again", NOT_RUN)


def _fail(message: object, code: int) -> int:
    complain(message)
    return code


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    program = Parser(
        prog="otterproof",
        description="Prove an implementation of Off-the-Record messaging, or break it.",
        epilog=EXPLAINED,
    )
    program.add_argument("--version", action="version", version=tool_version())
    commands = program.add_subparsers(title="commands", required=True, metavar="COMMAND")

    checking.add_arguments(commands.add_parser("check", help="judge a target by the scenarios"))

    measure = commands.add_parser("bench", help="measure speed, as ratios against the bare cryptography and libotr")
    measure.add_argument("--json", action="store_true", help="print the figures as one JSON object")
    measure.set_defaults(command=_bench)

    listed = commands.add_parser("targets", help="list what can be judged, or install it")
    listed.add_argument("--json", action="store_true", help="print the list as JSON")
    listed.set_defaults(command=_targets)
    installing = listed.add_subparsers(metavar="install").add_parser("install", help="get and build a target")
    installing.add_argument("name", help="the target, as `otterproof targets` lists it")
    installing.set_defaults(command=_install)

    wrong = commands.add_parser("faults", help="list engines that are wrong on purpose, or score the scenarios by them")
    wrong.add_argument("--score", action="store_true", help="find out which scenarios notice which faults")
    wrong.add_argument("--gaps", action="store_true", help="the same, but list only what is not as it must be")
    wrong.add_argument(
        "--write", action="store_true", help="with --score or --gaps: note in the catalogue which scenarios notice what"
    )
    wrong.add_argument(
        "--mutants", type=positive, metavar="N", help="judge N random mutants of each engine by the scenarios"
    )
    wrong.add_argument("--seed", default="1", help="which mutants are drawn (default: %(default)s)")
    wrong.add_argument(
        "--only",
        default="",
        metavar="TEXT",
        help="only scenarios whose id contains TEXT, and faults that these are about or whose name or area has TEXT",
    )
    wrong.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="processes (default: all cores)")
    wrong.add_argument("--json", action="store_true", help="print the list, or the score, as JSON")
    wrong.set_defaults(command=_faults)

    square = commands.add_parser("matrix", help="let every pair of targets talk to each other")
    square.add_argument("targets", nargs="*", help="which ones (default: all that run here)")
    square.add_argument(
        "--out", type=Path, default=Path("otterproof-matrix"), help="folder for matrix.json, matrix.html"
    )
    square.add_argument("--seed", default="otterproof", help="everything random follows from it (default: %(default)s)")
    square.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="processes (default: all cores)")
    add_timeout(square)
    square.set_defaults(command=_matrix)

    random = commands.add_parser("fuzz", help="run random programs against a target; make small what fails")
    random.add_argument("target", help="what to judge")
    random.add_argument("--examples", type=positive, default=1000, help="how many programs (default: %(default)s)")
    random.add_argument("--seed", default="otterproof", help="the programs follow from it (default: %(default)s)")
    random.add_argument(
        "--out", type=Path, metavar="DIR", help="folder for what is found; a campaign that is there goes on"
    )
    random.add_argument(
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        help="start no program after so many seconds; the same command later goes on (default: no limit)",
    )
    random.add_argument("--jobs", type=positive, default=os.cpu_count() or 1, help="processes (default: all cores)")
    add_timeout(random)
    random.set_defaults(command=_fuzz)

    replaying = commands.add_parser("replay", help="run a transcript again: does it still fail?")
    replaying.add_argument("transcript", type=Path, help="the file; failed runs of check and fuzz leave one")
    replaying.add_argument("--target", help="what plays the judged party (default: what played it in the transcript)")
    replaying.add_argument("--peer", help="what plays all other parties (default: what played them in the transcript)")
    replaying.add_argument(
        "--allow-exec",
        action="store_true",
        help="run the commands that the transcript names as targets (exec:COMMAND); only for files that you trust. "
        "Without it, such a command runs only if you give the same one with --target or --peer",
    )
    add_timeout(replaying)
    replaying.set_defaults(command=_replay)

    vectors.add_arguments(commands.add_parser("vectors", help="make, verify and lint the known-answer vectors"))
    return program


def _bench(options: argparse.Namespace) -> int:
    figures = bench.measure()
    if options.json:
        print(json.dumps(figures))
    else:
        report.figures(figures)
    return CONFORMS


def _targets(options: argparse.Namespace) -> int:
    found = list(listing())
    if options.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        report.targets(found)
    return CONFORMS


def _install(options: argparse.Namespace) -> int:
    if options.name not in THIRD_PARTIES:
        raise UsageError(f"{options.name!r} can't be installed; these can: {', '.join(THIRD_PARTIES)}")
    complain(f"building {options.name} in {cache()}")
    THIRD_PARTIES[options.name].ready()
    target = make(options.name)
    say(f"{options.name} {target.version} is ready: otterproof check {options.name}")
    target.close()
    return CONFORMS


def _faults(options: argparse.Namespace) -> int:
    if options.mutants:
        return _mutants(options)
    if options.score or options.gaps:
        return _score(options)
    if options.write:
        raise UsageError("--write notes what a score has found; it goes with --score or --gaps")
    catalogue = list((score.choose(options.only).faults if options.only else faults()).values())
    if not catalogue:
        raise _no_fault(options.only)
    if options.json:
        print(json.dumps({"faults": [asdict(fault) for fault in catalogue]}, indent=1))
    else:
        report.faults(catalogue)
    return CONFORMS


def _no_fault(only: str) -> UsageError:
    return UsageError(f"{only!r} is in no id of a scenario and in no fault's name or area; leave --only out for all")


def _score(options: argparse.Namespace) -> int:
    card = score.choose(options.only)
    if not card.faults:
        raise _no_fault(options.only)
    with workers(options.jobs) as pool:
        ending = report.collect_score(score.Scorer(card, pool))
    if options.write and (ending is not Ending.COMPLETE or card.lost):
        complain("nothing was noted in the catalogue, for the score is not complete")
    elif options.write:
        pairs.write(card)
    if options.json:
        print(json.dumps(card.as_json(), indent=1))
    elif options.gaps:
        report.gaps(card)
    else:
        report.score(card)
    if ending.code is not None:
        return ending.code
    if card.lost:
        return _lost(card.lost)
    return DEVIATES if any(card.gaps().values()) else CONFORMS


def _lost(lost: Sequence[object]) -> int:
    """Say what nothing is known of, because workers died: without it nothing can be said about the rest either."""
    for one in lost:
        _fail(one, NOT_RUN)
    return NOT_RUN


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
        return _fail(missing, NOT_RUN)
    result = MutationScore(drawn, equivalent())
    with workers(options.jobs) as pool:
        ending = report.collect_mutants(Mutation(result, chosen, pool))
    if options.json:
        print(json.dumps(result.as_json(), indent=1))
    else:
        report.mutants(result)
    if ending.code is not None:
        return ending.code
    if result.lost:
        return _lost(result.lost)
    return DEVIATES if result.mistaken or any(result.survivors(engine) for engine in ORIGINALS) else CONFORMS


def _matrix(options: argparse.Namespace) -> int:
    load()
    check_folder(options.out, "--out")
    limits = Limits(options.timeout, GIVE_UP_AFTER)
    found, missing = matrix.available(options.targets or [*ENGINES, *THIRD_PARTIES], limits)
    for name, why in missing.items():
        complain(f"{name} is left out: {why}")
    if not found or (options.targets and missing):
        return NOT_RUN
    names = list(found)
    planned = matrix.plans(names, found, options.seed.encode(errors="surrogatepass"), options.out, limits)
    cells, ending = report.collect_cells(matrix.fill_all(planned, min(options.jobs, len(planned))), len(planned))
    options.out.mkdir(parents=True, exist_ok=True)
    write_whole(options.out / "matrix.json", json.dumps(matrix.as_json(cells, missing), indent=1) + "\n")
    write_whole(options.out / "matrix.html", matrix.as_html(cells, names, options.out))
    report.matrix(cells, names)
    say(f"{options.out / 'matrix.html'} has every conversation with its transcript")
    if ending is Ending.INTERRUPTED:
        return INTERRUPTED
    results = [result for cell in cells for result in cell.results]
    if any(result.verdict in report.BAD for result in results):
        return DEVIATES
    unsure = any(result.verdict is Verdict.INFRA or result.unwritten for result in results)
    return NOT_RUN if unsure or ending is not Ending.COMPLETE else CONFORMS


def _replay(options: argparse.Namespace) -> int:
    casting = Casting(options.target, options.peer, options.allow_exec, Limits(options.timeout))
    outcome = again(read_transcript(options.transcript), casting)
    say(f"{outcome.fate.value} {printable(str(options.transcript))}: {outcome.detail}")
    if outcome.drift:
        say(outcome.drift)
    return FATES[outcome.fate]


def _fuzz(options: argparse.Namespace) -> int:
    folder = options.out or Path("otterproof-fuzz") / file_name(options.target)
    with opened(options.target, options.seed, folder) as campaign:
        campaign.limits = Limits(options.timeout)
        if campaign.done:
            complain(f"going on after {campaign.done} programs in {folder}")
        jobs = min(options.jobs, options.examples)
        try:
            interrupted = show_campaign(campaign, options.examples, jobs, options.max_time)
        except (OutputError, WorkersDied):  # what was found so far is at least shown
            campaign_summary(campaign)
            raise
        campaign_summary(campaign)
    if campaign.time_up:
        complain("the time of --max-time is up; the same command goes on with the next program")
    if interrupted:
        return INTERRUPTED
    verdicts = {finding.verdict for finding in campaign.findings}
    if verdicts & report.BAD:
        return DEVIATES
    return NOT_RUN if verdicts else CONFORMS
