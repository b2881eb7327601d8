"""Checks that a program with an insider fails because of the insider and for no other reason."""

from __future__ import annotations

from dataclasses import replace

from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.moves import Craft
from otterproof.harness.targets.engines import EngineTarget

REFERENCE = EngineTarget("reference")


def assert_only_the_insider_fails(made: Program, check: str) -> None:
    """A program fails that check, but passes without its crafted messages or with the genuine engine."""
    failure = attempt(made)
    assert failure is not None
    assert failure.check == check
    without = tuple(move for move in made.moves if not isinstance(move, Craft))
    assert attempt(replace(made, moves=without)) is None
    assert attempt(replace(made, setup=replace(made.setup, target=REFERENCE))) is None
