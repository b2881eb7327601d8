"""What is on the screen of a program that draws with curses: the lines of the window between two marks.

The program's output goes through pyte, which is an extra (`pip install otterproof[terminal]`).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: Lines and columns: more than a step fills, and wider than all but the longest texts.
SIZE = (160, 700)


class Window:
    """A terminal's screen."""

    def __init__(self) -> None:
        pyte: Any = import_module("pyte")
        self._screen = pyte.Screen(SIZE[1], SIZE[0])
        self._stream = pyte.ByteStream(self._screen)

    def feed(self, data: bytes) -> None:
        """The program writes."""
        self._stream.feed(data)

    def lines(self) -> list[str]:
        """What can be read, line by line, without blanks at the ends of lines."""
        return [line.rstrip() for line in self._screen.display]

    def between(self, before: str, after: str) -> list[str] | None:
        """The lines between two marks, of which the first may have left the screen; None if the last is not there."""
        lines = self.lines()
        ends = [number for number, line in enumerate(lines) if line.endswith(after)]
        if not ends:
            return None
        begins = [number for number, line in enumerate(lines[: ends[-1]]) if line.endswith(before)]
        return lines[begins[-1] + 1 if begins else 0 : ends[-1]]
