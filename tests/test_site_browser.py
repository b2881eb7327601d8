"""The site in a real browser: its filters work, there are no errors, and axe-core has no complaints.

Skipped, with the commands that install them, if Chromium or axe-core is missing.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from otterproof.harness.runs import matrix
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.reports.matrix import FILE as MATRIX
from otterproof.harness.ui.reports.matrix import matrix_of
from otterproof.harness.ui.reports.writing import write_reports
from tests.browser import axe_finds, browse
from tests.judged import judged

pytestmark = pytest.mark.slow

load()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    target = open_target("fault:counter-starts-at-0")
    results = [run(one, target, b"seed", folder / "transcripts") for one in scenarios("data_counters.counter_0")]
    results.append(Result("made.up[v3]", ("DATA-MAC-1",), Verdict.PASS, "", 1, 0.0))
    write_reports(judged(results, "mylib", "1.2"), ["otterproof", "check", "mylib"], folder)
    with WorkerContext() as worker:
        cell = matrix.fill(worker, matrix.Plan("reference", "independent", 3, b"seed", folder))
    (folder / MATRIX).write_text(json.dumps(matrix_of([cell], {"libotr": "it is not installed"}, {}, folder)))
    assert cli.main(["report", str(folder), "--out", str(folder / "whole")]) == 0
    return folder / "whole"


def pages(site: Path) -> list[Path]:
    """A page of each kind."""
    folders = sorted(folder for folder in site.iterdir() if folder.is_dir())
    kinds = [*site.glob("*.html"), *(min(folder.glob("*.html")) for folder in folders)]
    assert len(kinds) == 7
    return kinds


def test_nothing_goes_wrong_in_the_console(site: Path, tmp_path: Path) -> None:
    for page in pages(site):
        text, console = browse(page.as_uri(), tmp_path)
        assert "Otterproof" in text
        assert console == ""


def test_the_filters_stand_in_the_address(site: Path, tmp_path: Path) -> None:
    asked = {"": True, "#verdict=fail": True, "#text=mac": True, "#level=should": False, "#verdict=crash": False}
    for words, some in asked.items():
        text, _ = browse((site / "index.html").as_uri() + words, tmp_path)
        told = re.search(r"(\d+) of (\d+) requirements", text)
        assert told is not None
        rows = re.findall(r"<tr data-level[^>]*>", text)
        assert sum("hidden" not in row for row in rows) == int(told[1])
        if words:
            assert int(told[1]) < int(told[2])
        assert (int(told[1]) > 0) is some, words


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (500, True)])
def test_axe_core_finds_nothing(width: int, dark: bool, site: Path, tmp_path: Path) -> None:
    for page in pages(site):
        found = axe_finds(page, tmp_path, width, dark=dark)
        assert found == {"violations": [], "wider": False, "dark": dark}, page
