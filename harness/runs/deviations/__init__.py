"""Known deviations: what a target is known to do otherwise than the protocol texts say, and why that is accepted.

A file of the user's says which failures are known (TOML, an entry for each); those of the third-party targets are in
this folder. A known failure does not fail the run. Everything else about the file does: an entry whose scenario passes
or fails by another check, that is unknown, duplicated, or expired. So a file can't outlive what it describes.

    [[deviation]]
    scenario = "conformance.choices.counter_0_is_refused"     # in all versions; or with [v2] or [v3] at the end
    check = "data.counter-0-accepted"                         # the id of the failure, as `check` shows it
    reason = "Counters are not checked."
    expires = 2027-06-30                                      # optional: from the next day on it does not count

`requirement = "DATA-CTR-2"` in place of `scenario` stands for every scenario that claims it and fails by that check.
"""

from otterproof.harness.runs.deviations.entries import Deviation, DeviationError, load, shipped
from otterproof.harness.runs.deviations.files import NONE, entries_of, file_for, of_several
from otterproof.harness.runs.deviations.fix import fix, fix_fuzz
from otterproof.harness.runs.deviations.known import Known

__all__ = [
    "NONE",
    "Deviation",
    "DeviationError",
    "Known",
    "entries_of",
    "file_for",
    "fix",
    "fix_fuzz",
    "load",
    "of_several",
    "shipped",
]
