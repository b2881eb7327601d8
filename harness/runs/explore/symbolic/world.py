"""Parties that are nothing but the model, and what each input does to them, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from otterproof.harness.judges.model import NameTable
from otterproof.harness.judges.model.actions import ACTIONS
from otterproof.harness.judges.model.expect import DataMessage, Expected, Sends
from otterproof.harness.judges.model.state import State
from otterproof.harness.judges.model.step import Step
from otterproof.harness.runs.explore.form import form
from otterproof.harness.runs.explore.symbolic.rendered import rendered
from otterproof.implementations.contract import PartyConfig, TextReceived

#: The action, and its arguments in their order.
Input: TypeAlias = tuple[str, tuple[tuple[str, object], ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A state of a party. edges: what inputs lead to, as far as they were tried."""

    number: int
    state: State
    edges: dict[Input, Edge] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Edge:
    """What an input leads to. sent: messages, each with what it is if it is a Data Message."""

    action: str
    args: Mapping[str, object]
    before: State
    node: Node
    events: tuple[Expected, ...]
    sent: tuple[tuple[bytes, DataMessage | None], ...]

    @property
    def idle(self) -> bool:
        """Whether nothing has changed, nothing was sent and nothing shown, so the run is where it was."""
        shown = any(isinstance(event, TextReceived) for event in self.events)
        return self.node.state is self.before and not self.sent and not shown


class SymbolicParty:
    """A party whose every answer is the one that the model predicts."""

    def __init__(self, name: str, config: PartyConfig, book: NameTable) -> None:
        self.name, self._config, self._book = name, config, book
        self._nodes: dict[str, Node] = {}
        self.root = self._node(State(config.policy, config.instance_tag))

    @property
    def size(self) -> int:
        """How many states it has been seen in."""
        return len(self._nodes)

    def edge(self, node: Node, action: str, args: Mapping[str, object]) -> Edge:
        """What an input in this state leads to."""
        key = action, tuple(args.items())
        known = node.edges.get(key)
        if known is None:
            known = node.edges[key] = self._made(node, action, args)
        return known

    def _made(self, node: Node, action: str, args: Mapping[str, object]) -> Edge:
        step = Step(self.name, self._config, self._book, node.state)
        ACTIONS[action](step, **args)
        sent = []
        for one in step.expected:
            if isinstance(one, Sends):
                data = one.template if isinstance(one.template, DataMessage) else None
                sent.append((rendered(one.template, self._book), data))
        return Edge(action, args, node.state, self._node(step.state), tuple(step.expected), tuple(sent))

    def _node(self, state: State) -> Node:
        text = form(state)
        known = self._nodes.get(text)
        if known is None:
            known = self._nodes[text] = Node(len(self._nodes), state)
        return known
