"""`otterproof explore`: make every run of an alphabet's moves up to a depth, and report broken rules."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path

from otterproof.harness.runs import deviations
from otterproof.harness.runs.events import AlphabetExplored, Ending
from otterproof.harness.runs.explore.alphabet import ALPHABETS, ROLES
from otterproof.harness.runs.explore.explore import Explorable, Exploration, depths_of, explorable
from otterproof.harness.runs.explore.found import keep
from otterproof.harness.runs.explore.symbolic.search import DEPTHS
from otterproof.harness.runs.faults.memoize import powers_remembered
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import InProcess
from otterproof.harness.targets.registry import command_of, file_name, open_target, title, with_name
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.exploration import as_json, follow_levels, tell_certificate
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.symbolic import MODEL, explore_model
from otterproof.harness.ui.table import print_table
from otterproof.harness.ui.target_words import refuse_target


def run(options: argparse.Namespace) -> int:
    """Explore; return the exit code. Raises UsageError."""
    refuse_target(options)
    check_json(options)
    known = _known(options)
    ends = None if options.max_time is None else time.monotonic() + options.max_time
    if options.target == MODEL and not options.list:
        return explore_model(options, ends)
    name = with_name(options.target, options.name)
    if options.list:
        return _list(options, name)
    role = "" if options.role == ROLES[0] else f"-{options.role}"
    folder = options.out or Path("otterproof-explore") / (file_name(options.target) + role)
    check_folder(folder, "--out")
    target = explorable(open_target(name, Limits(options.timeout)))
    explored: list[AlphabetExplored] = []
    ending = Ending.COMPLETE
    with powers_remembered(), closing(target):
        chosen = options.alphabet or [one for one in ALPHABETS if ALPHABETS[one].suits(target.capabilities)]
        for alphabet in chosen:
            exploration = Exploration(
                alphabet,
                target,
                options.jobs,
                role=options.role,
                keep_going=_keeps_going(options, target),
                folder=folder,
            )
            with closing(exploration):
                exploration.resume()
                ending = follow_levels(exploration, options.depth or exploration.depth, ends)
            exploration.certificate.mark_known(known.reason_of)
            found = exploration.certificate.found
            checks = [one.check for one in found]
            kept = [
                keep(alphabet, exploration.setup, target, one, folder, command_of(name), passed=checks) for one in found
            ]
            if shows_text(options):
                tell_certificate(exploration.certificate, kept)
            explored.append(AlphabetExplored(exploration.certificate, tuple(kept)))
            if ending is not Ending.COMPLETE:
                complain(f"stopped before reaching the depth: {ending.words}; run the same command to resume")
                break
    put_result(options, "explore", as_json(explored))
    if ending.code is not None:
        return ending.code
    levels = [one.level for alphabet in explored for one in alphabet.found if not one.counterexample.known]
    return DEVIATES if Level.MUST in levels else CONFORMS


def _list(options: argparse.Namespace, name: str) -> int:
    """List the selected alphabets that suit the target."""
    if name == MODEL:
        depths = dict(DEPTHS)
    else:
        with closing(explorable(open_target(name, Limits(options.timeout)))) as target:
            suited = {one: alphabet for one, alphabet in ALPHABETS.items() if alphabet.suits(target.capabilities)}
            depths = {one: depths_of(alphabet, target)[0] for one, alphabet in suited.items()}
    listed = [
        {"alphabet": one, "depth": options.depth or depth, "about": ALPHABETS[one].about}
        for one, depth in depths.items()
        if not options.alphabet or one in options.alphabet
    ]
    if shows_text(options):
        rows = [[str(value) for value in one.values()] for one in listed]
        print_table(console(), ("alphabet", "depth", "what may happen"), rows)
    put_result(options, "explore", {"alphabets": listed})
    return CONFORMS


def _known(options: argparse.Namespace) -> deviations.Known:
    """The known deviations of the target. Raises DeviationError, InputError."""
    file = deviations.file_for(title(with_name(options.target, options.name)), options.known)
    if file is not None:
        load()  # an entry may name a scenario
    return deviations.Known(deviations.entries_of(file))


def _keeps_going(options: argparse.Namespace, target: Explorable) -> bool:
    """Whether to continue after a failure: a third party can't be fixed on the spot, so all failures are wanted."""
    return options.keep_going or not isinstance(target, InProcess)
