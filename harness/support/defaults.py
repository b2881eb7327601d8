"""The values that hold unless a user gives others, in one place that imports nothing: `--help` tells them at once."""

from __future__ import annotations

#: The target that is judged.
DEFAULT_TARGET = "independent"

#: The seed of everything random.
DEFAULT_SEED = "otterproof"

#: Seconds for one call of a driver. Handshakes of the slowest targets take a quarter of one.
TIME_LIMIT = 10.0

#: Seconds that shrinking one failure may take.
SHRINK_TIME = 600.0

#: Failures in a row after which `check` and `matrix` no longer call a method of a target.
GIVE_UP_AFTER = 10

#: How many times as many random runs as in CI a property is tried in, by the name of the profile.
PROFILES = {"ci": 1, "nightly": 20}

#: The profile that is run.
DEFAULT_PROFILE = "ci"
