"""The signed half of the handshake: making and opening X, the proof that both signature messages carry.

The Reveal Signature and the Signature Message differ only in whose keys come first and which derived keys are used.
[Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey, RejectReason

from . import dsa
from .derive import SignatureKeys
from .primitives import MAC_SIZE, aes_ctr, same, sha256, sha256_hmac
from .wire import Fault, Reader, SealedSignature, encode_data, encode_mpi


@dataclass(frozen=True, slots=True)
class Identity:
    """What an opened X proves: whose key it is, and the id of the D-H key that it was made for."""

    key: DsaPublicKey
    keyid: int


def _signed_value(m1: bytes, signer_dh: int, other_dh: int, key: DsaPublicKey, keyid: int) -> bytes:
    """M_B or M_A, 32 bytes. [REVEAL-SIG-5, SIG-SIG-5]"""
    parts = (encode_mpi(signer_dh), encode_mpi(other_dh), dsa.encode_public_key(key), struct.pack(">I", keyid))
    return sha256_hmac(m1, b"".join(parts))


def _outer_mac(m2: bytes, encrypted: bytes) -> bytes:
    """The MAC of the encrypted signature, with the length in front of it.
    [REVEAL-MAC-1, REVEAL-MAC-2, SIG-MAC-1, SIG-MAC-2]
    """
    return sha256_hmac(m2, encode_data(encrypted))[:MAC_SIZE]


def seal(
    keys: SignatureKeys, key: DsaPrivateKey, nonce: bytes, keyid: int, our_dh: int, their_dh: int
) -> SealedSignature:
    """Prove that `key` made our half; nonce is dsa.NONCE_SIZE random bytes.

    The signature is over the 32 bytes themselves. [REVEAL-SIG-7, SIG-SIG-7] It and the public key leave only in X,
    encrypted. [AKE-OUTLINE-3]
    """
    signature = dsa.sign(key, _signed_value(keys.m1, our_dh, their_dh, key.public, keyid), nonce)
    x = dsa.encode_public_key(key.public) + struct.pack(">I", keyid) + signature  # [REVEAL-SIG-6, SIG-SIG-6]
    encrypted = aes_ctr(keys.c, x)  # [REVEAL-SIG-8, SIG-SIG-8]
    return SealedSignature(encrypted, _outer_mac(keys.m2, encrypted))


def unseal(keys: SignatureKeys, sealed: SealedSignature, our_dh: int, their_dh: int) -> Identity:
    """Check their proof. Raises Fault. [choice handshake.signature-check-order]

    Only the keys of this handshake and of this direction open it. [SIG-REPLAY-1, SIG-REPLAY-2]
    """
    if not same(_outer_mac(keys.m2, sealed.encrypted), sealed.mac):
        raise Fault(RejectReason.BAD_MAC)  # [AKE-VERIFY-2, AKE-VERIFY-4]
    reader = Reader(aes_ctr(keys.c, sealed.encrypted))
    pubkey_type, key = dsa.read_public_key(reader)
    keyid = reader.number("keyid", 4)
    signature = reader.fixed("signature", dsa.SIGNATURE_SIZE)
    reader.end()  # [REVEAL-SIG-9, SIG-SIG-9]
    if pubkey_type != dsa.DSA_TYPE or not dsa.acceptable(key):
        raise Fault(RejectReason.BAD_PUBLIC_KEY)  # [KEYS-PUBKEY-4]
    if keyid == 0:
        raise Fault(RejectReason.BAD_KEY_ID)  # [REVEAL-SIG-3, SIG-SIG-3]
    if not dsa.verify(key, _signed_value(keys.m1, their_dh, our_dh, key, keyid), signature):
        raise Fault(RejectReason.BAD_SIGNATURE)  # [AKE-VERIFY-3, AKE-VERIFY-5]
    return Identity(key, keyid)  # any key id but 0 [REVEAL-SIG-4, SIG-SIG-4]


def open_commitment(revealed_key: bytes, encrypted_gx: bytes, hashed_gx: bytes) -> int:
    """The g^x that was committed to, not yet checked for its range. Raises Fault. [Receiving a Reveal Signature]

    It is one MPI of any length, with nothing after it. [COMMIT-GX-6, REVEAL-SIG-10]
    """
    gxmpi = aes_ctr(revealed_key, encrypted_gx)
    if not same(sha256(gxmpi), hashed_gx):
        raise Fault(RejectReason.BAD_COMMITMENT)  # [AKE-VERIFY-1]
    reader = Reader(gxmpi)
    gx = reader.mpi("gx")
    reader.end()
    return gx
