"""The cryptographic building blocks, all of them from PyCryptodome, behind names that fit the protocol text.

Everything that computes a hash, a MAC, a key stream or a power in this package does it here, so the rest reads like
the text and the library appears in one place. Integers are plain Python integers outside this module.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from Crypto.Cipher import AES
from Crypto.Hash import HMAC, SHA1, SHA256
from Crypto.Math.Numbers import Integer

#: The 1536-bit prime of RFC 3526. [Encoded messages; TYPES-GROUP-1]
P: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
    16,
)

#: The order of the subgroup in which SMP's proofs are made, and modulo which their D values are reduced.
#: [Socialist Millionaires' Protocol; SMPMATH-MODQ-1, SMPMATH-MODQ-2]
Q: Final = (P - 1) // 2

#: The generator, g in the handshake and g_1 in SMP. [TYPES-GROUP-2]
G: Final = 2

#: Bytes of a D-H exponent (320 bits) and of an SMP exponent (1536 bits). These sizes can't be seen from outside.
#: [COMMIT-GX-2, DHKEY-GY-1, KEYMGMT-START-2, SMPMATH-EXP-2, SMPMATH-EXP-6, SMPMATH-EXP-8]
DH_EXPONENT: Final = 40
SMP_EXPONENT: Final = 192

#: Bytes of a MAC on the wire, SHA1-HMAC or the first 160 bits of a SHA256-HMAC. [TYPES-MAC-1]
MAC_SIZE: Final = 20


def power(base: int, exponent: int, modulus: int = P) -> int:
    """base ** exponent mod modulus, for an exponent of 0 or more; the one place that exponentiates. [TYPES-GROUP-3]"""
    return int(pow(Integer(base), exponent, modulus))


def inverse(value: int, modulus: int = P) -> int | None:
    """The inverse of value modulo modulus, or None when it has none."""
    try:
        return int(Integer(value).inverse(modulus))
    except ValueError:
        return None


def quotient(numerator: int, denominator: int) -> int:
    """numerator / denominator in the group; the denominator is a group element already checked."""
    return numerator * int(Integer(denominator).inverse(P)) % P


def in_group(value: int) -> bool:
    """Whether a public value is legal, in [2, P - 2]. [Authenticated Key Exchange; AKE-VALID-3, SMPMATH-RANGE-15]"""
    return 2 <= value <= P - 2


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A D-H key pair of ours. [Key Management]"""

    private: int = field(repr=False)
    public: int

    @classmethod
    def from_bytes(cls, exponent: bytes) -> KeyPair:
        """The pair whose exponent is the given big-endian number, used as it is."""
        private = int.from_bytes(exponent, "big")
        return cls(private, power(G, private))


def sha1(data: bytes) -> bytes:
    return SHA1.new(data).digest()


def sha256(data: bytes) -> bytes:
    return SHA256.new(data).digest()


def sha1_hmac(key: bytes, data: bytes) -> bytes:
    """SHA1-HMAC, 20 bytes: the authenticator of a Data Message. [Data Message; DATA-MAC-1]"""
    return HMAC.new(key, data, SHA1).digest()


def sha256_hmac(key: bytes, data: bytes) -> bytes:
    """SHA256-HMAC, 32 bytes: M_B and M_A, and cut to 20 bytes the MAC'd signature. [Reveal Signature Message]"""
    return HMAC.new(key, data, SHA256).digest()


def same(left: bytes, right: bytes) -> bool:
    """Compare in a time that does not depend on where the two differ."""
    return hmac.compare_digest(left, right)


def aes_ctr(key: bytes, data: bytes, top_half: bytes = bytes(8)) -> bytes:
    """AES128-CTR, which encrypts and decrypts alike. The length stays the same. [COMMIT-GX-5, DATA-ENC-3]

    top_half: the first 8 bytes of the initial counter, the other 8 are 0. [Data Message; DATA-ENC-2]
    """
    cipher = AES.new(key, AES.MODE_CTR, nonce=b"", initial_value=top_half + bytes(8))
    return cipher.encrypt(data)
