"""Signals that end a command, for an asyncio loop: they are handled between callbacks, not inside one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from otterproof.harness.support.signals import ENDING


@contextmanager
def ended_by_signals(end: Callable[[], None]) -> Iterator[list[int]]:
    """A context inside a running loop in which signals that end a command call `end`; yields a list of those received.

    A signal that is ignored stays ignored.
    """
    loop = asyncio.get_running_loop()
    came: list[int] = []

    def take(number: int) -> None:
        came.append(number)
        end()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *ENDING)}
    taken = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    for number in taken:
        loop.add_signal_handler(number, take, number)
    try:
        yield came
    finally:
        for number in taken:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
