"""The base class of the errors that Otterproof raises on purpose.

Each says what happened, where, and what to do about it. Some have a second base of Python's own, for callers that do
not know Otterproof:

    OtterproofError
    +-- CommandError                ends a command with a message and the exit code that the class declares
    |   +-- UsageError              the command line asks for something that does not exist or can't be done
    |   +-- UnknownTarget           no target of that name
    |   +-- TranscriptError, CampaignError, DeviationError, SettingsError    a file is not what it should be
    |   +-- ScenarioError           a scenario is not written correctly, or can't be imported
    |   +-- DocsMissing             there is no checkout whose documentation could be written
    |   +-- TargetError             a target behind the driver protocol; one subclass for each verdict
    |   +-- FaultError              the catalogue of faults is wrong
    |   +-- OutputError             a file could not be written
    |   +-- WorkersDied             too many worker processes died
    +-- DemandFailed                a judge found that a target does not do what it must; has the id of the check
    |   +-- CheckFailed             a scenario's demand did not hold
    |   +-- OracleFailure           something that must hold in every run did not
    |   +-- Divergence, ModelDivergence    two engines differ, or an engine and the model
    |   +-- NotQuiescent            parties answer each other without end
    +-- Unsupported                 a scenario can't be asked of this target
    +-- TableError, UnknownId, UnknownFault, MutationMissing

Outside this tree are the errors of packages that do not depend on the harness: `InputError` (a file that can't be
read), `OtrError` (an engine's caller made a mistake), and `VectorError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from otterproof.harness.support.exits import NOT_RUN, USAGE


class OtterproofError(Exception):
    """The base of all errors that the harness raises on purpose."""


class CommandError(OtterproofError):
    """An error that ends a command: its text is shown, and `exit_code` is what the command ends with."""

    exit_code: ClassVar[int] = NOT_RUN


class UsageError(CommandError):
    """The command line asks for something that does not exist or can't be done."""

    exit_code = USAGE


class DemandFailed(OtterproofError):
    """A target does not do what it must.

    check: the id of the demand that did not hold, and `rule` its sentence. [harness/spec/checks] where: the place in
    the run. case: which of several inputs it was about. expected, got: the values that should have been there and that
    were, in words. All but the id may be "". differences: where two sides differ, line by line.
    """

    def __init__(
        self,
        check_id: str,
        rule: str,
        *,
        where: str = "",
        case: str = "",
        expected: str = "",
        got: str = "",
        differences: Sequence[str] = (),
    ) -> None:
        parts = (("where", where), ("case", case), ("expected", expected), ("got", got))
        given = [f"  {name:8}  {text}" for name, text in parts if text]
        super().__init__("\n".join([rule or check_id, *given, *differences]))
        self.check = check_id
        self.rule = rule
        self.case = case
        self.expected = expected
        self.got = got
        self.differences = tuple(differences)
        #: The number of the step that it is about, where that is not the last one.
        self.step_number: int | None = None
        #: How many of the inputs that a scenario tried failed, and how many it tried; None where there is one.
        self.cases: tuple[int, int] | None = None
        #: All inputs, or cells of a state table, that failed by this demand, in words; empty where there is one.
        self.failed_cases: tuple[str, ...] = ()
