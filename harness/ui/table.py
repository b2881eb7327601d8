"""Tables: a row is a line, columns are aligned, and there are no boxes.

So a table can be searched with grep and copied from. No cell is ever cut. On a terminal, a last column of prose is
broken into lines: within its column, or below the row if there is no room. In a pipe it is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from otterproof.harness.support.printable import printable
from otterproof.harness.ui.screen import line, wrapped

#: A text, or a text and its style.
Cell = str | tuple[str, str]

#: The space between two columns; the least width of a column of prose; its indent below a row.
_GAP, _LEAST, _INDENT = "  ", 24, 4


def print_table(out: Console, headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print a table."""
    for text in lines_of(headings, rows, out.width if out.is_terminal else None):
        out.print(text, soft_wrap=True)


def lines_of(headings: Sequence[str], rows: Sequence[Sequence[Cell]], width: int | None) -> Iterator[Text]:
    """The lines of a table. width: of the terminal, None without one."""
    cells = [[_cell(one) for one in row] for row in rows]
    columns = [[heading, *(row[number][0] for row in cells)] for number, heading in enumerate(headings)]
    widths = [max(map(cell_len, column)) for column in columns]
    numbers = [all(text.strip("-").isdigit() or text == "-" for text in column[1:]) for column in columns]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    for row in [[(heading, "bold") for heading in headings], *cells]:
        last, style = row[-1]
        parts, indent = [last], before
        if width is not None and " " in last:
            indent = before if width - before >= _LEAST else _INDENT
            parts = wrapped(last, max(width - indent, _LEAST))
            if indent != before:
                parts = ["", *parts]
        pieces: list[Cell] = []
        for (text, colour), room, number in zip(row[:-1], widths, numbers, strict=False):
            blank = " " * (room - cell_len(text))
            pieces += [blank, (text, colour), _GAP] if number else [(text, colour), f"{blank}{_GAP}"]
        if numbers[-1]:
            pieces.append(" " * (widths[-1] - cell_len(parts[0])))
        yield _trimmed(line(*pieces, (parts[0], style)))
        for part in parts[1:]:
            yield line(" " * indent, (part, style))


def _cell(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return printable(text), style


def _trimmed(text: Text) -> Text:
    text.rstrip()
    return text
