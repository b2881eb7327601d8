"""What happens while a target is judged, as events, in the order in which they come.

`judging.run` gives them; the terminal, JSON and the other reports are made from them and from nothing else, so that all
of them say the same, and a program of the user's own can be one more. A run begins with RunStarted and ends with
RunFinished, whatever happens between, unless the request itself is wrong.
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
    """How work on a list of things came to its end."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    WORKERS_DIED = "worker processes died"
    OUT_OF_TIME = "the time was up"
    ENOUGH_FAILED = "as many failed as were allowed"
    NOT_WRITTEN = "a file could not be written"

    @property
    def code(self) -> int | None:
        """The exit code of a command that ended so; None where it depends on the results."""
        codes = {Ending.INTERRUPTED: INTERRUPTED, Ending.WORKERS_DIED: NOT_RUN, Ending.NOT_WRITTEN: NOT_RUN}
        return codes.get(self)


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins.

    target: what the target is called; version: what it says of itself; capabilities: what it claims. chosen: the
    scenarios that will be run. randomness: how far a run can be repeated: "tape", "seed" or "none". least: the level
    from which on failures count.
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
    """A scenario has its result, known failures marked. done: how many have one by now, of `total`."""

    result: Result
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class DeviationsRewritten:
    """The file of known deviations was made to match the results.

    removed, added: so many entries. unexplained: how many of those that are there say that nobody has looked at them.
    """

    file: Path
    removed: int
    added: int
    unexplained: int


@dataclass(frozen=True, slots=True)
class AlphabetExplored:
    """All runs of an alphabet were looked at, to the depth that the certificate tells. found: what broke a rule.

    why: the exploration ended there, if it had to end early because of the target.
    """

    certificate: Certificate
    found: tuple[Found, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class CauseFound:
    """Failures that are taken to have one cause. The likeliest causes come first."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run is over.

    ending: why there are no more results. why: the same in a sentence, where it has to be explained. stale: entries of
    the known deviations that do not fit. transcripts: the folder that has them. seconds: how long the run took.
    explored: what was explored beside the scenarios.
    """

    ending: Ending
    results: tuple[Result, ...]
    stale: tuple[Stale, ...]
    transcripts: Path
    seconds: float
    why: str = ""
    explored: tuple[AlphabetExplored, ...] = ()

    def broken(self, least: Level) -> bool:
        """Whether what was explored breaks a rule that is at least so binding."""
        found = [one for alphabet in self.explored for one in alphabet.found if not one.counterexample.known]
        return any(one.level.at_least(least) for one in found)


Event: TypeAlias = (
    RunStarted | ScenarioStarted | ScenarioFinished | AlphabetExplored | DeviationsRewritten | CauseFound | RunFinished
)


class Judged(NamedTuple):
    """What the events of a run told in the end."""

    started: RunStarted
    causes: tuple[Cause, ...]
    finished: RunFinished

    @property
    def not_run(self) -> list[str]:
        """The ids of the scenarios that were chosen and have no result."""
        return not_run(self.started, self.finished.results)


def not_run(started: RunStarted, results: Sequence[Result]) -> list[str]:
    """The ids of the scenarios that were chosen and have no result; there may be results of others."""
    return sorted({one.id for one in started.chosen} - {result.scenario for result in results})
