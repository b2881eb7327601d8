"""Who is to blame for a failure in the matrix: the side that fails with the reference engine, too.

A scenario of a cell judges the left side, but the right side may have gone wrong. In two other cells each of the two
has the same conversation with the reference engine: a side that fails there as well is to blame. If neither does, it
takes both of them to fail. Without the reference engine in the matrix nothing can be said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from otterproof.harness.runs import deviations
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.judgement import BAD
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict

#: The scenarios that the matrix is made of.
CONVERSATIONS = "conformance.interop."

#: The engine that is taken to be right.
REFERENCE = "reference"

#: Gives the known deviations of a target.
KnownOf = Callable[[str], Sequence[deviations.Deviation]]


def shipped_for(target: str) -> Sequence[deviations.Deviation]:
    """The known deviations that are shipped for a target. DeviationError."""
    return deviations.of_several(target, ())


@dataclass(frozen=True, slots=True)
class Blame:
    """At which sides a failure is laid, by the targets' names; () if that can't be told.

    known: why it is accepted, "" if it is not: the file of each side that is to blame knows of it.
    """

    sides: tuple[str, ...]
    known: str = ""

    def __str__(self) -> str:
        return " and ".join(self.sides)


def blames(cells: Sequence[Cell], known: KnownOf = shipped_for) -> Mapping[tuple[str, str, str], Blame]:
    """For each failed scenario, as (left, right, scenario): who is to blame. known: the entries for a target."""
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
    # A target may be on both sides, and fail with the reference engine on one of them alone.
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
    # On the right side it does what other conversations of the matrix have it do on the left side.
    same = (entry for entry in entries if entry.check == result.check and entry.name.startswith(CONVERSATIONS))
    return own or next((entry.reason for entry in same), "")
