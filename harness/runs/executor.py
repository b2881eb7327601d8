"""Who carries out tasks: processes on this machine, or workers on several machines behind a Dask scheduler.

Both take the same tasks and give the same results in the same order, so a campaign does not depend on the choice. If a
worker dies, Dask gives its task to another worker; the local pool asks the caller for a result in its place.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from typing import Any, Protocol, TypeVar

from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Later, Work, WorkersDied, pool
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.printable import printable
from otterproof.harness.support.version import tool_version
from otterproof.harness.targets.driver import Limits

T = TypeVar("T")
R = TypeVar("R")

#: The most tasks that a scheduler holds at a time.
AHEAD = 32

#: Seconds within which a scheduler must answer, and have a worker.
_PATIENCE = 30


class Executor(Protocol):
    """Carries out tasks, several at a time; results come in the order of the tasks.

    `Later` in place of a task means that the next task depends on a result that has not been taken yet. lost: gives the
    result of a task whose workers died, from the task and a sentence that says how.
    """

    def ordered(self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]) -> Iterator[R]: ...


@contextmanager
def executor(processes: int, scheduler: str, context: WorkerContext) -> Iterator[Executor]:
    """This many local processes, or the workers of a scheduler if one is named. Raises UsageError."""
    if not scheduler:
        with pool(processes, context) as workers:
            yield workers
        return
    with _without_logs():
        client = _client(scheduler)
        try:
            yield Remote(client, scheduler, context)
        finally:
            with suppress(Exception):  # it is no longer of use, and must not hide what ends the command
                client.close()


@contextmanager
def _without_logs() -> Iterator[None]:
    """Turn logging off: Dask logs tracebacks of the errors that it also raises, and that are reported from there."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


class Remote:
    """The workers of a Dask scheduler. Each carries out one task at a time."""

    def __init__(self, client: Any, address: str, context: WorkerContext) -> None:
        self._client, self._address = client, address
        self._targets, self._limits = context.targets, context.limits

    def ordered(self, work: Work[T, R], tasks: Iterable[T | Later], lost: Callable[[T, str], R]) -> Iterator[R]:
        """As `Executor` says. Raises WorkersDied if the scheduler is gone, and whatever `work` raises."""
        running: list[tuple[T, Any]] = []
        waiting = iter(tasks)
        more = True
        try:
            while more or running:
                while more and len(running) < AHEAD:
                    task = next(waiting, None)
                    if isinstance(task, Later):
                        break
                    more = task is not None
                    if task is not None:
                        given = (work, self._targets, self._limits, task)
                        running.append((task, self._client.submit(_carried_out, *given, pure=False)))
                if running:
                    yield self._result(*running[0], lost)
                    del running[0]
        finally:
            with suppress(Exception):  # the scheduler may be gone
                self._client.cancel([future for _, future in running])

    def _result(self, task: T, future: Any, lost: Callable[[T, str], R]) -> R:
        distributed = import_module("distributed")
        try:
            result: R = future.result()
        except distributed.scheduler.KilledWorker as error:
            return lost(task, f"the workers that ran this died: {error}")
        except (distributed.client.FutureCancelledError, distributed.comm.core.CommClosedError, OSError) as error:
            where = printable(self._address)
            raise WorkersDied(f"the scheduler at {where} is gone; start it again, and go on with --resume") from error
        return result


def _client(address: str) -> Any:
    """A client of a scheduler that has workers of this version. Raises UsageError."""
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise UsageError("--scheduler needs Dask; install it: pip install 'otterproof[dask]'") from error
    where = printable(address)
    try:
        distributed.comm.get_address_host_port(address)
    except ValueError as error:  # a client of such an address would take a minute to close
        raise UsageError(
            f"--scheduler: {where!r} is not the address of a scheduler; give one such as tcp://10.0.0.1:8786"
        ) from error
    try:
        client = distributed.Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise UsageError(f"no scheduler answers at {where}: {error}") from error
    try:
        client.wait_for_workers(1, timeout=_PATIENCE)
        versions = client.run(tool_version)
    except (OSError, TimeoutError) as error:
        client.close()
        raise UsageError(f"the scheduler at {where} has no worker; start some with `dask worker {where}`") from error
    except ModuleNotFoundError as error:
        client.close()
        raise UsageError(f"the workers of {where} can't import Otterproof: {error}") from error
    others = sorted({printable(str(one)) for one in versions.values()} - {tool_version()})
    if others:
        client.close()
        raise UsageError(f"the workers of {where} run {', '.join(others)}, but this is {tool_version()}")
    return client


# ---- in the workers --------------------------------------------------------------------------------------------------

#: A worker may have several threads, but targets and prepared worlds serve one task at a time.
_ONE = threading.Lock()


def _carried_out(work: Work[T, R], targets: tuple[str, ...], limits: Limits, task: T) -> R:
    with _ONE:
        return work(_context(targets, limits), task)


@lru_cache(maxsize=1)
def _context(targets: tuple[str, ...], limits: Limits) -> WorkerContext:
    """A worker's context, which lives as long as its process: drivers end when their harness is gone."""
    context = WorkerContext(targets, limits)
    context.begin()
    return context
