"""Drivers of the reference engine that tests have changed, and a count of what a driver is asked."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.process import Trace

DRIVER = """
import os, sys
from otterproof.harness.targets.faults.loader import engine
from otterproof.implementations.drivers.engine.driver import Driver
from otterproof.implementations.drivers.linejson import serve

methods = Driver("reference", {make}).methods()
{changes}
serve(methods)
"""


class Asked(Counter[str]):
    """How often each method was called; used as a Trace, which sees every line."""

    def __call__(self, direction: str, line: bytes) -> None:
        if direction == ">":
            self[line.partition(b'"method":"')[2].partition(b'"')[0].decode()] += 1


def changed(folder: Path, changes: str = "", *, fault: str = "", trace: Trace | None = None) -> DriverTarget:
    """A driver of the reference engine, or of its copy with a fault. changes: Python that may replace its `methods`."""
    path = folder / "driver.py"
    path.write_text(DRIVER.format(make=f"engine({fault!r})" if fault else "None", changes=changes))
    return DriverTarget("changed", [sys.executable, str(path)], trace=trace)
