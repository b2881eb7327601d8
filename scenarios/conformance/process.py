"""The process of a target behind the driver protocol: it ends when it is asked to, and nothing goes wrong then."""

from __future__ import annotations

from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.context import PEER, TARGET, Context
from otterproof.harness.testkit.scenario import scenario


@scenario(requirements=("STATE-ACTIONS-1",))
def it_ends_when_it_is_asked_to(context: Context) -> None:
    """After a conversation a driver forgets its parties, answers `shutdown`, and exits with code 0.

    What was said is not judged here. An engine in the harness's own process has no process that could end, and passes.
    The result is also that of all that goes wrong when processes end in the course of a check, whatever ran in them.
    """
    pair = context.pair()
    pair.act_and_settle(PEER, "start")
    pair.act_and_settle(TARGET, "send", text=b"the last words")
    pair.act_and_settle(TARGET, "end")
    if isinstance(context.target, DriverTarget):
        context.target.end()
