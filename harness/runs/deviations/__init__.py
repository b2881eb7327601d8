"""Known deviations: where a target is known to differ from the protocol texts, and why that is accepted.

A user's file lists the known failures (TOML, one entry each); this folder has the files of the third-party targets. A
known failure does not fail the run, but a file that does not fit does: an entry fails the run if its scenario passes or
fails a different check, or if the entry is unknown, duplicated or expired. So a file can't outlive what it describes.

    [[deviation]]
    scenario = "conformance.choices.counter_0_is_refused"     # in all versions; or with [v2] or [v3] at the end
    check = "data.counter-0-accepted"                         # the id of the failure, as `check` shows it
    reason = "Counters are not checked."
    expires = 2027-06-30                                      # optional: the last day on which it counts

`requirement = "DATA-CTR-2"` instead of `scenario` covers every scenario that claims it and fails that check.
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
