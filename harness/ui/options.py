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
from typing import NoReturn

from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.printable import printable


class Parser(argparse.ArgumentParser):
    """A parser whose messages show arguments with escapes in place of what a terminal would obey."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


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


def seconds(text: str) -> float:
    """Seconds for argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


def add_timeout(command: argparse.ArgumentParser) -> None:
    """The option by which drivers get another time limit."""
    from otterproof.harness.targets.driver.process import TIME_LIMIT  # takes a while, and --help needs no options

    command.add_argument(
        "--timeout",
        type=seconds,
        default=TIME_LIMIT,
        metavar="SECONDS",
        help=f"time limit for a call of a driver; exceeding it is a hang (default: {TIME_LIMIT:g})",
    )


def add_name(command: argparse.ArgumentParser) -> None:
    """The option that gives a name to a command."""
    command.add_argument(
        "--name", help="name for a target exec:COMMAND, used in reports, files and ids (the same as NAME=exec:COMMAND)"
    )


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
