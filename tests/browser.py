"""A real browser for tests of pages: how it renders a page, and what axe-core finds in it.

A test is skipped, with the commands that install them, if Chromium or axe-core is missing.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otterproof" / "axe"
AXE = CACHE / "node_modules" / "axe-core" / "axe.min.js"
INSTALL = f"apt-get install chromium; npm install --prefix {CACHE} axe-core@4"

#: Runs axe-core and stores its findings and the width of the page in an element of the page.
RUNNER = """
window.addEventListener("load", function () { axe.run(document).then(function (found) {
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
}); });
"""


def browse(address: str, folder: Path, width: int = 1200, *, dark: bool = False) -> tuple[str, str]:
    """The final state of a page in the browser, and the output of its console."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip(f"Chromium is missing. Install: {INSTALL}")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--log-level=0"]
    command += [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},900", "--virtual-time-budget=20000"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run([*command, "--dump-dom", address], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def axe_finds(page: Path, folder: Path, width: int, *, dark: bool = False) -> dict[str, Any]:
    """What axe-core finds in a page, whether the page is wider than the window, and whether it was rendered dark."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is missing. Install: {INSTALL}")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    script = f"<script>{AXE.read_text(encoding='utf-8')}</script><script>{RUNNER}</script></body>"
    copy = page.with_name(f"axe-{page.name}")  # next to the page, whose style is in files around it
    copy.write_text(text.replace("</body>", script), encoding="utf-8")
    try:
        shown, _ = browse(copy.as_uri(), folder, width, dark=dark)
    finally:
        copy.unlink()
    told = re.search(r'<pre id="found"[^>]*>(.*?)</pre>', shown, re.DOTALL)
    assert told is not None, page
    found: dict[str, Any] = json.loads(unescape(told[1]))
    return found
