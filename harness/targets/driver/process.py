"""One driver as a process: requests go in, answers come out, and nothing that the driver does can harm the harness.

Every call has a time limit. The output is bounded and must be exactly one line that answers the request; anything else
ends the process, with all that it has started. The end of standard error is kept, because it often says why. After a
failure the process is dead and a new one must be started.
"""

from __future__ import annotations

import json
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from textwrap import indent
from typing import Any, TypeVar

from otterproof.harness.support.defaults import TIME_LIMIT
from otterproof.harness.support.printable import printable
from otterproof.harness.support.signals import name_of
from otterproof.harness.targets.driver.answer import result_of, shown
from otterproof.harness.targets.driver.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetHang,
    TargetMissing,
    TargetUnsupported,
)
from otterproof.harness.targets.driver.guarded import Guarded
from otterproof.harness.targets.driver.sanitizer import headline_of, report_of

E = TypeVar("E", bound=TargetError)

#: The most bytes of memory for a driver together with all that it has started. MEMORY_VARIABLE in the environment
#: overrides it, in MiB; 0 is no limit, which a driver built with AddressSanitizer needs.
MEMORY_LIMIT = 2 << 30
MEMORY_VARIABLE = "OTTERPROOF_DRIVER_MEMORY"

#: The longest answer, in bytes; a text of a megabyte in fragments takes less.
MAX_ANSWER = 16 << 20

#: The bytes of standard error that are kept: from its end, and from the beginning of a call. Go and Java say what went
#: wrong at the beginning of a long trace.
STDERR_TAIL, STDERR_HEAD = 4096, 1024

#: The clock for time limits, in seconds. Tests have a clock of their own.
clock: Callable[[], float] = time.monotonic

#: Seconds for a driver to end by itself after it has closed its output.
_GRACE = 3.0

#: Seconds for a driver that has answered nonsense to die from the same cause.
_AGONY = 0.5

_CHUNK = 1 << 16

#: Receives every line that is exchanged, requests (">") and answers ("<"), complete or not, and why a process was ended
#: ("!").
Trace = Callable[[str, bytes], None]


def memory_limit() -> int | None:
    """Bytes that a driver may use, None for no limit. Raises TargetMissing if the environment has no valid limit."""
    told = os.environ.get(MEMORY_VARIABLE)
    if told is None:
        return MEMORY_LIMIT
    if not told.isascii() or not told.isdecimal() or len(told) > 9:
        raise TargetMissing(f"{MEMORY_VARIABLE}={told!r}: set it to a number of MiB, 0 for no limit, or unset it")
    return int(told) << 20 or None


class DriverProcess:
    """A running driver. `call` is the whole interface; not thread-safe."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        time_limit: float = TIME_LIMIT,
        trace: Trace | None = None,
        *,
        sanitized: bool = False,
    ) -> None:
        """Start it.

        sanitized: it is built with AddressSanitizer, which reserves the whole address space, so no limit can be set.
        """
        self.name = name
        self.time_limit = time_limit
        self.trace = trace
        self._next_id = 0
        self._stderr = bytearray()
        self._stderr_head = bytearray()
        self._unshown = bytearray()
        self._limit = None if sanitized else memory_limit()
        self._last = ""
        self._method = ""  # the method that errors are about
        self._leaving = False
        try:
            self._process = Guarded([str(word) for word in command], self._limit)
        except (OSError, ValueError) as error:  # ValueError: NUL or a lone surrogate in a word
            why = error.strerror if isinstance(error, OSError) else error
            raise TargetMissing(f"{name}: {command[0]} can't be started: {why}") from error
        self.closed = False
        self._in, self._out, self._err = self._process.stdin, self._process.stdout, self._process.stderr
        self._poll = select.poll()
        for pipe in (self._in, self._out, self._err):
            os.set_blocking(pipe, False)
        for pipe in (self._out, self._err, self._process.told):
            self._poll.register(pipe, select.POLLIN)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is running."""
        return not self.closed and not self._process.ended

    @property
    def idle(self) -> bool:
        """Whether the process is running and has said nothing since its last answer."""
        return self.alive and not any(pipe == self._out for pipe, _ in self._poll.poll(0))

    @property
    def standard_error(self) -> str:
        """The end of its standard error so far, made printable."""
        if not self.closed:
            self._drain_stderr()
        return printable(self._stderr.decode(errors="replace"), lines=True)

    # ---- calls -------------------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        params: Mapping[str, Any] | None = None,
        time_limit: float | None = None,
        meanwhile: Callable[[], None] | None = None,
    ) -> Any:
        """Call a method and wait for the result. TargetError; after all but Unsupported and Failed, it is dead.

        meanwhile: called when the request has been sent; its time does not count. It must not raise an error, nor call
        this driver.
        """
        self._method = "exit" if self._leaving else method
        if self.closed:
            raise TargetCrash(f"{self.name}: {method} was called on a driver that has ended", method=self._method)
        self._next_id += 1
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": self._next_id, "method": method}
        if params is not None:
            request["params"] = params
        line = json.dumps(request, separators=(",", ":")).encode() + b"\n"
        self._show(">", line)
        answer = self._exchange(method, line, self.time_limit if time_limit is None else time_limit, meanwhile)
        self._last = method
        self._show_answer()
        try:
            return result_of(answer, self._next_id, self.name, method)
        except TargetDesync as error:
            raise self.end(TargetDesync, str(error)) from None

    def _show(self, direction: str, line: bytes) -> None:
        if self.trace is not None:
            self.trace(direction, line)

    def _show_answer(self) -> None:
        """Pass on to the trace what came since the last time."""
        if self._unshown:
            self._show("<", bytes(self._unshown))
            self._unshown = bytearray()

    def _exchange(self, method: str, request: bytes, seconds: float, meanwhile: Callable[[], None] | None) -> bytes:
        """Send a line and return the one that comes back."""
        self._nothing_unasked(method)
        answer = self._unshown = bytearray()
        self._stderr_head = bytearray()
        waiting = self._write(method, memoryview(request))
        if meanwhile is not None:
            meanwhile()
        deadline = clock() + seconds
        if waiting:
            self._poll.register(self._in, select.POLLOUT)
        try:
            while not answer.endswith(b"\n"):
                left = deadline - clock()
                if left <= 0:
                    raise self._too_late(method, seconds, answer)
                ready = [pipe for pipe, _ in self._poll.poll(left * 1000)]
                if self._out not in ready and self._process.told in ready and self._is_over():
                    raise self._dead(method, answer)
                for pipe in ready:
                    if pipe == self._in:
                        waiting = self._write(method, waiting)
                        if not waiting:
                            self._poll.unregister(self._in)
                    elif pipe == self._err:
                        self._hear()
                    elif pipe == self._out:
                        self._read(method, answer)
        finally:
            if waiting and not self.closed:
                self._poll.unregister(self._in)
        if waiting:
            raise self.end(TargetDesync, f"{self.name}: {method}: an answer before the request was read")
        return bytes(answer)

    def _nothing_unasked(self, method: str) -> None:
        """Fail if there is output before a request."""
        for pipe, event in self._poll.poll(0):
            if pipe == self._err:
                self._hear()
            elif pipe == self._out and event & select.POLLIN:
                raise self._unasked()
            elif pipe == self._out or self._process.ended:
                raise self._dead(method, b"")

    def _unasked(self) -> TargetError:
        """The error for output without a request."""
        output = os.read(self._out, _CHUNK)
        self._unshown += output
        after = f"after its answer to {self._last}" if self._last else "before the first request"
        return self.end(TargetDesync, f"{self.name}: unexpected output {after}: {shown(output)}")

    def _is_over(self) -> bool:
        """Whether it has ended and left no output. The pipe need not be closed: children may hold it open."""
        return self._process.ended and not any(
            pipe == self._out and event & select.POLLIN for pipe, event in self._poll.poll(0)
        )

    def _write(self, method: str, waiting: memoryview) -> memoryview:
        """Write what can be written; return what is left."""
        try:
            return waiting[os.write(self._in, waiting) :]
        except BlockingIOError:
            return waiting  # its pipe is full
        except BrokenPipeError:
            raise self._dead(method, b"") from None

    def _read(self, method: str, answer: bytearray) -> None:
        """Read what has come: at most one line, of limited length."""
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
        """Read what has come on standard error."""
        try:
            chunk = os.read(self._err, _CHUNK)
        except BlockingIOError:
            return
        self._keep(chunk)
        if not chunk:
            self._poll.unregister(self._err)

    # ---- ends --------------------------------------------------------------------------------------------------------

    def _too_late(self, method: str, seconds: float, answer: bytearray) -> TargetError:
        if self._process.ended:
            return self._dead(method, answer)
        if answer:
            what = f"incomplete line; no more output within {seconds:g} s: {shown(answer)}"
            return self.end(TargetDesync, f"{self.name}: {method}: {what}")
        return self.end(TargetHang, f"{self.name}: {method}: no answer within {seconds:g} s")

    def _dead(self, method: str, answer: bytes | bytearray) -> TargetError:
        """The error for a process that has closed one of its pipes, or ended."""
        if not self._ends_within(_GRACE):
            return self.end(TargetDesync, f"{self.name}: {method}: it closed its pipes, but is still running")
        return self._crash(f"{self.name}: {method}: ", f", after an incomplete line: {shown(answer)}" if answer else "")

    def _crash(self, before: str, after: str = "") -> TargetCrash:
        """The error for a process that has ended."""
        self.close()
        code = self._process.code
        if self._process.excess and self._limit is not None:
            how = f"uses more than {self._limit >> 20} MiB of memory, together with what it has started, and was ended"
            word = "memory"
        elif code is None:
            how, word = "killed together with the process that guards it", "killed"
        elif code >= 0:
            how, word = f"ended with exit code {code}", f"exit-{code}"
        else:
            how, word = f"killed by {name_of(-code)}", name_of(-code).lower().replace(" ", "-")
        whole = self._stderr if self._stderr_head in self._stderr else self._stderr_head + b"\n" + self._stderr
        said = bytes(whole)
        if report := report_of(said):
            how, word = f"{how}, after the report: {headline_of(said)}", report
        text = f"{before}{how}{after}{self._tail()}"
        return self._shown(TargetCrash(text, method=self._method, how=word, code=code))

    def _shown(self, error: E) -> E:
        """Add standard error to the error for which the process has ended, and pass it on to the trace."""
        error.standard_error = self.standard_error
        self._show_answer()
        self._show("!", str(error).encode(errors="backslashreplace"))
        return error

    def end(self, kind: type[TargetError], what: str) -> TargetError:
        """End the process for an error of this kind, and return the error; a crash, if it was ending by itself."""
        if kind is TargetDesync and self._ends_within(_AGONY):
            as_asked = self._leaving and self._process.code == 0
            if not as_asked:
                return self._crash(f"{what}; then ")
        self.close()
        return self._shown(kind(what + self._tail(), method=self._method))

    def _ends_within(self, seconds: float) -> bool:
        """Whether the process ends by itself within this time."""
        deadline = clock() + seconds
        while not self._process.ended:
            if clock() > deadline:
                return False
            self._drain_stderr()  # it may have more to say than a pipe holds
            time.sleep(0.002)
        return True

    def _tail(self) -> str:
        """Standard error, indented, so that none of its lines looks like one of the harness's."""
        head = "" if self._stderr_head in self._stderr else f"\nstandard error begins with:\n{_told(self._stderr_head)}"
        tail = _told(self._stderr)
        return f"{head}\nstandard error ends with:\n{tail}" if tail else ""

    def shutdown(self, seconds: float) -> None:
        """Ask the process to end, so that it can write its exit files (a profile, say), and verify that it does.

        seconds: the time for its answer, and then for its end. Raises TargetError if it takes longer, dies from it,
        ends with an exit code other than 0, or has anything more to say. Afterwards it is dead in any case.
        """
        if self.closed:
            return
        self._leaving = True
        try:
            try:
                self.call("shutdown", time_limit=seconds)
            except (TargetUnsupported, TargetFailed) as error:
                raise self.end(TargetDesync, f"it answered shutdown with an error: {error}") from None
            self._process.close_stdin()
            self._ends(seconds)
        finally:
            self.close()

    def _ends(self, seconds: float) -> None:
        """Watch it end after it was asked to."""
        deadline = clock() + seconds
        over = False
        while not over:
            left = deadline - clock()
            if left <= 0:
                what = f"shutdown: it has answered, and has not ended within {seconds:g} s"
                raise self.end(TargetHang, f"{self.name}: {what}")
            for pipe, event in self._poll.poll(left * 1000):
                if pipe == self._err:
                    self._hear()
                elif pipe == self._out and event & select.POLLIN:
                    raise self._unasked()
                elif pipe == self._out:
                    self._poll.unregister(pipe)  # it has closed it
                else:
                    over = self._is_over()
        if self._process.code != 0 or self._process.excess:
            raise self._crash(f"{self.name}: shutdown: ")

    def close(self) -> None:
        """End the process and all that it has started, whatever they are doing."""
        if self.closed:
            return
        self.closed = True
        self._process.close()
        self._drain_stderr()
        self._process.close_pipes()

    def _drain_stderr(self) -> None:
        """Read the rest of standard error. Bounded, because a child may go on writing."""
        for _ in range(16):
            try:
                chunk = os.read(self._err, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                return
            self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        """Keep what came on standard error."""
        self._stderr = (self._stderr + chunk)[-STDERR_TAIL:]
        self._stderr_head = (self._stderr_head + chunk)[:STDERR_HEAD]


def _told(said: bytearray) -> str:
    """What a process said, as lines."""
    text = said.decode(errors="replace").strip().replace("\r\n", "\n").expandtabs(4)
    return indent(printable(text, lines=True), "  ")
