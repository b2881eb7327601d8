"""The table of moves as Hypothesis state machines: what users and the adversary do, with every oracle after each move.

One machine has one client on each side, the other has two clients of one account against one client. Under pytest, they
look for a run that breaks an oracle, and shorten it. A failing run prints its moves as a program that can be pasted and
run (harness/runs/fuzz/case.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from otterproof.harness.runs.fuzz.actions import FIELDS, TABLE, Blob, Change, Choice, Domain, Numbers, Row
from otterproof.harness.runs.fuzz.case import CLIENTS, POLICIES, Case, both_engines
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.implementations.contract import MIN_MESSAGE_SIZE


def strategy(domain: Domain) -> st.SearchStrategy[Any]:
    """A domain of the table as a Hypothesis strategy. TypeError for one that only stories have."""
    match domain:
        case Choice(values):
            return st.sampled_from(values)
        case Numbers(last, mostly):
            return st.integers(0, last) | st.just(0) if mostly else st.integers(0, last)
        case Blob(size):
            return st.binary(max_size=size)
        case Change():
            return st.one_of([st.tuples(st.sampled_from(names), strategy(values)) for names, values in FIELDS.items()])
    raise TypeError(f"Hypothesis can't draw {domain}, which no act of the table has")


class Conversation(RuleBasedStateMachine):
    """Random moves of users and the adversary, judged step by step. Its rules are the table."""

    network: ClassVar[str] = "pair"
    starts: ClassVar[tuple[str, ...]] = ("3", "3", "2", "scratch")
    engine: ClassVar[EngineFactory] = staticmethod(both_engines)

    def __init__(self) -> None:
        super().__init__()
        self.case: Case | None = None

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        start = data.draw(st.sampled_from(self.starts), label="start")
        policy = data.draw(st.sampled_from(["both", *sorted(POLICIES)]), label="policy")
        size = data.draw(st.sampled_from([None, None, MIN_MESSAGE_SIZE, 300]), label="size")
        self.case = Case(self.network, start, policy, size, type(self).engine)

    def act(self, row: Row, arguments: dict[str, Any]) -> None:
        moves = row.moves(sorted(CLIENTS[self.network]), **arguments)
        self._do(lambda case: case.run(moves))

    def _do(self, act: Callable[[Case], object]) -> None:
        if self.case is None:
            raise RuntimeError("a rule ran before the case began")
        try:
            act(self.case)
        except Exception as error:
            error.add_note(f"the run as a program:\n\n{self.case}")
            self.case = None  # nothing is left to be judged at the end
            raise

    def teardown(self) -> None:
        if self.case is not None:
            self._do(Case.finish)


def _as_rule(row: Row) -> Callable[..., None]:
    def act(self: Conversation, **arguments: Any) -> None:
        self.act(row, arguments)

    act.__name__ = row.name
    drawn: dict[str, Any] = {name: strategy(domain) for name, domain in row.draws.items()}
    made: Callable[..., None] = cast(Any, rule)(**drawn)(act)
    return made


for _row in TABLE:
    setattr(Conversation, _row.name, _as_rule(_row))


class Clients(Conversation):
    """Two clients of one account, which both receive what is sent to it, against one client. Version 3 keeps them
    apart.
    """

    network = "three"
    starts = ("3", "3", "scratch")
