"""`otterproof matrix`: let every pair of targets talk to each other."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from otterproof.harness.runs import deviations, matrix
from otterproof.harness.runs.blame import blames
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.events import Ending
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.defaults import GIVE_UP_AFTER
from otterproof.harness.support.exits import CONFORMS, DEVIATES, INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.driver import THIRD_PARTIES, Limits
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.registry import title
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.reports.matrix import FILE, Laid, matrix_of
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console
from otterproof.harness.ui.site.conversations import PAGE, Conversations
from otterproof.harness.ui.site.pages import write_site
from otterproof.harness.ui.table import print_table
from otterproof.harness.ui.target_words import refuse_target


def run(options: argparse.Namespace) -> int:
    refuse_target(options)
    check_json(options)
    load()
    if not options.list:
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
    if options.list:
        return _list(options, planned)
    cells, ending = report.collect_cells(
        matrix.fill_all(planned, min(options.jobs, len(planned)), limits), len(planned)
    )
    options.out.mkdir(parents=True, exist_ok=True)
    laid = blames(cells, lambda target: deviations.of_several(target, options.known))
    left_out = {title(name): why for name, why in missing.items()}
    made = matrix_of(cells, left_out, laid, options.out)
    write_whole(options.out / FILE, json.dumps(made, indent=1) + "\n")
    write_site([], options.out, Conversations(made, options.out))
    if shows_text(options):
        _tell(options, cells, names, laid)
    put_result(options, "matrix", made)
    if ending is Ending.INTERRUPTED:
        return INTERRUPTED
    results = [result for cell in cells for result in cell.results]
    if any(not blame.known for blame in laid.values()):
        return DEVIATES
    unsure = any(result.verdict is Verdict.INFRA or result.unwritten for result in results)
    return NOT_RUN if unsure or ending is not Ending.COMPLETE else CONFORMS


def _tell(options: argparse.Namespace, cells: Sequence[Cell], names: Sequence[str], laid: Laid) -> None:
    report.matrix(cells, names)
    for (left, right, scenario), blame in sorted(laid.items()):
        if not blame.known:
            whose = (
                f"laid at {blame}" if blame.sides else "whose failure it is can't be told without the reference engine"
            )
            say(f"{left} with {right}: {scenario}: {whose}")
    say(f"{options.out / PAGE} has every conversation with its diagram")


def _list(options: argparse.Namespace, planned: Sequence[matrix.Plan]) -> int:
    """List the conversations of all cells."""
    listed = [
        {"judged": title(plan.left), "peer": title(plan.right), "scenario": one.id}
        for plan in planned
        for one in matrix.conversations(plan.version)
    ]
    if shows_text(options):
        print_table(console(), ("judged", "peer", "scenario"), [tuple(one.values()) for one in listed])
    put_result(options, "matrix", {"conversations": listed})
    return CONFORMS
