"""Processes that work for a command, and leave Ctrl-C to it.

A terminal sends Ctrl-C to every process of the command. Only the one that keeps and shows the results may heed it: the
others are ended by it, in the middle of whatever they do, from their first moment on.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from typing import Any


@contextmanager
def pool(processes: int, begin: Callable[..., object], *arguments: object) -> Iterator[Pool]:
    """A pool of processes, each of which calls begin(*arguments) first. Leaving the block ends them."""
    # What is ignored here is ignored by the processes that are started, while they import everything. (Blocking it
    # would lose no Ctrl-C of these milliseconds, but multiprocessing unblocks it again.)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        made = multiprocessing.get_context("spawn").Pool(processes, _begin, (begin, arguments))
    finally:
        signal.signal(signal.SIGINT, before)
    with made:
        yield made


def _begin(begin: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that is started later, in place of one that died
    begin(*arguments)
