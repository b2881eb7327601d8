"""The states of one party: a graph in which each state is made once, whatever the others do meanwhile.

A node is a state of the party with everything that belongs to it: the engines, the model that follows them, and the
memory of the oracles that look at one party alone. An edge is an input and what it leads to; it is computed and judged
when it is first taken, and looked up from then on. Two nodes are the same if the model's state, the state that the
party shows, and all its secrets are the same. If no model follows, the engine's whole state is compared instead of the
model's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeAlias

from otterproof.harness.judges.model import NameTable, PartyModel
from otterproof.harness.judges.model.state import State as ModelState
from otterproof.harness.judges.oracles import ORACLES, Drawn, Oracles
from otterproof.harness.judges.oracles.memory import Forgetting
from otterproof.harness.judges.oracles.remembering import State as Memory
from otterproof.harness.runs.explore.errors import NotRepeatable
from otterproof.harness.runs.explore.form import form
from otterproof.harness.simulation.world import World
from otterproof.harness.spec.checks import level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.support.excused import excusing
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import ActionDispatcher, Copyable, LeavesOut, Party, ShowsSecrets, state_of
from otterproof.implementations.contract import (
    Event,
    MessageRejected,
    PartyConfig,
    PartySnapshot,
    Policy,
)

#: An input: the action, and its arguments in order.
Input: TypeAlias = tuple[str, tuple[tuple[str, object], ...]]

#: The oracles that judge each party by itself, and those that look at both sides.
ONE_SIDED = tuple(name for name, oracle in ORACLES.items() if oracle.one_sided)
TWO_SIDED = tuple(name for name, oracle in ORACLES.items() if not oracle.one_sided)


class Node:
    """One state of a party.

    id: a digest of the whole state, the same in every process. moment: a snapshot of the party. memory: of the oracles
    that judge it by itself. shown, secrets: what the party shows of itself.
    """

    __slots__ = ("edges", "id", "memory", "moment", "now", "secrets", "shown")

    def __init__(
        self,
        id: int,
        moment: object,
        memory: Memory,
        now: int,
        shown: PartySnapshot | None,
        secrets: Mapping[str, bytes],
    ) -> None:
        self.id = id
        self.moment = moment
        self.memory = memory
        self.now = now
        self.shown = shown
        self.secrets = secrets
        self.edges: dict[Input, Edge] = {}


@dataclass(slots=True)
class Edge:
    """The result of an input: events, including messages, and a node; or an exception.

    idle: nothing changed and nothing was sent, so the run is where it was. judged: the oracles that look at both sides
    have seen it, which for an idle edge is enough.
    """

    events: Sequence[Event] = ()
    node: Node | None = None
    failure: Exception | None = None
    idle: bool = False
    judged: bool = False
    noted: tuple[Exception, ...] = ()
    impossible: bool = False


class SuspendedDemands:
    """Demands that are no longer made, because they have failed once.

    Non-binding demands always become such, so that problems behind them are found too; binding ones do if the
    exploration is to keep going.
    """

    def __init__(self, *, keep_going: bool) -> None:
        self._keep_going = keep_going
        self._checks: set[str] = set()

    def excusing(self) -> AbstractContextManager[set[str]]:
        """A context in which these demands are not made."""
        return excusing(self._checks)

    def goes_on(self, error: Exception) -> bool:
        """Whether the run continues after this failed demand, which is then no longer made."""
        if not isinstance(error, DemandFailed) or error.check in self._checks:
            return False
        if not self._keep_going and level_of(error.check) is Level.MUST:
            return False
        self._checks.add(error.check)
        return True


class DemandSuspended(Exception):
    """A demand failed on the way, and the run continues; reported once, when the edge is first taken."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class _BranchingModel(PartyModel):
    """A model whose snapshots exclude the book: all branches share it, because a name has the same value in each."""

    def snapshot(self) -> object:
        return self.state

    def restore(self, state: object) -> None:
        if not isinstance(state, ModelState):
            raise TypeError("not a snapshot of this model; pass what snapshot() returned")
        self.state = state


class ExploredParty(ActionDispatcher):
    """A party that walks its graph of states; its snapshots are nodes.

    party: the explored party, which must have snapshots. book: the names that the models of all parties share; None: no
    model follows. foreign: the capabilities of a party that is not an engine of this project; None for an engine.
    suspended: shared by all parties. drawn: what its source of randomness has given in any of its states; in each of
    them, the same label and number give the same value.
    """

    def __init__(
        self,
        name: str,
        party: Party,
        config: PartyConfig,
        book: NameTable | None,
        suspended: SuspendedDemands,
        foreign: frozenset[str] | None = None,
        drawn: Drawn = dict,
    ) -> None:
        if not isinstance(party, Copyable):
            raise TypeError(f"{type(party).__name__} can't be taken back to an earlier state")
        self.name = name
        self.party = party
        self._suspended = suspended
        self._copyable: Copyable = party
        self._model: PartyModel | None = None
        if book is not None and isinstance(party, LockstepParty):
            self._model = party.follower = _BranchingModel(name, config, book)
            party.name = name
        self._world = World({name: party}, {name: ()})
        # The memory of a party that is not an engine of ours can't be seen.
        ids = [one for one in ONE_SIDED if foreign is None or one != Forgetting.id]
        strangers = {} if foreign is None else {name: foreign}
        self._oracles = Oracles(self._world, *ids, configs={name: config}, foreign=strangers, drawn={name: drawn})
        self._world.judges.append(self._oracles)
        self._nodes: dict[int, Node] = {}
        self._live: Node | None = None
        self.node = self._reached()

    @property
    def instance_tag(self) -> int:
        return self.party.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self.party.fingerprint

    @property
    def untold(self) -> Collection[tuple[str, str]]:
        """See `LeavesOut`."""
        return self.party.untold if isinstance(self.party, LeavesOut) else ()

    @property
    def size(self) -> int:
        """The number of states that the party has been seen in."""
        return len(self._nodes)

    def inspect(self) -> PartySnapshot | None:
        return self.node.shown

    def secrets(self) -> Mapping[str, bytes]:
        return self.node.secrets

    def snapshot(self) -> object:
        return self.node

    def restore(self, state: object) -> None:
        if not isinstance(state, Node):
            raise TypeError("not a snapshot of this party; pass what snapshot() returned")
        self.node = state

    def set_time(self, now: int) -> None:
        self._do("set_time", now=now)

    def set_policy(self, policy: Policy) -> None:
        self._do("set_policy", policy=policy)

    def edge(self, action: str, args: Mapping[str, object]) -> Edge:
        """The edge from the party's present state. The party stays there."""
        key = action, tuple(args.items())
        known = self.node.edges.get(key)
        if known is None:
            known = self.node.edges[key] = self._made(action, args)
        return known

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        edge = self.edge(action, {name: value for name, value in args.items() if value is not None})
        if edge.noted:
            first, *rest = edge.noted
            edge.noted = tuple(rest)
            raise DemandSuspended(first)
        if edge.node is None:
            raise edge.failure or RuntimeError(f"{action} led nowhere")
        self.node = edge.node
        return edge.events

    def _made(self, action: str, args: Mapping[str, object]) -> Edge:
        noted: list[Exception] = []
        while True:
            try:
                edge = self._attempt(action, args)
            except DemandFailed as error:
                if not self._suspended.goes_on(error):
                    return Edge(failure=error, noted=tuple(noted))
                noted.append(error)
            else:
                edge.noted = tuple(noted)
                return edge

    def _attempt(self, action: str, args: Mapping[str, object]) -> Edge:
        """Compute an edge. Raises DemandFailed; other failures are stored in the edge."""
        node = self.node
        if self._live is not node:
            self._copyable.restore(node.moment)
            self._oracles.restore(node.memory)
            self._world.now = node.now
        self._live = None
        try:
            if action == "set_time":
                self._set_time(args)
                events: Sequence[Event] = ()
            else:
                with self._suspended.excusing():
                    events = self._world.step(self.name, action, args)
        except (DemandFailed, NotRepeatable):
            raise
        except Exception as error:  # noqa: BLE001 (it is stored, and raised when a run gets here)
            return Edge(failure=error, impossible=isinstance(error, TargetUnsupported))
        finally:
            self._world.network.history.clear()
        known = self.size
        reached = self._reached()
        self._live = reached if self.size > known else None
        idle = reached is node and all(isinstance(event, MessageRejected) for event in events)
        return Edge(events, reached, idle=idle)

    def _set_time(self, args: Mapping[str, object]) -> None:
        now = args["now"]
        assert isinstance(now, int)
        self.party.set_time(now)
        self._world.now = now

    def _reached(self) -> Node:
        """The node of the party's present state."""
        shown = state_of(self.party)
        secrets = self.party.secrets() if isinstance(self.party, ShowsSecrets) else {}
        moment = self._copyable.snapshot()
        inside = self._model.state if self._model is not None else moment
        made_up_of = form((inside, shown, sorted(secrets.items()), self._world.now)).encode()
        digest = int.from_bytes(blake2b(made_up_of, digest_size=16).digest())
        known = self._nodes.get(digest)
        if known is None:
            known = self._nodes[digest] = Node(
                digest, moment, self._oracles.snapshot(), self._world.now, shown, secrets
            )
        return known
