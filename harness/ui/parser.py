"""The parser of the command line: argparse, with help that is laid out by rich, and messages that say what was meant.

A message about a wrong word names the words that are like it, and not the usage of all options. Arguments are shown
with escapes in place of what a terminal would obey.
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
    from rich.text import Text  # takes a while, and only help needs it

#: A command line, and what it does.
Example = tuple[str, str]


class HelpFormatter(RawDescriptionRichHelpFormatter):
    """Help in colour on a terminal. Brackets in it are brackets: ids have them, as in [v3]."""

    text_markup = False
    help_markup = False

    @staticmethod
    def group_name_formatter(name: str = "") -> str:
        """A heading as it is, and not with all words in capitals."""
        return name[:1].upper() + name[1:]

    def _rich_fill_text(self, text: Text, width: int, indent: Text) -> Text:
        """Prose is broken into lines; lines that are indented, such as commands, are not."""
        kind = type(text)
        lines = []
        for line in text.split():
            indented = line.plain.startswith(" ")
            lines += [line] if indented else [kind(part) for part in wrap(line.plain, width) or [""]]
        return kind("\n").join(indent + line for line in lines) + "\n\n"


class Parser(argparse.ArgumentParser):
    """A parser of one command. takes_more: the list that gets words which stand behind options, if there is one."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter, "allow_abbrev": False, **settings})
        self.takes_more: str | None = None

    def error(self, message: str) -> NoReturn:
        self.exit(fail(f"{message}\n{self.prog} --help shows how it is used", USAGE))

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """End the program over words that mean nothing here."""
        word = words[0]
        name = self.prog.removeprefix("otterproof ")
        if word.startswith("-"):
            hint = did_you_mean(word.partition("=")[0], self._option_string_actions)
            self.error(f"{name} has no option {word:.200}{hint}")
        self.error(f"{name} takes no further word, and got {shlex.join(words):.200}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A value is one of the choices, or argparse.ArgumentError tells those that are like it."""
        if action.choices is not None and value not in action.choices:
            there = [str(one) for one in action.choices]
            what = "command" if isinstance(action, argparse._SubParsersAction) else "choice"
            hint = did_you_mean(str(value), there, f"there are {', '.join(there)}")
            message = f"there is no {what} {str(value)!r:.200}{hint}"
            raise argparse.ArgumentError(None if what == "command" else action, message)


def with_examples(examples: Sequence[Example]) -> str:
    """The end of a command's help: what one may type, each line below what it does."""
    return "\n".join(["Examples:", *(f"  # {what}\n  {command}" for command, what in examples)])


def add_subcommand(
    commands: argparse._SubParsersAction[Any], name: str, summary: str, purpose: str, examples: Sequence[Example]
) -> Parser:
    """A command below a command, such as `vectors verify`."""
    added: Parser = commands.add_parser(name, help=summary, description=purpose, epilog=with_examples(examples))
    added.set_defaults(otterproof_parser=added, otterproof_complete=True)
    return added
