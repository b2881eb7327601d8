"""The loop of a chat driver: one thread waits for the program, the server's connection and the tap at once.

Each program has a loop of its own. While nothing is asked of the driver, it takes what comes in all of them.

Nothing here sleeps or waits for a time to pass. The driver waits for something that must come, such as the answer to a
PING; the harness has the time limit. Whatever the program writes in the meantime is taken, so it never stands still
because nobody reads.
"""

from __future__ import annotations

import os
import select
import selectors
from collections.abc import Callable, Iterable
from contextlib import suppress

from otterproof.implementations.drivers.linejson import Stranded

_CHUNK = 1 << 16


class Closed(Exception):
    """The other end is gone."""


class Loop:
    """Calls back when something can be read or written."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` when there is something to read."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def remove(self, fd: int) -> None:
        """Stop watching."""
        self._selector.unregister(fd)

    def until(self, done: Callable[[], bool]) -> None:
        """Work until something is so. What a callback raises ends the waiting."""
        while not done():
            self._work(None)

    def drain(self) -> None:
        """Take everything that is there already."""
        while self._work(0):
            pass

    def wants_to_write(self, fd: int, ready: Callable[[], None], write: bool) -> None:
        """Call `ready` for writing, too, or no longer."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        self._selector.modify(fd, events, ready)

    def _work(self, timeout: float | None) -> bool:
        found = self._selector.select(timeout)
        for key, _ in found:
            if key.fd in self._selector.get_map():  # else an earlier callback has closed it
                key.data()
        return bool(found)

    def fileno(self) -> int:
        """A descriptor that can be read when there is something to do."""
        return self._selector.fileno()

    def turn(self) -> None:
        """Take some of what is there."""
        self._work(0)

    def close(self) -> None:
        """Forget everything."""
        self._selector.close()


def take_until(fd: int, loops: Iterable[Loop]) -> None:
    """Take what comes in some loops until a descriptor can be read.

    The end of a program is told when something is asked of it; until then its loop is left alone.
    """
    watched = {loop.fileno(): loop for loop in loops}
    waiting = select.poll()
    for one in (fd, *watched):
        waiting.register(one, select.POLLIN)
    while True:
        ready = [one for one, _ in waiting.poll()]
        if fd in ready:
            return
        for one in ready:
            try:
                watched[one].turn()
            except (Closed, Stranded):
                waiting.unregister(one)


class Stream:
    """Bytes in both directions over a descriptor, which it owns. `heard` is called with what comes."""

    def __init__(self, loop: Loop, fd: int, heard: Callable[[bytes], None]) -> None:
        self._loop, self._fd, self._heard = loop, fd, heard
        self._out = bytearray()
        #: Whether the other end is gone.
        self.ended = False
        os.set_blocking(fd, False)
        loop.add(fd, self._ready)

    @property
    def empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._out

    def write(self, data: bytes) -> None:
        """Send; it is on its way when the loop runs."""
        if not self._out:
            self._loop.wants_to_write(self._fd, self._ready, True)
        self._out += data

    def _ready(self) -> None:
        if self._out:
            try:
                del self._out[: os.write(self._fd, self._out)]
            except BlockingIOError:
                pass
            except OSError as error:
                raise Closed(str(error)) from error
            if not self._out:
                self._loop.wants_to_write(self._fd, self._ready, False)
        try:
            chunk = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise Closed(str(error)) from error
        if not chunk:
            self.ended = True
            raise Closed("end of stream")
        self._heard(chunk)

    def take_rest(self) -> None:
        """Take everything that is still to come from the other end, which has closed it or is about to."""
        os.set_blocking(self._fd, True)
        with suppress(Closed):
            while True:
                self._ready()

    def close(self) -> None:
        """Close the descriptor."""
        self._loop.remove(self._fd)
        os.close(self._fd)


class Lines(Stream):
    """A stream of lines in both directions. `heard` is called with each line, without its end."""

    def __init__(self, loop: Loop, fd: int, heard: Callable[[bytes], None], end: bytes = b"\n") -> None:
        super().__init__(loop, fd, self._split)
        self._line, self._end = heard, end
        self._in = bytearray()

    def write(self, data: bytes) -> None:
        """Send a line."""
        super().write(data + self._end)

    def _split(self, chunk: bytes) -> None:
        self._in += chunk
        if b"\n" not in chunk:
            return
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            self._line(line.removesuffix(b"\r"))
