"""The arguments of `otterproof diff`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FILE, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Show what changed between two runs. The exit code is 1 if a scenario fails that did not fail before."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof diff reports/mylib-1.0 reports/mylib-1.1", "compare two versions of one target"),
    ("otterproof diff before.json after.json --markdown", "compare two cards, and print a text for a pull request"),
    ("otterproof diff reports/libotr reports/mylib --any-target", "compare two different targets"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `diff`."""
    for name, metavar, text in (
        ("before", "A", "a card, or a folder that check --report has written"),
        ("after", "B", "another one, of a later run"),
    ):
        completed(parser.add_argument(name, type=Path, metavar=metavar, help=text), FILE)
    parser.add_argument("--any-target", action="store_true", help="allow cards of different targets")
    parser.add_argument("--markdown", action="store_true", help="print a text for a pull request")
    add_json(parser, "the changes")
