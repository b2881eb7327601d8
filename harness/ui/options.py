"""Options that commands share, and checks before a command starts.

Nobody wants to learn after an hour's work that the result can't be written, so writing is tried first: actually tried,
because permissions are not the only possible obstacle.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import tempfile
from pathlib import Path

from otterproof.harness.support.defaults import DEFAULT_SEED, TIME_LIMIT
from otterproof.harness.support.errors import UsageError

#: Kinds of shell completion, by the name of the attribute `complete` that shtab reads. [ui.completion]
FILE, FOLDER, TARGET, SCENARIO, FAULT, ID = "file", "directory", "target", "scenario", "fault", "id"

#: A parser, or a group of options in one.
Options = argparse.ArgumentParser | argparse._ArgumentGroup


def completed(action: argparse.Action, what: str) -> None:
    """Set what a shell completes an argument with."""
    setattr(action, "complete", what)  # noqa: B010 (shtab's convention, which argparse's types do not know)


def positive(text: str) -> int:
    """Convert to a positive number, for argparse."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return number


def from_zero(text: str) -> int:
    """Convert to a number from 0 on, for argparse."""
    return 0 if text == "0" else positive(text)


#: A time limit with units, such as 1h30m, and the seconds of each unit.
_TIME = re.compile(r"(?:([0-9.]+)h)?(?:([0-9.]+)m)?(?:([0-9.]+)s)?")
_UNITS = (3600, 60, 1)


def seconds(text: str) -> float:
    """Convert to seconds, for argparse: a number above 0, with units (10s, 5m, 1h30m) or without."""
    found = _TIME.fullmatch(text)
    try:
        parts = zip(found.groups("0"), _UNITS, strict=True) if found else [(text, 1)]
        number = sum(float(part) * unit for part, unit in parts)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time above 0: a number of seconds, or a form such as 10m or 1h30m"
        )
    return number


def add_file(options: Options, name: str, text: str, metavar: str = "FILE") -> None:
    """Add an option that names a file."""
    completed(options.add_argument(name, type=Path, metavar=metavar, help=text), FILE)


def add_folder(options: Options, name: str, text: str, default: Path | None = None) -> None:
    """Add an option that names a folder."""
    completed(options.add_argument(name, type=Path, metavar="DIR", default=default, help=text), FOLDER)


def add_timeout(options: Options) -> None:
    """Add the option for the time limit of drivers."""
    options.add_argument(
        "--timeout",
        type=seconds,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help=f"time limit for a call of a driver; exceeding it is a hang (default: {TIME_LIMIT:g})",
    )


def add_name(options: Options) -> None:
    """Add the option that names a command."""
    options.add_argument(
        "--name",
        metavar="NAME",
        help="name for a target exec:COMMAND, used in reports, files and ids (the same as NAME=exec:COMMAND)",
    )


def add_seed(options: Options, what: str = "everything random") -> None:
    """Add the option for the seed."""
    options.add_argument("--seed", default=DEFAULT_SEED, help=f"seed of {what} (default: %(default)s)")


def add_jobs(options: Options) -> None:
    """Add the option for the number of processes."""
    options.add_argument(
        "--jobs",
        type=positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="number of processes (default: all cores)",
    )


def add_strict(options: Options) -> None:
    """Add the option that makes recommendations count."""
    options.add_argument("--strict", action="store_true", help="count `should` requirements as well as `must`")


def add_json(options: Options, what: str = "the result") -> None:
    """Add the option for JSON output, which every command with a result has. [ui.results]"""
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
    """Raise UsageError if files can't be written to a folder. A folder made for the test is removed again."""
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
    """Raise UsageError if a file, or one beside it (see write_whole), can't be written. Its content stays."""
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
