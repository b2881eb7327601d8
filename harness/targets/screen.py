"""The screen of a simple program, for targets that are libraries: a line for each event, texts unchanged.

Scenarios about the screen are for programs, and an engine has none. With this one they can run against an engine, so
that faults show that they notice something.
"""

from __future__ import annotations

from collections.abc import Iterable

from otterproof.implementations.contract import Event, MessageRejected, OutgoingMessage, TextReceived


def simple_screen(events: Iterable[Event]) -> list[str]:
    """The lines for the events of one step. A warning precedes a text in the clear if the user is to be warned."""
    lines: list[str] = []
    for event in events:
        if isinstance(event, TextReceived):
            lines += ["Not encrypted:"] * bool(event.warn) + [f"<peer> {event.text.decode(errors='replace')}"]
        elif not isinstance(event, OutgoingMessage | MessageRejected):  # those go to the network and the log
            lines.append(f"-- {type(event).__name__}")
    return lines
