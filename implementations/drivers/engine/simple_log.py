"""The log of a simple program around an engine: what the engine passes to Python's `logging`.

The engines log nothing. The scenarios on logs are for programs; with this log they can run against an engine with a
fault, which shows that they catch it.
"""

from __future__ import annotations

import logging
from collections import deque

_MOST_LINES = 1000


class _Log(logging.Handler):
    """Keeps the last lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=_MOST_LINES)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


_log = _Log()


def begin() -> None:
    """Keep what is logged from now on, and nothing from before."""
    _log.lines.clear()
    root = logging.getLogger()
    root.addHandler(_log)  # adding it again has no effect
    root.setLevel(min(root.level, logging.INFO))


def read() -> bytes:
    """The log, a line for each message."""
    return "".join(f"{line}\n" for line in _log.lines).encode(errors="replace")
