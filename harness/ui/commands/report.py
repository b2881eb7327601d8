"""`otterproof report`: pages on several runs, each of which `check --report` has left, and on a matrix."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.reports.card import FILE, read_card
from otterproof.harness.ui.reports.matrix import FILE as MATRIX
from otterproof.harness.ui.reports.matrix import read_matrix
from otterproof.harness.ui.site.conversations import PAGE, Conversations
from otterproof.harness.ui.site.pages import Report, write_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="folders that check --report or matrix has written"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("otterproof-site"), metavar="DIR", help="where to (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Write a site; the exit code. CardError, InputError, UsageError, OutputError."""
    load()
    check_folder(options.out, "--out")
    matrices = [folder for folder in options.folders if (folder / MATRIX).is_file()]
    if len(matrices) > 1:
        raise UsageError(f"a site has one matrix; {' and '.join(map(str, matrices))} have one each")
    conversations = [Conversations(read_matrix(folder / MATRIX), folder) for folder in matrices]
    folders = [folder for folder in options.folders if folder not in matrices or (folder / FILE).is_file()]
    reports = [Report(read_card(folder / FILE), folder) for folder in folders]
    count = write_site(reports, options.out, *conversations)
    also = " and a matrix" if matrices else ""
    first = options.out / ("index.html" if reports else PAGE)
    say(f"{first}: {count} pages on {len(reports)} run{'' if len(reports) == 1 else 's'}{also}")
    return CONFORMS
