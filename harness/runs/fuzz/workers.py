"""Running the programs of a campaign, in one process or in several; the results come in the order of the numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from otterproof.harness.runs.fuzz.behaviour import Behaviour
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.corpus import fitted
from otterproof.harness.runs.fuzz.execute import ANSWERS, Failure, Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.insiders import with_insiders
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import pool
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import Limits
from otterproof.harness.targets.engines import Target

#: The check of a failure for which the worker that ran the program died. Such a program is not run in the main process.
DIED = "worker.died"


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has been run. failure: the first; later ones may be its consequences.

    seen: what the run has shown of the target's behaviour. known: the excused checks that would have failed.
    """

    number: int
    failure: Failure | None
    seen: frozenset[Behaviour] = frozenset()
    known: frozenset[str] = frozenset()


def drawn(seed: str, number: int, target: Target, excused: Collection[str], corpus: Sequence[Program] = ()) -> Program:
    """The program of that number, which goes on beyond the excused checks. Those of the corpus come first."""
    made = fitted(corpus[number], target) if number < len(corpus) else None
    if made is None:
        made = with_insiders(program(seed, number, target), seed, number)
    return replace(made, setup=replace(made.setup, excused=tuple(sorted(excused))))


def results(
    name: str,
    seed: str,
    numbers: range,
    processes: int,
    target: Target,
    limits: Limits,
    excused: Collection[str],
    corpus: Sequence[Program] = (),
) -> Iterator[Ran]:
    """The result of each program. target: the one of that name, for this process.

    limits: how long the targets of other processes are waited for. excused: checks that programs go on beyond.
    """
    if processes <= 1:
        yield from (_run(number, drawn(seed, number, target, excused, corpus)) for number in numbers)
        return
    with pool(processes, WorkerContext((name,), limits)) as workers:
        yield from workers.ordered(partial(_run_number, name, seed, tuple(excused), corpus), numbers, _lost)


def _run_number(
    name: str, seed: str, excused: Collection[str], corpus: Sequence[Program], worker: WorkerContext, number: int
) -> Ran:
    return _run(number, drawn(seed, number, worker.target(name), excused, corpus))


def _run(number: int, made: Program) -> Ran:
    watched = Watched()
    failure = attempt(made, watched=watched)
    return Ran(number, failure, frozenset(watched.seen), frozenset(watched.passed_over))


def _lost(number: int, why: str) -> Ran:
    """What is known of a program whose worker died: not how many moves it had made."""
    return Ran(number, Failure(ANSWERS, Verdict.INFRA, Bucket(DIED), why, False, 0))
