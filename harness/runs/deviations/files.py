"""Which file of known deviations counts for a target: the one that the user names, or the one that is shipped.

Where a command judges several targets, a file counts for the target that has its name: mylib.toml for mylib.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path

from otterproof.harness.runs.deviations.entries import Deviation, load, shipped
from otterproof.harness.spec import requirements
from otterproof.harness.testkit.scenario import scenarios

#: What a user names to have no file.
NONE = Path("none")


def file_for(target: str, given: Path | None) -> Path | None:
    """The file that counts for a target, by its title; None if there is none. given: the one that the user names."""
    return None if given == NONE else given or shipped(target)


@cache
def entries_of(path: Path | None) -> tuple[Deviation, ...]:
    """What is in a file; () without one. DeviationError, InputError."""
    if path is None:
        return ()
    names = [scenario.id for scenario in scenarios()]
    return tuple(load(path, names, list(requirements.load().requirements), date.today()))


def of_several(target: str, given: Sequence[Path]) -> tuple[Deviation, ...]:
    """The entries for one target of several. given: the files that the user names. DeviationError, InputError."""
    if NONE in given:
        return ()
    return entries_of(next((path for path in given if path.stem == target), None) or shipped(target))
