"""Messages of one or more lines to standard output and standard error, in plain text.

They need only the standard library, so that a command that just prints a message starts at once. Layout, colour and
motion are in `screen`. Foreign text is made printable, and lines after the first are indented, so that none of them
looks like one of the harness's own.
"""

from __future__ import annotations

import io
import sys

from otterproof.harness.support.printable import printable


def say(text: str) -> None:
    """Print a message to standard output. Lines after the first are indented."""
    print(hanging(text))


def complain(problem: object) -> None:
    """Print a message to standard error. Lines after the first are indented."""
    print(f"otterproof: {hanging(str(problem))}", file=sys.stderr)


def fail(problem: object, code: int) -> int:
    """Print a message to standard error, and return the exit code."""
    complain(problem)
    return code


def hanging(text: str) -> str:
    """Text of any number of lines, all but the first indented."""
    return printable(text, lines=True).replace("\n", "\n  ")


def show_all_text() -> None:
    """Make the streams accept all text, whatever their encoding: missing characters are written as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_script(text: str) -> None:
    """Print a text of our own unchanged, for a program to read."""
    print(text)
