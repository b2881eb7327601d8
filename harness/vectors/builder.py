"""With what the authors of vectors write them: a case is its inputs, what it shows, and whether it is valid.

The author claims the result, the engine gives the rest. An engine that does not agree with a claim stops the
generator: either the claim is wrong or the engine is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.vectors.answers import Subject, answer
from vectors import Case, Fields, Group, Note, Outcome, VectorFile
from vectors.operations import KINDS

GENERATOR = "otterproof vectors generate, version 1"

#: All randomness in the vectors follows from it.
SEED = "otterproof vectors 1"


class ClaimError(Exception):
    """An engine does not do what the author of a case says, or a case is not written as it must be."""


def valid(**expect: Any) -> Outcome:
    """An outcome in a reading other than the project's."""
    return Outcome(True, "", Fields(expect))


def invalid(reaction: str, **expect: Any) -> Outcome:
    """The same for an invalid case."""
    return Outcome(False, reaction, Fields(expect))


class GroupBuilder:
    """A group that is being written."""

    def __init__(self, file: FileBuilder, name: str, comment: str, operation: str, fields: Mapping[str, Any]) -> None:
        self.id = f"{file.kind}.{name}"
        self.comment = comment
        self.operation = operation
        self.fields = Fields(fields)
        self.cases: list[Case] = []
        self._file = file

    def case(
        self,
        name: str,
        comment: str,
        requirements: str,
        *,
        reaction: str = "",
        flags: str = "",
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
        **fields: Any,
    ) -> None:
        """A case of a function. reaction: given for an invalid one. requirements, flags: ids, separated by blanks.

        ours: the full id of the reading in which the result holds, with `others` for the further readings.
        """
        given = Fields(fields)
        found = answer(self._file.subject, self.operation, self.fields, given)
        if found.valid != (not reaction):
            raise ClaimError(
                f"{self.id}.{name}: {self._file.subject.name} finds it {'valid' if found.valid else 'invalid'}: "
                f"{dict(found.expect)!r:.300}; correct the case, or the engine"
            )
        self.add(
            name,
            comment,
            requirements,
            flags,
            given,
            Outcome(found.valid, reaction, Fields(found.expect)),
            ours,
            others,
        )

    def add(
        self,
        name: str,
        comment: str,
        requirements: str,
        flags: str,
        fields: Fields,
        outcome: Outcome,
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
    ) -> None:
        """A case whose outcome is known."""
        if bool(ours) != bool(others):
            raise ClaimError(f"{self.id}.{name}: name our reading and the others, or neither")
        outcomes = {ours: outcome, **(others or {})}
        names = tuple(flags.split())
        self._file.used.update(names)
        self.cases.append(Case(f"{self.id}.{name}", comment, tuple(requirements.split()), names, fields, outcomes))


class FileBuilder:
    """A file that is being written, with one engine's answers. notes: of all flags; those in use are kept."""

    def __init__(self, kind: str, subject: Subject, notes: Mapping[str, Note]) -> None:
        self.kind = kind
        self.subject = subject
        self.used: set[str] = set()
        self._notes = notes
        self._groups: list[GroupBuilder] = []

    def group(self, name: str, comment: str, operation: str, **fields: Any) -> GroupBuilder:
        builder = GroupBuilder(self, name, comment, operation, fields)
        self._groups.append(builder)
        return builder

    def file(self) -> VectorFile:
        """The whole file."""
        unknown = self.used - self._notes.keys()
        if unknown:
            raise ClaimError(f"{self.kind}: no note for the flags {', '.join(sorted(unknown))}; add them to notes.py")
        groups = tuple(
            Group(one.id, one.comment, one.operation, one.fields, tuple(one.cases)) for one in self._groups if one.cases
        )
        notes = {name: note for name, note in self._notes.items() if name in self.used}
        return VectorFile(self.kind, KINDS[self.kind].text, GENERATOR, SEED, notes, groups)
