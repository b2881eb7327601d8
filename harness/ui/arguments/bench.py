"""What `otterproof bench` takes."""

from __future__ import annotations

from otterproof.harness.ui.options import add_json
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Measure how fast the engines and drivers are, and say of each figure what it means and what its limit is."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof bench", "all figures, in about ten seconds"),
    ("otterproof bench --strict --json figures.json", "exit code 1 if a figure is not within its limit; JSON as well"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `bench`."""
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a figure is not within its limit")
    add_json(parser, "the figures")
