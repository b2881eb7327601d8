"""Whether a failure that a transcript records happens again, does not, or can't be reproduced for another reason.

A transcript says which run it belongs to. One of a random run, from a campaign or a check, contains the program of
moves, which is run again and judged by the same oracles. Any other transcript of a check names its scenario, which is
run again with the same seed. Both work against any target. The recorded inputs are also replayed byte by byte: the
first step with a different result is the place to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from otterproof.harness.runs.casting import Casting, ReplayParties
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.serialize import program_from_json
from otterproof.harness.runs.judgement import judge_scenario
from otterproof.harness.simulation.replay import events_in_words, replay, sides
from otterproof.harness.simulation.transcript import Step, Transcript, TranscriptError, Verdict
from otterproof.harness.simulation.world import Step as WorldStep
from otterproof.harness.spec.checks import level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.driver import TargetError
from otterproof.harness.testkit.context import PEER, Context
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.wire.shown import shown

#: Verdicts that record a failure of the target.
FAILURES = frozenset({Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC})


class RerunStatus(Enum):
    """The result of running a transcript again."""

    SAME = "SAME"  # no failure is recorded, and everything matched the recording
    DRIFTED = "DRIFTED"  # no failure is recorded, and something differed
    FAILED = "FAILED"
    FIXED = "FIXED"
    ERROR = "ERROR"  # it can't be determined


@dataclass(frozen=True, slots=True)
class Outcome:
    """fate, and why; drift: the first step that differed, "" if none did. level: of the demand that failed."""

    fate: RerunStatus
    detail: str
    drift: str = ""
    level: Level = Level.MUST


def again(transcript: Transcript, casting: Casting) -> Outcome:
    """Run a transcript again, with the players that the casting gives.

    Raises UsageError, before anything runs, if the file names a command that the user has not allowed; UnknownTarget if
    the user gave an unknown name; TranscriptError if running reveals a mistake in the file.
    """
    header = transcript.header
    failed = transcript.verdict in FAILURES
    try:
        if failed and header.program is not None:
            casting.check(header, [header.judged])  # the reference engine always plays the others
            return _program(transcript, casting)
        casting.check(header, {*header.parties, *([header.judged] if failed else [])})
        return _scenario(transcript, casting) if failed else _without_failure(transcript, casting)
    except TranscriptError as error:
        raise TranscriptError(error.problem, transcript.source, 1) from error
    except TargetError as error:
        return Outcome(RerunStatus.ERROR, str(error))


def _drift(transcript: Transcript, casting: Casting) -> str:
    """The first step that differs when the same bytes are given to fresh parties; "" if none does.

    An exception of a party also counts as its result: a file may contain inputs that no run ever gave to an engine.
    """
    with ReplayParties(casting) as players:
        divergence = replay(transcript, players, (Exception,)).divergence
    return "" if divergence is None else str(divergence)


def _without_failure(transcript: Transcript, casting: Casting) -> Outcome:
    drift = _drift(transcript, casting)
    steps = len(list(transcript.steps()))
    if drift:
        return Outcome(RerunStatus.DRIFTED, f"at least one of {steps} steps differed from the recording", drift)
    return Outcome(RerunStatus.SAME, f"all {steps} steps matched the recording")


def _program(transcript: Transcript, casting: Casting) -> Outcome:
    """Make the moves of a campaign's program again."""
    target = casting.open_target(transcript.header, transcript.header.judged)
    try:
        steps: list[WorldStep] = []
        program = program_from_json(transcript.header.program or {}, target)
        failure = attempt(program, fresh=True, watch=steps.append)
    finally:
        target.close()
    recorded = list(transcript.steps())
    # A run without the failure continues past it; that is no difference.
    drift = _first_drift(recorded, steps[: len(recorded)] if failure is None else steps)
    if failure is None:
        return Outcome(RerunStatus.FIXED, "the program completes, and no oracle reports a failure", drift)
    if failure.verdict is Verdict.INFRA:
        return Outcome(RerunStatus.ERROR, failure.detail, drift)
    level = level_of(failure.check) if failure.verdict is Verdict.FAIL else Level.MUST
    return Outcome(RerunStatus.FAILED, failure.detail, drift, level)


def _first_drift(recorded: Sequence[Step], steps: Sequence[WorldStep]) -> str:
    """The first step that differs between two runs of one program."""
    for old, new in zip(recorded, steps, strict=False):
        was = (old.party, old.action, dict(old.args), tuple(old.events), old.failure is None)
        now = (new.party, new.action, dict(new.args), tuple(new.events), new.failure is None)
        if was != now:
            pairs = zip(("party", "action", "input", "events", "answer"), was, now, strict=True)
            what, before, after = next(one for one in pairs if one[1] != one[2])
            where = f"step {old.number} ({old.party}, {old.action}, time {old.time}) differs from the recording: {what}"
            lines = sides(shown(before), shown(after))
            if what == "events":
                lines = events_in_words(old.events, new.events)
            return "\n".join([where, *lines])
    if len(recorded) != len(steps):
        return f"the recording has {len(recorded)} steps, and this run has {len(steps)}"
    return ""


def _scenario(transcript: Transcript, casting: Casting) -> Outcome:
    """Run the transcript's scenario again."""
    header = transcript.header
    load()
    scenario = next((one for one in scenarios(header.profile) if one.id == header.profile), None)
    drift = _drift(transcript, casting)
    if scenario is None:
        if not drift:
            return Outcome(
                RerunStatus.FAILED, f"every step matched the recording, so it still fails: {transcript.detail}"
            )
        return Outcome(
            RerunStatus.ERROR, f"can't determine whether it still fails: no scenario {header.profile!r}", drift
        )
    player, facing = casting.open_target(header, header.judged), None
    try:
        missing = scenario.needs - player.capabilities
        if missing:
            return Outcome(RerunStatus.ERROR, f"{player.name} does not claim {', '.join(sorted(missing))}", drift)
        facing = casting.open_target(header, PEER) if PEER in header.parties else None
        seed = header.seed if header.scenario_seed is None else header.scenario_seed
        judged = judge_scenario(scenario, Context(player, scenario.version, seed, facing))
    finally:
        player.close()
        if facing is not None:
            facing.close()
    if judged.verdict in FAILURES:
        level = judged.failure.level if judged.failure is not None and judged.verdict is Verdict.FAIL else Level.MUST
        return Outcome(RerunStatus.FAILED, judged.detail, drift, level)
    if judged.verdict is Verdict.PASS:
        return Outcome(RerunStatus.FIXED, f"{scenario.id} passes", drift)
    return Outcome(RerunStatus.ERROR, judged.detail, drift)
