"""What the options of all commands have in common, and what is looked at before a command starts.

Nobody wants to learn after an hour's work that the result can't be written, so that is tried first: tried, not asked,
for permissions are not all that can be in the way.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from pathlib import Path

from otterproof.harness.support.defaults import DEFAULT_SEED, TIME_LIMIT
from otterproof.harness.support.errors import UsageError

#: What can be completed in a shell, by the name of the attribute `complete` that shtab reads. [ui.completion]
FILE, FOLDER, TARGET, SCENARIO, FAULT, ID = "file", "directory", "target", "scenario", "fault", "id"

#: What takes options: a parser, or a group of options in one.
Options = argparse.ArgumentParser | argparse._ArgumentGroup


def completed(action: argparse.Action, what: str) -> None:
    """Say what a shell completes an argument with."""
    setattr(action, "complete", what)  # noqa: B010 (shtab's convention, which argparse's types do not know)


def positive(text: str) -> int:
    """A number for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def from_zero(text: str) -> int:
    """A number for argparse, which may be 0."""
    return 0 if text == "0" else positive(text)


#: The units that a time limit may have.
UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """Seconds for argparse: a number above 0, with a unit (10s, 5m, 2h) or without."""
    unit = UNITS.get(text[-1:], 0)
    try:
        number = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time above 0: a number of seconds, or a form such as 10m or 2h"
        )
    return number


def add_file(options: Options, name: str, text: str, metavar: str = "FILE") -> None:
    """An option that names a file."""
    completed(options.add_argument(name, type=Path, metavar=metavar, help=text), FILE)


def add_folder(options: Options, name: str, text: str, default: Path | None = None) -> None:
    """An option that names a folder."""
    completed(options.add_argument(name, type=Path, metavar="DIR", default=default, help=text), FOLDER)


def add_timeout(options: Options) -> None:
    """The option by which drivers get another time limit."""
    options.add_argument(
        "--timeout",
        type=seconds,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help=f"time limit for a call of a driver; exceeding it is a hang (default: {TIME_LIMIT:g})",
    )


def add_name(options: Options) -> None:
    """The option that gives a name to a command."""
    options.add_argument(
        "--name",
        metavar="NAME",
        help="name for a target exec:COMMAND, used in reports, files and ids (the same as NAME=exec:COMMAND)",
    )


def add_seed(options: Options, what: str = "everything random") -> None:
    """The option that gives another seed."""
    options.add_argument("--seed", default=DEFAULT_SEED, help=f"seed of {what} (default: %(default)s)")


def add_jobs(options: Options) -> None:
    """The option that says how many processes share the work."""
    options.add_argument(
        "--jobs",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="number of processes (default: all cores)",
    )


def add_strict(options: Options) -> None:
    """The option by which recommendations count."""
    options.add_argument("--strict", action="store_true", help="count `should` requirements as well as `must`")


def add_json(options: Options, what: str = "the result") -> None:
    """The option that every command has which has a result. [ui.results]"""
    action = options.add_argument(
        "--json",
        nargs="?",
        const=STDOUT,
        type=Path,
        metavar="FILE",
        help=f"write {what} as JSON to FILE; without FILE to standard output, in place of the text",
    )
    completed(action, FILE)


#: The FILE that stands for standard output.
STDOUT = Path("-")


def check_folder(folder: Path, option: str) -> None:
    """UsageError if files can't be written to a folder, which need not be there yet; it is not left behind."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        for made in missing:
            made.rmdir()
    except OSError as error:
        raise UsageError(
            f"nothing can be written to {folder}: {error.strerror}; name another folder with {option}"
        ) from error


def check_file(file: Path, option: str) -> None:
    """UsageError if a file can't be written, or none beside it (see write_whole). What is in it stays."""
    there = file.exists()
    try:
        file.open("ab").close()
        if not there:
            file.unlink()
        if not there or file.is_file():
            with tempfile.TemporaryFile(dir=Path(os.path.realpath(file)).parent):
                pass
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}; name another file with {option}") from error
