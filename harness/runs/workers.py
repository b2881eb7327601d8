"""Processes that share the work of a command, and what happens when one of them dies.

Each worker has its own pipe and one task at a time, so it is always known what a worker was doing when it died. That
task is lost, and the caller supplies its result; a new worker replaces the dead one, and the other tasks continue. (The
executors of the standard library give up all running tasks when one worker dies, and multiprocessing.Pool waits without
end.)

Ctrl-C and the other signals that end a command are for the main process alone, although a terminal or a time limit
sends them to the workers as well. The main process ends the workers when it is done with them; if it dies, Linux does.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, Generic, TypeAlias, TypeVar

from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.support.collector import collect_rarely
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.signals import ENDING, disregard, end_with_parent, name_of

T = TypeVar("T")
R = TypeVar("R")

#: Carries out a task in a worker, given the worker's copy of the context, and the task.
Work: TypeAlias = Callable[[WorkerContext, T], R]

#: This many deaths of workers end the command. One may be an accident; ten have a cause that will not go away.
MAX_DEATHS = 10

#: Seconds in which workers end what they have started, drivers above all, before they are killed.
_GRACE = 3.0

#: Asks a worker to end itself and what it has started. Nothing else sends this signal.
_LEAVE = signal.SIGUSR1

#: Signals for the main process alone.
_FOR_MAIN = (signal.SIGINT, *ENDING)

# What a worker reports; _DIED is generated locally.
_READY, _BEGUN, _DONE, _RAISED, _DIED = range(5)


@dataclass(frozen=True, slots=True)
class Begun(Generic[T]):
    """A worker has begun a task."""

    task: T


@dataclass(frozen=True, slots=True)
class Later:
    """In place of a task: the next task depends on a result that has not been taken yet."""


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """A task is done, and this is its result."""

    result: R


class WorkersDied(CommandError):
    """So many workers have died, or none could be started, that work can't continue. The message says how."""


class _WorkerTraceback(Exception):
    """As the cause of an exception that a worker sent, shows where it was raised there."""


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker as the main process sees it. task: its number and itself, while it is being worked on."""

    process: BaseProcess
    connection: Connection
    ready: bool = False
    task: tuple[int, Any] | None = None
    begun: bool = False

    def give(self, task: tuple[int, Any], work: Work[Any, object]) -> None:
        self.task, self.begun = task, False
        with suppress(OSError):  # if it is dead, that is noticed when its answer is read
            self.connection.send((work, task[1]))

    def heard(self) -> tuple[int, Any]:
        """What it has reported."""
        try:
            if not self.connection.poll():
                return _DIED, None
            kind, value = self.connection.recv()
        except (EOFError, OSError):
            return _DIED, None
        self.ready = True
        self.begun = kind == _BEGUN
        return kind, value

    def kill(self) -> None:
        """Kill it, and forget it."""
        self.process.kill()
        self.process.join()
        self.process.close()
        self.connection.close()


class Pool:
    """Workers that are started when the first tasks arrive. Not thread-safe."""

    def __init__(self, processes: int, context: WorkerContext) -> None:
        self._processes = processes
        self._context = context
        self._workers: list[_Worker] = []
        self._deaths = 0

    @property
    def pids(self) -> list[int]:
        """The ids of the present processes."""
        return [worker.process.pid for worker in self._workers if worker.process.pid is not None]

    def unordered(self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]) -> Iterator[R]:
        """The results of tasks as they become available.

        A task is taken from `tasks` when a worker is free; `Later` in place of one makes the worker wait for another
        result. lost: gives the result of a task whose worker died, from the task and a sentence that says how. Raises
        WorkersDied, and what `work` or the beginning of a worker raises. Closing the iterator ends what is still
        running.
        """
        return (told.result for _, told in self._run(work, tasks, lost) if isinstance(told, Done))

    def as_told(
        self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]
    ) -> Iterator[Begun[T] | Done[R]]:
        """The same, with a report for each task that a worker has begun, in between the results."""
        return (told for _, told in self._run(work, tasks, lost))

    def ordered(self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]) -> Iterator[R]:
        """The same, in the order of the tasks."""
        early: dict[int, R] = {}
        following = 0
        for number, told in self._run(work, tasks, lost):
            if isinstance(told, Done):
                early[number] = told.result
            while following in early:
                yield early.pop(following)
                following += 1

    def each(self, work: Work[None, R], lost: Callable[[str], R]) -> list[R]:
        """Call a function once in each worker that has begun working, when no task is left; return the results.

        lost: gives the result for a worker that dies during the call, from a sentence that says how. Raises as
        `unordered`.
        """
        asked = [worker for worker in self._workers if worker.ready]
        answers: list[R] = []
        for worker in asked:
            worker.give((0, None), work)
        while any(worker.task is not None for worker in asked):
            for worker in self._wait_for_reports():
                task = worker.task
                kind, value = worker.heard()
                if kind == _DIED:
                    how = self._remove_dead(worker)
                    worker.task = None
                    if task is not None:
                        answers.append(lost(f"the worker process died: {how}"))
                elif kind == _RAISED:
                    error, place = value
                    raise error from _WorkerTraceback(f"in a worker process:\n{place}")
                elif kind == _DONE and task is not None:
                    worker.task = None
                    answers.append(value)
        return answers

    def _run(
        self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]
    ) -> Iterator[tuple[int, Begun[T] | Done[R]]]:
        waiting = _numbered(tasks)
        again: list[tuple[int, T]] = []  # tasks whose worker died before beginning them
        try:
            while self._hand_out(work, waiting, again):
                for worker in self._wait_for_reports():
                    task = worker.task
                    kind, value = worker.heard()
                    if kind == _DIED:
                        how = self._remove_dead(worker)
                        if task is not None and worker.begun:
                            yield task[0], Done(lost(task[1], f"the worker process that ran this died: {how}"))
                        elif task is not None:
                            again.append(task)
                        self._stop_if_hopeless(how)
                    elif kind == _RAISED:
                        error, place = value
                        raise error from _WorkerTraceback(f"in a worker process:\n{place}")
                    elif kind == _DONE and task is not None:
                        worker.task = None
                        yield task[0], Done(value)
                    elif kind == _BEGUN and task is not None:
                        yield task[0], Begun(task[1])
        finally:
            self._end([worker for worker in self._workers if worker.task is not None])

    def _hand_out(self, work: Work[T, R], waiting: Iterator[tuple[int, T] | None], again: list[tuple[int, T]]) -> bool:
        """Give tasks to the free workers; return whether there is anything to wait for."""
        while len(self._workers) < self._processes:
            self._workers.append(_started(self._context))
        more = True
        for worker in [one for one in self._workers if one.ready and one.task is None]:
            try:
                task = again.pop() if again else next(waiting)
            except StopIteration:
                more = False
                break
            if task is None:  # a task will come later
                break
            worker.give(task, work)
        return more or any(worker.task is not None for worker in self._workers)

    def _wait_for_reports(self) -> list[_Worker]:
        """Wait until workers have reported something or died; return these workers."""
        signs: dict[Any, _Worker] = {worker.connection: worker for worker in self._workers}
        signs |= {worker.process.sentinel: worker for worker in self._workers}
        return list(dict.fromkeys(signs[sign] for sign in wait(list(signs))))

    def _remove_dead(self, worker: _Worker) -> str:
        """Forget a dead worker; return how it ended."""
        self._workers.remove(worker)
        self._deaths += 1
        worker.process.join(_GRACE)
        code = worker.process.exitcode
        worker.kill()
        if code is None:
            return "it closed its pipe, but did not end"
        return f"killed by {name_of(-code)}" if code < 0 else f"it ended with exit code {code}"

    def _stop_if_hopeless(self, how: str) -> None:
        if self._deaths >= MAX_DEATHS:
            raise WorkersDied(
                f"{self._deaths} worker processes died, the last one: {how}; no more are started. "
                "Find out what ends them (is memory short?), or run with --jobs 1"
            )

    def end(self) -> None:
        """End all workers, and what they have started."""
        self._end(list(self._workers))

    def _end(self, workers: list[_Worker]) -> None:
        try:
            for worker in workers:
                if worker.process.is_alive() and worker.process.pid is not None:
                    os.kill(worker.process.pid, _LEAVE)
            deadline = time.monotonic() + _GRACE
            for worker in workers:
                worker.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for worker in workers:
                self._workers.remove(worker)
                worker.kill()


def _numbered(tasks: Iterable[T | Later]) -> Iterator[tuple[int, T] | None]:
    """The tasks with their numbers, and None where one comes later."""
    number = 0
    for task in tasks:
        if isinstance(task, Later):
            yield None
        else:
            yield number, task
            number += 1


@contextmanager
def pool(processes: int, context: WorkerContext) -> Iterator[Pool]:
    """Workers that first begin a copy of a context each. Leaving the block ends them, whatever they are doing."""
    made = Pool(processes, context)
    try:
        yield made
    finally:
        made.end()


def _started(context: WorkerContext) -> _Worker:
    """Start a worker. Raises WorkersDied if the system does not allow one more process."""
    spawning = multiprocessing.get_context("spawn")
    ours, theirs = spawning.Pipe()
    process = spawning.Process(target=_work, args=(theirs, context), daemon=True)
    # Block signals until the worker has set its handlers. Starting the resource tracker would unblock them, so start it
    # first.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _FOR_MAIN)
    try:
        process.start()
    except OSError as error:
        ours.close()
        raise WorkersDied(f"no worker process can be started: {error.strerror}; try fewer with --jobs") from error
    finally:
        theirs.close()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return _Worker(process, ours)


# ---- in the workers --------------------------------------------------------------------------------------------------


class _Leave(SystemExit):
    """The main process wants this worker to end. A SystemExit, so that it is never taken for an error of a target."""


def _leave(number: int, _: FrameType | None) -> None:
    signal.signal(number, disregard)  # once is enough
    raise _Leave


def _work(connection: Connection, context: WorkerContext) -> None:
    """A worker's loop: one task after the other, until the main process ends it or is gone."""
    collect_rarely()
    signal.signal(_LEAVE, _leave)
    for number in _FOR_MAIN:
        signal.signal(number, disregard)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _FOR_MAIN)
    end_with_parent(_LEAVE)
    try:
        try:
            context.begin()
        except Exception as error:  # noqa: BLE001 (raised again where the results are taken)
            connection.send((_RAISED, _portable(error)))
            return
        connection.send((_READY, None))
        while True:
            work, task = connection.recv()
            connection.send((_BEGUN, None))
            try:
                answer = pickle.dumps((_DONE, work(context, task)))
            except Exception as error:  # noqa: BLE001 (as above)
                answer = pickle.dumps((_RAISED, _portable(error)))
            connection.send_bytes(answer)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the main process is gone
    finally:
        context.end()


def _portable(error: Exception) -> tuple[Exception, str]:
    """An exception in a form that can be sent to the main process, and its traceback."""
    place = "".join(traceback.format_exception(error))
    try:
        copy = pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 (its class may do anything)
        copy = None
    return error if type(copy) is type(error) else RuntimeError(f"{type(error).__name__}: {error}"), place
