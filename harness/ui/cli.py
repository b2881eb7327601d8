"""The command line: one parser for all commands, each of which is a module of `commands`.

Only the module of the command that was asked for is imported, since the commands take a second to import and
`--help` need not wait for them. Errors that are meant for the user end here, with the exit code that their class
declares.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Protocol, cast

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import EXPLAINED, NOT_RUN, USAGE
from otterproof.harness.support.version import tool_version
from otterproof.harness.ui.messages import fail, say, show_all_text
from otterproof.harness.ui.options import Parser
from otterproof.implementations.inputs import InputError

#: Every command, and what `--help` says of it. The module of the same name in `commands` carries it out.
COMMANDS: Mapping[str, str] = {
    "check": "judge a target by the scenarios",
    "explain": "say what an id in a report means, and who gets it wrong",
    "targets": "list what can be judged, or install it",
    "driver": "try a driver: one honest conversation, told step by step",
    "fuzz": "run random programs against a target, and shrink what fails",
    "explore": "make every run of some moves up to a depth",
    "report": "write pages on several runs that check --report has left",
    "diff": "say what changed between two runs",
    "show": "show a transcript as a sequence diagram",
    "inspect": "take OTR messages apart: paste one, a log or a transcript",
    "replay": "run a transcript again: does it still fail?",
    "vectors": "generate, verify and lint the known-answer vectors",
    "matrix": "let every pair of targets talk to each other",
    "faults": "list injected faults, or measure which scenarios detect them",
    "bench": "measure speed, as ratios against the bare cryptography and libotr",
    "docs": "write the generated pages of the documentation",
}

#: Errors of the system that are the machine's state, and not a defect of ours.
_NO_DEFECT = frozenset(
    {
        errno.EACCES,
        errno.EAGAIN,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    }
)


class Command(Protocol):
    """What a module of `commands` has."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None: ...
    def run(self, options: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. KeyboardInterrupt."""
    show_all_text()
    words = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in words if word in COMMANDS), None)
    options = parser(() if chosen is None else (chosen,)).parse_args(words)
    try:
        return command(options.otterproof_command).run(options)
    except CommandError as error:
        return fail("\n".join([str(error), *getattr(error, "__notes__", ())]), error.exit_code)
    except InputError as error:
        return fail(error, USAGE)
    except OSError as error:
        if error.errno not in _NO_DEFECT:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return fail(f"{where}{error.strerror}; see to that, and run this again", NOT_RUN)


def command(name: str) -> Command:
    """The module that carries out a command."""
    return cast(Command, import_module(f"otterproof.harness.ui.commands.{name}"))


def parser(names: Sequence[str] = tuple(COMMANDS)) -> argparse.ArgumentParser:
    """A parser that knows all commands, and the options of those that are named."""
    program = Parser(
        prog="otterproof",
        description="Test implementations of Off-the-Record messaging (OTR versions 2 and 3).",
        epilog=EXPLAINED,
    )
    program.add_argument("--version", action=_Version)
    commands = program.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="otterproof_command")
    for name, summary in COMMANDS.items():
        added = commands.add_parser(name, help=summary)
        if name in names:
            command(name).add_arguments(added)
    return program


class _Version(argparse.Action):
    """`--version`. The number is looked up only when it is asked for, for that takes a while."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        say(tool_version())
        parser.exit()
