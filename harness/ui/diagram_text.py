"""A sequence diagram in a terminal: a column for each party, and one for the network between them."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from otterproof.harness.simulation.diagram import Arrow, Diagram, Note
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.screen import line, wrapped

#: The width of step numbers, and the smallest and largest gap between two lanes.
_NUMBER, _LEAST, _MOST = 6, 20, 46


def lines_of(diagram: Diagram, width: int) -> Iterator[Text]:
    """The lines of a diagram of this width, widened if its lanes need more."""
    gap = min(max((width - _NUMBER) // max(len(diagram.lanes), 1), _LEAST), _MOST)
    at = {name: _NUMBER + 1 + gap * number for number, name in enumerate(diagram.lanes)}
    head = " " * _NUMBER
    for name in diagram.lanes:
        target = diagram.targets.get(name, "")
        label = set_cell_size(printable(f"{name} ({target})" if target else name), gap - 2).rstrip()
        head = f"{head}{' ' * (at[name] - cell_len(head))}{label}"
    yield line((head, "bold"))
    before = 0
    for row in diagram.rows:
        number = "" if row.step == before else f"{row.step:4}"
        before = row.step
        style = _style(row, diagram)
        texts = _arrow(row, at) if isinstance(row, Arrow) else _note(row, at, gap)
        for count, text in enumerate(texts):
            yield line((f"{'' if count else number:{_NUMBER}}", "dim"), (text, style))


def _style(row: Arrow | Note, diagram: Diagram) -> str:
    if diagram.stands_out(row):
        return "red"
    return "dim" if isinstance(row, Arrow) and row.lost else ""


def _bars(at: dict[str, int]) -> list[str]:
    """A line with only the lanes, as characters from the number's column on."""
    cells = [" "] * (max(at.values()) + 1 - _NUMBER)
    for column in at.values():
        cells[column - _NUMBER] = "│"
    return cells


def _arrow(row: Arrow, at: dict[str, int]) -> Iterator[str]:
    start, end = at[row.sender] - _NUMBER, at[row.receiver] - _NUMBER
    left, right = min(start, end), max(start, end)
    change = row.change
    changed = f"{change.before} [{change.bytes}] {change.after}" if change is not None else ""
    for text in [one for whole in (row.label, changed) for one in wrapped(printable(whole), right - left - 3)]:
        cells = _bars(at)
        cells[left + 2 : left + 2 + cell_len(text)] = _columns(text)
        yield "".join(cells)
    cells = _bars(at)
    body = "╌" if row.lost else "─"
    cells[left + 1 : right] = body * (right - left - 1)
    cells[end - 1 if end > start else end + 1] = "✕" if row.lost else "▶" if end > start else "◀"
    yield "".join(cells)


def _note(row: Note, at: dict[str, int], gap: int) -> Iterator[str]:
    column = at[row.lane] - _NUMBER
    last = column == max(at.values()) - _NUMBER
    for text in wrapped(printable(row.text), gap - 3 if not last else gap * 2):
        cells = _bars(at)
        cells[column] = "*" if row.adversary else "■" if row.state else "│"
        cells[column + 1 : column + 2 + cell_len(text)] = [" ", *_columns(text)]
        yield "".join(cells)


def _columns(text: str) -> list[str]:
    """A text by columns: the second column of a wide character is empty."""
    columns: list[str] = []
    for character in text:
        width = cell_len(character)
        if width == 0 and columns:
            columns[-1] += character  # it combines with the one before
        else:
            columns += [character, *[""] * (width - 1)]
    return columns
