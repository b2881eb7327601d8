"""`otterproof driver`: start a driver from a template, or try it.

`template` writes a driver to start from; `lint` holds one honest conversation with a driver and reports every step.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import asdict
from pathlib import Path

from otterproof import implementations
from otterproof.harness.runs import deviations
from otterproof.harness.runs.driver_lint import lint
from otterproof.harness.support.defaults import GIVE_UP_AFTER
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.exits import CONFORMS, DEVIATES, NOT_RUN
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.targets.driver import THIRD_PARTIES, DriverTarget, Limits
from otterproof.harness.targets.registry import EXEC, command_of, open_target, title
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.messages import say
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.harness.ui.screen import console, line

#: Templates: for each language the files, the one to fill in first, and the commands that build and try it.
FOLDER = Path(implementations.__path__[0]) / "drivers" / "template"
TEMPLATES = {
    "python": (("driver.py",), "otterproof driver lint 'python3 driver.py'"),
    "c": (("driver.c", "protocol.h", "json.h"), "cc -o driver driver.c && otterproof driver lint ./driver"),
    "java": (
        ("Driver.java", "Json.java"),
        "javac -d build *.java && otterproof driver lint 'java -cp build Driver'",
    ),
}


def run(options: argparse.Namespace) -> int:
    """Execute the subcommand; return the exit code. Raises UsageError, TargetError, OutputError."""
    check_json(options)
    return _template(options) if options.subcommand == "template" else _lint(options)


def _template(options: argparse.Namespace) -> int:
    """Write the files of a template."""
    files, commands = TEMPLATES[options.language]
    folder: Path = options.folder
    taken = [str(folder / name) for name in files if (folder / name).exists()]
    if taken:
        raise UsageError(f"{' and '.join(taken)} would be overwritten; name another folder")
    make_folder(folder)
    for name in files:
        write_whole(folder / name, (FOLDER / name).read_text(encoding="utf-8"))
    written = [str(folder / name) for name in files]
    if shows_text(options):
        say(f"written: {', '.join(written)}")
        say(f"fill in {written[0]}; then{'' if folder == Path() else f', in {folder}'}: {commands}")
    put_result(options, "driver template", {"files": written})
    return CONFORMS


def _known(name: str) -> deviations.Known:
    """The known deviations of a third party whose driver is shipped; none for other drivers."""
    file = deviations.file_for(title(name), None)
    if file is not None:
        load()  # an entry may name a scenario
    return deviations.Known(deviations.entries_of(file))


def _lint(options: argparse.Namespace) -> int:
    """Hold the conversation."""
    command: str = options.command
    name = command if command in THIRD_PARTIES or command_of(command) else f"{EXEC}{command}"
    target = open_target(name, Limits(options.timeout, GIVE_UP_AFTER))
    if not isinstance(target, DriverTarget):
        raise UsageError(f"{command} is no driver; give the command line of one")
    out, notes = console(), []
    try:
        for note in lint(target, _known(name)):
            notes.append(note)
            if shows_text(options):
                out.print(line((note.text, "red" if note.wrong else "")), soft_wrap=True)
    finally:
        target.close()
    wrong = any(note.wrong for note in notes)
    able = bool(target.capabilities & {"v2", "v3"})
    if shows_text(options) and wrong:
        say("something is wrong; docs/reference/driver-protocol.md says what a driver must do")
    elif shows_text(options) and able:
        went = "showed only known deviations" if any(note.known for note in notes) else "went well"
        say(f"the honest conversation {went}; next: {shlex.join(['otterproof', 'check', name])}")
    put_result(options, "driver lint", {"target": name, "notes": [asdict(note) for note in notes]})
    if wrong:
        return DEVIATES
    return CONFORMS if able else NOT_RUN
