"""A run that an exploration found, as a program: it is run again on its own, and kept as `fuzz` keeps its findings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from otterproof.harness.runs.explore.explore import Explorable
from otterproof.harness.runs.explore.solo import Counterexample
from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import play
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import as_test, run_and_write
from otterproof.harness.simulation.describe import describe_input, describe_result
from otterproof.harness.simulation.moves import Drop, Inject, Move, Replay
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.excused import excusing
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.registry import file_name


@dataclass(frozen=True, slots=True)
class Found:
    """A counterexample, its run as a program, and what failed when that program ran on its own.

    steps: the run in words. record: None if nothing failed, which is a defect of the exploration. transcript: the file
    with the run; test: the one that fails as long as the target does this.
    """

    alphabet: str
    counterexample: Counterexample
    program: Program
    steps: tuple[str, ...]
    record: Failure | None
    transcript: Path
    test: Path | None

    @property
    def level(self) -> Level:
        """How binding the broken rule is."""
        return self.record.level if self.record is not None else Level.MUST


def keep(
    alphabet: str,
    setup: Setup,
    target: Explorable,
    one: Counterexample,
    folder: Path,
    command: str | None = None,
    passed: Collection[str] = (),
) -> Found:
    """Run a counterexample again; write its transcript, and a test if it failed again. Raises OutputError.

    command: the target's command, if it is the user's. passed: checks that failed elsewhere and are not made on the
    way.
    """
    with excusing({check for check in passed if check != one.check}):
        return _keep(alphabet, setup, target, one, folder, command)


def _keep(
    alphabet: str, setup: Setup, target: Explorable, one: Counterexample, folder: Path, command: str | None
) -> Found:
    program = program_of(setup, one)
    played = replace(program, setup=replace(setup, target=target))
    folder.mkdir(parents=True, exist_ok=True)
    name = file_name(f"{alphabet}-{one.check}".replace(".", "-"))
    transcript = folder / f"{name}.jsonl"
    steps: list[Step] = []
    ended = play(played, fresh=not program.moves, watch=steps.append)  # without moves, the beginning is all there is
    failure = run_and_write(transcript, played)
    test = None
    if failure is not None:
        test = folder / f"test_{name.replace('-', '_')}.py"
        found = f"Found by `otterproof explore`, alphabet {alphabet}."
        write_whole(test, as_test(name, played, failure, found, command))
    words = tuple(f"{describe_input(step)}: {describe_result(step)}" for step in steps)
    return Found(alphabet, one, played, words, None if ended is None else ended.record(), transcript, test)


def program_of(setup: Setup, found: Counterexample) -> Program:
    """The program of a counterexample's run.

    A message that was sent in the run is identified by its position in the history, so that the program means the same
    if other bytes are sent. Messages that the adversary never delivered are dropped before the parties talk again.
    """
    if not found.moves and not found.at_end:
        return Program(setup, ())
    case = setup.case()
    case.begin()
    moves: list[Move] = []
    for number, move in enumerate(found.moves, 1):
        if isinstance(move, Inject):
            sent = [one.message for one in case.world.network.history]
            moves.append(Replay(move.to, sent.index(move.message)) if move.message in sent else move)
        else:
            moves.append(move)
        if number < len(found.moves) or found.at_end:
            case.run(moves[-1:])
    if found.at_end:
        moves += [Drop(name) for name, queue in case.world.network.queues.items() for _ in queue]
    return Program(setup, tuple(moves))
