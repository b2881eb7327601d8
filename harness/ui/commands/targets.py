"""`otterproof targets`: list what can be judged, or install it."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.driver import SANITIZED, THIRD_PARTIES, VARIANTS
from otterproof.harness.targets.driver.third_party import cache
from otterproof.harness.targets.registry import listing, open_target
from otterproof.harness.ui import terminal as report
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.progress import working
from otterproof.harness.ui.results import check_json, put_result, shows_text


def run(options: argparse.Namespace) -> int:
    return _list(options) if options.name is None else _install(options)


def _list(options: argparse.Namespace) -> int:
    check_json(options)
    with working("asking the targets"):
        found = list(listing())
    if shows_text(options):
        report.targets(found)
    put_result(options, "targets", {"targets": [asdict(one) for one in found]})
    return CONFORMS


def _install(options: argparse.Namespace) -> int:
    if options.name not in THIRD_PARTIES:
        hint = did_you_mean(options.name, THIRD_PARTIES, f"these can: {', '.join(THIRD_PARTIES)}")
        raise UsageError(f"{options.name!r:.200} can't be installed{hint}")
    name = f"{options.name}{SANITIZED}" if options.sanitize else options.name
    if options.sanitize and name not in VARIANTS:
        able = ", ".join(one.removesuffix(SANITIZED) for one in VARIANTS)
        raise UsageError(f"{options.name} can't be built with sanitizers; these can: {able}")
    if options.sanitize and options.source:
        raise UsageError("--sanitize gets the sources by itself; leave --source out")
    check_json(options)
    third_party = VARIANTS[name] if options.sanitize else THIRD_PARTIES[name]
    third_party.check_source(options.source)
    complain(f"building {name} in {cache()}")
    with working(f"building {name}"):
        if options.source:
            third_party.install_from(options.source)
        target = open_target(name)
        target.close()
    if shows_text(options):
        command = "fuzz" if options.sanitize else "check"
        say(f"{name} {target.version} is ready: otterproof {command} {name}")
    put_result(options, "targets install", {"target": name, "version": target.version})
    return CONFORMS
