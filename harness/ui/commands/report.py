"""`otterproof report`: pages on several runs, each of which `check --report` has left."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.reports.card import FILE, read_card
from otterproof.harness.ui.site.pages import Report, write_site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `report`."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="folders that check --report has written")
    parser.add_argument(
        "--out", type=Path, default=Path("otterproof-site"), metavar="DIR", help="where to (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    """Write a site; the exit code. CardError, InputError, UsageError, OutputError."""
    load()
    check_folder(options.out, "--out")
    reports = [Report(read_card(folder / FILE), folder) for folder in options.folders]
    count = write_site(reports, options.out)
    say(f"{options.out / 'index.html'}: {count} pages on {len(reports)} runs")
    return CONFORMS
