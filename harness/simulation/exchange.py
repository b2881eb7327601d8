"""Conversations without an adversary: every message arrives, once and in order.

For code that needs the outcome of a conversation (a session, or the messages themselves) but no world around it, such
as measurements, probes and tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from otterproof.harness.simulation.network import LIMIT, Network
from otterproof.implementations.actions import Receiver
from otterproof.implementations.contract import Event, OutgoingMessage


def outgoing(events: Sequence[Event]) -> list[bytes]:
    """The messages among some events."""
    return [event.message for event in events if isinstance(event, OutgoingMessage)]


def other_events(events: Sequence[Event]) -> list[Event]:
    """Some events without the messages."""
    return [event for event in events if not isinstance(event, OutgoingMessage)]


def exchange(
    parties: Mapping[str, Receiver],
    sender: str,
    events: Sequence[Event],
    *,
    limit: int = LIMIT,
    watch: Callable[[str, bytes], object] | None = None,
) -> dict[str, list[Event]]:
    """Deliver what one party has just sent, and everything sent in answer; returns all events of each party.

    events: those of the sender, with which its list begins. Each party receives what the others send. watch: called
    with the receiver and the message before each delivery. NotQuiescent if `limit` deliveries are not enough.
    """
    network = Network({name: [other for other in parties if other != name] for name in parties})
    found: dict[str, list[Event]] = {name: [] for name in parties}

    def take(name: str, events: Sequence[Event]) -> None:
        found[name] += events
        for message in outgoing(events):
            network.send(name, message)

    take(sender, events)
    for receiver, message in network.deliveries(limit):
        if watch is not None:
            watch(receiver, message)
        take(receiver, parties[receiver].receive(message))
    return found
