"""Every run of the model against itself, level by level, judged by the invariants in each step."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from otterproof.harness.judges.model import NameTable
from otterproof.harness.judges.model.expect import DataMessage
from otterproof.harness.runs.explore.alphabet import ALPHABETS, Alphabet
from otterproof.harness.runs.explore.symbolic.invariants import INVARIANTS, Seen, accepts
from otterproof.harness.runs.explore.symbolic.world import Edge, Node, SymbolicParty
from otterproof.harness.runs.fuzz.case import Setup

#: What is told of the model where a target's version is.
VERSION = "1"

#: How many moves are explored unless told otherwise: what takes some seconds.
DEPTHS: Mapping[str, int] = {
    "handshake": 12,
    "data": 8,
    "smp": 6,
    "refresh": 7,
    "instances": 12,
    "fragments": 6,
    "forgery": 9,
}

#: Who received a Data Message and accepted it.
Accepted: TypeAlias = frozenset[tuple[str, DataMessage]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A shortest run that breaks an invariant: its name, what breaks it, and the moves in words."""

    invariant: str
    what: str
    moves: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """nodes: of the parties. held: the messages that the adversary holds, by sender. path: how it came to that."""

    nodes: tuple[Node, ...]
    held: frozenset[tuple[str, bytes]]
    accepted: Accepted
    path: tuple[object, str] | None


@dataclass(slots=True)
class Proof:
    """What has been looked at so far: all runs of `depth` moves."""

    alphabet: str
    depth: int = 0
    states: int = 1
    steps: int = 0
    seconds: float = 0.0
    violation: Violation | None = None

    @property
    def broken(self) -> bool:
        """Whether an invariant does not hold."""
        return self.violation is not None


class SymbolicSearch:
    """The runs of an alphabet. They end with the first level in which an invariant is broken."""

    def __init__(self, name: str) -> None:
        self._alphabet: Alphabet = ALPHABETS[name]
        configs = Setup(self._alphabet.network, self._alphabet.start, "v3").configs()
        book = NameTable()
        self._parties = [SymbolicParty(one, config, book) for one, config in configs.items()]
        first, *others = configs
        self._routes = {first: others, **{one: [first] for one in others}}
        self._written: dict[bytes, tuple[str, DataMessage]] = {}
        self._forms: dict[bytes, tuple[bytes, ...]] = {}
        self.proof = Proof(name)
        self._began = time.monotonic()
        root = _State(tuple(party.root for party in self._parties), frozenset(), frozenset(), None)
        if self._alphabet.start != "scratch":
            root = self._in_session(root)
        self._now: list[_State] = [_State(root.nodes, root.held, root.accepted, None)]
        self._seen = {self._key(self._now[0])}

    def levels(self, depth: int, pulse: Callable[[int], None] = lambda _: None) -> Iterator[Proof]:
        """Explore to a depth: what has been looked at, after each level. pulse: called now and then."""
        while self.proof.depth < depth and self._now and not self._broken():
            new: list[_State] = []
            gc.disable()  # it would walk through all states time and again
            try:
                for number, state in enumerate(self._now):
                    new += self._expanded(state)
                    if self._broken():
                        break
                    if number % 256 == 0:
                        pulse(number)
            finally:
                gc.enable()
            self._now = new
            self.proof.depth += not self._broken()
            self.proof.seconds = time.monotonic() - self._began
            yield self.proof

    def _broken(self) -> bool:
        return self.proof.broken

    def _in_session(self, state: _State) -> _State:
        """The state after a handshake in which nothing is lost."""
        state = self._after(state, 0, self._parties[0].edge(state.nodes[0], "start", {}), "")
        done: set[tuple[str, bytes]] = set()
        while waiting := sorted(state.held - done):
            for sender, message in waiting:
                done.add((sender, message))
                for number, party in enumerate(self._parties):
                    if party.name in self._routes[sender]:
                        edge = party.edge(state.nodes[number], "receive", {"message": message})
                        state = self._after(state, number, edge, "")
        return state

    def _expanded(self, state: _State) -> Iterator[_State]:
        """The states that one more move leads to and that are new."""
        for number, edge, words in self._moves(state):
            self.proof.steps += 1
            if edge.idle:
                continue
            after = self._after(state, number, edge, words)
            if (key := self._key(after)) not in self._seen:
                self._seen.add(key)
                self.proof.states += 1
                yield after

    def _moves(self, state: _State) -> Iterator[tuple[int, Edge, str]]:
        for number, party in enumerate(self._parties):
            node = state.nodes[number]
            for user in self._alphabet.actions(party.name):
                yield number, party.edge(node, user.action, user.args), f"{party.name}: {user.action}"
            for sender, message in sorted(state.held):
                if party.name in self._routes[sender] or (self._alphabet.reflects and party.name == sender):
                    for form in self._formed(message):
                        edge = party.edge(node, "receive", {"message": form})
                        yield number, edge, f"{party.name} receives {form[:60]!r} of {sender}"

    def _formed(self, message: bytes) -> Sequence[bytes]:
        known = self._forms.get(message)
        if known is None:
            known = self._forms[message] = (message, *self._alphabet.forms(message))
        return known

    def _after(self, state: _State, number: int, edge: Edge, words: str) -> _State:
        """The state after a move, which is judged."""
        who = self._parties[number].name
        for message, data in edge.sent:
            if data is not None:
                self._written[message] = who, data
        nodes = (*state.nodes[:number], edge.node, *state.nodes[number + 1 :])
        path = (state.path, words)
        received = self._received(edge)
        own = frozenset(one for name, one in state.accepted if name == who)
        states = {party.name: node.state for party, node in zip(self._parties, nodes, strict=True)}
        seen = Seen(who, edge, states, self._sent(state), received, own)
        for name, (_, holds) in INVARIANTS.items():
            for what in holds(seen):
                self.proof.violation = self.proof.violation or Violation(name, what, _words(path))
        accepted = state.accepted | {(who, received)} if received is not None and accepts(seen) else state.accepted
        held = state.held | {(who, message) for message, _ in edge.sent} if edge.sent else state.held
        return _State(nodes, held, accepted, path)

    def _received(self, edge: Edge) -> DataMessage | None:
        message = edge.args.get("message")
        written = self._written.get(message) if isinstance(message, bytes) else None
        return None if written is None else written[1]

    def _sent(self, state: _State) -> Mapping[str, tuple[DataMessage, ...]]:
        sent: dict[str, list[DataMessage]] = {party.name: [] for party in self._parties}
        for sender, message in state.held:
            if message in self._written:
                sent[sender].append(self._written[message][1])
        return {name: tuple(found) for name, found in sent.items()}

    def _key(self, state: _State) -> object:
        return tuple(node.number for node in state.nodes), state.held, state.accepted


def _words(path: tuple[object, str] | None) -> tuple[str, ...]:
    """The moves of a path that have words."""
    found: list[str] = []
    at: object = path
    while isinstance(at, tuple):
        at, words = at
        if words:
            found.append(str(words))
    return tuple(reversed(found))
