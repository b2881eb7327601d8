"""The arguments of `otterproof explain`."""

from __future__ import annotations

from otterproof.harness.ui.options import ID, add_json, completed
from otterproof.harness.ui.parser import Example, Parser

PURPOSE = (
    "Explain what an id from a report means, which section of the protocol texts it comes from, and who gets it wrong."
)

EXAMPLES: tuple[Example, ...] = (
    ("otterproof explain data.counter-not-higher", "explain a check that failed"),
    ("otterproof explain DATA-CTR-1", "explain a requirement of the protocol texts"),
    ("otterproof explain --list smp", "list all ids that contain a text, and what they are"),
)


def add_arguments(parser: Parser) -> None:
    """The arguments of `explain`."""
    action = parser.add_argument(
        "id",
        nargs="?",
        metavar="ID",
        help="the id of a check, a requirement, a scenario, an oracle, a reading, a verdict or a fault",
    )
    completed(action, ID)
    parser.add_argument("--list", action="store_true", help="list all ids, or those that contain ID")
    add_json(parser, "the explanation")
