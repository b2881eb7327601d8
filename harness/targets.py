"""What can be judged: targets by name, and the parties that they make.

A target is an engine run in this process, or a third-party implementation behind the driver protocol; whoever judges it
sees only parties. An engine is never alone: its party runs in lockstep with the other engine, and the model follows.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from harness.drivers import THIRD_PARTIES, DriverTarget, TargetError
from harness.drivers.target import CAPABILITIES as DRIVER_CAPABILITIES
from harness.lockstep import EngineFactory, LockstepParty
from harness.model import Book, PartyModel
from harness.replay import PartyFactory
from harness.transcript import Header, PartyInfo
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


def party_again(target: str | None) -> PartyFactory:
    """Makes the parties of a transcript anew: the judged one from `target` if that is given."""

    def again(name: str, info: PartyInfo, header: Header) -> Party:
        player = target if target is not None and name == "target" else info.target
        return make(player).party(name, info.config, header.seed, None)

    return again


class UnknownTarget(LookupError):
    """There is no target of that name."""


#: A command line of the user's own that speaks the driver protocol.
EXEC = "exec:"


def make(name: str) -> Target:
    """The target of a name. UnknownTarget; TargetMissing when it can't be run here; TargetError when it misbehaves."""
    if name in ENGINES:
        return EngineTarget(name)
    if name in THIRD_PARTIES:
        return DriverTarget(name, THIRD_PARTIES[name].ready())
    if name.startswith(EXEC):
        words = shlex.split(name.removeprefix(EXEC))
        if not words:
            raise UnknownTarget(f"no command after {EXEC!r}; give one, as in 'exec:python3 my_driver.py'")
        return DriverTarget(name, words)
    known = ", ".join([*ENGINES, *THIRD_PARTIES])
    raise UnknownTarget(f"no target {name!r}; there are {known}, and {EXEC}COMMAND for a driver of your own")


@dataclass(frozen=True, slots=True)
class Listing:
    """A target as `otterproof targets` shows it. install: what would make it available, "" if it is."""

    name: str
    version: str
    available: bool
    capabilities: tuple[str, ...]
    install: str


def listing() -> Iterator[Listing]:
    """All targets by name. Drivers that can be built without fetching anything are built on the way."""
    for name in [*ENGINES, *THIRD_PARTIES]:
        third_party = THIRD_PARTIES.get(name)
        if third_party and third_party.downloads and not third_party.is_built():
            yield Listing(name, "", False, (), f"otterproof targets install {name}")
            continue
        try:
            target = make(name)
        except TargetError:
            yield Listing(name, "", False, (), third_party.install if third_party else "")
            continue
        yield Listing(name, target.version, True, tuple(sorted(target.capabilities)), "")
        target.close()
