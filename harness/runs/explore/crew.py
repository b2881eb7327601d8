"""Several processes that share one search: each keeps the states that it found, and all agree on which are new.

They are forked after the first levels, so each starts with everything known by then and a part of the states. After
each slice of a level, every process sends the keys of the states that it found. It learns which of them another process
found too and keeps, and which other keys are new. The states themselves are never sent. What is explored, and the
number of moves, are the same for any number of processes.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from otterproof.harness.runs.explore.search import Key, narrowed
from otterproof.harness.runs.explore.solo import Counterexample, Slice, Solo
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.signals import ENDING, end_with_parent


class Crew:
    """Processes that continue a search. `close` ends those that are left."""

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

    def slice(self, seconds: float, *, last: bool = False) -> Slice:
        """As `Solo.slice`, in all processes. Raises WorkersDied, and the CommandError of a process."""
        slices = [one for one in self._ask("slice", seconds, last) if isinstance(one, Slice)]
        kept: dict[Key, int] = {}
        made = Slice(sizes=_largest(slices))
        for number, one in enumerate(slices):
            for key, reached in one.new.items():
                if kept.setdefault(key, number) == number:
                    made.new[key] = reached
                else:
                    made.again[key] = narrowed(made.again.get(key), reached.fresh)
            for key, fresh in one.again.items():
                made.again[key] = narrowed(made.again.get(key), fresh)
            made.expanded += one.expanded
            made.left += one.left
            made.steps += one.steps
            made.found += one.found
        for number, (_, connection) in enumerate(self._members):
            own = slices[number].new.keys()
            theirs = {key for key in own if kept[key] != number}
            _tell(connection, "agree", kept.keys() - own, theirs, made.again)
        return made

    def next_level(self) -> int:
        """As `Solo.next_level`, in all processes."""
        return sum(number for number in self._ask("next_level") if isinstance(number, int))

    def heal(self) -> list[Counterexample]:
        """As `Solo.heal`, in all processes."""
        return [one for found in self._ask("heal") if isinstance(found, list) for one in found]

    def close(self) -> None:
        """End all processes."""
        for process, connection in self._members:
            process.kill()
            process.join()
            connection.close()

    def _ask(self, *words: object) -> list[object]:
        """Send all processes a request, and wait for their answers."""
        answers: dict[int, object] = {}
        for _, connection in self._members:
            _tell(connection, *words)
        while len(answers) < len(self._members):
            awaited = {one: number for number, (_, one) in enumerate(self._members) if number not in answers}
            for ready in wait(list(awaited)):
                number = awaited[ready]  # type: ignore[index]
                try:
                    answers[number] = self._members[number][1].recv()
                except (EOFError, OSError) as error:
                    process = self._members[number][0]
                    process.join(1.0)
                    how = f"a process of the exploration ended unexpectedly (exit code {process.exitcode})"
                    raise WorkersDied(f"{how}; run it again, with --jobs 1 if it happens again") from error
        failed = next((one for one in answers.values() if isinstance(one, CommandError)), None)
        if failed is not None:
            raise failed
        return [answers[number] for number in range(len(self._members))]


def _tell(connection: Connection, *words: object) -> None:
    with suppress(OSError):  # a dead process is noticed when its answer is read
        connection.send(words)


def _largest(slices: Sequence[Slice]) -> list[int]:
    """For each party, the most states that one process has seen: they see much the same ones."""
    return [max(sizes) for sizes in zip(*(one.sizes for one in slices), strict=True)]


def _member(connection: Connection, solo: Solo, number: int, of: int) -> None:
    """The work of each process: take its share of the states, and serve requests until it is ended."""
    for ending in (signal.SIGINT, *ENDING):
        signal.signal(ending, signal.SIG_IGN)  # signals are for the main process, which ends this one
    end_with_parent(signal.SIGKILL)
    solo.share(number, of)
    while True:
        try:
            word, *words = connection.recv()
        except EOFError:
            return
        if word == "agree":
            others, theirs, again = words
            solo.agree(others, theirs)
            solo.narrow(again)
            continue
        try:
            if word == "slice":
                answer: object = solo.slice(words[0], last=words[1])
            else:
                answer = solo.heal() if word == "heal" else solo.next_level()
        except CommandError as error:
            answer = error
        connection.send(answer)
