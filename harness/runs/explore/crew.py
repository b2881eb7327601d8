"""Several processes that share one search: each keeps the states that it found, and all agree on what is new.

They are forked once the first levels are made, so each begins with a copy of everything known by then, and with a part
of the states. After each level every process tells the keys of the states that it found, and is told which of them
another one found as well and keeps, and which keys are new to it. States themselves never travel.
"""

from __future__ import annotations

import gc
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from otterproof.harness.runs.explore.search import Broken, Key, Search, State
from otterproof.harness.runs.signature import check_of
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.simulation.moves import Move
from otterproof.harness.support.signals import ENDING, end_with_parent

#: Seconds between two words of a process on how far it is.
_PULSE = 1.0

#: Told how many more moves have been looked at.
Pulse = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A run that breaks a rule: the id of its check, the moves, and whether it shows only when all are made."""

    check: str
    detail: str
    moves: tuple[Move, ...]
    at_end: bool


def _counterexample(broken: Broken) -> Counterexample:
    moves = tuple(broken.path.moves()) if broken.path is not None else ()
    check = check_of(broken.error) or f"internal.{type(broken.error).__name__.lower()}"
    return Counterexample(check, str(broken.error), moves, broken.at_end)


@dataclass(slots=True)
class Level:
    """What one more move gave, in one process or in all. keys: of the new states; sizes: of the parties' graphs."""

    keys: list[Key] = field(default_factory=list)
    steps: int = 0
    found: list[Counterexample] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Within, Python does not look for cycles: it would walk through all states time and again, and they have none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Solo:
    """A search in this process, with the states that are to be expanded next."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._seen: set[Key] = {search.key(search.root)}
        self._states: dict[Key, State] = {search.key(search.root): search.root}

    @property
    def waiting(self) -> int:
        """How many states are to be expanded next."""
        return len(self._states)

    def expand(self, *, last: bool, pulse: Pulse = lambda _: None) -> Level:
        """Make one more move in every state. last: no level follows, so the states that are new are only counted."""
        level, told, reached = Level(), time.monotonic(), {}
        with _no_collector():
            for state in self._states.values():
                found = self._search.expand(state, self._seen)
                level.keys += found.reached
                level.steps += found.steps
                level.found += map(_counterexample, found.broken)
                if not last:
                    reached.update(found.reached)
                if time.monotonic() - told >= _PULSE:
                    told = time.monotonic()
                    pulse(level.steps)
        self._states = reached
        level.sizes = self._search.sizes
        return level

    def agree(self, others: set[Key], theirs: set[Key]) -> None:
        """Take note of what other processes found. theirs: states found here as well, which they keep."""
        self._seen |= others
        for key in theirs:
            self._states.pop(key, None)

    def heal(self) -> list[Counterexample]:
        """Have the parties talk again from the states that are to be expanded next; where they can't."""
        tried = map(self._search.heal, self._states.values())
        return [_counterexample(broken) for broken in tried if broken is not None]

    def share(self, number: int, of: int) -> None:
        """Keep a part of the states: the others are for other processes."""
        self._states = dict(list(self._states.items())[number::of])


class Crew:
    """Processes that go on with a search. Those that are left are ended by `close`."""

    def __init__(self, solo: Solo, processes: int) -> None:
        context = multiprocessing.get_context("fork")
        self._members: list[tuple[BaseProcess, Connection]] = []
        for number in range(processes):
            ours, its = context.Pipe()
            process = context.Process(target=_member, args=(its, solo, number, processes), daemon=True)
            process.start()
            its.close()
            self._members.append((process, ours))

    @property
    def processes(self) -> list[BaseProcess]:
        """The processes."""
        return [process for process, _ in self._members]

    def expand(self, *, last: bool, pulse: Pulse = lambda _: None) -> Level:
        """As `Solo.expand`, in all processes."""
        levels = [level for level in self._ask("expand", last, pulse=pulse) if isinstance(level, Level)]
        kept: dict[Key, int] = {}
        for number, level in enumerate(levels):
            for key in level.keys:
                kept.setdefault(key, number)
        for number, (_, connection) in enumerate(self._members):
            own = set(levels[number].keys)
            theirs = {key for key in own if kept[key] != number}
            _tell(connection, "agree", kept.keys() - own, theirs)
        found = [one for level in levels for one in level.found]
        return Level(list(kept), sum(level.steps for level in levels), found, _largest(levels))

    def heal(self) -> list[Counterexample]:
        """As `Solo.heal`, in all processes."""
        return [one for found in self._ask("heal") if isinstance(found, list) for one in found]

    def close(self) -> None:
        """End all processes."""
        for process, connection in self._members:
            process.kill()
            process.join()
            connection.close()

    def _ask(self, *words: object, pulse: Pulse = lambda _: None) -> list[object]:
        """Tell all processes to do something, and wait for their answers. WorkersDied."""
        answers: dict[int, object] = {}
        steps = [0] * len(self._members)
        for _, connection in self._members:
            _tell(connection, *words)
        while len(answers) < len(self._members):
            awaited = {one: number for number, (_, one) in enumerate(self._members) if number not in answers}
            for ready in wait(list(awaited)):
                number = awaited[ready]  # type: ignore[index]
                try:
                    word, value = self._members[number][1].recv()
                except (EOFError, OSError) as error:
                    process = self._members[number][0]
                    process.join(1.0)
                    how = f"a process of the exploration ended unexpectedly (exit code {process.exitcode})"
                    raise WorkersDied(f"{how}; run it again, with --jobs 1 if it happens again") from error
                if word == "steps":
                    steps[number] = value
                    pulse(sum(steps))
                else:
                    answers[number] = value
        return [answers[number] for number in range(len(self._members))]


def _tell(connection: Connection, *words: object) -> None:
    with suppress(OSError):  # the process is dead, which shows when it is listened to
        connection.send(words)


def _largest(levels: Sequence[Level]) -> list[int]:
    """For each party, the most states that a process has seen it in: they see much the same ones."""
    return [max(sizes) for sizes in zip(*(level.sizes for level in levels), strict=True)]


def _member(connection: Connection, solo: Solo, number: int, of: int) -> None:
    """What each process does: take its share of the states, and do what it is told until it is ended."""
    for ending in (signal.SIGINT, *ENDING):
        signal.signal(ending, signal.SIG_IGN)  # they are for the main process, which ends this one
    end_with_parent(signal.SIGKILL)
    solo.share(number, of)
    while True:
        try:
            word, *words = connection.recv()
        except EOFError:
            return
        if word == "expand":
            level = solo.expand(last=bool(words[0]), pulse=lambda steps: connection.send(("steps", steps)))
            connection.send(("done", level))
        elif word == "heal":
            connection.send(("done", solo.heal()))
        else:
            solo.agree(*words)
