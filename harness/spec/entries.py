"""Reads the entries of the TOML tables and locates every mistake.

Requirements, choices, checks and known deviations are tables of entries, each with its own fields; all are read here. A
mistake is a `Problem`: where it is, what is wrong, and what to do about it. An entry with mistakes is still read as far
as possible, so that one mistake does not cause a dozen more.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from otterproof.harness.support.errors import OtterproofError
from otterproof.harness.support.suggestions import nearest

#: The fields of a kind of entry; True if required.
Fields = Mapping[str, bool]

E = TypeVar("E", bound=StrEnum)
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a table, or with a reference to it: where, what, and how to correct it."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}."


class TableError(OtterproofError):
    """The table can't be used. The message lists every problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def hint(wanted: str, known: Iterable[str]) -> str:
    """The ids that may have been meant, to end a message with."""
    near = nearest(wanted, known)
    return f" (near to it: {', '.join(near)})" if near else ""


class Entry:
    """One entry of a file. The methods read a field and record any problem with it."""

    def __init__(self, where: str, kind: str, name: str, fields: object, known: Fields, problems: list[Problem]):
        """where: how problems name the entry. kind: what it is, in one word. name: "" if it has none."""
        self.where = where
        self.name = name
        self._fields: Mapping[str, object] = fields if isinstance(fields, dict) else {}
        self._problems = problems
        for key in self._fields:
            if key not in known:
                self.problem(f"unknown field {key!r}{hint(key, known)}", f"A {kind} has {', '.join(known)}")
        for key, needed in known.items():
            if needed and key not in self._fields:
                self.problem(f"the field {key!r} is missing", "Add it")

    def problem(self, what: str, remedy: str) -> None:
        self._problems.append(Problem(self.where, what, remedy))

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

    def flag(self, key: str) -> bool:
        """A boolean field; false if it is missing or wrong."""
        value = self._fields.get(key, False)
        if not isinstance(value, bool):
            self.problem(f"{key} is neither true nor false", "Write it without quotes, in lower-case letters")
            return False
        return value

    def date(self, key: str) -> date | None:
        """A date without a time of day; None if it is missing or wrong."""
        value = self._fields.get(key)
        if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
            return value
        self.problem(f"{key} is not a date", "Write it without quotes: 2027-06-30")
        return None

    def strings(self, key: str) -> tuple[str, ...]:
        value = self._fields.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.problem(f"{key} is not a list of strings", f'Write {key} = ["...", "..."]')
            return ()
        for item in sorted({item for item in value if value.count(item) > 1}):
            self.problem(f"{key} has {item} twice", "Remove one of them")
        return tuple(value)

    def versions(self, known: tuple[int, ...]) -> tuple[int, ...]:
        """Known protocol versions, in order; all of them if the field is missing or wrong."""
        value = self._fields.get("versions", list(known))
        allowed = [*([version] for version in known), list(known)]
        if value not in allowed:
            self.problem(f"versions is {value!r}", f"Write {', '.join(map(str, allowed[:-1]))} or {allowed[-1]}")
            return known
        return known if value == list(known) else tuple(version for version in known if value == [version])

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
        """A table all of whose values pass `check`."""
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


def documents(folder: Path, problems: list[Problem]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and content of every TOML file of a folder, in order of name."""
    paths = sorted(folder.glob("*.toml"))
    if not paths:
        problems.append(Problem(str(folder), "it has no TOML file", "Name the folder that has the table"))
    for path in paths:
        try:
            yield path.name, tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            problems.append(Problem(path.name, f"not a TOML file: {error}", "Correct the syntax"))


def entries(
    folder: Path, kinds: Mapping[str, Fields], names: Mapping[str, str], problems: list[Problem]
) -> dict[str, list[Entry]]:
    """The entries of all files that begin with [[KIND]], by kind. If several share a name, only the first is kept.

    kinds: the fields of each kind. names: the field that holds the name of an entry, by kind.
    """
    found: dict[str, list[Entry]] = {kind: [] for kind in kinds}
    places: dict[tuple[str, str], str] = {}
    for file, content in documents(folder, problems):
        for kind, items in content.items():
            if kind not in kinds or not isinstance(items, list):
                remedy = f"Begin each entry with {' or '.join(f'[[{known}]]' for known in kinds)}"
                problems.append(Problem(file, f"unknown kind of entry {kind!r}{hint(kind, kinds)}", remedy))
                continue
            for number, fields in enumerate(items, 1):
                name = fields.get(names[kind]) if isinstance(fields, dict) else None
                name = name if isinstance(name, str) else ""
                where = f"{file}, {kind} {name or f'number {number}'}"
                entry = Entry(where, kind, name, fields, kinds[kind], problems)
                if name and (kind, name) in places:
                    what = f"duplicate {names[kind]}; the other one is in {places[kind, name]}"
                    entry.problem(what, f"Give the later one another {names[kind]}")
                    continue
                places[kind, name] = file
                found[kind].append(entry)
    return found
