"""The parts of differential scenarios: a compared target, and its honest peers or an insider.

A run records what the target and the peers do; the verdict says what the reference engine did instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps

from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.simulation.network import Network
from otterproof.harness.simulation.record import Record, Recorded
from otterproof.harness.simulation.transcript import PartyInfo
from otterproof.harness.targets.engines import InProcess
from otterproof.harness.targets.lockstep import EngineFactory, LockstepParty
from otterproof.harness.testkit.context import ALLOW, PEER_TAG, TARGET, TARGET_TAG, Context
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import Engine, Event, PartyConfig, Policy
from otterproof.implementations.entropy import Tape
from otterproof.implementations.reference import ReferenceEngine

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3

#: The seed for all parties' random values.
SEED = b"differential"


class ComparedTarget(LockstepParty):
    """The target's engine and the reference engine, which must do the same. record: what the target's engine does."""

    def __init__(self, record: Record, engines: dict[str, Engine]) -> None:
        super().__init__(TARGET, engines)
        self.record = record


class Comparison:
    """Makes compared targets and the parties around them, in a context's protocol version."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.version = context.version

    def target(
        self,
        policy: Policy | None = None,
        *,
        tag: int | None = TARGET_TAG,
        size: int | None = None,
        tape: Tape | None = None,
    ) -> ComparedTarget:
        """A target. tape: values for some of its random draws."""
        config = PartyConfig(published_key("alice"), ALLOW[self.version] if policy is None else policy, tag, size)
        record = self.record(config, tape)
        engines = {name: make(config, record.header.entropy(TARGET)) for name, make in self.engines().items()}
        return ComparedTarget(record, engines | {TARGET: Recorded(record, TARGET, engines[TARGET])})

    def record(self, config: PartyConfig, tape: Tape | None = None) -> Record:
        """Begin the record of a run whose target has this configuration."""
        return self.context.record({TARGET: PartyInfo(self.context.target.name, config, tape or {})}, SEED)

    def engines(self) -> dict[str, EngineFactory]:
        """The target's engine and the one that it is compared with."""
        judged = self.context.target
        if not isinstance(judged, InProcess):
            raise TypeError(f"{judged.name} claims lockstep and is not an engine")
        return {TARGET: judged.engine, "reference": ReferenceEngine}

    def conversation(
        self, policy: Policy | None = None, *, size: int | None = None, tape: Tape | None = None
    ) -> ComparedConversation:
        """A target and honest peers."""
        return ComparedConversation(self, self.target(policy, size=size, tape=tape))

    def insider(self, policy: Policy | None = None) -> tuple[ComparedTarget, Insider]:
        """A target, and a peer whose messages the scenario makes."""
        return self.target(policy), self.new_insider()

    def new_insider(self, key: str = "mallory", seed: bytes = b"insider") -> Insider:
        return Insider(published_key(key), TARGET_TAG, version=self.version, tag=PEER_TAG, seed=seed)


class ComparedConversation:
    """A target and honest clients of its correspondent, on a network."""

    def __init__(self, comparison: Comparison, target: ComparedTarget) -> None:
        self.comparison = comparison
        self.target = target
        self.parties: dict[str, Engine] = {"target": target}
        self.routes = {"peer": ["target"], "target": ["peer"]}
        self.network = Network(self.routes)
        self.join("peer", PEER_TAG)

    def join(self, name: str, tag: int, *, key: str = "bob", size: int | None = None, tape: Tape | None = None) -> None:
        """Add a client of the correspondent, which receives everything that the target sends."""
        config = PartyConfig(published_key(key), BOTH, tag, size)
        record = self.target.record
        record.join(name, PartyInfo("reference", config, tape or {}))
        self.parties[name] = Recorded(record, name, ReferenceEngine(config, record.header.entropy(name)))
        if name not in self.routes:
            self.routes[name] = ["target"]
            self.routes["target"].append(name)
        self.queues[name] = []

    @property
    def queues(self) -> dict[str, list[bytes]]:
        """The messages that wait for each party."""
        return self.network.queues

    def act(self, party: str, action: str, **args: object) -> list[bytes]:
        """A user acts; the messages that this sends, which are now on their way."""
        return self._sent(party, getattr(self.parties[party], action)(**args) or ())

    def deliver(self, party: str, message: bytes) -> list[bytes]:
        """A party receives a message; the messages that it sends, which are now on their way."""
        return self._sent(party, self.parties[party].receive(message))

    def _sent(self, party: str, events: Sequence[Event]) -> list[bytes]:
        messages = outgoing(events)
        for message in messages:
            self.network.send(party, message)
        return messages

    def pop(self, party: str) -> bytes:
        """Take the next message for a party out of its queue."""
        return self.queues[party].pop(0)

    def deliver_next(self, party: str) -> list[bytes]:
        """A party receives the next message in its queue."""
        return self.deliver(party, self.pop(party))

    def settle(self, *to: str) -> None:
        """Deliver all messages, or all those for some parties, in the order in which the parties are named."""
        for party, message in self.network.deliveries(to=to or None):
            self.deliver(party, message)

    def act_and_settle(self, party: str, action: str, **args: object) -> None:
        """A user acts, and all messages that follow are delivered."""
        self.act(party, action, **args)
        self.settle()

    def start(self, asks: str = "peer") -> None:
        """A whole handshake, requested by the target or by the peer."""
        self.deliver("peer" if asks == "target" else "target", b"?OTRv%d?" % self.comparison.version)
        self.settle()

    def exchange_texts(self, rounds: int = 3) -> None:
        """Exchange texts, so that keys change."""
        for number in range(rounds):
            self.act_and_settle("target", "send", text=b"from the target %d" % number)
            self.act_and_settle("peer", "send", text=b"from the peer %d" % number)

    def set_time(self, now: int) -> None:
        for party in self.parties.values():
            party.set_time(now)

    def drop_all(self) -> None:
        """All messages on their way are lost."""
        for queue in self.queues.values():
            queue.clear()


DifferentialScenario = Callable[[Comparison], None]


def differential(
    *requirements: str, versions: tuple[int, ...] = (2, 3)
) -> Callable[[DifferentialScenario], DifferentialScenario]:
    """Make a function a differential scenario. requirements: those that it judges."""

    def register(run: DifferentialScenario) -> DifferentialScenario:
        @scenario(versions=versions, needs=("lockstep",), requirements=requirements)
        @wraps(run)
        def judged(context: Context) -> None:
            run(Comparison(context))

        return run

    return register
