"""What the cases of `fuzz` cost, as a ratio to the bare cryptography in them.

Before cases are timed, every call of a primitive by the reference engine, and by insiders, is recorded with its
arguments. Making these calls again, and nothing else, takes the time that the cryptography needs. In process, both
sides are measured in processor time, so that other programs on the machine matter less. The cases are the first of a
`fuzz` campaign with this seed: drawn afresh or changes of others, half of them with insiders.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import islice
from typing import Any

from otterproof.harness.runs.faults.drawn import drawn
from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.runs.fuzz.execute import Watched, attempt, prepare
from otterproof.harness.runs.fuzz.generate import Program, with_target
from otterproof.harness.simulation import insider
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.targets.engines import SingleEngineTarget, Target
from otterproof.harness.wire import craft_handshake, craft_smp, proofs, signed
from otterproof.harness.wire import numbers as numbers_of_insiders
from otterproof.implementations import reference
from otterproof.implementations.reference import ReferenceEngine, numbers

#: The primitives of the engine, except exponentiation; products and quotients in the group are SMP's.
_PRIMITIVES = ("aes_ctr", "sha1", "sha256", "hmac_sha1", "hmac_sha256", "sign", "verify", "_times", "_over")

#: The modules with which insiders make their messages, and what is slow there; its results are remembered.
_INSIDERS = (insider, craft_handshake, craft_smp, proofs, signed)
_OF_INSIDERS = ("power", "dsa_sign")

#: The seed of the programs that the figures are about.
SEED = "bench"


@dataclass(slots=True)
class Calls:
    """Calls of primitives, in order, each with its arguments."""

    made: list[partial[Any]] = field(default_factory=list)

    def again(self, clock: Callable[[], float]) -> float:
        """Make the calls again; returns the seconds that takes."""
        began = clock()
        for call in self.made:
            call()
        return clock() - began


@contextmanager
def recorded(remembered: set[object] | None = None) -> Iterator[Calls]:
    """Inside, the calls of primitives by the reference engine and by insiders are recorded.

    remembered: what insiders have computed before and need not compute again; the rest is added to it.
    """
    calls, known = Calls(), remembered if remembered is not None else set()
    modules = [module for name, module in sys.modules.items() if name.startswith(f"{reference.__name__}.")]
    applied_to, exponent = numbers.Exponent.applied_to, numbers.Exponent.__init__
    names = [(module, name) for name in _PRIMITIVES for module in modules if hasattr(module, name)]
    others = [(module, name) for name in _OF_INSIDERS for module in _INSIDERS if hasattr(module, name)]
    genuine = {(module, name): getattr(module, name) for module, name in [*names, *others]}

    def noting(primitive: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: Any) -> object:
            calls.made.append(partial(primitive, *arguments))
            return primitive(*arguments)

        return call

    def noting_once(primitive: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: Any) -> object:
            computed = partial(getattr(primitive, "__wrapped__", primitive), *arguments)
            if (place := (computed.func, arguments)) not in known:
                known.add(place)
                calls.made.append(computed)
            return primitive(*arguments)

        return call

    def applied(self: numbers.Exponent, base: int) -> int:
        calls.made.append(partial(applied_to, self, base))
        return applied_to(self, base)

    def made(self: numbers.Exponent, number: int) -> None:
        calls.made.append(partial(exponent, object.__new__(numbers.Exponent), number))
        exponent(self, number)

    try:
        for module, name in names:
            setattr(module, name, noting(genuine[module, name]))
        for module, name in others:
            setattr(module, name, noting_once(genuine[module, name]))
        setattr(numbers.Exponent, "applied_to", applied)  # noqa: B010 (a plain assignment is not typed)
        setattr(numbers.Exponent, "__init__", made)  # noqa: B010
        yield calls
    finally:
        setattr(numbers.Exponent, "applied_to", applied_to)  # noqa: B010
        setattr(numbers.Exponent, "__init__", exponent)  # noqa: B010
        for (module, name), function in genuine.items():
            setattr(module, name, function)


def _timed(made: Program, clock: Callable[[], float]) -> float:
    """The seconds that a case takes, without what its setup needs once for all cases."""
    prepare(made)
    began = clock()
    attempt(made, watched=Watched(quick=True))
    return clock() - began


@dataclass(frozen=True, slots=True)
class Round:
    """Some programs of a campaign, and the calls of primitives in them.

    crypto, seconds: processor seconds per case, of these calls alone and of the whole case in process.
    """

    programs: Sequence[Program]
    calls: Calls
    crypto: float
    seconds: float


def in_process(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """Processor seconds per case: (bare cryptography, all of it), one pair per round."""
    found = _campaign(rounds + 1, batch)[1:]
    return [one.crypto for one in found], [one.seconds for one in found]


def through_driver(rounds: int, batch: int) -> tuple[list[float], list[float]]:
    """The same for cases of the reference engine behind its driver, with the cryptography of both processes."""
    target, clock = DriverTarget("reference", ENGINE_DRIVERS["reference"]), time.perf_counter
    pairs, campaign = [], _campaign(rounds + 1, batch)
    _forget_powers()
    try:
        for one in campaign:
            seconds = sum(_timed(program, clock) for program in _through(target, one.programs))
            pairs.append((one.calls.again(clock) / batch, seconds / batch))
    finally:
        target.close()
    return [pair[0] for pair in pairs[1:]], [pair[1] for pair in pairs[1:]]


@cache
def _campaign(rounds: int, batch: int) -> Sequence[Round]:
    """The first programs of a campaign against the reference engine in this process.

    All of them are run, and their calls recorded, before any is timed: recording replaces functions in modules, and
    Python runs a module more slowly for some time after that, as it has specialised the code for the old ones. The
    first round is not for measuring: in it, processes make the tables that they keep.
    """
    clock, drawing = time.process_time, drawn(SingleEngineTarget("reference", ReferenceEngine), SEED, Way.FEEDBACK)
    programs, remembered = list[Sequence[Program]](), set[object]()
    for _ in range(rounds):
        made = []
        for one, watched in islice(drawing, batch):
            attempt(one, watched=watched)
            made.append(one)
        programs.append(made)
    calls = [_calls_of(made, remembered) for made in programs]
    _forget_powers()
    found = []
    for batched, some in zip(programs, calls, strict=True):
        seconds = sum(_timed(one, clock) for one in batched)
        found.append(Round(batched, some, some.again(clock) / batch, seconds / batch))
    return found


def _forget_powers() -> None:
    """Let insiders compute everything again, as in the first run of a program."""
    for name in _OF_INSIDERS:
        getattr(numbers_of_insiders, name).cache_clear()


def _calls_of(programs: Iterable[Program], remembered: set[object]) -> Calls:
    """The calls that the cases of some programs make, from where each case begins. remembered: as in `recorded`."""
    calls = Calls()
    for one in programs:
        one.setup.case()
        with recorded(remembered) as some:
            attempt(one)
        calls.made += some.made
    return calls


def _through(target: Target, programs: Iterable[Program]) -> Iterator[Program]:
    """The same programs for another target, which can do what the reference engine can."""
    for one in programs:
        yield replace(one, setup=with_target(one.setup, target))
