"""Wrong handshake messages: each has one mistake, everything else is right, and no session may follow.

Scenarios send them to any target, and insiders use them in random runs. Each is made from something genuine: a signed
message, or the g^x of a commit. [D-H Commit Message, Reveal Signature Message, Signature Message]
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import TypeAlias

from otterproof.harness.wire import crypto
from otterproof.harness.wire.fields import Type, encode
from otterproof.harness.wire.layouts import DH_GENERATOR, DH_PRIME
from otterproof.harness.wire.numbers import mpi, public_key
from otterproof.harness.wire.signed import SignedMessage

Lie: TypeAlias = Callable[[SignedMessage], bytes]
Lies: TypeAlias = Mapping[str, Lie]

#: Wrong MACs of the encrypted signature.
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
    "a MAC that covers the header as well": lambda of: of.with_mac(
        _mac(of.own[2], of.message.body[: of.message.field("mac").offset])
    ),
    "a MAC over X before its encryption": lambda of: of.with_mac(_mac(of.own[2], encode(Type.DATA, of.block, "X"))),
    "a MAC that leaves out the end of the encrypted signature": lambda of: of.with_mac(
        _mac(of.own[2], of.message.raw("encrypted_signature")[:-40])
    ),
}

#: The wrong MACs of a Reveal Signature Message, which has one more.
WRONG_REVEAL_MACS: Lies = {
    **WRONG_MACS,
    "a MAC that covers the revealed key as well": lambda of: of.with_mac(
        _mac(of.own[2], of.message.raw("revealed_key") + of.message.raw("encrypted_signature"))
    ),
}

#: Signatures that are not the signer's signature over M, in an X with the right MAC.
WRONG_SIGNATURES: Lies = {
    "a signature by another key than the one in X": lambda of: of.signing(of.m(), signer=of.others[0]),
    "another's public key and the sender's own signature": lambda of: _as_another(of),
    "a signature with one bit inverted": lambda of: of.with_block(flipped(of.block, 0)),
    "a signature of zeros": lambda of: of.with_block(of.identity + bytes(40)),
    "a signature over the D-H values in the wrong order": lambda of: of.signing(
        of.m((mpi(of.theirs), mpi(of.ours), of.identity))
    ),
    "a signature that leaves out the signer's D-H value": lambda of: of.signing(of.m((mpi(of.theirs), of.identity))),
    "a signature that leaves out the other D-H value": lambda of: of.signing(of.m((mpi(of.ours), of.identity))),
    "a signature over the D-H values without their lengths": lambda of: of.signing(
        of.m((mpi(of.ours)[4:], mpi(of.theirs)[4:], of.identity))
    ),
    "a signature that leaves out the public key": lambda of: of.signing(
        of.m((mpi(of.ours), mpi(of.theirs), of.identity[-4:]))
    ),
    "a signature that leaves out both D-H values": lambda of: of.signing(of.m((of.identity,))),
    "a signature that leaves out the type of the public key": lambda of: of.signing(
        of.m((mpi(of.ours), mpi(of.theirs), of.identity[2:]))
    ),
    "a signature that leaves out the key id": lambda of: of.signing(
        of.m((mpi(of.ours), mpi(of.theirs), of.identity[:-4]))
    ),
    "a key id that was changed after signing": lambda of: of.with_block(
        of.identity[:-1] + bytes([(of.identity[-1] + 1) % 256]) + of.block[-40:]
    ),
    "a signature over a MAC under m2": lambda of: of.signing(of.m(key=of.own[2])),
    "a signature over a MAC under the other direction's key": lambda of: of.signing(of.m(key=of.opposite[1])),
}

#: Signatures over a value derived from M; the protocol signs M as it is.
HASHED_AGAIN: Lies = {
    "a signature over the SHA-256 hash of M": lambda of: of.signing(hashlib.sha256(of.m()).digest()),
    "a signature over the SHA-1 hash of M": lambda of: of.signing(hashlib.sha1(of.m()).digest()),
    "a signature over the first 20 bytes of M": lambda of: of.signing(of.m()[:20]),
}

#: X encrypted wrongly, with a MAC that fits.
WRONG_ENCRYPTION: Lies = {
    "X in the clear": lambda of: of.with_encrypted(of.block),
    "X encrypted under the other direction's key": lambda of: of.with_encrypted(
        crypto.aes_ctr(of.opposite[0], bytes(8), of.block)
    ),
    "X encrypted with counter 1": lambda of: of.with_encrypted(crypto.aes_ctr(of.own[0], (1).to_bytes(8), of.block)),
    "X encrypted under m2": lambda of: of.with_encrypted(crypto.aes_ctr(of.own[2][:16], bytes(8), of.block)),
}

#: X cut short, or with its parts in another order; all else is right.
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

#: What a commit encrypts in place of a well-formed MPI; the hash fits.
MALFORMED_GX: Mapping[str, Callable[[bytes], bytes]] = {
    "g^x without its length": lambda content: content[4:],
    "g^x cut short": lambda content: content[:-1],
    "a length beyond the end": lambda content: (len(content) - 4 + 64).to_bytes(4) + content[4:],
    "a length of 4 GB": lambda content: b"\xff\xff\xff\xff" + content[4:],
    "a length that is too small": lambda content: max(len(content) - 4 - 32, 0).to_bytes(4) + content[4:],
    "a byte before the MPI": lambda content: b"\0" + content,
    "nothing at all": lambda _: b"",
    "half a length": lambda content: content[:2],
}

#: Hashes in a commit that do not match the MPI in it.
WRONG_HASHES: Mapping[str, Callable[[bytes], bytes]] = {
    "a hash with its last bit inverted": lambda content: flipped(hashlib.sha256(content).digest(), 0),
    "a hash with its first bit inverted": lambda content: flipped(hashlib.sha256(content).digest(), -1),
    "a hash of zeros": lambda _: bytes(32),
    "the hash of another value": lambda content: hashlib.sha256(_twice(content)).digest(),
    "the hash without the length": lambda content: hashlib.sha256(content[4:]).digest(),
    "a SHA-1 hash": lambda content: hashlib.sha1(content).digest(),
    "an empty hash": lambda _: b"",
    "a hash cut short": lambda content: hashlib.sha256(content).digest()[:-1],
    "a hash with an extra byte": lambda content: hashlib.sha256(content).digest() + b"\0",
}


def _twice(content: bytes) -> bytes:
    """The MPI of g^(x+1)."""
    return mpi(int.from_bytes(content[4:]) * DH_GENERATOR % DH_PRIME)


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit inverted; bits count from the last one, and -1 is the first."""
    mask = 1 << (bit % (8 * len(data)))
    return (int.from_bytes(data) ^ mask).to_bytes(len(data))


def _mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")[:20]


def _as_another(of: SignedMessage) -> bytes:
    return of.with_identity(public_key(of.others[0].public) + of.identity[-4:])
