"""An engine as third-party implementations appear: behind the driver protocol, visible only by its messages and events.

No other engine runs beside it, nobody chooses what it draws, and it shows neither its state nor its secrets unless
configured to. It claims every other capability of a driver, so it gets every scenario for a black box. It runs in this
process, and draws the same values from a seed as an engine that is judged without a driver.
"""

from __future__ import annotations

from otterproof.harness.targets.driver.giving_up import GivingUp
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.targets.guarded import GuardedEngine
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.harness.targets.odd import OddTarget, Quirks
from otterproof.implementations.contract import Engine, Entropy, PartyConfig
from otterproof.implementations.entropy import SeededEntropy, Tape, entropy_of

#: The capabilities of a driver that shows memory.
SHOWS = frozenset({"dump"})


class LeanTarget(OddTarget):
    """An engine of that make behind the driver protocol, as a Target. shows: the SHOWS capabilities it claims."""

    def __init__(self, name: str, make: EngineFactory, shows: frozenset[str] = frozenset()) -> None:
        super().__init__(name, Quirks(lacks=SHOWS - shows, screen=True), self._guarded)
        self.giving_up = GivingUp()
        self._make_engine = make
        #: For the next party that is created; a restarted one draws what the driver gives it.
        self._entropy: Entropy | None = None

    def party(self, name: str, config: PartyConfig, seed: bytes, *, tape: Tape | None = None) -> DriverParty:
        """A new party."""
        self._entropy = entropy_of(name, seed, tape)
        return super().party(name, config, seed)

    def _guarded(self, config: PartyConfig, given: Entropy | None) -> Engine:
        """The engine of a party, which is created when the driver is asked for the party."""
        entropy, self._entropy = self._entropy or given or SeededEntropy(b""), None
        return GuardedEngine(self.name, self._make_engine, config, entropy, self.giving_up)
