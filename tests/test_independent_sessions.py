"""The independent engine by itself: several instances, the end of a session, stored texts, snapshots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from otterproof.harness.simulation.exchange import outgoing
from otterproof.implementations.contract import (
    MAX_INSTANCES,
    ActionRefused,
    AuthState,
    DsaPrivateKey,
    Event,
    MessageRejected,
    MessageState,
    OtrError,
    OutgoingMessage,
    PartyConfig,
    PeerEndedSession,
    Policy,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    StoredTextDropped,
    TextReceived,
    UserEndedSession,
)
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.independent.primitives import G, P, power
from tests.independent_pair import (
    BOTH,
    KEY_A,
    KEY_B,
    ONLY,
    QUERY,
    TAG_A,
    TAG_B,
    alice,
    bob,
    cpu_seconds,
    established,
    frag,
    header_size,
    make,
    raw,
    say,
    shuttle,
    sole,
    state_of,
)

# ---- instances


def commit_from(tag: int, seed: str = "x") -> bytes:
    return sole(make(f"{seed}{tag}", key=KEY_B, tag=tag).receive(QUERY[3]))


def test_announced_commit_serves_several_instances() -> None:
    a = alice()
    first, second = bob(), make("b2", key=KEY_B, tag=TAG_B + 1)
    commit = a.receive(QUERY[3])
    for other in (first, second):
        shuttle(a, other, commit)
    assert [s.message_state for s in a.inspect().sessions[1:]] == [MessageState.ENCRYPTED] * 2
    assert a.inspect().focus == TAG_B + 1
    assert a.inspect().announced
    assert say(a, second, b"to the focus") == [TextReceived(b"to the focus", True, False, TAG_A)]
    message = sole(a.send(b"to the other", instance=TAG_B))
    assert first.receive(message) == [TextReceived(b"to the other", True, False, TAG_A)]
    assert second.receive(message) == [MessageRejected(RejectReason.OTHER_INSTANCE)]


def test_announcement_ends_when_its_exponent_is_forgotten() -> None:
    a, b = alice(), bob()
    commit = a.receive(QUERY[3])
    # Another session is created, and still waits with that commit when the first one discards the key.
    x = a.secrets()["announced.x"]
    shuttle(a, b, commit)
    assert a.inspect().announced
    say(a, b, b"1")
    say(b, a, b"2")
    assert not a.inspect().announced
    assert x not in a.secrets().values()


def test_version_2_handshake_abandons_version_3() -> None:
    a, b = alice(), bob()
    b_key = b.receive(sole(a.receive(QUERY[3])))
    a.receive(sole(b_key))
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_SIG
    a.receive(QUERY[2])
    assert state_of(a, TAG_B).auth_state is AuthState.NONE
    assert state_of(a, 0).auth_state is AuthState.AWAITING_DHKEY
    assert not a.inspect().announced
    a.receive(QUERY[3])
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_DHKEY
    assert state_of(a, 0).auth_state is AuthState.NONE


def test_oldest_plaintext_session_makes_room() -> None:
    b, a = established()
    for tag in range(0x200, 0x200 + MAX_INSTANCES - 1):
        a.receive(commit_from(tag))
    assert len(a.inspect().sessions) == MAX_INSTANCES + 1
    a.receive(commit_from(0x900))
    tags = [session.instance for session in a.inspect().sessions]
    assert TAG_A in tags
    assert 0x200 not in tags
    assert 0x900 in tags
    assert len(tags) == MAX_INSTANCES + 1
    assert say(b, a, b"still here") == [TextReceived(b"still here", True, False, TAG_A)]


def test_too_many_instances() -> None:
    a = alice()
    commit = sole(a.receive(QUERY[3]))
    for tag in range(0x200, 0x200 + MAX_INSTANCES):
        other = make(f"m{tag}", key=KEY_B, tag=tag)
        shuttle(a, other, [OutgoingMessage(commit)])
    late = make("late", key=KEY_B, tag=0x999)
    before = a.inspect()
    assert a.receive(sole(late.receive(commit))) == [MessageRejected(RejectReason.TOO_MANY_INSTANCES)]
    assert a.inspect() == before
    a.end()
    assert not a.inspect().announced
    assert raw(sole(a.receive(commit_from(0x999))))[2] == 0x0A


def test_unknown_instance_is_fresh_but_cannot_be_named() -> None:
    a = alice()
    assert a.send(b"x", instance=0x777) == [ActionRefused("send", RefuseReason.WRONG_STATE)]
    assert a.end(instance=0x777) == []
    assert a.smp_start(b"x", instance=0x777) == [ActionRefused("smp_start", RefuseReason.WRONG_STATE)]
    assert sole(a.send(b"x", instance=0)) == b"x"


# ---- ending


@pytest.mark.parametrize("version", [2, 3])
def test_end_and_again(version: int) -> None:
    a, b = established(version)
    at_a, at_b = (TAG_B, TAG_A) if version == 3 else (0, 0)
    say(b, a, b"x")
    goodbye, ended = a.end()
    assert ended == UserEndedSession(at_a)
    assert isinstance(goodbye, OutgoingMessage)
    assert raw(goodbye.message)[header_size(version)] == 1
    assert raw(goodbye.message)[-24:-20] == (20).to_bytes(4, "big")
    assert b.receive(goodbye.message) == [PeerEndedSession(at_b)]
    assert state_of(b).message_state is MessageState.FINISHED
    assert state_of(b).fingerprint == a.fingerprint
    assert state_of(a).fingerprint == b""
    assert state_of(a).version == version
    assert b.send(b"too late") == [ActionRefused("send", RefuseReason.WRONG_STATE)]
    assert b.inspect().stored == (b"too late",)
    assert b.receive(b"plain") == [TextReceived(b"plain", False, True, 0)]
    assert b.end() == [UserEndedSession(at_b)]
    assert b.end() == []
    from_a, from_b = shuttle(a, b, a.receive(QUERY[version]))
    assert [type(event) for event in from_a] == [SessionEstablished, TextReceived]
    assert from_a[1] == TextReceived(b"too late", True, False, at_a)
    assert [type(event) for event in from_b] == [SessionEstablished]
    assert b.inspect().stored == ()


def test_crossing_ends_raise_no_error() -> None:
    a, b = established()
    from_a, from_b = a.end(), b.end()
    assert b.receive(outgoing(from_a)[0]) == [MessageRejected(RejectReason.NOT_ENCRYPTED)]
    assert a.receive(outgoing(from_b)[0]) == [MessageRejected(RejectReason.NOT_ENCRYPTED)]


def test_keys_to_reveal_outlive_the_session() -> None:
    a, b = established()
    say(a, b, b"x")
    b.receive(outgoing(a.end())[0])
    pending = state_of(b).pending_mac_keys
    assert len(pending) == 1
    b.end()
    shuttle(a, b, a.receive(QUERY[3]))
    assert state_of(b).pending_mac_keys == pending
    assert raw(sole(b.send(b"y"))).endswith(b"\0\0\0\x14" + pending[0])


def test_end_drops_an_smp_run() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    events = a.end()
    assert events[1:] == [SmpAborted(TAG_B, SmpAbortReason.SESSION_LEFT), UserEndedSession(TAG_B)]
    assert b.receive(outgoing(events)[0]) == [SmpAborted(TAG_A, SmpAbortReason.SESSION_LEFT), PeerEndedSession(TAG_A)]


# ---- stored texts


def test_required_encryption_stores() -> None:
    policy = BOTH | Policy.REQUIRE_ENCRYPTION
    a, b = alice(policy=policy), bob()
    assert sole(a.send(b"old")) == b"?OTRv23?"
    a.set_time(61)
    assert sole(a.send(b"new")) == b"?OTRv23?"
    a.set_time(121)
    assert a.inspect().stored == (b"old", b"new")
    from_a, from_b = shuttle(a, b, a.start())
    assert [type(event) for event in from_a] == [SessionEstablished, StoredTextDropped]
    assert from_b[1] == TextReceived(b"new", True, False, TAG_A)
    assert a.receive(b"clear") == [TextReceived(b"clear", False, True, 0)]


def test_bound_text_is_not_for_another() -> None:
    a, b = established()
    b.receive(outgoing(a.end())[0])
    b.send(b"for a only")
    stranger = make("s", key=KEY_B, tag=0x5555)
    _, from_b = shuttle(stranger, b, stranger.receive(QUERY[3]))
    assert from_b[1:] == [StoredTextDropped(b"for a only")]


# ---- configuration, time, snapshots


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"tag": 0xFF}, "give a tag in this range"),
        ({"tag": 1 << 32}, "give a tag in this range"),
        ({"size": 63}, "give at least that many bytes"),
        ({"heartbeat": -1}, "give 0 or more seconds"),
        ({"key": DsaPrivateKey(replace(KEY_A.public, g=1), KEY_A.x)}, "give a DSA key"),
        ({"key": DsaPrivateKey(KEY_A.public, 0)}, "give a DSA key"),
    ],
)
def test_a_wrong_configuration_is_refused_and_the_error_says_what_to_give(
    wrong: dict[str, object], advice: str
) -> None:
    with pytest.raises(OtrError, match=advice):
        alice(**wrong)


def test_tag_is_drawn() -> None:
    class Low:
        def draw(self, label: str, index: int, size: int) -> bytes:
            assert (label, size) == ("instance_tag", 4)
            return (0xFE + index).to_bytes(4, "big")

    assert IndependentEngine(PartyConfig(KEY_A), Low()).instance_tag == 0x100
    assert IndependentEngine(PartyConfig(KEY_A)).instance_tag >= 0x100


def test_draws_are_by_label() -> None:
    drawn: list[tuple[str, int, int]] = []

    class Recording(SeededEntropy):
        def draw(self, label: str, index: int, size: int) -> bytes:
            drawn.append((label, index, size))
            return super().draw(label, index, size)

    a = IndependentEngine(PartyConfig(KEY_A, instance_tag=TAG_A), Recording(b"a"))
    b = bob()
    shuttle(a, b, a.receive(QUERY[3]))
    assert sorted(drawn) == [("ake.r", 0, 16), ("ake.x", 0, 40), ("dh.x", 0, 40), ("dsa.k", 0, 28)]
    drawn.clear()
    shuttle(b, a, b.receive(QUERY[3]))
    assert sorted(drawn) == [("ake.y", 0, 40), ("dh.x", 1, 40), ("dsa.k", 1, 28)]
    drawn.clear()
    b.receive(sole(a.smp_start(b"s")))
    assert sorted(drawn) == [(f"smp.{label}", 0, 192) for label in ("a2", "a3", "r2", "r3")]
    drawn.clear()
    shuttle(b, a, b.smp_answer(b"s"))
    smp = [entry for entry in drawn if entry[0].startswith("smp.")]
    assert sorted(smp) == [(f"smp.{label}", 0, 192) for label in ("r4", "r5", "r6", "r7")]


def test_time() -> None:
    a = alice()
    a.set_time(5)
    a.set_time(5)
    with pytest.raises(OtrError, match="no earlier than the last one"):
        a.set_time(4)


def test_policy_change_leaves_the_session() -> None:
    a, b = established()
    a.set_policy(ONLY[2])
    assert say(b, a, b"x") == [TextReceived(b"x", True, False, TAG_B)]
    assert sole(a.start()) == b"?OTRv2?"


def talk(a: IndependentEngine, b: IndependentEngine) -> list[Event]:
    events: list[Event] = []
    for i in range(3):
        events += say(a, b, b"%d" % i) + say(b, a, b"%d" % i)
    events += b.receive(sole(a.smp_start(b"s", question=b"?")))
    for report in shuttle(b, a, b.smp_answer(b"s")):
        events += report
    return events


def test_snapshot_and_restore() -> None:
    a, b = established()
    a.receive(frag(1, 2, b"x", sender=0x800))
    points = a.snapshot(), b.snapshot()
    views = a.inspect(), b.inspect()
    first = talk(a, b)
    after = a.inspect(), b.inspect()
    assert after != views
    others = make("a"), bob()
    for ends in ((a, b), others, (a, b)):
        for engine, point in zip(ends, points, strict=True):
            engine.restore(point)
        assert (ends[0].inspect(), ends[1].inspect()) == views
        assert talk(*ends) == first
        assert (ends[0].inspect(), ends[1].inspect()) == after
    with pytest.raises(OtrError, match=r"restore what its snapshot\(\) has returned"):
        a.restore(object())


def test_snapshot_is_cheap() -> None:
    a, b = established()
    talk(a, b)

    def repeat(action: Callable[[], object]) -> None:
        for _ in range(2000):
            action()

    point = a.snapshot()
    assert cpu_seconds(lambda: repeat(a.snapshot)) < 2
    assert cpu_seconds(lambda: repeat(lambda: a.restore(point))) < 2


def test_generator() -> None:
    assert power(G, (P - 1) // 2) == 1
