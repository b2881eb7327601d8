"""What the holder of keys can do to a message: decrypt it, encrypt it again, and compute the right MAC.

For the forger, who has MAC keys that were revealed, and the insider, who is a peer. The key derivation here shares no
code with either engine. [Computing AES keys, MAC keys, and the secure session id; Revealing MAC keys]
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from otterproof.harness.wire.fields import FieldError, Type, encode
from otterproof.harness.wire.message import Message
from otterproof.implementations.values import quickly_made


def secbytes(secret: int) -> bytes:
    """A shared secret as all hashes take it: an MPI."""
    return encode(Type.MPI, secret, "s")


def h1(byte: int, secret: int) -> bytes:
    return hashlib.sha1(bytes([byte]) + secbytes(secret)).digest()


def h2(byte: int, secret: int) -> bytes:
    return hashlib.sha256(bytes([byte]) + secbytes(secret)).digest()


@quickly_made
@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys derived from one pair of D-H keys, as the owner of the key `ours` uses them."""

    sending_aes: bytes
    sending_mac: bytes
    receiving_aes: bytes
    receiving_mac: bytes
    extra_key: bytes


def session_keys(ours: int, theirs: int, secret: int) -> SessionKeys:
    """The session keys from both public values and the shared secret."""
    send, receive = (b"\1", b"\2") if ours > theirs else (b"\2", b"\1")
    hashed = secbytes(secret)  # computed once, as oracles derive many keys
    sending, receiving = hashlib.sha1(send + hashed).digest()[:16], hashlib.sha1(receive + hashed).digest()[:16]
    macs = hashlib.sha1(sending).digest(), hashlib.sha1(receiving).digest()
    return SessionKeys(sending, macs[0], receiving, macs[1], hashlib.sha256(b"\xff" + hashed).digest())


@dataclass(frozen=True, slots=True)
class HandshakeKeys:
    """The seven values of a handshake; the primed ones are those of the Signature Message."""

    ssid: bytes
    c: bytes
    c_primed: bytes
    m1: bytes
    m2: bytes
    m1_primed: bytes
    m2_primed: bytes


def handshake_keys(secret: int) -> HandshakeKeys:
    both = h2(1, secret)
    return HandshakeKeys(h2(0, secret)[:8], both[:16], both[16:], *(h2(byte, secret) for byte in (2, 3, 4, 5)))


def aes_ctr(key: bytes, top: bytes, data: bytes) -> bytes:
    """AES128-CTR, for both encryption and decryption. top: the first 8 bytes of the initial counter; the rest are 0."""
    return Cipher(AES(key), CTR(top + bytes(8))).encryptor().update(data)


def data_mac(message: Message, key: bytes) -> bytes:
    """The right authenticator of a data message under a MAC key, 20 bytes."""
    return hmac.digest(key, message.mac_input(), "sha1")


def mac_data(message: Message, key: bytes) -> Message:
    """The data message with the right authenticator."""
    return message.with_value("mac", data_mac(message, key))


def verifies(message: Message, key: bytes) -> bool:
    """Whether a data message's authenticator is right under a MAC key."""
    return hmac.compare_digest(message.data("mac"), data_mac(message, key))


def decrypt_data(message: Message, aes_key: bytes) -> bytes:
    """The plaintext of a data message."""
    return aes_ctr(aes_key, message.data("ctr"), message.data("encrypted_message"))


def encrypt_data(message: Message, aes_key: bytes, plaintext: bytes) -> Message:
    """The data message with another plaintext; its authenticator is then wrong."""
    return message.with_value("encrypted_message", aes_ctr(aes_key, message.data("ctr"), plaintext))


def signature_block(message: Message, c: bytes) -> bytes:
    """X, decrypted with c (Reveal Signature) or c' (Signature)."""
    return aes_ctr(c, bytes(8), message.data("encrypted_signature"))


def with_signature_block(message: Message, block: bytes, c: bytes, m2: bytes) -> Message:
    """The message with another X, encrypted and with the right MAC."""
    if not message.has("encrypted_signature"):
        raise FieldError(f"a {message.kind} message has no signature block; Reveal Signature and Signature have one")
    changed = message.with_value("encrypted_signature", aes_ctr(c, bytes(8), block))
    return changed.with_value("mac", hmac.digest(m2, changed.raw("encrypted_signature"), "sha256")[:20])


def committed_gxmpi(message: Message, r: bytes) -> bytes:
    """The gxmpi in a D-H Commit, decrypted with the revealed key. [D-H Commit Message]"""
    return aes_ctr(r, bytes(8), message.data("encrypted_gx"))


def with_gxmpi(message: Message, gxmpi: bytes, r: bytes) -> Message:
    """The D-H Commit with another gxmpi, well formed or not, encrypted and hashed correctly."""
    changed = message.with_value("encrypted_gx", aes_ctr(r, bytes(8), gxmpi))
    return changed.with_value("hashed_gx", hashlib.sha256(gxmpi).digest())
