"""What python-potr needs from PyCrypto and PyCryptodome lacks.

- Cipher: PyCrypto's CTR mode calls a counter object for each block; PyCryptodome wants the first block as a number.
- DSA: raw signatures on integers, which PyCryptodome does not offer. As in PyCrypto, a key made from its numbers is not
  checked, so that the library alone decides what it accepts, and a signature with r or s outside [1, q-1] is invalid.

This file is also copied into the folder of a program that uses the library and run by the program's own Python, so it
imports nothing from the project.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class _RawDsaKey:
    """PyCrypto's DSA key: it signs any number without hashing."""

    def __init__(self, y: int, g: int, p: int, q: int, x: int | None = None) -> None:
        self.y, self.g, self.p, self.q, self.x = y, g, p, q, x

    def publickey(self) -> _RawDsaKey:
        return _RawDsaKey(self.y, self.g, self.p, self.q)

    def sign(self, data: bytes, k: int) -> tuple[int, int]:
        if self.x is None:
            raise TypeError("Private key not available in this object")
        r = pow(self.g, k, self.p) % self.q
        return r, pow(k, -1, self.q) * (int.from_bytes(data, "big") + self.x * r) % self.q

    def verify(self, data: bytes, signature: tuple[int, int]) -> bool:
        r, s = signature
        if not (0 < r < self.q and 0 < s < self.q):
            return False
        w = pow(s, -1, self.q)
        left = pow(self.g, int.from_bytes(data, "big") * w % self.q, self.p)
        return bool(left * pow(self.y, r * w % self.q, self.p) % self.p % self.q == r)


def restore(module: Any, aes: Any) -> None:
    """Replace Cipher and DSA in the library's module for PyCrypto. aes: PyCryptodome's module AES."""

    def new(key: bytes, mode: int, counter: Any) -> Any:
        # The first call gives the initial block; later calls would only count up by one.
        return aes.new(key, aes.MODE_CTR, nonce=b"", initial_value=int.from_bytes(counter(), "big"))

    module.Cipher = SimpleNamespace(AES=SimpleNamespace(MODE_CTR=aes.MODE_CTR, new=new))
    module.DSA = SimpleNamespace(construct=lambda numbers: _RawDsaKey(*numbers))
