"""The network between the parties, under an adversary who sees everything and has only revealed MAC keys.

Messages wait in one queue for each receiver until a move delivers, changes or drops them. `Network.deliveries` is the
only loop that empties the queues: all code that plays a conversation to its end takes the messages from it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otterproof.harness import wire
from otterproof.harness.simulation.handshake_insider import CraftedHandshake, name_of
from otterproof.harness.simulation.insider import Crafted
from otterproof.harness.simulation.moves import (
    ChangeField,
    Delay,
    Deliver,
    Drop,
    Duplicate,
    FlipBit,
    Forge,
    Fragment,
    Inject,
    NetworkMove,
    Replay,
    Shuffle,
    Splice,
    Truncate,
)
from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.wire.mutate import change_field, flip_bit, forgery, fragment, splice, truncate

#: Enough deliveries for any conversation that settles at all.
LIMIT = 1000


class NotQuiescent(DemandFailed):
    """Parties answer each other without end. limit: how many messages were delivered. waiting: how many still wait."""

    def __init__(self, limit: int, waiting: int) -> None:
        check_id = "run.never-settles"
        expected = f"no message is under way after {limit} deliveries"
        super().__init__(check_id, checks.rule(check_id), expected=expected, got=f"{waiting} are")


class Sent(NamedTuple):
    """A message as a party sent it. crafted: what is known of it, if an insider made it."""

    sender: str
    message: bytes
    crafted: Crafted | CraftedHandshake | None = None


@dataclass(slots=True)
class Network:
    """Queues and history. routes: who receives what a party sends; several receivers are clients of one account."""

    routes: Mapping[str, Sequence[str]]
    queues: dict[str, list[bytes]] = field(default_factory=dict)
    history: list[Sent] = field(default_factory=list)
    #: The messages that insiders made, by name. [otterproof.harness.simulation.insider]
    crafted: dict[bytes, Crafted | CraftedHandshake] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for receivers in self.routes.values():
            for receiver in receivers:
                self.queues.setdefault(receiver, [])

    def send(self, sender: str, message: bytes) -> None:
        """A party transmits a message."""
        self.history.append(Sent(sender, message))
        for receiver in self.routes[sender]:
            self.queues[receiver].append(message)

    def replace(self, receiver: str, at: int, crafted: Crafted | CraftedHandshake) -> None:
        """Replace a message under way by one that an insider made."""
        earlier = self.crafted.get(name_of(wire.parse_once(self.queues[receiver][at])))
        if earlier is not None:
            crafted = crafted.after(earlier)
        self.queues[receiver][at] = crafted.raw
        self.history.append(Sent(crafted.sender, crafted.raw, crafted))
        self.crafted[crafted.name] = crafted

    def apply(self, move: NetworkMove) -> bytes | None:
        """Make a move. Returns the message to be handed to `move.to` now, if the move delivers one."""
        if isinstance(move, Deliver):  # the usual one
            queue = self.queues[move.to]
            return queue.pop(move.position % len(queue)) if queue else None
        if isinstance(move, Inject):
            return move.message
        if isinstance(move, Replay):
            return self.history[move.index % len(self.history)].message if self.history else None
        if isinstance(move, Forge):
            return forgery([sent.message for sent in self.history])
        queue = self.queues[move.to]
        if not queue:
            return None
        if isinstance(move, Shuffle):
            random.Random(move.seed).shuffle(queue)
            return None
        at = move.position % len(queue)
        match move:
            case Drop():
                del queue[at]
            case Duplicate():
                queue.insert(at, queue[at])
            case Delay():
                queue.append(queue.pop(at))
            case FlipBit(bit=bit):
                queue[at] = flip_bit(queue[at], bit)
            case ChangeField(name=name, value=value):
                queue[at] = change_field(queue[at], name, value)
            case Truncate(length=length):
                queue[at] = truncate(queue[at], length)
            case Splice(text=text, at=start, cut=cut, put=put):
                queue[at] = splice(queue[at], start, cut, put, text=text)
            case Fragment(size=size):
                queue[at : at + 1] = fragment(queue[at], size)
        return None

    def deliveries(self, limit: int = LIMIT, to: Sequence[str] | None = None) -> Iterator[tuple[str, bytes]]:
        """Take the messages off the network one by one, each with its receiver, until none is under way.

        The caller does with a message what it likes; messages sent meanwhile follow. The next receiver is the first one
        for whom a message waits. to: the receivers in their order, if not all in the order of the queues. NotQuiescent
        if messages are still under way after `limit` deliveries.
        """
        for _ in range(limit):
            receiver = self._next(to)
            if receiver is None:
                return
            yield receiver, self.queues[receiver].pop(0)
        if self._next(to) is not None:
            raise NotQuiescent(limit, self.waiting())

    def _next(self, to: Sequence[str] | None) -> str | None:
        """The first receiver for whom a message waits."""
        for name in self.queues if to is None else to:
            if self.queues[name]:
                return name
        return None

    def waiting(self) -> int:
        """How many messages are under way."""
        return sum(map(len, self.queues.values()))

    def snapshot(self) -> tuple[dict[str, list[bytes]], int]:
        return {receiver: list(queue) for receiver, queue in self.queues.items()}, len(self.history)

    def restore(self, state: tuple[dict[str, list[bytes]], int]) -> None:
        queues, sent = state
        self.queues = {receiver: list(queue) for receiver, queue in queues.items()}
        for one in self.history[sent:]:
            if one.crafted is not None:
                self.crafted.pop(one.crafted.name, None)
        del self.history[sent:]
