"""A driver that sends one signal to the process that calls it: `python signaller.py MARK SPARED WHOM SIGNAL`.

MARK is a file that it creates afterwards. SPARED is the id of a process that never gets the signal. WHOM is `caller`,
or `group` for the caller's process group, as from a terminal. Otherwise it is the reference engine.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import Method, serve

MARK, SPARED, WHOM, SIGNAL = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], signal.Signals[sys.argv[4]]


class Signaller(Driver):
    def methods(self) -> dict[str, Method]:
        return super().methods() | {"create": self.send_and_create}

    def send_and_create(self, params: dict[str, Any]) -> dict[str, Any]:
        pid = caller()
        if pid != SPARED and first():
            if WHOM == "group":
                os.killpg(os.getpgid(pid), SIGNAL)
            else:
                os.kill(pid, SIGNAL)
        return self.create(params)


def first() -> bool:
    """Whether no other driver has come here before, of those that several workers start at the same time."""
    try:
        MARK.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def caller() -> int:
    """The process that calls this driver: its parent, or the first ancestor that is not a guard of drivers."""
    pid, proc = os.getppid(), Path("/proc")
    while proc.is_dir() and b"guard.py" in (proc / str(pid) / "cmdline").read_bytes():
        pid = int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return pid


if __name__ == "__main__":
    serve(Signaller("reference").methods())
