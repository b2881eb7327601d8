"""Interoperability: every ordered pair of targets that share a version goes through the honest conversations together.

A cell is a pair in a version: the first plays the judged side of each scenario, the second the other one. The targets
of a pair are separate processes, also when they are the same implementation. Cells are spread over processes and come
as a stream; a cell that was begun is finished or lost as a whole.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from otterproof.harness.runs.blame import Blame
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import USUAL, Limits, TargetError
from otterproof.harness.targets.registry import file_name, open_target, title
from otterproof.harness.testkit.scenario import Scenario, load, scenarios

#: The scenarios of a cell: all that OTR is for, without those that are about endurance.
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
    """A cell to be filled."""

    left: str
    right: str
    version: int
    seed: bytes
    folder: Path | None


def _conversations(version: int) -> list[Scenario]:
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
    """Run the conversations of a cell, with targets that stay open, so that none costs the start of a process."""
    left, right = worker.target(plan.left, "left"), worker.target(plan.right, "right")
    folder = plan.folder and plan.folder / f"{file_name(plan.left)}--{file_name(plan.right)}"
    results = tuple(
        run(scenario, left, plan.seed, folder, keep=True, peer=right)
        for scenario in _conversations(plan.version)
        if scenario.needs <= left.capabilities and scenario.peer_needs <= right.capabilities
    )
    return Cell(title(plan.left), title(plan.right), plan.version, results)


def _lost(plan: Plan, why: str) -> Cell:
    """The cell of a plan whose worker died: nothing is known of its conversations."""
    results = (Result(one.id, one.requirements, Verdict.INFRA, why, 0, 0.0) for one in _conversations(plan.version))
    return Cell(title(plan.left), title(plan.right), plan.version, tuple(results))


def fill_all(planned: Sequence[Plan], processes: int, limits: Limits = USUAL) -> Iterator[Cell]:
    """Fill cells, several at a time; each when it is ready. limits: how long drivers are waited for."""
    with pool(processes, WorkerContext(limits=limits, prepare=(load,))) as workers:
        yield from workers.unordered(fill, planned, _lost)


def available(names: Sequence[str], limits: Limits = USUAL) -> tuple[dict[str, frozenset[str]], dict[str, str]]:
    """Of these targets: the capabilities of those that run here, and why the others don't."""
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


#: Who is to blame for each failure. [otterproof.harness.runs.blame.blames]
Laid = Mapping[tuple[str, str, str], Blame]


def as_json(cells: Sequence[Cell], missing: Mapping[str, str], laid: Laid) -> dict[str, Any]:
    """The whole matrix as plain JSON values."""
    return {
        "cells": [
            {
                "left": cell.left,
                "right": cell.right,
                "version": cell.version,
                "passed": cell.passed,
                "total": len(cell.results),
                "scenarios": [
                    asdict(result)
                    | {"verdict": result.verdict.value, "transcripts": list(result.transcripts)}
                    | _blame_as_json(laid.get((cell.left, cell.right, result.scenario)))
                    for result in cell.results
                ],
            }
            for cell in sorted(cells, key=lambda cell: (cell.left, cell.right, cell.version))
        ],
        "missing": dict(missing),
    }


def _blame_as_json(blame: Blame | None) -> dict[str, Any]:
    return {} if blame is None else {"blame": list(blame.sides), "known": blame.known}


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem; color: #222; }
table { border-collapse: collapse; } th, td { border: 1px solid #ccc; padding: .4rem .6rem; text-align: left; }
th { background: #f4f4f4; } .pass { background: #e2f5e2; } .part { background: #fdf3d7; } .none { background: #fbe0e0; }
details { margin: .3rem 0; } details ul { scroll-margin-top: 3rem; } summary { cursor: pointer; }
pre { white-space: pre-wrap; background: #f8f8f8; padding: .5rem; }
"""


def as_html(cells: Sequence[Cell], names: Sequence[str], folder: Path, laid: Laid) -> str:
    """A page: the table, and below it each cell's scenarios with links to their transcripts, relative to `folder`."""
    by_pair: dict[tuple[str, str], list[Cell]] = {}
    for cell in sorted(cells, key=lambda cell: cell.version):
        by_pair.setdefault((cell.left, cell.right), []).append(cell)
    rows = "".join(
        f"<tr><th>{_text(left)}</th>{''.join(_square(by_pair.get((left, right), [])) for right in names)}</tr>\n"
        for left in names
    )
    heads = "".join(f"<th>{_text(name)}</th>" for name in names)
    pairs = [(left, right) for left in names for right in names]
    sections = "".join(_section(cell, folder, laid) for pair in pairs for cell in by_pair.get(pair, []))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Interoperability matrix</title>'
        f"<style>{_STYLE}</style></head>\n<body><h1>Interoperability of OTR implementations</h1>\n"
        "<p>A row is the implementation that a scenario judges, a column the one that it talks to. "
        "Numbers are conversations that went well. A failure is laid at the side that fails with the reference engine, "
        "too.</p>\n"
        f"<table><tr><th></th>{heads}</tr>\n{rows}</table>\n<h2>Conversations</h2>\n{sections}</body></html>\n"
    )


def _square(cells: Sequence[Cell]) -> str:
    if not cells:
        return "<td>no common version</td>"
    passed, total = sum(cell.passed for cell in cells), sum(len(cell.results) for cell in cells)
    kind = "pass" if passed == total else "part" if passed else "none"
    links = "<br>".join(f'<a href="#{_anchor(cell)}">{cell.label}</a>' for cell in cells)
    return f'<td class="{kind}">{links}</td>'


def _anchor(cell: Cell) -> str:
    return f"{file_name(cell.left)}--{file_name(cell.right)}--v{cell.version}"


def _text(text: str) -> str:
    """Text as HTML shows it: targets have a say in it."""
    return html.escape(printable(text, lines=True))


def _section(cell: Cell, folder: Path, laid: Laid) -> str:
    items = []
    for result in cell.results:
        links = " ".join(
            f'<a href="{quote(Path(path).relative_to(folder).as_posix())}">transcript</a>'
            for path in result.transcripts
        )
        why = f"<pre>{_text(result.detail)}</pre>" if result.detail else ""
        blame = laid.get((cell.left, cell.right, result.scenario))
        side = f" (laid at {_text(str(blame))})" if blame is not None and blame.sides else ""
        known = f"<p>Known: {_text(blame.known)}</p>" if blame is not None and blame.known else ""
        items.append(f"<li>{result.verdict.value}: {_text(result.scenario)}{side} {links}{known}{why}</li>")
    opened = "" if cell.passed == len(cell.results) else " open"
    title = f"{_text(cell.left)} with {_text(cell.right)}, {cell.label}"
    # The anchor is inside: browsers open what a link leads into.
    listed = f'<ul id="{_anchor(cell)}">{"".join(items)}</ul>'
    return f"<details{opened}><summary>{title}</summary>{listed}</details>\n"
