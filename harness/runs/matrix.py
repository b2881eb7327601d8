"""Interoperability: every ordered pair of targets with a common version goes through the honest conversations together.

A cell is a pair in a version: the first target plays the judged side of each scenario, the second the other side. The
targets of a pair are separate processes, even if they are the same implementation. Cells are spread over processes, and
results arrive as a stream; a cell is finished or lost as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import USUAL, Limits, TargetError
from otterproof.harness.targets.registry import file_name, open_target, title
from otterproof.harness.testkit.scenario import Scenario, load, scenarios

#: The scenarios of a cell: everything that OTR is for, except those about endurance.
CONVERSATIONS = (
    "handshake_asked_by_target",
    "handshake_asked_by_peer",
    "reconnect_after_the_end",
    "handshake_while_encrypted",
    "smp_equal",
    "smp_unequal",
    "smp_with_question",
    "extra_symmetric_key",
    "fragments_from_target",
    "fragments_to_target",
)


@dataclass(frozen=True, slots=True)
class Plan:
    """A cell to fill."""

    left: str
    right: str
    version: int
    seed: bytes
    folder: Path | None


def conversations(version: int) -> list[Scenario]:
    """The scenarios of a cell in a version; a pair runs those for which both sides have the capabilities."""
    return [one for name in CONVERSATIONS for one in scenarios(f"conformance.interop.{name}[v{version}]")]


def plans(
    names: Sequence[str],
    capabilities: dict[str, frozenset[str]],
    seed: bytes,
    folder: Path | None,
) -> list[Plan]:
    """The cells of these targets: every ordered pair, in each version that both speak."""
    return [
        Plan(left, right, version, seed, folder)
        for left in names
        for right in names
        for version in (2, 3)
        if {f"v{version}"} <= capabilities[left] & capabilities[right]
    ]


def fill(worker: WorkerContext, plan: Plan) -> Cell:
    """Run the conversations of a cell. The targets stay open, so that no conversation has to start a process."""
    left, right = worker.target(plan.left, "left"), worker.target(plan.right, "right")
    folder = plan.folder and plan.folder / f"{file_name(plan.left)}--{file_name(plan.right)}"
    results = tuple(
        run(scenario, left, plan.seed, folder, keep=True, peer=right)
        for scenario in conversations(plan.version)
        if scenario.needs <= left.capabilities and scenario.peer_needs <= right.capabilities
    )
    return Cell(title(plan.left), title(plan.right), plan.version, results)


def _lost(plan: Plan, why: str) -> Cell:
    """The cell of a plan whose worker died: its conversations have no results."""
    results = (Result(one.id, one.requirements, Verdict.INFRA, why, 0, 0.0) for one in conversations(plan.version))
    return Cell(title(plan.left), title(plan.right), plan.version, tuple(results))


def fill_all(planned: Sequence[Plan], processes: int, limits: Limits = USUAL) -> Iterator[Cell]:
    """Fill cells, several at a time, yielding each when it is ready. limits: how long to wait for drivers."""
    with pool(processes, WorkerContext(limits=limits, prepare=(load,))) as workers:
        yield from workers.unordered(fill, planned, _lost)


def available(names: Sequence[str], limits: Limits = USUAL) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """Sort these targets: the capabilities of those that run here, and why the others don't."""
    found: dict[str, frozenset[str]] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            target = open_target(name, limits)
        except TargetError as error:
            missing[name] = str(error)
            continue
        found[name] = target.capabilities
        target.close()
    return found, missing
