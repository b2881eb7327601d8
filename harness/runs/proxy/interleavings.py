"""Explore systematically what can happen to the messages of a conversation, by replaying it for each possibility.

Every message is held back. Whenever any are, there is a choice: which goes next, whether one is lost or duplicated, or
whether a user acts before any arrives. From the given message on, this many choices are made in all possible ways;
before and after them, messages go in the order in which they were sent. A run is identified by its choices, and nothing
else is kept: the programs restart for each run, so this works with any program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.proxy.actions import DROP, PASS, Action
from otterproof.harness.runs.proxy.between import MOST, Conversation

#: The default number of choices that are made in all ways.
DEPTH = 2


@dataclass(frozen=True, slots=True)
class Choice:
    """One possibility. words: a description. number: of the message; 0 for a user's turn."""

    words: str
    number: int
    action: Action = PASS


@dataclass(frozen=True, slots=True)
class Run:
    """A run. choices: those made where there was an alternative, in words. outcome: what users were told, with counts.

    conversation: the finished conversation, for its transcript.
    """

    choices: tuple[str, ...]
    outcome: tuple[tuple[str, int], ...]
    failures: tuple[tuple[str, Failure], ...]
    conversation: Conversation


def choices_of(conversation: Conversation) -> list[Choice]:
    """What may happen next, starting with the order of sending. [] if nothing is held back."""
    held = conversation.watched.relay.held()
    found: list[Choice] = []
    oldest = {item.receiver: item for item in reversed(held)}
    for item in sorted(oldest.values(), key=lambda one: one.number):
        found.append(Choice(f"{item.number} ({item.kind}) goes to {item.receiver}", item.number))
    for item in sorted(oldest.values(), key=lambda one: one.number):
        behind = [one for one in held if one.receiver == item.receiver and one is not item]
        if behind:
            words = f"{behind[0].number} ({behind[0].kind}) overtakes {item.number} ({item.kind})"
            found.append(Choice(words, behind[0].number))
        found.append(Choice(f"{item.number} ({item.kind}) is lost", item.number, DROP))
        found.append(Choice(f"{item.number} ({item.kind}) comes twice", item.number, Action("duplicate", {})))
    if held and conversation.turns_left:
        found.append(Choice("the next user acts", 0))
    return found


def interleavings(make: Callable[[], Conversation], depth: int, first: int = 1) -> Iterator[Run]:
    """All runs.

    make: begins the conversation, with every message held back. first: the number of the first message that gets
    choices.
    """
    prefix: list[int] = []
    while True:
        conversation = make()
        made: list[tuple[int, int]] = []
        words: list[str] = []
        try:
            _play(conversation, prefix, depth, first, made, words)
        except BaseException:
            conversation.close(interrupted=True)
            raise
        conversation.close()
        outcome = tuple(sorted((f"{party} {name}", count) for (party, name), count in conversation.told.items()))
        yield Run(tuple(words), outcome, tuple(conversation.all_failures()), conversation)
        while made and made[-1][0] + 1 >= made[-1][1]:
            made.pop()
        if not made:
            return
        prefix = [taken for taken, _ in made]
        prefix[-1] += 1


def _play(
    conversation: Conversation, prefix: list[int], depth: int, first: int, made: list[tuple[int, int]], words: list[str]
) -> None:
    """One run: the choices of the prefix, and from there on the first choice each time."""
    for _ in range(4 * MOST):
        choices = choices_of(conversation)
        if not choices:
            if not conversation.step():
                return
            continue
        taken = 0
        newest = max(choice.number for choice in choices)
        if newest >= first and len(made) < depth:
            taken = prefix[len(made)] if len(made) < len(prefix) else 0
            taken = min(taken, len(choices) - 1)  # a program that answers differently this time may offer fewer
            made.append((taken, len(choices)))
            words.append(choices[taken].words)
        _make(conversation, choices[taken])


def _make(conversation: Conversation, choice: Choice) -> None:
    if choice.number == 0:
        conversation.take_turn()
        return
    conversation.watched.relay.act(choice.number, choice.action, conversation.now)
    while conversation.ready():
        conversation.step()
