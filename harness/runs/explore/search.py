"""The search: states level by level, each expanded once, every new step judged.

A state consists of a node of each party's graph and the messages that the adversary holds. Its key is made of digests,
so it is the same in every process. If two parties make independent moves, only one order is tried: after a move of the
first party, the others only receive what that move sent. The other order leads to the same state at the same depth,
because moves of the first party are never skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple, TypeAlias

from otterproof.harness.judges.model import NameTable
from otterproof.harness.judges.oracles import Oracles
from otterproof.harness.judges.oracles.remembering import State as Memory
from otterproof.harness.runs.explore.alphabet import Alphabet
from otterproof.harness.runs.explore.errors import NotRepeatable
from otterproof.harness.runs.explore.one_party import (
    TWO_SIDED,
    DemandSuspended,
    Edge,
    ExploredParty,
    Node,
    SuspendedDemands,
)
from otterproof.harness.runs.explore.replayed import Past, ReplayedParty
from otterproof.harness.runs.fuzz.case import SEED, Setup, opening, party_of, tape_of
from otterproof.harness.simulation.moves import Inject, Move, Tick
from otterproof.harness.simulation.world import World
from otterproof.harness.targets.driver import DriverTarget, TargetError
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import Party
from otterproof.implementations.contract import Entropy, PartyConfig
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy

#: Sums of digests are taken modulo this.
_SPACE = 1 << 128

#: A state's key: the digests of its nodes, and the sum of its messages' digests.
Key: TypeAlias = bytes

#: A move, labelled the same in every process and every run of one search: (party number, number of the user's action);
#: (party number, digest of a message, number of its form); or (-1, number of the time step).
Label: TypeAlias = tuple[int, ...]

#: What parties other than the first may receive next, if nothing else is worth trying; None: everything.
Fresh: TypeAlias = frozenset[int] | None


def narrowed(one: Fresh, other: Fresh) -> Fresh:
    """What is left to try in a state that was reached in two ways: what neither of them makes redundant."""
    if one is None or other is None:
        return other if one is None else one
    return one & other


class Path(NamedTuple):
    """How a state was reached: the path of the state before it, and the last move. None at the root."""

    before: Path | None
    move: Move
    label: Label

    def all(self) -> list[Path]:
        """The paths to all states on the way, in order."""
        found: list[Path] = []
        at: Path | None = self
        while at is not None:
            found.append(at)
            at = at.before
        return found[::-1]


@dataclass(slots=True)
class State:
    """A state to expand.

    nodes: of the parties, in order. held: the digests of the messages that the adversary holds. total: their sum.
    fresh: the messages that the last move sent, if the first party made it; else None. If several moves of the first
    party led here, those that all of them sent. memory: of the oracles that look at both sides.
    """

    key: Key
    nodes: tuple[Node, ...]
    held: frozenset[int]
    total: int
    fresh: Fresh
    memory: Memory
    path: Path | None


@dataclass(frozen=True, slots=True)
class Broken:
    """A step that broke a rule, or after which the parties could not talk again (at_end)."""

    path: Path | None
    error: Exception
    at_end: bool = False


@dataclass(slots=True)
class Expansion:
    """The results of one more move in a state.

    reached: the new states, by their keys. again: known states that were reached, and what is now fresh in them, unless
    that is everything. steps: how many moves were tried.
    """

    reached: dict[Key, State] = field(default_factory=dict)
    again: list[tuple[Key, frozenset[int]]] = field(default_factory=list)
    steps: int = 0
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Held:
    """A message that the adversary holds. moves: its deliveries, by the number of the receiving party."""

    moves: Mapping[int, tuple[Inject, ...]]


def _party(setup: Setup, name: str, config: PartyConfig, entropy: Entropy) -> Party:
    """Create a party's player; a target that is not an engine in this process is recreated for each state."""
    target = setup.target
    if isinstance(target, DriverTarget) and name == setup.role:
        # From scratch there is little to repeat, and a copy of a driver would cost more than that.
        return ReplayedParty(target.another, name, config, SEED, copying=setup.start != "scratch")
    return party_of(setup, name, config, entropy)


class Search:
    """Expands states. A state must be expanded by the search that made it."""

    def __init__(self, alphabet: Alphabet, setup: Setup, *, reduced: bool = True, keep_going: bool = False) -> None:
        """setup: what the parties are made from. reduced: try one order of independent moves.

        keep_going: also report failures of binding rules just once, and continue the run.
        """
        self._alphabet, self._reduced = alphabet, reduced
        self._suspended = SuspendedDemands(keep_going=keep_going)
        configs = setup.configs()
        entropy = {name: RecordingEntropy(SeededEntropy(SEED).child(name)) for name in configs}
        made = {name: _party(setup, name, config, entropy[name]) for name, config in configs.items()}
        # The model follows all parties or none. [otterproof.harness.runs.fuzz.case]
        book = NameTable() if all(isinstance(party, LockstepParty) for party in made.values()) else None
        foreign = {} if setup.in_process else {setup.role: setup.capabilities}
        self.parties = [
            ExploredParty(name, party, configs[name], book, self._suspended, foreign.get(name), tape_of(entropy[name]))
            for name, party in made.items()
        ]
        first, *others = configs
        routes = {first: others, **{name: [first] for name in others}}
        self._numbers = {name: number for number, name in enumerate(configs)}
        self._world = World({party.name: party for party in self.parties}, routes)
        self._oracles = Oracles(self._world, *TWO_SIDED, configs=configs, foreign=foreign)
        self._world.judges.append(self._oracles)
        self._users = [
            [user for user in alphabet.actions(party.name) if setup.fitted(user) is not None] for party in self.parties
        ]
        self._held: dict[int, _Held] = {}
        self._known: dict[tuple[str, bytes], int] = {}
        self._healed: set[Key] = set()
        #: The rules broken on the way to the root, and whether the root was reached.
        self.opening: list[Broken] = []
        self.opened = self._open(setup)
        self.root = self._here()
        self._clear()

    def _open(self, setup: Setup) -> bool:
        """Establish the sessions in which all runs begin; return whether that worked.

        Raises TargetError if a target behind a driver breaks down, since nothing can be explored then.
        """
        moves = [move for move in map(setup.fitted, opening(setup)) if move is not None]
        made, errors = self._attempt(self._here(), lambda: self._world.run(moves))
        if not made and isinstance(errors[-1], TargetError) and not setup.in_process:
            raise errors[-1]
        self.opening = [Broken(None, error) for error in errors]
        return made

    def _here(self) -> State:
        """The world's present state, with only the messages sent since it was cleared."""
        held = self._sent()
        total = sum(held) % _SPACE
        nodes = tuple(party.node for party in self.parties)
        return State(_key(nodes, total), nodes, held, total, None, self._oracles.snapshot(), None)

    def close(self) -> None:
        """End what plays the parties in this process."""
        for one in self.parties:
            if isinstance(one.party, ReplayedParty):
                one.party.close()

    @property
    def sizes(self) -> list[int]:
        """The number of states in which each party has been seen."""
        return [party.size for party in self.parties]

    def expand(self, state: State, seen: set[Key]) -> Expansion:
        """Make every move in a state. seen: the keys of known states; those of new ones are added."""
        found = Expansion()
        for label, move, edge in self._moves(state):
            if edge is not None and edge.impossible:
                continue
            found.steps += 1
            if edge is not None and edge.judged and (edge.idle or edge.failure is not None):
                continue
            path = Path(state.path, move, label)
            made = self._made(state, path, found)
            if edge is not None:
                edge.judged = True
            if not made or (edge is not None and edge.idle):
                continue
            self._arrive(state, path, label[0] == 0, seen, found)
        return found

    def follow(self, state: State, label: Label, fresh: Fresh) -> State | None:
        """The state to which a move leads; None if that can't be found out. fresh: in that state."""
        found = Expansion()
        path = Path(state.path, self.move(label), label)
        if not self._made(state, path, found):
            return None
        self._arrive(state, path, label[0] == 0, set(), found)
        (reached,) = found.reached.values()
        reached.fresh = fresh
        return reached

    def move(self, label: Label) -> Move:
        """The move with a label; the message that it delivers must have been sent. Raises LookupError."""
        if label[0] < 0:
            return Tick(self._alphabet.ticks[label[1]])
        if len(label) == 2:
            return self._users[label[0]][label[1]]
        number, digest, form = label
        return self._held[digest].moves[number][form]

    def heal(self, state: State) -> list[Broken]:
        """Have the parties talk again, once from each pair of nodes; return what went wrong."""
        pair = b"".join(node.id.to_bytes(16, "big") for node in state.nodes)
        if pair in self._healed:
            return []
        self._healed.add(pair)
        errors = self._attempt(state, self._oracles.check_healing)[1]
        return [Broken(state.path, error, at_end=True) for error in errors]

    def _made(self, state: State, path: Path, found: Expansion) -> bool:
        """Make a move in a state; return whether it completed."""
        made, errors = self._attempt(state, lambda: self._world.apply(path.move))
        found.broken += [Broken(path, error) for error in errors]
        return made

    def _attempt(self, state: State, what: Callable[[], object]) -> tuple[bool, list[Exception]]:
        """Do something in a state; return whether it completed, and what went wrong on the way."""
        errors: list[Exception] = []
        while True:
            self._go_to(state)
            try:
                with self._suspended.excusing():
                    what()
            except NotRepeatable:
                raise
            except DemandSuspended as suspension:
                errors.append(suspension.error)
            except Exception as error:  # noqa: BLE001 (every error is reported, with its place)
                errors.append(error)
                if not self._suspended.goes_on(error):
                    return False, errors
            else:
                return True, errors

    def _moves(self, state: State) -> Iterator[tuple[Label, Move, Edge | None]]:
        """The moves to make in a state, each with its edge if only one party moves."""
        for number, party in enumerate(self.parties):
            later = self._reduced and number > 0 and state.fresh is not None
            node = state.nodes[number]
            for index, user in enumerate(() if later else self._users[number]):
                if user.action == "smp_answer" and not _may_answer(node):
                    continue
                party.node = node
                yield (number, index), user, party.edge(user.action, user.args)
            for digest in sorted((state.fresh or ()) if later else state.held):
                for form, move in enumerate(self._held[digest].moves.get(number, ())):
                    party.node = node
                    yield (number, digest, form), move, party.edge("receive", {"message": move.message})
        for index, seconds in enumerate(self._alphabet.ticks):
            yield (-1, index), Tick(seconds), None

    def _arrive(self, before: State, path: Path, of_first: bool, seen: set[Key], found: Expansion) -> None:
        """Record the world's present state. of_first: the first party has moved."""
        new = self._sent() - before.held
        total = (before.total + sum(new)) % _SPACE
        nodes = tuple([party.node for party in self.parties])
        key = _key(nodes, total)
        if key in seen:
            if of_first:
                found.again.append((key, new))
            return
        seen.add(key)
        held = before.held | new if new else before.held
        fresh = new if of_first else None
        found.reached[key] = State(key, nodes, held, total, fresh, self._oracles.snapshot(), path)

    def _go_to(self, state: State) -> None:
        for party, node in zip(self.parties, state.nodes, strict=True):
            party.node = node
        self._oracles.restore(state.memory)
        self._world.now = state.nodes[0].now
        self._clear()

    def _clear(self) -> None:
        """Drop all messages under way; only the adversary's remain."""
        self._world.network.history.clear()
        for queue in self._world.network.queues.values():
            queue.clear()

    def _sent(self) -> frozenset[int]:
        """The messages that were sent since the world was cleared."""
        return frozenset([self._digest(one.sender, one.message) for one in self._world.network.history])

    def _digest(self, sender: str, message: bytes) -> int:
        """The digest of a message and its sender; from now on the message can be delivered."""
        known = self._known.get((sender, message))
        if known is None:
            digest = blake2b(sender.encode() + b" " + message, digest_size=16).digest()
            known = self._known[sender, message] = int.from_bytes(digest)
            receivers = [*self._world.network.routes[sender], *([sender] if self._alphabet.reflects else [])]
            forms = (message, *self._alphabet.forms(message))
            moves = {self._numbers[name]: tuple(Inject(name, form) for form in forms) for name in receivers}
            self._held[known] = _Held(moves)
        return known


def _may_answer(node: Node) -> bool:
    """Whether a user may answer SMP: an engine refuses it unasked, other targets leave that to applications."""
    return not isinstance(node.moment, Past) or node.moment.asked


def _key(nodes: Sequence[Node], total: int) -> Key:
    """A state's key, which identifies it."""
    parts = [*(node.id for node in nodes), total]
    return blake2b(b"".join([part.to_bytes(16, "big") for part in parts]), digest_size=16).digest()
