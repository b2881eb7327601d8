"""A party of any engine in every state that can receive input, and a peer whose hostile input gets past the MAC."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scripted_handshake import ScriptedHandshake
from otterproof.harness.wire import parse, reassemble
from otterproof.implementations.contract import (
    Engine,
    Entropy,
    Event,
    MessageState,
    OutgoingMessage,
    PartyConfig,
    Policy,
)
from otterproof.implementations.entropy import SeededEntropy
from tests.hostile.growth import OWN_TAG, THEIR_TAG

MakeEngine = Callable[[PartyConfig, Entropy], Engine]

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3
_STARTS = BOTH | Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE


@dataclass(frozen=True)
class PreparedParty:
    """A party, its state, and the peer it reached that state with."""

    engine: Engine
    state: object
    insider: Insider

    @classmethod
    def of(cls, engine: Engine, insider: Insider) -> PreparedParty:
        """The party in its current state."""
        return cls(engine, engine.snapshot(), insider)

    def receive(self, message: bytes) -> Sequence[Event]:
        """The party's reaction to a message, always in the same state."""
        self.engine.restore(self.state)
        return self.engine.receive(message)

    def receive_all(self, messages: Sequence[bytes]) -> int:
        """Receives several messages in a row; returns the number of events."""
        self.engine.restore(self.state)
        return sum(len(self.engine.receive(message)) for message in messages)

    def ask(self, action: str, *args: object, **named: object) -> Sequence[Event]:
        """The party's reaction to a user request, always in the same state."""
        self.engine.restore(self.state)
        events: Sequence[Event] = getattr(self.engine, action)(*args, **named)
        return events


def sent(events: Sequence[Event]) -> bytes:
    """The message sent, whole or in fragments."""
    messages = [event.message for event in events if isinstance(event, OutgoingMessage)]
    return messages[0] if len(messages) == 1 else reassemble(messages)


def party(make: MakeEngine, *, policy: Policy = _STARTS, size: int | None = None) -> Engine:
    """A party before its first message. size: the longest message that it sends in one piece."""
    return make(PartyConfig(published_key("alice"), policy, OWN_TAG, size), SeededEntropy(b"growth"))


def insider(version: int) -> Insider:
    """A peer who makes the same messages each time."""
    return Insider(published_key("bob"), OWN_TAG, version=version, tag=THEIR_TAG, seed=b"growth")


def encrypted(make: MakeEngine, version: int = 3, *, size: int | None = None) -> PreparedParty:
    """After a handshake that the insider began. size: the longest message that the party sends in one piece."""
    engine, peer = party(make, size=size), insider(version)
    handshake = ScriptedHandshake(peer, lambda message, kind: sent(engine.receive(message)))
    peer.learn_peer_keyid(parse(sent(engine.receive(handshake.by_insider()))))
    if not any(session.message_state is MessageState.ENCRYPTED for session in engine.inspect().sessions):
        raise RuntimeError("the handshake with the insider has failed")
    return PreparedParty.of(engine, peer)


def prepared_parties(make: MakeEngine) -> Mapping[str, PreparedParty]:
    """One party for each state that treats messages differently."""
    found = {"no version allowed": PreparedParty.of(party(make, policy=Policy.NONE), insider(3))}
    found["plaintext"] = PreparedParty.of(party(make), insider(3))
    for version, query in ((2, b"?OTRv2?"), (3, b"?OTRv3?")):
        waiting, peer = party(make), insider(version)
        waiting.receive(query)
        found[f"awaiting D-H Key, version {version}"] = PreparedParty.of(waiting, peer)
        answered = party(make)
        answered.receive(query)
        answered.receive(peer.dh_key())
        found[f"awaiting Signature, version {version}"] = PreparedParty.of(answered, peer)
        committed = party(make)
        committed.receive(peer.commit())
        found[f"awaiting Reveal Signature, version {version}"] = PreparedParty.of(committed, peer)
        found[f"encrypted, version {version}"] = prepared = encrypted(make, version)
        prepared.engine.receive(prepared.insider.data(b"\0\0\1\0\0"))
        found[f"finished, version {version}"] = PreparedParty.of(prepared.engine, prepared.insider)
    return found
