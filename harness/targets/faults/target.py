"""A fault as a target: its engine runs alone, like a third-party implementation."""

from __future__ import annotations

from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.loader import engine

#: The prefix of a fault's name as a target.
PREFIX = "fault:"


class FaultTarget(SingleEngineTarget):
    """The engine with the fault of that name ("fault:NAME" or NAME); its judges have to notice the fault."""

    def __init__(self, name: str) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault, engine(self.fault))
