"""What an implementation must be able to do to answer vectors that ask for a function, not for a whole client.

Each engine has an adapter that calls the functions its own sessions use. The harness has another on its own codec, so
every case gets three opinions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

#: The TLV type of SMP message n is n + 1.
SMP_TLV = {1: 2, 2: 3, 3: 4, 4: 5}

#: Random exponents of SMP by their names in the protocol text.
Exponents = Mapping[str, bytes]


class Refusal(Exception):
    """The input is invalid. what: the usable part, for operations that return one."""

    def __init__(self, reason: str, what: Any = None) -> None:
        super().__init__(reason)
        self.what = what


@dataclass(frozen=True, slots=True)
class SmpRun:
    """The numbers of the four messages, and what the two sides found."""

    messages: tuple[Mapping[str, int], ...]
    equal: tuple[bool, bool]


class Tools(Protocol):
    """Functions by the names of the operations (vectors/operations.py). Each raises Refusal for invalid input."""

    name: str

    def read(self, kind: str, data: bytes) -> int | bytes:
        """The value of a data type whose encoding is exactly `data`."""
        ...

    def write(self, kind: str, value: int | bytes) -> bytes: ...

    def unarmour(self, text: bytes) -> bytes: ...

    def armour(self, binary: bytes) -> bytes: ...

    def public_key(self, encoded: bytes) -> tuple[DsaPublicKey, bytes]:
        """The key and its fingerprint."""
        ...

    def sign(self, key: DsaPrivateKey, mac: bytes, random: bytes) -> bytes: ...

    def verify(self, key: DsaPublicKey, mac: bytes, signature: bytes) -> None: ...

    def exchange(self, private: bytes, theirs: int) -> tuple[int, int]:
        """Our public key and the shared secret."""
        ...

    def handshake_keys(self, s: int) -> Mapping[str, bytes]: ...

    def session_keys(self, private: bytes, theirs: int) -> Mapping[str, Any]: ...

    def open_commitment(self, revealed_key: bytes, encrypted_gx: bytes, hashed_gx: bytes) -> int: ...

    def open_signature(
        self, signer: int, other: int, keys: tuple[bytes, bytes, bytes], encrypted: bytes, mac: bytes
    ) -> tuple[bytes, int]:
        """The signer's fingerprint and key id; keys: c, m1 and m2."""
        ...

    def open_data(self, message: bytes, aes_key: bytes, mac_key: bytes) -> Mapping[str, Any]: ...

    def plaintext(self, plaintext: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
        """Text and TLVs; `what` of a Refusal holds the TLVs before the truncated one."""
        ...

    def smp_secret(self, initiator: bytes, responder: bytes, ssid: bytes, secret: bytes) -> int: ...

    def smp_run(self, x: int, y: int, initiator: Exponents, responder: Exponents) -> SmpRun: ...

    def smp_check(self, message: int, known: Mapping[str, int], value: bytes) -> bool | None: ...
