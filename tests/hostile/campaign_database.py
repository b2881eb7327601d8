"""Reads and changes the database of a campaign as plain values, bypassing the campaign's own checks."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from otterproof.harness.runs.fuzz.store import _SCHEMA, STATE

#: The fields of a campaign that have their own tables.
TABLES = ("findings", "seen")


class Unstorable(Exception):
    """The tables of the database can't hold this value."""


def stored(folder: Path) -> dict[str, Any]:
    """The content of the database."""
    with closing(sqlite3.connect(folder / STATE)) as connection:
        found: dict[str, Any] = {
            name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM campaign")
        }
        values = connection.execute("SELECT value FROM finding ORDER BY number, name")
        found["findings"] = [json.loads(value) for (value,) in values]
        rows = connection.execute("SELECT area, name, first FROM seen ORDER BY first, area, name")
        found["seen"] = [list(row) for row in rows]
    return found


def store(folder: Path, content: Any) -> None:
    """Replace the content of the database. Unstorable."""
    (folder / STATE).unlink(missing_ok=True)
    try:
        (folder / STATE).write_bytes(_image(content))
    except (sqlite3.Error, AttributeError, TypeError, ValueError, OverflowError) as error:
        raise Unstorable from error


def _image(content: Any) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        for sql in _SCHEMA.values():
            connection.execute(sql)
        for name, value in content.items():
            if name not in TABLES:
                connection.execute("INSERT INTO campaign VALUES (?, ?)", (_text(name), json.dumps(value)))
        for number, one in enumerate(content.get("findings", ())):
            name = _text(one["name"]) if isinstance(one, dict) and "name" in one else f"finding {number}"
            connection.execute("INSERT OR REPLACE INTO finding VALUES (?, ?, ?)", (name, number, json.dumps(one)))
        for row in content.get("seen", ()):
            connection.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?)", row)
        connection.commit()
        return connection.serialize()


def _text(value: object) -> str:
    return value.encode(errors="replace").decode() if isinstance(value, str) else json.dumps(value)
