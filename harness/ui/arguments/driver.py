"""The arguments of `otterproof driver`."""

from __future__ import annotations

from pathlib import Path

from otterproof.harness.ui.options import FOLDER, TARGET, add_json, add_timeout, completed
from otterproof.harness.ui.parser import Example, Parser, add_subcommand

PURPOSE = "Start a driver from a template, and try it while you write it, before it is judged."

#: The languages that have templates.
LANGUAGES = ("python", "c", "java")

EXAMPLES: tuple[Example, ...] = (
    ("otterproof driver template c my-driver", "write the files of a new driver to a folder"),
    ("otterproof driver lint 'python3 my_driver.py'", "try a driver: one honest conversation, shown step by step"),
    ("otterproof driver lint libotr", "do the same with a driver that is known to work"),
)


def add_arguments(parser: Parser) -> None:
    """The options of `driver`, and its subcommand `lint`."""
    parser.set_defaults(otterproof_complete=False)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", dest="subcommand")
    beginning = add_subcommand(
        commands,
        "template",
        "write a new driver that claims nothing yet",
        "Write a new driver. It speaks the driver protocol, and claims nothing until you fill it in.",
        EXAMPLES[:1],
    )
    beginning.add_argument("language", choices=LANGUAGES, metavar="LANGUAGE", help=f"one of {', '.join(LANGUAGES)}")
    folder = beginning.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="folder to write to (default: the current one)",
    )
    completed(folder, FOLDER)
    add_json(beginning, "the files")

    linting = add_subcommand(
        commands,
        "lint",
        "hold one honest conversation with a driver, and show all that happens",
        "Hold one honest conversation with a driver, and show every step and what is wrong with it.",
        EXAMPLES[1:],
    )
    command = linting.add_argument(
        "command", metavar="COMMAND", help="the driver's command line, or the name of a target"
    )
    completed(command, TARGET)
    add_timeout(linting)
    add_json(linting, "the steps")
