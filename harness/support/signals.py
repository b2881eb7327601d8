"""Signals that end a command: SIGTERM and SIGHUP do what Ctrl-C does.

A closing terminal, a service manager or a CI time limit asks a process to end, and gets the results so far, as Ctrl-C
does. `Interrupted` is a KeyboardInterrupt, so code that handles Ctrl-C handles these signals too. The first signal
counts; others that arrive while the command ends and writes its results change nothing. A signal that was ignored when
the command started (`nohup`, a background job of a shell) stays ignored.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

#: The signals that end a command, besides SIGINT.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>


class Interrupted(KeyboardInterrupt):
    """The command was asked to end by a signal other than Ctrl-C; the message names the signal."""


@contextmanager
def interruptible() -> Iterator[None]:
    """A context in which SIGTERM and SIGHUP raise Interrupted in the main thread, unless ignored at the start."""
    taken = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, _: FrameType | None) -> NoReturn:
    for one in ENDING:
        if signal.getsignal(one) is _interrupt:
            signal.signal(one, disregard)
    raise Interrupted(signal.Signals(number).name)


def disregard(_: int, __: FrameType | None) -> None:
    """Unlike SIG_IGN, a handler is not inherited by the programs that the process starts."""


def end_with_parent(number: int) -> None:
    """Have Linux send this process a signal when its parent is gone. Does nothing on other systems."""
    parent = multiprocessing.parent_process()
    if not sys.platform.startswith("linux") or parent is None:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent.pid:  # it was gone before that
        os.kill(os.getpid(), number)


def name_of(number: int) -> str:
    """The name of a signal, for messages."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
