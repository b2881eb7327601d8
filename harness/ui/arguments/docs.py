"""The arguments of `otterproof docs`."""

from __future__ import annotations

from otterproof.harness.ui.options import add_folder, add_json
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = "Write the generated pages of a checkout's documentation, or list those that are out of date."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof docs", "write the pages that are out of date"),
    ("otterproof docs --check", "write nothing; exit with 1 if a page is out of date"),
    ("otterproof docs --pictures", "also record the conversation with Pidgin again, with new pictures"),
    ("otterproof docs --site site --links", "also build the site, and check its links to other sites"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `docs`."""
    parser.add_argument("--check", action="store_true", help="write no page; exit with 1 if one is out of date")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="first record the conversation with Pidgin again, with new pictures",
    )
    add_folder(parser, "--site", "also make a site of all pages in DIR")
    parser.add_argument("--links", action="store_true", help="also check that links to other sites work")
    add_json(parser, "the pages")
