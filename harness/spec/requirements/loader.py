"""Reading the table from its TOML files into typed values, with every mistake located.

An entry that has mistakes is still read as far as it can be, so that one mistake does not make a dozen others up.
`read` returns the table together with the problems; `load` is for those who use the table, and refuses one with
problems.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TypeVar

from otterproof.harness.spec.requirements.table import (
    VERSIONS,
    Level,
    Problem,
    Reading,
    Requirement,
    RequirementClass,
    Section,
    Table,
    TableError,
    Text,
    hint,
)

#: Where the table of the project is.
FOLDER = Path(__file__).parent

#: The kinds of entries, and the fields of each; True for the ones that must be there.
FIELDS: Mapping[str, Mapping[str, bool]] = {
    "requirement": {
        "id": True,
        "level": True,
        "versions": True,
        "section": True,
        "also": False,
        "text": True,
        "class": True,
        "reason": False,
        "implied": False,
        "readings": False,
        "note": False,
    },
    "reading": {
        "id": True,
        "versions": True,
        "question": True,
        "text": True,
        "options": True,
        "supported": True,
        "ours": True,
        "requirements": True,
        "probe": True,
        "known": False,
    },
    "section": {"name": True, "heading": False, "sentences": True, "reason": False},
    "text": {"version": True, "title": True, "file": True, "sha256": True},
}

#: The field that names an entry.
NAMES = {"requirement": "id", "reading": "id", "section": "name", "text": "title"}

E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")


class _Entry:
    """One entry of a file. The methods take a field out of it; what is wrong is added to `problems`."""

    def __init__(self, file: str, kind: str, number: int, fields: Mapping[str, object], problems: list[Problem]):
        name = fields.get(NAMES[kind])
        self.name = name if isinstance(name, str) else ""
        self.where = f"{file}, {kind} {self.name}" if self.name else f"{file}, {kind} number {number}"
        self._fields = fields
        self._problems = problems
        known = FIELDS[kind]
        for key in fields:
            if key not in known:
                self.problem(f"unknown field {key!r}{hint(key, known)}", f"A {kind} has {', '.join(known)}")
        for key, needed in known.items():
            if needed and key not in fields:
                self.problem(f"the field {key!r} is missing", "Add it")

    def problem(self, what: str, mend: str) -> None:
        self._problems.append(Problem(self.where, what, mend))

    def string(self, key: str) -> str:
        value = self._fields.get(key, "")
        if not isinstance(value, str):
            self.problem(f"{key} is not a string", "Put it in quotes")
            return ""
        if key in self._fields and not value.strip():
            self.problem(f"{key} is empty", f"Fill in the {key}, or leave an optional field out")
        return value.strip()

    def number(self, key: str) -> int:
        value = self._fields.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool):
            self.problem(f"{key} is not a whole number", "Write it without quotes")
            return 0
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        value = self._fields.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.problem(f"{key} is not a list of strings", f'Write {key} = ["...", "..."]')
            return ()
        for item in sorted({item for item in value if value.count(item) > 1}):
            self.problem(f"{key} has {item} twice", "Remove one of them")
        return tuple(value)

    def versions(self) -> tuple[int, ...]:
        value = self._fields.get("versions", list(VERSIONS))
        if value not in ([2], [3], [2, 3]):
            self.problem(f"versions is {value!r}", "Write [2], [3] or [2, 3]")
            return VERSIONS
        return tuple(value)

    def choice(self, key: str, choices: type[E], fallback: E) -> E:
        if key not in self._fields:
            return fallback
        value = self.string(key)
        try:
            return choices(value)
        except ValueError:
            self.problem(f"unknown {key} {value!r}", f"Choose one of {', '.join(choices)}")
            return fallback

    def table(self, key: str, check: Callable[[object], V | None], wanted: str) -> dict[str, V]:
        """A table whose values all pass `check`."""
        value = self._fields.get(key, {})
        if not isinstance(value, dict):
            self.problem(f"{key} is not a table", f"Write it as [{key}] with a line for each entry")
            return {}
        checked = {}
        for name, item in value.items():
            good = check(item)
            if good is None:
                self.problem(f"{key}.{name} is not {wanted}", "Correct the value")
            else:
                checked[name] = good
        return checked


def _text_value(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _requirement(entry: _Entry) -> Requirement:
    return Requirement(
        id=entry.name,
        level=entry.choice("level", Level, Level.MUST),
        versions=entry.versions(),
        section=entry.string("section"),
        text=entry.string("text"),
        kind=entry.choice("class", RequirementClass, RequirementClass.COVERED),
        also=entry.strings("also"),
        reason=entry.string("reason"),
        implied=entry.string("implied"),
        readings=entry.strings("readings"),
        note=entry.string("note"),
    )


def _reading(entry: _Entry) -> Reading:
    return Reading(
        id=entry.name,
        versions=entry.versions(),
        question=entry.string("question"),
        text=entry.string("text"),
        options=entry.table("options", _text_value, "a description"),
        supported=entry.strings("supported"),
        ours=entry.string("ours"),
        requirements=entry.strings("requirements"),
        probe=entry.string("probe"),
        known=entry.table("known", _text_value, "the name of an option"),
    )


def _section(entry: _Entry) -> Section:
    counts = entry.table("sentences", _count, "a count")
    keys = {f"v{version}": version for version in VERSIONS}
    for key in counts:
        if key not in keys:
            entry.problem(f"sentences has the unknown text {key!r}", f"The texts are {', '.join(keys)}")
    sentences = {version: counts[key] for key, version in keys.items() if key in counts}
    return Section(entry.name, entry.string("heading") or entry.name, sentences, entry.string("reason"))


def _text(entry: _Entry) -> Text:
    return Text(entry.number("version"), entry.name, entry.string("file"), entry.string("sha256"))


def _entries(folder: Path, problems: list[Problem]) -> dict[str, list[_Entry]]:
    """All entries of all files by kind; of several with one name only the first."""
    entries: dict[str, list[_Entry]] = {kind: [] for kind in FIELDS}
    first: dict[tuple[str, str], str] = {}
    files = sorted(folder.glob("*.toml"))
    if not files:
        problems.append(Problem(str(folder), "no TOML file is there", "Name the folder that has the table"))
    for path in files:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            problems.append(Problem(path.name, f"not a TOML file: {error}", "Correct the syntax"))
            continue
        for kind, items in content.items():
            if kind not in FIELDS or not isinstance(items, list):
                mend = f"Entries begin with {', '.join(f'[[{known}]]' for known in FIELDS)}"
                problems.append(Problem(path.name, f"unknown kind of entry {kind!r}{hint(kind, FIELDS)}", mend))
                continue
            for number, item in enumerate(items, 1):
                entry = _Entry(path.name, kind, number, item if isinstance(item, dict) else {}, problems)
                other = first.setdefault((kind, entry.name), path.name)
                if not entry.name:
                    continue
                if any(known.name == entry.name for known in entries[kind]):
                    entry.problem(
                        f"duplicate {NAMES[kind]}; the other one is in {other}", "Give a new one to the later"
                    )
                    continue
                entries[kind].append(entry)
    return entries


def read(folder: Path = FOLDER) -> tuple[Table, list[Problem]]:
    """The table in a folder, and what is wrong with its entries, each taken by itself."""
    problems: list[Problem] = []
    entries = _entries(folder, problems)
    table = Table(
        texts=tuple(_text(entry) for entry in entries["text"]),
        sections=tuple(_section(entry) for entry in entries["section"]),
        requirements={entry.name: _requirement(entry) for entry in entries["requirement"]},
        readings={entry.name: _reading(entry) for entry in entries["reading"]},
    )
    return table, problems


@cache
def load(folder: Path = FOLDER) -> Table:
    """The table, read once; raises TableError when an entry can't be read."""
    table, problems = read(folder)
    if problems:
        raise TableError(problems)
    return table
