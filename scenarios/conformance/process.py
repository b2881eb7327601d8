"""The process of a target behind the driver protocol: it ends when asked to, and without an error."""

from __future__ import annotations

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.context import PEER, TARGET, Context
from otterproof.harness.testkit.scenario import scenario


@scenario(requirements=("STATE-ACTIONS-1",))
def driver_exits_on_shutdown(context: Context) -> None:
    """After a conversation, a driver forgets its parties, answers `shutdown`, and exits with code 0.

    The conversation itself is not judged here. An engine runs in the harness's own process and passes. The result also
    reports any failure of a process to end properly during a check, whichever scenario it ran in.
    """
    pair = context.pair()
    pair.act_and_settle(PEER, "start")
    pair.act_and_settle(TARGET, "send", text=b"the last words")
    pair.act_and_settle(TARGET, "end")
    if isinstance(context.target, DriverTarget):
        context.target.end()
