"""The builder that authors of vectors use: a case is its inputs, what it shows, and whether it is valid.

The author claims the result, and the engine computes the rest. If an engine disagrees with a claim, the generator
stops: either the claim or the engine is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from otterproof.harness.vectorgen.answers import Subject, answer
from otterproof.harness.vectorgen.client_session import ClientSession, config
from otterproof.harness.vectorgen.play_builder import (
    Act,
    ClaimError,
    EngineMaker,
    PlayGroup,
    Plays,
    nothing,
    outcomes_of,
)
from otterproof.implementations.contract import Policy
from otterproof.vectors import Case, Fields, Group, Note, Outcome, VectorFile
from otterproof.vectors.operations import KINDS

GENERATOR = "otterproof vectors generate, version 1"

#: The seed of all randomness in the vectors.
SEED = "otterproof vectors 1"


def valid(**expect: Any) -> Outcome:
    """A valid outcome, in a reading other than the project's."""
    return Outcome(True, "", Fields(expect))


def invalid(reaction: str, **expect: Any) -> Outcome:
    """An invalid outcome, in a reading other than the project's."""
    return Outcome(False, reaction, Fields(expect))


class GroupBuilder:
    """A group under construction."""

    def __init__(self, file: FileBuilder, name: str, comment: str, operation: str, fields: Mapping[str, Any]) -> None:
        self.id = f"{file.kind}.{name}"
        self.comment = comment
        self.operation = operation
        self.fields = Fields(fields)
        self.cases: list[Case] = []
        self.flags: set[str] = set()
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
        """Add a case of a function. reaction: only for an invalid one. requirements, flags: ids, separated by blanks.

        ours: the full id of the reading in which the result holds, with `others` for the further readings.
        """
        given = Fields(fields)
        found = answer(self._file.subject, self.operation, self.fields, given)
        if found.valid != (not reaction):
            raise ClaimError(
                f"{self.id}.{name}: {self._file.subject.name} finds it {'valid' if found.valid else 'invalid'}: "
                f"{dict(found.expect)!r:.300}; correct the case, or the engine"
            )
        outcome = Outcome(found.valid, reaction, Fields(found.expect))
        outcomes = outcomes_of(f"{self.id}.{name}", outcome, ours, others)
        self.flags.update(flags.split())
        shows = tuple(requirements.split())
        self.cases.append(Case(f"{self.id}.{name}", comment, shows, tuple(flags.split()), given, outcomes))

    def group(self) -> Group:
        """The finished group."""
        return Group(self.id, self.comment, self.operation, self.fields, tuple(self.cases))


class FileBuilder:
    """A file under construction, with one engine's answers. notes: for all flags; only those in use are kept."""

    def __init__(self, kind: str, target: Subject, engine: EngineMaker, notes: Mapping[str, Note]) -> None:
        self.kind = kind
        self.subject = target
        self.engine = engine
        self._notes = notes
        self._groups: list[GroupBuilder | PlayGroup | Written] = []

    def group(self, name: str, comment: str, operation: str, **fields: Any) -> GroupBuilder:
        """A group of cases that ask for a function or a fresh client."""
        builder = GroupBuilder(self, name, comment, operation, fields)
        self._groups.append(builder)
        return builder

    def plays(
        self,
        name: str,
        comment: str,
        reach: Act = nothing,
        *,
        version: int = 3,
        policy: Policy | None = None,
        sequel: Act | None = None,
        insider: str = "mallory",
        **more: Any,
    ) -> Plays:
        """A group of plays that start in the state that `reach` leads to. more: of the client's configuration."""
        made = config(version, policy, **more)
        full = f"{self.kind}.{name}"
        builder = PlayGroup(full, comment, reach, made, version, SEED, self.engine, sequel, insider)
        self._groups.append(builder)
        return builder

    def scratch(self, name: str, reach: Act, *, version: int = 3) -> ClientSession:
        """A session that is played only for its result."""
        return PlayGroup(
            f"{self.kind}.{name}", "", reach, config(version), version, SEED, self.engine, None, "mallory"
        ).session()

    def written(self, group: Group) -> None:
        """Add a group that was made elsewhere."""
        self._groups.append(Written(group))

    def file(self) -> VectorFile:
        """The whole file. ClaimError if a flag has no note."""
        used = {flag for one in self._groups for flag in one.flags}
        unknown = used - self._notes.keys()
        if unknown:
            raise ClaimError(f"{self.kind}: no note for the flags {', '.join(sorted(unknown))}; add them to notes.py")
        groups = tuple(one.group() for one in self._groups if one.cases)
        notes = {name: note for name, note in self._notes.items() if name in used}
        return VectorFile(self.kind, KINDS[self.kind].text, GENERATOR, SEED, notes, groups)


class Written:
    """A finished group."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self.cases = group.cases
        self.flags = {flag for case in group.cases for flag in case.flags}

    def group(self) -> Group:
        return self._group
