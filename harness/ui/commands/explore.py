"""`otterproof explore`: make every run of an alphabet's moves up to a depth, and say what breaks a rule."""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import closing
from pathlib import Path

from otterproof.harness.runs.events import AlphabetExplored, Ending
from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.explore import Explorable, Exploration, explorable
from otterproof.harness.runs.explore.found import keep
from otterproof.harness.runs.faults.memoize import remember_powers
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import InProcess
from otterproof.harness.targets.registry import command_of, file_name, open_target, with_name
from otterproof.harness.ui.exploration import as_json, follow_levels, tell_certificate
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.options import add_name, add_timeout, check_file, check_folder, positive, seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `explore`."""
    parser.add_argument("target", nargs="?", default="independent", help="target to explore (default: %(default)s)")
    parser.add_argument(
        "--alphabet",
        action="append",
        metavar="NAME",
        choices=sorted(ALPHABETS),
        help=f"what may happen: {', '.join(ALPHABETS)} (default: all of them; may be given several times)",
    )
    parser.add_argument("--depth", type=positive, metavar="N", help="number of moves (default: the alphabet's)")
    parser.add_argument("--max-time", type=seconds, metavar="SECONDS", help="stop after SECONDS (default: no limit)")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="go on after something was found, and tell each kind of failure once; so it is for third parties anyway",
    )
    add_name(parser)
    add_timeout(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for transcripts and tests of what is found")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the certificates to FILE")


def run(options: argparse.Namespace) -> int:
    """Explore; the exit code. UsageError."""
    folder = options.out or Path("otterproof-explore") / file_name(options.target)
    check_folder(folder, "--out")
    if options.json:
        check_file(options.json, "--json")
    name = with_name(options.target, options.name)
    target = explorable(open_target(name, Limits(options.timeout)))
    remember_powers()
    ends = None if options.max_time is None else time.monotonic() + options.max_time
    explored: list[AlphabetExplored] = []
    ending = Ending.COMPLETE
    with closing(target):
        chosen = options.alphabet or [one for one in ALPHABETS if ALPHABETS[one].suits(target.capabilities)]
        for alphabet in chosen:
            exploration = Exploration(
                alphabet, target, options.jobs, keep_going=_keeps_going(options, target), folder=folder
            )
            with closing(exploration):
                exploration.resume()
                ending = follow_levels(exploration, options.depth or exploration.depth, ends)
            found = exploration.certificate.found
            checks = [one.check for one in found]
            kept = [
                keep(alphabet, exploration.setup, target, one, folder, command_of(name), passed=checks) for one in found
            ]
            tell_certificate(exploration.certificate, kept)
            explored.append(AlphabetExplored(exploration.certificate, tuple(kept)))
            if ending is not Ending.COMPLETE:
                complain(f"stopped before the depth was reached: {ending.value}; the same command goes on from there")
                break
    if options.json:
        write_whole(options.json, json.dumps(as_json(explored), indent=1) + "\n")
    if ending.code is not None:
        return ending.code
    levels = [one.level for alphabet in explored for one in alphabet.found]
    return DEVIATES if Level.MUST in levels else CONFORMS


def _keeps_going(options: argparse.Namespace, target: Explorable) -> bool:
    """Whether to go on after something was found: a third party can't be changed at once, so all of it is wanted."""
    return options.keep_going or not isinstance(target, InProcess)
