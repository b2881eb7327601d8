"""The process of a target behind the driver protocol: it ends when it is asked to, and nothing goes wrong then."""

from __future__ import annotations

from harness.drivers import DriverTarget
from harness.scenario import scenario
from harness.stage import PEER, TARGET, Stage


@scenario(requirements=("STATE-ACTIONS-1",))
def it_ends_when_it_is_asked_to(stage: Stage) -> None:
    """After a conversation a driver forgets its parties, answers `shutdown`, and exits with code 0.

    What was said is not judged here. An engine in the harness's own process has no process that could end, and passes.
    The result is also that of all that goes wrong when processes end in the course of a check, whatever ran in them.
    """
    pair = stage.pair()
    pair.act(PEER, "start")
    pair.act(TARGET, "send", text=b"the last words")
    pair.act(TARGET, "end")
    if isinstance(stage.target, DriverTarget):
        stage.target.end()
