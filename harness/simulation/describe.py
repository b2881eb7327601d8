"""Steps of a run in words, one line each, for people who read a failure: who did what, and what happened then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otterproof.harness.simulation.world import Step
from otterproof.harness.wire.shown import message_in_words, shown
from otterproof.implementations.contract import Event

#: What a user does, by the action's name.
_ACTIONS: Mapping[str, str] = {
    "start": "starts a conversation",
    "end": "ends the conversation",
    "smp_start": "starts SMP",
    "smp_answer": "answers SMP",
    "smp_abort": "gives up SMP",
    "extra_key": "asks for the extra symmetric key",
    "set_policy": "changes the policy",
}

#: Parties that have a name; the others are called by their role.
_NAMES = frozenset({"alice", "bob", "bob1", "bob2"})


def describe_input(step: Step) -> str:
    """The input of a step: the target receives a D-H Key Message."""
    party = step.party if step.party in _NAMES else f"the {step.party}"
    match step.args:
        case {"message": bytes() as message} if step.action == "receive":
            return f"{party} receives {message_in_words(message)}"
        case {"text": bytes() as text} if step.action == "send":
            return f"{party}'s user sends {shown(text)}"
        case _:
            return f"{party}'s user {_ACTIONS.get(step.action, step.action)}"


def describe_result(step: Step) -> str:
    """The result of a step: answers with a Reveal Signature Message."""
    if step.failure is not None:
        return "breaks down"
    return describe_events(step.events)


def describe_events(events: Sequence[Event]) -> str:
    """Events, those that repeat counted."""
    words = [shown(event) for event in events]
    unique = list(dict.fromkeys(words))
    parts = [one if words.count(one) == 1 else f"{one} ({words.count(one)} times)" for one in unique]
    return "; ".join(parts) or "nothing happens"
