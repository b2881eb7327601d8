"""A failure in the matrix is blamed on the side that also fails with the reference engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.runs.blame import Blame, blames
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.testkit.scenario import load
from tests.matrix_pages import matrix_pages

load()

SCENARIO = "conformance.interop.smp_unequal[v2]"


def cell(left: str, right: str, check: str = "") -> Cell:
    verdict = Verdict.FAIL if check else Verdict.PASS
    return Cell(left, right, 2, (Result(SCENARIO, (), verdict, "", 1, 0.0, check),))


def laid(*cells: Cell) -> Blame:
    return blames(cells)["one", "two", SCENARIO]


WRONG = cell("one", "two", "smp.not-finished")


@pytest.mark.parametrize(
    ("others", "sides"),
    [
        ([cell("one", "reference", "smp.not-finished"), cell("reference", "two")], ("one",)),
        ([cell("one", "reference"), cell("reference", "two", "smp.not-finished")], ("two",)),
        ([cell("one", "reference", "x.y"), cell("reference", "two", "x.y")], ("one", "two")),
        ([cell("one", "reference"), cell("reference", "two")], ("one", "two")),
        ([], ()),
        ([cell("one", "reference")], ()),
    ],
)
def test_who_is_to_blame(others: list[Cell], sides: tuple[str, ...]) -> None:
    assert laid(WRONG, *others).sides == sides


def test_with_the_reference_engine_it_is_the_other_side() -> None:
    found = blames([cell("reference", "potr", "smp.not-finished"), cell("one", "reference", "x.y")])
    assert found["reference", "potr", SCENARIO].sides == ("potr",)
    assert found["one", "reference", SCENARIO] == Blame(("one",))


def test_what_is_known_of_the_side_that_is_to_blame_is_accepted() -> None:
    both = [cell("one", "potr", "x.y"), cell("one", "reference")]
    known = blames([*both, cell("reference", "potr", "smp.not-finished")])["one", "potr", SCENARIO]
    assert known.sides == ("potr",)
    assert known.known != ""
    assert blames([*both, cell("reference", "potr", "x.z")])["one", "potr", SCENARIO].known == ""


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_target_with_itself_fails_as_it_does_on_either_side(side: str) -> None:
    checks = {name: "smp.not-finished" if name == side else "" for name in ("left", "right")}
    cells = [cell("potr", "potr", "x.y"), cell("potr", "reference", checks["left"])]
    found = blames([*cells, cell("reference", "potr", checks["right"])])["potr", "potr", SCENARIO]
    assert found.sides == ("potr",)
    assert found.known != ""


def test_the_pages_tell_it(tmp_path: Path) -> None:
    cells = [WRONG, cell("one", "reference"), cell("reference", "two", "smp.not-finished")]
    pages = matrix_pages(cells, tmp_path, blames(cells))
    assert pages["matrix.html"].count("laid at two") == 2
    (page,) = [text for text in pages.values() if "<h1>one with two, version 2</h1>" in text]
    assert "Laid at two." in page
