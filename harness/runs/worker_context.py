"""What the tasks of a worker process share, declared in one place for all commands that distribute their work.

A task is a function of the context and its own arguments. So a worker keeps nothing in global variables, and the main
process can carry out the same tasks with a context of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from otterproof.harness.targets.driver import USUAL, Limits
from otterproof.harness.targets.driver.trace import TraceFile
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.registry import open_target


@dataclass(slots=True)
class WorkerContext:
    """What a worker needs: declared by the command, sent to each worker, begun and ended there.

    targets: the names of targets to open before the first task. limits: how long to wait for drivers. prepare:
    functions that set up the process, called first. trace: a file for the lines that the harness and drivers exchange.
    """

    targets: tuple[str, ...] = ()
    limits: Limits = USUAL
    prepare: tuple[Callable[[], object], ...] = ()
    trace: Path | None = None
    _lines: TraceFile | None = None
    _opened: dict[tuple[str, str], Target] = field(default_factory=dict)

    def begin(self) -> None:
        """Set up the process and open the targets. Raises what opening a target raises."""
        for prepare in self.prepare:
            prepare()
        if self.trace is not None:
            self._lines = TraceFile(self.trace)
        for name in self.targets:
            self.target(name)

    def target(self, name: str, side: str = "") -> Target:
        """A target, which stays open until the worker ends. A target that plays two sides is opened once for each."""
        if (name, side) not in self._opened:
            self._opened[name, side] = open_target(name, self.limits, self._lines)
        return self._opened[name, side]

    @contextmanager
    def tracing(self, scenario: str) -> Iterator[None]:
        """A context in which lines of the trace are attributed to this scenario."""
        if self._lines is not None:
            self._lines.scenario = scenario
        try:
            yield
        finally:
            if self._lines is not None:
                self._lines.scenario = ""

    @property
    def untraced(self) -> str:
        """Why lines are missing from the trace; "" if none are."""
        return "" if self._lines is None else self._lines.failed

    def end(self) -> None:
        """End all targets."""
        for target in self._opened.values():
            target.close()

    def __enter__(self) -> WorkerContext:
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
