"""The independent engine by itself: queries, and handshakes that succeed, cross, or are forged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import outgoing
from otterproof.implementations.contract import (
    AuthState,
    Event,
    MessageRejected,
    OutgoingMessage,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    SmpAbortReason,
    TextReceived,
)
from otterproof.implementations.independent import IndependentEngine, ake, dsa
from otterproof.implementations.independent.derive import handshake_keys, shared_secret
from otterproof.implementations.independent.primitives import G, KeyPair, P, aes_ctr, power, sha1, sha256, sha256_hmac
from otterproof.implementations.independent.wire import encode_data, encode_mpi
from tests.independent_pair import (
    KEY_A,
    KEY_B,
    ONLY,
    QUERY,
    TAG_A,
    TAG_B,
    alice,
    bob,
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


@pytest.mark.parametrize("version", [2, 3])
def test_handshake(version: int) -> None:
    a, b = alice(), bob()
    commit = a.receive(QUERY[version])
    from_a, from_b = shuttle(a, b, commit)
    tag_of_b, tag_of_a = (0, 0) if version == 2 else (TAG_B, TAG_A)
    ssid = state_of(a).ssid
    assert len(ssid) == 8
    assert from_a == [SessionEstablished(tag_of_b, version, ssid, b.fingerprint, True, False, False)]
    assert from_b == [SessionEstablished(tag_of_a, version, ssid, a.fingerprint, False, False, False)]
    for engine in (a, b):
        view = state_of(engine)
        assert view.auth_state is AuthState.NONE
        assert view.ratchet is not None
        assert (view.ratchet.our_keyid, view.ratchet.their_keyid) == (2, 1)
    assert a.inspect().announced is (version == 3)


def test_fingerprint_is_of_the_parameters() -> None:
    numbers = (KEY_A.public.p, KEY_A.public.q, KEY_A.public.g, KEY_A.public.y)
    encoded = [n.to_bytes((n.bit_length() + 7) // 8, "big") for n in numbers]
    assert alice().fingerprint == sha1(b"".join(len(e).to_bytes(4, "big") + e for e in encoded))


def test_query_prefers_version_3_and_respects_the_policy() -> None:
    assert raw(sole(alice().receive(b"?OTRv23?")))[:3] == b"\0\3\2"
    assert raw(sole(alice(policy=ONLY[2]).receive(b"?OTRv23?")))[:3] == b"\0\2\2"
    assert alice(policy=ONLY[2]).receive(b"?OTRv3?") == []


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (b"?OTR?", None),
        (b"?OTRv2?", 2),
        (b"?OTR?v2?", 2),
        (b"?OTRv24x?", 2),
        (b"?OTR?v24x3?", 3),
        (b"?OTR?v?", None),
        (b"?OTRv?", None),
        (b"hey ?OTRv2? there", 2),
        (b"?OTR?v 3?", None),
        (b"?OTR?v2", None),
        (b"?OTRv\xe9\x803?", 3),
        (b"?OTRv2 ?OTRv3?", 3),
        (b"?OTRv2? ?OTRv3?", 2),
    ],
)
def test_query_forms(text: bytes, version: int | None) -> None:
    events = alice().receive(text)
    if version is None:
        assert events == []
    else:
        assert raw(sole(events))[1] == version


def test_no_query() -> None:
    for text in (b"?OTRv2", b"?OTRv 2?", b"?OTRv2\n?", b"?OTR", b"?OTR2?"):
        assert alice().receive(text) == [TextReceived(text, False, False, 0)]


@pytest.mark.parametrize("version", [2, 3])
def test_collision(version: int) -> None:
    a, b = alice(), bob()
    commits = [sole(engine.receive(QUERY[version])) for engine in (a, b)]
    hashes = [raw(message)[-32:] for message in commits]
    (low, low_commit), (high, high_commit) = sorted(zip((a, b), commits, strict=True), key=lambda p: hashes[p[0] is b])
    assert list(high.receive(low_commit)) == [MessageRejected(RejectReason.COLLISION_WON), OutgoingMessage(high_commit)]
    before = high.inspect()
    # Both the announced commit and its repetition reach the other side.
    key = low.receive(high_commit)
    assert low.receive(high_commit) == key
    shuttle(low, high, key)
    assert state_of(low).ssid == state_of(high).ssid != b""
    assert before.sessions[0].instance == 0
    if version == 3:
        assert len(before.sessions) == 1


def test_equal_hashes_answer() -> None:
    a = alice()
    commit = raw(sole(a.receive(QUERY[3])))
    mirrored = wrap(commit[:3] + TAG_B.to_bytes(4, "big") + commit[7:])
    assert raw(sole(a.receive(mirrored)))[2] == 0x0A


def test_commit_while_awaiting_reveal_signature_repeats_the_key() -> None:
    a, b = alice(), bob()
    key = b.receive(sole(a.receive(QUERY[3])))
    second = sole(a.receive(QUERY[3]))
    assert b.receive(second) == key
    shuttle(b, a, key)
    assert state_of(a).ssid == state_of(b).ssid != b""


def test_commit_while_awaiting_signature_gets_a_new_key() -> None:
    a, b = alice(), bob()
    commit = sole(a.receive(QUERY[3]))
    key = sole(b.receive(commit))
    reveal = sole(a.receive(key))
    gx = aes_ctr(wire.parse(reveal).data("revealed_key"), wire.parse(commit).data("encrypted_gx"))
    assert a.receive(key) == [OutgoingMessage(reveal)]
    other = sole(bob(key=KEY_B).receive(QUERY[3]))
    fresh = sole(a.receive(other))
    assert raw(fresh)[2] == 0x0A
    assert wire.parse(fresh).number("gy") != int.from_bytes(gx[4:], "big")
    assert state_of(a, TAG_B).auth_state is AuthState.AWAITING_REVEALSIG


def test_another_key_while_awaiting_signature_is_unexpected() -> None:
    a, b = alice(), bob()
    commit = sole(a.receive(QUERY[3]))
    a.receive(sole(b.receive(commit)))
    other = sole(make("c", key=KEY_B, tag=TAG_B).receive(commit))
    before = a.inspect()
    assert a.receive(other) == [MessageRejected(RejectReason.UNEXPECTED)]
    assert a.inspect() == before


@pytest.mark.parametrize("version", [2, 3])
def test_unexpected_handshake_messages(version: int) -> None:
    a, b = alice(), bob()
    commit = sole(a.receive(QUERY[version]))
    key = sole(b.receive(commit))
    reveal = sole(a.receive(key))
    signature = outgoing(b.receive(reveal))[0]
    a.receive(signature)
    before = a.inspect()
    for message in (key, signature):
        assert a.receive(message) == [MessageRejected(RejectReason.UNEXPECTED)]
    assert b.receive(reveal) == [MessageRejected(RejectReason.UNEXPECTED)]
    assert a.inspect() == before


def test_version_not_allowed() -> None:
    commit = sole(alice().receive(QUERY[2]))
    assert bob(policy=ONLY[3]).receive(commit) == [MessageRejected(RejectReason.VERSION_NOT_ALLOWED)]
    commit = sole(alice().receive(QUERY[3]))
    assert bob(policy=ONLY[2]).receive(commit) == [MessageRejected(RejectReason.VERSION_NOT_ALLOWED)]


def test_bad_group_elements() -> None:
    a = alice()
    a.receive(QUERY[3])
    before = a.inspect()
    head = b"\0\3\x0a" + TAG_B.to_bytes(4, "big") + TAG_A.to_bytes(4, "big")
    for gy in (0, 1, P - 1, P, P + 2):
        encoded = gy.to_bytes((gy.bit_length() + 7) // 8, "big")
        message = wrap(head + len(encoded).to_bytes(4, "big") + encoded)
        assert a.receive(message) == [MessageRejected(RejectReason.BAD_GROUP_ELEMENT)]
    assert a.inspect() == before


@pytest.mark.parametrize("version", [2, 3])
def test_genuine_message_after_a_forged_one(version: int) -> None:
    a, b = alice(), bob()
    reveal = sole(a.receive(sole(b.receive(sole(a.receive(QUERY[version]))))))
    whole = bytearray(raw(reveal))
    whole[-1] ^= 1
    before = b.inspect()
    assert b.receive(wrap(bytes(whole))) == [MessageRejected(RejectReason.BAD_MAC)]
    assert b.inspect() == before
    whole = bytearray(raw(reveal))
    whole[header_size(version) + 4] ^= 1
    assert b.receive(wrap(bytes(whole))) == [MessageRejected(RejectReason.BAD_COMMITMENT)]
    assert b.inspect() == before
    signature = outgoing(b.receive(reveal))[0]
    whole = bytearray(raw(signature))
    whole[-30] ^= 1
    assert a.receive(wrap(bytes(whole))) == [MessageRejected(RejectReason.BAD_MAC)]
    assert isinstance(a.receive(signature)[0], SessionEstablished)


def forged_reveal(x: bytes, *, mpi: bytes | None = None, exponent: int = 0xABCDEF) -> tuple[IndependentEngine, bytes]:
    """An engine that has answered a commit, and a Reveal Signature for it with the given X or gxmpi."""
    b = bob()
    key = KeyPair(exponent, power(G, exponent))
    gxmpi = encode_mpi(key.public) if mpi is None else mpi
    r = bytes(16)
    body = encode_data(aes_ctr(r, gxmpi)) + encode_data(sha256(gxmpi))
    answer = raw(sole(b.receive(wrap(b"\0\2\2" + body))))
    keys = handshake_keys(shared_secret(key, int.from_bytes(answer[7:], "big"))).reveal
    encrypted = encode_data(aes_ctr(keys.c, x))
    mac = sha256_hmac(keys.m2, encrypted)[:20]
    return b, wrap(b"\0\2\x11" + encode_data(r) + encrypted + mac)


def reveal_fault(x: bytes, **kwargs: object) -> Event:
    b, message = forged_reveal(x, **kwargs)  # type: ignore[arg-type]
    before = b.inspect()
    (event,) = b.receive(message)
    assert b.inspect() == before
    return event


def test_commitment_must_be_one_mpi_in_range() -> None:
    assert reveal_fault(b"", mpi=b"\0\0\0\2\1") == MessageRejected(RejectReason.MALFORMED, "gx", 0)
    assert reveal_fault(b"", mpi=b"") == MessageRejected(RejectReason.MALFORMED, "gx", 0)
    assert reveal_fault(b"", mpi=b"\0\0\0\2\0\1") == MessageRejected(RejectReason.NON_MINIMAL_MPI, "gx", 0)
    assert reveal_fault(b"", mpi=b"\0\0\0\1\5\1") == MessageRejected(RejectReason.MALFORMED, "end", 5)
    assert reveal_fault(b"", mpi=b"\0\0\0\1\1") == MessageRejected(RejectReason.BAD_GROUP_ELEMENT)
    assert reveal_fault(b"", mpi=encode_mpi(P - 1)) == MessageRejected(RejectReason.BAD_GROUP_ELEMENT)


def test_signature_block_faults() -> None:
    public = dsa.encode_public_key(KEY_A.public)
    one, none = (1).to_bytes(4, "big"), bytes(40)
    assert reveal_fault(b"") == MessageRejected(RejectReason.MALFORMED, "pubkey_type", 0)
    assert reveal_fault(public[:-1]) == MessageRejected(RejectReason.MALFORMED, "y", len(public) - 132)
    assert reveal_fault(public) == MessageRejected(RejectReason.MALFORMED, "keyid", len(public))
    assert reveal_fault(public + one) == MessageRejected(RejectReason.MALFORMED, "signature", len(public) + 4)
    assert reveal_fault(public + one + none + b"!") == MessageRejected(RejectReason.MALFORMED, "end", len(public) + 44)
    assert reveal_fault(b"\0\0\0\0\0\2\0\1") == MessageRejected(RejectReason.NON_MINIMAL_MPI, "p", 2)
    assert reveal_fault(b"\0\1" + public[2:] + one + none) == MessageRejected(RejectReason.BAD_PUBLIC_KEY)
    for change in (
        {"p": KEY_A.public.p * 2},
        {"q": 1},
        {"g": 1},
        {"y": 1},
        {"g": KEY_A.public.p},
        {"y": KEY_A.public.p},
    ):
        odd = dsa.encode_public_key(replace(KEY_A.public, **change))
        assert reveal_fault(odd + one + none) == MessageRejected(RejectReason.BAD_PUBLIC_KEY), change
    assert reveal_fault(public + bytes(4) + none) == MessageRejected(RejectReason.BAD_KEY_ID)
    full = KEY_A.public.q.to_bytes(20, "big")
    halves = (b"\0" * 20, full, b"\0" * 19 + b"\1")
    for signature in (r + s for r in halves for s in halves):
        assert reveal_fault(public + one + signature) == MessageRejected(RejectReason.BAD_SIGNATURE)
    # Numbers that pass for a key but are invalid: even p, composite q, s without an inverse.
    strange = replace(KEY_A.public, p=1 << 1023, q=1 << 159)
    two = (2).to_bytes(20, "big")
    for signature in (two + two, two + (3).to_bytes(20, "big")):
        event = reveal_fault(dsa.encode_public_key(replace(strange, g=2, y=2)) + one + signature)
        assert event == MessageRejected(RejectReason.BAD_SIGNATURE)


def test_seal_and_unseal() -> None:
    ours, theirs = KeyPair(5, power(G, 5)), KeyPair(7, power(G, 7))
    keys = handshake_keys(shared_secret(ours, theirs.public)).reply
    sealed = ake.seal(keys, KEY_A, bytes(28), 3, ours.public, theirs.public)
    identity = ake.unseal(keys, sealed, theirs.public, ours.public)
    assert (identity.key, identity.keyid) == (KEY_A.public, 3)


def test_rehandshake_reveals_keys_and_is_reported() -> None:
    a, b = established()
    say(a, b, b"one")
    say(b, a, b"two")
    ssid = state_of(a).ssid
    verified = state_of(a).ratchet
    assert verified is not None
    assert verified.verified
    from_b, from_a = shuttle(b, a, b.receive(QUERY[3]))
    assert isinstance(from_a[0], SessionEstablished)
    assert (from_a[0].refreshed, from_a[0].same_key) == (True, True)
    assert isinstance(from_b[0], SessionEstablished)
    assert state_of(a).ssid == state_of(b).ssid != ssid
    assert len(state_of(a).pending_mac_keys) >= len(verified.verified)
    pending = b"".join(state_of(a).pending_mac_keys)
    assert raw(outgoing(a.send(b"x"))[0]).endswith(len(pending).to_bytes(4, "big") + pending)
    assert state_of(a).pending_mac_keys == ()


def test_rehandshake_with_another_key() -> None:
    a, b = established()
    shuttle(b, a, b.end())
    stranger = make("s", key=KEY_A, tag=TAG_A)
    _, from_b = shuttle(stranger, b, stranger.receive(QUERY[3]))
    assert isinstance(from_b[0], SessionEstablished)
    assert not from_b[0].refreshed
    impostor = make("i", key=KEY_B, tag=TAG_A)
    _, from_b = shuttle(impostor, b, impostor.receive(QUERY[3]))
    assert isinstance(from_b[0], SessionEstablished)
    assert (from_b[0].refreshed, from_b[0].same_key) == (True, False)
    assert from_b[0].fingerprint == impostor.fingerprint == b.fingerprint


def test_smp_run_ends_with_a_rehandshake() -> None:
    a, b = established()
    b.receive(sole(a.smp_start(b"s")))
    from_b, from_a = shuttle(b, a, b.receive(QUERY[3]))
    assert from_a[0] == SmpAborted(TAG_B, SmpAbortReason.REHANDSHAKE)
    assert from_b[0] == SmpAborted(TAG_A, SmpAbortReason.REHANDSHAKE)
    assert isinstance(from_a[1], SessionEstablished)
