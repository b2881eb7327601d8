"""The matrix: its cells, their results, and how they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otterproof.harness.runs import matrix
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui import cli
from otterproof.implementations.contract import Event, TextReceived
from otterproof.implementations.independent import IndependentEngine
from tests.matrix_pages import matrix_pages

load()


def test_every_ordered_pair_in_every_common_version() -> None:
    capabilities = {"both": frozenset({"v2", "v3"}), "old": frozenset({"v2"})}
    planned = matrix.plans(["both", "old"], capabilities, b"seed", None)
    assert [(plan.left, plan.right, plan.version) for plan in planned] == [
        ("both", "both", 2),
        ("both", "both", 3),
        ("both", "old", 2),
        ("old", "both", 2),
        ("old", "old", 2),
    ]


@pytest.mark.slow
def test_a_cell_has_what_both_can_do(tmp_path: Path) -> None:
    assert open_target("reference").capabilities >= {"v2", "v3", "smp", "extra_key"}
    cells = {
        version: matrix.fill(WorkerContext(), matrix.Plan("reference", "independent", version, b"s", tmp_path))
        for version in (2, 3)
    }
    assert [len(cells[version].results) for version in (2, 3)] == [9, 10]
    assert cells[3].label == "v3 10/10"
    for result in cells[3].results:
        assert read_transcript(Path(result.transcripts[0])).verdict is Verdict.PASS
    pages = matrix_pages(list(cells.values()), tmp_path, missing={"libotr": "it is not installed"})
    table = pages.pop("matrix.html")
    assert "it is not installed" in table
    assert set(re.findall(r'href="(conversations/[^"]+)"', table)) == pages.keys()
    assert sorted(page.count("<svg") for page in pages.values()) == [9, 10]
    content = json.loads((tmp_path / "matrix.json").read_text())
    assert [(cell["version"], cell["passed"], cell["total"]) for cell in content["cells"]] == [(2, 9, 9), (3, 10, 10)]
    for cell in content["cells"]:
        assert all((tmp_path / path).is_file() for one in cell["scenarios"] for path in one["transcripts"])


class Deaf(IndependentEngine):
    """Shows no encrypted text."""

    def receive(self, message: bytes) -> list[Event]:
        return [event for event in super().receive(message) if not (isinstance(event, TextReceived) and event.secure)]


@pytest.mark.slow
def test_what_fails_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(ENGINES, "independent", Deaf)
    cell = matrix.fill(WorkerContext(), matrix.Plan("independent", "reference", 3, b"s", None))
    assert 0 < cell.passed < len(cell.results)
    pages = matrix_pages([cell], tmp_path)
    assert f"version 3: {cell.passed} of {len(cell.results)}" in pages.pop("matrix.html")
    (page,) = pages.values()
    assert page.count("<pre") == len(cell.results) - cell.passed


@pytest.mark.slow
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["matrix", "reference", "--jobs", "1"]) == 0
    assert ["reference", "reference", "9/9", "10/10"] in [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(json.loads(Path("otterproof-matrix/matrix.json").read_text())["cells"]) == 2
    assert cli.main(["matrix", "libotter"]) == 2
    assert "no target 'libotter'" in capsys.readouterr().err
