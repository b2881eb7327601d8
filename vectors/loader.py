"""Reads vector files into typed values, and writes them back.

    for file in load_all():
        for group, case in file:
            outcome = case.outcome({"ARMOUR-END": "accept"})   # the readings that your implementation follows
            assert outcome.valid == takes(case.fields.data("encoded"))

Any departure from the format is an error: an extra or missing field, a wrong count, a duplicate id. This module needs
only the standard library.
"""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from .forms import (
    INT,
    WORD,
    Field,
    Shape,
    VectorError,
    choice,
    listed,
    read_shape,
    record,
    typed,
    write_shape,
)
from .operations import KINDS, REACTIONS, Operation, operation

FORMAT = "otterproof-vectors"
VERSION = 2

#: The maximum size of a file in bytes.
MAX_BYTES = 16 << 20

#: Where the files are.
FOLDER = Path(__file__).parent

RESULTS = ("valid", "invalid")

NOTE: Shape = {
    "bug_class": Field(WORD, "what kind of mistake the cases with this flag are after"),
    "effect": Field(WORD, "what the mistake leads to"),
    "source": Field(
        WORD, "where it comes from: a section of the protocol text, or a defect that was found in the wild"
    ),
}
FILE: Shape = {
    "format": Field(choice(FORMAT), "always this"),
    "version": Field(INT, "of the format, 2"),
    "schema": Field(WORD, "the file's JSON Schema"),
    "generator": Field(WORD, "what made the file, with its version"),
    "seed": Field(WORD, "all randomness follows from it"),
    "kind": Field(choice(*KINDS), "what the file is about"),
    "description": Field(WORD, "the same in words"),
    "cases": Field(INT, "how many there are"),
    "invalid": Field(INT, "how many of them are invalid, in the project's own readings"),
}
GROUP: Shape = {
    "id": Field(WORD, "the kind and a name"),
    "comment": Field(WORD, "what the cases have in common"),
    "operation": Field(WORD, "what is asked; the group's further fields depend on it"),
}
CASE: Shape = {
    "id": Field(WORD, "the group's id and a name; it never changes"),
    "comment": Field(WORD, "what is special about the case"),
    "requirements": Field(listed(WORD), "ids in docs/reference/requirements.md"),
    "flags": Field(listed(WORD), "names of the file's notes"),
}


class Fields(Mapping[str, Any]):
    """The fields of an operation by name, with a getter for each type of value."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Fields({self._values!r})"

    def data(self, name: str) -> bytes:
        """Bytes, whether written as text or in hexadecimal."""
        return typed(self._values[name], bytes, name)

    def number(self, name: str) -> int:
        return typed(self._values[name], int, name)

    def word(self, name: str) -> str:
        return typed(self._values[name], str, name)

    def truth(self, name: str) -> bool:
        return typed(self._values[name], bool, name)

    def items_of(self, name: str) -> tuple[Any, ...]:
        """A list."""
        return typed(self._values[name], tuple, name)

    def table(self, name: str) -> dict[str, Any]:
        """An object."""
        return typed(self._values[name], dict, name)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is right, in one reading. reaction: one of REACTIONS, for an invalid case. expect: what else holds."""

    valid: bool
    reaction: str
    expect: Fields


@dataclass(frozen=True, slots=True)
class Case:
    """One case. outcomes: by reading ("ARMOUR-END:reject"), or under "" if no reading matters.

    The first outcome is that of the project's own readings; in each other one, a single reading differs from them.
    """

    id: str
    comment: str
    requirements: tuple[str, ...]
    flags: tuple[str, ...]
    fields: Fields
    outcomes: Mapping[str, Outcome]

    def outcome(self, readings: Mapping[str, str] | None = None) -> Outcome:
        """What is right under these readings (reading -> option); readings not named are the project's."""
        first, *others = self.outcomes
        for reading in others:
            name, _, option = reading.partition(":")
            if (readings or {}).get(name) == option:
                return self.outcomes[reading]
        return self.outcomes[first]


@dataclass(frozen=True, slots=True)
class Group:
    """Cases with something in common, for the same operation."""

    id: str
    comment: str
    operation: str
    fields: Fields
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """Why cases with a flag exist."""

    bug_class: str
    effect: str
    source: str


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A whole file."""

    kind: str
    description: str
    generator: str
    seed: str
    notes: Mapping[str, Note]
    groups: tuple[Group, ...] = field(repr=False)

    def __iter__(self) -> Iterator[tuple[Group, Case]]:
        return ((group, case) for group in self.groups for case in group.cases)

    @property
    def count(self) -> int:
        return sum(1 for _ in self)

    @property
    def invalid(self) -> int:
        return sum(1 for _, case in self if not case.outcome().valid)


# ---- reading --------------------------------------------------------------------------------------------------------


def _outcome(asked: Operation, value: Any, where: str) -> Outcome:
    given = typed(value, dict, where)
    result = choice(*RESULTS).read(given.get("result"), f"{where}.result")
    shape: dict[str, Field] = {"result": Field(WORD, "valid or invalid")}
    if result == "invalid":
        shape["reaction"] = Field(choice(*REACTIONS), "what is done about it")
    expected = asked.expect if result == "valid" else asked.refused
    shape["expect"] = Field(record("expect", expected), "what is right")
    values = read_shape(shape, given, where)
    return Outcome(result == "valid", values.get("reaction", ""), Fields(values["expect"]))


def _case(asked: Operation, value: Any, where: str) -> Case:
    given = dict(typed(value, dict, where))
    where = f"case {given['id']}" if isinstance(given.get("id"), str) else where
    result = {name: given.pop(name) for name in ("result", "reaction", "expect", "results") if name in given}
    values = read_shape({**CASE, **asked.case}, given, where)
    if set(result) == {"results"}:
        named = typed(result["results"], dict, f"{where}.results")
        outcomes = {reading: _outcome(asked, one, f"{where}.results.{reading}") for reading, one in named.items()}
        if len(outcomes) < 2:
            raise VectorError(where, "results has fewer than two readings; without any, use result")
    elif "results" in result:
        raise VectorError(where, "both result and results; have one of them")
    else:
        outcomes = {"": _outcome(asked, result, where)}
    own = {name: values.pop(name) for name in CASE}
    return Case(own["id"], own["comment"], own["requirements"], own["flags"], Fields(values), outcomes)


def _group(value: Any, where: str) -> Group:
    given = dict(typed(value, dict, where))
    where = f"group {given['id']}" if isinstance(given.get("id"), str) else where
    cases = typed(given.pop("cases", None), list, f"{where}.cases")
    asked = operation(typed(given.get("operation"), str, f"{where}.operation"), where)
    values = read_shape({**GROUP, **asked.group}, given, where)
    own = {name: values.pop(name) for name in GROUP}
    read = tuple(_case(asked, one, f"{where}, case number {n}") for n, one in enumerate(cases, 1))
    return Group(own["id"], own["comment"], own["operation"], Fields(values), read)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def parse(text: str, where: str) -> VectorFile:
    """The file in a JSON text. VectorError; `where` names the file."""
    try:
        return _file(json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant), where)
    except VectorError:
        raise
    except ValueError as error:
        raise VectorError(where, f"it is not JSON: {error}") from None
    except RecursionError:
        raise VectorError(where, "its values are nested too deeply") from None


def _file(value: Any, where: str) -> VectorFile:
    given = typed(value, dict, where)
    notes = typed(given.pop("notes", None), dict, f"{where}: notes")
    groups = typed(given.pop("groups", None), list, f"{where}: groups")
    values = read_shape(FILE, given, where)
    if values["version"] != VERSION:
        raise VectorError(where, f"version {values['version']} of the format is not known here, only {VERSION}")
    file = VectorFile(
        values["kind"],
        values["description"],
        values["generator"],
        values["seed"],
        {name: Note(**read_shape(NOTE, one, f"{where}: note {name}")) for name, one in notes.items()},
        tuple(_group(one, f"{where}, group number {n}") for n, one in enumerate(groups, 1)),
    )
    _agrees(file, values, where)
    return file


def _agrees(file: VectorFile, values: Mapping[str, Any], where: str) -> None:
    """Checks the consistency between the parts of a file. VectorError."""
    if values["schema"] != f"schemas/{file.kind}.schema.json":
        raise VectorError(where, f"its schema is {values['schema']}, for kind {file.kind}")
    for name, said, there in (("cases", values["cases"], file.count), ("invalid", values["invalid"], file.invalid)):
        if said != there:
            raise VectorError(where, f"{name} says {said}, and there are {there}")
    ids = Counter([group.id for group in file.groups] + [case.id for _, case in file])
    for twice in sorted(name for name, count in ids.items() if count > 1):
        raise VectorError(where, f"duplicate id {twice}")
    for group in file.groups:
        if not group.id.startswith(f"{file.kind}."):
            raise VectorError(where, f"the id of group {group.id} does not begin with its kind, {file.kind}")
        if group.operation not in KINDS[file.kind].operations:
            raise VectorError(where, f"group {group.id} asks for {group.operation}, which its kind does not have")
    for group, case in file:
        if not case.id.startswith(f"{group.id}."):
            raise VectorError(where, f"the id of case {case.id} does not begin with its group's, {group.id}")
        for flag in case.flags:
            if flag not in file.notes:
                raise VectorError(where, f"case {case.id} has the flag {flag}, which has no note")


def load(kind: str, folder: Path = FOLDER) -> VectorFile:
    """The file of one kind. VectorError."""
    path = folder / f"{kind}.json"
    try:
        text = _read(path).decode("ascii")
    except (OSError, ValueError) as error:
        raise VectorError(str(path), f"can't be read: {error}; there are files for {', '.join(KINDS)}") from error
    return parse(text, path.name)


def _read(path: Path) -> bytes:
    """The bytes of a regular file of bounded size: a pipe can't block the reader, and a device can't fill the memory.

    OSError, ValueError. (implementations/inputs.py does the same; this package works without the rest.)
    """
    if not path.is_file():  # checked before opening, because opening a device can already have an effect
        raise ValueError("it is a directory, pipe or device" if path.exists() else "there is no such file")
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is a directory, pipe or device")
        if os.fstat(file.fileno()).st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES} bytes, the limit")
        parts: list[bytes] = []
        while part := file.read(min(1 << 20, MAX_BYTES + 1 - sum(map(len, parts)))):
            parts.append(part)
    if sum(map(len, parts)) > MAX_BYTES:
        raise ValueError(f"it grew beyond {MAX_BYTES} bytes, the limit, while it was read")
    return b"".join(parts)


def load_all(folder: Path = FOLDER) -> tuple[VectorFile, ...]:
    """All existing files, in the order of KINDS."""
    return tuple(load(kind, folder) for kind in KINDS if (folder / f"{kind}.json").exists())


# ---- writing --------------------------------------------------------------------------------------------------------


def _outcome_to_json(asked: Operation, outcome: Outcome) -> dict[str, Any]:
    written: dict[str, Any] = {"result": RESULTS[not outcome.valid]}
    if not outcome.valid:
        written["reaction"] = outcome.reaction
    return written | {"expect": write_shape(asked.expect if outcome.valid else asked.refused, outcome.expect)}


def _case_to_json(asked: Operation, case: Case) -> dict[str, Any]:
    own = {name: getattr(case, name) for name in CASE}
    written = write_shape({**CASE, **asked.case}, {**own, **case.fields})
    outcomes = {reading: _outcome_to_json(asked, one) for reading, one in case.outcomes.items()}
    return written | outcomes.get("", {"results": outcomes})


def _group_to_json(group: Group) -> dict[str, Any]:
    asked = operation(group.operation, group.id)
    own = {name: getattr(group, name) for name in GROUP}
    written = write_shape({**GROUP, **asked.group}, {**own, **group.fields})
    return written | {"cases": [_case_to_json(asked, case) for case in group.cases]}


def render(file: VectorFile) -> str:
    """The file as JSON text: one field per line, in the order of the format."""
    head = {
        "format": FORMAT,
        "version": VERSION,
        "schema": f"schemas/{file.kind}.schema.json",
        "generator": file.generator,
        "seed": file.seed,
        "kind": file.kind,
        "description": file.description,
        "cases": file.count,
        "invalid": file.invalid,
    }
    written = {
        **write_shape(FILE, head),
        "notes": {
            name: write_shape(NOTE, {one: getattr(note, one) for one in NOTE}) for name, note in file.notes.items()
        },
        "groups": [_group_to_json(group) for group in file.groups],
    }
    return json.dumps(written, indent=1, ensure_ascii=True) + "\n"
