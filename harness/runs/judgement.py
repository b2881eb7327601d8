"""What the run of one scenario says about the target.

Every scenario that does not pass ends with an exception. Its class says whose fault that is: a demand that does not
hold, a target that breaks down, or, for a class that is not in the table, Otterproof itself. How much a failure counts
depends on how binding the demand is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.failure import Failure, failure_of
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.network import NotQuiescent
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.excused import excusing
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.driver import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetFailed,
    TargetGivenUp,
    TargetHang,
    TargetStranded,
    TargetUnsupported,
)
from otterproof.harness.targets.lockstep import Divergence
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.reply import CheckFailed, Unsupported
from otterproof.harness.testkit.scenario import Scenario
from otterproof.harness.wire import UnreadableField

#: What an exception says about the target. The first matching class counts; any other exception is our own fault.
VERDICTS: tuple[tuple[type[Exception], Verdict], ...] = (
    (CheckFailed, Verdict.FAIL),
    (Unsupported, Verdict.UNSUPPORTED),
    (Divergence, Verdict.FAIL),
    (ModelDivergence, Verdict.FAIL),
    (OracleFailure, Verdict.FAIL),
    (NotQuiescent, Verdict.FAIL),
    (UnreadableField, Verdict.FAIL),  # a message of the target lacks a field that a scenario reads
    (TargetUnsupported, Verdict.UNSUPPORTED),  # conformance.claims judges whether claims hold
    (TargetGivenUp, Verdict.GIVEN_UP),
    (TargetHang, Verdict.HANG),
    (TargetDesync, Verdict.DESYNC),
    (TargetCrash, Verdict.CRASH),
    (TargetFailed, Verdict.CRASH),
    (TargetStranded, Verdict.CRASH),  # it has already been retried once
)

#: Verdicts that mean that the target does not conform.
BAD = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC, Verdict.GIVEN_UP})


def counts(verdict: Verdict, failure: Failure | None, least: Level = Level.MUST) -> bool:
    """Whether a verdict means that the target does not conform: it broke down, or a demand of this level failed."""
    if verdict is not Verdict.FAIL or failure is None:
        return verdict in BAD
    return failure.level is Level.MUST or (failure.level is Level.SHOULD and least is Level.SHOULD)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says about the target. detail: why, unless it passed. check: the id of the failure, "" without one.

    failure: the record of what went wrong, None if nothing did. others: the checks of less binding failures. stranded:
    inconclusive so far, because something other than the target has ended. [TargetStranded]
    """

    verdict: Verdict
    detail: str = ""
    check: str = ""
    failure: Failure | None = None
    others: tuple[str, ...] = ()
    stranded: bool = False

    @property
    def counts(self) -> bool:
        """Whether the target does not conform: a binding demand failed, or the target broke down."""
        return counts(self.verdict, self.failure)


def judge_scenario(scenario: Scenario, context: Context) -> Judgement:
    """Run a scenario in a context, and have its parties forgotten.

    A demand that the texts do not make of every client stops a scenario like any other. The scenario then runs again
    without that demand, as far as it can, so that the demand does not hide a more binding failure. The most binding
    counts.
    """
    judged = best = _judge(scenario, context)
    excused = set[str]()
    while judged.verdict is Verdict.FAIL and not judged.counts and judged.check not in excused:
        excused.add(judged.check)
        again = context.again()
        with excusing(excused):
            judged = _judge(scenario, again)
        context.readings |= again.readings
        context.visited |= again.visited
        if judged.verdict in BAD and _binding(judged) < _binding(best):
            context.take_over(again)
            best = judged
    return replace(best, others=tuple(sorted(excused - {best.check})))


def _binding(judged: Judgement) -> int:
    """How binding a failure is; 0 for MUST."""
    levels = list(Level)
    return 0 if judged.counts or judged.failure is None else levels.index(judged.failure.level)


def _judge(scenario: Scenario, context: Context) -> Judgement:
    """Run it, and retry once if something that the target needs, such as a screen, has ended."""
    judged = _judge_once(scenario, context)
    if judged.stranded:
        again = context.again()
        judged = _judge_once(scenario, again)
        context.take_over(again)
    return judged


def _judge_once(scenario: Scenario, context: Context) -> Judgement:
    judged = Judgement(Verdict.PASS)
    try:
        scenario.run(context)
        context.raise_wrong_case()
    except Exception as error:  # noqa: BLE001 (every error becomes the verdict)
        judged = _judged(scenario, context, context.wrong_case() or error)
        if judged.verdict is Verdict.FAIL:
            context.take_picture()
    try:
        context.finish()
    except TargetError as error:
        late = judgement_of(error, scenario.requirements, context.last_steps)
        if judged.verdict in (Verdict.PASS, Verdict.UNSUPPORTED):
            return later(late, "the scenario passed; then, when its parties were forgotten")
        judged = replace(judged, detail=f"{judged.detail}\nafterwards, when its parties were forgotten: {late.detail}")
    return judged


def later(judged: Judgement, when: str) -> Judgement:
    """A judgement on something that went wrong after the scenario itself."""
    failure = replace(judged.failure, case=when) if judged.failure is not None else None
    return replace(judged, detail=f"{when}: {judged.detail}", failure=failure)


def _judged(scenario: Scenario, context: Context, error: Exception) -> Judgement:
    """The judgement on a scenario that ended with an exception."""
    judged = judgement_of(error, scenario.requirements, context.last_steps)
    if isinstance(error, TargetUnsupported):
        claims = ", ".join(sorted(scenario.needs))
        judged = replace(judged, detail=f"it claims {claims}, but says that it can't do it: {judged.detail}")
    return judged


def judgement_of(error: Exception, claimed: Sequence[str] = (), steps: Sequence[Step] = ()) -> Judgement:
    """What an exception says about the target; its text is made fit to be shown. claimed, steps: as in failure_of."""
    verdict = next((verdict for kind, verdict in VERDICTS if isinstance(error, kind)), Verdict.INFRA)
    detail = f"{error}" if verdict is not Verdict.INFRA else f"{type(error).__name__}: {error}"
    text = printable("\n".join([detail, *getattr(error, "__notes__", ())]), lines=True)
    check = check_of(error) if verdict in BAD else ""
    failure = failure_of(error, check, claimed, steps) if verdict in BAD else None
    return Judgement(verdict, text, check, failure, stranded=isinstance(error, TargetStranded))
