"""A finished run, made up from results, for tests of what is derived from a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from otterproof.harness.runs.causes import causes
from otterproof.harness.runs.deviations.known import Stale
from otterproof.harness.runs.events import Ending, Judged, RunFinished, RunStarted
from otterproof.harness.runs.runner import Result
from otterproof.harness.testkit.scenario import Scenario


def judged(
    results: Sequence[Result],
    target: str = "reference",
    version: str = "1",
    seed: str = "seed",
    stale: Sequence[Stale] = (),
    chosen: Sequence[Scenario] = (),
) -> Judged:
    """The run with these results."""
    started = RunStarted(target, version, frozenset(), seed, tuple(chosen))
    finished = RunFinished(Ending.COMPLETE, tuple(results), tuple(stale), Path("transcripts"), 1.0)
    return Judged(started, tuple(causes(results)), finished)
