"""The arguments of `otterproof show`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FILE, add_file, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Show a transcript as a sequence diagram: who sent what, what arrived, and what was changed on the way."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof show otterproof-failures/mylib/2026-11-30-1/NAME.jsonl", "show it in the terminal"),
    ("otterproof show NAME.jsonl --svg run.svg --html run.html", "write it as a picture and as a page"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `show`."""
    transcript = parser.add_argument(
        "transcript",
        type=Path,
        metavar="TRANSCRIPT",
        help="transcript file, as failed runs of check and fuzz write it",
    )
    completed(transcript, FILE)
    add_file(parser, "--svg", "write the diagram to FILE as a picture")
    add_file(parser, "--html", "write the diagram to FILE as a page")
    add_json(parser, "the rows of the diagram")
