"""An insider sends wrong values under correct keys, MACs and proofs, in handshakes and data messages."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import replace

from otterproof.harness import wire
from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.testkit.context import PEER_TAG, check
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scripted_handshake import ScriptedHandshake
from otterproof.harness.wire import DH_PRIME, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.harness.wire.numbers import dsa_sign, mpi, power, public_key
from otterproof.implementations.contract import DsaPublicKey, Policy
from otterproof.scenarios.differential.comparison import BOTH, Comparison, differential

#: Invalid group elements; 2 and p - 2, the limits, are valid.
DEGENERATE = (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1)
LIMITS = (2, DH_PRIME - 2)


def _handshake(target: LockstepParty, smp_peer: Insider) -> ScriptedHandshake:
    return ScriptedHandshake(smp_peer, lambda message, kind: outgoing(target.receive(message))[0])


def begin(target: LockstepParty, smp_peer: Insider, signed: SignatureOptions = HONEST_SIGNATURE) -> list[bytes]:
    """The insider begins and completes a handshake; what the target sent last."""
    return outgoing(target.receive(_handshake(target, smp_peer).by_insider(signed)))


def answer(target: LockstepParty, smp_peer: Insider) -> None:
    """The target begins a handshake, and the insider completes it."""
    target.receive(_handshake(target, smp_peer).by_client())


def each(target: LockstepParty, messages: Iterable[bytes], then: bytes = b"") -> None:
    """Deliver each message in the target's present state, then `then`."""
    for message in messages:
        moment = target.snapshot()
        target.receive(message)
        if then:
            target.receive(then)
        target.restore(moment)


def secret_of(public: int) -> int | None:
    """The shared secret for a degenerate public key; for p - 1, it is a guess."""
    return None if public in LIMITS else public % DH_PRIME if public % DH_PRIME < 2 else 1


@differential("!AKE-VALID-1", "!AKE-VALID-2", "!AKE-VALID-3", "!AKE-VERIFY-1", "!COMMIT-REVEALSIG-2", "!REVEAL-SIG-10")
def bad_gx(comparison: Comparison) -> None:
    """The target agrees with the reference engine on a g^x that is out of range, malformed, or not committed to."""
    target, smp_peer = comparison.insider()
    dh_key = outgoing(target.receive(smp_peer.commit()))[0]
    reveal = smp_peer.reveal_signature(dh_key)
    each(
        target,
        [smp_peer.reveal_signature(dh_key, revealed=bytes(16)), smp_peer.reveal_signature(dh_key, revealed=b"x")],
    )
    gx = power(2, smp_peer.x)
    contents = [mpi(gx) + b"\0", b"\0" + mpi(gx), mpi(gx)[4:], mpi(gx)[:-1], (300).to_bytes(4) + mpi(gx)[4:], b""]
    contents += [mpi(number) for number in (*DEGENERATE, *LIMITS)]
    for content in contents:
        moment = target.snapshot()
        target.receive(smp_peer.commit(gxmpi=content))
        target.receive(reveal)
        target.restore(moment)
    for public in DEGENERATE:
        moment = target.snapshot()
        target.receive(smp_peer.commit(public))
        target.receive(smp_peer.reveal_signature(dh_key, SignatureOptions(secret=secret_of(public)), public=public))
        target.restore(moment)
    other = comparison.new_insider(seed=b"limit")
    other.x = 1
    fresh = comparison.target()
    key = outgoing(fresh.receive(other.commit(2)))[0]
    fresh.receive(other.reveal_signature(key))
    moment = target.snapshot()
    target.receive(smp_peer.commit(hashed=bytes(32)))
    target.receive(reveal)
    target.restore(moment)
    target.receive(reveal)


@differential("!AKE-VALID-1")
def bad_gy(comparison: Comparison) -> None:
    """The target agrees with the reference engine on a g^y that is out of range or at a limit."""
    target, smp_peer = comparison.insider()
    target.receive(b"?OTRv%d?" % comparison.version)
    each(target, [smp_peer.dh_key(public) for public in (*DEGENERATE, *LIMITS)], smp_peer.dh_key())
    target.receive(smp_peer.dh_key())
    target.receive(smp_peer.dh_key(12345))
    target.receive(smp_peer.dh_key())


def signed_lies(target: LockstepParty) -> list[SignatureOptions]:
    """Signature blocks, each wrong in one way."""
    mallory, bob = published_key("mallory").public, published_key("bob").public
    q, p = mallory.q, mallory.p
    pairs = ((0, 0), (1, 0), (0, 1), (q, 1), (1, q), (1, 1), ((1 << 160) - 1, 1))
    keys = (
        replace(mallory, y=1),
        replace(mallory, y=0),
        replace(mallory, y=p),
        replace(mallory, y=p + 1),
        replace(mallory, g=1),
        replace(mallory, g=0),
        replace(mallory, g=p),
        replace(mallory, q=q >> 1),
        replace(mallory, p=p >> 1),
        DsaPublicKey((1 << 2047) | 1, q, mallory.g, mallory.y),
        DsaPublicKey(0, 0, 0, 0),
        bob,
    )
    return [
        *(SignatureOptions(advertised_key=key) for key in keys),
        *(SignatureOptions(signature=pair) for pair in pairs),
        *(SignatureOptions(keyid=keyid) for keyid in (0, 2, 5, 0x80000001, 0xFFFFFFFE)),
        *(SignatureOptions(kind=kind) for kind in (1, 0xFFFF)),
        SignatureOptions(swap_dh=True),
        SignatureOptions(high_r=True),
        SignatureOptions(trailing=b"\0"),
        SignatureOptions(mac=bytes(20)),
        SignatureOptions(block=b""),
        SignatureOptions(block=public_key(mallory)[:-1]),
        SignatureOptions(block=public_key(mallory) + bytes(43)),
    ]


def try_wrong_first(target: LockstepParty, wrong: bytes, right: bytes) -> None:
    """In the target's present state, deliver the wrong message, then the right one or a text; its state is restored
    after it.
    """
    moment = target.snapshot()
    target.receive(wrong)
    target.receive(right)
    target.restore(moment)
    target.receive(wrong)
    target.send(text=b"under these keys")
    target.restore(moment)


@differential("!AKE-VERIFY-3", "!KEYS-PARAMS-1", "!KEYS-PARAMS-2", "!KEYS-PUBKEY-4", "!KEYS-SIG-5", "!TYPES-INT-1")
def bad_reveal_signatures(comparison: Comparison) -> None:
    """The target agrees with the reference engine on wrong Reveal Signatures and the right ones after them."""
    target, smp_peer = comparison.insider()
    dh_key = outgoing(target.receive(smp_peer.commit()))[0]
    for signed in signed_lies(target):
        try_wrong_first(target, smp_peer.reveal_signature(dh_key, signed), smp_peer.reveal_signature(dh_key))


@differential("!AKE-VERIFY-5", "!REVEAL-SIG-3", "!REVEAL-SIG-4", "!REVEAL-SIG-5")
def bad_signatures(comparison: Comparison) -> None:
    """The target agrees with the reference engine on Signature Messages that are each wrong in one way, followed by the
    right one or by a text that its user types too early.
    """
    target, smp_peer = comparison.insider()
    commit = outgoing(target.receive(b"?OTRv%d?" % comparison.version))[0]
    reveal = outgoing(target.receive(smp_peer.dh_key()))[0]
    target.receive(b"?OTR Error: no")
    gx = smp_peer.decommit(commit, reveal)
    for signed in signed_lies(target):
        try_wrong_first(target, smp_peer.signature(gx, signed), smp_peer.signature(gx))


@differential("!AKE-BOTH-1", "!ERROR-RESEND-1", "!KEYMGMT-AKE-2")
def another_identity(comparison: Comparison) -> None:
    """The target agrees with the reference engine when a new handshake has another key, or the same D-H key."""
    policy = BOTH | Policy.REQUIRE_ENCRYPTION
    for key in ("mallory", "bob"):
        target, smp_peer = comparison.insider(policy)
        begin(target, smp_peer)
        target.receive(smp_peer.data(tlvs=[tlv(1)]))
        target.send(text=b"for mallory")
        begin(target, comparison.new_insider(key, b"second"))
        begin(target, comparison.new_insider("carol", b"third"))
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    target.receive(smp_peer.data(b"one"))
    again = comparison.new_insider()
    begin(target, again)
    target.send(text=b"two")
    target.receive(again.data(b"three"))
    again = comparison.new_insider()
    begin(target, again, SignatureOptions(keyid=2))
    target.send(text=b"four")
    # A key in another group with the same y.
    smp_peer = comparison.new_insider(seed=b"group")
    carol, mallory = published_key("carol").public, published_key("mallory").public
    begin(target, smp_peer, SignatureOptions(advertised_key=replace(carol, y=mallory.y)))


@differential("!KEYS-SIG-1")
def short_signature(comparison: Comparison) -> None:
    """The target agrees with the reference engine when its DSA nonce gives an s with a leading zero."""
    probe, smp_peer = comparison.insider()
    dh_key = outgoing(probe.receive(smp_peer.commit()))[0]
    gy, gx = wire.parse(dh_key).number("gy"), power(2, smp_peer.x)
    m1 = crypto.handshake_keys(power(gy, smp_peer.x)).m1_primed
    alice = published_key("alice")
    value = hmac.digest(m1, mpi(gy) + mpi(gx) + public_key(alice.public) + (1).to_bytes(4), "sha256")
    nonce = next(k for k in range(1 << 150, 1 << 151) if dsa_sign(alice, value, k)[1] < 1 << 152)
    target = comparison.target(tape={("dsa.k", 0): (nonce - 1).to_bytes(28)})
    begin(target, smp_peer)


@differential(
    "!DATA-CTR-2",
    "!DATA-CTR-4",
    "!DATA-FLAGS-6",
    "!KEYMGMT-NEXT-1",
    "!KEYMGMT-NEXT-2",
    "!KEYMGMT-RECV-2",
    "!KEYMGMT-RECV-3",
    "!KEYMGMT-RECV-4",
    "!MACREVEAL-WHAT-2",
    "!MACREVEAL-WHEN-2",
    "!TYPES-CTR-1",
)
def data_fields(comparison: Comparison) -> None:
    """The target agrees with the reference engine on data messages with a correct MAC and one wrong field each."""
    for keyid in (1, 5):
        target, smp_peer = comparison.insider()
        begin(target, smp_peer, SignatureOptions(keyid=keyid))
        first = target.snapshot()
        for round_ in range(3):
            newest = (smp_peer.our_keyid - 1, smp_peer.their_keyid)
            wrong = [smp_peer.data(b"next", next_dh=public, ctr=5) for public in (*DEGENERATE, *LIMITS)]
            wrong += [smp_peer.data(b"flags", flags=flags, ctr=5) for flags in (1, 2, 0x80, 0xFF)]
            wrong += [smp_peer.data(b"ctr", ctr=ctr) for ctr in (0, 1, 1 << 32, 1 << 63, (1 << 64) - 1)]
            wrong += [smp_peer.data(b"old", old_mac_keys=keys, ctr=5) for keys in (bytes(20), bytes(400))]
            wrong += [smp_peer.data(b"mac", mac=mac, ctr=5) for mac in (bytes(20), b"x" * 20)]
            known = sorted(smp_peer.theirs)
            for under in [(ours, theirs) for ours in list(smp_peer.exponents)[:-1] for theirs in known]:
                for distance in (-2, -1, 0, 1, 2):
                    at, of = under[0] + distance, under[1] + distance
                    if at >= 0:
                        wrong.append(smp_peer.data(b"id", under=under, sender_keyid=at, ctr=6))
                    if of >= 0:
                        wrong.append(smp_peer.data(b"id", under=under, recipient_keyid=of, ctr=6))
            wrong.append(smp_peer.data(b"id", sender_keyid=0, recipient_keyid=0, ctr=6))
            each(target, wrong, smp_peer.data(b"after", ctr=9))
            bad = target.snapshot()
            target.receive(smp_peer.data(b"refused", next_dh=1, ctr=5))
            for sent in outgoing(target.send(text=b"a")):
                smp_peer.read(sent)
            target.receive(smp_peer.data(b"b", ctr=6))
            target.send(text=b"c")
            target.restore(bad)
            for counters in ((1 << 53, (1 << 53) + 1), (1, 1 << 32, (1 << 32) + 1), ((1 << 63) - 1, 1 << 63)):
                moment = target.snapshot()
                for ctr in counters:
                    target.receive(smp_peer.data(b"c", ctr=ctr))
                target.restore(moment)
            target.receive(smp_peer.data(b"round %d" % round_, under=newest, ctr=1))
            for sent in outgoing(target.send(text=b"reply")):
                smp_peer.read(sent)
        target.restore(first)
    target, smp_peer = comparison.insider()
    begin(target, smp_peer, SignatureOptions(keyid=0xFFFFFFFE))
    target.receive(smp_peer.data(b"last but one"))
    target.send(text=b"x")
    last = Insider(smp_peer.key, smp_peer.target_tag, version=comparison.version, seed=b"last")
    begin(target, last, SignatureOptions(keyid=0xFFFFFFFF))
    target.receive(last.data(b"last"))
    target.send(text=b"x")


@differential("MACREVEAL-WHAT-4")
def mac_keys_with_zeros(comparison: Comparison) -> None:
    """A MAC key that begins with a zero byte is revealed."""
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    ours, theirs = smp_peer.our_keyid, smp_peer.their_keyid
    public = smp_peer.theirs[theirs]
    smp_peer.exponents[ours] = next(
        e for e in range(5, 5000) if crypto.session_keys(power(2, e), public, power(public, e)).sending_mac[0] == 0
    )
    key = smp_peer.keys(ours, theirs).sending_mac
    target.receive(smp_peer.data(b"the key is announced"))
    for sent in outgoing(target.send(text=b"reply")):
        smp_peer.read(sent)
    target.receive(smp_peer.data(b"the key is used", under=(ours, theirs)))
    target.receive(smp_peer.data(b"the key is dropped"))
    revealed = [wire.parse(sent).data("old_mac_keys") for sent in outgoing(target.send(text=b"reply"))]
    check("mac-reveal.used-key-not-revealed", any(key in keys for keys in revealed), expected=key, got=revealed)


@differential(
    "!DATA-TEXT-3",
    "!EXTRA-KEY-5",
    "!TLV-END-2",
    "!TLV-END-3",
    "!TLV-EXTRA-4",
    "!TLV-FORM-1",
    "!TLV-FORM-3",
    "!TLV-FORM-4",
    "!TLV-FORM-5",
    "!TLV-FORM-6",
    "!TLV-FORM-8",
    "!TLV-PADDING-2",
)
def tlvs(comparison: Comparison) -> None:
    """The target agrees with the reference engine on TLVs of all types and lengths, truncated or several at once."""
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    contents = [
        b"text\0",
        b"\0",
        b"",
        b"\0\0",
        b"text\0\0\1\0",
        b"\0\0\6\0\1",
        b"text\0\0\x08\0\x10abcd",
        b"\0\x7f\x7f\0\2xx\0\x08\0\4abcd",
        b"\0\0\0\0\5hello\0\x08\0\4abcd",
        b"text\0\0\x08\0\4abcd\0\x08\0\4efgh",
        b"\0\1\1\0\0",
        b"\0\0\0\0\0\0\1\0\0",
        b"text\0\0\1\0\3abc",
        b"text\0\0\1\0\0",
        b"\0\0\1\0\0\0\x08\0\4abcd",
        b"\0\0\1\0\0\0\2\0\0",
        b"\0\0\1\0\0\0\1\0\0",
        b"\0\0\x08\0\0",
        b"\0\0\x08\0\3abc",
        b"\0\0\x08\0\4\xff\xff\xff\xff",
        b"\0\0\x08\x01\0" + bytes(256),
        b"\0\0\x09\0\0",
        b"\0\xff\xff\xff\xff",
        b"\0\0\0\x90\0" + bytes(0x9000),
    ]
    each(target, [smp_peer.data(content, ctr=5) for content in contents], smp_peer.data(b"after", ctr=9))
    target.receive(smp_peer.data(b"late", ctr=4))
    target.receive(smp_peer.data(tlvs=[tlv(8, bytes(4))], ctr=5))


@differential("!INSTANCE-LEARN-2")
def wrong_tags_of_insider(comparison: Comparison) -> None:
    """The target agrees with the reference engine when the insider's instance tag is the target's own or very large."""
    for tag in (0x1A1A, 0xFFFFFFFF, 0x80000000, PEER_TAG):
        target, smp_peer = comparison.insider()
        smp_peer.tag = tag
        begin(target, smp_peer)
        target.receive(smp_peer.data(b"text"))
        answer(target, smp_peer)
        target.send(text=b"text")


@differential("!MACREVEAL-WHAT-2", "!MACREVEAL-WHAT-4", "!MACREVEAL-WHEN-1")
def keys_marked_by_refused_messages(comparison: Comparison) -> None:
    """The target agrees with the reference engine when all four pairs of keys verify messages, some of them refused,
    before keys change.
    """
    target, smp_peer = comparison.insider()
    begin(target, smp_peer)
    for number in range(2):
        target.receive(smp_peer.data(b"change theirs %d" % number))
        for sent in outgoing(target.send(text=b"answer")):
            smp_peer.read(sent)
    target.receive(smp_peer.data(b"change both"))
    target.send(text=b"first")
    later = outgoing(target.send(text=b"second"))
    ours, theirs = smp_peer.our_keyid, smp_peer.their_keyid
    smp_peer.read(later[0])
    for under in ((ours - 1, theirs), (ours, theirs), (ours - 1, theirs + 1)):
        target.receive(smp_peer.data(b"refused", under=under, next_dh=1, ctr=500))
    target.receive(smp_peer.data(b"read", under=(ours, theirs + 1)))
    target.send(text=b"reveals")
