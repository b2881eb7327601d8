"""The events of a running campaign. How they are shown is decided elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from otterproof.harness.runs.fuzz.state import Finding


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """Another program has been run. new: how much of the target's behaviour it was the first to show."""

    number: int
    new: int


@dataclass(frozen=True, slots=True)
class Examined:
    """A failure is about to be shrunk, run again and written down, which may take a while."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class Finished:
    """A finding has reached a stage in which nothing is left to do."""

    finding: Finding


@dataclass(frozen=True, slots=True)
class OtherVersion:
    """The target has another version than when the campaign last ran."""

    earlier: str
    now: str


@dataclass(frozen=True, slots=True)
class RunAgain:
    """A finding of an earlier run was run again; its stage shows the result."""

    finding: Finding


FuzzEvent: TypeAlias = ProgramRun | Examined | Finished | OtherVersion | RunAgain
