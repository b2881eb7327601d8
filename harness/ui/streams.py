"""Standard output and standard error, guarded so that neither can spoil a run or its exit code.

What can't be written to standard output is lost, and the command must not end as if it had been shown: a full disk is
an error, and a reader that has gone (`| head`) ends the command quietly. Standard error has progress and messages,
which do not affect the result, so its errors are ignored.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, NoReturn, TextIO

from otterproof.harness.support.outputs import OutputError

STANDARD_OUTPUT = "standard output"


class ReaderGone(Exception):
    """The program that read standard output has ended, so there is nobody to report to."""


class _Stream(io.TextIOBase):
    """A stream behind a guard. Everything unguarded is passed to the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self.failed(error)
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self.failed(error)

    def failed(self, error: OSError) -> None:
        """Discard all further output, including what Python writes on exit."""
        with suppress(OSError, ValueError):  # a test's stream has no descriptor
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Output(_Stream):
    def failed(self, error: OSError) -> NoReturn:
        super().failed(error)
        if isinstance(error, BrokenPipeError):
            raise ReaderGone from error
        raise OutputError(STANDARD_OUTPUT, error) from error


@contextmanager
def guarded() -> Iterator[None]:
    """Guard both streams. Any write, and leaving the context, may raise ReaderGone or OutputError."""
    _fill_gaps()
    if sys.stdout is None:
        raise OutputError(STANDARD_OUTPUT, OSError(errno.EBADF, "it is closed"))
    errors = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, errors):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for an encoding that lacks some characters
    output = _Output(sys.stdout)
    with redirect_stderr(_Stream(errors)), redirect_stdout(output):
        try:
            yield
        finally:
            output.flush()


def _fill_gaps() -> None:
    """Open /dev/null for each closed standard stream; otherwise the first file opened would take its place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
