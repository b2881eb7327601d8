"""Long-term keys: how they and their signatures are encoded, which ones are refused, and fingerprints.

[Public keys, signatures, and fingerprints]
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

from otterproof.harness.testkit.context import Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider, SignatureOptions
from otterproof.harness.testkit.keys import long_key, published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number
from otterproof.harness.testkit.smp_session import SECRET, SmpSession
from otterproof.harness.wire import Kind, Message, build
from otterproof.harness.wire.numbers import dsa_verifies, fingerprint, mpi, power, public_key
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    DsaPrivateKey,
    DsaPublicKey,
    MessageRejected,
    RejectReason,
    SessionEstablished,
)

#: Seeds with which r or s, respectively, of an engine's first signature has a leading zero byte.
SHORT_R_SEED, SHORT_S_SEED = b"short r 8", b"short s 306"


def other_generator(key: DsaPrivateKey, power_of: int = 3) -> DsaPrivateKey:
    """A key with the same p, q and y, and another g."""
    p, q, y = key.public.p, key.public.q, key.public.y
    g = pow(key.public.g, power_of, p)
    return DsaPrivateKey(DsaPublicKey(p, q, g, y), key.x * pow(power_of, -1, q) % q)


def signed_by_target(target: TargetSession, insider: Insider, *, begins: bool) -> tuple[Message, int]:
    """A whole handshake with the target: its signed message, and its own D-H value."""
    if begins:
        commit = target.query().message(Kind.DH_COMMIT)
        message = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
        gx = insider.decommit(build(commit), build(message))
        target.receive(insider.signature(gx)).one(SessionEstablished)
        return message, gx
    target.user("start")
    dh_key = target.receive(insider.commit()).message(Kind.DH_KEY)
    reply = target.receive(insider.reveal_signature(build(dh_key)))
    reply.one(SessionEstablished)
    return reply.message(Kind.SIGNATURE), dh_key.number("gy")


def check_signature(insider: Insider, message: Message, theirs: int) -> bytes:
    """Demand that the signed block in the target's message has its key and a valid signature. The signature."""
    keys, block = insider.handshake, insider.identity(message)
    check("handshake.signature-block-unreadable", not block.problems, got=map(str, block.problems), case=message)
    kind = block.value("pubkey_type")
    check_equal("encoding.key-type-wrong", kind, 0, case=message)
    expected = published_key("alice").public
    found = DsaPublicKey(*(int(block.value(name)) for name in ("p", "q", "g", "y")))
    other = [name for name in ("p", "q", "g", "y") if getattr(found, name) != getattr(expected, name)]
    check(
        "encoding.own-key-wrong",
        not other,
        expected="the target's own key",
        got=f"another {shown(other)}",
        case=message,
    )
    signature = block.value("signature")
    if not isinstance(signature, bytes):
        raise TypeError("a signature is bytes")
    primed = message.kind is Kind.SIGNATURE
    content = mpi(theirs) + mpi(power(2, insider.x)) + block.body[: -len(signature)]
    value = hmac.digest(keys.m1_primed if primed else keys.m1, content, "sha256")
    check("encoding.signature-wrong", dsa_verifies(expected, value, signature), got=signature, case=message)
    return signature


@scenario(
    requirements=(
        "KEYS-PUBKEY-1",
        "KEYS-PUBKEY-2",
        "KEYS-PUBKEY-3",
        "KEYS-SIG-1",
        "KEYS-SIG-2",
        "KEYS-SIG-4",
        "KEYS-PARAMS-2",
    )
)
def own_key_and_signature_are_well_formed(context: Context) -> None:
    """The target sends the same DSA key in every handshake, and signatures with r and s in 20 bytes each.

    The seeds make r or s short in the signatures of this project's engines; for other targets that is left to chance.
    """
    for seed in (SHORT_R_SEED, SHORT_S_SEED):
        with context.case():
            context.seed = seed
            for begins in (False, True):
                target = context.target_session()
                insider = target.insider()
                check_signature(insider, *signed_by_target(target, insider, begins=begins))


@scenario(requirements=("KEYS-SIG-6", "!KEYS-SIG-6"))
def signature_nonces_are_unique(context: Context) -> None:
    """No two signatures of a client share an r, whether for one peer or several, so no nonce is reused."""
    found: list[bytes] = []
    target = context.target_session()
    for number in range(4):
        insider = target.insider("carol" if number == 3 else "mallory", seed=b"same" if number < 2 else b"other")
        message, theirs = signed_by_target(target, insider, begins=False)
        found.append(check_signature(insider, message, theirs)[:20])
        target.end_by_peer(insider)
        target.user("end")
    distinct = len(set(found))
    check("encoding.nonce-reused", distinct == len(found), expected=f"{len(found)} values of r", got=distinct)


@scenario(requirements=("!KEYS-PUBKEY-1", "!KEYS-FPR-1", "!KEYS-FPR-5", "KEYS-FPR-5"))
def fingerprint_identifies_the_key(context: Context) -> None:
    """A key has the same fingerprint in every session; a key that differs only in g has a different one."""
    keys = (
        published_key("mallory"),
        published_key("carol"),
        other_generator(published_key("mallory")),
        published_key("mallory"),
    )
    found: list[bytes] = []
    for key in keys:
        with context.case():
            target = context.target_session()
            insider = target.insider()
            insider.key = key
            established = target.handshake_by_insider(insider).one(SessionEstablished)
            if established.fingerprint is not None:
                found.append(established.fingerprint)
                distinct, wanted = len(set(found)), min(len(found), 3)
                check("encoding.fingerprints-collide", distinct == wanted, expected=f"{wanted} fingerprints", got=found)
                _assert_fingerprint(established.fingerprint, fingerprint(key.public), "the key of the other side")


def _assert_fingerprint(found: bytes, expected: bytes, whose: str) -> None:
    """Demand that a fingerprint is the right one."""
    check_equal("encoding.fingerprint-wrong", found, expected, case=whose)


@scenario(requirements=("KEYS-FPR-1", "KEYS-FPR-2", "!KEYS-FPR-2"))
def fingerprints_exclude_the_key_type(context: Context) -> None:
    """A fingerprint is the SHA-1 hash of the key without its type, for the target's own key and the peer's."""
    target = context.target_session()
    own = target.world.parties["target"].fingerprint
    expected = hashlib.sha1(public_key(published_key("alice").public)[2:]).digest()
    _assert_fingerprint(own, expected, "the target's own key")
    insider = target.insider()
    target.establish(insider)


@scenario(needs=("smp",), requirements=("KEYS-FPR-3", "!KEYS-FPR-3"))
def smp_uses_the_same_fingerprints(context: Context) -> None:
    """SMP succeeds with the fingerprints that are shown, and fails with ones that also hash the key type."""
    smp_session = SmpSession(*context.encrypted())
    smp_session.asked(smp_session.liar()).tells(True)
    smp_session = SmpSession(*context.encrypted())
    smp_session.asked(smp_session.liar(b"another")).tells(False, case="other words")
    smp_session = SmpSession(*context.encrypted())
    with_type = [hashlib.sha1(public_key(published_key(name).public)).digest() for name in ("mallory", "alice")]
    liar = SmpPeer(secret_number(with_type[0], with_type[1], smp_session.insider.ssid, SECRET))
    smp_session.asked(liar).tells(False, check_id="encoding.fingerprint-wrong", case="hashed with the type")


def _refused(context: Context, check_id: str, signed: SignatureOptions, case: str) -> None:
    """Demand that a signed block makes no session, in either role. case: what is wrong with it."""
    for begins in (False, True):
        target = context.target_session()
        insider = target.insider()
        reply = target.handshake_by_target(insider, signed) if begins else target.handshake_by_insider(insider, signed)
        reply.assert_rejected(check_id, case)


@scenario(requirements=("!KEYS-PUBKEY-2", "!KEYS-PUBKEY-3", "KEYS-PUBKEY-4", "!KEYS-PUBKEY-4"))
def other_key_types_are_refused(context: Context) -> None:
    """A key of another type is refused even if it would verify as DSA; so is a key with wrong or missing numbers."""
    mallory = published_key("mallory").public
    for kind in (1, 0x0100, 0xFFFF):
        with context.case(kind):
            other = "encoding.other-key-type-accepted"
            _refused(context, other, SignatureOptions(kind=kind), f"a key of type {kind:#06x}")
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            dh_key = build(target.receive(insider.commit()).message(Kind.DH_KEY))
            insider.reveal_signature(dh_key)
            lie = insider.reveal_signature(dh_key, SignatureOptions(block=kind.to_bytes(2) + insider.block[2:]))
            target.receive(lie).assert_rejected(other, f"a key of type {kind:#06x} with the signature of one of type 0")
    turned = SignatureOptions(advertised_key=replace(mallory, g=mallory.y, y=mallory.g))
    _refused(context, "encoding.malformed-key-accepted", turned, "a key with g and y in the other order")
    for missing in (public_key(mallory)[: -len(mpi(mallory.y))], public_key(mallory)[:-1]):
        with context.case():
            cut = SignatureOptions(block=missing + bytes(44))
            _refused(context, "encoding.malformed-key-accepted", cut, "a key without all of y")


@scenario(requirements=("!KEYS-SIG-1", "!KEYS-SIG-2", "!KEYS-SIG-4", "KEYS-SIG-5", "!KEYS-SIG-5"))
def invalid_signatures_are_refused(context: Context) -> None:
    """A signature is refused if r or s is out of range, if it signs another value, or if its length is wrong."""
    q = published_key("mallory").public.q
    out_of_range = "encoding.signature-out-of-range-accepted"
    for pair, case in (
        ((0, 0), "r and s of 0"),
        ((0, 1), "r of 0"),
        ((1, 0), "s of 0"),
        ((q, 1), "r equal to q"),
        ((1, q), "s equal to q"),
    ):
        with context.case(case):
            _refused(context, out_of_range, SignatureOptions(signature=pair), f"a signature with {case}")
    _refused(context, out_of_range, SignatureOptions(high_r=True), "a signature with q added to r")
    for transform, case in (
        (lambda value: value[:20], "the first 160 bits of the value"),
        (lambda value: value[-20:], "the last 160 bits of the value"),
        (lambda value: hashlib.sha1(value).digest(), "the SHA-1 hash of the value"),
    ):
        with context.case(case):
            signed = SignatureOptions(transform=transform)
            _refused(context, "encoding.signature-of-other-value-accepted", signed, f"a signature of {case}")
    mallory = public_key(published_key("mallory").public) + (1).to_bytes(4)
    for size in (0, 20, 39):
        with context.case(f"size {size}"):
            cut = SignatureOptions(block=mallory + bytes([1]) * size)
            _refused(context, "encoding.signature-wrong-size-accepted", cut, f"a signature of {size} bytes")


@scenario(requirements=("KEYS-SIG-3", "!KEYS-SIG-3", "KEYS-SIG-4", "!KEYS-SIG-2"))
def signatures_with_leading_zeros_verify(context: Context) -> None:
    """A signature whose r or s begins with a zero byte is accepted; without that byte it is refused."""
    top = 1 << 152
    for wanted in (lambda r, s: r < top, lambda r, s: s < top):
        with context.case():
            for begins in (False, True):
                target = context.target_session()
                target.establish(target.insider(), target_begins=begins, signed=SignatureOptions(accept_if=wanted))
            target = context.target_session()
            insider = target.insider()
            target.user("start")
            dh_key = build(target.receive(insider.commit()).message(Kind.DH_KEY))
            insider.reveal_signature(dh_key, SignatureOptions(accept_if=wanted))
            identity, r, s = insider.block[:-40], insider.block[-40:-20], insider.block[-20:]
            short = r.lstrip(b"\0") + s.lstrip(b"\0")
            lie = insider.reveal_signature(dh_key, SignatureOptions(block=identity + short))
            target.receive(lie).assert_rejected(
                "encoding.signature-wrong-size-accepted", "a signature without its zero byte"
            )


@scenario(requirements=("KEYS-PARAMS-2", "!KEYS-PARAMS-2"))
def long_keys_are_accepted(context: Context) -> None:
    """A key with a p of 2048 bits is accepted like one of 1024 bits; a key with a q of 256 bits is refused."""
    for begins in (False, True):
        with context.case(who_begins(begins)):
            target = context.target_session()
            insider = target.insider()
            insider.key = long_key()
            target.establish(insider, target_begins=begins)
            target.assert_session_alive(insider)
    long_q = SignatureOptions(advertised_key=replace(published_key("mallory").public, q=(1 << 255) + 95))
    _refused(context, "encoding.long-q-accepted", long_q, "a key with a q of 256 bits")


@scenario(needs=("lockstep",), requirements=("KEYS-PARAMS-1", "!KEYS-PARAMS-1"))
def our_engines_refuse_invalid_key_parameters(context: Context) -> None:
    """This project's engines refuse keys under which anyone can sign, and keys of unusual sizes."""
    mallory = published_key("mallory").public
    p, q = mallory.p, mallory.q
    absurd = {f"y = {what}": replace(mallory, y=y) for what, y in {"0": 0, "1": 1, "p": p, "p + 1": p + 1}.items()}
    absurd |= {f"g = {what}": replace(mallory, g=g) for what, g in {"0": 0, "1": 1, "p": p}.items()}
    absurd["a p that is a bit shorter"] = replace(mallory, p=p >> 1)
    absurd["a q that is a bit shorter"] = replace(mallory, q=q >> 1)
    absurd["zeros alone"] = DsaPublicKey(0, 0, 0, 0)
    for what, key in absurd.items():
        with context.case(what):
            target = context.target_session()
            reply = target.handshake_by_insider(
                target.insider(), SignatureOptions(advertised_key=key, signature=(1, 1))
            )
            reasons, wanted = [event.reason for event in reply.of(MessageRejected)], RejectReason.BAD_PUBLIC_KEY
            check_equal("encoding.absurd-key-accepted", reasons, [wanted], case=f"a key with {what}")
    nobody = target.insider()
    nobody.key = DsaPrivateKey(replace(mallory, y=1), 0)
    target = context.target_session()
    target.handshake_by_insider(nobody).assert_rejected(
        "encoding.absurd-key-accepted", "a key with y = 1, under which anybody can sign"
    )
