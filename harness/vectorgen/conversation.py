"""Conversations between two clients of the generating engine, recorded from each side's point of view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.simulation.moves import Duplicate
from otterproof.harness.simulation.network import Network, NotQuiescent
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.builder import SEED, FileBuilder
from otterproof.harness.vectorgen.client_session import PEER_TAG, TAG, Step, config, party_fields, seen, state
from otterproof.harness.vectorgen.play_builder import ClaimError, steps_fields, tape_fields
from otterproof.harness.vectorgen.values import Watcher
from otterproof.implementations.actions import perform
from otterproof.implementations.contract import Engine, Event, MessageUnreadable, PartyConfig, Policy
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy
from otterproof.vectors import Case, Fields, Group, Outcome

ALICE, BOB = "alice", "bob"


class Participant:
    """One party: its engine, its random draws, and its steps."""

    def __init__(self, file: FileBuilder, name: str, made: PartyConfig, seed: str, deep: bool) -> None:
        self.made = made
        self.entropy = RecordingEntropy(SeededEntropy(SEED.encode()).child(seed).child(name))
        self.engine: Engine = file.engine(made, self.entropy)
        self.steps: list[Step] = []
        tools = file.subject.tools
        self.watcher = Watcher(tools, self.entropy, self.engine.fingerprint) if tools is not None and deep else None


class Talk:
    """A conversation of alice and bob. deep: include all intermediate values."""

    def __init__(
        self,
        file: FileBuilder,
        name: str,
        version: int | None = 3,
        *,
        deep: bool = False,
        policy: Policy | None = None,
        **more: Any,
    ) -> None:
        self._file = file
        self.name = name
        self.now = 0
        configs = {
            ALICE: config(version, policy, key=published_key(ALICE), instance_tag=TAG, **more),
            BOB: config(version, policy, key=published_key(BOB), instance_tag=PEER_TAG, **more),
        }
        seed = f"{file.kind}.{name}"
        self.parties = {party: Participant(file, party, made, seed, deep) for party, made in configs.items()}
        self.network = Network({ALICE: [BOB], BOB: [ALICE]})
        self._told = dict.fromkeys(configs, 0)

    def other(self, name: str) -> str:
        return BOB if name == ALICE else ALICE

    def act(self, name: str, action: str, **args: Any) -> list[bytes]:
        """One step of one party. Returns the messages it sends, which are then in transit."""
        party = self.parties[name]
        time = None
        if self._told[name] != self.now:
            time = self._told[name] = self.now
            party.engine.set_time(self.now)
        before = party.engine.inspect()
        events = perform(party.engine, action, args)
        party.steps.append(Step(time, action, args, events))
        if party.watcher is not None:
            party.watcher.look(action, args, events, before, party.engine.inspect())
        messages = outgoing(events)
        for message in messages:
            self.network.send(name, message)
        return messages

    def waiting(self, name: str) -> list[bytes]:
        """The messages in transit to a party."""
        return self.network.queues[name]

    def deliver(self, name: str, at: int = 0) -> tuple[Event, ...]:
        """Deliver the next message for a party (or the one at this place in the queue)."""
        self.act(name, "receive", message=self.waiting(name).pop(at))
        return self.parties[name].steps[-1].events

    def lose(self, name: str, at: int = 0) -> bytes:
        """Drop the next message for a party."""
        return self.waiting(name).pop(at)

    def repeat(self, name: str) -> None:
        """Deliver the next message for a party twice in a row."""
        self.network.apply(Duplicate(name))
        self.deliver(name)
        self.deliver(name)

    def settle(self) -> None:
        """Deliver everything in transit, in order."""
        try:
            for name, message in self.network.deliveries(to=(ALICE, BOB)):
                self.act(name, "receive", message=message)
        except NotQuiescent as error:
            raise ClaimError(f"{self.name}: {error}") from error

    def do(self, name: str, action: str, **args: Any) -> None:
        """A user acts, and everything that results is delivered."""
        self.act(name, action, **args)
        self.settle()

    def start(self, asks: str = ALICE) -> None:
        self.do(asks, "start")

    def say(self, name: str, text: bytes) -> None:
        self.do(name, "send", text=text)

    def rounds(self, count: int) -> None:
        """Texts back and forth, which rotate the keys."""
        for number in range(count):
            self.say(ALICE, b"alice %d" % number)
            self.say(BOB, b"bob %d" % number)

    def unreadable(self) -> int:
        """The number of messages that could not be read."""
        steps: Sequence[Step] = [step for party in self.parties.values() for step in party.steps]
        return sum(isinstance(event, MessageUnreadable) for step in steps for event in step.events)

    def write(self, comment: str, requirements: str, *, flags: str = "", unreadable: int = 0) -> None:
        """Record the conversation as a group for each side. unreadable: how many messages must be unreadable."""
        if self.unreadable() != unreadable:
            raise ClaimError(
                f"{self.name}: {self.unreadable()} messages could not be read, and {unreadable} must be so"
            )
        for name, party in self.parties.items():
            group = f"{self._file.kind}.{self.name}-{name}"
            expect: dict[str, Any] = {
                **seen(party.steps[-1].events),
                "unchanged": False,
                "state": state(party.engine.inspect()),
            }
            if party.watcher is not None:
                expect["values"] = party.watcher.values
            case = Case(
                f"{group}.whole",
                comment,
                tuple(requirements.split()),
                tuple(flags.split()),
                Fields({"steps": steps_fields(party.steps)}),
                {"": Outcome(True, "", Fields(expect))},
            )
            fields = {"party": party_fields(party.made), "entropy": tape_fields(party.entropy), "prefix": ()}
            self._file.written(Group(group, f"{comment}: the point of view of {name}", "play", Fields(fields), (case,)))
