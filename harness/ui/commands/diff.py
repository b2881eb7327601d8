"""`otterproof diff`: what changed between two runs, for people and for a pull request."""

from __future__ import annotations

import argparse
from pathlib import Path

from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.reports.card import FILE, Card, read_card
from otterproof.harness.ui.reports.comparison import Comparison, as_markdown, as_text, compare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `diff`."""
    parser.add_argument("before", type=Path, metavar="A", help="a card, or a folder that check --report has written")
    parser.add_argument("after", type=Path, metavar="B", help="another one, of a later run")
    parser.add_argument("--markdown", action="store_true", help="print a text for a pull request")


def run(options: argparse.Namespace) -> int:
    """Compare two cards; 1 if something got worse. CardError, InputError."""
    found: Comparison = compare(_card(options.before), _card(options.after))
    say(as_markdown(found) if options.markdown else as_text(found))
    return DEVIATES if found.worse else CONFORMS


def _card(path: Path) -> Card:
    return read_card(path / FILE if path.is_dir() else path)
