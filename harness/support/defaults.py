"""Default values of options, in one module that imports nothing, so that `--help` is fast."""

from __future__ import annotations

#: The target that is judged.
DEFAULT_TARGET = "independent"

#: The seed of everything random.
DEFAULT_SEED = "otterproof"

#: Seconds for one call of a driver. Handshakes of the slowest targets take a quarter of a second.
TIME_LIMIT = 10.0

#: The most seconds for shrinking one failure.
SHRINK_TIME = 600.0

#: Failures in a row after which `check` and `matrix` no longer call a method of a target.
GIVE_UP_AFTER = 10

#: For each profile, the number of random runs per property, as a multiple of that in CI.
PROFILES = {"ci": 1, "nightly": 20}

#: The default profile.
DEFAULT_PROFILE = "ci"
