"""One attempt: a program is run, and a failure is known by the id of its check, which tells it from other failures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import ORACLES, OracleFailure
from otterproof.harness.runs.failure import BEFORE, failure_of, lines_of
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


def attempt(program: Program, *, fresh: bool = False, watch: Callable[[Step], None] | None = None) -> Failure | None:
    """Run a program from its setup to the end; what failed.

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
        return replace(_named(error, last), at_end=at_end, made=made)
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


def _named(error: Exception, steps: Iterable[Step]) -> Failure:
    """A failure by its exception. Where an oracle speaks because a step came to nothing, that is what counts.

    steps: the last ones.
    """
    causes = (TargetError, Divergence, ModelDivergence)
    error = next((one for one in chain(error) if isinstance(one, causes)), error)
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    if isinstance(error, OracleFailure):
        oracle = error.oracle
    else:
        oracle = AGREE if isinstance(error, Divergence | ModelDivergence) else ANSWERS
    check = check_of(error) or f"internal.{type(error).__name__.lower()}"
    detail = "\n".join(lines_of(failure_of(error, check, (), list(steps))))
    return Failure(oracle, verdict, check, printable(detail[:DETAIL], lines=True)[:DETAIL], False, 0)


def chain(error: BaseException | None) -> Iterator[Exception]:
    """An exception, and those that caused it."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__
