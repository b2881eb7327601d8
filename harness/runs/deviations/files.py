"""Which file of known deviations applies to a target: the one the user names, or the shipped one.

When a command judges several targets, a file applies to the target it is named after: mylib.toml to mylib.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

from otterproof.harness.runs.deviations.entries import Deviation, load, shipped
from otterproof.harness.spec import requirements
from otterproof.harness.testkit.scenario import scenarios

#: The value by which a user asks for no file.
NONE = Path("none")


def file_for(target: str, given: Path | None) -> Path | None:
    """The file that applies to a target, by its title; None if there is none. given: the file that the user names."""
    return None if given == NONE else given or shipped(target)


@cache
def entries_of(path: Path | None) -> tuple[Deviation, ...]:
    """The entries of a file; () without one. Raises DeviationError, InputError."""
    if path is None:
        return ()
    names = [scenario.id for scenario in scenarios()]
    return tuple(load(path, names, list(requirements.load().requirements), date.today()))


def of_several(target: str, given: Sequence[Path]) -> tuple[Deviation, ...]:
    """The entries for one of several targets. given: files that the user names. Raises DeviationError, InputError."""
    if NONE in given:
        return ()
    return entries_of(next((path for path in given if path.stem == target), None) or shipped(target))
