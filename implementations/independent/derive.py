"""The keys derived from a Diffie-Hellman shared secret, in the handshake and for each pair of keys after it.

Both derivations hash one byte followed by `secbytes`, the secret as an MPI. The secret itself is not kept with the
results: what a session needs of it, the extra symmetric key included, is derived at once.
[Computing AES keys, MAC keys, and the secure session id; Extra symmetric key]
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .primitives import KeyPair, power, sha1, sha256
from .wire import encode_mpi


@dataclass(frozen=True, slots=True)
class SignatureKeys:
    """What one of the two signature messages is made with: (c, m1, m2), or (c', m1', m2')."""

    c: bytes = field(repr=False)
    m1: bytes = field(repr=False)
    m2: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class HandshakeKeys:
    """The seven values of a handshake; `reveal` is for the Reveal Signature Message, `reply` for the Signature.
    [DERIVE-AKE-8, REVEAL-SIG-1, SIG-SIG-1]
    """

    ssid: bytes
    reveal: SignatureKeys
    reply: SignatureKeys


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The keys of one pair of D-H keys, as seen from our side."""

    sending_aes: bytes = field(repr=False)
    sending_mac: bytes = field(repr=False)
    receiving_aes: bytes = field(repr=False)
    receiving_mac: bytes = field(repr=False)
    extra: bytes = field(repr=False)


def shared_secret(ours: KeyPair, theirs: int) -> bytes:
    """`secbytes` of our private and their public key. [DERIVE-SECRET-1, DERIVE-SECRET-2]"""
    return encode_mpi(power(theirs, ours.private))


def handshake_keys(secbytes: bytes) -> HandshakeKeys:
    """ssid, c, c', m1, m2, m1' and m2'."""

    def h2(byte: int) -> bytes:  # [DERIVE-AKE-1]
        return sha256(bytes((byte,)) + secbytes)

    both_c = h2(0x01)  # [DERIVE-AKE-3]
    return HandshakeKeys(
        ssid=h2(0x00)[:8],  # [DERIVE-AKE-2]
        reveal=SignatureKeys(both_c[:16], h2(0x02), h2(0x03)),  # [DERIVE-AKE-4, DERIVE-AKE-5]
        reply=SignatureKeys(both_c[16:], h2(0x04), h2(0x05)),  # [DERIVE-AKE-6, DERIVE-AKE-7]
    )


def session_keys(secbytes: bytes, ours: int, theirs: int) -> SessionKeys:
    """The keys for Data Messages under two public keys; the numerically greater one is the "high" end.

    Both ends come to the same keys, and which is which is decided for each pair. [DATA-ORDER-2, DERIVE-DATA-2,
    DERIVE-DATA-3] h1 and h2 are SHA-1 and SHA256 of a byte and secbytes. [DERIVE-DATA-5]
    """
    # [DERIVE-DATA-4]
    sendbyte, recvbyte = (b"\x01", b"\x02") if ours > theirs else (b"\x02", b"\x01")
    sending_aes = sha1(sendbyte + secbytes)[:16]  # [DERIVE-DATA-6]
    receiving_aes = sha1(recvbyte + secbytes)[:16]
    return SessionKeys(
        sending_aes=sending_aes,
        sending_mac=sha1(sending_aes),  # [DERIVE-DATA-7]
        receiving_aes=receiving_aes,
        receiving_mac=sha1(receiving_aes),
        extra=sha256(b"\xff" + secbytes),  # [EXTRA-KEY-1]
    )
