"""An insider's use of its client's D-H keys: the next key used early, and an old key in a new handshake."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness.runs.fuzz.case import Case, Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.describe import describe_move
from otterproof.harness.simulation.moves import Craft, Deliver, Move, Settle, User
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.targets.odd import ODD, OddTarget
from otterproof.harness.targets.party import state_of
from otterproof.harness.wire import Kind, parse
from otterproof.harness.wire.craft import NEXT_KEY
from otterproof.harness.wire.craft_handshake import FOR_COMMIT, OWN_KEY
from otterproof.implementations.contract import OutgoingMessage, RatchetSnapshot, SessionEstablished, TextReceived
from tests.insider_programs import REFERENCE, assert_only_the_insider_fails

SAID, SENT = User("alice", "send", {"text": b"from alice"}), User("bob", "send", {"text": b"from bob"})
TALK: Sequence[Move] = (SAID, Settle(), SENT, Settle())


def next_key(counter: int) -> list[Move]:
    """Texts of bob's, the last one under the key that was announced last."""
    early = Craft("alice", -1, NEXT_KEY, 0, counter.to_bytes(8))
    return [SAID, Deliver("bob"), SENT, Settle(), SENT, early, Settle()]


def known_key(which: int, number: int) -> list[Move]:
    """A handshake with a key of bob's that the session knows, under its id there or under 1."""
    begun: list[Move] = [User("alice", "start", {}), Deliver("bob"), Craft("alice", -1, OWN_KEY, which, 0)]
    return [*begun, Deliver("alice"), Deliver("bob"), Craft("alice", -1, FOR_COMMIT, number, 0), Settle()]


@pytest.mark.parametrize("start", ["2", "3"])
@pytest.mark.parametrize(("counter", "accepted"), [(0, False), (1, True)])
def test_a_next_key_is_accepted_under_a_right_counter(start: str, counter: int, accepted: bool) -> None:
    case = Case(start=start, target=REFERENCE)
    events = case.run(next_key(counter))
    texts = [one for one in events if isinstance(one, TextReceived) and one.text == b"from bob"]
    assert len(texts) == 1 + accepted
    case.run([*TALK, *TALK])
    case.finish()


@pytest.mark.parametrize("start", ["2", "3"])
@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("number", [0, 1])
def test_a_known_key_stays_in_use_under_its_own_id_alone(start: str, which: int, number: int) -> None:
    """The newer of the two known keys is used, whichever one the handshake has."""
    case = Case(start=start, policy=f"v{start}", target=REFERENCE)
    case.run([*TALK, *TALK])
    known = {one.our_keyid for one in _ratchets(case, "bob")}
    events = case.run([*known_key(which, number), SAID])
    assert any(isinstance(one, SessionEstablished) for one in events)
    sent = [parse(one.message) for one in events if isinstance(one, OutgoingMessage)]
    used = {one.number("recipient_keyid") for one in sent if one.kind is Kind.DATA}
    assert used == (known if number == 0 else {1})
    case.run([Settle(), *TALK])
    case.finish()


def test_no_client_has_a_key_before_its_first_session() -> None:
    case = Case(start="scratch", target=REFERENCE)
    case.run([User("alice", "start", {}), Deliver("bob"), Craft("alice", -1, OWN_KEY, 0, 0)])
    assert not case.world.network.crafted


def _ratchets(case: Case, name: str) -> Sequence[RatchetSnapshot]:
    state = state_of(case.world.parties[name])
    assert state is not None
    return [one.ratchet for one in state.sessions if one.ratchet is not None]


def test_both_are_told_in_words() -> None:
    assert describe_move(Craft("bob", 0, OWN_KEY, 1, 0)) == (
        "the insider replaces the first message waiting for bob with one that has its client's current D-H key as g^x"
    )
    assert describe_move(Craft("bob", 0, NEXT_KEY, 0, b"\0")).startswith(
        "the insider sends the first message waiting for bob under its next key, with the counter "
    )


@pytest.mark.parametrize(
    ("fault", "moves", "check"),
    [
        ("mac-key-of-one-pair-revealed", [*next_key(0), *TALK, *TALK], "mac-revelation.wrong-keys-collected"),
        ("refused-message-leaves-key-unmarked", [*next_key(0), *TALK, *TALK], "rejection.state-changed"),
        ("known-key-keeps-its-id", [*TALK, *TALK, *known_key(1, 1), SAID], "handshake.key-id-not-used"),
    ],
)
def test_a_fault_that_shows_with_such_keys_alone(fault: str, moves: Sequence[Move], check: str) -> None:
    assert_only_the_insider_fails(Program(Setup(target=FaultTarget(fault)), tuple(moves)), check)


@pytest.mark.parametrize("name", sorted(ODD))
def test_odd_targets_stand_such_keys(name: str) -> None:
    target = OddTarget(f"odd:{name}", ODD[name])
    for start in ("2", "3"):
        for moves in (next_key(0), next_key(1), *(known_key(which, number) for which in (0, 1) for number in (0, 1))):
            failure = attempt(Program(Setup(target=target, start=start), (*TALK, *moves, *TALK, *TALK)))
            assert failure is None, failure.detail
