"""The id that identifies a failure: the check that did not hold, or a signature of how a target broke down.

Two failures with one id are assumed to have one cause. Known deviations name the id, and fuzzing groups its findings by
it. The words of a message may change; the id does not.
"""

from __future__ import annotations

from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.targets.driver.errors import TargetError
from otterproof.harness.wire import UnreadableField

#: A message lacks a field that a scenario reads: only the target sends messages to scenarios.
CUT_SHORT = "message.cut-short"


def check_of(error: BaseException) -> str:
    """The id of a failure by its exception; "" for one that says nothing about a target.

    data.counter-not-higher for a demand; crash.receive.sigsegv, hang.start, desync.hello or exception.send.KeyError for
    a target that broke down in a method of the driver protocol.
    """
    if isinstance(error, UnreadableField):
        return CUT_SHORT
    return error.check if isinstance(error, DemandFailed | TargetError) else ""
