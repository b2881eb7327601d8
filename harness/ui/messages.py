"""Messages of one or more lines to standard output and standard error, in plain text.

They need nothing but the standard library, so that a command that only says something starts at once. What is laid
out, coloured or moves is in `screen`. Foreign text is made printable, and lines after the first are indented, so that
none of them can pass for a line of the harness's own.
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
    """Print a message to standard error, and give back the exit code that goes with it."""
    complain(problem)
    return code


def hanging(text: str) -> str:
    """Text of any number of lines, all but the first indented."""
    return printable(text, lines=True).replace("\n", "\n  ")


def show_all_text() -> None:
    """Let the streams take all text, whatever their encoding: what it does not have is written as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_script(text: str) -> None:
    """Print a text of our own as it is, to be read by a program."""
    print(text)
