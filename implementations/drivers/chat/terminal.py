"""Running programs, each on its own terminal or with a socket as its standard input and output.

The end of a program's output is kept for the message about its exit, where it is shown only in escaped form.
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

#: In bytes: how much of the output is kept.
_SCREEN = 1 << 12

#: Lines and columns: wide, so that programs wrap few lines.
_SIZE = (50, 200)

#: The option of prctl that sets the signal sent to a process when its parent ends.
_DEATH_SIGNAL = 1


def die_with_parent() -> None:
    """Called in a new process, so that it ends when the driver ends, in whatever way.

    Some programs keep running without their terminal or server. This works only on Linux.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)


class Process:
    """A running program. output: the descriptor from which its terminal or standard error is read."""

    def __init__(
        self,
        loop: Loop,
        process: subprocess.Popen[bytes],
        output: int,
        shown: Callable[[bytes], object] = lambda data: None,
    ) -> None:
        """shown: called with each chunk of output."""
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
            chunk = b""  # every process that had the terminal open has ended
        if not chunk:
            self.die_alike()
        self._said = (self._said + chunk)[-_SCREEN:]
        self._shown(chunk)

    def die_alike(self) -> NoReturn:
        """The program has ended or is about to. End the driver in the same way, which reports a crash."""
        code = self._process.wait()
        sys.stderr.write(f"the program has ended with {code}; the last that it wrote is {bytes(self._said)!a}\n")
        sys.stderr.flush()
        if code < 0:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        os._exit(code or 1)

    @property
    def said(self) -> bytes:
        """The end of its output."""
        return bytes(self._said)

    def write(self, keys: bytes) -> None:
        """The user types keys."""
        os.write(self._output, keys)

    def wait(self) -> None:
        """Wait until the program, which has been asked to quit, has ended. Read its output until then."""
        self._loop.remove(self._output)
        os.set_blocking(self._output, True)
        while True:
            try:
                chunk = os.read(self._output, _CHUNK)
            except OSError:
                break  # every process that had the terminal open has ended
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
    """Start a program on a terminal.

    inherited: additional descriptors for the program. shown: called with each chunk of output.
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
    """Start a program with one end of a socket pair as standard input and output, and close that end here."""
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
