"""The D-H values of a handshake and the commitment to the first of them: ranges, hash, encryption, structure.

A peer that sends a value outside the group still knows the resulting shared secret, so everything else in its messages
is right: only a check of the value itself prevents a session. [Authenticated Key Exchange, D-H Commit Message, Reveal
Signature Message]
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, Kind, Message, crypto
from otterproof.harness.wire.handshake_lies import MALFORMED_GX, WRONG_HASHES, flipped
from otterproof.harness.wire.numbers import mpi, power
from otterproof.harness.wire.signed import secrets_of
from otterproof.implementations.contract import SessionEstablished
from otterproof.scenarios.conformance.handshake_play import commit_for_query, dh_key_for, refused, start_over

#: Values outside [2, p-2] that lead to the same few secrets, whatever the other side's exponent.
OUTSIDE = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1, 2 * DH_PRIME - 1)


def _begin_with(target: TargetSession, insider: Insider, public: int) -> list[SessionEstablished]:
    """Run a whole handshake in which the insider's g^x is `public`; the sessions that it makes."""
    dh_key = dh_key_for(target, insider, insider.commit(public))
    made = []
    for secret in secrets_of(public, dh_key.number("gy")):
        signed = SignatureOptions(secret=secret)
        made += target.receive(insider.reveal_signature(wire.build(dh_key), signed, public=public)).of(
            SessionEstablished
        )
    return made


def _completes(target: TargetSession, insider: Insider, values: Iterable[int]) -> bool:
    """Whether a handshake with one of these values as g^x makes a session; some values need several tries."""
    return any(_begin_with(target, insider, public) for public in values)


@scenario(requirements=("!AKE-VALID-2", "!AKE-VALID-3", "AKE-VALID-4", "!AKE-VALID-4", "AKE-VALID-2"))
def gx_out_of_range(context: Context) -> None:
    """A g^x below 2 or above p - 2 makes no session, even if all else is right; a genuine handshake then completes."""
    target = context.target_session()
    insider = target.insider()
    for public in (*OUTSIDE, DH_PRIME + 2):
        made = _begin_with(target, insider, public)
        check(
            "handshake.gx-range-not-checked", not made, expected="no session", got=made, case=f"g^x = {_named(public)}"
        )
    start_over(target, insider)


@scenario(requirements=("!AKE-VALID-1", "!AKE-VALID-3", "AKE-VALID-4", "!AKE-VALID-4", "AKE-VALID-1", "DHKEY-DHKEY-2"))
def gy_out_of_range(context: Context) -> None:
    """A g^y below 2 or above p - 2 is not answered; a genuine D-H Key then completes the handshake."""
    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    for public in (*OUTSIDE, DH_PRIME + 2):
        refused(target.receive(insider.dh_key(public)), "handshake.gy-range-not-checked", f"g^y = {_named(public)}")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    target.receive(insider.signature(gx)).one(SessionEstablished)
    target.assert_session_alive(insider)


@scenario(requirements=("AKE-VALID-2", "AKE-VALID-3", "COMMIT-GX-6"))
def gx_at_the_limits(context: Context) -> None:
    """A g^x of 2, of p - 2, or of few bytes, sent as a short MPI, is accepted like any other."""
    for exponent in (1, 100, 1000):
        with context.case():
            target = context.target_session()
            insider = target.insider()
            insider.x = exponent
            start_over(target, insider)
    target = context.target_session()
    # The secret is one of two numbers, and a wrong guess may end the handshake: further handshakes guess again.
    made = _completes(target, target.insider(), [DH_PRIME - 2] * 16)
    check("handshake.limit-of-range-refused", made, expected="a session", got="none", case="g^x = p-2")


@scenario(requirements=("AKE-VALID-1", "AKE-VALID-3"))
def gy_at_the_limits(context: Context) -> None:
    """A g^y of 2, of p - 2, or of few bytes, sent as a short MPI, is accepted like any other."""
    for exponent in (1, 100):
        with context.case():
            target = context.target_session()
            insider = target.insider()
            insider.x = exponent
            start_over(target, insider, target_begins=True)
    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    reveal = target.receive(insider.dh_key(DH_PRIME - 2)).message(Kind.REVEAL_SIGNATURE)
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    right = [secret for secret in (gx, DH_PRIME - gx) if _mac_is_right(reveal, secret)]
    check(
        "handshake.limit-of-range-refused",
        len(right) == 1,
        expected="a Reveal Signature Message made with one of the two possible secrets",
        got="one whose MAC is wrong for both of them",
        case="g^y = p-2",
    )
    signature = insider.signature(gx, SignatureOptions(secret=right[0]), public=DH_PRIME - 2)
    target.receive(signature).one(SessionEstablished)


def _mac_is_right(reveal: Message, secret: int) -> bool:
    m2 = crypto.handshake_keys(secret).m2
    return reveal.data("mac") == hmac.digest(m2, reveal.raw("encrypted_signature"), "sha256")[:20]


def _named(public: int) -> str:
    multiple, rest = divmod(public + 5, DH_PRIME)
    return f"{multiple if multiple > 1 else ''}p{rest - 5:+d}" if multiple else str(public)


def _no_session(
    target: TargetSession,
    insider: Insider,
    check_id: str,
    commit: bytes,
    why: str,
    revealed: bytes | None = None,
) -> None:
    """Demand that a commit, answered or not, and its Reveal Signature make no session."""
    target.user("start")
    answer = target.receive(commit)
    for dh_key in answer.messages(Kind.DH_KEY):
        reveal = insider.reveal_signature(wire.build(dh_key), revealed=revealed)
        refused(target.receive(reveal), check_id, f"a Reveal Signature Message for {why}")


@scenario(requirements=("AKE-VERIFY-1", "!AKE-VERIFY-1", "!COMMIT-HASH-1", "!COMMIT-HASH-2", "!AKE-VERIFY-6"))
def commit_with_a_wrong_hash(context: Context) -> None:
    """A commit is refused unless its hash is the SHA-256 hash of the MPI in it, in all 32 bytes."""
    target = context.target_session()
    insider = target.insider()
    content = mpi(power(DH_GENERATOR, insider.x))
    for why, lie in WRONG_HASHES.items():
        hashed = lie(content)
        check_id = "handshake.gx-hash-not-verified" if len(hashed) == 32 else "encoding.hash-wrong-size-accepted"
        _no_session(target, insider, check_id, insider.commit(hashed=hashed), f"a commit with {why}")
    start_over(target, insider)


@scenario(requirements=("!COMMIT-GX-3", "!COMMIT-GX-5", "REVEAL-SIG-10", "!REVEAL-SIG-10"))
def commit_to_a_malformed_mpi(context: Context) -> None:
    """A commit is refused unless it encrypts exactly one MPI.

    Bytes without a length, or with a wrong one, make no session even though their hash is right.
    """
    target = context.target_session()
    insider = target.insider()
    content = mpi(power(DH_GENERATOR, insider.x))
    for why, lie in MALFORMED_GX.items():
        gxmpi = lie(content)
        _no_session(
            target, insider, "handshake.gx-encoding-not-checked", insider.commit(gxmpi=gxmpi), f"a commit to {why}"
        )
    start_over(target, insider)


@scenario(requirements=("REVEAL-FORM-7", "!REVEAL-FORM-7", "!REVEAL-FORM-6", "!COMMIT-GX-1", "!COMMIT-GX-4"))
def revealed_key_of_another_length(context: Context) -> None:
    """A revealed key is refused unless it has 16 bytes, even if it opens the commit, or would with padding.

    A wrong key, and a commit encrypted with another initial counter, are refused, too.
    """
    wrong_size, wrong_key = "handshake.revealed-key-size-not-checked", "handshake.commit-opened-with-wrong-key"
    target = context.target_session()
    insider = target.insider()
    content = mpi(power(DH_GENERATOR, insider.x))
    r = insider.r
    for check_id, why, revealed in (
        (wrong_size, "an empty key", b""),
        (wrong_size, "a key of 15 bytes", r[:-1]),
        (wrong_size, "a key with an extra byte", r + b"\0"),
        (wrong_size, "a key of 32 bytes", r + bytes(16)),
        (wrong_key, "another key", flipped(r, 0)),
        (wrong_key, "a key of zeros", bytes(16)),
    ):
        _no_session(target, insider, check_id, insider.commit(), why, revealed)
    for size in (24, 32):
        insider.r = r + bytes(range(size - 16))
        why = f"a key of {size} bytes that opens the commit"
        _no_session(target, insider, wrong_size, insider.commit(), why, insider.r)
    insider.r = bytes(15) + b"\x17"
    _no_session(target, insider, wrong_size, insider.commit(), "a key without its leading zeros", b"\x17")
    insider.r = r
    commit = wire.parse(insider.commit())
    for counter in (1, 1 << 63):
        encrypted = crypto.aes_ctr(r, counter.to_bytes(8), content)
        commit = commit.with_value("encrypted_gx", encrypted)
        why = f"a commit encrypted with initial counter {counter}"
        _no_session(target, insider, wrong_key, wire.build(commit), why)
    start_over(target, insider)


@scenario(requirements=("REVEAL-FORM-6", "REVEAL-FORM-7", "COMMIT-GX-1"))
def revealed_key_with_leading_zeros(context: Context) -> None:
    """A revealed key of 16 bytes that begins or ends with zero bytes is accepted like any other."""
    for r in (bytes(15) + b"\x17", b"\x17" + bytes(15), b"\0" + bytes(range(1, 16))):
        with context.case():
            target = context.target_session()
            insider = target.insider()
            insider.r = r
            start_over(target, insider, check_id="handshake.rare-revealed-key-refused")
