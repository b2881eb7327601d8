"""Worlds in which a session was established once, restored to that moment for each case that begins in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from otterproof.harness.judges.oracles import Oracles
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import Copyable
from otterproof.implementations.entropy import RecordingEntropy


class Prepared:
    """A world that can be restored to its present state, where a case starts. Only one case may use it at a time.

    Everything that a case can change is restored: the parties, the messages under way and those sent, the time, the
    count of steps, what was drawn, and what the oracles remember. A party without snapshots, because it is in another
    process, is left to the caller.
    """

    def __init__(self, world: World, oracles: Oracles, entropy: Mapping[str, RecordingEntropy]) -> None:
        self.world, self.oracles, self.entropy = world, oracles, entropy
        copyable = [party for party in world.parties.values() if isinstance(party, Copyable)]
        self._parties = [(party, party.snapshot()) for party in copyable]
        self._network, self._now, self._steps = world.network.snapshot(), world.now, world.steps
        self._watchers, self._judges = list(world.watchers), list(world.judges)
        lockstep = [party for party in world.parties.values() if isinstance(party, LockstepParty)]
        self._followers = [(party, party.follower) for party in lockstep]
        self._drawn = {name: source.snapshot() for name, source in entropy.items()}
        self._judged = oracles.snapshot()

    def go_back(self) -> None:
        """Restore the world for the next case."""
        for lockstep, follower in self._followers:
            lockstep.follower = follower
        for party, state in self._parties:
            party.restore(state)
        self.world.network.restore(self._network)
        self.world.now, self.world.steps = self._now, self._steps
        self.world.watchers[:], self.world.judges[:] = self._watchers, self._judges
        for name, source in self.entropy.items():
            source.restore(self._drawn[name])
        self.oracles.restore(self._judged)


class Session(Protocol):
    """A session that a driver has kept, and to which the driver has just been restored."""

    @property
    def prepared(self) -> Prepared:
        """The world of the session, without the driver's party."""
        ...

    @property
    def driver(self) -> DriverTarget:
        """The driver that has kept it, in a process of its own."""
        ...

    @property
    def met(self) -> Collection[str]:
        """The excuses that covered failures while the session was established."""
        ...

    def end(self) -> None:
        """End the driver's party, as the case is over. TargetError when the driver breaks down over that."""
        ...
