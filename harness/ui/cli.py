"""The command line: one parser for all commands.

A module of `arguments` declares a command's arguments, and the module of the same name in `commands` executes it. Only
the modules of the requested command are imported: the judging code takes a second to import, and `--help` should not
wait for it. Errors that are meant for the user end here, with the exit code that their class declares.
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
from otterproof.harness.ui.parser import Example, Parser, with_examples
from otterproof.implementations.inputs import InputError

#: Every command, with its summary in `--help`.
COMMANDS: Mapping[str, str] = {
    "check": "judge targets with the scenarios",
    "explain": "explain an id from a report, and list who gets it wrong",
    "targets": "list the targets, or install one",
    "driver": "start a driver from a template, or try one with an honest conversation",
    "fuzz": "run random programs against a target, and shrink each failure",
    "corpus": "turn transcripts into a fuzzing corpus",
    "explore": "run every sequence of some moves up to a depth",
    "report": "build a site from the reports of several runs",
    "diff": "show what changed between two runs",
    "show": "show a transcript as a sequence diagram",
    "inspect": "take apart OTR messages: one, a log or a transcript",
    "proxy": "stand between two programs: show, hold back, drop or change messages",
    "replay": "run a transcript again: does it still fail?",
    "vectors": "generate, verify and lint the known-answer vectors",
    "matrix": "have every pair of targets talk to each other",
    "faults": "list injected faults, or measure which scenarios detect them",
    "bench": "measure speed relative to the bare cryptography and libotr",
    "docs": "write the generated pages of the documentation",
    "completion": "print a script for shell completion",
}

#: What to type first.
EXAMPLES: Sequence[Example] = (
    ("otterproof targets", "list what can be judged here"),
    ("otterproof check libotr", "judge libotr with all scenarios"),
    ("otterproof check 'exec:python3 my_driver.py'", "judge your own implementation"),
    ("otterproof check --help", "show all options of check"),
)

#: System errors that reflect the state of the machine, not a defect of ours.
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


class Arguments(Protocol):
    """The interface of a module of `arguments`."""

    PURPOSE: str
    EXAMPLES: Sequence[Example]

    def add_arguments(self, parser: Parser) -> None: ...


class Command(Protocol):
    """The interface of a module of `commands`."""

    def run(self, options: argparse.Namespace) -> int: ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code. Raises KeyboardInterrupt."""
    show_all_text()
    words = sys.argv[1:] if arguments is None else arguments
    chosen = next((word for word in words if word in COMMANDS), None)
    program = parser(() if chosen is None else (chosen,))
    options = parsed(program, words)
    if options is None:
        return USAGE
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
        return fail(f"{where}{error.strerror}; fix that, and run the command again", NOT_RUN)


def parsed(program: Parser, words: Sequence[str]) -> argparse.Namespace | None:
    """Parse the words; None, after showing help, if they name no command. Raises SystemExit."""
    options, rest = program.parse_known_args(words)
    of: Parser = options.otterproof_parser
    if rest and of.takes_more and not any(word.startswith("-") for word in rest):
        getattr(options, of.takes_more).extend(rest)  # argparse takes a list of words only at its first position
    elif rest:
        of.refuse(rest)
    if not options.otterproof_complete:
        of.print_help(sys.stderr)  # help that nobody asked for does not go to standard output
        return None
    return options


def arguments_of(name: str) -> Arguments:
    """The module that declares a command's arguments."""
    return cast(Arguments, import_module(f"otterproof.harness.ui.arguments.{name}"))


def command(name: str) -> Command:
    """The module that executes a command."""
    return cast(Command, import_module(f"otterproof.harness.ui.commands.{name}"))


def parser(names: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """A parser that knows all commands, and the options of those named."""
    program = Parser(
        prog="otterproof",
        description="Test implementations of Off-the-Record messaging (OTR versions 2 and 3).",
        epilog=f"{with_examples(EXAMPLES)}\n\n{EXPLAINED}",
    )
    program.add_argument("--version", action=_Version)
    program.set_defaults(otterproof_parser=program, otterproof_complete=False)
    commands = program.add_subparsers(title="commands", metavar="COMMAND", dest="otterproof_command")
    for name, summary in COMMANDS.items():
        added = commands.add_parser(name, help=summary)
        added.set_defaults(otterproof_parser=added, otterproof_complete=True)
        if name in names:
            module = arguments_of(name)
            added.description, added.epilog = module.PURPOSE, with_examples(module.EXAMPLES)
            module.add_arguments(added)
    return program


class _Version(argparse.Action):
    """`--version`. The number is looked up only on request, because that takes a while."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        say(tool_version())
        parser.exit()
