"""Moves: everything that a user, the clock or an adversary on the network can do, as small values.

Nothing in a simulation happens by itself. Every delivery, loss, copy, change and injected message is a move. Moves can
be printed, stored and replayed, and a program is a list of moves. Positions count from the front of the receiver's
queue and wrap around, so a program keeps its meaning when shrinking removes moves from it. A move on an empty queue
does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class User:
    """A user acts: `action` is a method of contract.Engine that returns events, `args` its arguments by name."""

    party: str
    action: str
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes for everybody, in whole seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Take a message out of the queue and deliver it. Position 0 keeps the order of sending; any other reorders."""

    to: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Drop:
    """Lose a message."""

    to: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Put a copy of a message right behind it."""

    to: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Delay:
    """Move a message to the end of the queue."""

    to: str
    position: int = 0


@dataclass(frozen=True, slots=True)
class Replay:
    """Deliver a copy of any message that was ever sent, by anybody (back to its sender, that is a reflection)."""

    to: str
    index: int


@dataclass(frozen=True, slots=True)
class FlipBit:
    """Invert one bit of the binary message if it is armoured, else of the message as it is."""

    to: str
    position: int
    bit: int


@dataclass(frozen=True, slots=True)
class ChangeField:
    """Give a field of an encoded message another value; nothing happens if it has no such field."""

    to: str
    position: int
    name: str
    value: int | bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cut a binary message after `length` bytes, leaving the armour intact."""

    to: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Inject:
    """Deliver a message made by the adversary."""

    to: str
    message: bytes


@dataclass(frozen=True, slots=True)
class Fragment:
    """Replace an encoded message by fragments with pieces of `size` bytes."""

    to: str
    position: int
    size: int


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Put the whole queue in another order, which depends on the seed."""

    to: str
    seed: int


@dataclass(frozen=True, slots=True)
class Forge:
    """Deliver a forgery: the latest data message whose MAC key has been revealed, changed and with the right MAC."""

    to: str


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace `cut` bytes from `at` on by `put`: in the binary message or, with `text`, in what is on the wire."""

    to: str
    position: int
    text: bool
    at: int
    cut: int
    put: bytes


@dataclass(frozen=True, slots=True)
class Craft:
    """An insider changes a part of a message under way, with its sender's keys, so that everything else in it is right.

    part: one of wire.craft.PARTS for a data message, of wire.craft_handshake.HANDSHAKE_PARTS for one of the handshake.
    number: which TLV, number or lie, or an offset. value: what to put there. Nothing happens if the message has no such
    part, or can't be read with the keys that the sender has now.
    """

    to: str
    position: int
    part: str
    number: int
    value: int | bytes


@dataclass(frozen=True, slots=True)
class Settle:
    """Deliver what is under way, and what is sent in answer, in the order of sending; at most `limit` messages."""

    limit: int = 40


Move: TypeAlias = (
    User
    | Tick
    | Settle
    | Deliver
    | Drop
    | Duplicate
    | Delay
    | Replay
    | FlipBit
    | ChangeField
    | Truncate
    | Inject
    | Fragment
    | Shuffle
    | Forge
    | Splice
    | Craft
)

#: The moves that the network carries out.
NetworkMove: TypeAlias = (
    Deliver
    | Drop
    | Duplicate
    | Delay
    | Replay
    | FlipBit
    | ChangeField
    | Truncate
    | Inject
    | Fragment
    | Shuffle
    | Forge
    | Splice
)
