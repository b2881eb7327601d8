"""A driver that sends a signal to whoever started it, once: `python signaller.py MARK SPARED WHOM SIGNAL`.

MARK is a file that it makes when it has done so, SPARED the id of a process to which it never sends one, WHOM `parent`
or `group`, which is the parent's, as a terminal does. Otherwise it is the reference engine.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from implementations.drivers.engine.driver import Driver
from implementations.drivers.linejson import Method, serve

MARK, SPARED, WHOM, SIGNAL = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], signal.Signals[sys.argv[4]]


class Signaller(Driver):
    def methods(self) -> dict[str, Method]:
        return super().methods() | {"create": self.send_and_create}

    def send_and_create(self, params: dict[str, Any]) -> dict[str, Any]:
        parent = os.getppid()
        if parent != SPARED and not MARK.exists():
            MARK.touch()
            if WHOM == "group":
                os.killpg(os.getpgid(parent), SIGNAL)
            else:
                os.kill(parent, SIGNAL)
        return self.create(params)


if __name__ == "__main__":
    serve(Signaller("reference").methods())
