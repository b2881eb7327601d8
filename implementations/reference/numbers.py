"""The cryptography that OTR needs, each primitive once: exponentiation, AES-CTR, hashes and MACs, DSA.

Everything that leaves this module is bytes or integers, so that no other module knows which library does the work. The
library's finite-field Diffie-Hellman is announced to go away in a later release; should that happen, `power` is the
one function to change.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.utils import CryptographyDeprecationWarning

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

with warnings.catch_warnings():  # the library warns when these names are looked up, so look them up once, here
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    from cryptography.hazmat.primitives.asymmetric.dh import DHParameterNumbers, DHPrivateNumbers, DHPublicNumbers

#: The 1536-bit group of RFC 3526, its generator and the order of its large subgroup.
#: [Encoded messages; TYPES-GROUP-1, TYPES-GROUP-2]
P = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    16,
)
G = 2
Q = (P - 1) // 2

#: Bytes of q, of r and of s. Other sizes of q are refused. [Public keys, signatures, and fingerprints; KEYS-SIG-2]
DSA_PART = 20

_GROUP = DHParameterNumbers(P, G)
_GENERATOR = DHPublicNumbers(G, _GROUP)


def in_group(element: int) -> bool:
    """Whether 2 <= element <= p - 2, as every element from the wire must be. [AKE-VALID-3, SMPMATH-RANGE-15]"""
    return 2 <= element <= P - 2


class Exponent:
    """A secret exponent, ready to be applied to several bases.

    The library offers exponentiation as a D-H exchange: a private key applied to a public key. It dies of what no
    exchange can have: a base outside [2, p-2], or an exponent that makes the result 1 or p-1, that is a multiple of
    (p-1)/2. Those few are computed without it.
    """

    __slots__ = ("_private", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._private = DHPrivateNumbers(number % (P - 1), _GENERATOR).private_key() if number % Q else None

    def applied_to(self, base: int) -> int:
        """base ** exponent modulo p. [TYPES-GROUP-3]"""
        if self._private is None or not in_group(base):
            return pow(base, self.number, P)
        return int.from_bytes(self._private.exchange(DHPublicNumbers(base, _GROUP).public_key()))


def power(base: int, exponent: int) -> int:
    """base ** exponent modulo p."""
    return Exponent(exponent).applied_to(base)


def aes_ctr(key: bytes, counter_top: bytes, data: bytes) -> bytes:
    """AES128-CTR, both ways; the initial counter is the 8 bytes `counter_top` and 8 zero bytes. [DATA-ENC-2]

    The result is as long as `data`: CTR needs no padding. [COMMIT-GX-5, DATA-ENC-3]
    """
    return Cipher(AES(key), CTR(counter_top + bytes(8))).encryptor().update(data)


def sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hmac_sha1(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha1")


def hmac_sha256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def same(left: bytes, right: bytes) -> bool:
    """Equality in constant time, for MACs and hashes."""
    return hmac.compare_digest(left, right)


def acceptable(key: DsaPublicKey) -> bool:
    """Whether a key's parameters are in the ranges given at DsaPublicKey.

    Of the sizes of p, those that the library can use are accepted.
    [KEYS-PARAMS-1, KEYS-PARAMS-2; choice keys.dsa-ranges]
    """
    return (
        key.p.bit_length() in (1024, 2048, 3072)
        and key.q.bit_length() == 8 * DSA_PART
        and 1 < key.g < key.p
        and 1 < key.y < key.p
    )


@lru_cache(maxsize=64)
def _powers(base: int, modulus: int) -> tuple[tuple[int, ...], ...]:
    """Row i: base ** (d * 16 ** i) for each hexadecimal digit d, for exponents as long as q."""
    rows = []
    for _ in range(2 * DSA_PART):
        row = [1]
        for _ in range(15):
            row.append(row[-1] * base % modulus)
        rows.append(tuple(row))
        base = row[-1] * base % modulus
    return tuple(rows)


def _fixed_base_power(base: int, exponent: int, modulus: int) -> int:
    """base ** exponent mod modulus for a base that comes again and again: a product for each digit of the exponent.

    As a D-H exchange this would cost the library a primality test of p, and `pow` is several times slower.
    """
    result = 1
    for row in _powers(base, modulus):
        result = result * row[exponent & 15] % modulus
        exponent >>= 4
    return result


def sign(key: DsaPrivateKey, digest: bytes, nonce: int) -> bytes | None:
    """A DSA signature (40 bytes) of `digest` taken as an integer modulo q, or None when this nonce gives none.

    [KEYS-SIG-1, KEYS-SIG-4]
    """
    p, q, g = key.public.p, key.public.q, key.public.g
    r = _fixed_base_power(g, nonce, p) % q
    s = pow(nonce, -1, q) * (int.from_bytes(digest) + key.x * r) % q
    if r == 0 or s == 0:
        return None
    return r.to_bytes(DSA_PART) + s.to_bytes(DSA_PART)


def verify(key: DsaPublicKey, digest: bytes, signature: bytes) -> bool:
    """Check a 40-byte signature.

    The library would keep the leftmost 160 bits of a longer digest, where OTR wants the value modulo q; it is
    therefore given the reduced value. [KEYS-SIG-3, KEYS-SIG-4]
    """
    r, s = int.from_bytes(signature[:DSA_PART]), int.from_bytes(signature[DSA_PART:])
    if not (0 < r < key.q and 0 < s < key.q):
        return False  # [KEYS-SIG-5]
    reduced = (int.from_bytes(digest) % key.q).to_bytes(DSA_PART)
    numbers = dsa.DSAPublicNumbers(key.y, dsa.DSAParameterNumbers(key.p, key.q, key.g))
    try:
        numbers.public_key().verify(encode_dss_signature(r, s), reduced, Prehashed(SHA1()))
    except (InvalidSignature, ValueError):  # ValueError: parameters that the library can't use
        return False
    return True
