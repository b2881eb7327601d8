"""The screen of a program that draws with curses: the lines of its window between two marks.

The package pyte interprets the program's output. It is an extra (`pip install otterproof[terminal]`).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Lines and columns: more lines than a step fills, and wider than all but the longest texts.
SIZE = (120, 600)


class Window:
    """A terminal's screen."""

    def __init__(self) -> None:
        pyte: Any = import_module("pyte")
        self._screen = pyte.Screen(SIZE[1], SIZE[0])
        self._stream = pyte.ByteStream(self._screen)
        self._lines = [""] * SIZE[0]

    def feed(self, data: bytes) -> None:
        """Process output of the program."""
        self._stream.feed(data)
        for number in self._screen.dirty:
            row = self._screen.buffer[number]
            written = max(row, default=-1) + 1  # the other columns are blank
            self._lines[number] = "".join(row[column].data for column in range(written)).rstrip()
        self._screen.dirty.clear()

    def right_of(self, border: str) -> list[str]:
        """The part to the right of a border, for each line that has it."""
        return [line.partition(border)[2] for line in self._lines if border in line]

    def between(self, before: str, after: str) -> list[str] | None:
        """The lines between the two marks; None if the second is not on the screen yet.

        If the first has scrolled off the screen, from the top.
        """
        ends = [number for number, line in enumerate(self._lines) if after in line]
        if not ends:
            return None
        begins = [number for number, line in enumerate(self._lines[: ends[-1]]) if before in line]
        return self._lines[begins[-1] + 1 if begins else 0 : ends[-1]]
