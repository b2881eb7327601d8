"""What a simple program shows its user, for targets that are libraries: a line for each event, texts as they are.

Scenarios on the screen are about programs. An engine has none; with this one they can be asked of it, so that faults
show that they notice something.
"""

from __future__ import annotations

from collections.abc import Iterable

from otterproof.implementations.contract import Event, MessageRejected, OutgoingMessage, TextReceived


def simple_screen(events: Iterable[Event]) -> list[str]:
    """The lines for the events of one step: a text in the clear has a warning before it if the user is to be warned."""
    lines: list[str] = []
    for event in events:
        if isinstance(event, TextReceived):
            lines += ["Not encrypted:"] * bool(event.warn) + [f"<peer> {event.text.decode(errors='replace')}"]
        elif not isinstance(event, OutgoingMessage | MessageRejected):  # one is for the network, one for the log
            lines.append(f"-- {type(event).__name__}")
    return lines
