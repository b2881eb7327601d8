"""Reads the table from its TOML files into typed values and locates every mistake.

`read` returns the table together with the problems; `load` is for users of the table and refuses one with problems.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from otterproof.harness.spec.entries import Entry, Fields, Problem, TableError, entries
from otterproof.harness.spec.requirements.table import (
    VERSIONS,
    Level,
    Reading,
    Requirement,
    RequirementClass,
    Section,
    Table,
    Text,
)

#: Where the project's table is.
FOLDER = Path(__file__).parent

#: The kinds of entries and their fields; True if required.
FIELDS: Mapping[str, Fields] = {
    "requirement": {
        "id": True,
        "level": True,
        "versions": True,
        "section": True,
        "also": False,
        "restates": False,
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

#: The field that holds the name of an entry.
NAMES = {"requirement": "id", "reading": "id", "section": "name", "text": "title"}


def _text_value(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _requirement(entry: Entry) -> Requirement:
    return Requirement(
        id=entry.name,
        level=entry.choice("level", Level, Level.MUST),
        versions=entry.versions(VERSIONS),
        section=entry.string("section"),
        text=entry.string("text"),
        kind=entry.choice("class", RequirementClass, RequirementClass.COVERED),
        also=entry.strings("also"),
        restates=entry.strings("restates"),
        reason=entry.string("reason"),
        implied=entry.string("implied"),
        readings=entry.strings("readings"),
        note=entry.string("note"),
    )


def _reading(entry: Entry) -> Reading:
    return Reading(
        id=entry.name,
        versions=entry.versions(VERSIONS),
        question=entry.string("question"),
        text=entry.string("text"),
        options=entry.table("options", _text_value, "a description"),
        supported=entry.strings("supported"),
        ours=entry.string("ours"),
        requirements=entry.strings("requirements"),
        probe=entry.string("probe"),
        known=entry.table("known", _text_value, "the name of an option"),
    )


def _section(entry: Entry) -> Section:
    counts = entry.table("sentences", _count, "a count")
    keys = {f"v{version}": version for version in VERSIONS}
    for key in counts:
        if key not in keys:
            entry.problem(f"sentences has the unknown text {key!r}", f"The texts are {', '.join(keys)}")
    sentences = {version: counts[key] for key, version in keys.items() if key in counts}
    return Section(entry.name, entry.string("heading") or entry.name, sentences, entry.string("reason"))


def _text(entry: Entry) -> Text:
    return Text(entry.number("version"), entry.name, entry.string("file"), entry.string("sha256"))


def read(folder: Path = FOLDER) -> tuple[Table, list[Problem]]:
    """The table in a folder, and the problems with single entries."""
    problems: list[Problem] = []
    found = entries(folder, FIELDS, NAMES, problems)
    table = Table(
        texts=tuple(_text(entry) for entry in found["text"]),
        sections=tuple(_section(entry) for entry in found["section"]),
        requirements={entry.name: _requirement(entry) for entry in found["requirement"]},
        readings={entry.name: _reading(entry) for entry in found["reading"]},
    )
    return table, problems


@cache
def load(folder: Path = FOLDER) -> Table:
    """The table, read once. TableError if an entry can't be read."""
    table, problems = read(folder)
    if problems:
        raise TableError(problems)
    return table
