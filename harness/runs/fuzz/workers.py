"""Running the programs of a campaign, in one process or in several; the results come in the order of the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from otterproof.harness.runs.fuzz.execute import ANSWERS, Failure, failures
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import Target

#: The check of a failure for which the worker that ran the program died. Such a program is not run in the main process.
DIED = "worker.died"


def results(
    name: str, seed: str, numbers: range, processes: int, target: Target, limits: Limits
) -> Iterator[tuple[int, list[Failure]]]:
    """The number of each program, and what failed. target: the one of that name, for this process.

    limits: how long the targets of other processes are waited for.
    """
    if processes <= 1:
        yield from ((number, failures(program(seed, number, target))) for number in numbers)
        return
    with pool(processes, WorkerContext((name,), limits)) as workers:
        yield from workers.ordered(partial(_run_number, name, seed), numbers, _lost)


def _run_number(name: str, seed: str, worker: WorkerContext, number: int) -> tuple[int, list[Failure]]:
    return number, failures(program(seed, number, worker.target(name)))


def _lost(number: int, why: str) -> tuple[int, list[Failure]]:
    """What is known of a program whose worker died: not how many moves it had made."""
    return number, [Failure(ANSWERS, Verdict.INFRA, DIED, why, False, 0)]
