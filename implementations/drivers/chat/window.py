"""What is on the screen of a program that draws with curses: the lines of its window between two marks.

The program's output goes through pyte, which is an extra (`pip install otterproof[terminal]`).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Lines and columns: more than a step fills, and wider than all but the longest texts.
SIZE = (120, 600)


class Window:
    """A terminal's screen."""

    def __init__(self) -> None:
        pyte: Any = import_module("pyte")
        self._screen = pyte.Screen(SIZE[1], SIZE[0])
        self._stream = pyte.ByteStream(self._screen)
        self._lines = [""] * SIZE[0]

    def feed(self, data: bytes) -> None:
        """The program writes."""
        self._stream.feed(data)
        for number in self._screen.dirty:
            row = self._screen.buffer[number]
            written = max(row, default=-1) + 1  # the others are blank
            self._lines[number] = "".join(row[column].data for column in range(written)).rstrip()
        self._screen.dirty.clear()

    def right_of(self, border: str) -> list[str]:
        """What is to the right of a border, line by line, for all lines that have it."""
        return [line.partition(border)[2] for line in self._lines if border in line]

    def between(self, before: str, after: str) -> list[str] | None:
        """The lines between two that have these marks, of which the first may have left the screen; None if the last
        is not there yet.
        """
        ends = [number for number, line in enumerate(self._lines) if after in line]
        if not ends:
            return None
        begins = [number for number, line in enumerate(self._lines[: ends[-1]]) if before in line]
        return self._lines[begins[-1] + 1 if begins else 0 : ends[-1]]
