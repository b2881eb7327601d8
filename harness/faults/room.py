"""Drills: short fixed courses of events, made to reach one part of an engine each, and the room that they happen in.

A drill faces a `Recorder` and checks nothing itself: what the genuine engine did is what an engine must do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.faults.record import Recorder, Recording
from harness.insider import Insider
from harness.keys import test_key
from implementations.contract import Engine, Entropy, Event, Outgoing, PartyConfig, Policy
from implementations.entropy import SeededEntropy, Tape, TapeEntropy
from implementations.reference import ReferenceEngine

ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3

#: The tags of the target and of the clients that face it.
TARGET_TAG, PEER_TAG = 0x1A1A, 0x2B2B


def outgoing(events: Sequence[Event]) -> list[bytes]:
    """The messages among some events."""
    return [event.message for event in events if isinstance(event, Outgoing)]


class Room:
    """Where a drill happens, in one protocol version."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.recordings: list[Recording] = []

    def target(
        self,
        policy: Policy | None = None,
        *,
        tag: int | None = TARGET_TAG,
        size: int | None = None,
        tape: Tape | None = None,
    ) -> Recorder:
        """A target. tape: values for some of its draws."""
        config = PartyConfig(test_key("alice"), ALLOW[self.version] if policy is None else policy, tag, size)
        entropy: Entropy = SeededEntropy(b"drill").child("target")
        recorder = Recorder(config, TapeEntropy(tape, entropy) if tape else entropy)
        self.recordings.append(recorder.recording)
        return recorder

    def duel(self, policy: Policy | None = None, *, size: int | None = None, tape: Tape | None = None) -> Duel:
        """A target and honest peers."""
        return Duel(self, self.target(policy, size=size, tape=tape))

    def insider(self, policy: Policy | None = None) -> tuple[Recorder, Insider]:
        """A target and somebody who lies to it."""
        return self.target(policy), self.liar()

    def liar(self, key: str = "mallory", seed: bytes = b"insider") -> Insider:
        return Insider(test_key(key), TARGET_TAG, version=self.version, tag=PEER_TAG, seed=seed)


class Duel:
    """A target and honest clients of its correspondent, with one queue of messages for each."""

    def __init__(self, room: Room, target: Recorder) -> None:
        self.room = room
        self.target = target
        self.parties: dict[str, Engine | Recorder] = {"target": target}
        self.queues: dict[str, list[bytes]] = {"target": []}
        self.join("peer", PEER_TAG)

    def join(self, name: str, tag: int, *, key: str = "bob", size: int | None = None, tape: Tape | None = None) -> None:
        """One more client of the correspondent: it receives all that the target sends."""
        config = PartyConfig(test_key(key), BOTH, tag, size)
        entropy: Entropy = SeededEntropy(b"drill").child(name)
        self.parties[name] = ReferenceEngine(config, TapeEntropy(tape, entropy) if tape else entropy)
        self.queues[name] = []

    def act(self, party: str, action: str, **args: object) -> list[bytes]:
        """A user acts; what that sends is on its way, and returned."""
        return self._sent(party, getattr(self.parties[party], action)(**args) or ())

    def give(self, party: str, message: bytes) -> list[bytes]:
        """Somebody receives a message; what that sends is on its way, and returned."""
        return self._sent(party, self.parties[party].receive(message))

    def _sent(self, party: str, events: Sequence[Event]) -> list[bytes]:
        messages = outgoing(events)
        for name, queue in self.queues.items():
            if name != party and "target" in (name, party):
                queue.extend(messages)
        return messages

    def take(self, party: str) -> bytes:
        """The next message for somebody, out of the queue."""
        return self.queues[party].pop(0)

    def pass_on(self, party: str) -> list[bytes]:
        """Somebody receives the next message that waits for him."""
        return self.give(party, self.take(party))

    def settle(self, limit: int = 200) -> None:
        """Deliver everything, in order."""
        while limit and (name := next((name for name, queue in self.queues.items() if queue), None)):
            self.pass_on(name)
            limit -= 1

    def run(self, party: str, action: str, **args: object) -> None:
        """A user acts, and everything that follows is delivered."""
        self.act(party, action, **args)
        self.settle()

    def start(self, asks: str = "peer") -> None:
        """A whole handshake, asked for by the target or by the peer."""
        self.give("peer" if asks == "target" else "target", b"?OTRv%d?" % self.room.version)
        self.settle()

    def talk(self, rounds: int = 3) -> None:
        """Texts that change keys."""
        for number in range(rounds):
            self.run("target", "send", text=b"from the target %d" % number)
            self.run("peer", "send", text=b"from the peer %d" % number)

    def time(self, now: int) -> None:
        for party in self.parties.values():
            party.set_time(now)

    def clear(self) -> None:
        """All messages on their way are lost."""
        for queue in self.queues.values():
            queue.clear()


Run = Callable[[Room], None]


@dataclass(frozen=True, slots=True)
class Drill:
    """A drill by its name, and the versions that it is made for."""

    name: str
    versions: tuple[int, ...]
    run: Run


_DRILLS: dict[str, Drill] = {}


def drill(*versions: int) -> Callable[[Run], Run]:
    """Make a function a drill of those versions; of both if none are given."""

    def register(run: Run) -> Run:
        name = run.__name__
        if name in _DRILLS:
            raise ValueError(f"two drills are called {name}; rename one")
        _DRILLS[name] = Drill(name, versions or (2, 3), run)
        return run

    return register


def drills() -> Mapping[str, Drill]:
    return _DRILLS
