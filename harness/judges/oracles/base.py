"""What all oracles share: their interface, and the failure that they raise.

An oracle looks at one step after another and remembers what it needs. [otterproof.harness.judges.oracles.remembering]
Each of its rules is a check; most of their ids begin with the oracle's name. [harness/spec/checks/oracles_*.toml]
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, NoReturn

from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.judges.oracles.remembering import Remembering
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.wire.shown import shown


class OracleFailure(DemandFailed, AssertionError):
    """A rule that must always hold was broken.

    oracle: its id. step: where it failed, None for the end of a run.
    """

    def __init__(self, oracle: str, check_id: str, step: Step | None, expected: object, got: object) -> None:
        super().__init__(
            check_id,
            checks.rule(check_id),
            where="the end of the run" if step is None else f"step {step.number}, {step.party}.{step.action}",
            expected=shown(expected),
            got=shown(got),
        )
        self.oracle = oracle
        self.step = step
        self.step_number = None if step is None else step.number


class Impact(StrEnum):
    """What is at risk when a rule is broken, the most serious first."""

    #: Others may read texts, or compute keys.
    CONFIDENTIALITY = "confidentiality"
    #: What somebody else wrote, or somebody else's key, may count as the correspondent's.
    AUTHENTICITY = "authenticity"
    #: The program crashes or hangs; whatever does that may be able to do more.
    STABILITY = "stability"
    #: A transcript may prove who wrote it.
    DENIABILITY = "deniability"
    #: Sessions or texts may be lost.
    AVAILABILITY = "availability"
    #: Other implementations may be misunderstood.
    INTEROPERABILITY = "interoperability"


class Oracle(Remembering):
    """Watches the steps of a world and judges them by its rules. The docstring is its published description."""

    id: ClassVar[str]
    impact: ClassVar[Impact]
    #: Whether it judges each party by that party's inputs and actions alone, without knowing those of the others.
    one_sided: ClassVar[bool] = True
    fixed: ClassVar[frozenset[str]] = frozenset({"_reader"})

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def observe(self, view: Observation) -> None:
        """Judge a step; raises OracleFailure."""
        raise NotImplementedError

    def fail(self, check_id: str, view: Observation | None, *, expected: object, got: object) -> NoReturn:
        """Report a broken rule in a step, or at the end of the run (None). expected, got: anything `shown` takes."""
        raise OracleFailure(self.id, check_id, view.step if view else None, expected, got)

    def demand(self, check_id: str, holds: bool, view: Observation, *, expected: object, got: object) -> None:
        """Fail unless the rule holds. For values that cost nothing to make; otherwise test first and call `fail`."""
        if not holds:
            self.fail(check_id, view, expected=expected, got=got)
