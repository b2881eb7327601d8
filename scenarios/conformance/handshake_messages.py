"""The four messages of the key exchange as the target makes them: every field is opened and recomputed.

The insider on the other side is honest and has all secrets of the handshake, so nothing is hidden from the checks. [D-H
Commit Message, D-H Key Message, Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hashlib
import hmac
from typing import cast

from otterproof.harness import wire
from otterproof.harness.testkit.context import TARGET, Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, Kind, Message, crypto
from otterproof.harness.wire.layers import parse_gxmpi, parse_signature_block
from otterproof.harness.wire.numbers import dsa_verifies, mpi, power, public_key
from otterproof.implementations.contract import DsaPublicKey, SessionEstablished
from otterproof.scenarios.conformance.handshake_play import commit_for_query, dh_key_for


def _sent(target: TargetSession, kind: Kind) -> Message:
    """The one message of a kind that the target has sent."""
    return target.replies(0, TARGET).message(kind)


def check_addressed(target: TargetSession, message: Message, *receivers: int) -> None:
    """Demand that a message has one of these receiver tags. The rest of its form is judged in every step.

    [otterproof.harness.judges.oracles.form]
    """
    if target.version == 3:
        receiver = message.number("receiver_tag")
        wanted = " or ".join(f"{tag:#x}" for tag in receivers)
        right = receiver in receivers
        check("handshake.wrong-receiver-tag", right, expected=wanted, got=f"{receiver:#x}", case=message.kind)


@scenario(
    requirements=(
        "COMMIT-FORM-1",
        "COMMIT-FORM-2",
        "COMMIT-FORM-3",
        "COMMIT-FORM-4",
        "COMMIT-FORM-5",
        "COMMIT-FORM-6",
        "COMMIT-HASH-2",
    )
)
def commit_is_well_formed(context: Context) -> None:
    """A D-H Commit has the header of its version, an encrypted g^x, a hash of 32 bytes, and nothing else."""
    target = context.target_session()
    insider = target.insider()
    first = commit_for_query(target)
    check_addressed(target, first, 0)
    reveal = wire.build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
    target.receive(insider.signature(insider.decommit(wire.build(first), reveal))).one(SessionEstablished)
    again = commit_for_query(target)
    check_addressed(target, again, 0, insider.tag)


@scenario(
    requirements=(
        "COMMIT-GX-1",
        "COMMIT-GX-3",
        "COMMIT-GX-4",
        "COMMIT-GX-5",
        "COMMIT-HASH-1",
        "REVEAL-FORM-6",
    )
)
def commit_opens_to_gx(context: Context) -> None:
    """The revealed key has 16 bytes and opens the commit to one MPI; the hash in the commit covers the whole MPI."""
    target, _ = context.encrypted(target_begins=True)
    commit, reveal = _sent(target, Kind.DH_COMMIT), _sent(target, Kind.REVEAL_SIGNATURE)
    r = reveal.data("revealed_key")
    gxmpi = crypto.committed_gxmpi(commit, r)
    layer = parse_gxmpi(gxmpi)
    check("handshake.commit-does-not-open", not layer.problems, expected="one MPI", got=layer.problems)
    gx = cast(int, layer.value("gx"))
    in_range = 2 <= gx <= DH_PRIME - 2
    check("form.public-value-out-of-range", in_range, expected="2 to the prime minus 2", got=gx, case="g^x")
    hashed, right_hash = commit.data("hashed_gx"), hashlib.sha256(mpi(gx)).digest()
    check_equal("handshake.gx-hash-wrong", hashed, right_hash)


@scenario(
    requirements=(
        "DHKEY-FORM-1",
        "DHKEY-FORM-2",
        "DHKEY-FORM-3",
        "DHKEY-FORM-4",
        "DHKEY-FORM-5",
        "DHKEY-FORM-6",
        "INSTANCE-REPLY-1",
    )
)
def dh_key_is_well_formed(context: Context) -> None:
    """A D-H Key has the header of its version, is addressed to the commit's sender, and holds one MPI in range."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    check_addressed(target, dh_key, insider.tag)


@scenario(
    requirements=(
        "REVEAL-FORM-1",
        "REVEAL-FORM-2",
        "REVEAL-FORM-3",
        "REVEAL-FORM-4",
        "REVEAL-FORM-5",
        "REVEAL-FORM-8",
        "DHKEY-DHKEY-1",
        "INSTANCE-REPLY-2",
    )
)
def reveal_signature_is_well_formed(context: Context) -> None:
    """A Reveal Signature has the header of its version, the revealed key, the encrypted signature and a MAC."""
    target = context.target_session()
    insider = target.insider()
    target.query()
    (reveal,) = target.receive(insider.dh_key()).assert_sent("handshake.dh-key-not-answered", Kind.REVEAL_SIGNATURE)
    check_addressed(target, reveal, insider.tag)


@scenario(
    requirements=(
        "SIG-FORM-1",
        "SIG-FORM-2",
        "SIG-FORM-3",
        "SIG-FORM-4",
        "SIG-FORM-5",
        "SIG-FORM-6",
        "REVEAL-ACCEPT-2",
        "INSTANCE-REPLY-2",
    )
)
def signature_message_is_well_formed(context: Context) -> None:
    """A Signature Message has the header of its version, the encrypted signature and a MAC."""
    target, insider = context.encrypted()
    check_addressed(target, _sent(target, Kind.SIGNATURE), insider.tag)


def _check_signed(target: TargetSession, insider: Insider, message: Message, ours: int, primed: bool) -> None:
    """Check an encrypted signature of the target in full. ours: the target's D-H value in this handshake."""
    theirs = power(DH_GENERATOR, insider.x)
    keys = crypto.handshake_keys(power(ours, insider.x))
    c, m1, m2 = (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
    expected = hmac.digest(m2, message.raw("encrypted_signature"), "sha256")[:20]
    check_equal("handshake.mac-wrong", message.data("mac"), expected)
    layer = parse_signature_block(crypto.signature_block(message, c))
    wanted = "a public key, a key id and a signature"
    check("handshake.signature-block-unreadable", not layer.problems, expected=wanted, got=layer.problems)
    numbers = {name: cast(int, layer.value(name)) for name in ("pubkey_type", "p", "q", "g", "y", "keyid")}
    key = DsaPublicKey(numbers["p"], numbers["q"], numbers["g"], numbers["y"])
    digest, own = hashlib.sha1(public_key(key)[2:]).digest(), target.world.parties[TARGET].fingerprint
    check_equal("encoding.key-type-wrong", numbers["pubkey_type"], 0)
    check_equal("encoding.own-key-wrong", digest, own, case="the fingerprint of the key in X")
    check("handshake.key-id-0-sent", numbers["keyid"] > 0, expected="above 0", got=numbers["keyid"])
    identity = public_key(key) + numbers["keyid"].to_bytes(4)
    signed = hmac.digest(m1, mpi(ours) + mpi(theirs) + identity, "sha256")
    signature = cast(bytes, layer.value("signature"))
    verifies = dsa_verifies(key, signed, signature)
    check("handshake.signed-value-wrong", verifies, expected="a signature over M", got=signature)
    number = numbers["keyid"]
    insider.theirs[number], insider.their_keyid = ours, number


@scenario(
    requirements=(
        "REVEAL-SIG-1",
        "REVEAL-SIG-2",
        "REVEAL-SIG-5",
        "REVEAL-SIG-6",
        "REVEAL-SIG-7",
        "REVEAL-SIG-8",
        "REVEAL-MAC-1",
        "REVEAL-MAC-2",
    )
)
def reveal_signature_opens_and_verifies(context: Context) -> None:
    """The encrypted signature of a Reveal Signature decrypts under c, and its MAC and DSA signature are valid.

    The target then uses g^x under the key id in it.
    """
    target = context.target_session()
    insider = target.insider()
    reply = target.handshake_by_target(insider)
    commit, reveal = _sent(target, Kind.DH_COMMIT), _sent(target, Kind.REVEAL_SIGNATURE)
    gx = int.from_bytes(crypto.committed_gxmpi(commit, reveal.data("revealed_key"))[4:])
    _check_signed(target, insider, reveal, gx, primed=False)
    target.assert_established(reply, insider)
    target.assert_session_alive(insider)


@scenario(
    requirements=(
        "SIG-SIG-1",
        "SIG-SIG-2",
        "SIG-SIG-5",
        "SIG-SIG-6",
        "SIG-SIG-7",
        "SIG-SIG-8",
        "SIG-MAC-1",
        "SIG-MAC-2",
        "DERIVE-AKE-8",
    )
)
def signature_message_opens_and_verifies(context: Context) -> None:
    """The encrypted signature of a Signature Message decrypts under c', and its MAC and DSA signature are valid.

    The target then uses g^y under the key id in it.
    """
    target, insider = context.encrypted()
    gy = _sent(target, Kind.DH_KEY).number("gy")
    _check_signed(target, insider, _sent(target, Kind.SIGNATURE), gy, primed=True)
    target.assert_session_alive(insider)


@scenario(
    requirements=(
        "AKE-OUTLINE-1",
        "AKE-OUTLINE-2",
        "AKE-BOTH-1",
        "AKE-VERIFY-3",
        "AKE-VERIFY-5",
        "REVEAL-ACCEPT-1",
        "REVEAL-ACCEPT-4",
        "SIG-ACCEPT-1",
        "SIG-ACCEPT-3",
        "DERIVE-AKE-2",
        "DERIVE-SSID-2",
        "KEYS-FPR-3",
        "STATE-ENCRYPTED-1",
    )
)
def four_messages_make_a_session(context: Context) -> None:
    """In both roles exactly four messages are exchanged, in order.

    Both sides then have the same session, and texts arrive in both directions.
    """
    wanted = {True: [Kind.DH_COMMIT, Kind.REVEAL_SIGNATURE], False: [Kind.DH_KEY, Kind.SIGNATURE]}
    for target_begins, kinds in wanted.items():
        with context.case():
            target = context.target_session()
            insider = target.insider()
            established = target.establish(insider, target_begins=target_begins)
            sent = [kind for kind in target.replies(0, TARGET).kinds if kind is not Kind.QUERY]
            check_equal("handshake.wrong-messages-sent", sent, kinds)
            role = established.sent_reveal_signature
            if role is not None:
                claim, told = (
                    f"{'the target' if revealed else 'the insider'} sent the Reveal Signature Message"
                    for revealed in (target_begins, role)
                )
                check("session.wrong-initiator", role == target_begins, expected=claim, got=told)
            target.assert_session_alive(insider)


@scenario(requirements=("AKE-OUTLINE-3",))
def identities_are_sent_encrypted(context: Context) -> None:
    """The messages of a handshake contain neither the target's long-term key nor its fingerprint in the clear."""
    for target_begins in (True, False):
        with context.case(who_begins(target_begins)):
            target, _ = context.encrypted(target_begins=target_begins)
            fingerprint = target.world.parties[TARGET].fingerprint
            y = target.header.parties[TARGET].config.key.public.y
            hidden = {
                "the fingerprint": fingerprint,
                "the fingerprint in hexadecimal": fingerprint.hex().encode(),
                "the public key": y.to_bytes(128)[:64],
            }
            for message in target.replies(0, TARGET).sent:
                for name, secret in hidden.items():
                    encrypted = secret not in message.body
                    check("handshake.identity-in-clear", encrypted, got=f"{name}, in clear", case=message.kind)


@scenario(requirements=("AKE-FRESH-1", "COMMIT-GX-1"))
def random_values_are_not_reused(context: Context) -> None:
    """In three handshakes in each role, with each session ended before the next, no r, g^x or g^y is repeated."""
    seen: dict[str, list[bytes | int]] = {"r": [], "gx": [], "gy": []}
    target = context.target_session()
    for number in range(3):
        for target_begins in (True, False):
            insider = target.insider(seed=b"%d %d" % (number, target_begins))
            since = len(target.log)
            target.establish(insider, target_begins=target_begins)
            sent = target.replies(since, TARGET)
            if target_begins:
                r = sent.message(Kind.REVEAL_SIGNATURE).data("revealed_key")
                seen["r"].append(r)
                seen["gx"].append(int.from_bytes(crypto.committed_gxmpi(sent.message(Kind.DH_COMMIT), r)[4:]))
            else:
                seen["gy"].append(sent.message(Kind.DH_KEY).number("gy"))
            target.user("end")
    for name, values in seen.items():
        wanted = "three different values in three handshakes"
        check("handshake.value-reused", len(set(values)) == 3, expected=wanted, got=len(set(values)), case=name)
    both = set(seen["gx"]) & set(seen["gy"])
    check("handshake.value-reused", not both, expected="a new D-H key for each handshake", got=both, case="g^x and g^y")


@scenario(requirements=("AKE-REFLECT-2", "!AKE-REFLECT-2", "KEYS-FPR-3"))
def peer_with_the_targets_own_key(context: Context) -> None:
    """A peer that signs with the target's own long-term key is refused, or reported with that key's fingerprint.

    A stranger is never reported with it.
    """
    for key in ("alice", "mallory"):
        with context.case():
            for target_begins in (True, False):
                target = context.target_session()
                insider = target.insider(key)
                reply = target.handshake_by_target(insider) if target_begins else target.handshake_by_insider(insider)
                found = reply.of(SessionEstablished)
                completes = key == "alice" or len(found) == 1
                check(
                    "session.not-established",
                    completes,
                    expected="one SessionEstablished",
                    got=reply,
                    case="a stranger",
                )
                told, own = found[0].fingerprint if found else None, target.world.parties[TARGET].fingerprint
                if told is not None:
                    if key == "alice":
                        check_equal("handshake.own-key-not-recognised", told, own)
                    else:
                        check("session.wrong-fingerprint", told != own, expected="not the target's own", got=told)
