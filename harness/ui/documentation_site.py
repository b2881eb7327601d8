"""The site of all documentation pages, built by Sphinx with docs/conf.py; a warning is an error."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from otterproof.harness.spec.pages import DOCS
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import DEVIATES, NOT_RUN

#: What docs/conf.py needs, and what installs it.
_NEEDED = ("sphinx", "myst_parser", "furo", "sphinx_copybutton")
_INSTALL = "pip install 'otterproof[docs]', or in a checkout pip install '.[docs]'"


class SphinxMissing(CommandError):
    """Sphinx is not installed."""

    exit_code = NOT_RUN


class PagesWrong(CommandError):
    """The pages have errors. The message lists them."""

    exit_code = DEVIATES


def build(folder: Path) -> None:
    """Build the site in a folder. Raises SphinxMissing, PagesWrong."""
    _sphinx("html", folder)


def check_links() -> None:
    """Check every link to other sites, which needs a network. Raises SphinxMissing, PagesWrong."""
    with tempfile.TemporaryDirectory() as folder:
        _sphinx("linkcheck", Path(folder))


def _sphinx(builder: str, folder: Path) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SphinxMissing(f"{', '.join(missing)} can't be imported; run {_INSTALL}")
    with tempfile.TemporaryDirectory() as parsed:
        command = [sys.executable, "-m", "sphinx", "--builder", builder, "--quiet", "--no-color", "--fail-on-warning"]
        command += ["--doctree-dir", parsed, str(DOCS), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise PagesWrong(f"something is wrong with the pages:\n{(done.stdout + done.stderr).strip()}")
