"""Data messages: fields, flags, counters, authenticator. [Data Message, Receiving a Data Message]"""

from __future__ import annotations

from harness.scenario import scenario
from harness.stage import Stage


@scenario(requirements=("DATA-CTR-2", "!DATA-CTR-2"))
def counter_0_is_refused(stage: Stage) -> None:
    """A first message with counter 0 is not shown, and the session goes on with one that has a counter above 0."""
    subject, insider = stage.encrypted()
    subject.give(insider.data(b"counter 0", ctr=0)).accepts_nothing("a message with counter 0")
    subject.still_talks(insider)
