"""The site in a real browser: its filters work, nothing goes wrong in it, and axe-core finds nothing to complain of.

Skipped, with the lines that install them, where Chromium or axe-core are not there.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
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
from tests.judged import judged

pytestmark = pytest.mark.slow

load()
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otterproof" / "axe"
AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"
INSTALL = f"apt-get install chromium; npm install --prefix {CACHE} axe-core@4"

#: Runs axe-core and leaves what it finds, and how wide the page is, in an element of the page.
RUNNER = """
axe.run(document).then(function (found) {
  var told = document.createElement("pre");
  told.id = "found";
  told.textContent = JSON.stringify({
    violations: found.violations.map(function (one) {
      return one.id + ": " + one.nodes.map(function (node) { return node.html; }).slice(0, 3).join(" ");
    }),
    wider: document.documentElement.scrollWidth > window.innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches
  });
  document.body.appendChild(told);
});
"""


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


def browse(address: str, folder: Path, width: int = 1200, *, dark: bool = False) -> tuple[str, str]:
    """A page as the browser has it in the end, and what its console says."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip(f"Chromium is missing. Install: {INSTALL}")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", "--virtual-time-budget=20000"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run([*command, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


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
    if not AXE.is_file():
        pytest.skip(f"axe-core is missing. Install: {INSTALL}")
    for number, page in enumerate(pages(site)):
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
        script = f"<script>{AXE.read_text()}</script><script>{RUNNER}</script></body>"
        copy = tmp_path / f"{number}.html"
        copy.write_text(text.replace("</body>", script))
        shown, _ = browse(copy.as_uri(), tmp_path, width, dark=dark)
        told = re.search(r'<pre id="found">(.*?)</pre>', shown, re.DOTALL)
        assert told is not None, page
        found = json.loads(unescape(told[1]))
        assert found == {"violations": [], "wider": False, "dark": dark}, page
