"""A fault as a target: its engine, in lockstep with the genuine one.

The party's first difference from the genuine engine raises Divergence. Checks that look at the party from outside see
the faulty engine, for it comes first.
"""

from __future__ import annotations

from harness.faults.loader import engine
from harness.targets import LockstepTarget
from implementations.contract import Engine, Entropy, PartyConfig
from implementations.reference import ReferenceEngine

#: What the name of a target that is a fault begins with.
PREFIX = "fault:"


class FaultTarget(LockstepTarget):
    """The engine with the fault of that name ("fault:NAME" or NAME). lockstep: beside the genuine one, else alone."""

    def __init__(self, name: str, *, lockstep: bool = True) -> None:
        self.fault = name.removeprefix(PREFIX)
        super().__init__(PREFIX + self.fault)
        self._make = engine(self.fault)
        self._lockstep = lockstep

    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        engines: dict[str, Engine] = {"fault": self._make(config, entropy)}
        if self._lockstep:
            engines["reference"] = ReferenceEngine(config, entropy)
        return engines
