"""What can be judged: what a target is, and the project's own engines as targets.

A target is an engine run in this process, or a third-party implementation behind the driver protocol; whoever judges it
sees only parties. An engine is never alone: its party runs in lockstep with the other engine, and the model follows.
Targets by name are in roster.py.
"""

from __future__ import annotations

from typing import Protocol

from harness.drivers.target import CAPABILITIES as DRIVER_CAPABILITIES
from harness.lockstep import EngineFactory, LockstepParty
from harness.model import Book, PartyModel
from harness.world import Party
from implementations.contract import Entropy, PartyConfig
from implementations.entropy import SeededEntropy
from implementations.independent import IndependentEngine
from implementations.reference import ReferenceEngine

#: The engines of the project by the name of their target.
ENGINES: dict[str, EngineFactory] = {"reference": ReferenceEngine, "independent": IndependentEngine}

#: What this project's engines can do: all that a driver can claim, and "lockstep": snapshots, and a second engine at
#: their side.
CAPABILITIES = DRIVER_CAPABILITIES | {"lockstep"}


class Target(Protocol):
    """Something that makes parties to be judged."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]: ...

    @property
    def randomness(self) -> str:
        """How far a run can be repeated: "tape", "seed" or "none". [docs/driver-protocol.md]"""
        ...

    def party(self, name: str, config: PartyConfig, seed: bytes, book: Book | None) -> Party:
        """A new party; the same seed makes the same party.

        book: the model's, if it is to follow, which it can only when it follows all parties of a world. Only those
        that claim "lockstep" can be followed.
        """
        ...

    def reset(self) -> None:
        """Forget all parties; the next case begins."""
        ...

    def close(self) -> None:
        """The target is not needed any more."""
        ...


class EngineTarget:
    """An engine of the project, in lockstep with the other one and followed by the model."""

    version = "1"
    capabilities = CAPABILITIES
    randomness = "tape"

    def __init__(self, name: str) -> None:
        self.name = name
        self._order = sorted(ENGINES, key=lambda engine: engine != name)

    def engine(self, config: PartyConfig, entropy: Entropy) -> LockstepParty:
        """The engine and the other one, in lockstep; nobody follows."""
        engines = {name: ENGINES[name](config, entropy) for name in self._order}
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
