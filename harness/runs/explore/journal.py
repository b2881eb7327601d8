"""The state of an exploration on disk, so that it can resume after an interruption.

A file of JSON lines. The first line says what is explored, and by which program; each other line is a slice of a level,
or the end of one. A state is recorded as the number of the state before it and the label of the move that leads to it.
Resuming repeats these moves, one for each state. That is a fraction of the work, because most moves lead to known
states. An incomplete last line is ignored, and so is the file of another exploration.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path as File
from typing import Any

import otterproof
from otterproof.harness.runs.explore.search import Fresh, Key, Label, State, narrowed
from otterproof.harness.runs.explore.solo import Counterexample, Slice, Solo
from otterproof.harness.support.outputs import OutputError

#: The version of the format.
FORMAT = 1

#: The type of the header, which says what is explored.
Header = Mapping[str, Any]


@cache
def program_digest() -> str:
    """A digest of Otterproof's own sources: with other sources, the same moves may lead to other states."""
    digest = hashlib.sha256()
    folder = File(otterproof.__path__[0])
    for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.toml")]):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


class Stale(Exception):
    """A journal does not match what is explored now."""


class Journal:
    """The file of one exploration."""

    def __init__(self, file: File, header: Header) -> None:
        """header: what distinguishes this exploration from others."""
        self._file = file
        self._header = {"format": FORMAT, **header, "program": program_digest()}
        self._numbers: dict[Key, int] = {}
        self._made = [one for one in (file.parent, *file.parent.parents) if not one.exists()]

    def begin(self, root: Key) -> None:
        """Begin a new file. Raises OutputError."""
        self._numbers = {root: 0}
        self._write("w", self._header)

    def slice(self, depth: int, made: Slice, seconds: float) -> None:
        """Record a slice of the level after this depth. Raises OutputError."""
        new = []
        for key, one in made.new.items():
            new.append([self._numbers[one.before], one.label, _written(one.fresh)])
            self._numbers[key] = len(self._numbers)
        again = [[self._numbers[key], _written(fresh)] for key, fresh in made.again.items() if key in self._numbers]
        self._write(
            "a",
            {
                "depth": depth,
                "seconds": round(seconds, 3),
                "steps": made.steps,
                "sizes": made.sizes,
                "expanded": [self._numbers[key] for key in made.expanded],
                "new": new,
                "again": again,
                "found": [[one.check, one.detail, one.at_end, one.labels] for one in made.found],
            },
        )

    def level(self, depth: int, healed: int, found: list[Counterexample]) -> None:
        """Record that a level is done. Raises OutputError."""
        told = [[one.check, one.detail, one.at_end, one.labels] for one in found]
        self._write("a", {"done": depth, "healed": healed, "found": told})

    def remove(self) -> None:
        """The exploration is over; delete the file, since there is nothing to resume."""
        with suppress(OSError):
            self._file.unlink()
            for folder in self._made:
                folder.rmdir()  # fails if it has other files

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The lines after the header; none if there is no file. Raises Stale."""
        try:
            lines = self._file.read_bytes().split(b"\n")[:-1]
        except OSError:
            return
        try:
            content = [json.loads(line) for line in lines]
        except ValueError as error:
            raise Stale from error
        if not content or content[0] != json.loads(json.dumps(self._header)):
            raise Stale
        yield from content[1:]

    def _write(self, mode: str, value: Mapping[str, Any]) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with self._file.open(mode) as file:
                file.write(json.dumps(value, separators=(",", ":")) + "\n")
        except OSError as error:
            raise OutputError(self._file, error) from error

    def retrace(self, solo: Solo) -> Retraced:
        """Bring a search to where the journal ends. Raises OutputError, or Stale, which makes the search unusable."""
        retraced = Retraced(self, solo, self._numbers)
        try:
            whole = self._file.read_bytes().rfind(b"\n") + 1 if self._file.exists() else 0
            if whole:
                os.truncate(self._file, whole)  # so that new data begins on a new line
        except OSError as error:
            raise OutputError(self._file, error) from error
        return retraced


class Retraced:
    """What a journal says about an exploration. depth, steps, seconds, sizes, healed: as in the certificate."""

    def __init__(self, journal: Journal, solo: Solo, numbers: dict[Key, int]) -> None:
        self.depth = self.steps = self.healed = 0
        self.seconds = 0.0
        self.sizes: list[int] = []
        self.found: list[Counterexample] = []
        self._solo, self._numbers = solo, numbers
        self._now: dict[int, State] = {0: solo.search.root}
        self._done: set[int] = set()
        self._next: dict[int, State] = {}
        numbers.clear()
        numbers[solo.search.root.key] = 0
        for line in journal.read():
            try:
                self._take(line)
            except (LookupError, TypeError, ValueError) as error:
                raise Stale from error
        solo.now = [state for number, state in self._now.items() if number not in self._done]
        solo.next = {state.key: state for state in self._next.values()}

    def _take(self, line: Mapping[str, Any]) -> None:
        self.found += [self._counterexample(*one) for one in line["found"]]
        if "done" in line:
            self.depth, self.healed = line["done"], line["healed"]
            self._now, self._next, self._done = self._next, {}, set()
            return
        for before, label, fresh in line["new"]:
            reached = self._solo.search.follow(self._now[before], tuple(label), _read(fresh))
            if reached is None or reached.key in self._numbers:
                raise Stale
            number = self._numbers[reached.key] = len(self._numbers)
            self._solo.seen.add(reached.key)
            self._next[number] = reached
        for number, fresh in line["again"]:
            self._next[number].fresh = narrowed(self._next[number].fresh, _read(fresh))
        self._done.update(line["expanded"])
        self.steps += line["steps"]
        self.seconds = line["seconds"]
        self.sizes = line["sizes"]

    def _counterexample(self, check: str, detail: str, at_end: bool, written: list[list[int]]) -> Counterexample:
        labels: list[Label] = [tuple(label) for label in written]
        return Counterexample(check, detail, tuple(map(self._solo.search.move, labels)), at_end, tuple(labels))


def _written(fresh: Fresh) -> list[int] | None:
    return None if fresh is None else sorted(fresh)


def _read(written: list[int] | None) -> Fresh:
    return None if written is None else frozenset(written)
