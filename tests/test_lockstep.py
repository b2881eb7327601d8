"""Worlds and lockstep: how steps are shown, and how a difference between two engines is reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest

from otterproof.harness.simulation.moves import Deliver, Tick, User
from otterproof.harness.simulation.world import Step, StepFailure, World
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.lockstep import Divergence, LockstepParty
from otterproof.harness.testkit.context import PEER, TARGET, Context
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import (
    Entropy,
    Event,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    TextReceived,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.raising import raises_check

CONFIG = PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x111)


class ChangesEvents(ReferenceEngine):
    """An engine with a mistake in its result for a received message."""

    mistake: Callable[[list[Event]], list[Event]]

    def receive(self, message: bytes) -> Sequence[Event]:
        return self.mistake(list(super().receive(message)))


class AnotherByte(ChangesEvents):
    def mistake(self, events: list[Event]) -> list[Event]:
        return [
            OutgoingMessage(event.message[:-3] + b"A=.") if isinstance(event, OutgoingMessage) else event
            for event in events
        ]


class OneLess(ChangesEvents):
    def mistake(self, events: list[Event]) -> list[Event]:
        return events[1:]


class AnotherState(ReferenceEngine):
    """An engine that shows a wrong state."""

    def inspect(self) -> PartySnapshot:
        return replace(super().inspect(), heard_plaintext=True)


def lockstep(other: Callable[[PartyConfig, Entropy], ReferenceEngine]) -> LockstepParty:
    entropy = SeededEntropy(b"lockstep")
    return LockstepParty("alice", {"reference": ReferenceEngine(CONFIG, entropy), "other": other(CONFIG, entropy)})


def test_equal_engines_do_not_diverge() -> None:
    party = lockstep(ReferenceEngine)
    assert isinstance(party.receive(b"?OTRv3?")[0], OutgoingMessage)
    assert party.receive(b"hello") == [TextReceived(b"hello", False, False, 0)]


@pytest.mark.parametrize(
    ("mistaken", "message", "shown"),
    [
        (
            AnotherByte,
            b"?OTRv3?",
            ["alice.receive", "event 0 differs", "reference: sends a D-H Commit", "hashed_gx"],
        ),
        (OneLess, b"hello", ["event 0 differs (1 events from reference, 0 from other)", "shows", "nothing"]),
        (AnotherState, b"?OTRv3?", [".heard_plaintext: reference no, other yes"]),
    ],
)
def test_a_mistake_is_reported_with_both_sides(
    mistaken: type[ReferenceEngine], message: bytes, shown: list[str]
) -> None:
    with pytest.raises(Divergence) as caught:
        lockstep(mistaken).receive(message)
    what = "states" if mistaken is AnotherState else "events"
    assert caught.value.check == f"engines-agree.{what}-differ"
    assert (caught.value.party, caught.value.action) == ("alice", "receive")
    for part in shown:
        assert part in str(caught.value)


def test_a_party_goes_back_as_a_whole() -> None:
    party = lockstep(ReferenceEngine)
    moment = party.snapshot()
    first = party.receive(b"?OTRv3?")
    party.restore(moment)
    assert party.receive(b"?OTRv3?") == first
    with pytest.raises(TypeError, match="not a snapshot"):
        party.restore([])


class Echo:
    """A party that sends every message back, or fails."""

    instance_tag, fingerprint = 0, b""

    def __init__(self) -> None:
        self.now = 0

    def receive(self, message: bytes) -> Sequence[Event]:
        if message == b"fail":
            raise RuntimeError("no")
        return [OutgoingMessage(message)]

    def send(self, text: bytes) -> Sequence[Event]:
        return [OutgoingMessage(text)]

    def set_time(self, now: int) -> None:
        self.now = now


def world() -> tuple[World, list[Step]]:
    seen: list[Step] = []
    return World({"a": Echo(), "b": Echo()}, {"a": ["b"], "b": ["a"]}, [seen.append]), seen


def test_steps_are_shown_to_watchers() -> None:
    made, seen = world()
    move = User("a", "send", {"text": b"hi"})
    made.run([move, Tick(7), Deliver("b"), Deliver("b")])
    assert [(step.number, step.now, step.party, step.action) for step in seen] == [
        (1, 0, "a", "send"),
        (2, 7, "b", "receive"),
    ]
    assert seen[0].move == move
    assert seen[1].args == {"message": b"hi"}
    assert [party.now for party in made.parties.values() if isinstance(party, Echo)] == [7, 7]
    assert made.network.queues["a"] == [b"hi"]


def test_a_failure_is_a_step_too() -> None:
    made, seen = world()
    made.network.send("a", b"fail")
    with pytest.raises(RuntimeError):
        made.apply(Deliver("b"))
    assert seen[0].failure == StepFailure("RuntimeError: no")
    assert seen[0].events == ()


def test_parties_that_answer_each_other_without_end_are_stopped() -> None:
    made, _ = world()
    made.user("a", "send", text=b"hi")
    with raises_check("run.never-settles"):
        made.settle(limit=50)


def test_parties_without_snapshots_can_not_go_back() -> None:
    with pytest.raises(TypeError, match="Echo has no snapshots"):
        world()[0].snapshot()


def test_an_encrypted_world_goes_back_to_the_same_moment() -> None:
    pair = Context(EngineTarget("independent"), 3, b"seed").pair()
    pair.establish(TARGET)
    moment = pair.checkpoint()

    def go_on() -> tuple[Mapping[str, object], list[Event]]:
        pair.restore(moment)
        pair.say(TARGET, b"the same")
        pair.say(PEER, b"again")
        return dict(pair.world.network.queues), [event for step in pair.log for event in step.events]

    assert go_on() == go_on()
