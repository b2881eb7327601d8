"""Buckets group failures that are taken to have one cause, whatever program, seed or target version led to them.

A bucket is made from the record of a failure and the state in which it happened, not from sentences, so different
wording, keys and texts do not make different buckets. Failures of one check have one cause if they are about the same
kind of message, as far as that is known: a fragment may belong to any kind, and a mistake with fragments affects all
kinds.

If the target breaks down, the check says little. Then a sanitizer's stack counts, if there is one; otherwise the input
counts, with the half of the state that matters for it: the authentication state for handshake messages, the message
state for everything else. At the end of a run a whole conversation is tried again, which says little about where the
mistake is; there only the check counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from otterproof.harness.runs.failure import Failure
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.driver.sanitizer import is_report

#: The most characters of a check's id, and of each other field.
MOST, LONGEST = 100, 200


#: The areas of checks on fragments, which are the same for all kinds of messages.
_ABOUT_FRAGMENTS = ("fragment.", "fragments.")

#: Inputs whose effect depends on the authentication state, and inputs that may carry any message.
_OF_HANDSHAKE = frozenset({"commit", "dh_key", "reveal", "signature"})
_OF_ANY = frozenset({"fragment_v2", "fragment_v3"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """Which failures a failure belongs with.

    check: its id. requirement: the most binding one behind it, "" if there is none. cell: the state of the party under
    test, and its input. kind: of the message that the failure is about. observed: what the party did.
    """

    check: str
    requirement: str = ""
    cell: str = ""
    kind: str = ""
    observed: str = ""

    @property
    def cause(self) -> tuple[str, str]:
        """What failures with one cause share: the check, and what it was about as far as that is known."""
        if is_report(self.check):
            return self.check, ""  # the id of the check has the stack
        if self.check not in checks():
            return self.check, _part_that_counts(self.cell)
        says_nothing = self.kind.startswith("fragment") or self.check.startswith(_ABOUT_FRAGMENTS)
        return self.check, "" if says_nothing else self.kind

    def shares_cause_with(self, other: Bucket) -> bool:
        """Whether a failure of this bucket counts as one more of the other, without a closer look."""
        (check, about), (other_check, other_about) = self.cause, other.cause
        return check == other_check and (about == other_about or not (about and other_about))

    @property
    def level(self) -> Level:
        """How binding the broken requirement is. A target that breaks down breaks a binding one."""
        return level_of(self.check)

    @property
    def case(self) -> str:
        """Cell and reaction, for people and for files of known deviations; "" at a run's end."""
        return f"{self.cell}: {self.observed or 'nothing'}" if self.cell else ""

    def __str__(self) -> str:
        return f"{self.check} ({self.case})" if self.case else self.check


def _part_that_counts(cell: str) -> str:
    """A cell, with `*` for the half of the state that does not affect how its input is handled."""
    state, _, given = cell.partition(": ")
    message, _, handshake = state.partition("/")
    if not given or given in _OF_ANY:
        return cell
    return f"*/{handshake}: {given}" if given in _OF_HANDSHAKE else f"{message}/*: {given}"


def bucket_of(record: Failure, cell: str, *, at_end: bool) -> Bucket:
    """The bucket of a failure. cell: of the last step before it. at_end: it failed after the program's moves."""
    check, requirement = record.check[:MOST], record.requirements[0] if record.requirements else ""
    if at_end or record.place is None:
        return Bucket(check, requirement)
    did = ", ".join(record.place.observed)[:LONGEST]
    return Bucket(check, requirement, cell[:LONGEST], record.place.kind, did)
