"""Which findings of a campaign are new, and which of them decide the exit code; and a finding in words."""

from __future__ import annotations

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.excuses import baseline_of
from otterproof.harness.runs.fuzz.state import Finding, FindingStage
from otterproof.harness.runs.judgement import BAD
from otterproof.harness.spec import checks
from otterproof.harness.spec.requirements import Level
from otterproof.harness.wire.shown import counted


def is_new(finding: Finding, known: Known) -> bool:
    """Whether a finding counts as found: it still fails, and is neither known nor perhaps a consequence of what is."""
    fixed = finding.stage is FindingStage.FIXED
    return not fixed and not finding.follows and not known.reason_of_bucket(finding.bucket)


def counts(finding: Finding, known: Known, *, strict: bool) -> bool:
    """Whether a finding means that the target does not conform. strict: recommendations count."""
    return is_new(finding, known) and finding.verdict in BAD and is_binding(finding, strict=strict)


def is_binding(finding: Finding, *, strict: bool) -> bool:
    """Whether the broken requirement is so binding that breaking it decides the exit code."""
    return finding.level in ((Level.MUST, Level.SHOULD) if strict else (Level.MUST,))


def in_a_line(finding: Finding) -> str:
    """A finding with its rule."""
    return f"{subject(finding)}, {moves(finding)}: {rule_of(finding)}"


def subject(finding: Finding) -> str:
    """The check of a finding, and what tells it from others of that check, in the words of known deviations."""
    return str(baseline_of(finding.bucket, finding.aliases))


def moves(finding: Finding) -> str:
    """The number of moves in its program."""
    return counted(len(finding.program.moves), "move")


def whose(count: int, adversarial: int) -> str:
    """How many of a program's moves are the adversary's, after their number; "" for a program without moves."""
    if count < 2:
        return f", {'' if adversarial else 'not '}the adversary's" if count else ""
    return f", {'all' if adversarial == count else adversarial or 'none'} of them the adversary's"


def rule_of(finding: Finding) -> str:
    """The rule that was broken; for a target that broke down, what it did."""
    return checks.rule(finding.check) or finding.detail.partition("\n")[0]
