"""What can go wrong with a target behind the driver protocol: one class for each verdict.

After TargetCrash, TargetHang and TargetDesync the driver's process is dead; after TargetUnsupported and TargetFailed it
lives on, and TargetMissing means that it never ran.
"""

from __future__ import annotations

from otterproof.harness.support.errors import CommandError


class TargetError(CommandError):
    """The base of all; the message names the target, says what it did, and shows the end of its standard error."""


class TargetGivenUp(TargetError):
    """The target was not asked, for it failed at this too often; see giving_up.py."""


class TargetMissing(TargetError):
    """The target can't be run here; the message has the line that installs what is missing."""


class TargetUnsupported(TargetError):
    """The target says that it can't do this."""


class TargetFailed(TargetError):
    """The implementation raised an error of its own, and the driver lives on."""


class TargetCrash(TargetError):
    """The process died. `code` is its exit code, or minus the number of the signal that killed it; None: not known."""

    code: int | None = None


class TargetHang(TargetError):
    """No answer within the time limit; the process was killed."""


class TargetDesync(TargetError):
    """What came back is no answer to what was asked: garbage, half a line, a wrong id, too much; it was killed."""
