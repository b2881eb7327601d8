"""A file with what has been found out about faults so far, so that the work can be interrupted and resumed.

It has a digest of all sources. A file from other sources is not resumed, because its results may no longer hold.
Sightings are kept in such files, and what explorations have found (explored.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import otterproof
from otterproof.harness.runs.faults.sightings import Sighting, View
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.outputs import write_whole

T = TypeVar("T")

#: The folders that judgements depend on, and which files count there.
_FOLDERS = ("harness", "implementations", "scenarios")
_SUFFIXES = (".py", ".toml")


class SightingsFileError(CommandError, ValueError):
    """A file can't be resumed. The message says why, and what to do."""


@cache
def sources() -> str:
    """A digest of everything that judgements depend on."""
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        root = (Path(otterproof.__path__[0]) / folder).resolve()
        for path in sorted(one for one in root.rglob("*") if one.suffix in _SUFFIXES):
            content = path.read_bytes()
            digest.update(f"{folder}/{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def read_entries(path: Path, what: str, made: Callable[[dict[str, Any]], T]) -> list[T]:
    """The entries of a file, each made from its plain values; [] if it does not exist. SightingsFileError."""
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        written, found = content["sources"], [made(one) for one in content[what]]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SightingsFileError(f"{path} is no file of {what}: {error}; name another file") from error
    if written != sources():
        raise SightingsFileError(f"{path} is of other sources than these; delete it to begin again")
    return found


def write_entries(path: Path, what: str, entries: Iterable[dict[str, Any]]) -> None:
    """Write all entries, as plain values. OutputError."""
    content = {"sources": sources(), what: list(entries)}
    write_whole(path, json.dumps(content, indent=0) + "\n", durable=False)


def read(path: Path) -> list[Sighting]:
    """The sightings in a file; [] if it does not exist. SightingsFileError."""
    return read_entries(path, "sightings", _sighting)


def write(path: Path, sightings: Iterable[Sighting]) -> None:
    """Write all sightings. OutputError."""
    write_entries(path, "sightings", map(_as_json, sightings))


def kept(path: Path, sightings: dict[tuple[str, int], Sighting], stream: Iterable[Sighting]) -> Iterator[Sighting]:
    """The same stream; after each item, all sightings are written to a file. OutputError."""
    for one in stream:
        write(path, sightings.values())
        yield one


def _as_json(one: Sighting) -> dict[str, Any]:
    return asdict(one) | {"view": None if one.view is None else one.view.value}


def _sighting(value: dict[str, Any]) -> Sighting:
    view = value["view"]
    return Sighting(**{**value, "view": None if view is None else View(view)})
