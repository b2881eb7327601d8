"""The targets for byte fuzzers: for each property, a function that takes bytes and raises if the property is violated.

For an oracle's property, Hypothesis decodes the bytes into a program of moves, from the same table as everywhere
(`fuzz_one_input`), so nearly all inputs are programs. The engines play it in lockstep, judged by that oracle. `codec`
and `receive` take the bytes as a message; `otterproof corpus` makes seeds and a dictionary for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, settings

from otterproof.harness import wire
from otterproof.harness.judges.oracles import ORACLES
from otterproof.harness.runs.fuzz.actions import TABLE
from otterproof.harness.runs.fuzz.case import CLIENTS, POLICIES, Case, Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.moves import Inject, Move
from otterproof.harness.targets.engines import EngineTarget
from otterproof.implementations.contract import MIN_MESSAGE_SIZE
from otterproof.scenarios.properties.machines import strategy

#: Takes bytes; raises if a property does not hold for them.
OneInput: TypeAlias = Callable[[bytes], object]

#: The maximum acts of a program: a fuzzer works best with many short runs.
_ACTS = 12

#: The maximum bytes read as a message.
_LONGEST = 1 << 16


@st.composite
def moves(draw: st.DrawFn, network: str) -> tuple[Move, ...]:
    """The moves for some acts."""
    made: list[Move] = []
    for row in draw(st.lists(st.sampled_from(TABLE), max_size=_ACTS)):
        arguments: dict[str, Any] = {name: draw(strategy(domain)) for name, domain in row.draws.items()}
        made += row.moves(sorted(CLIENTS[network]), **arguments)
    return tuple(made)


@st.composite
def programs(draw: st.DrawFn, oracle: str) -> Program:
    """A program judged by one oracle."""
    network = draw(st.sampled_from(["pair", "three"]))
    setup = Setup(
        network,
        draw(st.sampled_from(["3", "2", "scratch"] if network == "pair" else ["3", "scratch"])),
        draw(st.sampled_from(sorted(POLICIES))),
        draw(st.sampled_from([None, MIN_MESSAGE_SIZE, 300])),
        oracles=(oracle,),
        target=EngineTarget("reference"),
        role=draw(st.sampled_from(sorted(CLIENTS[network]))),
    )
    return Program(setup, draw(moves(network)))


class Broken(AssertionError):
    """A property is violated."""


def _of_oracle(oracle: str) -> OneInput:
    @settings(database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(programs(oracle))
    def holds(program: Program) -> None:
        failure = attempt(program)
        if failure is not None:
            raise Broken(f"{failure.check}\n{failure.detail}\n{program}")

    one_input: OneInput = holds.hypothesis.fuzz_one_input  # type: ignore[attr-defined]
    return one_input


def codec(data: bytes) -> None:
    """A message can be rebuilt as it was read, and can be displayed."""
    data = data[:_LONGEST]
    message = wire.parse(data)
    if wire.build(message) != data:
        raise Broken(f"{data!r} is built as {wire.build(message)!r}")
    wire.dissect(data)


@cache
def _session() -> Setup:
    return Setup(target=EngineTarget("reference"))


def receive(data: bytes) -> None:
    """Engines in a session handle any message identically, as the model predicts and all oracles allow."""
    case: Case = _session().case()
    case.run([Inject("alice", data[:_LONGEST])])
    case.finish()


#: All properties by name.
PROPERTIES: Mapping[str, Callable[[], OneInput]] = {
    **{oracle: (lambda oracle=oracle: _of_oracle(oracle)) for oracle in ORACLES},  # type: ignore[misc]
    "codec": lambda: codec,
    "receive": lambda: receive,
}
