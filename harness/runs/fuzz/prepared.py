"""The sessions in which cases begin: worlds in which one was brought about, taken back to that moment for each case."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from otterproof.harness.judges.oracles import Oracles
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import Copyable
from otterproof.implementations.entropy import RecordingEntropy


class Prepared:
    """A world that can be taken back to the present moment, where a case starts. It is used by one case at a time.

    All that a case can change is taken back: what the parties are, what is under way and what was sent, time, the count
    of steps, what was drawn, and what the oracles remember. A party that has no snapshots, because it is in another
    process, is left to the caller.
    """

    def __init__(self, world: World, oracles: Oracles, entropy: Mapping[str, RecordingEntropy]) -> None:
        self.world, self.oracles, self.entropy = world, oracles, entropy
        copyable = [party for party in world.parties.values() if isinstance(party, Copyable)]
        self._parties = [(party, party.snapshot()) for party in copyable]
        self._network, self._now, self._steps = world.network.snapshot(), world.now, world.steps
        self._watchers = list(world.watchers)
        lockstep = [party for party in world.parties.values() if isinstance(party, LockstepParty)]
        self._followers = [(party, party.follower) for party in lockstep]
        self._drawn = {name: source.snapshot() for name, source in entropy.items()}
        self._judged = oracles.snapshot()

    def go_back(self) -> None:
        """The next case starts."""
        for lockstep, follower in self._followers:
            lockstep.follower = follower
        for party, state in self._parties:
            party.restore(state)
        self.world.network.restore(self._network)
        self.world.now, self.world.steps = self._now, self._steps
        self.world.watchers[:] = self._watchers
        for name, source in self.entropy.items():
            source.restore(self._drawn[name])
        self.oracles.restore(self._judged)


class Session(Protocol):
    """A session that a driver has kept, which is where the driver is now."""

    @property
    def prepared(self) -> Prepared:
        """All of it but the party of the driver."""
        ...

    @property
    def met(self) -> Collection[str]:
        """The excuses for what would have failed before it was there."""
        ...

    def end(self) -> None:
        """The case is over: the driver forgets its party. TargetError when it breaks down over that."""
        ...
