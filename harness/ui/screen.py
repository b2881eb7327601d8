"""Where people read: everything that is written to standard output or standard error for them goes through here.

Names, details and messages come from targets and files, so no text is taken for anything but text: no markup, no emoji
codes, no control characters. Colour is given to whole pieces. What may have several lines is indented, so that none of
them can pass for a line of the harness's own.
"""

from __future__ import annotations

import sys

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column
from rich.text import Text

from otterproof.harness.support.printable import printable

#: The columns of what is not a terminal: so many that prose can be read. Ids and rows of tables are not broken there.
PIPE = 120


def console(*, error: bool = False) -> Console:
    """The console on standard output, or on standard error."""
    there = (sys.stderr if error else sys.stdout).isatty()
    return Console(stderr=error, width=None if there else PIPE, markup=False, emoji=False, highlight=False)


def progress(*, counted: bool) -> Progress:
    """A bar on standard error that goes away when it is done, and is only there on a terminal, whose width it fits.

    counted: whether the number of items is known.
    """
    shown = console(error=True)
    title = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    bar = BarColumn(bar_width=max(5, min(20, shown.width // 5)))
    count: tuple[ProgressColumn, ...] = (MofNCompleteColumn(),) if counted else ()
    return Progress(
        title,
        bar,
        *count,
        TimeElapsedColumn(),
        console=shown,
        transient=True,
        expand=True,
        disable=not shown.is_terminal,
    )


def wrapped(text: str, columns: int) -> list[str]:
    """A text broken between words into lines of so many columns, of which some characters take two; a longer word is
    broken where it has to be.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, columns)
    return lines


def rewrite(out: Console, text: str) -> None:
    """Put a text in place of the line that the cursor is in, on a terminal; "" clears it. Elsewhere nothing happens."""
    if out.is_terminal:
        shown = printable(text)
        fitting = set_cell_size(shown, out.width - 1).rstrip()  # a longer one would leave its first line behind
        print(f"\r{fitting}\033[K", end="", file=out.file, flush=True)


def line(*pieces: str | tuple[str, str]) -> Text:
    """Text of one line. A piece is text, or text and its style, such as "red"."""
    plain = ((piece, "") if isinstance(piece, str) else piece for piece in pieces)
    return Text.assemble(*((printable(text), style) for text, style in plain))


def print_block(out: Console, text: str) -> None:
    """Print text of any number of lines, indented. On a terminal, so are the lines that a long one is broken into."""
    for one in text.split("\n"):
        shown = Text(printable(one))
        if out.is_terminal:
            out.print(Padding.indent(shown, 2))
        else:
            out.print(Text("  ").append_text(shown), soft_wrap=True)
