"""A driver that kills the process that started it, once: `python parricide.py MARK SPARED`.

MARK is a file that it makes when it has done so, SPARED the id of a process that it never kills. Otherwise it is the
reference engine.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from implementations.drivers.engine.driver import Driver
from implementations.drivers.linejson import Method, serve

MARK, SPARED = Path(sys.argv[1]), int(sys.argv[2])


class Parricide(Driver):
    def methods(self) -> dict[str, Method]:
        return super().methods() | {"create": self.kill_and_create}

    def kill_and_create(self, params: dict[str, Any]) -> dict[str, Any]:
        if os.getppid() == SPARED:
            return self.create(params)
        try:
            MARK.touch(exist_ok=False)
        except FileExistsError:
            return self.create(params)
        os.kill(os.getppid(), signal.SIGKILL)
        return self.create(params)


if __name__ == "__main__":
    serve(Parricide("reference").methods())
