"""Fixtures for the tests of the table: a copy that tests can damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import FOLDER, Problem, lint
from tests.requirements.damage import Add, Damage

ENTRY = """
[[requirement]]
id = "ROBUST-TEST-1"
level = "advice"
versions = [2, 3]
section = "Data Message"
text = "A requirement of the tests."
class = "covered"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the table that a test can damage."""
    for path in FOLDER.glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def damage(folder: Path) -> Damage:
    """Replaces the first `old` in a file of the copy (it must exist), and lints."""

    def replace(file: str, old: str, new: str) -> list[Problem]:
        path = folder / file
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")
        return lint(folder)

    return replace


@pytest.fixture
def add(folder: Path) -> Add:
    """Adds ENTRY with some of its lines replaced (None removes the line), and lints."""

    def insert(**lines: str | None) -> list[Problem]:
        fields = dict(line.split(" = ", 1) for line in ENTRY.splitlines() if " = " in line)
        for key, value in lines.items():
            fields.pop(key, None)
            if value is not None:
                fields[key] = value
        content = "[[requirement]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())
        (folder / "more.toml").write_text(content, encoding="utf-8")
        return lint(folder)

    return insert
