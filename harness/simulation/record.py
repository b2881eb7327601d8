"""The record of one run: what its parties were made from and every step they took, to be written as a transcript.

Parties in a world are recorded by a watcher (`Record.add`). A scenario that drives an engine directly, without a world,
wraps the engine in a `Recorded` instead. Steps that were taken back are not part of a record, so what is written is
always one run that can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict, move_to_json
from otterproof.harness.simulation.world import Step, StepFailure
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.implementations.contract import Engine, Event, PartySnapshot, Policy
from otterproof.implementations.jsonform import JsonFormError


class Record:
    """One run. log: its steps. taken: how many steps were made, including those that were taken back."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.log: list[Step] = []
        self.taken = 0

    def add(self, step: Step) -> None:
        """Add a step that was made."""
        self.taken += 1
        self.log.append(step)

    def join(self, name: str, info: PartyInfo) -> None:
        """Add a party."""
        self.header = replace(self.header, parties={**self.header.parties, name: info})

    def write(self, path: Path, profile: str, verdict: Verdict, detail: str) -> None:
        """Write the run to a file, as part of `profile`, whole or not at all. OutputError."""
        content, now = StringIO(), 0
        writer = TranscriptWriter(content, replace(self.header, profile=profile))
        for step in self.log:
            now = max(now, step.now)  # parties without a common world may have different times
            write_step(writer, replace(step, now=now))
        writer.verdict(verdict, detail)
        write_whole(path, content.getvalue(), durable=False)  # there are hundreds of files


def write_step(writer: TranscriptWriter, step: Step) -> None:
    """Write a step of a world into a transcript. If its answer can't be written there, write it as a failed step."""
    move = None if step.move is None else move_to_json(step.move)
    try:
        writer.step(
            step.now,
            step.party,
            step.action,
            step.args,
            step.events,
            snapshot=step.after,
            move=move,
            failure=None if step.failure is None else step.failure.text,
            shown=step.shown,
        )
    except JsonFormError as error:  # a faulty engine can answer anything
        failure = f"the answer can't be written down: {error}"
        writer.step(step.now, step.party, step.action, step.args, (), move=move, failure=failure)


class Recorded(ActionDispatcher):
    """An engine whose steps go into a record. name: which party of the record it is."""

    def __init__(self, record: Record, name: str, engine: Engine) -> None:
        self._record = record
        self._name = name
        self._engine = engine
        self._now = 0

    @property
    def instance_tag(self) -> int:
        return self._engine.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._engine.fingerprint

    def inspect(self) -> PartySnapshot:
        return self._engine.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        return self._engine.secrets()

    def set_time(self, now: int) -> None:
        self._engine.set_time(now)
        self._now = now

    def set_policy(self, policy: Policy) -> None:
        self._do("set_policy", policy=policy)

    def snapshot(self) -> object:
        return self._engine.snapshot(), self._now, [step for step in self._record.log if step.party == self._name]

    def restore(self, state: object) -> None:
        match state:
            case (engine, int() as now, list() as own):
                self._engine.restore(engine)
                self._now = now
                others = [step for step in self._record.log if step.party != self._name]
                self._record.log[:] = sorted([*others, *own], key=lambda step: step.number)
            case _:
                raise TypeError("not a snapshot of this party; pass what snapshot() returned")

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        given = {name: value for name, value in args.items() if value is not None}
        try:
            events: Sequence[Event] = getattr(self._engine, action)(**given) or ()
            after = self._engine.inspect()
        except Exception as error:
            self._add(action, given, (), None, StepFailure.of(error))
            raise
        self._add(action, given, events, after, None)
        return events

    def _add(
        self,
        action: str,
        args: Mapping[str, object],
        events: Sequence[Event],
        after: PartySnapshot | None,
        failure: StepFailure | None,
    ) -> None:
        number = self._record.taken + 1
        self._record.add(Step(number, self._now, self._name, action, args, events, None, after, None, failure))
