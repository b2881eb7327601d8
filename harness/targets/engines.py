"""What a target is, and the project's own engines as targets.

A target is an engine run in this process, or a third-party implementation behind the driver protocol; judges see only
parties. The project's engines run in lockstep with each other; an engine that may be wrong runs alone
(`SingleEngineTarget`), like a third-party implementation. `registry` has the targets by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from otterproof.harness.targets.driver.giving_up import GivingUp
from otterproof.harness.targets.driver.target import CAPABILITIES as DRIVER_CAPABILITIES
from otterproof.harness.targets.guarded import GuardedEngine
from otterproof.harness.targets.lockstep import EngineFactory, LockstepParty
from otterproof.harness.targets.party import Party
from otterproof.implementations.contract import Engine, Entropy, PartyConfig, Policy
from otterproof.implementations.entropy import Tape, entropy_of
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.reference import ReferenceEngine

#: The project's engines by the names of their targets.
ENGINES: dict[str, EngineFactory] = {"reference": ReferenceEngine, "independent": IndependentEngine}

#: The capabilities of engines in this process: everything that a driver can claim, and "lockstep": they show their
#: secrets, can return to an earlier state, and give the same bytes for the same seed, so others can run beside them.
CAPABILITIES = DRIVER_CAPABILITIES | {"lockstep"}


class Target(Protocol):
    """Something that creates parties to be judged."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def capabilities(self) -> frozenset[str]: ...

    @property
    def fixed_policy(self) -> Policy | None:
        """The only policy that its parties can have; None: any."""
        ...

    @property
    def longest_text(self) -> int | None:
        """The most bytes in a text that its user can send; None: any."""
        ...

    @property
    def silent_refresh(self) -> bool:
        """Whether its user might not be told of a handshake that renews a session."""
        ...

    @property
    def randomness(self) -> str:
        """How far a run can be repeated: "tape", "seed" or "none". [docs/reference/driver-protocol.md]"""
        ...

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        """Create a party; the same seed makes the same party.

        tape: values to draw instead of those from the seed; only if `randomness` is "tape".
        """
        ...

    def reset(self) -> None:
        """Forget all parties; the next case begins. Raises TargetError, as `finish` does."""
        ...

    def finish(self) -> None:
        """End the case: forget all parties. Raises TargetError on failure, for which the case is to blame."""
        ...

    def leave(self) -> None:
        """End what is running, properly, when all cases are over.

        Raises TargetError for problems then, or earlier between two cases, for which no case is to blame.
        """
        ...

    def close(self) -> None:
        """Close a target that is not needed any more; how it ends does not matter."""
        ...


@runtime_checkable
class TakesPictures(Protocol):
    """A target that may have a screen."""

    def picture(self, party: str) -> bytes:
        """What the user of a party sees now, as a PNG file; b"" without a screen. Raises TargetError."""
        ...


@runtime_checkable
class TellsEdges(Protocol):
    """A target that may be able to report code coverage."""

    @property
    def coverage(self) -> bool:
        """Whether it can."""
        ...

    def edges(self, *, begin: bool = False) -> frozenset[int]:
        """The edges reached since counting began and not yet reported. Raises TargetError.

        The numbers have no further meaning. begin: start counting now.
        """
        ...


class InProcess(ABC):
    """A target made of one or more engines in this process."""

    version = "1"
    capabilities = CAPABILITIES
    randomness = "tape"
    fixed_policy: Policy | None = None
    longest_text: int | None = None
    silent_refresh = False

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def engine(self, config: PartyConfig, entropy: Entropy) -> Engine:
        """Create a party without a model that follows it."""

    @abstractmethod
    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        """See Target."""

    def reset(self) -> None:  # noqa: B027 (not abstract: there is nothing to do)
        """Nothing outlives its world."""

    def finish(self) -> None:  # noqa: B027
        """Nothing to forget."""

    def leave(self) -> None:  # noqa: B027
        """Nothing that runs."""

    def close(self) -> None:  # noqa: B027
        """Nothing to close."""


class SingleEngineTarget(InProcess):
    """An engine by itself: the scenario has to notice what is wrong with it. No model follows it."""

    def __init__(self, name: str, make: EngineFactory) -> None:
        super().__init__(name)
        self._make = make
        self.giving_up = GivingUp()

    def engine(self, config: PartyConfig, entropy: Entropy) -> Engine:
        return GuardedEngine(self.name, self._make, config, entropy, self.giving_up)

    def reset(self) -> None:
        """The next case begins."""
        self.giving_up.next_case()

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        return self.engine(config, entropy_of(name, seed, tape))


class LockstepTarget(InProcess):
    """An engine in this process beside another one; the model can follow its parties."""

    @abstractmethod
    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        """The engine that is judged, followed by those it is compared with."""

    def engine(self, config: PartyConfig, entropy: Entropy) -> LockstepParty:
        return LockstepParty(self.name, self.engines(config, entropy))

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        party = self.engine(config, entropy_of(name, seed, tape))
        party.name = name
        return party


class EngineTarget(LockstepTarget):
    """One of the project's engines, beside the other one."""

    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        first_this_one = sorted(ENGINES, key=lambda engine: engine != self.name)
        return {name: ENGINES[name](config, entropy) for name in first_this_one}
