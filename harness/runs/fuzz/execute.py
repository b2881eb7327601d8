"""One attempt: a program is run, and a failure is known by the id of its check, which tells it from other failures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import ORACLES, OracleFailure
from otterproof.harness.runs.failure import BEFORE, failure_of, lines_of
from otterproof.harness.runs.failure import Failure as Record
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.runner import VERDICTS
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import TargetError, TargetMissing
from otterproof.harness.targets.lockstep import Divergence

#: The most characters of a failure's detail: it is kept in several files, and a target can say megabytes.
DETAIL = 4000

#: Two engines, or an engine and the model, differ.
AGREE = "engines-agree"

#: The oracle that is about programs that break down.
ANSWERS = "bounds"


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not hold.

    oracle: the id of the oracle that objected. check: the id of the check; failures with one id are taken to have one
    cause. [otterproof.harness.runs.signature] at_end: it failed after the moves, when the conversation is restored.
    made: how many moves had been made, the failing one included.
    """

    oracle: str
    verdict: Verdict
    check: str
    detail: str
    at_end: bool
    made: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended before its end. error: what ended it. steps: the last ones. at_end, made: as in Failure."""

    error: Exception
    steps: tuple[Step, ...]
    at_end: bool
    made: int

    @property
    def cause(self) -> Exception:
        """The error that counts: where an oracle speaks because a step came to nothing, what made it so."""
        causes = (TargetError, Divergence, ModelDivergence)
        return next((one for one in chain(self.error) if isinstance(one, causes)), self.error)

    def record(self) -> Record:
        """The record of the failure, as all reports have it."""
        error = self.cause
        return failure_of(error, check_of(error) or f"internal.{type(error).__name__.lower()}", (), self.steps)


def attempt(program: Program, *, fresh: bool = False, watch: Callable[[Step], None] | None = None) -> Failure | None:
    """Run a program from its setup to the end; what failed. Arguments and error as for `play`."""
    ended = play(program, fresh=fresh, watch=watch)
    return None if ended is None else named(ended)


def play(program: Program, *, fresh: bool = False, watch: Callable[[Step], None] | None = None) -> Ended | None:
    """Run a program from its setup to the end; how it ended if it did not get there.

    fresh: from parties that have done nothing yet. watch: sees every step, before the oracles do. TargetMissing when
    the target can't be run any more.
    """
    made, at_end = 0, False
    last: deque[Step] = deque(maxlen=BEFORE + 1)
    watching = [last.append, *([watch] if watch is not None else [])]
    try:
        case = program.setup.case(fresh=fresh)
        case.world.watchers[:0] = watching
        try:
            case.begin()
            for move in program.moves:
                made += 1
                case.run([move])
            at_end = True
            case.finish()
            _forget(program)
        finally:
            del case.world.watchers[: len(watching)]
    except TargetMissing:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, it is named)
        with suppress(TargetError):  # the run has failed already
            _forget(program)
        return Ended(error, tuple(last), at_end, made)
    return None


def _forget(program: Program) -> None:
    """Have the target forget its party. TargetError when it breaks down over that, which this program has led to."""
    if program.setup.target is not None:
        program.setup.target.finish()


def failures(program: Program) -> list[Failure]:
    """All that is wrong with a run: after an oracle has objected, the program is run again without it.

    Where the target breaks down, or two engines differ, nothing can be found out beyond.
    """
    found: list[Failure] = []
    left = list(program.setup.oracles or ORACLES)
    while left:
        failure = attempt(replace(program, setup=replace(program.setup, oracles=tuple(left))))
        if failure is None:
            break
        found.append(failure)
        if failure.verdict is not Verdict.FAIL or failure.oracle not in left:
            break
        left.remove(failure.oracle)
    return found


def named(ended: Ended) -> Failure:
    """What failed in a run."""
    error, record = ended.cause, ended.record()
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    if isinstance(error, OracleFailure):
        oracle = error.oracle
    else:
        oracle = AGREE if isinstance(error, Divergence | ModelDivergence) else ANSWERS
    detail = "\n".join(lines_of(record))
    shown = printable(detail[:DETAIL], lines=True)[:DETAIL]
    return Failure(oracle, verdict, record.check, shown, ended.at_end, ended.made)


def chain(error: BaseException | None) -> Iterator[Exception]:
    """An exception, and those that caused it."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__
