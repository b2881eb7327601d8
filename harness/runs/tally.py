"""Totals of a run's results: counts, and what they say about requirements, readings and cells.

The terminal, JSON, pytest and the other reports all show these figures.
"""

from __future__ import annotations

from collections.abc import Iterable

from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec import requirements, states
from otterproof.harness.spec.requirements import Level

#: Non-binding levels, whose failures are counted separately; and all the headings that results are counted under.
LESSER = tuple(level.value for level in Level if level is not Level.MUST)
COLUMNS = ("pass", "fail", *LESSER, *(one.value for one in Verdict if one not in (Verdict.PASS, Verdict.FAIL)))

#: Verdicts from the best to the worst.
ORDER = (
    Verdict.PASS,
    Verdict.UNSUPPORTED,
    Verdict.INFRA,
    Verdict.GIVEN_UP,
    Verdict.DESYNC,
    Verdict.HANG,
    Verdict.CRASH,
    Verdict.FAIL,
)


def column(result: Result) -> str:
    """The heading that a result is counted under: its verdict, or the level of its failure if that is not binding."""
    if result.verdict is Verdict.FAIL and not result.counts and result.failure is not None:
        return result.failure.level.value
    return result.verdict.value


def of_requirements(results: Iterable[Result]) -> dict[str, Verdict]:
    """The verdict on each requirement that a scenario claims, by id: the worst of its scenarios."""
    worst: dict[str, Verdict] = {}
    table = requirements.load().requirements
    for result in results:
        for name in result.claimed:
            versions = table[name].versions if name in table else ()
            if len(versions) == 1 and f"[v{versions[0]}]" != result.scenario[-4:]:
                continue  # it belongs to the other version
            worst[name] = max(worst.get(name, Verdict.PASS), result.verdict, key=ORDER.index)
    return dict(sorted(worst.items()))


def measured_readings(results: Iterable[Result]) -> dict[str, dict[str, str]]:
    """The measurements of probes: id of the reading -> version -> option."""
    measured: dict[str, dict[str, str]] = {}
    for result in sorted(results, key=lambda result: result.scenario):
        for name, option in result.readings.items():
            measured.setdefault(name, {})[f"v{result.scenario.partition('[v')[2][:1]}"] = option
    return dict(sorted(measured.items()))


def cells(results: Iterable[Result]) -> dict[str, int]:
    """How many cells of the state tables were visited, and how many those versions have; {} if none was visited."""
    visited, possible = _cells(results)
    return {"visited": len(visited.intersection(possible)), "possible": len(possible)} if visited else {}


def unvisited(results: Iterable[Result]) -> list[str]:
    """The cells of the state tables that no scenario visited, in versions with visits; [] if there were no visits."""
    visited, possible = _cells(results)
    return [cell for cell in possible if cell not in visited]


def _cells(results: Iterable[Result]) -> tuple[set[str], list[str]]:
    """The cells that were visited, and all cells in those versions."""
    visited = {cell for result in results for cell in result.visited}
    versions = {cell.partition(" ")[0] for cell in visited}
    return visited, [cell for cell in map(str, states.possible()) if cell.partition(" ")[0] in versions]
