"""The checks: every demand that a scenario, an oracle or the comparison of engines makes, by an id that never changes.

An id is AREA.WORDS and names what is wrong when the demand fails, such as `data.counter-not-higher`. The files of this
folder say for each the rule that was broken, in one sentence, and the requirements that it follows from. Known
deviations, reports, fuzz buckets and pages use the id; the sentence may be reworded at any time.

    [data.counter-not-higher]
    rule = "A counter is higher than every earlier one under the same pair of keys."
    requirements = ["DATA-CTR-2"]

The first of the requirements is the main one. `general = true` marks a check that also fails for many reasons that have
nothing to do with it; its failures count for less when causes are put in order. `basic = true` marks a check
that fails for one reason alone, without which little else works: it comes first. `presumes = ["AREA.WORDS"]` names what
must hold before the check says anything about a mistake. Where that fails as well, it is the cause, and comes first:
among the results of a target, and among the oracles that object to one step.
"""

from otterproof.harness.spec.checks.table import CHECK_ID, Check, checks, is_consequence, level_of, lint, read, rule

__all__ = ["CHECK_ID", "Check", "checks", "is_consequence", "level_of", "lint", "read", "rule"]
