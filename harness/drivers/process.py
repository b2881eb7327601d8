"""One driver as a process: requests go in, answers come out, and nothing that the driver does can harm the harness.

Every call has a time limit. What comes out is bounded and must be exactly one line that answers the request; everything
else ends the process, with all its children. The end of standard error is kept, for it often says why. After a failure
the process is dead and a new one has to be started.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from typing import Any

from harness.drivers.answer import result_of, shown
from harness.drivers.errors import TargetCrash, TargetDesync, TargetError, TargetHang, TargetMissing
from harness.printable import printable

#: Seconds for one call, unless told otherwise. Handshakes of the slowest targets take a quarter of one.
TIME_LIMIT = 10.0

#: Bytes of private memory a driver may have. MEMORY_VARIABLE in the environment says otherwise, in MiB; 0 is no limit,
#: which a driver built with AddressSanitizer needs.
MEMORY_LIMIT = 2 << 30
MEMORY_VARIABLE = "OTTERPROOF_DRIVER_MEMORY"

#: Longest answer, in bytes; a text of a megabyte in fragments takes less.
MAX_ANSWER = 16 << 20

#: Bytes of standard error that are kept.
STDERR_TAIL = 4096

#: Seconds that a driver is given to end by itself, when it was asked to or has closed its output.
_GRACE = 1.0

#: Seconds in which a driver that has answered nonsense may die of what made it do so.
_AGONY = 0.2

#: Seconds between looks at whether a silent process has died: its children may hold its output open.
_LOOK = 0.2

_CHUNK = 1 << 16

#: Shows every line that crosses, requests (">") and answers ("<").
Trace = Callable[[str, bytes], None]


def memory_limit() -> int | None:
    """Bytes a driver may have, None for any. TargetMissing when the environment asks for something that is no limit."""
    told = os.environ.get(MEMORY_VARIABLE)
    if told is None:
        return MEMORY_LIMIT
    if not told.isascii() or not told.isdecimal() or len(told) > 9:
        raise TargetMissing(f"{MEMORY_VARIABLE}={told!r}: set it to a number of MiB, 0 for no limit, or unset it")
    return int(told) << 20 or None


class DriverProcess:
    """A running driver. `call` is the whole interface; not for use from several threads."""

    def __init__(
        self, name: str, command: Sequence[str | Path], time_limit: float = TIME_LIMIT, trace: Trace | None = None
    ) -> None:
        self.name = name
        self.time_limit = time_limit
        self._trace = trace
        self._next_id = 0
        self._stderr = bytearray()
        self._limits = memory_limit()
        try:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a group of its own, so that its children can be ended with it
            )
        except (OSError, ValueError) as error:  # ValueError: NUL or a lone surrogate in a word
            why = error.strerror if isinstance(error, OSError) else error
            raise TargetMissing(f"{name}: {command[0]} can't be started: {why}") from error
        if self._process.stdin is None or self._process.stdout is None or self._process.stderr is None:
            raise RuntimeError("a process without pipes")
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._err = self._process.stderr.fileno()
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe, False)
        self._limit()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)

    def _limit(self) -> None:
        """Limit its memory from outside: code between fork and exec is not safe when the harness has threads."""
        if not hasattr(resource, "prlimit"):
            return  # not on Linux: time is limited, memory is not
        with suppress(ProcessLookupError):  # it has ended already, which the first call will notice
            resource.prlimit(self._process.pid, resource.RLIMIT_CORE, (0, 0))  # hundreds may die in a campaign
            if self._limits is not None:
                resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (self._limits, self._limits))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.returncode is None and not self._has_ended()

    def _has_ended(self) -> bool:
        """Looks without reaping: until then nobody else can be given the number of its process group."""
        if self._process.returncode is not None:
            return True
        if not hasattr(os, "waitid"):
            return self._process.poll() is not None
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(self, method: str, params: Mapping[str, Any] | None = None, time_limit: float | None = None) -> Any:
        """Ask, and wait for the result. TargetError; after all but Unsupported and Failed the process is dead."""
        if self._process.returncode is not None:
            raise TargetCrash(f"{self.name}: {method} was called on a driver that has ended")
        self._next_id += 1
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        if params is not None:
            request["params"] = params
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        answer = self._exchange(method, line, self.time_limit if time_limit is None else time_limit)
        if self._trace is not None:
            self._trace(">", line)
            self._trace("<", answer)
        try:
            return result_of(answer, self._next_id, f"{self.name}: {method}")
        except TargetDesync as error:
            raise self.end(TargetDesync, str(error)) from None

    def _exchange(self, method: str, request: bytes, seconds: float) -> bytes:
        """Send a line and take the one that comes back."""
        deadline = time.monotonic() + seconds
        self._nothing_unasked(method)
        answer, waiting = bytearray(), self._write(method, memoryview(request))
        if waiting:
            self._poll.register(self._in, select.POLLOUT)
        try:
            while not answer.endswith(b"\n"):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise self._too_late(method, seconds, answer)
                ready = self._poll.poll(min(left, _LOOK) * 1000)
                if not ready and self._has_ended():
                    raise self._dead(method, answer)
                for pipe, _ in ready:
                    if pipe == self._in:
                        waiting = self._write(method, waiting)
                        if not waiting:
                            self._poll.unregister(self._in)
                    elif pipe == self._err:
                        self._hear()
                    else:
                        self._read(method, answer)
        finally:
            if waiting and self._process.returncode is None:
                self._poll.unregister(self._in)
        if waiting:
            raise self.end(TargetDesync, f"{self.name}: {method}: an answer before the request was read")
        return bytes(answer)

    def _nothing_unasked(self, method: str) -> None:
        """Nothing may be there before something was asked."""
        for pipe, event in self._poll.poll(0):
            if pipe == self._err:
                self._hear()
            elif event & select.POLLIN:
                unasked = os.read(self._out, _CHUNK)
                what = f"output that nobody asked for: {shown(unasked)}"
                raise self.end(TargetDesync, f"{self.name}: {method}: {what}")
            else:
                raise self._dead(method, b"")

    def _write(self, method: str, waiting: memoryview) -> memoryview:
        """Write what can be written; what is left."""
        try:
            return waiting[os.write(self._in, waiting) :]
        except BlockingIOError:
            return waiting  # its pipe is full
        except BrokenPipeError:
            raise self._dead(method, b"") from None

    def _read(self, method: str, answer: bytearray) -> None:
        """Take what has come; not more than one line, and that not too long."""
        chunk = os.read(self._out, _CHUNK)
        if not chunk:
            raise self._dead(method, answer)
        answer += chunk
        end = chunk.find(b"\n")
        if 0 <= end < len(chunk) - 1:
            what = f"output after the answer: {shown(chunk[end + 1 :])}"
            raise self.end(TargetDesync, f"{self.name}: {method}: {what}")
        if len(answer) > MAX_ANSWER:
            what = f"an answer of more than {MAX_ANSWER} bytes: {shown(answer)}"
            raise self.end(TargetDesync, f"{self.name}: {method}: {what}")

    def _hear(self) -> None:
        """Take what has come on standard error."""
        try:
            chunk = os.read(self._err, _CHUNK)
        except BlockingIOError:
            return
        self._stderr = (self._stderr + chunk)[-STDERR_TAIL:]
        if not chunk:
            self._poll.unregister(self._err)

    # ---- ends --------------------------------------------------------------------------------------------------------

    def _too_late(self, method: str, seconds: float, answer: bytearray) -> TargetError:
        if self._has_ended():
            return self._dead(method, answer)
        if answer:
            what = f"half a line, and no more within {seconds:g} s: {shown(answer)}"
            return self.end(TargetDesync, f"{self.name}: {method}: {what}")
        return self.end(TargetHang, f"{self.name}: {method}: no answer within {seconds:g} s")

    def _dead(self, method: str, answer: bytes | bytearray) -> TargetError:
        """The error for a process that has closed one of its pipes, or ended."""
        if not self._ends_within(_GRACE):
            return self.end(TargetDesync, f"{self.name}: {method}: it has closed its pipes, but lives on")
        return self._crash(f"{self.name}: {method}: ", f", after half a line: {shown(answer)}" if answer else "")

    def _crash(self, before: str, after: str = "") -> TargetCrash:
        """The error for a process that has ended."""
        self.close()
        code = self._process.returncode
        how = f"ended with exit code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"
        error = TargetCrash(f"{before}{how}{after}{self._tail()}")
        error.code = code
        return error

    def end(self, kind: type[TargetError], what: str) -> TargetError:
        """The error of a kind, after the process was ended for it; a crash, if it was about to end by itself."""
        if kind is TargetDesync and self._ends_within(_AGONY):
            return self._crash(f"{what}; then ")
        self.close()
        return kind(what + self._tail())

    def _ends_within(self, seconds: float) -> bool:
        """Whether the process ends by itself, given that time."""
        deadline = time.monotonic() + seconds
        while not self._has_ended():
            if time.monotonic() > deadline:
                return False
            self._last_words()  # it may have more to say than a pipe holds
            time.sleep(0.002)
        return True

    def _tail(self) -> str:
        """The end of standard error, indented, so that none of its lines can be taken for one of the harness's."""
        text = self._stderr.decode(errors="replace").strip().replace("\r\n", "\n").expandtabs(4)
        return f"\nstandard error ends with:\n{indent(printable(text, lines=True), '  ')}" if text else ""

    def shutdown(self) -> None:
        """Ask the process to end, so that it can write what it writes on exit (a profile, say); see that it does."""
        if self._process.returncode is None:
            with suppress(TargetError):  # the case is over, its verdict is known
                self.call("shutdown", time_limit=_GRACE)
                self._ends_within(_GRACE)
        self.close()

    def close(self) -> None:
        """End the process and its children, whatever they are doing. Children that left its process group stay."""
        if self._process.returncode is None:
            # The leader is not reaped yet, so the group's number is still its own.
            with suppress(ProcessLookupError, PermissionError):  # nobody is left (macOS: nobody but zombies)
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stderr is not None and not self._process.stderr.closed:
            self._last_words()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def _last_words(self) -> None:
        """What is there on standard error. Bounded, for a child that left the group may go on writing."""
        for _ in range(16):
            try:
                chunk = os.read(self._err, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                return
            self._stderr = (self._stderr + chunk)[-STDERR_TAIL:]


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
