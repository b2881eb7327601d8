"""The event loop of a chat driver: one thread waits for the program, the server's connection and the tap.

Each program has its own loop. Between requests, the driver serves all of them.

Nothing here sleeps or uses timeouts. The driver waits for something that must come, such as the answer to a PING; the
harness enforces the time limit. While it waits, it reads everything that the program writes, so the program never
blocks on output.
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
    """The other end has closed the connection."""


class Loop:
    """Calls back when a descriptor can be read or written."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def add(self, fd: int, ready: Callable[[], None]) -> None:
        """Call `ready` whenever there is something to read."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def remove(self, fd: int) -> None:
        """Stop watching a descriptor."""
        self._selector.unregister(fd)

    def until(self, done: Callable[[], bool]) -> None:
        """Run until `done` is true. An exception of a callback ends the loop."""
        while not done():
            self._work(None)

    def drain(self) -> None:
        """Handle everything that is already there."""
        while self._work(0):
            pass

    def wants_to_write(self, fd: int, ready: Callable[[], None], write: bool) -> None:
        """Start or stop calling `ready` also when the descriptor can be written."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if write else 0)
        self._selector.modify(fd, events, ready)

    def _work(self, timeout: float | None) -> bool:
        found = self._selector.select(timeout)
        for key, _ in found:
            if key.fd in self._selector.get_map():  # otherwise an earlier callback has closed it
                key.data()
        return bool(found)

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""
        return self._selector.fileno()

    def turn(self) -> None:
        """Handle what is there once, without waiting."""
        self._work(0)

    def close(self) -> None:
        """Close the selector."""
        self._selector.close()


def take_until(fd: int, loops: Iterable[Loop]) -> None:
    """Run the loops until a descriptor is readable.

    If a program ends, its loop is ignored; the driver reports the end at the next request to that program.
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
    """Bytes in both directions over a descriptor, which it owns. `heard` is called with each chunk received."""

    def __init__(self, loop: Loop, fd: int, heard: Callable[[bytes], None]) -> None:
        self._loop, self._fd, self._heard = loop, fd, heard
        self._out = bytearray()
        #: Whether the other end has closed the connection.
        self.ended = False
        os.set_blocking(fd, False)
        loop.add(fd, self._ready)

    @property
    def empty(self) -> bool:
        """Whether everything has been sent."""
        return not self._out

    def write(self, data: bytes) -> None:
        """Queue data to send. The loop sends it."""
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
        """Read until the other end closes the connection, which it has done or is about to do."""
        os.set_blocking(self._fd, True)
        with suppress(Closed):
            while True:
                self._ready()

    def close(self) -> None:
        """Close the descriptor."""
        self._loop.remove(self._fd)
        os.close(self._fd)


class Lines(Stream):
    """A stream of lines in both directions. `heard` is called with each line, without its line end."""

    def __init__(self, loop: Loop, fd: int, heard: Callable[[bytes], None], end: bytes = b"\n") -> None:
        super().__init__(loop, fd, self._split)
        self._line, self._end = heard, end
        self._in = bytearray()

    def write(self, data: bytes) -> None:
        """Queue a line to send."""
        super().write(data + self._end)

    def _split(self, chunk: bytes) -> None:
        self._in += chunk
        if b"\n" not in chunk:
            return
        *lines, rest = bytes(self._in).split(b"\n")
        self._in = bytearray(rest)
        for line in lines:
            self._line(line.removesuffix(b"\r"))
