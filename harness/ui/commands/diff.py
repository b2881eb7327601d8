"""`otterproof diff`: what changed between two runs, for people and for a pull request."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.reports.card import FILE, Card, read_card
from otterproof.harness.ui.reports.comparison import Comparison, as_markdown, as_text, compare
from otterproof.harness.ui.results import check_json, put_result, shows_text


def run(options: argparse.Namespace) -> int:
    """Compare two cards; return 1 if something got worse. Raises CardError, InputError."""
    check_json(options)
    before, after = _card(options.before), _card(options.after)
    names = [card["target"]["name"] for card in (before, after)]
    if names[0] != names[1] and not options.any_target:
        raise UsageError(
            f"these are runs of two targets, {names[0]} and {names[1]}; --any-target compares them all the same"
        )
    found: Comparison = compare(before, after)
    if shows_text(options):
        say(as_markdown(found) if options.markdown else as_text(found))
    put_result(options, "diff", asdict(found))
    return DEVIATES if found.worse else CONFORMS


def _card(path: Path) -> Card:
    return read_card(path / FILE if path.is_dir() else path)
