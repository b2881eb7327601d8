"""The interoperability matrix as JSON according to matrix.schema.json.

`matrix` writes it beside the transcripts, and its pages are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from otterproof.harness.runs.blame import Blame
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.runner import Result
from otterproof.harness.ui.reports.files import beside, clean, read_checked

#: The name of the file.
FILE = "matrix.json"

SCHEMA = Path(__file__).with_name("matrix.schema.json")

#: Who is to blame for each failure. [otterproof.harness.runs.blame.blames]
Laid = Mapping[tuple[str, str, str], Blame]

Matrix = dict[str, Any]


def matrix_of(cells: Sequence[Cell], missing: Mapping[str, str], laid: Laid, folder: Path) -> Matrix:
    """The whole matrix.

    missing: the targets that could not run, and why. folder: the file's folder, to which the paths of transcripts are
    relative.
    """
    made: Matrix = clean(
        {
            "cells": [
                {
                    "left": cell.left,
                    "right": cell.right,
                    "version": cell.version,
                    "passed": cell.passed,
                    "total": len(cell.results),
                    "scenarios": [
                        _result(result, folder) | _blame(laid.get((cell.left, cell.right, result.scenario)))
                        for result in cell.results
                    ],
                }
                for cell in sorted(cells, key=lambda cell: (cell.left, cell.right, cell.version))
            ],
            "missing": dict(missing),
        }
    )
    return made


def read_matrix(path: Path) -> Matrix:
    """Read a matrix. Raises CardError, InputError."""
    return read_checked(path, SCHEMA, "a matrix")


def _result(result: Result, folder: Path) -> dict[str, Any]:
    return asdict(result) | {
        "verdict": result.verdict.value,
        "requirements": list(result.requirements),
        "transcripts": list(beside(result.transcripts, folder)),
    }


def _blame(blame: Blame | None) -> dict[str, Any]:
    return {"blame": [], "known": ""} if blame is None else {"blame": list(blame.sides), "known": blame.known}
