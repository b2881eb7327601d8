"""docs/reference/command-line.md: every command with its arguments and options, taken from the parser.

`--help` and the page can't differ, because both are made from the same parser.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from otterproof.harness.spec import pages
from otterproof.harness.support.exits import EXPLAINED
from otterproof.harness.ui import cli

#: The most choices that are shown with an option's name; more are listed in its description.
_FEW = 5

_HEAD = """\
# Command line

This page is made from the parser; do not edit it. `otterproof docs` writes it. In a checkout, `./run` takes the same
commands as `otterproof`. `--help` after a command shows what is here.

{exits}
"""


def render() -> str:
    """The page."""
    program = cli.parser()
    return "\n".join([_HEAD.format(exits=EXPLAINED), *_commands(program)])


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The sections of all commands below a parser, each followed by its subcommands."""
    for action in _subparsers(parser):
        summaries = {choice.dest: choice.help for choice in action._choices_actions}
        for name, command in action.choices.items():
            yield from _section(command, summaries.get(name) or "")
            yield from _commands(command)


def _subparsers(parser: argparse.ArgumentParser) -> list[argparse._SubParsersAction[argparse.ArgumentParser]]:
    return [one for one in parser._actions if isinstance(one, argparse._SubParsersAction)]


def _section(command: argparse.ArgumentParser, summary: str) -> Iterator[str]:
    """The arguments of one command."""
    no_table = (argparse._HelpAction, argparse._SubParsersAction)
    actions = [one for one in command._actions if not isinstance(one, no_table)]
    positional = [_words(one) for one in actions if not one.option_strings]
    options = ["[options]"] if any(one.option_strings for one in actions) else []
    yield f"{'#' * len(command.prog.split())} {command.prog}\n"
    yield f"{pages.sentence(command.description or summary)}\n"
    for below in _subparsers(command):
        links = [f"[{name}](#{one.prog.replace(' ', '-')})" for name, one in below.choices.items()]
        yield f"Subcommands: {', '.join(links)}.\n"
    if actions:
        yield f"`{' '.join([command.prog, *options, *positional])}`\n"
        yield "| argument or option | meaning |\n|---|---|"
        yield from (f"| {_names(one)} | {_help(command, one)} |" for one in actions)
        yield ""
    if command.epilog:
        yield f"```text\n{command.epilog.strip()}\n```\n"


def _words(action: argparse.Action) -> str:
    """A positional argument as in a usage line."""
    word = str(action.metavar or action.dest)
    several = {"*": f"[{word}...]", "+": f"{word}...", "?": f"[{word}]"}
    return several.get(str(action.nargs), word)


def _names(action: argparse.Action) -> str:
    """The names of an option, followed by its value."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = ""
    if action.nargs != 0:
        words = list(map(str, action.choices or ()))
        choices = "{" + ",".join(words) + "}" if 0 < len(words) <= _FEW else ""
        value = " " + str(action.metavar or choices or action.dest.upper())
        value = f" [{value[1:]}]" if action.nargs == "?" else value
    return ", ".join(f"`{name}{value}`" for name in action.option_strings)


def _help(command: argparse.ArgumentParser, action: argparse.Action) -> str:
    """The meaning of an option. Project folders are shown relative to the project, so the page is the same anywhere."""
    text = command._get_formatter()._expand_help(action) if action.help else ""
    choices = list(map(str, action.choices or ()))
    one_of = f" One of {', '.join(choices)}." if len(choices) > _FEW else ""
    return (pages.sentence(text.replace(f"{pages.DOCS.parent}/", "")) + one_of).replace("|", "\\|")


pages.register("reference/command-line.md", render)
