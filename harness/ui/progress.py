"""Progress: shows how far a command is, for anything that takes longer than a moment.

On a terminal, this is a moving bar that fits the width. Elsewhere, in a log, it is a line every ten seconds, even while
a single item takes longer than that. Both go to standard error.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from rich.padding import Padding
from rich.text import Text

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.screen import line, progress

T = TypeVar("T")

#: The seconds between two lines in a log.
SECONDS = 10.0

#: How far the lines are indented into which a permanent line is broken, except the first.
_INDENT = 2


class Status:
    """What is being done, how much of it is done, and when to report it next."""

    def __init__(self, what: str, total: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.what, self.more, self.now, self.total, self.done = what, "", "", total, 0
        self._clock = clock
        self._began = self._told = clock()

    def due(self) -> str | None:
        """The line that is due by now, if any."""
        now = self._clock()
        if now - self._told < SECONDS:
            return None
        self._told = now
        done = "" if self.total is None else f"{self.done} of {self.total}, "
        more = "".join(f"; {text}" for text in (self.more, self.now) if text)
        return f"{self.what}: {done}{now - self._began:.0f} s{more}"


class Tracker:
    """A context manager for a bar on a terminal, or lines in a log. total: None if unknown."""

    def __init__(self, what: str, total: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._status = Status(what.rstrip(": "), total, clock)
        self._bar = progress(counted=total is not None)
        self._task = self._bar.add_task(printable(self._status.what), total=total)
        self._terminal = self._bar.console.is_terminal
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._beat = threading.Thread(target=self._beats, daemon=True)

    def __enter__(self) -> Tracker:
        self._bar.start()
        if not self._terminal:
            self._beat.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop_beating()
        self._bar.stop()

    def update(self, done: int | None = None, what: str | None = None, more: str = "", now: str = "") -> None:
        """Report progress.

        more: what is known so far. now: what is being done that takes longer than usual. On a terminal, each has a line
        of its own.
        """
        self._status.done = self._status.done if done is None else done
        self._status.what = self._status.what if what is None else what.rstrip(": ")
        self._status.more, self._status.now = more, now
        shown = "\n".join(printable(text) for text in (self._status.what, more, now) if text)
        self._bar.update(self._task, completed=self._status.done, description=shown)
        self._tell()

    def keep(self, text: Text) -> None:
        """Print a permanent line. On a terminal, a long one is broken between words, and indented after the first."""
        out = self._bar.console
        if self._terminal:
            first, *others = text.wrap(out, out.width - _INDENT)
            out.print(first)
            for other in others:
                out.print(Padding.indent(other, _INDENT))
        else:
            out.print(text, soft_wrap=True)

    def stop_beating(self) -> None:
        """Report only on updates from now on: a process that forks must not have a second thread."""
        self._over.set()
        if self._beat.is_alive():
            self._beat.join()

    def _beats(self) -> None:
        while not self._over.wait(SECONDS):
            self._tell()

    def _tell(self) -> None:
        if self._terminal:
            return
        with self._lock:
            if due := self._status.due():
                self._bar.console.print(line(due), soft_wrap=True)


@contextmanager
def working(what: str) -> Iterator[Tracker]:
    """Show that something of unknown duration is being done."""
    with Tracker(what) as shown:
        yield shown


def follow(
    items: Iterable[T],
    total: int,
    title: Callable[[T | None], str],
    tell: Callable[[T], Text | None] = lambda _: None,
    enough: Callable[[T], bool] = lambda _: False,
) -> tuple[list[T], Ending]:
    """Take all items, showing progress; return those taken, and how it ended.

    title: what is being done, before the first item and after each. tell: a permanent line, if an item is worth one.
    enough: asked after each item; when it says yes, no more are taken.
    """
    collected: list[T] = []
    with Tracker(title(None), total) as shown:
        try:
            for item in items:
                collected.append(item)
                if told := tell(item):
                    shown.keep(told)
                shown.update(len(collected), title(item))
                if enough(item):
                    return collected, Ending.ENOUGH_FAILED
        except KeyboardInterrupt:
            return collected, Ending.INTERRUPTED
        except WorkersDied as error:
            complain(error)
            return collected, Ending.WORKERS_DIED
    return collected, Ending.COMPLETE
