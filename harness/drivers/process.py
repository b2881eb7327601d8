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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.drivers.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetHang,
    TargetMissing,
    TargetUnsupported,
)

#: Codes of errors that have a meaning of their own. [docs/driver-protocol.md]
UNSUPPORTED, LIBRARY_FAILED, METHOD_NOT_FOUND = -32001, -32002, -32601

#: Seconds for one call, unless told otherwise. Handshakes of the slowest targets take a quarter of one.
TIME_LIMIT = 10.0

#: Bytes of private memory a driver may have.
MEMORY_LIMIT = 2 << 30

#: Longest answer, in bytes; a text of a megabyte in fragments takes less.
MAX_ANSWER = 16 << 20

#: Bytes of standard error that are kept.
STDERR_TAIL = 4096

_CHUNK = 1 << 16


class DriverProcess:
    """A running driver. `call` is the whole interface; not for use from several threads."""

    def __init__(self, name: str, command: Sequence[str | Path], time_limit: float = TIME_LIMIT) -> None:
        self.name = name
        self.time_limit = time_limit
        self._next_id = 0
        self._stderr = bytearray()
        try:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,  # a group of its own, so that its children can be ended with it
            )
        except OSError as error:
            raise TargetMissing(f"{name}: {command[0]} can't be started: {error.strerror}") from error
        if self._process.stdin is None or self._process.stdout is None or self._process.stderr is None:
            raise RuntimeError("a process without pipes")
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._err = self._process.stderr.fileno()
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe, False)
        self._limit_memory()
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN)
        self._poll.register(self._err, select.POLLIN)

    def _limit_memory(self) -> None:
        with suppress(ProcessLookupError):  # it has ended already, which the first call will notice
            resource.prlimit(self._process.pid, resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))

    @property
    def alive(self) -> bool:
        return self._process.returncode is None and self._process.poll() is None

    def call(self, method: str, params: Mapping[str, Any] | None = None, time_limit: float | None = None) -> Any:
        """Ask, and wait for the result. TargetError; after all but Unsupported and Failed the process is dead."""
        if self._process.returncode is not None:
            raise TargetCrash(f"{self.name}: {method} was called on a driver that has ended")
        self._next_id += 1
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        if params is not None:
            request["params"] = params
        deadline = time.monotonic() + (self.time_limit if time_limit is None else time_limit)
        line = self._exchange(method, json.dumps(request, separators=(",", ":")).encode() + b"\n", deadline)
        return self._result(method, line)

    def _exchange(self, method: str, request: bytes, deadline: float) -> bytes:
        """Send a line and take the one that comes back."""
        answer, waiting = bytearray(), memoryview(request)
        self._before(method)
        try:
            waiting = waiting[os.write(self._in, waiting) :]
        except BlockingIOError:
            pass  # its pipe is full; the loop goes on writing
        except BrokenPipeError:
            raise self._dead(method) from None
        if waiting:
            self._poll.register(self._in, select.POLLOUT)
        try:
            while not answer.endswith(b"\n"):
                left = deadline - time.monotonic()
                ready = self._poll.poll(left * 1000) if left > 0 else []
                if not ready:
                    raise self._kill(TargetHang, method, f"no answer within {self.time_limit:g} s")
                for pipe, _ in ready:
                    if pipe == self._in:
                        waiting = self._write(method, waiting)
                    else:
                        self._read(method, pipe, answer)
        finally:
            if len(request) > _CHUNK:
                self._stop_writing()
        if answer.count(b"\n") != 1:
            raise self._kill(TargetDesync, method, f"more than one line came back: {_shown(answer)}")
        return bytes(answer)

    def _before(self, method: str) -> None:
        """Nothing may be there before something was asked."""
        for pipe, event in self._poll.poll(0):
            if pipe == self._err:
                self._read(method, pipe, bytearray())
            elif event & select.POLLIN:
                unasked = os.read(self._out, _CHUNK)
                if unasked:
                    raise self._kill(TargetDesync, method, f"output that nobody asked for: {_shown(unasked)}")
                raise self._dead(method)

    def _write(self, method: str, waiting: memoryview) -> memoryview:
        try:
            waiting = waiting[os.write(self._in, waiting) :]
        except BrokenPipeError:
            raise self._dead(method) from None
        if not waiting:
            self._stop_writing()
        return waiting

    def _stop_writing(self) -> None:
        with suppress(KeyError):  # it was not registered, or not any more
            self._poll.unregister(self._in)

    def _read(self, method: str, pipe: int, answer: bytearray) -> None:
        chunk = os.read(pipe, _CHUNK)
        if pipe == self._err:
            self._stderr = (self._stderr + chunk)[-STDERR_TAIL:]
            if not chunk:
                self._poll.unregister(pipe)
        elif not chunk:
            if answer:
                raise self._kill(TargetDesync, method, f"half a line came back, then the end: {_shown(answer)}")
            raise self._dead(method)
        else:
            answer += chunk
            if len(answer) > MAX_ANSWER:
                raise self._kill(TargetDesync, method, f"an answer of more than {MAX_ANSWER} bytes")

    def _result(self, method: str, line: bytes) -> Any:
        try:
            answer = json.loads(line)
        except ValueError:  # a UnicodeDecodeError is one, too
            raise self._kill(TargetDesync, method, f"the answer is not JSON: {_shown(line)}") from None
        except RecursionError:
            raise self._kill(TargetDesync, method, "the answer is nested too deeply") from None
        if not isinstance(answer, dict) or answer.get("id") != self._next_id:
            raise self._kill(TargetDesync, method, f"not an answer to request {self._next_id}: {_shown(line)}")
        error = answer.get("error")
        if error is None:
            if "result" not in answer:
                raise self._kill(TargetDesync, method, f"neither result nor error: {_shown(line)}")
            return answer["result"]
        code = error.get("code") if isinstance(error, dict) else None
        text = f"{self.name}: {method}: {error.get('message') if isinstance(error, dict) else error}"
        if code in (UNSUPPORTED, METHOD_NOT_FOUND):
            raise TargetUnsupported(text)
        if code == LIBRARY_FAILED:
            raise TargetFailed(text)
        raise self._kill(TargetDesync, method, f"the driver rejects the request: {_shown(line)}")

    def _kill(self, kind: type[TargetError], method: str, what: str) -> TargetError:
        self.close()
        return kind(f"{self.name}: {method}: {what}{self._tail()}")

    def _dead(self, method: str) -> TargetError:
        """The error for a process that has closed its output."""
        try:
            code = self._process.wait(1)
        except subprocess.TimeoutExpired:
            return self._kill(TargetDesync, method, "it closed its standard output and lives on")
        self.close()
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return TargetCrash(f"{self.name}: {method}: {how}{self._tail()}")

    def _tail(self) -> str:
        text = self._stderr.decode(errors="replace").strip()
        return f"\nstandard error ends with:\n{text}" if text else ""

    def close(self) -> None:
        """End the process and its children, whatever they are doing."""
        with suppress(ProcessLookupError):  # nobody is left
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        try:
            while chunk := os.read(self._err, _CHUNK):
                self._stderr = (self._stderr + chunk)[-STDERR_TAIL:]
        except (BlockingIOError, ValueError, OSError):
            pass  # nothing more to be read
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def _shown(data: bytes | bytearray) -> str:
    text = ascii(bytes(data[:200]).decode(errors="replace"))
    return text if len(data) <= 200 else f"{text}... ({len(data)} bytes)"
