"""Known deviations: what a target is known to do otherwise than the protocol texts say, and why that is put up with.

A file of the user's says which failures are known (TOML, an entry for each); those of the third-party targets are
shipped in this folder. A known failure does not fail the run. Everything else about the file does: an entry whose
scenario passes or fails in another way, that is unknown, there twice, or expired. So a file can't outlive what it
describes.

    [[deviation]]
    scenario = "conformance.choices.counter_0_is_refused"     # in all versions; or with [v2] or [v3] at the end
    message = "nothing comes of a message with counter 0"  # how the failure's text begins
    reason = "Counters are not checked."
    verdict = "fail"                                       # optional: fail (if left out), crash, hang or desync
    expires = 2027-06-30                                   # optional: from the next day on it does not count

`requirement = "DATA-CTR-2"` in place of `scenario` stands for every scenario that claims it and fails like that.
"""

from otterproof.harness.runs.deviations.entries import Deviation, DeviationError, load, shipped
from otterproof.harness.runs.deviations.fix import fix
from otterproof.harness.runs.deviations.known import Known

__all__ = ["Deviation", "DeviationError", "Known", "fix", "load", "shipped"]
