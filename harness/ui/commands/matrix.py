"""`otterproof matrix`: let every pair of targets talk to each other."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from otterproof.harness.runs import deviations, matrix
from otterproof.harness.runs.blame import blames
from otterproof.harness.runs.events import Ending
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.driver import GIVE_UP_AFTER, THIRD_PARTIES, Limits
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.registry import title
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import add_timeout, check_folder, positive
from otterproof.harness.ui.reports.matrix import FILE, matrix_of
from otterproof.harness.ui.site.conversations import PAGE, Conversations
from otterproof.harness.ui.site.pages import write_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `matrix`."""
    parser.add_argument("targets", nargs="*", help="targets (default: all that can run here)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("otterproof-matrix"),
        help="folder for transcripts, matrix.json, and pages that begin with matrix.html (default: %(default)s)",
    )
    parser.add_argument("--seed", default="otterproof", help="seed of everything random (default: %(default)s)")
    parser.add_argument(
        "--jobs", type=positive, default=os.cpu_count() or 1, help="number of processes (default: all cores)"
    )
    parser.add_argument(
        "--known",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="known deviations of the target that has FILE's name, or 'none'; may be given several times (default: the "
        "shipped files)",
    )
    add_timeout(parser)


def run(options: argparse.Namespace) -> int:
    load()
    check_folder(options.out, "--out")
    limits = Limits(options.timeout, GIVE_UP_AFTER)
    for file in options.known:
        deviations.entries_of(deviations.file_for("", file))
    found, missing = matrix.available(options.targets or [*ENGINES, *THIRD_PARTIES], limits)
    for name, why in missing.items():
        complain(f"{title(name)} is left out: {why}")
    if not found or (options.targets and missing):
        return NOT_RUN
    names = [title(name) for name in found]
    planned = matrix.plans(list(found), found, options.seed.encode(errors="surrogatepass"), options.out)
    cells, ending = report.collect_cells(
        matrix.fill_all(planned, min(options.jobs, len(planned)), limits), len(planned)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    laid = blames(cells, lambda target: deviations.of_several(target, options.known))
    left_out = {title(name): why for name, why in missing.items()}
    made = matrix_of(cells, left_out, laid, options.out)
    write_whole(options.out / FILE, json.dumps(made, indent=1) + "\n")
    write_site([], options.out, Conversations(made, options.out))
    report.matrix(cells, names)
    say(f"{options.out / PAGE} has every conversation with its diagram")
    if ending is Ending.INTERRUPTED:
        return INTERRUPTED
    results = [result for cell in cells for result in cell.results]
    for (left, right, scenario), blame in sorted(laid.items()):
        if not blame.known:
            whose = (
                f"laid at {blame}" if blame.sides else "whose failure it is can't be told without the reference engine"
            )
            say(f"{left} with {right}: {scenario}: {whose}")
    if any(not blame.known for blame in laid.values()):
        return DEVIATES
    unsure = any(result.verdict is Verdict.INFRA or result.unwritten for result in results)
    return NOT_RUN if unsure or ending is not Ending.COMPLETE else CONFORMS
