"""The package vectors: the loader reads the committed files, writes them back unchanged, and refuses malformed ones."""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otterproof import vectors
from otterproof.vectors import KINDS, VectorError, load, load_all, parse, render, schema

KIND = "encodings"


def given() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((vectors.FOLDER / f"{KIND}.json").read_text())
    return content


def refusal(change: Callable[[dict[str, Any]], object]) -> str:
    """The loader's error for the committed file with a change."""
    content = copy.deepcopy(given())
    change(content)
    with pytest.raises(VectorError) as caught:
        parse(json.dumps(content), "file.json")
    return str(caught.value)


def first(content: dict[str, Any]) -> dict[str, Any]:
    case: dict[str, Any] = content["groups"][0]["cases"][0]
    return case


@pytest.mark.parametrize("file", load_all(), ids=lambda file: file.kind)
def test_what_is_loaded_is_written_as_it_was(file: vectors.VectorFile) -> None:
    assert render(file) == (vectors.FOLDER / f"{file.kind}.json").read_text()


def test_values_are_typed() -> None:
    group = next(group for group in load(KIND).groups if group.id == "encodings.mpi")
    case = next(case for case in group.cases if case.id == "encodings.mpi.256")
    assert group.fields.word("type") == "MPI"
    assert case.fields.data("encoded") == b"\0\0\0\2\1\0"
    assert case.outcome().valid
    assert case.outcome().expect.number("number") == 256


def test_a_case_has_an_outcome_for_each_reading() -> None:
    case = next(case for _, case in load(KIND) if case.id == "encodings.mpi.zeros-1-one")
    assert not case.outcome().valid
    assert case.outcome().reaction == "refused"
    assert case.outcome({"TYPES-MPI-ZEROS": "normalise"}).valid
    assert not case.outcome({"ARMOUR-END": "accept"}).valid


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.update(more=1), "unknown field 'more'"),
        (lambda file: file.pop("seed"), "the field 'seed' is missing"),
        (lambda file: file.update(version=1), "version 1 of the format"),
        (lambda file: file.update(kind="nothing"), "'nothing' is not one of"),
        (lambda file: file.update(cases=3), "cases says 3"),
        (lambda file: file.update(invalid=0), "invalid says 0"),
        (lambda file: file.update(schema="schemas/armour.schema.json"), "its schema is"),
        (lambda file: file["groups"][0].update(more=1), "unknown field 'more'"),
        (lambda file: file["groups"][0].update(operation="dance"), "unknown operation 'dance'"),
        (lambda file: file["groups"][0].update(operation="armour"), "unknown field 'type'"),
        (lambda file: file["groups"][0].update(id="armour.byte"), "does not begin with its kind"),
        (lambda file: first(file).update(more=1), "unknown field 'more'"),
        (lambda file: first(file).update(id=file["groups"][0]["cases"][1]["id"]), "duplicate id"),
        (lambda file: first(file).update(id="encodings.other.name"), "does not begin with its group's"),
        (lambda file: first(file).update(flags=["Unheard"]), "has the flag Unheard, which has no note"),
        (lambda file: first(file).update(encoded="0"), "hexadecimal digits, two a byte"),
        (lambda file: first(file).update(encoded="AB"), "lower-case"),
        (lambda file: first(file).update(encoded=7), "expected str"),
        (lambda file: first(file).update(result="acceptable"), "'acceptable' is not one of valid, invalid"),
        (lambda file: first(file).update(reaction="ignored"), "unknown field 'reaction'"),
        (lambda file: first(file).update(results={}), "both result and results"),
        (lambda file: first(file)["expect"].update(number="01"), "without leading zeros"),
        (lambda file: first(file)["expect"].update(other="01"), "unknown field 'other'"),
    ],
)
def test_what_is_not_of_the_format_is_refused(change: Callable[[dict[str, Any]], object], words: str) -> None:
    assert words in refusal(change)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1, "a": 2}', "[" * 100_000])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(VectorError):
        parse(text, "file.json")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"can't be read"):
        load(KIND, tmp_path)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_the_schemas_are_made_from_the_table(kind: vectors.Kind) -> None:
    assert (schema.SCHEMAS / f"{kind.name}.schema.json").read_text() == schema.render(kind)


def test_the_package_needs_nothing_but_the_standard_library() -> None:
    imported = set()
    for path in vectors.FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:  # the others are within the package
                imported.add(str(node.module))
    assert {name for name in imported if name.partition(".")[0] not in sys.stdlib_module_names} == set()
