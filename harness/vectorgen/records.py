"""A wrong answer to a vector, as the record that all failures share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.failure import Failure
from otterproof.harness.spec import requirements
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.printable import printable
from otterproof.harness.vectorgen.verify import Report
from otterproof.harness.vectorgen.wrong import Wrong

#: The id of the failure, for known deviations.
CHECK = "vector.wrong-answer"


def vector_failures(report: Report, claimed: Mapping[str, Sequence[str]], known: Known) -> list[tuple[Failure, str]]:
    """All failures in a report, each with the reason why it is accepted, or "".

    claimed: the requirements of each case. known: the known deviations of the subject.
    """
    return [
        (vector_failure(case, wrong, claimed.get(case, ())), known.reason_of_vector(case, CHECK))
        for case, wrong in report.failures.items()
    ]


def vector_failure(case: str, wrong: Wrong, claimed: Iterable[str]) -> Failure:
    """The record of a failure. claimed: the requirements of the case."""
    table, levels = requirements.load().requirements, list(Level)
    ids = sorted((name for name in claimed if name in table), key=lambda name: levels.index(table[name].level))
    return Failure(
        CHECK,
        rule=f"The answer to a case of the vectors is the committed one: {printable(wrong.what)}.",
        requirements=tuple(ids),
        level=table[ids[0]].level if ids else Level.MUST,
        case=printable(f"{case}, {wrong.where}" if wrong.where else case),
        expected=printable(wrong.expected),
        got=printable(wrong.got),
    )
