"""The checks: every demand of a scenario, an oracle or the comparison of engines, under an id that never changes.

An id is AREA.WORDS and names what is wrong when the check fails, such as `data.counter-not-higher`. The files in this
folder give, for each check, the rule it enforces (one sentence) and the requirements behind it. Known deviations,
reports, fuzz buckets and pages use the id; the sentence may be reworded at any time.

    [data.counter-not-higher]
    rule = "A counter is higher than every earlier one under the same pair of keys."
    requirements = ["DATA-CTR-2"]

The first requirement is the main one. `general = true` marks a check that also fails for many unrelated reasons; its
failures count for less when causes are ranked. `basic = true` marks a check that fails for only one reason and without
which little else works; it ranks first. `presumes = ["AREA.WORDS"]` names checks that must pass before this one says
anything about a mistake. If a presumed check fails as well, it is the cause and comes first, both among the results of
a target and among the oracles that object to one step.
"""

from otterproof.harness.spec.checks.table import CHECK_ID, Check, checks, is_consequence, level_of, lint, read, rule

__all__ = ["CHECK_ID", "Check", "checks", "is_consequence", "level_of", "lint", "read", "rule"]
