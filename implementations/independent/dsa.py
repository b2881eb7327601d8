"""Long-term DSA keys: their encoding, fingerprint, and raw signatures over a number.

The protocol signs a 32-byte MAC without hashing it again, and PyCryptodome's signature classes insist on a hash
object, so both halves of DSA are done on integers here. [Public keys, signatures, and fingerprints]
"""

from __future__ import annotations

import struct
from typing import Final

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

from .primitives import inverse, power, sha1
from .wire import Reader, encode_mpi

#: The only pubkey type there is. [KEYS-PUBKEY-2]
DSA_TYPE: Final = 0x0000

#: Bytes of r and of s, the length of q. [KEYS-SIG-2]
HALF_SIZE: Final = 20
SIGNATURE_SIZE: Final = 2 * HALF_SIZE

#: Bytes drawn for a nonce; 64 bits more than q has, which makes the bias of the reduction negligible.
NONCE_SIZE: Final = 28

_P_BITS: Final = frozenset({1024, 2048, 3072})
_Q_BITS: Final = 160


def _encode_parameters(key: DsaPublicKey) -> bytes:
    return b"".join(map(encode_mpi, (key.p, key.q, key.g, key.y)))


def encode_public_key(key: DsaPublicKey) -> bytes:
    """PUBKEY: type, p, q, g, y. [KEYS-PUBKEY-3]"""
    return struct.pack(">H", DSA_TYPE) + _encode_parameters(key)


def read_public_key(reader: Reader) -> tuple[int, DsaPublicKey]:
    """The pubkey type and the parameters, not yet judged. Raises Fault if the structure is wrong."""
    kind = reader.number("pubkey_type", 2)
    return kind, DsaPublicKey(reader.mpi("p"), reader.mpi("q"), reader.mpi("g"), reader.mpi("y"))


def fingerprint(key: DsaPublicKey) -> bytes:
    """SHA-1 of the encoded key without its two type bytes, 20 bytes. [KEYS-FPR-1, KEYS-FPR-2]

    All that shows, compares or hashes a fingerprint gets it from here. [KEYS-FPR-3] The hashed bytes tell where each
    number ends, so different keys give different bytes. [KEYS-FPR-5]
    """
    return sha1(_encode_parameters(key))


def acceptable(key: DsaPublicKey) -> bool:
    """Whether the parameters are in their ranges. [choice keys.dsa-ranges; KEYS-PARAMS-1]

    Not every size of p is accepted: this is the option "ranges" of the reading KEYS-DSA-CHECK. [KEYS-PARAMS-2]
    """
    return key.p.bit_length() in _P_BITS and key.q.bit_length() == _Q_BITS and 1 < key.g < key.p and 1 < key.y < key.p


def sign(key: DsaPrivateKey, digest: bytes, nonce: bytes) -> bytes:
    """SIG: r and s, 20 bytes each, over `digest` as a big-endian number modulo q. [KEYS-SIG-1, KEYS-SIG-4]

    nonce: NONCE_SIZE random bytes, reduced to [1, q - 1].
    """
    public = key.public
    k = int.from_bytes(nonce, "big") % (public.q - 1) + 1
    k_inverse = inverse(k, public.q)
    if k_inverse is None:
        raise ArithmeticError("the nonce has no inverse, so q of our own key is not prime; generate another DSA key")
    r = power(public.g, k, public.p) % public.q
    s = k_inverse * (int.from_bytes(digest, "big") + key.x * r) % public.q
    # Padded with zero bytes, for one half in 256 is shorter. [ROBUST-AGREE-1]
    return r.to_bytes(HALF_SIZE, "big") + s.to_bytes(HALF_SIZE, "big")


def verify(key: DsaPublicKey, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` is a SIG over `digest` by an acceptable key. False when s has no inverse. [KEYS-SIG-4]"""
    r = int.from_bytes(signature[:HALF_SIZE], "big")  # whatever zero bytes come first [KEYS-SIG-3]
    s = int.from_bytes(signature[HALF_SIZE:], "big")
    if not (0 < r < key.q and 0 < s < key.q):
        return False  # [KEYS-SIG-5]
    w = inverse(s, key.q)
    if w is None:
        return False
    u1 = int.from_bytes(digest, "big") * w % key.q
    u2 = r * w % key.q
    v = power(key.g, u1, key.p) * power(key.y, u2, key.p) % key.p % key.q
    return v == r
