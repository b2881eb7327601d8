"""The symbolic model and insiders: content that a peer with the right keys encrypts, signs and commits to."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import pytest

from otterproof.harness import wire
from otterproof.harness.judges.model import ModelDivergence
from otterproof.harness.judges.model.names import Drawn
from otterproof.harness.simulation.moves import ChangeField, Deliver, Drop
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_PRIME, Kind, crypto
from otterproof.implementations.contract import (
    MessageRejected,
    MessageUnreadable,
    PeerEndedSession,
    RejectReason,
    SessionEstablished,
    SmpAborted,
    TextReceived,
)
from tests.model_pair import Pair, config, of, pair


def _tlv(kind: int, value: bytes = b"") -> bytes:
    return kind.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value


def _smp(*numbers: int, count: int | None = None, lead: bytes = b"") -> bytes:
    """An SMP value; `lead` goes before every number."""
    mpis = b""
    for number in numbers:
        digits = lead + number.to_bytes((number.bit_length() + 7) // 8, "big")
        mpis += len(digits).to_bytes(4, "big") + digits
    return (len(numbers) if count is None else count).to_bytes(4, "big") + mpis


_GOOD_1 = (4, 5, 6, 8, 9, 10)
_PLAINTEXTS: Mapping[str, bytes] = {
    "no NUL": b"text",
    "NUL alone": b"text\0",
    "nothing": b"",
    "two texts": b"text\0more",
    "cut header": b"text\0\0\6\0",
    "cut value": b"\0" + _tlv(6) + b"\0\0\0\5abcd",
    "cut disconnected": b"\0\0\1\0\5abcd",
    "padding and unknown": b"text\0" + _tlv(0, b"zz") + _tlv(9, b"zz") + _tlv(0xFFFF),
    "disconnected, then more": b"\0" + _tlv(1, b"zz") + _tlv(8, b"abcd") + b"\0",
    "short extra key, then another": b"\0" + _tlv(8, b"abc") + _tlv(8, b"abcdefg"),
    "abort with a value": b"\0" + _tlv(6, b"zz"),
    "all of SMP": b"\0" + b"".join(_tlv(kind, _smp(*_GOOD_1)) for kind in (2, 3, 4, 5, 6, 7)),
    "SMP without anything": b"\0" + _tlv(2),
    "SMP of other count": b"\0" + _tlv(2, _smp(*_GOOD_1, count=7)),
    "SMP with more": b"\0" + _tlv(2, _smp(*_GOOD_1) + b"\0"),
    "SMP with huge count": b"\0" + _tlv(2, _smp(*_GOOD_1, count=0xFFFFFFFF)),
    "SMP with leading zeros": b"\0" + _tlv(2, _smp(*_GOOD_1, lead=b"\0")),
    "SMP with zero": b"\0" + _tlv(2, _smp(0, 5, 6, 8, 9, 10)),
    "SMP with p-1": b"\0" + _tlv(2, _smp(4, 5, 6, DH_PRIME - 1, 9, 10)),
    "SMP with p": b"\0" + _tlv(2, _smp(DH_PRIME, 5, 6, 8, 9, 10)),
    "SMP with D at q": b"\0" + _tlv(2, _smp(4, 5, 6, 8, 9, wire.SMP_ORDER)),
    "SMP with wrong proofs": b"\0" + _tlv(2, _smp(*_GOOD_1)),
    "question without NUL": b"\0" + _tlv(7, b"who?"),
    "question, wrong proofs": b"\0" + _tlv(7, b"who?\0" + _smp(*_GOOD_1)),
}

#: How often SMP is aborted, if the name does not say so. The first TLV ends a run that Bob has started.
_ABORTS = {"cut value": 1, "abort with a value": 1, "disconnected, then more": 1, "all of SMP": 5}


@pytest.mark.slow
@pytest.mark.parametrize("name", _PLAINTEXTS)
@pytest.mark.parametrize("version", [2, 3])
def test_insiders_content(version: int, name: str) -> None:
    """Content encrypted by a peer with the right keys; afterwards both sides continue as far as they can."""
    duo = pair(version)
    duo.establish()
    duo.world.user("bob", "smp_start", secret=b"a")
    duo.world.settle()
    duo.world.user("bob", "send", text=b"hello")
    events = duo.give("alice", duo.insider(duo.sent("bob", Kind.DATA), _PLAINTEXTS[name]))
    assert [event.text for event in of(TextReceived, events)] == [b"text"] * _PLAINTEXTS[name].startswith(b"text")
    assert len(of(SmpAborted, events)) == _ABORTS.get(name, name.startswith(("SMP", "question")))
    ended = name == "disconnected, then more"
    assert len(of(PeerEndedSession, events)) == ended
    duo.world.settle()
    for party in ("bob", "alice", "bob"):
        duo.world.user(party, "send", text=b"more")
        assert bool(of(TextReceived, duo.world.settle())) == (not ended)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ctr": bytes(8)}, RejectReason.BAD_COUNTER),
        ({"ctr": b"\xff" * 8}, None),
        *[({"next_dh": value}, RejectReason.BAD_GROUP_ELEMENT) for value in (0, 1, DH_PRIME - 1, DH_PRIME, 1 << 2000)],
        *[({"next_dh": value}, None) for value in (2, DH_PRIME - 2)],
        ({"sender_keyid": 0}, RejectReason.UNKNOWN_KEY),
        ({"sender_keyid": 3}, RejectReason.UNKNOWN_KEY),
    ],
)
@pytest.mark.parametrize("flags", [0, 1])
def test_insiders_header(changes: dict[str, Any], reason: RejectReason | None, flags: int) -> None:
    duo = pair()
    duo.establish()
    duo.world.user("bob", "send", text=b"hello")
    forged = duo.insider(duo.sent("bob", Kind.DATA), b"forged", flags=flags, **changes)
    events = duo.give("alice", forged)
    if reason is None:
        assert of(TextReceived, events)
    else:
        reports = of(MessageRejected, events) if flags else of(MessageUnreadable, events)
        assert [event.reason for event in reports] == [reason]
    for party in ("alice", "bob", "alice"):
        duo.world.user(party, "send", text=b"more")
        duo.world.settle()


def _sign(name: str, mac: bytes, nonce: int = 12345) -> bytes:
    """A DSA signature of the MAC as a number modulo q."""
    key = published_key(name)
    p, q = key.public.p, key.public.q
    r = pow(key.public.g, nonce, p) % q
    s = pow(nonce, -1, q) * (int.from_bytes(mac, "big") + key.x * r) % q
    return r.to_bytes(20, "big") + s.to_bytes(20, "big")


def _mpi(number: int) -> bytes:
    digits = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return len(digits).to_bytes(4, "big") + digits


@pytest.mark.parametrize(
    ("keyid", "problem"),
    [
        (7, None),
        (0xFFFFFFFF, None),
        (0, RejectReason.BAD_KEY_ID),
        (1, RejectReason.BAD_SIGNATURE),
    ],
)
def test_insiders_reveal_signature(keyid: int, problem: RejectReason | None) -> None:
    """Bob gives the D-H key another id, or signs something else."""
    duo = pair()
    duo.world.user("alice", "start")
    for to in ("bob", "alice", "bob"):
        duo.world.apply(Deliver(to))
    genuine = wire.parse(duo.sent("bob", Kind.REVEAL_SIGNATURE))
    key = Drawn("bob", "ake.x", 0)
    x, gy = duo.exponent(key), wire.parse(duo.sent("alice", Kind.DH_KEY)).number("gy")
    gx = pow(2, x, DH_PRIME)
    keys = crypto.handshake_keys(pow(gy, x, DH_PRIME))
    public = published_key("bob").public
    named = b"\0\0" + b"".join(map(_mpi, (public.p, public.q, public.g, public.y))) + keyid.to_bytes(4, "big")
    signed = hmac.digest(keys.m1, _mpi(gx) + _mpi(gy) + named, "sha256")
    if problem is RejectReason.BAD_SIGNATURE:
        signed = bytes(32)
    forged = crypto.with_signature_block(genuine, named + _sign("bob", signed), keys.c, keys.m2)
    duo.book.bind(key, gx)
    duo.book.register_seal(
        Kind.REVEAL_SIGNATURE,
        forged.data("encrypted_signature"),
        forged.data("mac"),
        own=gx,
        other=gy,
        signer=public,
        keyid=keyid,
        problem=None if problem is None else MessageRejected(problem),
    )
    events = duo.give("alice", wire.build(forged))
    assert bool(of(SessionEstablished, events)) == (problem is None)
    if problem is not None:
        assert of(SessionEstablished, duo.give("alice", wire.build(genuine)))
    duo.world.settle()
    duo.world.user("bob", "send", text=b"hello")
    duo.world.settle()
    if problem is None:
        message = duo.insider(duo.sent("bob", Kind.DATA), b"with that id", sender_keyid=keyid)
        assert bool(of(TextReceived, duo.give("alice", message))) == (keyid == 7)


@pytest.mark.parametrize(
    ("gxmpi", "expected"),
    [
        (_mpi(1), MessageRejected(RejectReason.BAD_GROUP_ELEMENT)),
        (_mpi(DH_PRIME - 1), MessageRejected(RejectReason.BAD_GROUP_ELEMENT)),
        (b"\0\0\0\2\0\2", MessageRejected(RejectReason.NON_MINIMAL_MPI, "gx", 0)),
        (b"\0\0\0\2\2", MessageRejected(RejectReason.MALFORMED, "gx", 0)),
        (b"", MessageRejected(RejectReason.MALFORMED, "gx", 0)),
        (_mpi(2) + b"more", MessageRejected(RejectReason.MALFORMED, "end", 5)),
        (_mpi(2), MessageRejected(RejectReason.BAD_MAC)),
    ],
)
@pytest.mark.parametrize("registered", [True, False])
def test_insiders_commit(gxmpi: bytes, expected: MessageRejected, registered: bool) -> None:
    """For a commit that the book does not know, the model only predicts that it fails."""
    duo = pair()
    duo.world.user("alice", "start")
    duo.world.apply(Deliver("bob"))
    r = duo.entropies["bob"].draw("ake.r", 0, 16)
    commit = crypto.with_gxmpi(wire.parse(duo.sent("bob", Kind.DH_COMMIT)), gxmpi, r)
    if registered:
        duo.book.register_commit(commit.data("encrypted_gx"), commit.data("hashed_gx"), r, gxmpi)
    duo.give("alice", wire.build(commit))
    duo.world.apply(Drop("alice"))
    duo.world.settle()
    assert list(duo.give("alice", duo.sent("bob", Kind.REVEAL_SIGNATURE))) == [expected]


def test_insiders_smp_run() -> None:
    """The model would believe the test that the proofs hold; the engines verify them."""
    duo = pair()
    duo.establish()
    duo.world.user("bob", "send", text=b"hello")
    value = b"\0" + _tlv(2, _smp(*_GOOD_1))
    forged = duo.insider(duo.sent("bob", Kind.DATA), value, known={"proofs_hold": True})
    with pytest.raises(ModelDivergence) as caught:
        duo.give("alice", forged)
    assert (caught.value.check, caught.value.place) == ("model.wrong-events", "event 0")


def test_negated_key() -> None:
    """For an even exponent x, g^y and -g^y give the same secret, so only the signature reveals the difference."""
    reasons = set()
    for seed in range(8):
        duo = Pair({"alice": config("alice"), "bob": config("bob")}, f"negated {seed}")
        duo.world.user("alice", "start")
        for to in ("bob", "alice"):
            duo.world.apply(Deliver(to))
        gy = wire.parse(duo.sent("alice", Kind.DH_KEY)).number("gy")
        duo.world.apply(ChangeField("bob", 0, "gy", DH_PRIME - gy))
        reasons |= {event.reason for event in of(MessageRejected, duo.world.settle())}
    assert reasons == {RejectReason.BAD_MAC, RejectReason.BAD_SIGNATURE}
