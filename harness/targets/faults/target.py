"""A fault as a target: its engine alone, as a third party's is."""

from __future__ import annotations

from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.loader import engine

#: What the name of a target that is a fault begins with.
PREFIX = "fault:"


class FaultTarget(SingleEngineTarget):
    """The engine with the fault of that name ("fault:NAME" or NAME); what judges it has to notice by itself."""

    def __init__(self, name: str) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault, engine(self.fault))
