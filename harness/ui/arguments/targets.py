"""The arguments of `otterproof targets`."""

from __future__ import annotations

from otterproof.harness.ui.options import TARGET, add_folder, add_json, completed
from otterproof.harness.ui.parser import Example, Parser, add_subcommand

PURPOSE = "List what can be judged here and what it claims, or install a third-party target."

EXAMPLES: tuple[Example, ...] = (
    ("otterproof targets", "list the targets, and how to get those that are missing"),
    ("otterproof targets install potr", "fetch and build a target"),
    ("otterproof targets install libotr --sanitize", "build libotr with sanitizers, as libotr-sanitized"),
    ("otterproof targets install otr4j --source ~/otr4j", "build a target that is in no package registry"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `targets`, and its subcommand `install`."""
    add_json(parser, "the list")
    parser.set_defaults(name=None)
    installing = add_subcommand(
        parser.add_subparsers(metavar="COMMAND", title="commands"),
        "install",
        "get and build a target",
        "Get a third-party implementation and build its driver, so that it can be judged.",
        EXAMPLES[1:],
    )
    name = installing.add_argument("name", metavar="TARGET", help="the target, as `otterproof targets` lists it")
    completed(name, TARGET)
    add_folder(installing, "--source", "a checkout of its sources, for a target that is in no package registry")
    installing.add_argument(
        "--sanitize",
        action="store_true",
        help="build the library from its source package, with AddressSanitizer and UndefinedBehaviorSanitizer; the "
        "target is called TARGET-sanitized (only libotr)",
    )
    add_json(installing, "the target")
