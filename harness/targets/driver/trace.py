"""The lines of the driver protocol in a file, for authors of drivers who want to see what was exchanged.

One file takes the lines of all processes that judge a target: each process appends whole lines, so that lines never
mix, and each line says which process wrote it. A driver's output is foreign: it is kept as JSON if it is strictly valid
JSON, otherwise as escaped text, so every line of the file is one JSON object in ASCII. [docs/reference/results.md]
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from otterproof.harness.targets.driver.answer import parsed
from otterproof.harness.targets.driver.errors import TargetDesync


class TraceFile:
    """Appends every line that is exchanged to a file. A process has one for its driver, and passes it to DriverTarget.

    scenario: the id of the scenario being run, "" outside of one. failed: why lines are missing from the file, "" if
    none are. That raises no exception, because a driver's answers count whether or not they can be recorded.
    """

    def __init__(self, path: Path, *, begin: bool = False) -> None:
        """begin: the first line replaces the content of the file."""
        self.scenario = ""
        self.failed = ""
        self._path = path
        self._mode = os.O_TRUNC if begin else os.O_APPEND

    def __call__(self, direction: str, line: bytes) -> None:
        """Add a request (">"), an answer ("<"), or why the process was ended ("!")."""
        if self.failed:
            return
        entry = {
            "time": round(time.time(), 6),
            "pid": os.getpid(),
            "scenario": self.scenario,
            "direction": direction,
            **_content(line),
        }
        # DEL is the one control character that JSON leaves unescaped.
        text = json.dumps(entry, separators=(",", ":")).replace("\x7f", "\\u007f")
        try:
            self._write(text.encode() + b"\n")
        except OSError as error:
            self.failed = f"the trace {self._path}: {error.strerror or error}"

    def _write(self, data: bytes) -> None:
        """Append data to the file, in one piece. Raises OSError."""
        file = os.open(self._path, os.O_WRONLY | self._mode | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._mode = os.O_APPEND
        try:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            while data:
                data = data[os.write(file, data) :]
        finally:
            os.close(file)


def _content(line: bytes) -> dict[str, Any]:
    """The content of a line: `line` if it is a JSON object, otherwise `text`."""
    try:
        return {"line": parsed(line, "trace")}
    except TargetDesync:
        return {"text": line.decode(errors="backslashreplace")}
