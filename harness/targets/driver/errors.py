"""What can go wrong with a target behind the driver protocol: one class for each verdict.

After TargetCrash, TargetHang and TargetDesync the driver's process is dead; after TargetUnsupported and TargetFailed it
lives on, and TargetMissing means that it never ran.
"""

from __future__ import annotations

from typing import ClassVar

from otterproof.harness.support.errors import CommandError


class TargetError(CommandError):
    """The base of all; the message names the target, says what it did, and shows the end of its standard error.

    method: what was asked of the target when it went wrong, "" if nothing was.
    """

    method: str = ""
    #: What it is called in the ids below; "" for errors that are not the target's failures.
    kind: ClassVar[str] = ""

    @property
    def check(self) -> str:
        """By this id, failures with the same cause are known to be the same, such as hang.smp_answer."""
        return f"{self.kind}.{self.method or 'target'}" if self.kind else ""


class TargetGivenUp(TargetError):
    """The target was not asked, for it failed at this too often; see giving_up.py."""


class TargetMissing(TargetError):
    """The target can't be run here; the message has the line that installs what is missing."""


class TargetUnsupported(TargetError):
    """The target says that it can't do this, though it claims the capability. [conformance.claims]"""

    @property
    def check(self) -> str:
        return "driver.claim-not-kept"


class TargetFailed(TargetError):
    """The implementation raised an error of its own, and the driver lives on."""

    kind = "error"


class TargetCrash(TargetError):
    """The process died, or an engine raised an error.

    code: the exit code of the process, or minus the number of the signal that killed it; None if it is not known. how:
    how it died, in a word: the name of the signal, exit-1, or the class of the error.
    """

    kind = "crash"
    code: int | None = None
    how: str = ""

    @property
    def check(self) -> str:
        """Such as crash.receive.sigsegv."""
        return f"{super().check}.{self.how}" if self.how else super().check


class TargetHang(TargetError):
    """No answer within the time limit; the process was killed."""

    kind = "hang"


class TargetDesync(TargetError):
    """What came back is no answer to what was asked: garbage, half a line, a wrong id, too much; it was killed."""

    kind = "desync"
