"""`otterproof driver`: `template` writes a driver to begin with; `lint` holds one honest conversation with a driver,
told step by step.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from otterproof import implementations
from otterproof.harness.runs.driver_lint import lint
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.targets.driver import GIVE_UP_AFTER, THIRD_PARTIES, DriverTarget, Limits
from otterproof.harness.targets.registry import EXEC, command_of, open_target
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.options import add_timeout
from otterproof.harness.ui.screen import console, line

#: Drivers to begin with: for each language the files, the one to fill in first, and the lines that build and try it.
FOLDER = Path(implementations.__path__[0]) / "drivers" / "template"
TEMPLATES = {
    "python": (("driver.py",), "otterproof driver lint 'python3 driver.py'"),
    "c": (("driver.c", "protocol.h", "json.h"), "cc -o driver driver.c && otterproof driver lint ./driver"),
    "java": (
        ("Driver.java", "Json.java"),
        "javac -d build *.java && otterproof driver lint 'java -cp build Driver'",
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `driver`, and its subcommands `template` and `lint`."""
    commands = parser.add_subparsers(metavar="template|lint", required=True)
    beginning = commands.add_parser("template", help="write a driver to begin with, which claims nothing")
    beginning.add_argument("language", choices=TEMPLATES, help="the language: %(choices)s")
    beginning.add_argument(
        "folder", nargs="?", type=Path, default=Path(), metavar="DIR", help="where to (default: the current folder)"
    )
    beginning.set_defaults(act=_template)
    linting = commands.add_parser("lint", help="hold one honest conversation with a driver, and tell all that happens")
    linting.add_argument("command", metavar="COMMAND", help="the driver's command line, or the name of a target")
    add_timeout(linting)
    linting.set_defaults(act=_lint)


def run(options: argparse.Namespace) -> int:
    """Do what the subcommand says; the exit code. UsageError, TargetError, OutputError."""
    code: int = options.act(options)
    return code


def _template(options: argparse.Namespace) -> int:
    files, commands = TEMPLATES[options.language]
    folder: Path = options.folder
    taken = [str(folder / name) for name in files if (folder / name).exists()]
    if taken:
        raise UsageError(f"{' and '.join(taken)} would be overwritten; name another folder")
    make_folder(folder)
    for name in files:
        write_whole(folder / name, (FOLDER / name).read_text(encoding="utf-8"))
    say(f"written: {', '.join(str(folder / name) for name in files)}")
    say(f"fill in {folder / files[0]}; then{'' if folder == Path() else f', in {folder}'}: {commands}")
    return CONFORMS


def _lint(options: argparse.Namespace) -> int:
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
