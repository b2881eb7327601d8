"""The oracle that mends conversations at the end of a run (I3): what it objects to, and what it brings about."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.oracles import OracleFailure
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.moves import Drop, Inject, Move, User
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import Entropy, Event, Outgoing, PartyConfig, Unreadable
from otterproof.implementations.reference import ReferenceEngine


class Deaf(ReferenceEngine):
    """Does not hear from some time on; which messages, the subclasses say."""

    def __init__(self, config: PartyConfig, entropy: Entropy | None = None) -> None:
        super().__init__(config, entropy)
        self.concerned = config.instance_tag == 0x1A1A

    def deaf(self, kind: Kind) -> bool:
        raise NotImplementedError

    def receive(self, message: bytes) -> Sequence[Event]:
        return [] if self.concerned and self.deaf(wire.parse(message).kind) else super().receive(message)


class LosesData(Deaf):
    """Data messages vanish."""

    def deaf(self, kind: Kind) -> bool:
        return kind is Kind.DATA


class LosesSignatures(Deaf):
    """A handshake is never completed, and errors are kept from the user."""

    def deaf(self, kind: Kind) -> bool:
        return kind in (Kind.SIGNATURE, Kind.REVEAL_SIGNATURE)


class Talkative(ReferenceEngine):
    """Answers an error with an error."""

    def receive(self, message: bytes) -> Sequence[Event]:
        answer = [Outgoing(b"?OTR Error: pardon?")] if wire.parse(message).kind is Kind.ERROR else []
        return [*super().receive(message), *answer]


def heal(engine: type[ReferenceEngine], start: str, *moves: Move) -> None:
    case = Case(start=start, engine=engine, oracles=("I3",))
    case.run(moves)
    case.finish()


@pytest.mark.parametrize(
    ("engine", "start", "moves", "says"),
    [
        (LosesData, "3", (), "a fresh text from bob does not reach alice"),
        (LosesData, "scratch", (), "after a new handshake a text from bob does not reach alice"),
        (LosesSignatures, "scratch", (), "after a query of alice: alice is PLAINTEXT"),
        (Talkative, "3", (Inject("alice", b"?OTR Error: what?"),), "answer each other for ever"),
    ],
)
def test_healing_objects(engine: type[ReferenceEngine], start: str, moves: tuple[Move, ...], says: str) -> None:
    with pytest.raises(OracleFailure, match=says) as caught:
        heal(engine, start, *moves)
    assert caught.value.oracle == "I3"


def test_a_loss_in_silence_is_objected_to() -> None:
    """Bob has lost the session, says nothing of a message that he can't read, and Alice is not told."""

    class Silent(ReferenceEngine):
        def receive(self, message: bytes) -> Sequence[Event]:
            events = super().receive(message)
            return [] if any(isinstance(one, Unreadable) for one in events) else events

    case = Case(start="3", engine=Silent, oracles=("I3",))
    case.run([User("bob", "end"), Drop("alice")])
    with pytest.raises(OracleFailure, match="a fresh text from alice to bob is lost in silence"):
        case.finish()


def test_healing_brings_a_new_session() -> None:
    case = Case(start="3", engine=ReferenceEngine)
    old = case.oracles.reader.link("alice", 0x2B2B).ssid
    case.run([User("bob", "end"), Drop("alice")])
    case.finish()
    link = case.oracles.reader.link("alice", 0x2B2B)
    assert link.encrypted
    assert link.ssid != old
