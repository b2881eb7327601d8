"""The four messages of the key exchange as the target makes them: every field, opened and recomputed.

The insider on the other side is honest; he has all secrets of the handshake, so nothing in it is hidden from the
checks. [D-H Commit Message, D-H Key Message, Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hashlib
import hmac
from typing import cast

from otterproof.harness import wire
from otterproof.harness.testkit.context import TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, Kind, Message, crypto
from otterproof.harness.wire.layers import parse_gxmpi, parse_signature_block
from otterproof.harness.wire.layouts import TYPES
from otterproof.harness.wire.numbers import dsa_verifies, mpi, power, public_key
from otterproof.implementations.contract import MIN_INSTANCE_TAG, DsaPublicKey, Established
from otterproof.scenarios.conformance.handshake_play import commit_for_query, dh_key_for

_TYPE = {name: code for code, name in TYPES.items()}


def _sent(target: TargetSession, kind: Kind) -> Message:
    """The one message of a kind that the target has sent."""
    return target.replies(0, TARGET).message(kind)


def check_form(target: TargetSession, message: Message, names: tuple[str, ...], receivers: tuple[int, ...]) -> None:
    """The header, and that these fields follow it and nothing else. receivers: the tags it may be addressed to."""
    kind = message.kind
    check(message.number("version") == target.version, f"the version field of a {kind} is {target.version:#06x}")
    check(message.number("type") == _TYPE[kind], f"the type of a {kind} is {_TYPE[kind]:#04x}")
    header = ("version", "type", "sender_tag", "receiver_tag") if target.version == 3 else ("version", "type")
    found = tuple(field.name for field in message.fields)
    check(found == (*header, *names), f"a {kind} has the fields {', '.join(names)}, and has {', '.join(found)}")
    check(not message.problems, f"the fields of a {kind} are well formed: {', '.join(map(str, message.problems))}")
    if target.version == 3:
        own = target.world.parties[TARGET].instance_tag or message.number("sender_tag")
        sender, receiver = message.number("sender_tag"), message.number("receiver_tag")
        check(sender == own >= MIN_INSTANCE_TAG, f"the sender tag of a {kind} is its own, {own:#x}, not {sender:#x}")
        check(receiver in receivers, f"the receiver tag of a {kind} is the receiver's, and it is {receiver:#x}")


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
def commit_has_its_form(context: Context) -> None:
    """A D-H Commit has the header of its version, an encrypted g^x, a hash of 32 bytes, and nothing else."""
    target = context.target_session()
    insider = target.insider()
    first = commit_for_query(target)
    check_form(target, first, ("encrypted_gx", "hashed_gx"), (0,))
    reveal = wire.build(target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE))
    target.receive(insider.signature(insider.decommit(wire.build(first), reveal))).one(Established)
    again = commit_for_query(target)
    check_form(target, again, ("encrypted_gx", "hashed_gx"), (0, insider.tag))


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
    """The revealed key has 16 bytes and opens the commit to one MPI, whose hash, length included, is the one sent."""
    target, _ = context.encrypted(target_begins=True)
    commit, reveal = _sent(target, Kind.DH_COMMIT), _sent(target, Kind.REVEAL_SIGNATURE)
    r = reveal.data("revealed_key")
    check(len(r) == 16, f"the revealed key has 16 bytes, not {len(r)}")
    gxmpi = crypto.committed_gxmpi(commit, r)
    layer = parse_gxmpi(gxmpi)
    check(not layer.problems, f"what is encrypted is one MPI: {', '.join(map(str, layer.problems))}")
    gx = cast(int, layer.value("gx"))
    check(2 <= gx <= DH_PRIME - 2, "g^x is in the group")
    check(len(commit.data("encrypted_gx")) == len(mpi(gx)), "the encrypted g^x is as long as its MPI")
    check(commit.data("hashed_gx") == hashlib.sha256(mpi(gx)).digest(), "the hash is that of the MPI of g^x")


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
def dh_key_has_its_form(context: Context) -> None:
    """A D-H Key has the header of its version, goes to whom it answers, and holds one MPI from the group."""
    target = context.target_session()
    insider = target.insider()
    dh_key = dh_key_for(target, insider)
    check_form(target, dh_key, ("gy",), (insider.tag,))
    check(2 <= dh_key.number("gy") <= DH_PRIME - 2, "g^y is in the group")


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
def reveal_signature_has_its_form(context: Context) -> None:
    """A Reveal Signature has the header of its version, the revealed key, the encrypted signature and a MAC."""
    target = context.target_session()
    insider = target.insider()
    target.query()
    (reveal,) = target.receive(insider.dh_key()).assert_sent(Kind.REVEAL_SIGNATURE)
    check_form(target, reveal, ("revealed_key", "encrypted_signature", "mac"), (insider.tag,))


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
def signature_message_has_its_form(context: Context) -> None:
    """A Signature Message has the header of its version, the encrypted signature and a MAC."""
    target, insider = context.encrypted()
    check_form(target, _sent(target, Kind.SIGNATURE), ("encrypted_signature", "mac"), (insider.tag,))


def _check_signed(target: TargetSession, insider: Insider, message: Message, ours: int, primed: bool) -> None:
    """Everything in an encrypted signature of the target's. ours: the target's D-H value in this handshake."""
    theirs = power(DH_GENERATOR, insider.x)
    keys = crypto.handshake_keys(power(ours, insider.x))
    c, m1, m2 = (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
    expected = hmac.digest(m2, message.raw("encrypted_signature"), "sha256")[:20]
    check(message.data("mac") == expected, "the MAC is that of the encrypted signature, its length included")
    layer = parse_signature_block(crypto.signature_block(message, c))
    check(not layer.problems, f"X has public key, key id and signature: {', '.join(map(str, layer.problems))}")
    numbers = {name: cast(int, layer.value(name)) for name in ("pubkey_type", "p", "q", "g", "y", "keyid")}
    key = DsaPublicKey(numbers["p"], numbers["q"], numbers["g"], numbers["y"])
    digest = hashlib.sha1(public_key(key)[2:]).digest()
    check(numbers["pubkey_type"] == 0, f"the type of the public key is 0, not {numbers['pubkey_type']}")
    check(digest == target.world.parties[TARGET].fingerprint, "the public key in X is the target's own")
    check(numbers["keyid"] > 0, "the key id is above 0")
    identity = public_key(key) + numbers["keyid"].to_bytes(4)
    signed = hmac.digest(m1, mpi(ours) + mpi(theirs) + identity, "sha256")
    signature = cast(bytes, layer.value("signature"))
    check(dsa_verifies(key, signed, signature), "what is signed is M: both D-H values, the public key, the key id")
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
    """The encrypted signature of a Reveal Signature opens with c, and its MACs and DSA signature are right; the key id
    in it is the one under which the target then uses g^x.
    """
    target, insider = context.encrypted(target_begins=True)
    commit, reveal = _sent(target, Kind.DH_COMMIT), _sent(target, Kind.REVEAL_SIGNATURE)
    gx = int.from_bytes(crypto.committed_gxmpi(commit, reveal.data("revealed_key"))[4:])
    _check_signed(target, insider, reveal, gx, primed=False)
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
    """The encrypted signature of a Signature Message opens with c', and its MACs and DSA signature are right; the key
    id in it is the one under which the target then uses g^y.
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
    """In both roles exactly the four messages pass, in order; then both sides have the same session, and texts arrive
    in both directions.
    """
    wanted = {True: [Kind.DH_COMMIT, Kind.REVEAL_SIGNATURE], False: [Kind.DH_KEY, Kind.SIGNATURE]}
    for target_begins, kinds in wanted.items():
        target = context.target_session()
        insider = target.insider()
        established = target.establish(insider, target_begins=target_begins)
        sent = [kind for kind in target.replies(0, TARGET).kinds if kind is not Kind.QUERY]
        check(sent == kinds, f"the target sends {', '.join(kinds)}, and sent {', '.join(sent)}")
        if target.tells("established", "sent_reveal_signature"):
            role = established.sent_reveal_signature
            check(role == target_begins, "who committed is known to have sent the Reveal Signature")
        target.assert_session_alive(insider)


@scenario(requirements=("AKE-OUTLINE-3",))
def identities_cross_the_wire_encrypted(context: Context) -> None:
    """Neither the target's long-term key nor its fingerprint stands in a handshake as it is."""
    for target_begins in (True, False):
        target, _ = context.encrypted(target_begins=target_begins)
        fingerprint = target.world.parties[TARGET].fingerprint
        y = target.header.parties[TARGET].config.key.public.y
        for message in target.replies(0, TARGET).sent:
            for secret in (fingerprint, y.to_bytes(128)[:64], fingerprint.hex().encode()):
                check(secret not in message.body, f"the long-term key is not to be seen in a {message.kind}")


@scenario(requirements=("AKE-FRESH-1", "COMMIT-GX-1"))
def values_are_drawn_anew(context: Context) -> None:
    """Of three handshakes in each role, each session ended before the next, no r, g^x or g^y is the same as another."""
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
        check(len(set(values)) == len(values) == 3, f"{name} is another one in each of three handshakes")
    check(not set(seen["gx"]) & set(seen["gy"]), "no D-H key serves in two handshakes")


@scenario(requirements=("AKE-REFLECT-2", "!AKE-REFLECT-2", "KEYS-FPR-3"))
def own_key_is_not_a_stranger(context: Context) -> None:
    """Somebody who signs with the target's own long-term key is refused, or reported with that key's fingerprint; a
    stranger never is.
    """
    for key in ("alice", "mallory"):
        for target_begins in (True, False):
            target = context.target_session()
            insider = target.insider(key)
            reply = target.handshake_by_target(insider) if target_begins else target.handshake_by_insider(insider)
            found = reply.of(Established)
            check(key == "alice" or len(found) == 1, f"a stranger's handshake completes: {reply}")
            if found and target.tells("established", "fingerprint"):
                own = found[0].fingerprint == target.world.parties[TARGET].fingerprint
                check(own == (key == "alice"), f"the fingerprint is that of the key that signed, {key}'s")
