"""Keeps replays pointed at the same message when moves before them are removed.

A `Replay` names a message by its place among the messages sent so far, mostly from the end. Without a move that sent
something in between, the same number means another message, so the program may stop failing, and the move looks
necessary. So whenever moves are removed, the number is adjusted by how many messages they sent.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from otterproof.harness.simulation.moves import Move, Replay


def without(moves: Sequence[Move], places: Collection[int], sent: Sequence[int]) -> tuple[Move, ...]:
    """The moves without those in some places; replays name the same messages as before.

    sent: how many messages had been sent before each move, as far as that is known. If the replayed message goes with
    its move, the replay names the message that takes its place.
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
    """How many messages, from the `first` on, were sent before a move by moves that are removed."""
    return sum(max(sent[other + 1] - max(sent[other], first), 0) for other in places if other < place)
