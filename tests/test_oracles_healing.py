"""The oracle that restores conversations at the end of a run: what it objects to, and what it achieves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness import wire
from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.simulation.moves import Deliver, Drop, Inject, Move, User
from otterproof.harness.targets.odd import ODD, OddTarget
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import Entropy, Event, MessageUnreadable, OutgoingMessage, PartyConfig, Policy
from otterproof.implementations.reference import ReferenceEngine
from tests.raising import raises_check


class Deaf(ReferenceEngine):
    """Ignores messages from some time on; the subclasses say which."""

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


class LosesAllData(LosesData):
    """Data messages vanish for all parties of this engine."""

    def __init__(self, config: PartyConfig, entropy: Entropy | None = None) -> None:
        super().__init__(config, entropy)
        self.concerned = True


class LosesSignatures(Deaf):
    """A handshake is never completed, and errors are hidden from the user."""

    def deaf(self, kind: Kind) -> bool:
        return kind in (Kind.SIGNATURE, Kind.REVEAL_SIGNATURE)


class Talkative(ReferenceEngine):
    """Answers an error with an error."""

    def receive(self, message: bytes) -> Sequence[Event]:
        answer = [OutgoingMessage(b"?OTR Error: pardon?")] if wire.parse(message).kind is Kind.ERROR else []
        return [*super().receive(message), *answer]


def heal(engine: type[ReferenceEngine], start: str, *moves: Move) -> None:
    case = Case(start=start, engine=engine, oracles=("healing",))
    case.run(moves)
    case.finish()


@pytest.mark.parametrize(
    ("engine", "start", "moves", "check"),
    [
        (LosesData, "3", (), "healing.text-not-delivered"),
        (LosesData, "scratch", (), "healing.new-session-unusable"),
        (LosesSignatures, "scratch", (), "healing.no-common-session"),
        (Talkative, "3", (Inject("alice", b"?OTR Error: what?"),), "healing.never-settles"),
    ],
)
def test_healing_objects(engine: type[ReferenceEngine], start: str, moves: tuple[Move, ...], check: str) -> None:
    with raises_check(check):
        heal(engine, start, *moves)


def test_a_loss_in_silence_is_objected_to() -> None:
    """Bob has lost the session and does not report an unreadable message, so Alice is not told."""

    class Silent(ReferenceEngine):
        def receive(self, message: bytes) -> Sequence[Event]:
            events = super().receive(message)
            return [] if any(isinstance(one, MessageUnreadable) for one in events) else events

    case = Case(start="3", engine=Silent, oracles=("healing",))
    case.run([User("bob", "end"), Drop("alice")])
    with raises_check("healing.text-lost-silently"):
        case.finish()


def test_healing_brings_a_new_session() -> None:
    case = Case(start="3", engine=ReferenceEngine)
    old = case.oracles.reader.link("alice", 0x2B2B).ssid
    case.run([User("bob", "end"), Drop("alice")])
    case.finish()
    link = case.oracles.reader.link("alice", 0x2B2B)
    assert link.encrypted
    assert link.ssid != old


#: Moves after which the two sides are in sessions with different keys, or in one with another of several clients.
APART: dict[str, tuple[str, str, tuple[Move, ...]]] = {
    "one side is in a session that the other has not completed": (
        "pair",
        "alice",
        (User("bob", "start"), Deliver("alice"), Deliver("bob"), Deliver("alice"), Deliver("bob"), Drop("alice")),
    ),
    "a handshake with one of two clients": ("three", "bob2", (Inject("alice", b"?OTRv2?"),)),
    "a version for one of two clients": (
        "three",
        "alice",
        (User("bob2", "set_policy", {"policy": Policy.ALLOW_V2}), User("bob2", "start")),
    ),
}


@pytest.mark.parametrize("case", APART)
def test_a_session_that_is_not_told_is_not_taken_for_the_other_sides(case: str) -> None:
    """The ssid may not be reported: two sides in different sessions are not judged as if they were in one."""
    network, role, moves = APART[case]
    silent = OddTarget("odd:silent", ODD["silent"])
    played = Case(network, "3", target=silent, role=role, oracles=("healing",))
    played.run(moves)
    played.finish()


@pytest.mark.parametrize(("role", "size"), [("alice", None), ("alice", 200), ("bob", None)])
def test_a_session_that_is_not_told_is_known_by_its_handshake(role: str, size: int | None) -> None:
    silent = OddTarget("odd:silent", ODD["silent"], make=LosesAllData)
    case = Case(start="3", target=silent, role=role, size=size, oracles=("healing",))
    case.begin()
    assert case.oracles.reader.link(role, 0x2B2B if role == "alice" else 0x1A1A).ssid is None
    with raises_check("healing.text-not-delivered"):
        case.finish()
