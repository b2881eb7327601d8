"""What tests demand of a program with an insider: that a fault fails by what the insider does, and by nothing else."""

from __future__ import annotations

from dataclasses import replace

from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.simulation.moves import Craft
from otterproof.harness.targets.engines import EngineTarget

REFERENCE = EngineTarget("reference")


def assert_only_the_insider_fails(made: Program, check: str) -> None:
    """A program fails by that check; without its crafted messages, or with the genuine engine, it does not."""
    failure = attempt(made)
    assert failure is not None
    assert failure.check == check
    without = tuple(move for move in made.moves if not isinstance(move, Craft))
    assert attempt(replace(made, moves=without)) is None
    assert attempt(replace(made, setup=replace(made.setup, target=REFERENCE))) is None
