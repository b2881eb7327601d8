"""The lint of the vectors: the committed files pass, and each possible mistake is reported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from otterproof import vectors
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.ui import cli
from otterproof.harness.vectorgen import lint as rules
from otterproof.harness.vectorgen.lint import lint, unshown

Change = Callable[[dict[str, Any]], object]

#: A file that is quick to read.
KIND = "smp_secrets"


@pytest.mark.slow
def test_what_is_committed_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Validating all files against their schemas takes half a minute, and is a separate step of CI.
    monkeypatch.setattr(rules, "_validator", lambda kind: Draft202012Validator({"type": "object"}))
    assert lint() == []


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file, whose only problem is that the others are missing."""
    copy = tmp_path / "vectors"
    (copy / "schemas").mkdir(parents=True)
    for path in (vectors.FOLDER / "schemas").glob("*.json"):
        shutil.copy(path, copy / "schemas")
    for name in (f"{KIND}.json", "unshown.toml"):
        shutil.copy(vectors.FOLDER / name, copy)
    shown = {name for _, case in vectors.load(KIND) for name in case.requirements}
    reasons = {one.id: "left out here" for one in load_requirements() if one.id not in shown and one.kind == "covered"}
    monkeypatch.setattr(rules, "unshown", lambda folder: reasons)
    monkeypatch.setattr(rules, "OPTIONAL", frozenset(vectors.KINDS))
    monkeypatch.setattr(rules, "MIN_CASES", 10)
    monkeypatch.setattr(rules, "MIN_INVALID", 0)
    return copy


def change(folder: Path, make: Change) -> None:
    path = folder / f"{KIND}.json"
    content = json.loads(path.read_text())
    make(content)
    path.write_text(json.dumps(content))


def first(content: dict[str, Any]) -> dict[str, Any]:
    case: dict[str, Any] = content["groups"][0]["cases"][0]
    return case


def two_results(content: dict[str, Any], *readings: str) -> None:
    case = first(content)
    outcome = {"result": case.pop("result"), "expect": case.pop("expect")}
    case["results"] = dict.fromkeys(readings, outcome)


def test_the_folder_passes(folder: Path) -> None:
    assert lint(folder) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda file: first(file).update(more=1), "unknown field 'more'"),
        (lambda file: first(file).update(id=file["groups"][0]["cases"][1]["id"]), "duplicate id"),
        (lambda file: file.update(cases=1), "cases says 1"),
        (lambda file: first(file).update(flags=["Unheard"]), "has no note"),
        (lambda file: first(file).update(requirements=["SMP-SECRET-99"]), "unknown requirement SMP-SECRET-99"),
        (lambda file: first(file).update(requirements=["AKE-V1-2"]), "AKE-V1-2 is out of scope"),
        (lambda file: first(file).update(requirements=[]), "names no requirement"),
        (lambda file: file["notes"].update(Unused=next(iter(file["notes"].values()))), "no case has the flag Unused"),
        (lambda file: two_results(file, "ARMOUR-END:reject", "ARMOUR-FIN:accept"), "unknown reading ARMOUR-FIN"),
        (lambda file: two_results(file, "ARMOUR-END:reject", "ARMOUR-END:maybe"), "no option maybe"),
        (lambda file: two_results(file, "ARMOUR-END:accept", "ARMOUR-END:reject"), "must be"),
    ],
)
def test_a_mistake_is_told(folder: Path, make: Change, words: str) -> None:
    change(folder, make)
    problems = lint(folder)
    assert any(words in problem for problem in problems) or (
        "must be" in words and any("only that" in p for p in problems)
    )


def test_a_file_that_is_missing_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "OPTIONAL", frozenset(vectors.KINDS) - {"armour"})
    assert [problem for problem in lint(folder) if problem.startswith("armour.json: it is missing")]


def test_a_file_of_no_kind_is_told(folder: Path) -> None:
    (folder / "strange.json").write_text("{}")
    assert "strange.json: there is no such kind" in lint(folder)


def test_a_schema_that_is_another_is_told(folder: Path) -> None:
    path = folder / "schemas" / "armour.schema.json"
    path.write_text(path.read_text().replace("armour", "armor"))
    assert any(problem.startswith("armour.schema.json: it is not what") for problem in lint(folder))


def test_a_file_against_its_schema_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_validator", lambda kind: Draft202012Validator({"required": ["absent"]}))
    assert any("against its schema" in problem for problem in lint(folder))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("MIN_CASES", 10_000, "36 cases; at least 10000"),
        ("MIN_INVALID", 0.4, "0 of 36 cases are invalid"),
        ("MAX_BYTES", 1000, "bytes; at most 1000"),
    ],
)
def test_amounts_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: float, words: str) -> None:
    monkeypatch.setattr(rules, name, value)
    assert any(words in problem for problem in lint(folder))


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        ({}, "requirement AKE-BOTH-1: no case shows it"),
        ({"SMP-SECRET-1": "why"}, "SMP-SECRET-1: unshown.toml says that no vector can show it, and some do"),
        ({"SMP-SECRET-77": "why"}, "SMP-SECRET-77: it is in unshown.toml, and is not a covered requirement"),
        ({"AKE-BOTH-1": " "}, "AKE-BOTH-1: unshown.toml gives no reason"),
    ],
)
def test_the_partition_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reasons: dict[str, str], words: str
) -> None:
    monkeypatch.setattr(rules, "unshown", lambda folder: reasons)
    assert any(words in problem for problem in lint(folder))


def test_reasons_are_read(tmp_path: Path) -> None:
    (tmp_path / "unshown.toml").write_text('[[unshown]]\nrequirements = ["A", "A"]\nreason = "why"\n')
    with pytest.raises(vectors.VectorError, match="A appears twice"):
        unshown(tmp_path)
    (tmp_path / "unshown.toml").write_text("[[")
    with pytest.raises(vectors.VectorError, match="can't be read"):
        unshown(tmp_path)


@pytest.mark.slow
def test_the_command_has_exit_codes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["vectors", "lint", "--in", str(folder)]
    assert cli.main(words) == 0
    change(folder, lambda file: file.update(cases=1))
    assert cli.main(words) == 1
    assert "cases says 1" in capsys.readouterr().err
