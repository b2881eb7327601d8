"""One attempt: a program is run, and what failed is named in such a way that it can be told from other failures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import ORACLES, OracleFailure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.runner import VERDICTS
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import TargetError, TargetMissing
from otterproof.harness.targets.lockstep import Divergence

#: What differs between two runs into the same defect: names, numbers, keys, texts.
_VARIABLE = re.compile(r"b?'[^']*'|\b(?:alice|bob\d?)\b|b?\"[^\"]*\"|\b0x[0-9a-f]+\b|\b[0-9a-f]{6,}\b|\d+")

#: The most characters of a failure's detail: it is kept in several files, and a target can say megabytes.
DETAIL = 4000

#: Two engines, or an engine and the model, were not of one mind.
AGREE = "engines-agree"

#: The oracle that is about programs that break down.
ANSWERS = "bounds"


@dataclass(frozen=True, slots=True)
class Failure:
    """What did not hold. oracle: its id. demand: what must hold, without what varies. at_end: not in the moves but in
    what follows them, when the conversation is mended. made: how many moves had been made, the failing one included.
    """

    oracle: str
    verdict: Verdict
    demand: str
    detail: str
    at_end: bool
    made: int

    @property
    def kind(self) -> tuple[str, str, str]:
        """By this, failures with the same cause are taken for the same."""
        return self.oracle, self.verdict.value, self.demand


def attempt(program: Program, *, fresh: bool = False, watch: Callable[[Step], None] | None = None) -> Failure | None:
    """Run a program from its setup to the end; what failed.

    fresh: from parties that have done nothing yet. watch: sees every step, before the oracles do. TargetMissing when
    the target can't be run any more.
    """
    made, at_end = 0, False
    try:
        case = program.setup.case(fresh=fresh)
        if watch is not None:
            case.world.watchers.insert(0, watch)
        try:
            case.begin()
            for move in program.moves:
                made += 1
                case.run([move])
            at_end = True
            case.finish()
            _forget(program)
        finally:
            if watch is not None:
                case.world.watchers.remove(watch)
    except TargetMissing:
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, it is named)
        with suppress(TargetError):  # the run has failed already
            _forget(program)
        return replace(_named(error), at_end=at_end, made=made)
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


def _named(error: Exception) -> Failure:
    """A failure by its exception. Where an oracle speaks because a step came to nothing, that is what counts."""
    causes = (TargetError, Divergence, ModelDivergence)
    error = next((one for one in chain(error) if isinstance(one, causes)), error)
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    if isinstance(error, OracleFailure):
        oracle, demand, detail = error.oracle, error.expected, str(error)
    else:
        oracle = AGREE if isinstance(error, Divergence | ModelDivergence) else ANSWERS
        detail = f"{type(error).__name__}: {error}"
        demand = detail.partition("\n")[0].partition("(")[0]
    shown = printable(detail[:DETAIL], lines=True)[:DETAIL]
    return Failure(oracle, verdict, _VARIABLE.sub("*", printable(demand[:DETAIL]))[:200], shown, False, 0)


def chain(error: BaseException | None) -> Iterator[Exception]:
    """An exception, and those that it came of."""
    while isinstance(error, Exception):
        yield error
        error = error.__cause__ or error.__context__
