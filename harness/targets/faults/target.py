"""A fault as a target: its engine alone, as a third party's is, or beside a genuine one."""

from __future__ import annotations

from otterproof.harness.targets.engines import LockstepTarget, SingleEngineTarget
from otterproof.harness.targets.faults.loader import engine
from otterproof.implementations.contract import Engine, Entropy, PartyConfig
from otterproof.implementations.independent import IndependentEngine

#: What the name of a target that is a fault begins with.
PREFIX = "fault:"


class FaultTarget(SingleEngineTarget):
    """The engine with the fault of that name ("fault:NAME" or NAME); what judges it has to notice by itself."""

    def __init__(self, name: str) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault, engine(self.fault))


class ComparedFaultTarget(LockstepTarget):
    """The engine with the fault of that name, and the independent engine, which differ wherever the fault shows."""

    def __init__(self, name: str) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault)

    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        return {self.name: engine(self.fault)(config, entropy), "independent": IndependentEngine(config, entropy)}
