"""One honest conversation with a driver, reported step by step: the first thing that a driver's author runs.

It exercises everything the driver claims, in each version, with the reference engine on the other side. Problems are
reported where they happen; the end lists what the driver does not report, and what therefore will not be judged. Known
deviations of the implementation behind the driver are reported with their reasons and do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.failure import lines_of
from otterproof.harness.runs.judgement import BAD, Judgement, judgement_of
from otterproof.harness.simulation.describe import describe_input, describe_result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.driver import DriverTarget, TargetError
from otterproof.harness.targets.party import LeavesOut
from otterproof.harness.testkit.context import PEER, TARGET, Context, Pair
from otterproof.harness.testkit.driver_claims import probe, probe_coverage

#: The seed of the conversation. It is chosen so that none of the peer's keys that a commitment hides begins with a zero
#: byte: some libraries, otrjs for one, fail on such a key. `check` reports that; it is a defect of the library, and an
#: honest driver should get through this conversation.
SEED = b"an honest conversation"

#: The parts of the conversation: the capability that each needs, besides the version, and what is done.
PARTS: tuple[tuple[str, frozenset[str], Callable[[Pair], object]], ...] = (
    ("a handshake that the target asks for", frozenset(), lambda pair: pair.establish(TARGET)),
    ("texts in both directions", frozenset(), lambda pair: _texts(pair)),
    ("SMP, begun by the target", frozenset({"smp"}), lambda pair: pair.smp(TARGET, b"secret", b"secret")),
    ("SMP, begun by the peer", frozenset({"smp"}), lambda pair: pair.smp(PEER, b"secret", b"another")),
    (
        "SMP with a question",
        frozenset({"smp", "smp_question"}),
        lambda pair: pair.smp(TARGET, b"secret", b"secret", b"what?"),
    ),
    ("the extra symmetric key", frozenset({"v3", "extra_key"}), lambda pair: pair.extra_key(TARGET, 1, b"a file")),
    ("the end, by the target's user", frozenset(), lambda pair: pair.end(TARGET)),
    ("a handshake that the peer asks for", frozenset(), lambda pair: _again(pair)),
    ("the end, by the peer", frozenset(), lambda pair: pair.end(PEER)),
)


@dataclass(frozen=True, slots=True)
class Note:
    """Something to report.

    wrong: the driver, or its target, breaks a rule. known: the text is the reason of a known deviation.
    """

    text: str
    wrong: bool = False
    known: bool = False


def lint(target: DriverTarget, known: Known | None = None) -> Iterator[Note]:
    """Hold the conversation in each version that the driver claims, and report all that happens."""
    known = known or Known()
    claimed = ", ".join(sorted(target.capabilities)) or "nothing"
    yield Note(f"{target.name}: version {target.version}, randomness {target.randomness}, claims {claimed}")
    versions = [version for version in (2, 3) if f"v{version}" in target.capabilities]
    if not versions:
        yield Note("it claims neither v2 nor v3, so there is nothing to try; claim in hello what it can do")
        return
    untold: set[tuple[str, str]] = set()
    for version in versions:
        yield from _conversation(target, version, untold, known)
    for title, needed, _ in PARTS:
        if lacking := needed - target.capabilities:
            yield Note(f"not tried, because it does not claim {', '.join(sorted(lacking))}: {title}")
    yield from _claims(target, known)
    for event, field in sorted(untold):
        yield Note(f"not reported: {field} of {event}; nothing that depends on it is judged")


def _conversation(target: DriverTarget, version: int, untold: set[tuple[str, str]], known: Known) -> Iterator[Note]:
    context = Context(target, version, SEED)
    able = [one for one in PARTS if one[1] <= target.capabilities and (version == 3 or "v3" not in one[1])]
    pair: Pair | None = None
    done = 0
    try:
        pair = context.pair()
        for title, _, part in able:
            done += 1
            yield Note(f"version {version}: {title}")
            since = len(pair.log)
            try:
                part(pair)
            finally:
                for step in pair.log[since:]:
                    yield Note(f"  {step.number:3} {describe_input(step)}: {describe_result(step)}")
        context.finish()
    except Exception as error:  # noqa: BLE001 (every error is reported)
        yield from _told(judgement_of(error, (), context.last_steps), known)
        if left := len(able) - done:
            yield Note(f"version {version}: {left} of {len(able)} parts were not tried, because of that")
    if pair is not None:
        party = pair.world.parties[TARGET]
        untold.update(party.untold if isinstance(party, LeavesOut) else ())


def _told(judged: Judgement, known: Known) -> Iterator[Note]:
    """What ended a conversation."""
    if judged.verdict not in BAD or judged.failure is None:
        wrong = judged.verdict is Verdict.INFRA
        what = "this is a defect of Otterproof, please report it" if wrong else "not supported"
        yield Note(f"{what}: {judged.detail}", wrong)
        return
    rule, *rest = lines_of(judged.failure)
    reason = known.reason_of(judged.check)
    yield Note(f"{judged.verdict.value} {judged.check}: {rule}", wrong=not reason)
    yield from (Note(text, wrong=not reason) for text in rest)
    if reason:
        yield Note(f"known: {reason}", known=True)


def _claims(target: DriverTarget, known: Known) -> Iterator[Note]:
    """The claims that do not hold."""
    try:
        complaints = [*probe(target), *probe_coverage(target)]
    except TargetError as error:
        yield Note(f"{error.check}, while requesting everything that is claimed: {error}", wrong=True)
        return
    for complaint in complaints:
        demand = f"expected {complaint.expected}, got {complaint.got}"
        reason = known.reason_of(complaint.check)
        yield Note(f"fail {complaint.check}: it claims {complaint.claim}; {demand}", wrong=not reason)
        if reason:
            yield Note(f"known: {reason}", known=True)


def _texts(pair: Pair) -> None:
    for turn in range(2):
        pair.say(TARGET, b"from the target, %d" % turn)
        pair.say(PEER, b"from the peer, %d" % turn)


def _again(pair: Pair) -> None:
    pair.act_and_settle(PEER, "end")
    pair.establish(PEER)
