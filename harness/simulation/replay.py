"""Running a transcript again: the same inputs to fresh parties, up to the first step with a different result.

Only the inputs of the recorded steps are used, so a run against one implementation can be replayed against another, or
against a corrected version of the same. The caller decides what a difference means: a regression if the recorded run
was right, a repair if it was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.simulation.transcript import Header, Party, PartyInfo, Step, Transcript
from otterproof.harness.simulation.world import StepFailure
from otterproof.harness.targets.lockstep import differences
from otterproof.harness.targets.party import state_of
from otterproof.harness.wire.shown import shown
from otterproof.implementations.actions import perform
from otterproof.implementations.contract import Event, OtrError, OutgoingMessage, PartySnapshot

#: Makes a fresh party from its name, its PartyInfo, and the header (for `header.entropy(name)`).
PartyFactory = Callable[[str, PartyInfo, Header], Party]


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """The first step with a different result, and the new result: events and snapshot, or a failure."""

    step: Step
    events: tuple[Event, ...]
    snapshot: PartySnapshot | None
    failure: str | None

    def __str__(self) -> str:
        """A few lines: which step, and the first difference in it."""
        step = self.step
        where = f"step {step.number} ({step.party}, {step.action}, time {step.time}) differs from the recording"
        return "\n".join([where, *self._first_difference()])

    def _first_difference(self) -> list[str]:
        if self.step.failure != self.failure:
            return sides(self.step.failure or _counted(self.step.events), self.failure or _counted(self.events))
        if self.step.events != self.events:
            return events_in_words(self.step.events, self.events)
        return ["  snapshot", *differences(self.step.snapshot, self.snapshot, "recorded", "now")]


def sides(recorded: str, now: str) -> list[str]:
    """Two lines: the recorded result, and the one now."""
    return [f"  recorded: {recorded}", f"  now:      {now}"]


def events_in_words(recorded: Sequence[Event], now: Sequence[Event]) -> list[str]:
    """Lines that show where the events of two runs of a step diverge; for events of one kind, in which fields."""
    for number, (old, new) in enumerate(zip(recorded, now, strict=False), 1):
        if old != new:
            lines = sides(f"event {number}: {shown(old)}", f"event {number}: {shown(new)}")
            if isinstance(old, OutgoingMessage) and isinstance(new, OutgoingMessage):
                return lines + _fields_that_differ(wire.parse(old.message), wire.parse(new.message))
            return lines + (differences(old, new, "recorded", "now") if type(old) is type(new) else [])
    common = min(len(recorded), len(now))
    return sides(_counted(recorded, common), _counted(now, common))


def _counted(events: Sequence[Event], common: int | None = None) -> str:
    """The number of events and, with `common`, those that follow as many events in common with the other side."""
    count = f"{len(events)} event{'' if len(events) == 1 else 's'}"
    rest = [] if common is None else events[common:]
    return f"{count}; additional: {shown(rest)}" if rest else count


def _fields_that_differ(recorded: wire.Message, now: wire.Message) -> list[str]:
    """A line for each field that differs between two messages of one kind."""
    pairs = [(old, now.field(old.name)) for old in recorded.fields if now.has(old.name)]
    differ = [(old, new) for old, new in pairs if old.raw != new.raw]
    return [f"  {old.name}: recorded {shown(old.value)}, now {shown(new.value)}" for old, new in differ]


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """steps: how many were run, including a diverging one. divergence: None if every result was as recorded."""

    steps: int
    divergence: ReplayDifference | None

    @property
    def same(self) -> bool:
        return self.divergence is None


def replay(
    transcript: Transcript,
    party_factory: PartyFactory,
    failures: tuple[type[Exception], ...] = (OtrError,),
) -> ReplayResult:
    """Run the steps of a transcript with fresh parties until the first difference.

    These are compared: the events, the snapshot if the transcript has one and the party shows its state, and whether
    the party failed. failures: what a party raises when it fails to answer (a driver's crash or hang); any other
    exception is passed on. Two failures count as the same, whatever their text.
    """
    header = transcript.header
    parties = {name: party_factory(name, info, header) for name, info in header.parties.items()}
    now, count = 0, 0
    for entry in transcript.entries:
        if entry.time > now:
            now = entry.time
            for party in parties.values():
                party.set_time(now)
        if not isinstance(entry, Step):
            continue
        count += 1
        divergence = _run(parties[entry.party], entry, failures)
        if divergence is not None:
            return ReplayResult(count, divergence)
    return ReplayResult(count, None)


def _run(party: Party, step: Step, failures: tuple[type[Exception], ...]) -> ReplayDifference | None:
    events: tuple[Event, ...] = ()
    snapshot: PartySnapshot | None = None
    failure: str | None = None
    try:
        events = perform(party, step.action, step.args)
        if step.snapshot is not None:
            snapshot = state_of(party)
    except failures as error:
        failure = StepFailure.of(error).text
    failed_alike = failure is not None and step.failure is not None
    same_snapshot = snapshot is None or snapshot == step.snapshot
    if failed_alike or (failure == step.failure and events == step.events and same_snapshot):
        return None
    return ReplayDifference(step, events, snapshot, failure)
