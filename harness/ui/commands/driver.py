"""`otterproof driver lint`: one honest conversation with a driver, told step by step."""

from __future__ import annotations

import argparse
import shlex

from otterproof.harness.runs.driver_lint import lint
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.targets.driver import GIVE_UP_AFTER, THIRD_PARTIES, DriverTarget, Limits
from otterproof.harness.targets.registry import EXEC, command_of, open_target
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import add_timeout
from otterproof.harness.ui.screen import console, line


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `driver`, and its subcommand `lint`."""
    linting = parser.add_subparsers(metavar="lint", required=True).add_parser(
        "lint", help="hold one honest conversation with a driver, and tell all that happens"
    )
    linting.add_argument("command", metavar="COMMAND", help="the driver's command line, or the name of a target")
    add_timeout(linting)


def run(options: argparse.Namespace) -> int:
    """Hold the conversation; the exit code. UsageError, TargetError."""
    command: str = options.command
    name = command if command in THIRD_PARTIES or command_of(command) else f"{EXEC}{command}"
    target = open_target(name, Limits(options.timeout, GIVE_UP_AFTER))
    if not isinstance(target, DriverTarget):
        raise UsageError(f"{command} is no driver; give the command line of one")
    out, wrong = console(), False
    try:
        for note in lint(target):
            out.print(line((note.text, "red" if note.wrong else "")), soft_wrap=True)
            wrong = wrong or note.wrong
    finally:
        target.close()
    if wrong:
        say("something is wrong; docs/reference/driver-protocol.md says what a driver must do")
        return DEVIATES
    if not target.capabilities & {"v2", "v3"}:
        return NOT_RUN
    say(f"the honest conversation went well; next: {shlex.join(['otterproof', 'check', name])}")
    return CONFORMS
