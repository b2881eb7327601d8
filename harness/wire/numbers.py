"""Arithmetic of the protocol: powers in the D-H group, MPIs, public keys and DSA signatures.

The harness computes with its own code, so that an insider can face any target and an oracle can judge any engine
without relying on the code it judges. ["Data types", "D-H Commit Message"]
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from functools import lru_cache

from cryptography.utils import CryptographyDeprecationWarning

from otterproof.harness.wire.fields import Type, encode, write
from otterproof.harness.wire.layouts import DH_GENERATOR, DH_PRIME, PUBLIC_KEY
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

with warnings.catch_warnings():  # importing these names warns that a later release removes them
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    from cryptography.hazmat.primitives.asymmetric.dh import DHParameterNumbers, DHPrivateNumbers, DHPublicNumbers

_GROUP = DHParameterNumbers(DH_PRIME, DH_GENERATOR)
_GENERATOR = DHPublicNumbers(DH_GENERATOR, _GROUP)

#: The largest valid group element.
_LARGEST = DH_PRIME - 2


def in_group(value: int) -> bool:
    """Whether a received group element is from 2 to p - 2, inclusive. [AKE-VALID-3, SMPMATH-RANGE-15]"""
    return 2 <= value <= _LARGEST


@lru_cache(maxsize=1 << 15)
def power(base: int, exponent: int) -> int:
    """base ** exponent modulo p; cached, since the insider sends many variants of one message.

    It uses a D-H exchange of the library, which takes a tenth of the time of `pow`. An exchange can't give 1 or p-1,
    and needs a public key from 2 to p-2.
    """
    if not in_group(base) or exponent % (DH_PRIME // 2) == 0:
        return pow(base, exponent, DH_PRIME)
    private = DHPrivateNumbers(exponent % (DH_PRIME - 1), _GENERATOR).private_key()
    return int.from_bytes(private.exchange(DHPublicNumbers(base, _GROUP).public_key()))


def mpi(number: int) -> bytes:
    return encode(Type.MPI, number, "MPI")


def public_key(key: DsaPublicKey, kind: int = 0) -> bytes:
    """The PUBKEY encoding of a key, with any type."""
    return write(PUBLIC_KEY, (kind, key.p, key.q, key.g, key.y))


def fingerprint(key: DsaPublicKey) -> bytes:
    return hashlib.sha1(public_key(key)[2:]).digest()


#: The hexadecimal digits of an exponent in a signature.
_DIGITS = 40


@lru_cache(maxsize=32)
def _by_digit(base: int, modulus: int) -> tuple[tuple[int, ...], ...]:
    """For each position of a hexadecimal digit in an exponent of 160 bits, the powers that the 16 digits stand for."""
    table = []
    for _ in range(_DIGITS):
        powers = [1, base]
        while len(powers) <= 16:
            powers.append(powers[-1] * base % modulus)
        base = powers.pop()
        table.append(tuple(powers))
    return tuple(table)


def _dsa_power(base: int, exponent: int, modulus: int) -> int:
    """base ** exponent modulo p, for the g and y of keys that come again and again, in a fifth of the time of `pow`."""
    product = 1
    for powers in _by_digit(base, modulus):
        exponent, digit = divmod(exponent, 16)
        product = product * powers[digit] % modulus
    return product


@lru_cache(maxsize=4096)
def dsa_sign(key: DsaPrivateKey, value: bytes, nonce: int) -> tuple[int, int]:
    """The signature (r, s) of a value, which is taken as a number modulo q. nonce: from 1 to q - 1."""
    return next(dsa_signatures(key, value, nonce))


def dsa_signatures(key: DsaPrivateKey, value: bytes, nonce: int) -> Iterator[tuple[int, int]]:
    """Signatures as `dsa_sign` makes them, with this nonce and the next ones, each in a tenth of the time."""
    p, q, g = key.public.p, key.public.q, key.public.g
    power = _dsa_power(g, nonce, p)
    while True:
        r = power % q
        yield r, pow(nonce, -1, q) * (int.from_bytes(value) + key.x * r) % q
        power, nonce = power * g % p, nonce + 1


def dsa_verifies(key: DsaPublicKey, value: bytes, signature: bytes) -> bool:
    """Whether r and s, 20 bytes each, are a key's signature of a value, which is taken as a number modulo q."""
    r, s = int.from_bytes(signature[:20]), int.from_bytes(signature[20:])
    if not (0 < r < key.q and 0 < s < key.q):
        return False
    w = pow(s, -1, key.q)
    u1, u2 = int.from_bytes(value) * w % key.q, r * w % key.q
    power = _dsa_power if key.q.bit_length() <= _DIGITS * 4 else pow
    return power(key.g, u1, key.p) * power(key.y, u2, key.p) % key.p % key.q == r
