"""Runs the projects in `examples/` as a user would: `python -m tests.examples PYTHON`, in .ci/run.

PYTHON belongs to an environment that has the wheel installed and nothing of the checkout. Each project is copied to its
own folder. There the commands of its README are run; then a check without its known deviations, which must fail; then
the steps of the action with the inputs from the project's workflow.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
WORKFLOW = Path(".github/workflows/otterproof.yml")

#: How workflows name the action, up to the version.
ACTION = "otterproof/otterproof@"


def projects() -> list[Path]:
    """The folders of the projects."""
    return sorted(path for path in EXAMPLES.iterdir() if path.is_dir())


def commands(readme: str) -> str:
    """The commands in a README, in order."""
    return "".join(re.findall(r"^```sh\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL))


def action() -> dict[str, Any]:
    """The content of action.yml."""
    content: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    return content


def given(project: Path) -> dict[str, str]:
    """The inputs that a project's workflow gives the action."""
    (job,) = yaml.safe_load((project / WORKFLOW).read_text())["jobs"].values()
    (step,) = [step for step in job["steps"] if step["uses"].startswith(ACTION)]
    return dict(step["with"])


def shell_steps(inputs: Mapping[str, str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The steps of the action that run commands, with these inputs: name, script and environment."""
    content = action()
    unknown = inputs.keys() - content["inputs"].keys()
    if unknown:
        raise ValueError(f"the action has no inputs {', '.join(sorted(unknown))}")
    values = {name: str(entry["default"]) for name, entry in content["inputs"].items()} | dict(inputs)
    for step in content["runs"]["steps"]:
        if "run" in step:
            yield step["name"], step["run"], {name: _filled(text, values) for name, text in step.get("env", {}).items()}


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A text of the action with its inputs substituted."""
    return re.sub(r"\$\{\{ inputs\.([\w-]+) }}", lambda found: values[found[1]], text)


def bash(script: str, folder: Path, environment: Mapping[str, str], expected: int = 0) -> None:
    """Run a script as GitHub does. On another exit code than expected: SystemExit, with all output."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True)
    if done.returncode != expected:
        sys.exit(f"{done.stdout}\n{folder.name}: exit code {done.returncode}, not {expected}, of:\n{script}")


def run(project: Path, python: Path, scratch: Path) -> None:
    """Do what the README and the workflow of a project say, in a copy."""
    path = f"{python.parent}:{os.environ['PATH']}"
    if shutil.which("sudo") is None:
        (scratch / "bin").mkdir(exist_ok=True)
        (scratch / "bin" / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
        (scratch / "bin" / "sudo").chmod(0o755)
        path = f"{scratch / 'bin'}:{path}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"PATH": path}
    folder = scratch / project.name
    unwanted = shutil.ignore_patterns("node_modules", "__pycache__", "driver", "otterproof-*")
    shutil.copytree(project, folder, ignore=unwanted)
    bash(commands((project / "README.md").read_text()), folder, environment)
    bash("test -f report/site/index.html", folder, environment)
    bash("pytest -q otterproof --otterproof-known none", folder, environment, expected=1)
    for _, script, variables in shell_steps(given(project) | {"package": "otterproof"}):
        bash(script, folder, environment | variables)
    bash("test -f otterproof-report/otr-card.json -a -f otterproof-report/pytest.xml", folder, environment)


def main() -> None:
    python = Path(sys.argv[1]).absolute()
    for project in projects():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            run(project, python, Path(scratch))
        print(
            f"examples/{project.name}: its README and its workflow do what they say ({time.monotonic() - began:.0f} s)"
        )


if __name__ == "__main__":
    main()
