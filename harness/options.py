"""What the options of all commands have in common, and what is looked at before a command starts.

Nobody wants to learn after an hour's work that the result can't be written, so that is tried first: tried, not asked,
for permissions are not all that can be in the way.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NoReturn

from harness.printable import printable


class UsageError(Exception):
    """The command line asks for something that does not exist or can't be done."""


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


def seconds(text: str) -> float:
    """A time for argparse, in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return number


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
    """UsageError if a file can't be written. What is in it stays."""
    there = file.exists()
    try:
        file.open("ab").close()
        if not there:
            file.unlink()
    except OSError as error:
        raise UsageError(f"{file} can't be written: {error.strerror}; name another file with {option}") from error
