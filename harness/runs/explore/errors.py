"""Errors that end an exploration without a verdict: the target can't be brought to the same state twice."""

from __future__ import annotations

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import DEVIATES, NOT_RUN


class NotRepeatable(CommandError):
    """A target answered repeated inputs differently, although it says that a seed decides."""

    exit_code = NOT_RUN


class SnapshotBroken(NotRepeatable):
    """A driver claims `snapshot` but does not restore its state. The claim is the driver's, so this is a verdict."""

    exit_code = DEVIATES
