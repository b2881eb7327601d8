"""The command-line parser: argparse, with help laid out by rich and messages that suggest what was meant.

A message about a wrong word suggests similar words instead of showing the usage of all options. Arguments are shown
with escapes in place of anything that a terminal would obey.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NoReturn

from rich_argparse import RawDescriptionRichHelpFormatter

from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.ui.messages import fail

if TYPE_CHECKING:
    from rich.text import Text  # slow to import, and only help needs it

#: A command line, and what it does.
Example = tuple[str, str]


class HelpFormatter(RawDescriptionRichHelpFormatter):
    """Help in colour on a terminal. Brackets are literal, because ids have them, as in [v3]."""

    text_markup = False
    help_markup = False

    @staticmethod
    def group_name_formatter(name: str = "") -> str:
        """Keep a heading as it is, without capitalizing every word."""
        return name[:1].upper() + name[1:]

    def _rich_fill_text(self, text: Text, width: int, indent: Text) -> Text:
        """Break prose into lines, but not indented lines such as commands."""
        kind = type(text)
        lines = []
        for line in text.split():
            indented = line.plain.startswith(" ")
            lines += [line] if indented else [kind(part) for part in wrap(line.plain, width) or [""]]
        return kind("\n").join(indent + line for line in lines) + "\n\n"


class Parser(argparse.ArgumentParser):
    """A parser of one command. takes_more: the list that gets words after options, if there is one."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter, "allow_abbrev": False, **settings})
        self.takes_more: str | None = None

    def error(self, message: str) -> NoReturn:
        self.exit(fail(f"{message}\n{self.prog} --help shows how it is used", USAGE))

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Exit because of words that mean nothing here."""
        word = words[0]
        name = self.prog.removeprefix("otterproof ")
        if word.startswith("-"):
            hint = did_you_mean(word.partition("=")[0], self._option_string_actions)
            self.error(f"{name} has no option {word:.200}{hint}")
        self.error(f"{name} takes no more arguments, but was given {shlex.join(words):.200}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Accept one of the choices; otherwise raise argparse.ArgumentError with similar ones."""
        if action.choices is not None and value not in action.choices:
            there = [str(one) for one in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
            hint = did_you_mean(str(value), there, f"there are {', '.join(there)}")
            message = f"there is no {what} {str(value)!r:.200}{hint}"
            raise argparse.ArgumentError(None if what == "command" else action, message)


def with_examples(examples: Sequence[Example]) -> str:
    """The end of a command's help: example command lines, each below what it does."""
    return "\n".join(["Examples:", *(f"  # {what}\n  {command}" for command, what in examples)])


def add_subcommand(
    commands: argparse._SubParsersAction[Any], name: str, summary: str, purpose: str, examples: Sequence[Example]
) -> Parser:
    """Add a subcommand of a command, such as `vectors verify`."""
    added: Parser = commands.add_parser(name, help=summary, description=purpose, epilog=with_examples(examples))
    added.set_defaults(otterproof_parser=added, otterproof_complete=True)
    return added
