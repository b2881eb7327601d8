"""The score of mutants: how many of a random sample the scenarios notice, and which survive.

Scenarios that compare with the genuine engine come first, because hardly anything gets past them. Then the others
follow, the cheapest first, up to a limit in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from otterproof.harness.runs.faults.detect import (
    Lost,
    Reach,
    ScenarioTask,
    budgeted,
    detections,
    results,
    survey,
    until_noticed,
)
from otterproof.harness.runs.faults.mutants import ORIGINALS, Key, Mutant
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Pool
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.entries import FaultError
from otterproof.harness.targets.faults.loader import copy_engine
from otterproof.harness.testkit.scenario import Scenario

#: How many seconds' worth of scenarios a mutant meets, besides those that compare.
BUDGET = 30.0

#: Stands for a scenario if a mutant can't be imported: it is no engine, and does not count.
STILLBORN = ""


@dataclass(slots=True)
class MutationScore:
    """What has become of the mutants so far. killed: by which scenario. equivalent: the known ones, with reasons.

    lost: scenarios and mutants whose workers died. Survivors may come from that.
    """

    mutants: Sequence[Mutant]
    equivalent: Mapping[Key, str]
    killed: dict[Key, str] = field(default_factory=dict)
    survived: list[Key] = field(default_factory=list)
    surveys: dict[str, dict[str, Reach]] = field(default_factory=dict)
    lost: list[Lost] = field(default_factory=list)

    def survivors(self, engine: str) -> list[Key]:
        """The survivors that are not known to be equivalent."""
        return sorted(key for key in self.survived if key.engine == engine and key not in self.equivalent)

    def equivalents(self, engine: str) -> list[Key]:
        """The survivors that are known to be equivalent."""
        return sorted(key for key in self.survived if key.engine == engine and key in self.equivalent)

    @property
    def mistaken(self) -> dict[Key, str]:
        """Mutants that are listed as equivalent, but noticed all the same."""
        return {key: by for key, by in self.killed.items() if key in self.equivalent and by != STILLBORN}

    def kills(self, engine: str) -> int:
        return sum(key.engine == engine and by != STILLBORN for key, by in self.killed.items())

    def share(self, engine: str) -> float:
        """The share that is killed, of those not known to be equivalent."""
        killed = self.kills(engine)
        total = killed + len(self.survivors(engine))
        return killed / total if total else 1.0

    def as_json(self) -> dict[str, Any]:
        return {
            engine: {
                "killed": self.kills(engine),
                "equivalent": len(self.equivalents(engine)),
                "survived": [asdict(key) for key in self.survivors(engine)],
                "share": self.share(engine),
            }
            for engine in dict.fromkeys(mutant.key.engine for mutant in self.mutants)
        }


class Mutation:
    """Judges mutants in a pool of processes, as `Scorer` does faults."""

    def __init__(self, score: MutationScore, scenarios: Mapping[str, Scenario], pool: Pool) -> None:
        self.score = score
        self.scenarios = scenarios
        self.engines = list(dict.fromkeys(mutant.key.engine for mutant in score.mutants))
        self._pool = pool

    def survey(self) -> Iterator[str]:
        """Run every scenario with the genuine engines."""
        for engine in self.engines:
            found = self.score.surveys.setdefault(engine, {})
            tasks = [(name, ORIGINALS[engine]) for name in self.scenarios]
            for one in results(self._pool, survey, tasks, self.score.lost):
                found[one.scenario] = one
                yield one.scenario

    def judge(self) -> Iterator[str]:
        """Judge every mutant."""
        plans = [
            (str(mutant.key), number, mutant, self._plan(mutant)) for number, mutant in enumerate(self.score.mutants)
        ]
        for number, by in results(self._pool, _judge, plans, self.score.lost):
            key = self.score.mutants[number].key
            if by is None:
                self.score.survived.append(key)
            else:
                self.score.killed[key] = by
            yield key.file

    def _plan(self, mutant: Mutant) -> list[ScenarioTask]:
        surveys = self.score.surveys[mutant.key.engine].values()
        tasks = sorted(
            (task for one in surveys if (task := one.task(mutant.lines))),
            key=lambda task: task.seconds,
        )
        compares = [task for task in tasks if self.scenarios[task.scenario].kind == "differential"]
        return compares + list(budgeted((task for task in tasks if task not in compares), BUDGET))


def _judge(_worker: WorkerContext, task: tuple[str, int, Mutant, list[ScenarioTask]]) -> tuple[int, str | None]:
    _, number, mutant, tasks = task
    name = f"mutant_{mutant.key.engine}_{number}"
    try:
        target = SingleEngineTarget(name, copy_engine(name, {mutant.key.file: mutant.text}, mutant.original))
    except FaultError:
        return number, STILLBORN
    found = until_noticed(tasks, target)
    noticed = detections(found) or found  # a mutant with which a scenario can't even be set up is noticed as well
    return number, noticed[0].scenario if noticed else None
