"""Where people read: everything that is written to standard output or standard error for them goes through here.

Names, details and messages come from targets and files, so no text is taken for anything but text: no markup, no emoji
codes, no control characters. Colour is given to whole pieces. What may have several lines is indented, so that none of
them can pass for a line of the harness's own.
"""

from __future__ import annotations

import sys

from rich.console import Console, Group
from rich.padding import Padding
from rich.progress import Progress, ProgressColumn, TextColumn
from rich.text import Text

from otterproof.harness.support.printable import printable


def console(*, error: bool = False, width: int = 120) -> Console:
    """The console on standard output, or on standard error. width: of what is not a terminal, in columns."""
    there = (sys.stderr if error else sys.stdout).isatty()
    return Console(stderr=error, width=None if there else width, markup=False, emoji=False, highlight=False)


def progress(*columns: ProgressColumn) -> Progress:
    """A bar on standard error that goes away when it is done, and is only there on a terminal."""
    shown = console(error=True)
    title = TextColumn("{task.description}", markup=False)
    return Progress(title, *columns, console=shown, transient=True, disable=not shown.is_terminal)


def rewrite(out: Console, text: str) -> None:
    """Put a text in place of the line that the cursor is in, on a terminal; "" clears it. Elsewhere nothing happens."""
    if out.is_terminal:
        print(f"\r{printable(text)}\033[K", end="", file=out.file, flush=True)


def line(*pieces: str | tuple[str, str]) -> Text:
    """Text of one line. A piece is text, or text and its style, such as "red"."""
    plain = ((piece, "") if isinstance(piece, str) else piece for piece in pieces)
    return Text.assemble(*((printable(text), style) for text, style in plain))


def block(text: str) -> Group:
    """Text of any number of lines, indented, and so are the lines that a long one is broken into."""
    return Group(*(Padding.indent(Text(printable(one)), 2) for one in text.split("\n")))
