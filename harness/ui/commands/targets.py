"""`otterproof targets`: list what can be judged, or install it."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.driver.third_party import cache
from otterproof.harness.targets.registry import listing, open_target
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, say


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `targets`, and its subcommand `install`."""
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(name=None)
    installing = parser.add_subparsers(metavar="install").add_parser("install", help="get and build a target")
    installing.add_argument("name", help="the target, as `otterproof targets` lists it")
    installing.add_argument(
        "--source",
        type=Path,
        metavar="DIR",
        help="a checkout of its sources, for those that are in no package registry",
    )


def run(options: argparse.Namespace) -> int:
    return _list(options) if options.name is None else _install(options)


def _list(options: argparse.Namespace) -> int:
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
    if options.source:
        THIRD_PARTIES[options.name].install_from(options.source)
    THIRD_PARTIES[options.name].ready()
    target = open_target(options.name)
    say(f"{options.name} {target.version} is ready: otterproof check {options.name}")
    target.close()
    return CONFORMS
