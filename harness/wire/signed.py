"""Signed handshake messages with everything they were made from, so that they can be remade with one thing wrong.

The signer of a Reveal Signature or Signature Message knows the keys of the handshake, and so can remake the message
with another block X (encrypted, and under the right MAC), another signature or another MAC. Scenarios send such
messages to any target, and insiders use them in random runs. [Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from otterproof.harness.wire import crypto
from otterproof.harness.wire.fields import Type, encode
from otterproof.harness.wire.layouts import DH_PRIME
from otterproof.harness.wire.message import Message, build
from otterproof.harness.wire.numbers import dsa_sign, mpi, power
from otterproof.implementations.contract import DsaPrivateKey

#: The nonce of a recomputed signature; nobody can tell it from any other.
NONCE = 0x1234567890ABCDEF1234567


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A Reveal Signature Message (or, primed, a Signature Message), and everything it was made from.

    ours, theirs: the D-H public values of the sender and of the receiver. others: keys that are not the sender's.
    """

    message: Message
    keys: crypto.HandshakeKeys
    primed: bool
    ours: int
    theirs: int
    signer: DsaPrivateKey
    others: tuple[DsaPrivateKey, ...]

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
        """The public key and key id at the beginning of X."""
        return self.block[:-40]

    @property
    def raw(self) -> bytes:
        return build(self.message)

    def with_mac(self, mac: bytes) -> bytes:
        return build(self.message.with_value("mac", mac))

    def with_encrypted(self, encrypted: bytes) -> bytes:
        """With other bytes as the encrypted signature, and the right MAC over them."""
        mac = hmac.digest(self.own[2], encode(Type.DATA, encrypted, "encrypted_signature"), "sha256")[:20]
        return build(self.message.with_value("encrypted_signature", encrypted).with_value("mac", mac))

    def with_block(self, block: bytes) -> bytes:
        return self.with_encrypted(crypto.aes_ctr(self.own[0], bytes(8), block))

    def m(
        self, parts: tuple[bytes, ...] | None = None, key: bytes | None = None, identity: bytes | None = None
    ) -> bytes:
        """M, or what it would be for other parts, another key or another identity."""
        right = (mpi(self.ours), mpi(self.theirs), self.identity if identity is None else identity)
        return hmac.digest(key or self.own[1], b"".join(right if parts is None else parts), "sha256")

    def signing(self, value: bytes, identity: bytes | None = None, signer: DsaPrivateKey | None = None) -> bytes:
        """With a signature over `value` in place of M."""
        return self.with_signature(dsa_sign(signer or self.signer, value, NONCE), identity)

    def with_signature(self, signature: tuple[int, int], identity: bytes | None = None) -> bytes:
        """With r and s as the signature."""
        r, s = signature
        return self.with_block((self.identity if identity is None else identity) + r.to_bytes(20) + s.to_bytes(20))

    def with_identity(self, identity: bytes, signer: DsaPrivateKey | None = None) -> bytes:
        """With another public key or key id, and a valid signature over it."""
        return self.signing(self.m(identity=identity), identity, signer)


def secrets_of(public: int, theirs: int) -> tuple[int, ...]:
    """The possible shared secrets for a D-H value whose exponent nobody has; empty if they are not known.

    They are known for 0, 1, -1, -2 and powers of 2 modulo p. Where two are given, the first is right for 2; for the
    other values it is a guess.
    """
    if 2 < public < DH_PRIME and public.bit_count() == 1:
        return (power(theirs, public.bit_length() - 1),)
    either = (theirs, DH_PRIME - theirs)
    known = {0: (0,), 1: (1,), 2: either, DH_PRIME - 2: either, DH_PRIME - 1: (1, DH_PRIME - 1)}
    return known.get(public % DH_PRIME, ())
