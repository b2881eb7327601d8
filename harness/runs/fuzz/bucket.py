"""Buckets: by what findings are taken to have one cause, whatever program, seed or version of the target led to them.

A bucket is made from the record of a failure and from the state in which it happened, not from sentences, so that other
words, keys and texts make no other bucket. Failures of one check have one cause if they are about the same kind of
message, as far as that is known: a fragment may be of any, and what is wrong with fragments is wrong for all kinds.
Where the target breaks down, which the check says little about, the input counts instead, with the half of the state
that it depends on, unless a sanitizer has told the stack: for messages of a handshake that is how far the handshake is,
for all else whether there is a session. What happens at the end of a run, where a whole conversation is tried again,
says little about the place of the mistake: there the check is all that counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from otterproof.harness.runs.failure import Failure
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.driver.sanitizer import is_report

#: The most characters of a check's id, and of each other field.
MOST, LONGEST = 100, 200


#: The areas of checks on fragments, which are the same for messages of all kinds.
_ABOUT_FRAGMENTS = ("fragment.", "fragments.")

#: The inputs that the state of the handshake decides about, and those that may be any message.
_OF_HANDSHAKE = frozenset({"commit", "dh_key", "reveal", "signature"})
_OF_ANY = frozenset({"fragment_v2", "fragment_v3"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where a failure belongs.

    check: its id. requirement: the most binding one behind it, "" if there is none. cell: the state of the party under
    test, and what it was given. kind: of the message that the failure is about. observed: what the party did.
    """

    check: str
    requirement: str = ""
    cell: str = ""
    kind: str = ""
    observed: str = ""

    @property
    def cause(self) -> tuple[str, str]:
        """What failures of one cause have in common: the check, and what it was about as far as that is known."""
        if is_report(self.check):
            return self.check, ""  # the check has the stack
        if self.check not in checks():
            return self.check, _part_that_counts(self.cell)
        says_nothing = self.kind.startswith("fragment") or self.check.startswith(_ABOUT_FRAGMENTS)
        return self.check, "" if says_nothing else self.kind

    def fits(self, other: Bucket) -> bool:
        """Whether a failure of this bucket can be taken for one more of the other, without looking closer."""
        (check, about), (other_check, other_about) = self.cause, other.cause
        return check == other_check and (about == other_about or not (about and other_about))

    @property
    def level(self) -> Level:
        """How binding what is broken is. A target that breaks down breaks what is binding."""
        return level_of(self.check)

    @property
    def case(self) -> str:
        """All but the check and its requirement, for people and for files of known deviations; "" at a run's end."""
        return f"{self.cell}: {self.observed or 'nothing'}" if self.cell else ""

    def __str__(self) -> str:
        return f"{self.check} ({self.case})" if self.case else self.check


def _part_that_counts(cell: str) -> str:
    """A cell, with `*` for the half of the state that what happens to its input does not depend on."""
    state, _, given = cell.partition(": ")
    message, _, handshake = state.partition("/")
    if not given or given in _OF_ANY:
        return cell
    return f"*/{handshake}: {given}" if given in _OF_HANDSHAKE else f"{message}/*: {given}"


def bucket_of(record: Failure, cell: str, *, at_end: bool) -> Bucket:
    """The bucket of a failure. cell: of the last step before it. at_end: it failed after the moves."""
    check, requirement = record.check[:MOST], record.requirements[0] if record.requirements else ""
    if at_end or record.place is None:
        return Bucket(check, requirement)
    did = ", ".join(record.place.observed)[:LONGEST]
    return Bucket(check, requirement, cell[:LONGEST], record.place.kind, did)
