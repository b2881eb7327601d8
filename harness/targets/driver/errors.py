"""The errors of a target behind the driver protocol: one class for each verdict.

After TargetCrash, TargetHang, TargetDesync and TargetStranded, the driver's process is dead; after TargetUnsupported
and TargetFailed it lives on. TargetMissing means that it never ran.
"""

from __future__ import annotations

from typing import ClassVar

from otterproof.harness.support.errors import CommandError


class TargetError(CommandError):
    """The base of all; the message names the target, says what it did, and shows the end of its standard error.

    method: the method that was called when it went wrong, "" if none was. how: how it broke down, in a word: the name
    of a signal, exit-1, or the class of an error; "" if unknown. standard_error: its end, made printable, if
    the process has ended.
    """

    #: The first word of the ids below; "" for errors that are not the target's failures.
    kind: ClassVar[str] = ""

    def __init__(self, message: str, *, method: str = "", how: str = "") -> None:
        super().__init__(message)
        self.method = method
        self.how = how
        self.standard_error = ""

    @property
    def check(self) -> str:
        """The id of failures with the same cause, such as crash.receive.sigsegv."""
        return ".".join(filter(None, (self.kind, self.method or "target", self.how))) if self.kind else ""


class TargetGivenUp(TargetError):
    """The target was not called, because it failed at this too often; see giving_up.py."""


class TargetMissing(TargetError):
    """The target can't run here; the message has the command that installs what is missing."""


class TargetStranded(TargetError):
    """Something that the driver needs besides the implementation, such as a screen, has ended.

    That may be nobody's fault, so the scenario is retried once. If it happens again, the target counts as crashed.
    """

    kind = "crash"

    def __init__(self, message: str, *, method: str = "") -> None:
        super().__init__(message, method=method, how="stranded")


class TargetUnsupported(TargetError):
    """The target says that it can't do this, although it claims the capability. [conformance.claims]"""

    @property
    def check(self) -> str:
        return "driver.claim-not-kept"


class TargetFailed(TargetError):
    """The implementation raised an error of its own, and the driver lives on."""

    kind = "exception"


class TargetCrash(TargetError):
    """The process died, or an engine raised an error.

    code: the exit code of the process, or minus the number of the signal that killed it; None if unknown.
    """

    kind = "crash"

    def __init__(self, message: str, *, method: str = "", how: str = "", code: int | None = None) -> None:
        super().__init__(message, method=method, how=how)
        self.code = code


class TargetHang(TargetError):
    """No answer within the time limit; the process was killed."""

    kind = "hang"


class TargetDesync(TargetError):
    """The output does not answer the request: garbage, half a line, a wrong id, too much; the process was killed."""

    kind = "desync"
