"""What happens while a target is judged, as a stream of events.

`judging.run` yields them. The terminal, JSON and the other reports are made from these events alone, so all of them
agree, and a user's program can be one more report. A run begins with RunStarted and ends with RunFinished, whatever
happens in between, unless the request itself is invalid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeAlias

from otterproof.harness.runs.causes import Cause
from otterproof.harness.runs.deviations.known import Stale
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.found import Found
from otterproof.harness.runs.runner import Result, ScenarioStarted
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import INTERRUPTED, NOT_RUN
from otterproof.harness.testkit.scenario import Scenario

__all__ = [
    "AlphabetExplored",
    "CauseFound",
    "DeviationsRewritten",
    "Ending",
    "Event",
    "Judged",
    "RunFinished",
    "RunStarted",
    "ScenarioFinished",
    "ScenarioStarted",
    "not_run",
]


class Ending(Enum):
    """How work on a list of things ended."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    WORKERS_DIED = "worker processes died"
    OUT_OF_TIME = "the time was up"
    ENOUGH_FAILED = "as many failed as were allowed"
    NOT_WRITTEN = "a file could not be written"

    @property
    def words(self) -> str:
        """How it ended, for the user. The values are recorded in cards, so they stay as they are."""
        words = {Ending.OUT_OF_TIME: "time limit reached", Ending.ENOUGH_FAILED: "failure limit reached"}
        return words.get(self, self.value)

    @property
    def code(self) -> int | None:
        """The exit code of a command that ended so; None if it depends on the results."""
        codes = {Ending.INTERRUPTED: INTERRUPTED, Ending.WORKERS_DIED: NOT_RUN, Ending.NOT_WRITTEN: NOT_RUN}
        return codes.get(self)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins.

    target: the target's name in reports; version: what it says of itself; capabilities: what it claims. chosen: the
    scenarios to run. randomness: how far a run can be repeated: "tape", "seed" or "none". least: the lowest level at
    which failures count.
    """

    target: str
    version: str
    capabilities: frozenset[str]
    seed: str
    chosen: tuple[Scenario, ...]
    randomness: str = ""
    least: Level = Level.MUST


@dataclass(frozen=True, slots=True)
class ScenarioFinished:
    """A scenario has its result, with known failures marked. done: how many of `total` have one so far."""

    result: Result
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class DeviationsRewritten:
    """The file of known deviations was rewritten to match the results.

    removed, added: numbers of entries. unexplained: how many of the present entries say that nobody has looked at them.
    """

    file: Path
    removed: int
    added: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class AlphabetExplored:
    """All runs of an alphabet were explored, to the depth in the certificate. found: the rules that were broken.

    why: why the exploration ended early, if the target made it.
    """

    certificate: Certificate
    found: tuple[Found, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class CauseFound:
    """Failures that are assumed to have one cause. The likeliest causes come first."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    ending: why there are no more results; why: the same as a sentence, if it needs explaining. stale: entries of the
    known deviations that do not fit. transcripts: their folder. seconds: the duration of the run. explored: what was
    explored besides the scenarios.
    """

    ending: Ending
    results: tuple[Result, ...]
    stale: tuple[Stale, ...]
    transcripts: Path
    seconds: float
    why: str = ""
    explored: tuple[AlphabetExplored, ...] = ()

    def broken(self, least: Level) -> bool:
        """Whether the exploration found a broken rule that is at least this binding."""
        found = [one for alphabet in self.explored for one in alphabet.found if not one.counterexample.known]
        return any(one.level.at_least(least) for one in found)


Event: TypeAlias = (
    RunStarted | ScenarioStarted | ScenarioFinished | AlphabetExplored | DeviationsRewritten | CauseFound | RunFinished
)


class Judged(NamedTuple):
    """The events of a run, summed up."""

    started: RunStarted
    causes: tuple[Cause, ...]
    finished: RunFinished

    @property
    def not_run(self) -> list[str]:
        """The ids of the chosen scenarios that have no result."""
        return not_run(self.started, self.finished.results)


def not_run(started: RunStarted, results: Sequence[Result]) -> list[str]:
    """The ids of the chosen scenarios that have no result; there may also be results of other scenarios."""
    return sorted({one.id for one in started.chosen} - {result.scenario for result in results})
