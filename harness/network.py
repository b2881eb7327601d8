"""The network between the parties, under an adversary who sees everything and holds no keys but revealed MAC keys.

Messages wait in one queue per receiver. Nothing moves by itself: every delivery, loss, copy, change and invention is a
*move*, a small value that can be printed, stored and replayed. A program is a list of moves; the same program on the
same parties gives the same run. Positions count from the front of the receiver's queue and wrap around, so that a
program stays meaningful when shrinking takes moves out of it; a move on an empty queue does nothing.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from harness import wire
from harness.wire import Kind


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
    """Take a message out of the queue and hand it over. Position 0 is the order of sending; any other reorders."""

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
    """Hand over a copy of any message that was ever sent, by anybody (back to its sender, that is a reflection)."""

    to: str
    index: int


@dataclass(frozen=True, slots=True)
class FlipBit:
    """Invert one bit: of the binary message if it is armoured, else of the message as it is."""

    to: str
    position: int
    bit: int


@dataclass(frozen=True, slots=True)
class ChangeField:
    """Give a field of an encoded message another value; nothing happens when it has no such field."""

    to: str
    position: int
    name: str
    value: int | bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """Cut a binary message after so many bytes, leaving the armour whole."""

    to: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Inject:
    """Hand over a message of the adversary's own making."""

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
    """Put the whole queue in another order, a different one for each seed."""

    to: str
    seed: int


@dataclass(frozen=True, slots=True)
class Forge:
    """The forger: hand over the latest data message whose MAC key has been revealed, changed and with the right MAC."""

    to: str


@dataclass(frozen=True, slots=True)
class Settle:
    """Deliver what is under way, and what comes of it, in the order of sending; at most `limit` messages."""

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
)

#: The moves of the network, as against those of users and of time.
NetworkMove: TypeAlias = (
    Deliver | Drop | Duplicate | Delay | Replay | FlipBit | ChangeField | Truncate | Inject | Fragment | Shuffle | Forge
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as a party gave it to the network."""

    sender: str
    message: bytes


@dataclass(slots=True)
class Network:
    """Queues and history. `routes`: who receives what a party sends; several receivers are clients of one account."""

    routes: Mapping[str, Sequence[str]]
    queues: dict[str, list[bytes]] = field(default_factory=dict)
    history: list[Sent] = field(default_factory=list)

    def __post_init__(self) -> None:
        for receivers in self.routes.values():
            for receiver in receivers:
                self.queues.setdefault(receiver, [])

    def send(self, sender: str, message: bytes) -> None:
        """A party transmits a message."""
        self.history.append(Sent(sender, message))
        for receiver in self.routes[sender]:
            self.queues[receiver].append(message)

    def apply(self, move: NetworkMove) -> bytes | None:
        """Make a move; the message that is now to be handed to `move.to`, if the move is a delivery."""
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
            case Deliver():
                return queue.pop(at)
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
            case Fragment(size=size):
                queue[at : at + 1] = fragment(queue[at], size)
        return None

    def waiting(self) -> int:
        """How many messages are under way."""
        return sum(map(len, self.queues.values()))

    def snapshot(self) -> tuple[dict[str, list[bytes]], int]:
        return {receiver: list(queue) for receiver, queue in self.queues.items()}, len(self.history)

    def restore(self, state: tuple[dict[str, list[bytes]], int]) -> None:
        queues, sent = state
        self.queues = {receiver: list(queue) for receiver, queue in queues.items()}
        del self.history[sent:]


def flip_bit(message: bytes, bit: int) -> bytes:
    """Invert one bit of what the armour holds, or of a message without armour; `bit` wraps around."""
    parsed = wire.parse(message)
    content = bytearray(parsed.body)
    if not content:
        return message
    bit %= 8 * len(content)
    content[bit // 8] ^= 0x80 >> bit % 8
    return wire.build(parsed.with_body(bytes(content)))


def truncate(message: bytes, length: int) -> bytes:
    """Keep the first bytes of what the armour holds, or of a message without armour; `length` wraps around."""
    parsed = wire.parse(message)
    return wire.build(parsed.with_body(parsed.body[: length % (len(parsed.body) + 1)]))


def change_field(message: bytes, name: str, value: int | bytes) -> bytes:
    """Give a field another value; the message is unchanged if it has no such field, or none that can hold the value."""
    try:
        return wire.build(wire.parse(message).with_value(name, value))
    except wire.FieldError:
        return message


#: Bytes that the forger authenticates, in search of a message and the key that fits it, before he gives up. What he
#: tries is every message with every key revealed, and a hostile target reveals as many as it likes.
_FORGER_WORK = 1 << 25

#: What trying a key costs beside the message, in bytes that could be authenticated meanwhile.
_FORGER_TRY = 1 << 9


def forgery(history: Sequence[bytes]) -> bytes | None:
    """The latest data message on the wire whose MAC key has been revealed, changed and with the right MAC for that.

    None when there is none, or when it is not found within `_FORGER_WORK`, the latest messages and keys being tried
    first.
    """
    messages = [wire.parse(raw) for raw in history]
    whole = [message for message in messages if message.kind is Kind.DATA and not message.problems]
    blocks = [message.data("old_mac_keys") for message in whole]
    keys = [block[at : at + 20] for block in blocks for at in range(0, len(block), 20)]
    work = 0
    for message in reversed(whole):
        authenticated, mac = message.mac_input(), message.data("mac")
        for key in reversed(keys):
            work += len(authenticated) + _FORGER_TRY
            if work > _FORGER_WORK:
                return None
            if hmac.digest(key, authenticated, "sha1") == mac:
                changed = bytes(one ^ 1 for one in message.data("encrypted_message"))
                return wire.build(wire.crypto.mac_data(message.with_value("encrypted_message", changed), key))
    return None


#: Bytes of a fragment that are not its piece, by version.
_FRAGMENT_HEADER = {2: len(b"?OTR,00001,00001,,"), 3: len(b"?OTR|00000000|00000000,00001,00001,,")}


def fragment(message: bytes, size: int) -> list[bytes]:
    """An encoded message in pieces of `size` bytes, with the version and tags it has itself; others are left whole."""
    parsed = wire.parse(message)
    if parsed.version not in (2, 3) or not message.startswith(b"?OTR:"):
        return [message]
    tags = (0, 0)
    if parsed.version == 3 and parsed.has("sender_tag") and parsed.has("receiver_tag"):
        tags = (parsed.number("sender_tag"), parsed.number("receiver_tag"))
    try:
        return wire.fragment(message, size + _FRAGMENT_HEADER[parsed.version], parsed.version, tags)
    except wire.FieldError:
        return [message]
