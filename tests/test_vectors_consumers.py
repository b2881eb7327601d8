"""The examples of consumers in JavaScript and Go: they know their libraries, and notice a vector that is wrong.

The slow files are left to the step of CI that runs the examples on everything. Skipped, with the line that installs
it, where Node or Go is not there.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.drivers import TargetMissing
from harness.vectors.consumers import EXAMPLES, NAMES, consume
from vectors import FOLDER, KINDS, load

KINDS_HERE = ("public_keys", "signature", "smp_secrets", "policies")

in_both_languages = pytest.mark.parametrize("name", NAMES)


def consumed(name: str, folder: Path, known: Path | None = None) -> tuple[int, dict[str, str], list[str]]:
    """The exit code, what is said of each file, and the failures."""
    try:
        code, printed = consume(name, folder, known)
    except TargetMissing as missing:
        pytest.skip(str(missing))
    lines = printed.splitlines()
    said = dict(line.split(".json: ", 1) for line in lines if ".json: " in line and not line.startswith("  "))
    return code, said, [line.strip() for line in lines if line.startswith("  ")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind in KINDS_HERE:
        shutil.copy(FOLDER / f"{kind}.json", tmp_path)
    return tmp_path


def edit(path: Path, case_id: str, **fields: Any) -> None:
    content = json.loads(path.read_text())
    (case,) = (case for group in content["groups"] for case in group["cases"] if case["id"] == case_id)
    assert {**case, **fields} != case
    case.update(fields)
    path.write_text(json.dumps(content))


@in_both_languages
def test_the_library_does_what_it_is_known_to_do(name: str, folder: Path) -> None:
    code, said, failures = consumed(name, folder)
    assert (code, failures) == (0, [])
    assert said.keys() == set(KINDS_HERE)
    assert said["smp_secrets"] == f"{load('smp_secrets').count} passed, 0 fail as known, 0 failed"
    assert "50 skipped: the client must draw the randomness in the file" in said["policies"]


@in_both_languages
def test_a_wrong_vector_is_noticed(name: str, folder: Path) -> None:
    edit(folder / "smp_secrets.json", "smp_secrets.typed.word", secret="another")
    edit(folder / "public_keys.json", "public_keys.good.test-bob", result="invalid", reaction="refused", expect={})
    code, said, failures = consumed(name, folder)
    assert code == 1
    assert sorted(line.split()[1] for line in failures) == ["public_keys.good.test-bob", "smp_secrets.typed.word"]
    assert said["smp_secrets"] == f"{load('smp_secrets').count - 1} passed, 0 fail as known, 1 failed"


@in_both_languages
def test_failures_and_known_ones_must_fit(name: str, folder: Path) -> None:
    known = folder.parent / f"{folder.name}-known.json"
    known.write_text(json.dumps([{"file": "smp_secrets", "cases": "typed\\.word", "reason": "none"}]))
    code, _, failures = consumed(name, folder, known)
    assert code == 1
    assert "FAILED known.json: typed\\.word fits no failure any more" in failures
    assert any(line.startswith("FAILED signature.open.keyid-0 ") for line in failures)


@in_both_languages
def test_known_failures_have_reasons(name: str) -> None:
    for entry in json.loads((EXAMPLES / name / "known.json").read_text()):
        assert entry.keys() == {"file", "cases", "reason"}
        assert entry["file"] in KINDS
        assert len(entry["reason"].split()) > 3
