"""The guard of a driver: a small program that starts it, watches it and ends everything that it has started.

It is the only process between the harness and the driver, so the driver and all its descendants are descendants of the
guard, whatever sessions they open and however often they fork: on Linux, orphans are reparented to the guard (a
subreaper). So everything that this driver has started is known exactly, and can be ended and measured. The guard holds
a socket to the harness; when that closes, because the harness wants it or is dead, the guard ends the tree. If the
guard itself is killed, Linux kills the driver (PR_SET_PDEATHSIG). The driver's pipes lead straight to the harness, so a
call costs nothing extra.

It is a separate process because nothing else does all of this: a subreaper in the harness would get the orphans of all
its children and would die with `kill -9`; and code between fork and exec is not safe in a program with threads, of
which the guard has none. It runs as `python -I -S guard.py`, imports little, and costs 20 to 25 ms and 10 MB for each
start of a driver. Without Linux (macOS) it can end only the driver's process group, and measures no memory.

Usage: guard.py SOCKET MEMORY PROGRAM [WORD...]. SOCKET: the number of a file descriptor. MEMORY: bytes that the driver
and its descendants may use, 0 for no limit. It writes lines: "started PID" or "failed ERRNO"; "memory BYTES" when it
ends the tree because of its size; "ended CODE" as subprocess.Popen.returncode. The socket closes when nothing is left.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator

#: Seconds between two checks of the tree's memory.
LOOK = 0.2

_LINUX = sys.platform.startswith("linux")
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # <sys/prctl.h>

#: The memory that only this process uses, and its share of what it has in common with others; both in kB.
_RESIDENT = (b"RssAnon:", b"RssShmem:", b"VmSwap:")
_SHARE = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")

#: Signals that Python ignores by default. The driver must not.
_OF_PYTHON = ("SIGPIPE", "SIGXFSZ", "SIGXFZ")

#: Signals that a driver may send to its guard, which must end only with the socket.
_UNHEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Guard:
    """The guard's work; `run` is all of it. limit: bytes, 0 for none."""

    def __init__(self, harness: int, limit: int) -> None:
        self._harness = harness
        self._limit = limit
        self._driver = 0
        self._code: int | None = None

    def run(self, words: list[str]) -> None:
        """Start the driver, and supervise it until the harness is done with it."""
        woken, wake = os.pipe()
        for pipe in (woken, wake):
            os.set_blocking(pipe, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _heed)
        for number in _UNHEARD:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _heed)  # unlike SIG_IGN, a handler is not inherited by the driver
        if _LINUX:
            _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        if not self._start(words):
            return
        waiting = select.poll()
        waiting.register(self._harness, select.POLLIN)
        waiting.register(woken, select.POLLIN)
        limited = bool(self._limit) and _LINUX
        due = time.monotonic() + LOOK
        while True:
            left = max(0.0, due - time.monotonic()) * 1000 if limited else None
            ready = [pipe for pipe, _ in waiting.poll(left)]
            if woken in ready:
                os.read(woken, 4096)
                self._reap()
            if self._harness in ready:
                break
            if limited and time.monotonic() >= due:
                self._check_memory()
                due = time.monotonic() + LOOK
        self._end()

    def _tell(self, line: str) -> None:
        try:  # noqa: SIM105 (contextlib takes longer to import than all else here)
            os.write(self._harness, f"{line}\n".encode())
        except OSError:
            pass  # nobody is listening any more, which is noticed on reading

    def _start(self, words: list[str]) -> bool:
        """Start the driver; return whether that succeeded. Only the driver then has the pipes to the harness."""
        failed, fails = os.pipe()
        guard = os.getpid()
        self._driver = os.fork()
        if not self._driver:
            try:
                _exec_driver(words, guard, self._limit)
            except OSError as error:
                os.write(fails, str(error.errno).encode())
            os._exit(127)
        os.close(fails)
        nothing = os.open(os.devnull, os.O_RDWR)
        for pipe in (0, 1, 2):
            os.dup2(nothing, pipe)
        number = os.read(failed, 20).decode()
        os.close(failed)
        self._tell(f"failed {number}" if number else f"started {self._driver}")
        return not number

    def _reap(self) -> bool:
        """Reap descendants that have ended; return whether others are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if not pid:
                return True
            if pid == self._driver:
                self._code = os.waitstatus_to_exitcode(status)
                self._tell(f"ended {self._code}")

    # ---- ending ------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """End the whole tree. Returns when nothing is left of it."""
        if self._code is None or not _LINUX:
            _signal_group(self._driver)
        pause = 0.0
        while self._reap():
            if _LINUX:
                self._freeze_and_kill()
            elif self._code is not None:
                return  # what has left the group can't be found
            time.sleep(pause)
            pause = min(pause + 0.0005, 0.01)

    def _freeze_and_kill(self) -> None:
        """Stop all descendants before killing them, because a stopped process starts no more children."""
        stopped: set[int] = set()
        while new := set(_descendants()) - stopped:
            for pid in new:
                _signal(pid, signal.SIGSTOP)
            stopped |= new
        for pid in stopped:
            _signal(pid, signal.SIGKILL)

    # ---- memory ------------------------------------------------------------------------------------------------------

    def _check_memory(self) -> None:
        """End the tree if it uses more memory than allowed."""
        tree = list(_descendants())
        if sum(_sum(f"/proc/{pid}/status", _RESIDENT) or 0 for pid in tree) <= self._limit:
            return
        # This much if nothing is shared; the exact figure takes longer. If a process hides it, take the apparent size.
        exact = [_sum(f"/proc/{pid}/smaps_rollup", _SHARE) for pid in tree]
        rough = [_sum(f"/proc/{pid}/status", _RESIDENT) or 0 for pid in tree]
        used = sum(most if share is None else share for share, most in zip(exact, rough, strict=True))
        if used > self._limit:
            self._tell(f"memory {used}")
            self._end()


def _exec_driver(words: list[str], guard: int, limit: int) -> None:
    """Become the driver. OSError when there is no such program."""
    import resource

    os.setsid()  # a process group of its own
    if _LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != guard:
            return  # the guard was killed before that
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # hundreds may die in a campaign
    if limit and _LINUX:
        most = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    signal.set_wakeup_fd(-1)
    for name in _OF_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    os.execvp(words[0], words)


def _prctl(option: int, value: int) -> None:
    import ctypes  # not on every system, and not quick to import

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _heed(*_: object) -> None:
    """Do nothing: being called is enough to wake up the poll."""


def _signal(pid: int, number: int) -> None:
    try:  # noqa: SIM105
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass  # it has ended, or has changed its user by setuid


def _signal_group(leader: int) -> None:
    try:  # noqa: SIM105
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left (macOS: nobody but zombies)


def _descendants() -> Iterator[int]:
    """All living descendants, parents before their children."""
    found = [os.getpid()]
    for pid in found:
        new = _children(pid)
        found += new
        yield from new


def _children(pid: int) -> list[int]:
    """The children of all threads of a process."""
    children: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += map(int, _content(f"/proc/{pid}/task/{thread}/children").split())
    except OSError:
        pass  # it has ended
    return children


def _content(path: str) -> bytes:
    """All of a small file of /proc. OSError."""
    file = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(file, 1 << 16):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(file)


def _sum(path: str, names: tuple[bytes, ...]) -> int | None:
    """The sum of lines "NAME: NUMBER kB" in bytes; None when the file can't be read."""
    try:
        lines = _content(path).splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(names))


def main() -> None:
    harness, limit, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(harness, False)
    Guard(harness, limit).run(words)
    os._exit(0)  # there is nothing to clean up, and this is quicker


if __name__ == "__main__":
    main()
