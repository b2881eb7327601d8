"""The layout of the tree: files stay short enough to read, and the rooms have the same names everywhere."""

from __future__ import annotations

import tomllib
from pathlib import Path

from otterproof.harness.ui.rooms_page import FOLDER, ROOMS

ROOT = Path(__file__).parents[1]

#: The maximum number of lines of a module, a table or a schema.
MAX_LINES = 450

#: The folders and file types that are measured.
FOLDERS = ("harness", "scenarios", "implementations", "tests")
KINDS = (".py", ".toml", ".json")

#: Files that may be longer, each with a reason. A file that becomes short enough must leave the list.
LONGER = {
    "harness/runs/deviations/libotr.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/xcrypto.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/ocaml-otr.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/otr4j.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/coyim-otr3.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/otr3.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/otrjs.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/potr.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/irssi.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/profanity.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/mcabber.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/bitlbee.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/pidgin.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/runs/deviations/python-otr.toml": "written by `otterproof check --fix`, one file for each target",
    "harness/targets/driver/protocol.schema.json": "one schema, which validators take as a whole",
}


def lengths() -> dict[str, int]:
    """The number of lines of each file, by its path below the root."""
    paths = [ROOT / "conftest.py", *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in paths
        if path.suffix in KINDS and path.is_file() and "node_modules" not in path.parts
    }


def test_no_file_is_too_long() -> None:
    found = lengths()
    assert len(found) > 300, "files are missing"
    longer = {file: lines for file, lines in found.items() if lines > MAX_LINES and file not in LONGER}
    assert not longer, f"longer than {MAX_LINES} lines; split them by area"


def test_exceptions_are_needed() -> None:
    found = lengths()
    assert not [file for file in LONGER if found.get(file, 0) <= MAX_LINES], "remove these from LONGER"


def test_rooms_are_those_of_import_linter() -> None:
    """The architecture page lists them in the order of the layers in pyproject.toml."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = [contract["layers"] for contract in contracts if "otterproof.harness" in contract.get("containers", ())]
    assert [room for layer in layers for room in layer.split(" | ")] == list(ROOMS)
    assert sorted(ROOMS) == sorted(path.parent.name for path in FOLDER.glob("*/__init__.py"))
