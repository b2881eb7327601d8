"""A counterexample of `explore` is no longer than what `fuzz` shrinks to for the same fault.

Both are counted in the same unit: all inputs to the parties from the very beginning, that is user actions, each message
delivered, and each passage of time. So a session in which a program begins counts with its handshake, and `Settle`
counts every message it delivers, while losing or changing a message counts nothing. A maximum message size, which
clients of a program may have from the beginning, counts as one input. To match this length, `explore` may need another
alphabet than the one with the fewest moves after the beginning, or the other role for the target, as `fuzz` plays both.
With OTTERPROOF_LENGTHS=all in the environment all faults that both find are compared; otherwise a few are.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from otterproof.harness.runs.explore.alphabet import ALPHABETS, ROLES
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.runs.faults.explored import DEPTHS, FirstFound, first_found
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.moves import Craft, Forge, Tick
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.faults import faults
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.testkit.scenario import load

#: Programs per campaign.
PROGRAMS = 30

#: Faults that both find, each detected in a different way: by a message of the handshake, a state, a text.
FEW = (
    "commit-hash-of-20-bytes",
    "dh-key-reused",
    "error-ends-the-session",
    "query-ignored-when-encrypted",
    "query-sent-encrypted",
)


def length(program: Program) -> int:
    """The inputs until a rule is broken; or else all inputs, the messages still in transit, and the talk at the end."""
    case = program.setup.case(fresh=True)
    steps: list[Step] = []
    case.world.watchers.insert(0, steps.append)
    left = 0
    with suppress(Exception):  # a failure ends it
        case.run(program.moves)
        left = sum(map(len, case.world.network.queues.values()))
    ticks = sum(isinstance(one, Tick) for one in program.moves)
    told = sum(step.action != "set_policy" for step in steps) + (program.setup.size is not None)
    return left + ticks + told


def shortest_of_fuzz(fault: str, folder: Path) -> int | None:
    """The length of the shortest program that a campaign shrinks to, among those that break what must be kept.

    Programs with an insider are left out: the adversary of `explore` has no keys.
    """
    with opened(f"fault:{fault}", "faults", folder) as campaign, closing(campaign.run(PROGRAMS, 1)) as run:
        for _event in run:
            pass
        programs = [one.program for one in campaign.findings if one.level is Level.MUST]
    outside = [one for one in programs if not any(isinstance(move, Craft | Forge) for move in one.moves)]
    return min((length(played(one, fault, one.setup.role)) for one in outside), default=None)


def played(program: Program, fault: str, role: str) -> Program:
    return replace(program, setup=replace(program.setup, target=FaultTarget(fault), role=role))


@cache
def beginning(alphabet: str) -> int:
    """The number of inputs before the first move of an alphabet."""
    with closing(Exploration(alphabet, EngineTarget("reference"))) as exploration:
        return length(Program(exploration.setup, ()))


def lengths(fault: str, folder: Path) -> tuple[int, int] | None:
    """The lengths of the shortest runs by `explore` and by `fuzz`; None for a fault that one of them does not find."""
    fuzzed = shortest_of_fuzz(fault, folder)
    found = None if fuzzed is None else first_found(fault)
    if fuzzed is None or found is None:
        return None
    explored = length_of(found, fault)
    for role, (name, depth) in product(ROLES, DEPTHS.items()):
        if explored > fuzzed:
            other = first_found(fault, {name: max(1, min(depth, fuzzed - beginning(name)))}, role)
            explored = explored if other is None else min(explored, length_of(other, fault))
    return explored, fuzzed


def length_of(found: FirstFound, fault: str) -> int:
    return length(played(found.program, fault, found.program.setup.role))


def test_what_is_given_to_the_parties_is_counted_alike() -> None:
    """A session takes six steps: its beginning, the query, and the four messages of the handshake."""
    assert {ALPHABETS[name].start: beginning(name) for name in ("handshake", "instances", "data", "refresh")} == {
        "scratch": 0,
        "3": 6,
    }


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("fault", faults() if os.environ.get("OTTERPROOF_LENGTHS") == "all" else FEW)
def test_explore_finds_no_longer_runs_than_fuzz(fault: str, tmp_path: Path) -> None:
    load()
    both = lengths(fault, tmp_path)
    assert both is not None or fault not in FEW
    if both is not None:
        explored, fuzzed = both
        assert explored <= fuzzed
