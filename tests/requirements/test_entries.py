"""The loader finds every problem with an entry that it knows, in a damaged copy of the table."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import (
    lint,
    read,
)
from tests.requirements.damage import Add, Damage, finds


def test_not_toml(folder: Path) -> None:
    (folder / "more.toml").write_text("x = = 1", encoding="utf-8")
    finds(lint(folder), "more.toml", "not a TOML file")


def test_no_files(tmp_path: Path) -> None:
    assert any("no TOML file" in problem.what for problem in lint(tmp_path))


def test_unknown_kind_of_entry(folder: Path) -> None:
    (folder / "more.toml").write_text("[[requirment]]\n", encoding="utf-8")
    assert "requirement" in finds(lint(folder), "more.toml", "unknown kind of entry").what


def test_entry_without_id(add: Add) -> None:
    finds(add(id=None), "more.toml, requirement number 1", "'id' is missing")


def test_duplicate_requirement(add: Add) -> None:
    problem = finds(add(id='"DATA-CTR-2"'), "requirement DATA-CTR-2", "duplicate id")
    assert "data.toml" in problem.what


def test_duplicate_reading_and_section(damage: Damage) -> None:
    finds(damage("readings_ake.toml", '"COMMIT-EQUAL"', '"AKE-FAIL-STATE"'), "AKE-FAIL-STATE", "duplicate id")
    finds(damage("sections.toml", 'name = "Policies"', 'name = "Message state"'), "Message state", "duplicate name")


@pytest.mark.parametrize("wrong", ["DATA-1", "data-ctr-1", "DATA-CTR-01", "DATA-CTR-X-1", "DATA-CTR"])
def test_requirement_id_has_its_form(add: Add, wrong: str) -> None:
    finds(add(id=f'"{wrong}"'), f"requirement {wrong}", "the id has not the form")


def test_unknown_field(add: Add) -> None:
    assert "note" in finds(add(nota='"x"'), "ROBUST-TEST-1", "unknown field 'nota'").what


@pytest.mark.parametrize("field", ["level", "versions", "section", "text", "class"])
def test_missing_field(add: Add, field: str) -> None:
    finds(add(**{field: None}), "ROBUST-TEST-1", f"'{field}' is missing")


def test_unknown_level_and_class(add: Add) -> None:
    assert "must, should" in finds(add(level='"shall"'), "ROBUST-TEST-1", "unknown level 'shall'").remedy
    assert "covered" in finds(add(**{"class": '"tested"'}), "ROBUST-TEST-1", "unknown class 'tested'").remedy


@pytest.mark.parametrize("versions", ["[]", "[1]", "[3, 2]", "[2, 2]", "3", '["3"]'])
def test_versions(add: Add, versions: str) -> None:
    finds(add(versions=versions), "ROBUST-TEST-1", "versions is")


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("text", "1", "text is not a string"),
        ("text", '" "', "text is empty"),
        ("note", '""', "note is empty"),
        ("also", '"Policies"', "also is not a list of strings"),
        ("also", '["Policies", "Policies"]', "also has Policies twice"),
    ],
)
def test_wrong_values(add: Add, field: str, value: str, what: str) -> None:
    assert any(problem.what == what for problem in add(**{field: value}))


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("sections.toml", "version = 2\n", 'version = "2"\n', "version is not a whole number"),
        ("sections.toml", "v2 = 31", "v2 = -1", "sentences.v2 is not a count"),
        ("sections.toml", "v2 = 31", "v1 = 31", "sentences has the unknown text 'v1'"),
        ("sections.toml", "sentences = { v2 = 31, v3 = 31 }", "sentences = 31", "sentences is not a table"),
        ("readings_ake.toml", 'keep = "', 'keep = 1 # "', "options.keep is not a description"),
    ],
)
def test_wrong_values_of_other_entries(damage: Damage, file: str, old: str, new: str, what: str) -> None:
    assert any(problem.what == what for problem in damage(file, old, new))


def test_read_keeps_what_it_can(folder: Path, add: Add) -> None:
    add(level='"shall"', nonsense="1")
    table, problems = read(folder)
    assert table.requirement("ROBUST-TEST-1").text == "A requirement of the tests."
    assert len(problems) == 2
