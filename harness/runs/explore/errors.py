"""What ends an exploration before anything can be said of the target: it can't be brought to the same state twice."""

from __future__ import annotations

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import DEVIATES, NOT_RUN


class NotRepeatable(CommandError):
    """A target answered differently when the same inputs were repeated, though it says that a seed decides."""

    exit_code = NOT_RUN


class SnapshotBroken(NotRepeatable):
    """A driver claims `snapshot`, and is not again what it was. The claim is about the driver, so this is a verdict."""

    exit_code = DEVIATES
