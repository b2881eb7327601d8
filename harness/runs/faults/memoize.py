"""Remembers powers in a process that runs the same scenarios with many engines.

The seeds are the same, so nearly all exponentiations recur with every engine. Each engine has one place that
exponentiates, and copies of an engine share it unless their fault is right there. This is for processes that do nothing
else: an engine that never forgets its exponents can't be judged for what it forgets, but it is fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache

from Crypto.Math.Numbers import Integer

from otterproof.implementations.independent import primitives
from otterproof.implementations.reference import numbers

#: How many results are kept for each engine; with their keys they take some 100 MB.
_KEPT = 1 << 17


@cache
def remember_powers() -> None:
    """From now on, the genuine engines of this process compute no power twice."""
    _remember()


@contextmanager
def powers_remembered() -> Iterator[None]:
    """Inside, the genuine engines of this process compute no power twice; earlier results from inside are reused."""
    applied_to, before = numbers.Exponent.applied_to, vars(primitives).get("pow", pow)
    _remember()
    try:
        yield
    finally:
        setattr(numbers.Exponent, "applied_to", applied_to)  # noqa: B010 (a plain assignment is not typed)
        setattr(primitives, "pow", before)  # noqa: B010


def _remember() -> None:
    def remembered(self: numbers.Exponent, base: int) -> int:
        return _power(self.number, base)

    setattr(numbers.Exponent, "applied_to", remembered)  # noqa: B010
    # A name of the module hides the builtin one, in that module alone.
    setattr(  # noqa: B010
        primitives, "pow", lambda base, exponent, modulus: _integer_power(int(base), exponent, modulus)
    )


#: How the reference engine exponentiates.
_applied_to = numbers.Exponent.applied_to


@lru_cache(maxsize=_KEPT)
def _power(exponent: int, base: int) -> int:
    return _applied_to(numbers.Exponent(exponent), base)


@lru_cache(maxsize=_KEPT)
def _integer_power(base: int, exponent: int, modulus: int) -> int:
    return int(pow(Integer(base), exponent, modulus))
