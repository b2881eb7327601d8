"""What PyCrypto did for python-potr and PyCryptodome does not do.

- Cipher: PyCrypto's CTR mode calls a counter object for each block; PyCryptodome wants the first block as a number.
- DSA: raw signatures on integers, which PyCryptodome does not give away. As with PyCrypto, a key is not checked when
  it is made from its numbers (so that what the library accepts, it accepts by itself), and an r or s outside [1, q-1]
  verifies nothing.

The file is also copied into the folder of a program that has the library, and run there by the program's own Python;
so it imports nothing of the project.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class _RawDsaKey:
    """PyCrypto's DSA key: numbers, and signatures on whatever number is given."""

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
    """Put it in place of two names of the library's module for PyCrypto. aes: PyCryptodome's module of that name."""

    def new(key: bytes, mode: int, counter: Any) -> Any:
        # The object gives the block to count from, and from there on would only have counted up by one.
        return aes.new(key, aes.MODE_CTR, nonce=b"", initial_value=int.from_bytes(counter(), "big"))

    module.Cipher = SimpleNamespace(AES=SimpleNamespace(MODE_CTR=aes.MODE_CTR, new=new))
    module.DSA = SimpleNamespace(construct=lambda numbers: _RawDsaKey(*numbers))
