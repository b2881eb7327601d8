"""The independent engine by itself: data messages, key rotation, the extra symmetric key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from otterproof.implementations.contract import (
    MAX_PADDING,
    MAX_TEXT,
    UNREADABLE_ERROR,
    ActionRefused,
    ExtraKeyDerived,
    MessageRejected,
    MessageUnreadable,
    OutgoingMessage,
    RefuseReason,
    RejectReason,
    SessionEstablished,
    TextReceived,
)
from otterproof.implementations.independent import IndependentEngine
from otterproof.implementations.independent.primitives import KeyPair, P
from otterproof.implementations.independent.ratchet import Ratchet
from tests.independent_pair import (
    QUERY,
    TAG_A,
    TAG_B,
    alice,
    established,
    header_size,
    make,
    raw,
    say,
    shuttle,
    sole,
    state_of,
    wrap,
)

# ---- data messages


@pytest.mark.parametrize("version", [2, 3])
def test_conversation_rotates_and_reveals(version: int) -> None:
    a, b = established(version)
    seen: list[bytes] = []
    for i in range(6):
        text = b"ping %d" % i
        assert say(a, b, text) == [TextReceived(text, True, False, 0 if version == 2 else TAG_A)]
        assert say(a, b, text + b"!")[0] == TextReceived(text + b"!", True, False, 0 if version == 2 else TAG_A)
        seen += state_of(b).pending_mac_keys
        assert say(b, a, b"pong")[0] == TextReceived(b"pong", True, False, 0 if version == 2 else TAG_B)
    ratchet = state_of(a).ratchet
    assert ratchet is not None
    assert ratchet.our_keyid > 5
    assert len(seen) == len(set(seen)) > 3
    assert len(ratchet.our_keys) == len(ratchet.their_keys) == 2


def test_ids_and_counters() -> None:
    a, _ = established()
    first, second = (raw(sole(a.send(b"hi"))) for _ in range(2))
    ids = header_size(3) + 1
    assert first[ids : ids + 8] == second[ids : ids + 8] == bytes((0, 0, 0, 1, 0, 0, 0, 1))
    assert first[ids + 204 : ids + 212] == (1).to_bytes(8, "big")
    assert second[ids + 204 : ids + 212] == (2).to_bytes(8, "big")
    ratchet = state_of(a).ratchet
    assert ratchet is not None
    assert dict(ratchet.sent) == {(1, 1): 2}


@pytest.mark.parametrize("version", [2, 3])
def test_loss_and_replay(version: int) -> None:
    a, b = established(version)
    instance = TAG_A if version == 3 else 0
    lost = sole(a.send(b"lost"))
    kept = sole(a.send(b"kept"))
    assert b.receive(kept) == [TextReceived(b"kept", True, False, instance)]
    before = b.inspect()
    for replayed in (kept, lost):
        assert b.receive(replayed) == [
            MessageUnreadable(instance, RejectReason.BAD_COUNTER),
            OutgoingMessage(UNREADABLE_ERROR),
        ]
    assert b.inspect() == before
    for i in range(3):
        say(b, a, b"%d" % i)
        say(a, b, b"%d" % i)
    assert b.receive(kept) == [MessageUnreadable(instance, RejectReason.UNKNOWN_KEY), OutgoingMessage(UNREADABLE_ERROR)]


def test_data_to_plaintext_and_quietly() -> None:
    a, b = established()
    message = sole(a.send(b"x"))
    fresh = make("f", tag=TAG_B)
    assert fresh.receive(message) == [
        MessageUnreadable(TAG_A, RejectReason.NOT_ENCRYPTED),
        OutgoingMessage(UNREADABLE_ERROR),
    ]
    quiet = bytearray(raw(message))
    quiet[11] |= 1
    assert fresh.receive(wrap(bytes(quiet))) == [MessageRejected(RejectReason.NOT_ENCRYPTED)]
    assert b.receive(wrap(bytes(quiet))) == [MessageRejected(RejectReason.BAD_MAC)]
    assert len(fresh.inspect().sessions) == 1
    assert b.receive(message) == [TextReceived(b"x", True, False, TAG_A)]


def with_ratchet(engine: IndependentEngine, change: Callable[[Ratchet], Ratchet]) -> None:
    """Make an engine misbehave by changing its key management."""
    party = engine._party
    session = party.encrypted(party.state.focus)
    assert session is not None
    party.put_encrypted(party.state.focus, replace(session, ratchet=change(session.ratchet)))


def verified_pairs(engine: IndependentEngine) -> set[tuple[int, int]]:
    ratchet = state_of(engine).ratchet
    assert ratchet is not None
    return set(ratchet.verified)


def test_verified_key_counts_even_with_a_bad_counter() -> None:
    a, b = established()
    with_ratchet(a, lambda ratchet: replace(ratchet, sent={(1, 1): -1}))
    message = sole(a.send(b"1"))
    assert b.receive(message)[0] == MessageUnreadable(TAG_A, RejectReason.BAD_COUNTER)
    assert verified_pairs(b) == {(1, 1)}


def test_next_dh_out_of_range() -> None:
    a, b = established()

    def announce(public: int) -> Callable[[Ratchet], Ratchet]:
        return lambda ratchet: replace(ratchet, our_keys={**ratchet.our_keys, 2: KeyPair(2, public)})

    for public in (0, 1, P - 1, P):
        with_ratchet(a, announce(public))
        assert b.receive(sole(a.send(b"1")))[0] == MessageUnreadable(TAG_A, RejectReason.BAD_GROUP_ELEMENT)
    ratchet = state_of(b).ratchet
    assert ratchet is not None
    assert ratchet.received == {}
    assert ratchet.their_keyid == 1


def test_last_key_id() -> None:
    last = 0xFFFFFFFF
    a, b = established()
    with_ratchet(b, lambda ratchet: replace(ratchet, their_keyid=last, their_keys={last: ratchet.their_keys[1]}))
    message = bytearray(raw(sole(a.send(b"x"))))
    message[12:16] = last.to_bytes(4, "big")
    assert b.receive(wrap(bytes(message)))[0] == MessageUnreadable(TAG_A, RejectReason.UNKNOWN_KEY)
    assert raw(sole(b.send(b"x")))[16:20] == last.to_bytes(4, "big")


def test_known_key_of_a_new_handshake_is_kept() -> None:
    a, b = established()
    say(a, b, b"rotates")
    ratchet = state_of(b).ratchet
    assert ratchet is not None
    assert ratchet.their_keyid == 2
    # The same seed gives the same key under the same id again.
    twin = alice()
    _, reports = shuttle(twin, b, twin.receive(QUERY[3]))
    assert isinstance(reports[0], SessionEstablished)
    again = state_of(b).ratchet
    assert again is not None
    assert (again.their_keyid, again.their_keys) == (2, ratchet.their_keys)
    assert (again.our_keyid, dict(again.sent), dict(again.received)) == (2, {}, {})
    assert say(b, twin, b"under key 2") == [TextReceived(b"under key 2", True, False, TAG_B)]


@pytest.mark.parametrize("version", [2, 3])
def test_malformed_data_is_reported_with_its_field(version: int) -> None:
    a, b = established(version)
    whole = raw(sole(a.send(b"hello")))
    start = header_size(version)
    sizes = [("flags", 1), ("sender_keyid", 4), ("recipient_keyid", 4), ("next_dh", 196), ("ctr", 8)]
    sizes += [("encrypted_message", 9), ("mac", 20), ("old_mac_keys", 4)]
    instance = TAG_A if version == 3 else 0
    before = b.inspect()
    for name, size in sizes:
        for cut in (start, start + size - 1):
            answer = b.receive(wrap(whole[:cut]))
            assert answer[0] == MessageUnreadable(instance, RejectReason.MALFORMED, name, start), name
            assert answer[1:] == [OutgoingMessage(UNREADABLE_ERROR)]
        start += size
    assert start == len(whole)
    assert b.receive(wrap(whole + b"!"))[0] == MessageUnreadable(instance, RejectReason.MALFORMED, "end", start)
    odd = whole[:-4] + b"\0\0\0\1x"
    assert b.receive(wrap(odd))[0] == MessageUnreadable(instance, RejectReason.MALFORMED, "old_mac_keys", start - 4)
    at = header_size(version) + 9
    long_mpi = whole[:at] + b"\0\0\0\xc1\0" + whole[at + 4 :]
    assert b.receive(wrap(long_mpi))[0] == MessageUnreadable(instance, RejectReason.NON_MINIMAL_MPI, "next_dh", at)
    assert b.inspect() == before


def test_padding_and_empty_text() -> None:
    a, b = established()
    assert b.receive(sole(a.send(b"hi", padding=300))) == [TextReceived(b"hi", True, False, TAG_A)]
    assert len(raw(sole(a.send(b"", padding=0)))) == len(raw(sole(a.send(b"")))) + 5
    assert b.receive(sole(a.send(b""))) == []


def test_send_is_refused() -> None:
    for a in (alice(), established()[0]):
        before = a.inspect()
        assert a.send(bytes(MAX_TEXT + 1)) == [ActionRefused("send", RefuseReason.TOO_LONG)]
        assert a.send(b"a\0b") == [ActionRefused("send", RefuseReason.HAS_NUL)]
        for padding in (-1, MAX_PADDING + 1):
            assert a.send(b"a", padding=padding) == [ActionRefused("send", RefuseReason.TOO_LONG)]
        assert a.inspect() == before


def test_heartbeat() -> None:
    a, b = established(heartbeat=60)
    b.set_time(59)
    assert b.receive(sole(a.send(b"1"))) == [TextReceived(b"1", True, False, TAG_A)]
    b.set_time(60)
    text, beat = b.receive(sole(a.send(b"2")))
    assert text == TextReceived(b"2", True, False, TAG_A)
    assert isinstance(beat, OutgoingMessage)
    assert raw(beat.message)[11] == 1
    assert a.receive(beat.message) == []
    assert b.receive(sole(a.send(b"3"))) == [TextReceived(b"3", True, False, TAG_A)]


def test_forward_secrecy() -> None:
    a, b = established()
    old = set(a.secrets().values())
    for i in range(4):
        say(a, b, b"%d" % i)
        say(b, a, b"%d" % i)
    assert not old & set(a.secrets().values())
    a.end()
    assert a.secrets() == {}


# ---- extra symmetric key


def test_extra_key() -> None:
    a, b = established()
    sent, mine = a.extra_key(7, b"file")
    assert isinstance(sent, OutgoingMessage)
    (theirs,) = b.receive(sent.message)
    assert isinstance(mine, ExtraKeyDerived)
    assert (mine.instance, mine.received, mine.use, mine.data) == (TAG_B, False, 7, b"file")
    assert theirs == replace(mine, instance=TAG_A, received=True)
    assert len(mine.key) == 32


def test_extra_key_refused() -> None:
    assert alice().extra_key(1) == [ActionRefused("extra_key", RefuseReason.WRONG_STATE)]
    assert established(2)[0].extra_key(1 << 40) == [ActionRefused("extra_key", RefuseReason.NOT_IN_VERSION)]
    a, _ = established()
    for use, data in ((-1, b""), (1 << 32, b""), (1, bytes(65532))):
        assert a.extra_key(use, data) == [ActionRefused("extra_key", RefuseReason.TOO_LONG)]
    assert len(a.extra_key(0xFFFFFFFF, bytes(65531))) == 2
