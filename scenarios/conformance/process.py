"""The process of a target behind the driver protocol: it ends when it is asked to, and nothing goes wrong then."""

from __future__ import annotations

from harness.drivers import DriverTarget
from harness.scenario import scenario
from harness.stage import TARGET, Stage


@scenario(requirements=("AKE-BOTH-1", "DATA-RECV-2"))
def it_ends_when_it_is_asked_to(stage: Stage) -> None:
    """After a conversation a driver forgets its parties, answers `shutdown`, and exits with code 0.

    An engine in the harness's own process has none that could end, and passes. The result is also that of all that goes
    wrong when processes end in the course of a check, whatever ran in them.
    """
    pair = stage.pair()
    pair.establish(TARGET)
    pair.say(TARGET, b"the last words")
    if isinstance(stage.target, DriverTarget):
        stage.target.end()
