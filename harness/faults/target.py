"""A fault as a target: its engine alone, so that a scenario has to notice by itself."""

from __future__ import annotations

from harness.faults.loader import engine
from harness.targets import SoloTarget

#: What the name of a target that is a fault begins with.
PREFIX = "fault:"


class FaultTarget(SoloTarget):
    """The engine with the fault of that name ("fault:NAME" or NAME)."""

    def __init__(self, name: str) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault, engine(self.fault))
