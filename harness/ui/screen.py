"""Output for people: everything written for them to standard output or standard error goes through here.

Names, details and messages come from targets and files, so all text is literal: no markup, no emoji codes, no control
characters. Colour is given to whole pieces. Text that may have several lines is indented, so that none of them looks
like one of the harness's own.
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

#: The width of output that is not a terminal: readable for prose. Ids and rows of tables are not broken there.
PIPE = 120


def console(*, error: bool = False) -> Console:
    """The console on standard output, or on standard error."""
    there = (sys.stderr if error else sys.stdout).isatty()
    return Console(stderr=error, width=None if there else PIPE, markup=False, emoji=False, highlight=False)


def progress(*, counted: bool) -> Progress:
    """A bar on standard error, only on a terminal and of its width, which disappears when it is done.

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
    """A text broken between words into lines of at most this many columns.

    Some characters take two columns. A longer word is broken where necessary.
    """
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(lines[-1]) + 1 + cell_len(word) <= columns:
            lines[-1] += f" {word}"
        else:
            lines += chop_cells(word, columns)
    return lines


def rewrite(out: Console, text: str) -> None:
    """Replace the line of the cursor by a text, on a terminal; "" clears it. Does nothing elsewhere."""
    if out.is_terminal:
        shown = printable(text)
        fitting = set_cell_size(shown, out.width - 1).rstrip()  # a longer one would leave its first line behind
        print(f"\r{fitting}\033[K", end="", file=out.file, flush=True)


def line(*pieces: str | tuple[str, str]) -> Text:
    """Text of one line. A piece is text, or text and its style, such as "red"."""
    plain = ((piece, "") if isinstance(piece, str) else piece for piece in pieces)
    return Text.assemble(*((printable(text), style) for text, style in plain))


def print_block(out: Console, text: str) -> None:
    """Print text of any number of lines, indented, including the lines that a terminal breaks."""
    for one in text.split("\n"):
        shown = Text(printable(one))
        if out.is_terminal:
            out.print(Padding.indent(shown, 2))
        else:
            out.print(Text("  ").append_text(shown), soft_wrap=True)
