"""`otterproof report`: a site about several runs, from the reports of `check --report`, and about a matrix."""

from __future__ import annotations

import argparse

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.progress import working
from otterproof.harness.ui.reports.card import FILE, read_card
from otterproof.harness.ui.reports.matrix import FILE as MATRIX
from otterproof.harness.ui.reports.matrix import read_matrix
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.site.conversations import PAGE, Conversations
from otterproof.harness.ui.site.pages import Report, check_site, write_site


def run(options: argparse.Namespace) -> int:
    """Write a site; return the exit code. Raises CardError, InputError, UsageError, OutputError."""
    check_json(options)
    load()
    check_folder(options.out, "--out")
    check_site(options.out)
    matrices = [folder for folder in options.folders if (folder / MATRIX).is_file()]
    if len(matrices) > 1:
        raise UsageError(f"a site has one matrix; {' and '.join(map(str, matrices))} have one each")
    conversations = [Conversations(read_matrix(folder / MATRIX), folder) for folder in matrices]
    folders = [folder for folder in options.folders if folder not in matrices or (folder / FILE).is_file()]
    reports = [Report(read_card(folder / FILE), folder) for folder in folders]
    with working("writing pages"):
        count = write_site(reports, options.out, *conversations)
    also = " and a matrix" if matrices else ""
    first = options.out / ("index.html" if reports else PAGE)
    if shows_text(options):
        say(f"{first}: {count} pages on {len(reports)} run{'' if len(reports) == 1 else 's'}{also}")
    put_result(options, "report", {"site": str(first), "pages": count, "runs": [one.name for one in reports]})
    return CONFORMS
