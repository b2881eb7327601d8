"""What can be judged: what a target is, and the project's own engines as targets.

A target is an engine run in this process, or a third-party implementation behind the driver protocol; what judges it
sees only parties. An engine of the project's runs in lockstep with the other engine; one that
may be wrong is alone (`SingleEngineTarget`), as a third-party implementation is. `registry` has the targets by name.
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

#: The engines of the project by the name of their target.
ENGINES: dict[str, EngineFactory] = {"reference": ReferenceEngine, "independent": IndependentEngine}

#: What engines in this process can do: all that a driver can claim, and "lockstep": they show their secrets, can be
#: taken back to an earlier state, and give the same bytes for the same seed, so that others can run beside them.
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
    def fixed_policy(self) -> Policy | None:
        """The only policy that its parties can have; None: any."""
        ...

    @property
    def longest_text(self) -> int | None:
        """The most bytes of a text that a user of it can send; None: any."""
        ...

    @property
    def silent_refresh(self) -> bool:
        """Whether its user is not told of every handshake that renews a session."""
        ...

    @property
    def randomness(self) -> str:
        """How far a run can be repeated: "tape", "seed" or "none". [docs/reference/driver-protocol.md]"""
        ...

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        """A new party; the same seed makes the same party.

        tape: values that it draws in place of those that follow from the seed; only where `randomness` is "tape".
        """
        ...

    def reset(self) -> None:
        """Forget all parties; the next case begins. TargetError, as `finish`."""
        ...

    def finish(self) -> None:
        """The case is over: forget all parties. TargetError when that goes wrong, which the case is to blame for."""
        ...

    def leave(self) -> None:
        """All cases are over: end what runs, as it wants to be ended.

        TargetError: what went wrong then, or earlier between two cases, for which no case is to blame.
        """
        ...

    def close(self) -> None:
        """The target is not needed any more; how it ends does not matter."""
        ...


@runtime_checkable
class TakesPictures(Protocol):
    """A target that may have a screen."""

    def picture(self, party: str) -> bytes:
        """What the user of a party sees now, as a PNG file; b"" where there is no screen. TargetError."""
        ...


@runtime_checkable
class TellsEdges(Protocol):
    """A target that may be able to say what was reached of its code."""

    @property
    def coverage(self) -> bool:
        """Whether it can."""
        ...

    def edges(self, *, begin: bool = False) -> frozenset[int]:
        """What was reached since counting began and not told yet, as numbers that stand for themselves. TargetError.

        begin: it begins now.
        """
        ...


class InProcess(ABC):
    """A target that is an engine in this process, or several of them."""

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
        """A party; nobody follows."""

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
    """An engine by itself: the scenario has to notice what is wrong with it. There is no model that follows."""

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
        """The engine that is judged, and after it whatever it is compared with."""

    def engine(self, config: PartyConfig, entropy: Entropy) -> LockstepParty:
        return LockstepParty(self.name, self.engines(config, entropy))

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> Party:
        party = self.engine(config, entropy_of(name, seed, tape))
        party.name = name
        return party


class EngineTarget(LockstepTarget):
    """An engine of the project, and the other one."""

    def engines(self, config: PartyConfig, entropy: Entropy) -> dict[str, Engine]:
        first_this_one = sorted(ENGINES, key=lambda engine: engine != self.name)
        return {name: ENGINES[name](config, entropy) for name in first_this_one}
