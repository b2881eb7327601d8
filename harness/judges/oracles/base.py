"""What all oracles share: their interface, and the failure that they raise.

An oracle looks at one step after another and remembers what it needs. [otterproof.harness.judges.oracles.remembering]
"""

from __future__ import annotations

from typing import ClassVar, NoReturn

from otterproof.harness.judges.oracles.reading import Observation, Reader
from otterproof.harness.judges.oracles.remembering import Remembering
from otterproof.harness.simulation.world import Step
from otterproof.harness.support.errors import OtterproofError


class OracleFailure(OtterproofError, AssertionError):
    """Something that must always hold did not.

    oracle: its id. requirement: what it demands, in a sentence. step: where it failed, None for the end of a run. seen:
    what was there instead. expected: what must hold at this place.
    """

    def __init__(self, oracle: str, requirement: str, step: Step | None, seen: str, expected: str) -> None:
        where = "at the end of the run" if step is None else f"step {step.number}, {step.party}.{step.action}"
        super().__init__(f"{oracle}, {where}: {requirement}\n  must hold: {expected}\n  seen:      {seen}")
        self.oracle = oracle
        self.requirement = requirement
        self.step = step
        self.seen = seen
        self.expected = expected


class Oracle(Remembering):
    """Watches the steps of a world for something that must always hold; the docstring is its published description."""

    id: ClassVar[str]
    fixed: ClassVar[frozenset[str]] = frozenset({"_reader"})

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def requirement(self) -> str:
        """The first sentence of the description."""
        return " ".join((self.__doc__ or "").partition("\n\n")[0].split())

    def observe(self, view: Observation) -> None:
        """Judge a step; raises OracleFailure."""
        raise NotImplementedError

    def fail(self, view: Observation | None, seen: str, expected: str) -> NoReturn:
        raise OracleFailure(self.id, self.requirement, view.step if view else None, seen, expected)

    def demand(self, holds: bool, view: Observation, seen: str, expected: str) -> None:
        """Fail unless it holds. Only where the texts cost nothing to make; otherwise test first and call `fail`."""
        if not holds:
            self.fail(view, seen, expected)
