"""SMP proofs that an insider can make: the SMP hash, and proofs of knowledge, also for elements that nobody may send.

[SMP Hash function, The SMP state machine]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from otterproof.harness.wire.layouts import DH_GENERATOR, DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import mpi, power

#: A hash function: maps a version byte and numbers to a number. [SMP Hash function]
Hash = Callable[..., int]


def smp_hash(prefix: int, *numbers: int) -> int:
    return int.from_bytes(hashlib.sha256(bytes([prefix]) + b"".join(map(mpi, numbers))).digest())


def prove_exponent(
    prefix: int, exponent: int, r: int, hashed: Hash = smp_hash, base: int = DH_GENERATOR
) -> tuple[int, int]:
    """(c, D): a proof of knowledge of an exponent. base: what is raised to it."""
    c = hashed(prefix, power(base, r))
    return c, (r - exponent * c) % SMP_ORDER


def verify_exponent_proof(prefix: int, element: int, c: int, d: int) -> bool:
    """Whether a proof of knowledge of an element's exponent verifies."""
    return smp_hash(prefix, power(DH_GENERATOR, d) * power(element, c) % DH_PRIME) == c


def prove_degenerate(prefix: int, element: int) -> tuple[int, int]:
    """(c, D): a proof that verifies for an element that is 0, 1 or -1 modulo p."""
    if element % DH_PRIME == 0:
        return smp_hash(prefix, 0), 1
    r = next(r for r in range(3, 200) if element % DH_PRIME == 1 or smp_hash(prefix, power(2, r)) % 2 == 0)
    return smp_hash(prefix, power(DH_GENERATOR, r)), r
