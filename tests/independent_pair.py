"""Two independent engines for the tests of that engine, and helpers for those tests."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence

from otterproof.harness.simulation.exchange import exchange, other_events, outgoing
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import (
    DsaPrivateKey,
    Engine,
    Event,
    MessageState,
    OutgoingMessage,
    PartyConfig,
    Policy,
    SessionSnapshot,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.independent import IndependentEngine

KEY_A, KEY_B = published_key("alice"), published_key("bob")
TAG_A, TAG_B = 0x1A2B, 0xB0B0
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3
ONLY = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}
QUERY = {2: b"?OTRv2?", 3: b"?OTRv3?"}
TAG_BASE = b"\x20\x09\x20\x20\x09\x09\x09\x09\x20\x09\x20\x09\x20\x09\x20\x20"
TAG_V1, TAG_V2, TAG_V3 = b" \t \t  \t ", b"  \t\t  \t ", b"  \t\t  \t\t"


def make(
    name: str = "a",
    *,
    key: DsaPrivateKey = KEY_A,
    tag: int | None = TAG_A,
    policy: Policy = BOTH,
    size: int | None = None,
    heartbeat: int | None = None,
) -> IndependentEngine:
    config = PartyConfig(key, policy, tag, size, heartbeat)
    return IndependentEngine(config, SeededEntropy(name.encode()))


def alice(**kwargs: object) -> IndependentEngine:
    return make("a", **kwargs)  # type: ignore[arg-type]


def bob(**kwargs: object) -> IndependentEngine:
    return make("b", **{"key": KEY_B, "tag": TAG_B, **kwargs})  # type: ignore[arg-type]


def sole(events: Sequence[Event]) -> bytes:
    """The message of the only event, which must be an OutgoingMessage."""
    (event,) = events
    assert isinstance(event, OutgoingMessage)
    return event.message


def shuttle(a: Engine, b: Engine, events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    """Carry `a`'s messages to `b` and the answers back until there are none left; returns each side's other events."""
    found = exchange({"a": a, "b": b}, "a", events)
    return other_events(found["a"][len(events) :]), other_events(found["b"])


def established(version: int = 3, **kwargs: object) -> tuple[IndependentEngine, IndependentEngine]:
    """Two engines after a handshake that `a` began."""
    a, b = alice(**kwargs), bob(**kwargs)
    shuttle(a, b, a.receive(QUERY[version]))
    assert state_of(a).message_state is state_of(b).message_state is MessageState.ENCRYPTED
    return a, b


def state_of(engine: Engine, instance: int | None = None) -> SessionSnapshot:
    view = engine.inspect()
    wanted = view.focus if instance is None else instance
    return next(session for session in view.sessions if session.instance == wanted)


def say(a: Engine, b: Engine, text: bytes) -> list[Event]:
    """`a` sends, `b` receives everything; b's events."""
    return [event for message in outgoing(a.send(text)) for event in b.receive(message)]


def raw(message: bytes) -> bytes:
    return base64.b64decode(message[5:-1])


def wrap(body: bytes) -> bytes:
    return b"?OTR:" + base64.b64encode(body) + b"."


def header_size(version: int) -> int:
    return 3 if version == 2 else 11


def frag(k: object, n: object, piece: bytes, sender: int = 0x500, receiver: int = TAG_A) -> bytes:
    """A fragment in the version 3 form; k and n are inserted as given."""
    return b"?OTR|%x|%x,%s,%s,%s," % (sender, receiver, str(k).encode(), str(n).encode(), piece)


def cpu_seconds(action: Callable[[], object]) -> float:
    """The processor time of an action: unlike clock time, it does not depend on other processes."""
    began = time.process_time()
    action()
    return time.process_time() - began
