"""The driver of libotr: two libotr parties in one process do everything that libotr supports, in both versions.

Skipped, with the command that installs it, if libotr is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from otterproof.harness.targets.driver import THIRD_PARTIES, DriverParty, DriverTarget, TargetMissing, TargetUnsupported
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME
from otterproof.implementations.contract import (
    UNREADABLE_ERROR,
    ActionRefused,
    ErrorMessageReceived,
    Event,
    ExtraKeyDerived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    PeerEndedSession,
    Policy,
    RefuseReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    SmpFinished,
    SmpRequested,
    TextReceived,
    UserEndedSession,
)
from tests.driver_pair import ALLOW, TAGS, Conversation, Traffic, config

BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3


@pytest.fixture(scope="module")
def started() -> Iterator[DriverTarget]:
    try:
        target = DriverTarget("libotr", THIRD_PARTIES["libotr"].ready(), trace=Traffic())
    except TargetMissing as missing:
        pytest.skip(str(missing))
    yield target
    target.close()


@pytest.fixture
def target(started: DriverTarget) -> DriverTarget:
    started.reset()
    return started


@pytest.fixture(params=[2, 3], ids=["v2", "v3"])
def version(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def talking(target: DriverTarget, version: int, *, starts: str = "alice", size: int | None = None) -> Conversation:
    """An encrypted session started by one of the two; earlier events are discarded."""
    talk = Conversation(
        target,
        config("alice", version, max_message_size=size),
        config("bob", version, max_message_size=size),
    )
    talk.do(starts, lambda party: party.start())
    assert [type(one) for one in talk.events["alice"] + talk.events["bob"]] == [SessionEstablished, SessionEstablished]
    talk.events = {"alice": [], "bob": []}
    return talk


def tag(name: str, version: int) -> int:
    """How the other party identifies the session with `name`."""
    return TAGS[name] if version == 3 else 0


@pytest.mark.slow
def test_hello(target: DriverTarget) -> None:
    assert target.version.startswith("4.1.")
    assert (target.otr_versions, target.randomness) == ((2, 3), "seed")


# ---- handshake -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("starts", ["alice", "bob"])
def test_handshake(target: DriverTarget, version: int, starts: str) -> None:
    talk = Conversation(target, config("alice", version), config("bob", version))
    talk.do(starts, lambda party: party.start())
    (at_alice,), (at_bob,) = talk.of("alice", SessionEstablished), talk.of("bob", SessionEstablished)
    assert (at_alice.instance, at_bob.instance) == (tag("bob", version), tag("alice", version))
    assert at_alice.version == at_bob.version == version
    assert at_alice.ssid == at_bob.ssid
    assert at_alice.ssid is not None
    assert len(at_alice.ssid) == 8
    assert at_alice.fingerprint == talk.parties["bob"].fingerprint
    assert at_bob.fingerprint == talk.parties["alice"].fingerprint
    # The queried side commits first, and reveals the signature.
    assert at_alice.sent_reveal_signature == (starts == "bob")
    assert at_bob.sent_reveal_signature == (starts == "alice")
    assert not at_alice.refreshed
    assert not at_bob.refreshed


def test_the_best_version_is_taken(target: DriverTarget) -> None:
    talk = Conversation(target, config("alice", policy=BOTH), config("bob", policy=BOTH))
    talk.do("alice", lambda party: party.start())
    assert [one.version for one in talk.of("alice", SessionEstablished)] == [3]


def test_second_handshake_while_encrypted(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    talk.do("alice", lambda party: party.start())
    (at_alice,), (at_bob,) = talk.of("alice", SessionEstablished), talk.of("bob", SessionEstablished)
    assert at_alice.ssid == at_bob.ssid
    # In version 3, the side that answers a query puts its session back into PLAINTEXT when the D-H Key arrives.
    assert (at_alice.refreshed, at_alice.same_key) == (True, True)
    assert (at_bob.refreshed, at_bob.same_key) == ((True, True) if version == 2 else (False, False))
    talk.do("bob", lambda party: party.send(b"still here"))
    assert [one.text for one in talk.of("alice", TextReceived)] == [b"still here"]


def test_a_new_key_in_a_second_handshake_is_told(target: DriverTarget) -> None:
    talk = talking(target, 2)
    mallory = target.party("mallory", replace(config("bob", 2), key=published_key("mallory")), b"seed")
    talk.parties["bob"] = mallory
    talk.do("bob", lambda party: party.start())
    (at_alice,) = talk.of("alice", SessionEstablished)
    assert at_alice.fingerprint == mallory.fingerprint
    assert (at_alice.refreshed, at_alice.same_key) == (True, False)


def test_disconnect_and_handshake_again(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    talk.do("alice", lambda party: party.end())
    assert talk.of("alice", UserEndedSession) == [UserEndedSession(tag("bob", version))]
    assert talk.of("bob", PeerEndedSession) == [PeerEndedSession(tag("alice", version))]
    assert talk.parties["alice"].end() == []
    assert talk.parties["bob"].send(b"too late") == [ActionRefused("send", RefuseReason.WRONG_STATE)]
    assert talk.parties["bob"].end() == [UserEndedSession(tag("alice", version))]
    talk.do("bob", lambda party: party.start())
    (again,) = talk.of("bob", SessionEstablished)
    assert not again.refreshed
    talk.do("bob", lambda party: party.send(b"once more"))
    assert [one.text for one in talk.of("alice", TextReceived)] == [b"once more"]


def test_a_drawn_instance_tag_is_told(target: DriverTarget) -> None:
    party = target.party("alice", config("alice", instance_tag=None), b"seed")
    assert party.instance_tag >= 0x100
    assert party.receive(b"?OTRv3?") != []


# ---- data messages ---------------------------------------------------------------------------------------------------


def test_texts(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    texts = [b"x", bytes(range(1, 256)), b"\xff" * 10_000, b"?OTR?"[:4], "\u00e9\u20ac".encode()]
    for text in texts:
        for sender, receiver in (("alice", "bob"), ("bob", "alice")):
            talk.do(sender, lambda party, text=text: party.send(text))  # type: ignore[misc]
            assert talk.events[receiver] == [TextReceived(text, True, False, tag(sender, version))]
            talk.events[receiver].clear()


def test_padding(target: DriverTarget) -> None:
    talk = talking(target, 3)
    talk.do("alice", lambda party: party.send(b"short", padding=1000))
    assert len(talk.sent["alice"][-1]) > 1000
    assert [one.text for one in talk.of("bob", TextReceived)] == [b"short"]


@pytest.mark.parametrize("size", [100, 255, 1400])
def test_fragments(target: DriverTarget, version: int, size: int) -> None:
    talk = talking(target, version, size=size)
    before = len(talk.sent["alice"])
    talk.do("alice", lambda party: party.send(b"m" * 3000))
    assert [one.text for one in talk.of("bob", TextReceived)] == [b"m" * 3000]
    pieces = talk.sent["alice"][before:]
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= size
    prefix = b"?OTR|" if version == 3 else b"?OTR,"
    assert all(piece.startswith(prefix) for piece in pieces)


def test_extra_key(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    talk.do("alice", lambda party: party.extra_key(0xFFFFFFFF, b"\0data"))
    (mine,), (theirs,) = talk.of("alice", ExtraKeyDerived), talk.of("bob", ExtraKeyDerived)
    assert (mine.received, theirs.received) == (False, True)
    assert mine.key == theirs.key
    assert len(mine.key) == 32
    assert (theirs.use, theirs.data) == (0xFFFFFFFF, b"\0data")


def test_a_changed_message_is_unreadable(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    (sent,) = talk.parties["alice"].send(b"change me")
    assert isinstance(sent, OutgoingMessage)
    spoilt = sent.message[:-4] + b"AAA."
    told = talk.parties["bob"].receive(spoilt)
    assert [type(one) for one in told] == [MessageUnreadable, OutgoingMessage]
    assert told[1] == OutgoingMessage(UNREADABLE_ERROR)
    assert talk.parties["alice"].receive(UNREADABLE_ERROR) == [
        ErrorMessageReceived(b"An encrypted message could not be read.")
    ]
    assert talk.parties["bob"].receive(sent.message)[0] == TextReceived(
        b"change me", True, False, tag("alice", version)
    )


def test_plain_text_while_encrypted_comes_with_a_warning(target: DriverTarget) -> None:
    talk = talking(target, 3)
    assert talk.parties["bob"].receive(b"psst") == [TextReceived(b"psst", False, True, 0)]


def test_heartbeat(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    for now, beats in ((60, 0), (61, 1)):
        for party in talk.parties.values():
            party.set_time(now)
        before = len(talk.sent["bob"])
        talk.do("alice", lambda party: party.send(b"are you there?"))
        assert len(talk.sent["bob"]) - before == beats
    with pytest.raises(TargetUnsupported, match="60 seconds"):
        target.party("carol", config("alice", heartbeat_interval=61), b"seed")


# ---- policies --------------------------------------------------------------------------------------------------------


def test_without_a_policy_there_is_no_otr(target: DriverTarget) -> None:
    party = target.party("alice", config("alice", policy=Policy.NONE), b"seed")
    assert party.send(b"hi") == [OutgoingMessage(b"hi")]
    assert party.send(b"") == [OutgoingMessage(b"")]
    assert party.receive(b"?OTRv23?") == [TextReceived(b"?OTRv23?", False, False, 0)]
    assert party.start() == [ActionRefused("start", RefuseReason.NOT_IN_VERSION)]


def test_a_text_is_stored_until_the_session_exists(target: DriverTarget) -> None:
    talk = Conversation(target, config("alice", policy=BOTH | Policy.REQUIRE_ENCRYPTION), config("bob", policy=BOTH))
    talk.do("alice", lambda party: party.send(b"for later"))
    assert [one.text for one in talk.of("bob", TextReceived)] == [b"for later"]
    assert not any(b"for later" in message for message in talk.sent["alice"])


def test_whitespace_tag(target: DriverTarget, version: int) -> None:
    policy = ALLOW[version] | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE
    talk = Conversation(target, config("alice", policy=policy), config("bob", policy=policy))
    talk.do("alice", lambda party: party.send(b"hello"))
    assert talk.events["bob"][0] == TextReceived(b"hello", False, False, 0)
    assert [one.version for one in talk.of("bob", SessionEstablished)] == [version]


def test_policies_change(target: DriverTarget) -> None:
    party = target.party("alice", config("alice", 2), b"seed")
    assert party.receive(b"?OTRv3?") == []
    party.set_policy(BOTH)
    assert [type(one) for one in party.receive(b"?OTRv3?")] == [OutgoingMessage]


def test_error_start_ake(target: DriverTarget) -> None:
    party = target.party("alice", config("alice", policy=BOTH | Policy.ERROR_START_AKE), b"seed")
    query, error = party.receive(b"?OTR Error: help")
    assert isinstance(query, OutgoingMessage)
    assert query.message.startswith(b"?OTRv23?")
    assert error == ErrorMessageReceived(b"help")


# ---- SMP -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [None, b"what colour?"])
@pytest.mark.parametrize("answer", [b"blue\0\xff", b"red"])
def test_smp(target: DriverTarget, version: int, question: bytes | None, answer: bytes) -> None:
    talk = talking(target, version)
    talk.do("bob", lambda party: party.smp_start(b"blue\0\xff", question=question))
    assert talk.of("alice", SmpRequested) == [SmpRequested(tag("bob", version), question)]
    talk.do("alice", lambda party: party.smp_answer(answer))
    for name in ("alice", "bob"):
        assert [one.equal for one in talk.of(name, SmpFinished)] == [answer != b"red"]


def test_smp_abort(target: DriverTarget) -> None:
    talk = talking(target, 3)
    talk.do("alice", lambda party: party.smp_start(b"secret"))
    talk.do("alice", lambda party: party.smp_abort())
    assert talk.of("bob", SmpAborted) == [SmpAborted(TAGS["alice"], SmpAbortReason.PEER_ABORTED)]
    assert talk.parties["bob"].smp_answer(b"secret") == [ActionRefused("smp_answer", RefuseReason.WRONG_STATE)]


def test_smp_started_again_while_under_way(target: DriverTarget) -> None:
    talk = talking(target, 3)
    talk.do("alice", lambda party: party.smp_start(b"old"))
    talk.do("alice", lambda party: party.smp_start(b"new"))
    assert [type(one) for one in talk.events["bob"]] == [SmpRequested, SmpAborted, SmpRequested]
    talk.do("bob", lambda party: party.smp_answer(b"new"))
    assert [one.equal for one in talk.of("alice", SmpFinished)] == [True]


# ---- what must be refused --------------------------------------------------------------------------------------------


def _smp_answer_after_the_end(talk: Conversation) -> list[Event]:
    talk.do("bob", lambda party: party.smp_start(b"secret"))
    talk.do("alice", lambda party: party.end())
    talk.do("alice", lambda party: party.start())
    return list(talk.parties["alice"].smp_answer(b"secret"))


REFUSALS: list[tuple[str, RefuseReason, Callable[[Conversation], object]]] = [
    ("smp_answer", RefuseReason.WRONG_STATE, lambda talk: talk.parties["alice"].smp_answer(b"unasked")),
    ("smp_answer", RefuseReason.WRONG_STATE, _smp_answer_after_the_end),
    ("smp_start", RefuseReason.WRONG_STATE, lambda talk: talk.parties["alice"].smp_start(b"s", instance=0x9999)),
    ("smp_start", RefuseReason.HAS_NUL, lambda talk: talk.parties["alice"].smp_start(b"s", question=b"a\0b")),
    ("send", RefuseReason.HAS_NUL, lambda talk: talk.parties["alice"].send(b"a\0b")),
    ("send", RefuseReason.WRONG_STATE, lambda talk: talk.parties["alice"].send(b"hi", instance=0x9999)),
    ("send", RefuseReason.WRONG_STATE, lambda talk: talk.parties["alice"].send(b"hi", instance=1)),
    ("send", RefuseReason.TOO_LONG, lambda talk: talk.parties["alice"].send(b"hi", padding=65536)),
    ("send", RefuseReason.TOO_LONG, lambda talk: talk.parties["alice"].send(b"hi", padding=-1)),
    ("extra_key", RefuseReason.TOO_LONG, lambda talk: talk.parties["alice"].extra_key(1 << 32)),
    ("extra_key", RefuseReason.TOO_LONG, lambda talk: talk.parties["alice"].extra_key(0, b"x" * 65532)),
]


@pytest.mark.parametrize(("action", "reason", "act"), REFUSALS)
def test_refused(
    target: DriverTarget, action: str, reason: RefuseReason, act: Callable[[Conversation], object]
) -> None:
    assert act(talking(target, 3)) == [ActionRefused(action, reason)]


def test_nothing_but_texts_before_a_session(target: DriverTarget) -> None:
    party = target.party("alice", config("alice"), b"seed")
    tried = [party.smp_start(b"s"), party.smp_answer(b"s"), party.smp_abort(), party.extra_key(1)]
    actions = ("smp_start", "smp_answer", "smp_abort", "extra_key")
    assert tried == [[ActionRefused(action, RefuseReason.WRONG_STATE)] for action in actions]
    assert party.end() == []
    assert party.send(b"hi") == [OutgoingMessage(b"hi")]


def test_rubbish_is_survived(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    bob = talk.parties["bob"]
    rubbish = [b"", b"?OTR", b"?OTR:.", b"?OTR:AAM", b"?OTR:AAMD.", b"?OTR|1|2,3,4,5,", b"?OTR,1,2,", b"\0\xff" * 99]
    kinds = (TextReceived, MessageRejected, MessageUnreadable, OutgoingMessage, ErrorMessageReceived)
    for message in rubbish:
        assert all(isinstance(one, kinds) for one in bob.receive(message))
    talk.do("alice", lambda party: party.send(b"alive?"))
    assert TextReceived(b"alive?", True, False, tag("alice", version)) in talk.events["bob"]


# ---- repeatable, and open to view ------------------------------------------------------------------------------------


def _whole(target: DriverTarget, seed: bytes) -> object:
    talk = Conversation(target, config("alice", instance_tag=None), config("bob"), seed)
    talk.do("alice", lambda party: party.start())
    talk.do("bob", lambda party: party.send(b"hello"))
    talk.do("alice", lambda party: party.smp_start(b"s"))
    talk.do("bob", lambda party: party.smp_answer(b"s"))
    talk.do("bob", lambda party: party.end())
    return talk.sent, talk.events, talk.parties["alice"].instance_tag


def test_the_same_seed_makes_the_same_bytes(target: DriverTarget) -> None:
    first = _whole(target, b"one")
    target.reset()
    target.party("carol", config("alice"), b"three").receive(b"?OTRv3?")  # draws from a stream of its own
    assert _whole(target, b"one") == first
    target.reset()
    assert _whole(target, b"two") != first
    other = DriverTarget("libotr", THIRD_PARTIES["libotr"].ready())
    try:
        assert _whole(other, b"one") == first
    finally:
        other.close()


def _exponents(party: DriverParty) -> dict[int, bytes]:
    """The public values of all secrets that could be D-H exponents."""
    return {pow(2, int.from_bytes(value), DH_PRIME): value for value in party.dump().secrets.values() if value}


def test_a_dump_shows_the_ratchet(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    for text in (b"one", b"two", b"three"):
        talk.do("alice", lambda party, text=text: party.send(text))  # type: ignore[misc]
        talk.do("bob", lambda party, text=text: party.send(text))  # type: ignore[misc]
    ratchets = {}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        dump = talk.parties[name].dump()
        assert dump.snapshot() is None  # not everything is disclosed
        (session,) = (one for one in dump.shown["sessions"] if one["message_state"] == "encrypted")
        assert session["instance"] == tag(other, version)
        assert session["fingerprint"] == talk.parties[other].fingerprint.hex()
        assert session["auth_state"] == "none"
        ratchets[name] = session["ratchet"]
        assert {int(value, 16) for value in session["ratchet"]["our_keys"].values()} <= _exponents(
            talk.parties[name]
        ).keys()
    assert ratchets["alice"]["our_keyid"] >= 3
    shared = ratchets["alice"]["our_keys"].keys() & ratchets["bob"]["their_keys"].keys()
    assert shared
    for keyid in shared:
        assert ratchets["alice"]["our_keys"][keyid] == ratchets["bob"]["their_keys"][keyid]
    assert set(ratchets["bob"]["received"]) == set(ratchets["bob"]["verified"])


@pytest.mark.slow
def test_a_dump_shows_what_is_remembered(target: DriverTarget, version: int) -> None:
    talk = talking(target, version)
    first = set(talk.parties["alice"].dump().secrets.values())
    for _ in range(3):
        talk.do("alice", lambda party: party.send(b"on"))
        talk.do("bob", lambda party: party.send(b"and on"))
    kept = {name for name, value in talk.parties["alice"].dump().secrets.items() if value in first}
    # libotr keeps the handshake's exponent, and with it the session's first keys, until the session ends.
    assert {name.partition(".")[2] for name in kept} == {"auth.our_dh", "auth.r"}
    talk.do("alice", lambda party: party.end())
    assert not first & set(talk.parties["alice"].dump().secrets.values())
