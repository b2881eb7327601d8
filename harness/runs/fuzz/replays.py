"""Replays that stay pointed at the same message when moves before them are left out.

A `Replay` names a message by its place in what has been sent so far, mostly from the end. When a move goes that sent
something in between, the same number stands for another message, the program does not fail any more, and the move looks
as if it were needed. So the number is changed along with the moves, by how many messages each of them has sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from otterproof.harness.simulation.moves import Move, Replay


def without(moves: Sequence[Move], places: Collection[int], sent: Sequence[int]) -> tuple[Move, ...]:
    """Moves without those in some places; replays name the messages that they named.

    sent: how many messages had been sent before each move, as far as that is known. A replay of a message that goes
    with its move names what then has its place.
    """
    left = []
    for place, move in enumerate(moves):
        if place in places:
            continue
        if isinstance(move, Replay) and place < len(sent) and sent[place]:
            message = move.index % sent[place]
            if _gone(sent, places, place):
                behind = sent[place] - message - _gone(sent, places, place, message)
                move = replace(move, index=-max(behind, 1))
        left.append(move)
    return tuple(left)


def _gone(sent: Sequence[int], places: Collection[int], place: int, first: int = 0) -> int:
    """How many messages that had been sent before a move, the first one given or a later one, go with other moves."""
    return sum(max(sent[other + 1] - max(sent[other], first), 0) for other in places if other < place)
