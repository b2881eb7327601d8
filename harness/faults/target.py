"""A fault as a target: its engine, in lockstep with the genuine one.

The party's first difference from the genuine engine raises Divergence. Checks that look at the party from outside see
the faulty engine, for it comes first.
"""

from __future__ import annotations

from harness.faults.loader import engine
from harness.lockstep import LockstepParty
from harness.model import Book, PartyModel
from harness.targets import CAPABILITIES
from harness.world import Party
from implementations.contract import Entropy, PartyConfig
from implementations.entropy import SeededEntropy
from implementations.reference import ReferenceEngine

#: What the name of a target that is a fault begins with.
PREFIX = "fault:"


class FaultTarget:
    """The engine with the fault of that name ("fault:NAME" or NAME). lockstep: beside the genuine one, else alone."""

    version = "1"
    capabilities = CAPABILITIES
    randomness = "tape"

    def __init__(self, name: str, *, lockstep: bool = True) -> None:
        self.fault = name.removeprefix(PREFIX)
        self.name = PREFIX + self.fault
        self._engine = engine(self.fault)
        self._lockstep = lockstep

    def engine(self, config: PartyConfig, entropy: Entropy) -> LockstepParty:
        """The faulty engine, and with lockstep the genuine one beside it; nobody follows."""
        engines = {"fault": self._engine(config, entropy)}
        if self._lockstep:
            engines["reference"] = ReferenceEngine(config, entropy)
        return LockstepParty(self.name, engines)

    def party(self, name: str, config: PartyConfig, seed: bytes, book: Book | None) -> Party:
        party = self.engine(config, SeededEntropy(seed).child(name))
        party.name = name
        if book is not None:
            party.follower = PartyModel(name, config, book)
        return party

    def reset(self) -> None:
        """Nothing outlives its world."""

    def close(self) -> None:
        """Nothing to close."""
