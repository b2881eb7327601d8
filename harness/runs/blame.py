"""Who is to blame for a failure in the matrix: the side that also fails with the reference engine.

A scenario of a cell judges the left side, but the fault may lie with the right side. Two other cells hold the same
conversation between each of the two and the reference engine. A side that fails there as well is to blame; if neither
does, the failure takes both of them together. If the reference engine is not in the matrix, nobody can be blamed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from otterproof.harness.runs import deviations
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.judgement import BAD
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict

#: The scenarios that make up the matrix.
CONVERSATIONS = "conformance.interop."

#: The engine that is assumed to be right.
REFERENCE = "reference"

#: Returns the known deviations of a target.
KnownOf = Callable[[str], Sequence[deviations.Deviation]]


def shipped_for(target: str) -> Sequence[deviations.Deviation]:
    """The known deviations that are shipped for a target. Raises DeviationError."""
    return deviations.of_several(target, ())


@dataclass(frozen=True, slots=True)
class Blame:
    """The sides that a failure is blamed on, by the targets' names; () if that can't be told.

    known: why the failure is accepted, "" if it is not. It is accepted if the file of every side to blame lists it.
    """

    sides: tuple[str, ...]
    known: str = ""

    def __str__(self) -> str:
        return " and ".join(self.sides)


def blames(cells: Sequence[Cell], known: KnownOf = shipped_for) -> Mapping[tuple[str, str, str], Blame]:
    """Who is to blame for each failed scenario, keyed by (left, right, scenario). known: gives a target's entries."""
    failed = {
        (cell.left, cell.right, result.scenario): result
        for cell in cells
        for result in cell.results
        if result.verdict in BAD
    }
    played = {
        (cell.left, cell.right, result.scenario)
        for cell in cells
        for result in cell.results
        if result.verdict is not Verdict.INFRA
    }
    return {key: _blame(key, result, failed, played, known) for key, result in failed.items()}


def _blame(
    key: tuple[str, str, str],
    result: Result,
    failed: Mapping[tuple[str, str, str], Result],
    played: set[tuple[str, str, str]],
    known: KnownOf,
) -> Blame:
    left, right, scenario = key
    if REFERENCE in (left, right):
        side = right if left == REFERENCE else left
        return Blame((side,), _reason(known(side), result))
    # A target may be on both sides, and fail with the reference engine on only one of them.
    with_reference = [(left, (left, REFERENCE, scenario)), (right, (REFERENCE, right, scenario))]
    guilty = [(name, cell) for name, cell in with_reference if cell in failed]
    if not guilty and not all(cell in played for _, cell in with_reference):
        return Blame(())
    sides = tuple(dict.fromkeys([name for name, _ in guilty] or (left, right)))
    reasons = [_reason(known(name), failed[cell]) for name, cell in guilty]
    return Blame(sides, "; ".join(dict.fromkeys(reasons)) if reasons and all(reasons) else "")


def _reason(entries: Sequence[deviations.Deviation], result: Result) -> str:
    """Why this failure of a target with the reference engine is accepted; "" if it is not."""
    own = next((entry.reason for entry in entries if entry.explains(result)), "")
    # On the right side, it does what it does on the left side in other conversations of the matrix.
    same = (entry for entry in entries if entry.check == result.check and entry.name.startswith(CONVERSATIONS))
    return own or next((entry.reason for entry in same), "")
