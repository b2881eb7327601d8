"""Progress: the results of a command are taken one by one, and a person sees how far it is.

On a terminal a bar moves. Elsewhere, in a log, a line tells it now and then. Both go to standard error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, TimeElapsedColumn
from rich.text import Text

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.messages import complain
from otterproof.harness.ui.screen import line, progress

T = TypeVar("T")

#: Lines that a log gets in all, if there are as many items, and the seconds after which it gets one in any case.
LINES = 10
SECONDS = 15.0


class Log:
    """Lines for where there is no terminal: every tenth of the work, and when nothing was said for some time."""

    def __init__(self, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what = what.rstrip(": ")
        self._total = total
        self._clock = clock
        self._began = self._last = clock()
        self._told = 0

    def line(self, count: int) -> str | None:
        """The line that is due after so many items, if one is."""
        now = self._clock()
        tenth = self._total >= LINES and count * LINES // self._total > self._told * LINES // self._total
        if not tenth and now - self._last < SECONDS:
            return None
        self._last, self._told = now, count
        return f"{self._what}: {count} of {self._total}, {now - self._began:.0f} s"


def follow(
    items: Iterable[T],
    total: int,
    title: Callable[[T | None], str],
    tell: Callable[[T], Text | None] = lambda _: None,
    enough: Callable[[T], bool] = lambda _: False,
) -> tuple[list[T], Ending]:
    """Take all items, showing progress; those that came, and how that ended.

    title: what is being done, before the first item and after each. tell: a line that stays, if an item is worth one.
    enough: asked after each item; when it says yes, no more is taken.
    """
    collected: list[T] = []
    log = Log(title(None), total)
    with progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(printable(title(None)), total=total)
        try:
            for item in items:
                collected.append(item)
                bar.update(task, advance=1, description=printable(title(item)))
                if told := tell(item):
                    bar.console.print(told)
                if not bar.console.is_terminal and (due := log.line(len(collected))):
                    bar.console.print(line(due))
                if enough(item):
                    return collected, Ending.ENOUGH_FAILED
        except KeyboardInterrupt:
            return collected, Ending.INTERRUPTED
        except WorkersDied as error:
            complain(error)
            return collected, Ending.WORKERS_DIED
    return collected, Ending.COMPLETE
