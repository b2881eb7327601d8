"""The search: states level by level, each expanded once, every new step judged.

A state is a node of each party's graph, and the messages that the adversary holds. Its key is made of digests, so that
it is the same in every process. Of two moves of different parties that do not need each other, only one order is
tried: after a move of the first party, the others only receive what that move sent. The state at which the other order
arrives is the same, and is reached at the same depth, for the moves of the first party are never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from otterproof.harness.judges.model import NameTable
from otterproof.harness.judges.oracles import Oracles
from otterproof.harness.judges.oracles.remembering import State as Memory
from otterproof.harness.runs.explore.alphabet import Alphabet
from otterproof.harness.runs.explore.one_party import TWO_SIDED, Edge, ExploredParty, Node
from otterproof.harness.runs.explore.replayed import ReplayedParty
from otterproof.harness.runs.fuzz.case import SEED, Setup, opening, party_of
from otterproof.harness.simulation.moves import Inject, Move, Tick, User
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import Party
from otterproof.implementations.contract import PartyConfig
from otterproof.implementations.entropy import SeededEntropy

#: A state's key: the digests of its nodes, and the sum of those of its messages.
Key = bytes


class Path(NamedTuple):
    """How a state was reached: the state before it, by its own path, and the last move. None at the root."""

    before: Path | None
    move: Move

    def moves(self) -> list[Move]:
        """All moves, in their order."""
        found: list[Move] = []
        at: Path | None = self
        while at is not None:
            found.append(at.move)
            at = at.before
        return found[::-1]


@dataclass(slots=True)
class State:
    """A state that is to be expanded.

    nodes: of the parties, in their order. held: the messages that the adversary holds, by number. total: the sum of
    their digests. fresh: those that the last move sent, if that was one of the first party; else None. memory: of the
    oracles that look at both sides.
    """

    nodes: tuple[Node, ...]
    held: frozenset[int]
    total: int
    fresh: frozenset[int] | None
    memory: Memory
    path: Path | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A step that broke a rule, or at whose end the parties could not talk again (at_end)."""

    path: Path | None
    error: Exception
    at_end: bool = False


@dataclass(slots=True)
class Expansion:
    """What one more move in a state gave. reached: the states that are new; steps: how many moves were looked at."""

    reached: dict[Key, State] = field(default_factory=dict)
    steps: int = 0
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that the adversary holds. moves: how it is handed over, by the number of the party that receives it."""

    digest: int
    moves: Mapping[int, tuple[Inject, ...]]


def _party(setup: Setup, name: str, config: PartyConfig) -> Party:
    """Who plays a party; a target that is not an engine in this process plays it again for each state."""
    target = setup.target
    if isinstance(target, DriverTarget) and name == setup.role:
        return ReplayedParty(target.another, name, config, SEED)
    return party_of(setup, name, config, SeededEntropy(SEED).child(name))


class Search:
    """Expands states. The same search must expand all the states that it has made."""

    def __init__(self, alphabet: Alphabet, setup: Setup, *, reduced: bool = True) -> None:
        """setup: what the parties are made from. reduced: of two moves that do not need each other, try one order."""
        self._alphabet, self._reduced = alphabet, reduced
        configs = setup.configs()
        made = {name: _party(setup, name, config) for name, config in configs.items()}
        # The model follows all of them or none. [otterproof.harness.runs.fuzz.case]
        book = NameTable() if all(isinstance(party, LockstepParty) for party in made.values()) else None
        foreign = {} if setup.in_process else {setup.role: setup.capabilities}
        self.parties = [
            ExploredParty(name, party, configs[name], book, foreign.get(name)) for name, party in made.items()
        ]
        first, *others = configs
        routes = {first: others, **{name: [first] for name in others}}
        self._numbers = {name: number for number, name in enumerate(configs)}
        self._world = World({party.name: party for party in self.parties}, routes)
        self._oracles = Oracles(self._world, *TWO_SIDED, configs=configs, foreign=foreign)
        self._world.watchers.append(self._oracles)
        self._users = [
            [user for user in alphabet.actions(party.name) if setup.fitted(user) is not None] for party in self.parties
        ]
        self._held: list[_Held] = []
        self._known: dict[tuple[str, bytes], int] = {}
        self._healed: set[Key] = set()
        self._world.run(move for move in map(setup.fitted, opening(setup)) if move is not None)
        sent = frozenset(self._number(one.sender, one.message) for one in self._world.network.history)
        self._clear()
        nodes = tuple(party.node for party in self.parties)
        self.root = State(nodes, sent, self._total(sent), None, self._oracles.snapshot(), None)

    def close(self) -> None:
        """End what plays the parties in this process."""
        for one in self.parties:
            if isinstance(one.party, ReplayedParty):
                one.party.close()

    @property
    def sizes(self) -> list[int]:
        """How many states each party has been seen in."""
        return [party.size for party in self.parties]

    def key(self, state: State) -> Key:
        """What tells a state from all others."""
        parts = [node.id for node in state.nodes] + [state.total]
        return blake2b(b"".join(part.to_bytes(16, "big") for part in parts), digest_size=16).digest()

    def expand(self, state: State, seen: set[Key]) -> Expansion:
        """Make every move in a state. seen: the keys of states that are not new; those of new ones are added."""
        found = Expansion()
        for move, edge in self._moves(state):
            if edge is not None and edge.impossible:
                continue
            found.steps += 1
            if edge is not None and edge.judged and (edge.idle or edge.failure is not None):
                continue
            self._go_to(state)
            try:
                self._world.apply(move)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is told, and where)
                found.broken.append(Broken(Path(state.path, move), error))
                continue
            finally:
                if edge is not None:
                    edge.judged = True
            if edge is not None and edge.idle:
                continue
            reached = self._reached(state, move)
            key = self.key(reached)
            if key not in seen:
                seen.add(key)
                found.reached[key] = reached
        return found

    def heal(self, state: State) -> Broken | None:
        """Have the parties talk again, once from each pair of nodes; what went wrong when they tried."""
        pair = b"".join(node.id.to_bytes(16, "big") for node in state.nodes)
        if pair in self._healed:
            return None
        self._healed.add(pair)
        self._go_to(state)
        try:
            self._oracles.check_healing()
        except Exception as error:  # noqa: BLE001
            return Broken(state.path, error, at_end=True)
        return None

    def _moves(self, state: State) -> Iterator[tuple[Move, Edge | None]]:
        """The moves that are to be made in a state; with its edge, where one party alone moves."""
        for number, party in enumerate(self.parties):
            later = self._reduced and number > 0 and state.fresh is not None
            party.node = node = state.nodes[number]
            for user in () if later else self._users[number]:
                party.node = node
                yield user, party.edge(user.action, user.args)
            for held in sorted(state.fresh or () if later else state.held):
                for move in self._held[held].moves.get(number, ()):
                    party.node = node
                    yield move, party.edge("receive", {"message": move.message})
        for seconds in self._alphabet.ticks:
            yield Tick(seconds), None

    def _reached(self, before: State, move: Move) -> State:
        """The state that the world is in now."""
        sent = {self._number(one.sender, one.message) for one in self._world.network.history}
        new = frozenset(sent - before.held)
        mover = move.party if isinstance(move, User) else move.to if isinstance(move, Inject) else ""
        return State(
            tuple(party.node for party in self.parties),
            before.held | new if new else before.held,
            (before.total + self._total(new)) % (1 << 128),
            new if mover == self.parties[0].name else None,
            self._oracles.snapshot(),
            Path(before.path, move),
        )

    def _go_to(self, state: State) -> None:
        for party, node in zip(self.parties, state.nodes, strict=True):
            party.node = node
        self._oracles.restore(state.memory)
        self._world.now = state.nodes[0].now
        self._clear()

    def _clear(self) -> None:
        """Nothing is under way but what the adversary holds."""
        self._world.network.history.clear()
        for queue in self._world.network.queues.values():
            queue.clear()

    def _number(self, sender: str, message: bytes) -> int:
        """The number of a message, which says who sent it."""
        known = self._known.get((sender, message))
        if known is None:
            known = self._known[sender, message] = len(self._held)
            receivers = [*self._world.network.routes[sender], *([sender] if self._alphabet.reflects else [])]
            forms = (message, *self._alphabet.forms(message))
            moves = {self._numbers[name]: tuple(Inject(name, form) for form in forms) for name in receivers}
            digest = blake2b(sender.encode() + b" " + message, digest_size=16).digest()
            self._held.append(_Held(int.from_bytes(digest), moves))
        return known

    def _total(self, numbers: Iterable[int]) -> int:
        return sum(self._held[number].digest for number in numbers) % (1 << 128)
