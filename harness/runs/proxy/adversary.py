"""The adversary of `otterproof fuzz` as a director: a seed alone decides what it does to a message.

Its moves are the network rows of the fuzzer's table, with the fuzzer's weights and domains. Its choices depend on how
many messages each side has sent, and not on when they arrived, so the same seed does the same to the same conversation.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from otterproof.harness.runs.fuzz.actions import TABLE, Row
from otterproof.harness.runs.proxy.actions import PASS, Action
from otterproof.harness.runs.proxy.items import Item
from otterproof.harness.simulation.moves import (
    ChangeField,
    Delay,
    Drop,
    Duplicate,
    FlipBit,
    Forge,
    Fragment,
    Inject,
    Move,
    Replay,
    Shuffle,
    Truncate,
)

#: The rows about the network. Rows that deliver stand for doing nothing special.
_ROWS: Mapping[str, Row] = {row.name: row for row in TABLE if {"to"} & row.draws.keys() and row.name != "deliver"}

#: One message in this many is attacked: a conversation under constant attack gets nowhere.
ONE_IN = 4


class Adversary:
    """The director. one_in: one message in this many is attacked."""

    def __init__(self, seed: str, one_in: int = ONE_IN) -> None:
        self._seed, self._one_in = seed, one_in
        self._sent: dict[str, int] = {}

    def decide(self, item: Item) -> Action:
        number = self._sent[item.sender] = self._sent.get(item.sender, 0) + 1
        source = random.Random(f"{self._seed}/{item.sender}/{number}".encode(errors="surrogatepass"))
        if source.randrange(self._one_in):
            return PASS
        rows = list(_ROWS.values())
        row = source.choices(rows, [one.weight for one in rows])[0]
        moves = row.moves([item.receiver], **row.drawn(source))
        return _action(moves[0]) if moves else PASS


def _action(move: Move) -> Action:
    """What a network move means for the message that has just been sent."""
    match move:
        case Drop():
            return Action("drop", {})
        case Duplicate():
            return Action("duplicate", {})
        case Delay() | Shuffle():
            return Action("hold", {"after": 1})
        case Replay(index=index):
            return Action("replay", {"back": max(-index, 1)})
        case FlipBit(bit=bit):
            return Action("flip", {"bit": bit})
        case ChangeField(name=name, value=value):
            return Action("change", {"field": name, "value": value.hex() if isinstance(value, bytes) else value})
        case Truncate(length=length):
            return Action("truncate", {"size": length})
        case Inject(message=message):
            return Action("inject", {"message": message.decode(errors="surrogateescape")})
        case Fragment(size=size):
            return Action("fragment", {"size": size})
        case Forge():
            return Action("forge", {})
    return PASS
