"""A driver's process as the harness sees it: started by a guard, which reports how it ends and cleans up after it.

[guard.py explains why there is a guard, and what the two tell each other.]
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

#: Seconds within which a guard starts, on the busiest machine.
_START_LIMIT = 60.0

#: Seconds within which a guard ends everything. Only what the system itself can't end takes longer.
_END_LIMIT = 10.0

#: The guard is imported because Python caches the compiled form of modules only. The command line still names it.
_FILE = Path(__file__).with_name("guard.py")
_START = "import sys; sys.path.append(sys.argv.pop(1)[:-8]); import guard; guard.main()"


class Guarded:
    """A running process with its guard, which dies with it. Not thread-safe.

    pid: the process. stdin, stdout, stderr: descriptors of our ends of its pipes; told: one that is readable when there
    is news for `look`. code: how it ended, as subprocess.Popen.returncode; None while it runs, or if the guard was
    killed before it could report that. excess: the bytes of memory for which it was ended, 0 if it was not.
    """

    def __init__(self, command: Sequence[str], memory: int | None) -> None:
        """Start a command. memory: the most bytes for it and its descendants. Raises OSError or ValueError."""
        self.code: int | None = None
        self.excess = 0
        self._ended = False
        self._heard = b""
        self._guard_is_there = True
        ours, theirs = socket.socketpair()
        with theirs:
            self._socket = ours
            number = theirs.fileno()
            try:
                self._guard = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _START, str(_FILE), str(number), str(memory or 0), *command],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    pass_fds=[number],
                    start_new_session=True,  # Ctrl-C in a terminal must not reach it
                )
            except (OSError, ValueError):
                ours.close()
                raise
        if self._guard.stdin is None or self._guard.stdout is None or self._guard.stderr is None:
            raise RuntimeError("a process without pipes")
        self.stdin, self.stdout = self._guard.stdin.fileno(), self._guard.stdout.fileno()
        self.stderr, self.told = self._guard.stderr.fileno(), ours.fileno()
        self.pid = 0
        self.pid = self._started()

    def _started(self) -> int:
        """Wait until the process has started."""
        try:
            self._socket.settimeout(_START_LIMIT)
            while b"\n" not in self._heard:
                more = self._socket.recv(4096)
                if not more:
                    raise OSError(0, f"its guard, {sys.executable}, ended before it had started it")
                self._heard += more
        except TimeoutError:
            self._give_up()
            raise OSError(0, "its guard did not start in time") from None
        except OSError:
            self._give_up()
            raise
        self._socket.setblocking(False)
        line, _, self._heard = self._heard.partition(b"\n")
        word, _, number = line.decode().partition(" ")
        if word == "failed":
            self._give_up()
            raise OSError(int(number), os.strerror(int(number)))
        return int(number)

    def _give_up(self) -> None:
        """Clean up: there is no process."""
        self._socket.setblocking(False)
        self.close()
        self.close_pipes()

    @property
    def ended(self) -> bool:
        """Whether the process has ended; its descendants may live on until `close`."""
        if not self._ended:
            self._look()
        return self._ended

    def _look(self) -> bool:
        """Read what the guard has to say; return whether it is gone."""
        gone = False
        try:
            while more := self._socket.recv(4096):
                self._heard += more
            gone = True
        except BlockingIOError:
            pass
        except ConnectionResetError:
            gone = True
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            word, _, number = line.decode().partition(" ")
            if word == "ended":
                self.code = int(number)
            elif word == "memory":
                self.excess = int(number)
        self._ended = gone or self.code is not None
        return gone

    def close(self) -> None:
        """End the process and all that it has started, and wait for that. The pipes stay open."""
        if not self._guard_is_there:
            return
        with suppress(OSError):  # it is already gone
            self._socket.shutdown(socket.SHUT_WR)
        if not self._silent_within(_END_LIMIT):
            # Somebody has stopped it, or the system can't end something. Without the guard no descendant can be found.
            self._guard.kill()
        self._guard.wait()
        self._guard_is_there = False
        self._ended = True
        self._socket.close()
        if self.pid and self.code is None:  # the guard was killed
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def _silent_within(self, seconds: float) -> bool:
        """Whether the guard is gone within some time."""
        poll = select.poll()
        poll.register(self.told, select.POLLIN)
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
            if self._look():
                return True
        return False

    def close_stdin(self) -> None:
        """Close the process's standard input."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()

    def close_pipes(self) -> None:
        """Close the pipes: no more input or output."""
        for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()
