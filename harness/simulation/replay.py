"""Running a transcript again: the same inputs to fresh parties, up to the first step that comes out differently.

Only the inputs of the recorded steps are used, so a run against one implementation can be replayed against another,
or against a corrected version of the same. What a difference means is for the caller to say: a regression where the
recorded run was right, a repair where it was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otterproof.harness.simulation.transcript import Header, Party, PartyInfo, Step, Transcript
from otterproof.harness.simulation.world import StepFailure
from otterproof.harness.targets.party import state_of
from otterproof.implementations.actions import perform
from otterproof.implementations.contract import Event, OtrError, PartySnapshot

#: Makes a fresh party: its name, who it was, and the header (for `header.entropy(name)`).
PartyFactory = Callable[[str, PartyInfo, Header], Party]


@dataclass(frozen=True, slots=True)
class ReplayDifference:
    """The first step that came out differently, and what came out: events and snapshot, or a failure."""

    step: Step
    events: tuple[Event, ...]
    snapshot: PartySnapshot | None
    failure: str | None

    def __str__(self) -> str:
        """A few lines: which step, and the first thing that differs."""
        recorded, now = self._first_difference()
        step = self.step
        return (
            f"step {step.number} ({step.party}, {step.action}, time {step.time}) comes out differently\n"
            f"  recorded: {recorded}\n"
            f"  now:      {now}"
        )

    def _first_difference(self) -> tuple[str, str]:
        if self.step.failure != self.failure:
            return self.step.failure or f"{len(self.step.events)} events", self.failure or f"{len(self.events)} events"
        for number, (recorded, now) in enumerate(zip(self.step.events, self.events, strict=False), 1):
            if recorded != now:
                return f"event {number}: {recorded!r:.400}", f"event {number}: {now!r:.400}"
        shorter = min(len(self.step.events), len(self.events))
        extra = [
            f"{len(events)} events" + (f", with {events[shorter]!r:.400}" if events[shorter:] else "")
            for events in (self.step.events, self.events)
        ]
        if len(self.step.events) != len(self.events):
            return extra[0], extra[1]
        return f"snapshot: {self.step.snapshot!r}", f"snapshot: {self.snapshot!r}"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """steps: how many were run, the diverging one included. divergence: None if everything came out as recorded."""

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

    Compared are the events, the snapshot where the transcript has one and the party shows its state, and whether the
    party failed. failures: what a party raises when it fails to answer (a driver's crash or hang); anything else that
    it raises is passed on. Two failures count as the same, whatever their text.
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
