"""`otterproof bench`: measure speed, as ratios against the bare cryptography and libotr."""

from __future__ import annotations

import argparse
import json

from otterproof.harness.runs import bench
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.ui import terminal as report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `bench`."""
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object")


def run(options: argparse.Namespace) -> int:
    figures = bench.measure()
    if options.json:
        print(json.dumps(figures))
    else:
        report.figures(figures)
    return CONFORMS
