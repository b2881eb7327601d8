"""The arguments of `otterproof report`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FOLDER, add_folder, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Build a site from several runs: a matrix of targets and requirements, with a page behind each cell."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof report reports/libotr reports/mylib --out site", "compare two targets"),
    ("otterproof report reports/mylib-1.0 reports/mylib-1.1", "compare two versions of one target"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `report`."""
    folders = parser.add_argument(
        "folders", nargs="+", type=Path, metavar="DIR", help="folders that check --report or matrix has written"
    )
    completed(folders, FOLDER)
    parser.takes_more = "folders"
    add_folder(
        parser,
        "--out",
        "folder for the site; an earlier site there is replaced (default: %(default)s)",
        default=Path("otterproof-site"),
    )
    add_json(parser, "the number of pages")
