"""Hostile targets, files and disks: none of them may hurt the user, lie to them or lose what was found.

A party of any engine in every state in which it can be fed hostile input, and a correspondent with the right keys, so
that input of his making gets behind the MAC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.insider import Insider
from harness.keys import test_key
from harness.wire import parse, reassemble
from implementations.contract import Engine, Entropy, Event, MessageState, Outgoing, PartyConfig, Policy
from implementations.entropy import SeededEntropy
from tests.hostile.growth import OWN_TAG, THEIR_TAG

MakeEngine = Callable[[PartyConfig, Entropy], Engine]

_BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3
_STARTS = _BOTH | Policy.WHITESPACE_START_AKE | Policy.ERROR_START_AKE


@dataclass(frozen=True)
class Scene:
    """A party, the state it is in, and the correspondent with whom it came there."""

    engine: Engine
    state: object
    insider: Insider

    def receive(self, message: bytes) -> Sequence[Event]:
        """What the party makes of a message, always in the same state."""
        self.engine.restore(self.state)
        return self.engine.receive(message)

    def receive_all(self, messages: Sequence[bytes]) -> int:
        """What the party makes of several messages, one after the other: how many events."""
        self.engine.restore(self.state)
        return sum(len(self.engine.receive(message)) for message in messages)


def _sent(events: Sequence[Event]) -> bytes:
    """The message that went out, whole or in fragments."""
    messages = [event.message for event in events if isinstance(event, Outgoing)]
    return messages[0] if len(messages) == 1 else reassemble(messages)


def _party(make: MakeEngine, *, policy: Policy = _STARTS, size: int | None = None) -> Engine:
    return make(PartyConfig(test_key("alice"), policy, OWN_TAG, size), SeededEntropy(b"growth"))


def _insider(version: int) -> Insider:
    return Insider(test_key("bob"), OWN_TAG, version=version, tag=THEIR_TAG, seed=b"growth")


def _scene(engine: Engine, insider: Insider) -> Scene:
    return Scene(engine, engine.snapshot(), insider)


def encrypted(make: MakeEngine, version: int = 3, *, size: int | None = None) -> Scene:
    """After a handshake that the insider began. size: the longest message that the party sends whole."""
    engine, insider = _party(make, size=size), _insider(version)
    dh_key = _sent(engine.receive(insider.commit()))
    insider.meet(parse(_sent(engine.receive(insider.reveal_signature(dh_key)))))
    if not any(session.message_state is MessageState.ENCRYPTED for session in engine.inspect().sessions):
        raise RuntimeError("the handshake with the insider has failed")
    return _scene(engine, insider)


def scenes(make: MakeEngine) -> Mapping[str, Scene]:
    """One party for each state in which messages are treated differently."""
    found = {"no version allowed": _scene(_party(make, policy=Policy.NONE), _insider(3))}
    found["plaintext"] = _scene(_party(make), _insider(3))
    for version, query in ((2, b"?OTRv2?"), (3, b"?OTRv3?")):
        waiting, insider = _party(make), _insider(version)
        waiting.receive(query)
        found[f"awaiting D-H Key, version {version}"] = _scene(waiting, insider)
        answered = _party(make)
        answered.receive(query)
        answered.receive(insider.dh_key())
        found[f"awaiting Signature, version {version}"] = _scene(answered, insider)
        committed = _party(make)
        committed.receive(insider.commit())
        found[f"awaiting Reveal Signature, version {version}"] = _scene(committed, insider)
        found[f"encrypted, version {version}"] = scene = encrypted(make, version)
        scene.engine.receive(scene.insider.data(b"\0\0\1\0\0"))
        found[f"finished, version {version}"] = _scene(scene.engine, scene.insider)
    return found
