"""What the cases of `fuzz` cost, as a ratio to the bare cryptography in them.

While cases run, every call of a primitive that the reference engine makes is written down, with its arguments. These
calls are then made again, and nothing else, which takes the time that the cryptography needs. Where the project knows
a cheaper way than the engine's, that is timed: powers of the generator come from a table.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from otterproof.harness.judges.oracles.memory import public_value
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.targets.engines import SingleEngineTarget, Target
from otterproof.implementations import reference
from otterproof.implementations.reference import ReferenceEngine, numbers

#: The primitives of the engine, besides exponentiation.
_PRIMITIVES = ("aes_ctr", "sha1", "sha256", "hmac_sha1", "hmac_sha256", "sign", "verify")

#: The programs of the figures are those of this seed.
SEED = "bench"

#: The longest exponent, in bytes, that the table of powers is for.
_TABLE = 40


@dataclass(slots=True)
class Calls:
    """Calls of primitives, in order, each as a function without arguments."""

    made: list[Callable[[], object]] = field(default_factory=list)

    def again(self) -> float:
        """Make them again; the seconds that it takes."""
        began = time.perf_counter()
        for call in self.made:
            call()
        return time.perf_counter() - began


@contextmanager
def recorded() -> Iterator[Calls]:
    """Inside, the reference engine's calls of primitives are written down."""
    calls = Calls()
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{reference.__name__}.")]
    genuine = {name: getattr(numbers, name) for name in _PRIMITIVES}
    applied_to = numbers.Exponent.applied_to
    names = [(module, name) for name in _PRIMITIVES for module in modules if hasattr(module, name)]

    def noting(primitive: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: Any) -> object:
            calls.made.append(partial(primitive, *arguments))
            return primitive(*arguments)

        return call

    def applied(self: numbers.Exponent, base: int) -> int:
        calls.made.append(_power(self, base, applied_to))
        return applied_to(self, base)

    try:
        for module, name in names:
            setattr(module, name, noting(genuine[name]))
        setattr(numbers.Exponent, "applied_to", applied)  # noqa: B010 (a plain assignment is not typed)
        yield calls
    finally:
        setattr(numbers.Exponent, "applied_to", applied_to)  # noqa: B010
        for module, name in names:
            setattr(module, name, genuine[name])


def _power(
    exponent: numbers.Exponent, base: int, applied_to: Callable[[numbers.Exponent, int], int]
) -> Callable[[], object]:
    """The cheapest way to a power that the project knows."""
    if base == numbers.G and exponent.number.bit_length() <= 8 * _TABLE:
        return partial(public_value.__wrapped__, exponent.number.to_bytes(_TABLE))
    return partial(applied_to, exponent, base)


def _timed(made: Program) -> float:
    """The seconds that a case takes; what its setup needs once for all cases is there already."""
    if made.setup.in_process:
        made.setup.case()
    began = time.perf_counter()
    attempt(made)
    return time.perf_counter() - began


def in_process(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """Seconds a case: (bare cryptography, all of it), one pair a round; no program is run twice."""
    target = SingleEngineTarget("reference", ReferenceEngine)
    pairs = []
    for number in range(rounds):
        made = _batch(target, number, batch)
        calls = Calls()
        seconds = 0.0
        for one in made:
            one.setup.case()
            with recorded() as some:
                seconds += _timed(one)
            calls.made += some.made
        pairs.append((calls.again() / batch, seconds / batch))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def through_driver(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """The same for cases of the reference engine behind its driver; the cryptography is that of both processes."""
    there = SingleEngineTarget("reference", ReferenceEngine)
    target = DriverTarget("reference", ENGINE_DRIVERS["reference"])
    pairs = []
    try:
        for number in range(rounds):
            calls = Calls()
            for one in _batch(there, number, batch):
                one.setup.case()
                with recorded() as some:
                    attempt(one)
                calls.made += some.made
            seconds = sum(map(_timed, _batch(target, number, batch)))
            pairs.append((calls.again() / batch, seconds / batch))
    finally:
        target.close()
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _batch(target: Target, number: int, batch: int) -> list[Program]:
    return [program(SEED, one, target) for one in range(number * batch, (number + 1) * batch)]
