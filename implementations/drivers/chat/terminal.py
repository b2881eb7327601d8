"""Running programs: on a terminal of its own, which is always read, or on a socket as its standard input and output.

What a program writes for a terminal is kept only for messages about its end, and never shown without escapes.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from otterproof.implementations.drivers.chat.loop import Loop

_CHUNK = 1 << 16

#: Bytes of the screen that are kept.
_SCREEN = 1 << 12

#: Lines and columns: wide, so that a program breaks few lines.
_SIZE = (50, 200)

#: What prctl calls the signal that a process gets when its parent ends.
_DEATH_SIGNAL = 1


def die_with_parent() -> None:
    """Called in a new process: end it when the driver ends, however that ends.

    Some programs go on when their terminal or their servers are gone. Only Linux can do this.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


class Process:
    """A running program. What it writes to its terminal, or as errors, is read from `output`."""

    def __init__(
        self,
        loop: Loop,
        process: subprocess.Popen[bytes],
        output: int,
        shown: Callable[[bytes], object] = lambda data: None,
    ) -> None:
        """shown: is given what it writes."""
        self._loop, self._process, self._output, self._shown = loop, process, output, shown
        self._said = bytearray()
        os.set_blocking(output, False)
        loop.add(output, self._read)

    def _read(self) -> None:
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return
        except OSError:
            chunk = b""  # all that had the terminal open have ended
        if not chunk:
            self.die_alike()
        self._said = (self._said + chunk)[-_SCREEN:]
        self._shown(chunk)

    def die_alike(self) -> NoReturn:
        """The program has ended, or is about to: the driver ends in the same way, which is how a crash is told."""
        code = self._process.wait()
        sys.stderr.write(f"the program has ended with {code}; the last that it wrote is {bytes(self._said)!a}\n")
        sys.stderr.flush()
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code or 1)

    @property
    def said(self) -> bytes:
        """The last that it wrote."""
        return bytes(self._said)

    def write(self, keys: bytes) -> None:
        """The user types a few keys."""
        os.write(self._output, keys)

    def wait(self) -> None:
        """Wait for the end of the program, which it has been asked for, and take what it writes until then."""
        self._loop.remove(self._output)
        os.set_blocking(self._output, True)
        while True:
            try:
                chunk = os.read(self._output, _CHUNK)
            except OSError:
                break  # all that had the terminal open have ended
            if not chunk:
                break
            self._said = (self._said + chunk)[-_SCREEN:]
        self._process.wait()
        os.close(self._output)

    def close(self) -> None:
        """End the program."""
        self._loop.remove(self._output)
        self._process.kill()
        self._process.wait()
        os.close(self._output)


def on_terminal(
    loop: Loop,
    command: Sequence[str],
    environment: Mapping[str, str],
    inherited: Sequence[int] = (),
    *,
    size: tuple[int, int] = _SIZE,
    shown: Callable[[bytes], object] = lambda data: None,
) -> Process:
    """Start a program on a terminal. inherited: descriptors that the program gets as well. shown: is given what it
    writes.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    try:
        process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(environment),
            pass_fds=inherited,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    finally:
        os.close(slave)
    return Process(loop, process, master, shown)


def on_socket(loop: Loop, command: Sequence[str], environment: Mapping[str, str], end: socket.socket) -> Process:
    """Start a program with one end of a pair of sockets as its standard input and output, and close that end here."""
    reads, writes = os.pipe()
    try:
        process = subprocess.Popen(
            command,
            stdin=end.fileno(),
            stdout=end.fileno(),
            stderr=writes,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    finally:
        os.close(writes)
        end.close()
    return Process(loop, process, reads)
