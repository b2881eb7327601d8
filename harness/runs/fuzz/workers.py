"""Runs the programs of a campaign, in one process or in several; the results come in the order of the numbers.

The main process makes the programs, because the next ones depend on the results so far. [schedule.py]
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from otterproof.harness.runs.executor import executor
from otterproof.harness.runs.fuzz.behaviour import Behaviour
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.edges import EdgesFailed
from otterproof.harness.runs.fuzz.execute import BREAKDOWN_ORACLE, Failure, Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.schedule import Parents, Programs, Schedule
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Later
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import Limits

#: The check of a failure in which the worker that ran the program died. Such a program is not run in the main process.
DIED = "worker.died"


@dataclass(frozen=True, slots=True)
class Ran:
    """A program that has been run. failure: the first; later ones may be its consequences.

    parents: what it was made from. seen: what the run has shown of the target's behaviour, and after how many moves
    first. known: the excuses that covered a failure.
    """

    number: int
    parents: Parents
    failure: Failure | None
    seen: Mapping[Behaviour, int] = field(default_factory=dict)
    known: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Task:
    """A program to be run. program: without a target, since each process has its own target of the name `target`.

    edges: whether to ask the target which edges it reached.
    """

    number: int
    parents: Parents
    program: Program
    target: str
    edges: bool


class Drawing:
    """Draws the programs of a campaign. schedule: returns what is known when it is called.

    excused: checks that programs go on past.
    """

    def __init__(
        self, seed: str, programs: Programs, schedule: Callable[[], Schedule], excused: Collection[str] = ()
    ) -> None:
        self._seed, self._programs, self._schedule = seed, programs, schedule
        self._excused = tuple(sorted(excused))

    def ready(self, number: int) -> bool:
        """Whether the program of a number can be drawn already."""
        return self._schedule().ready(number)

    def drawn(self, number: int) -> tuple[Parents, Program]:
        """The program of a number, and what it was made from."""
        known = self._schedule().for_number(number)
        parents = known.parents(self._seed, number, self._programs.first)
        return parents, self.made(number, parents, known)

    def fresh(self, number: int) -> Program:
        """The program of a number as it is when nothing is known."""
        return self.made(number, (), Schedule())

    def made(self, number: int, parents: Parents, known: Schedule) -> Program:
        """Make a program that has been drawn. known: a schedule that has its parents."""
        made = self._programs.made(number, parents, known.kept)
        return replace(made, setup=replace(made.setup, excused=self._excused))


def results(
    name: str,
    numbers: range,
    processes: int,
    drawing: Drawing,
    limits: Limits,
    scheduler: str = "",
    *,
    edges: bool = False,
) -> Iterator[Ran]:
    """The result of each program. limits: how long the targets of other processes are waited for.

    scheduler: the address of a Dask scheduler whose workers run the programs, in place of local processes. edges:
    whether to ask the target which edges it reached; EdgesFailed when it does not report them.
    """
    if processes <= 1 and not scheduler:
        for number in numbers:
            parents, made = drawing.drawn(number)
            yield _run(number, parents, made, edges=edges)
        return
    with executor(processes, scheduler, WorkerContext((name,), limits)) as workers:
        yield from workers.ordered(_run_task, _tasks(name, numbers, drawing, edges=edges), _lost)


def _tasks(name: str, numbers: range, drawing: Drawing, *, edges: bool) -> Iterator[_Task | Later]:
    for number in numbers:
        while not drawing.ready(number):
            yield Later()
        parents, made = drawing.drawn(number)
        yield _Task(number, parents, replace(made, setup=replace(made.setup, target=None)), name, edges)


def _run_task(worker: WorkerContext, task: _Task) -> Ran:
    setup = replace(task.program.setup, target=worker.target(task.target))
    return _run(task.number, task.parents, replace(task.program, setup=setup), edges=task.edges)


def _run(number: int, parents: Parents, made: Program, *, edges: bool) -> Ran:
    watched = Watched(edges=edges, quick=True)
    try:
        failure = attempt(made, watched=watched)
    except EdgesFailed:
        watched = Watched(quick=True)
        failure = attempt(made, watched=watched)  # if the program caused that, it is a failure of its own
        if failure is None:
            raise
    return Ran(number, parents, failure, watched.seen, frozenset(watched.excuses_used))


def _lost(task: _Task, why: str) -> Ran:
    """The result of a program whose worker died; how many moves it had made is unknown."""
    return Ran(task.number, task.parents, Failure(BREAKDOWN_ORACLE, Verdict.INFRA, Bucket(DIED), why, False, 0))
