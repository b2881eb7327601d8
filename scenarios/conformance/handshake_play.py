"""Moves and lies that the scenarios of the key exchange have in common; no scenarios.

A lie is made from a genuine message of an insider's, so that it is wrong in one thing and right in all others. After
lies the genuine message comes: a target that ignores what does not check out completes the handshake with it. The text
also allows to give the handshake up; then everything must be as if it had never begun. [reading AKE-FAIL-STATE]
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.wire import DH_GENERATOR, Kind, Message, crypto
from otterproof.harness.wire.fields import Type, encode
from otterproof.harness.wire.numbers import dsa_sign, mpi, power, public_key
from otterproof.implementations.contract import DsaPrivateKey, Established

#: Seconds after which no client takes a query for a repetition of the one before.
LATER = 300


def dh_key_for(target: TargetSession, insider: Insider, commit: bytes | None = None) -> Message:
    """The target's user asks, the insider commits: the D-H Key with which the target answers."""
    target.user("start")
    return target.receive(insider.commit() if commit is None else commit).message(Kind.DH_KEY)


def commit_for_query(target: TargetSession) -> Message:
    """The D-H Commit with which the target answers a query."""
    target.tick(LATER)
    return target.query().message(Kind.DH_COMMIT)


def reveal_for(target: TargetSession, insider: Insider) -> tuple[Message, Message]:
    """The target is asked to begin, and the insider answers: its D-H Commit and its Reveal Signature."""
    commit = commit_for_query(target)
    return commit, target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)


def refused(reply: Reply, why: str) -> None:
    """Demand that something had no effect and drew no encoded message; an Error Message may tell of it."""
    reply.assert_rejected(why)
    answers = [kind for kind in reply.kinds if kind in wire.ENCODED]
    check(not answers, f"nothing is made of {why}, and {', '.join(answers)} went out")


def ignored(reply: Reply, why: str) -> None:
    """Demand what the text calls to ignore: no effect, no text, no message of any kind."""
    reply.assert_ignored(why)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit inverted, counted from the last one; -1 is the first."""
    mask = 1 << (bit % (8 * len(data)))
    return (int.from_bytes(data) ^ mask).to_bytes(len(data))


@dataclass(frozen=True, slots=True)
class Genuine:
    """A Reveal Signature (or, primed, a Signature Message) of an insider's, with all that it was made of.

    ours, theirs: the D-H values of the insider and of the target.
    """

    message: Message
    keys: crypto.HandshakeKeys
    primed: bool
    ours: int
    theirs: int
    signer: DsaPrivateKey

    @property
    def own(self) -> tuple[bytes, bytes, bytes]:
        """c, m1 and m2 of this direction."""
        keys = self.keys
        return (keys.c_primed, keys.m1_primed, keys.m2_primed) if self.primed else (keys.c, keys.m1, keys.m2)

    @property
    def opposite(self) -> tuple[bytes, bytes, bytes]:
        """c, m1 and m2 of the other direction."""
        keys = self.keys
        return (keys.c, keys.m1, keys.m2) if self.primed else (keys.c_primed, keys.m1_primed, keys.m2_primed)

    @property
    def block(self) -> bytes:
        """X, decrypted."""
        return crypto.signature_block(self.message, self.own[0])

    @property
    def identity(self) -> bytes:
        """Public key and key id, as X begins."""
        return self.block[:-40]

    @property
    def raw(self) -> bytes:
        return wire.build(self.message)

    def with_mac(self, mac: bytes) -> bytes:
        return wire.build(self.message.with_value("mac", mac))

    def with_encrypted(self, encrypted: bytes) -> bytes:
        """With other bytes as the encrypted signature, and the right MAC of those."""
        mac = hmac.digest(self.own[2], encode(Type.DATA, encrypted, "encrypted_signature"), "sha256")[:20]
        return wire.build(self.message.with_value("encrypted_signature", encrypted).with_value("mac", mac))

    def with_block(self, block: bytes) -> bytes:
        return self.with_encrypted(crypto.aes_ctr(self.own[0], bytes(8), block))

    def m(
        self, parts: tuple[bytes, ...] | None = None, key: bytes | None = None, identity: bytes | None = None
    ) -> bytes:
        """M, or what it would be of other parts, under another key, for another identity."""
        right = (mpi(self.ours), mpi(self.theirs), self.identity if identity is None else identity)
        return hmac.digest(key or self.own[1], b"".join(right if parts is None else parts), "sha256")

    def signing(self, value: bytes, identity: bytes | None = None, signer: DsaPrivateKey | None = None) -> bytes:
        """With a signature of that value in place of M."""
        r, s = dsa_sign(signer or self.signer, value, 0x1234567890ABCDEF1234567)
        shown = self.identity if identity is None else identity
        return self.with_block(shown + r.to_bytes(20) + s.to_bytes(20))


def reveal_of(insider: Insider, dh_key: Message) -> Genuine:
    """The insider's genuine Reveal Signature for a D-H Key of the target's."""
    gy = dh_key.number("gy")
    message = wire.parse(insider.reveal_signature(wire.build(dh_key)))
    keys = crypto.handshake_keys(power(gy, insider.x))
    return Genuine(message, keys, False, power(DH_GENERATOR, insider.x), gy, insider.key)


def signature_of(insider: Insider, commit: Message, reveal: Message) -> Genuine:
    """The insider's genuine Signature Message for the target's Reveal Signature."""
    gx = insider.decommit(wire.build(commit), wire.build(reveal))
    message = wire.parse(insider.signature(gx))
    keys = crypto.handshake_keys(power(gx, insider.x))
    return Genuine(message, keys, True, power(DH_GENERATOR, insider.x), gx, insider.key)


Lie: TypeAlias = Callable[[Genuine], bytes]
Lies: TypeAlias = Mapping[str, Lie]


def tells_lies(context: Context, lies: Lies, *, primed: bool, strictly: bool = False) -> None:
    """In place of a genuine Reveal Signature (or, primed, Signature Message) each lie is told; nothing may come of it.

    The genuine message then completes the handshake. Where it does not, each lie is told again in a handshake of its
    own, so that it is judged in the state that it is meant for. strictly: lies are ignored without a sound, and the
    genuine message fails only where the handshake was given up as a whole.
    """
    demand = ignored if strictly else refused
    target = context.target_session()
    insider = target.insider()
    genuine = _moment(target, insider, primed)
    for why, lie in lies.items():
        demand(target.receive(lie(genuine)), why)
    if target.receive(genuine.raw).of(Established):
        target.assert_session_alive(insider)
        return
    for why, lie in lies.items():
        if strictly:
            _given_up(target, insider, primed, genuine)
        genuine = _moment(target, insider, primed)
        demand(target.receive(lie(genuine)), why)
    anew(target, insider, target_begins=primed)


def anew(target: TargetSession, insider: Insider, *, target_begins: bool = False) -> None:
    """Whatever went before, a whole new handshake leads to a session."""
    target.tick(LATER)
    target.establish(insider, target_begins=target_begins)
    target.assert_session_alive(insider)


def _given_up(target: TargetSession, insider: Insider, primed: bool, genuine: Genuine) -> None:
    """Demand that the authentication state is NONE: the handshake was not merely spoilt."""
    if primed:
        target.receive(insider.dh_key()).assert_ignored("a D-H Key after a handshake that failed")
    else:
        again = dh_key_for(target, insider)
        check(again.number("gy") != genuine.theirs, "after a failure the genuine message completes, or all begins anew")
        target.receive(genuine.raw).assert_rejected("a Reveal Signature for another D-H Key")


def _moment(target: TargetSession, insider: Insider, primed: bool) -> Genuine:
    if primed:
        return signature_of(insider, *reveal_for(target, insider))
    return reveal_of(insider, dh_key_for(target, insider))


# ---- lies -----------------------------------------------------------------------------------------------------------

#: MACs of the encrypted signature that are wrong.
WRONG_MACS: Lies = {
    "a MAC with its last bit inverted": lambda of: of.with_mac(flipped(of.message.data("mac"), 0)),
    "a MAC with its first bit inverted": lambda of: of.with_mac(flipped(of.message.data("mac"), -1)),
    "a MAC of zeros": lambda of: of.with_mac(bytes(20)),
    "a MAC under m1": lambda of: of.with_mac(_mac(of.own[1], of.message.raw("encrypted_signature"))),
    "a MAC under the other direction's key": lambda of: of.with_mac(
        _mac(of.opposite[2], of.message.raw("encrypted_signature"))
    ),
    "a MAC that leaves out the length": lambda of: of.with_mac(_mac(of.own[2], of.message.data("encrypted_signature"))),
    "the last 20 bytes of the MAC": lambda of: of.with_mac(
        hmac.digest(of.own[2], of.message.raw("encrypted_signature"), "sha256")[-20:]
    ),
    "a MAC made with SHA-1": lambda of: of.with_mac(
        hmac.digest(of.own[2], of.message.raw("encrypted_signature"), "sha1")
    ),
}

#: Signatures that are not the signer's of M, in an X with the right MAC.
WRONG_SIGNATURES: Lies = {
    "a signature with another key than the one shown": lambda of: of.signing(of.m(), signer=published_key("bob")),
    "another's public key with one's own signature": lambda of: _as_bob(of),
    "a signature with one bit inverted": lambda of: of.with_block(flipped(of.block, 0)),
    "a signature of zeros": lambda of: of.with_block(of.identity + bytes(40)),
    "a signature of the D-H values in the wrong order": lambda of: of.signing(
        of.m((mpi(of.theirs), mpi(of.ours), of.identity))
    ),
    "a signature without the signer's D-H value": lambda of: of.signing(of.m((mpi(of.theirs), of.identity))),
    "a signature without the other D-H value": lambda of: of.signing(of.m((mpi(of.ours), of.identity))),
    "a signature of the D-H values without lengths": lambda of: of.signing(
        of.m((mpi(of.ours)[4:], mpi(of.theirs)[4:], of.identity))
    ),
    "a signature without the public key": lambda of: of.signing(of.m((mpi(of.ours), mpi(of.theirs), of.identity[-4:]))),
    "a signature without the key id": lambda of: of.signing(of.m((mpi(of.ours), mpi(of.theirs), of.identity[:-4]))),
    "a key id that was changed after signing": lambda of: of.with_block(
        of.identity[:-1] + bytes([of.identity[-1] + 1]) + of.block[-40:]
    ),
    "a signature of a MAC under m2": lambda of: of.signing(of.m(key=of.own[2])),
    "a signature of a MAC under the other direction's key": lambda of: of.signing(of.m(key=of.opposite[1])),
}

#: Signatures of something made from M, which is to be signed as it is.
HASHED_AGAIN: Lies = {
    "a signature of the SHA-256 of M": lambda of: of.signing(hashlib.sha256(of.m()).digest()),
    "a signature of the SHA-1 of M": lambda of: of.signing(hashlib.sha1(of.m()).digest()),
    "a signature of the first 20 bytes of M": lambda of: of.signing(of.m()[:20]),
}

#: X under wrong keys and counters, with a MAC that fits.
WRONG_ENCRYPTION: Lies = {
    "X in the clear": lambda of: of.with_encrypted(of.block),
    "X encrypted under the other direction's key": lambda of: of.with_encrypted(
        crypto.aes_ctr(of.opposite[0], bytes(8), of.block)
    ),
    "X encrypted with counter 1": lambda of: of.with_encrypted(crypto.aes_ctr(of.own[0], (1).to_bytes(8), of.block)),
    "X encrypted under m2": lambda of: of.with_encrypted(crypto.aes_ctr(of.own[2][:16], bytes(8), of.block)),
}

#: X cut short or in another order, with everything else as it must be.
WRONG_STRUCTURE: Lies = {
    "an empty X": lambda of: of.with_block(b""),
    "an X that ends in the type": lambda of: of.with_block(of.block[:1]),
    "an X that ends in the public key": lambda of: of.with_block(of.block[:100]),
    "an X that ends after the public key": lambda of: of.with_block(of.block[:-44]),
    "an X that ends after the key id": lambda of: of.with_block(of.block[:-40]),
    "an X without its last byte": lambda of: of.with_block(of.block[:-1]),
    "an X with the signature before the key id": lambda of: of.with_block(
        of.block[:-44] + of.block[-40:] + of.block[-44:-40]
    ),
    "an X with the key id first": lambda of: of.with_block(of.block[-44:-40] + of.block[:-44] + of.block[-40:]),
}

#: The message itself cut short, and its lengths wrong.
WRONG_FIELDS: Lies = {
    "a message without its last byte": lambda of: wire.armour(of.message.body[:-1]),
    "a message without MAC": lambda of: wire.armour(of.message.body[:-20]),
    "a message that ends in the encrypted signature": lambda of: wire.armour(of.message.body[:-60]),
    "a message whose encrypted signature is longer than the rest": lambda of: wire.build(
        of.message.with_raw("encrypted_signature", (1 << 16).to_bytes(4) + of.message.data("encrypted_signature"))
    ),
    "a message whose encrypted signature claims 4 GB": lambda of: wire.build(
        of.message.with_raw("encrypted_signature", b"\xff\xff\xff\xff" + of.message.data("encrypted_signature"))
    ),
    "a message without encrypted signature": lambda of: wire.build(of.message.with_raw("encrypted_signature", b"")),
}

#: Key id 0, rightly signed.
KEY_ID_0: Lies = {
    "key id 0": lambda of: of.signing(of.m(identity=_renumbered(of, 0)), identity=_renumbered(of, 0)),
}


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:20]


def _renumbered(of: Genuine, keyid: int) -> bytes:
    return of.identity[:-4] + keyid.to_bytes(4)


def _as_bob(of: Genuine) -> bytes:
    identity = public_key(published_key("bob").public) + of.identity[-4:]
    return of.signing(of.m(identity=identity), identity=identity)
