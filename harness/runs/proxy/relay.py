"""The core of the proxy: two parties, a queue in each direction, and the actions on the messages in it. No I/O.

What a party sends goes to `hear`, piece by piece. Fragments are reassembled, a director decides what to do with the
whole message, and `take` returns what is ready for delivery. An unchanged message continues in its original pieces.
Watchers are told everything that happens. The caller provides the time.

Nothing here grows without bound, whatever the parties send: what is held back, remembered, or waiting for fragments has
a limit, beyond which the oldest message passes unchanged.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.proxy.actions import DROP, HOLD, PASS, Action, changed
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.wire import FRAGMENTS, Joiner, parse_once
from otterproof.harness.wire.mutate import forgery, fragment

#: The most messages, and bytes of them, that are held back in each direction, and that are remembered.
MOST_HELD, MOST_HELD_BYTES = 1000, 8 << 20
MOST_REMEMBERED, MOST_REMEMBERED_BYTES = 2000, 8 << 20

#: The most fragments, and bytes of them, of an incomplete message.
MOST_PIECES, MOST_PIECES_BYTES = 5000, 1 << 20


class Director(Protocol):
    """Decides what to do with a message that has just been sent."""

    def decide(self, item: Item) -> Action: ...


@dataclass(slots=True)
class _Waiting:
    """A message held back. due: until this time; after: until this many later ones have gone; else for a person."""

    item: Item
    due: float | None = None
    after: int | None = None


class Relay:
    """Connects two parties. names: theirs. Watchers are told every happening."""

    def __init__(self, names: tuple[str, str], director: Director) -> None:
        if names[0] == names[1]:
            raise ValueError(f"both parties are called {names[0]!r}; they need names of their own")
        self.names = names
        self.director = director
        self.watchers: list[Callable[[Happening], None]] = []
        self._other = {names[0]: names[1], names[1]: names[0]}
        self._joiners = {name: Joiner() for name in names}
        self._partial: dict[str, list[bytes]] = {name: [] for name in names}
        self._partial_bytes = Counter[str]()
        self._queues: dict[str, list[_Waiting]] = {name: [] for name in names}
        self._remembered: deque[Item] = deque()
        self._bytes_remembered = 0
        self._counts: Counter[tuple[str, str]] = Counter()
        self._out: list[Item] = []
        self._items = self._happened = 0
        self._now = 0.0

    # Input and output

    def hear(self, sender: str, raw: bytes, now: float) -> None:
        """Handle what a party has sent: a message, or a fragment of one."""
        self._now = max(self._now, now)
        message = parse_once(raw)
        pieces = self._partial[sender]
        fragmentary = message.kind in FRAGMENTS and message.has("k")
        if pieces and not fragmentary:
            self._flush(sender)  # the receiver drops them as well, but that is its own decision
        joined = self._joiners[sender].add(raw, message)
        if joined is None:
            pieces.append(raw)
            self._partial_bytes[sender] += len(raw)
            if len(pieces) >= MOST_PIECES or self._partial_bytes[sender] >= MOST_PIECES_BYTES:
                self._flush(sender)
            return
        pieces.clear()
        self._partial_bytes[sender] = 0
        self._arrived(sender, joined.raw, joined.pieces)

    def _flush(self, sender: str) -> None:
        """Pass on fragments that were never completed, each as a message of its own."""
        pieces, self._partial[sender] = self._partial[sender], []
        self._joiners[sender], self._partial_bytes[sender] = Joiner(), 0
        for piece in pieces:
            self._arrived(sender, piece, (piece,))

    def _arrived(self, sender: str, raw: bytes, pieces: tuple[bytes, ...]) -> None:
        item = self._item(sender, self._other[sender], raw, pieces)
        self._remember(item)
        self.tell(What.SENT, item)
        self._act(item, self.director.decide(item))
        self._keep_bounds(item.receiver)

    def _item(self, sender: str, receiver: str, raw: bytes, pieces: tuple[bytes, ...], *, made: bool = False) -> Item:
        self._items += 1
        kind = parse_once(raw).kind.value
        if not made:
            self._counts[sender, kind] += 1
        return Item(self._items, sender, receiver, raw, pieces, self._counts[sender, kind], made)

    def _remember(self, item: Item) -> None:
        self._remembered.append(item)
        self._bytes_remembered += len(item.raw)
        while len(self._remembered) > MOST_REMEMBERED or self._bytes_remembered > MOST_REMEMBERED_BYTES:
            self._bytes_remembered -= len(self._remembered.popleft().raw)

    def take(self) -> list[Item]:
        """Take the messages that are due for delivery, in order."""
        out, self._out = self._out, []
        return out

    def tick(self, now: float) -> None:
        """Advance the time: messages that were delayed until now continue."""
        self._now = max(self._now, now)
        for queue in self._queues.values():
            for waiting in [one for one in queue if one.due is not None and one.due <= self._now]:
                queue.remove(waiting)
                self._hand_over(waiting.item)

    def next_due(self) -> float | None:
        """The time at which the next delayed message continues; None without one."""
        return min((one.due for queue in self._queues.values() for one in queue if one.due is not None), default=None)

    def release(self) -> None:
        """No more input: pass on what waits for later messages, for a time, or for more fragments."""
        for name in self.names:
            if self._partial[name]:
                self._flush(name)
        for queue in self._queues.values():
            for waiting in [one for one in queue if one.due is not None or one.after is not None]:
                queue.remove(waiting)
                self._hand_over(waiting.item)

    # Messages held back

    def held(self) -> list[Item]:
        """The messages held back, in the order in which they were sent."""
        return sorted((one.item for queue in self._queues.values() for one in queue), key=lambda item: item.number)

    def remembered(self) -> Sequence[Item]:
        """The messages that parties have sent recently."""
        return self._remembered

    def act(self, number: int, action: Action, now: float) -> bool:
        """Apply an action to a message that is held back or was sent; return whether there is such a message.

        For a message that has already gone, a copy is made.
        """
        self._now = max(self._now, now)
        for queue in self._queues.values():
            for waiting in queue:
                if waiting.item.number == number:
                    queue.remove(waiting)
                    self._act(waiting.item, action)
                    return True
        for item in self._remembered:
            if item.number == number:
                if action != DROP:
                    self._act(self._copy(item, "a copy of"), action)
                return True
        return False

    def _keep_bounds(self, receiver: str) -> None:
        queue = self._queues[receiver]
        while len(queue) > MOST_HELD or sum(len(one.item.raw) for one in queue) > MOST_HELD_BYTES:
            waiting = queue.pop(0)
            self.tell(What.NOTED, waiting.item, "too much is held back, so the oldest message is passed on")
            self._hand_over(waiting.item)

    # Actions

    def _act(self, item: Item, action: Action) -> None:
        match action.name:
            case "drop":
                self.tell(What.DROPPED, item)
            case "hold":
                after = action.given.get("after")
                self._hold(_Waiting(item, after=after if isinstance(after, int) else None), str(action))
            case "delay":
                seconds = action.given.get("seconds")
                due = self._now + (seconds if isinstance(seconds, int | float) else 0)
                self._hold(_Waiting(item, due=due), str(action))
            case "flip" | "change" | "truncate":
                self._hand_over(self._changed(item, action))
            case "fragment":
                pieces = tuple(fragment(item.raw, max(action.number("size", 1), 1)))
                self.tell(What.CHANGED, item, f"{action}: {len(pieces)} fragments")
                self._hand_over(replace(item, pieces=pieces))
            case _:
                self._hand_over(item)
                self._add_behind(item, action)

    def _hold(self, waiting: _Waiting, words: str) -> None:
        self._queues[waiting.item.receiver].append(waiting)
        self.tell(What.HELD, waiting.item, words if words != HOLD.name else "")

    def _add_behind(self, item: Item, action: Action) -> None:
        """Queue what an action adds behind the message itself."""
        if action.name == "duplicate":
            for _ in range(action.number("count", 1)):
                self._hand_over(self._copy(item, "a copy of"))
        elif action.name == "replay":
            own = [one for one in self._remembered if one.sender == item.sender and one.number < item.number]
            if own:
                back = (action.number("back", 1) - 1) % len(own) + 1
                self._hand_over(self._copy(own[-back], "a replay of"))
            else:
                self.tell(What.NOTED, item, f"{action}: {item.sender} has sent nothing before it")
        elif action.name == "reflect":
            back_to = self._made(item.receiver, item.raw, f"number {item.number}, back to its sender")
            self._hand_over(back_to)
        elif action.name == "inject":
            message = str(action.given.get("message", "")).encode(errors="surrogateescape")
            self._hand_over(self._made(item.sender, message, "a message of somebody's own"))
        elif action.name == "forge":
            forged = forgery([one.raw for one in self._remembered])
            if forged is None:
                self.tell(What.NOTED, item, "forge: no MAC key has been revealed that fits an earlier message")
            else:
                self._hand_over(self._made(item.sender, forged, "a forgery under a revealed MAC key"))

    def _changed(self, item: Item, action: Action) -> Item:
        raw = changed(item.message, item.raw, action)
        if raw == item.raw:
            self.tell(What.NOTED, item, f"{action}: it has no effect on this message")
            return item
        size = max(map(len, item.pieces))
        pieces = (raw,) if item.whole else _cut_again(raw, size)
        altered = replace(item, raw=raw, pieces=pieces)
        self.tell(What.CHANGED, altered, str(action))
        return altered

    def _copy(self, item: Item, words: str) -> Item:
        copied = self._item(item.sender, item.receiver, item.raw, item.pieces, made=True)
        self.tell(What.MADE, copied, f"{words} number {item.number}")
        return copied

    def _made(self, sender: str, raw: bytes, words: str) -> Item:
        made = self._item(sender, self._other[sender], raw, (raw,), made=True)
        self.tell(What.MADE, made, words)
        return made

    def _hand_over(self, item: Item) -> None:
        self._out.append(item)
        self.tell(What.PASSED, item)
        waits = [one for one in self._queues[item.receiver] if one.after is not None and one.item.number < item.number]
        for waiting in waits:
            waiting.after = (waiting.after or 0) - 1
        for waiting in [one for one in waits if (one.after or 0) <= 0]:
            if waiting in self._queues[item.receiver]:
                self._queues[item.receiver].remove(waiting)
                self._hand_over(waiting.item)

    def tell(self, what: What, item: Item | None = None, words: str = "", failure: Failure | None = None) -> None:
        """Tell all watchers that something has happened."""
        self._happened += 1
        happening = Happening(self._happened, self._now, what, item, words, failure)
        for watch in self.watchers:
            watch(happening)


def _cut_again(raw: bytes, size: int) -> tuple[bytes, ...]:
    """A message in pieces of about its original fragment size; whole if it can't be cut."""
    room = size - len(b"?OTR|00000000|00000000,00001,00001,,")
    return tuple(fragment(raw, room)) if room > 0 else (raw,)


class Always:
    """The director that always gives the same answer."""

    def __init__(self, action: Action = PASS) -> None:
        self.action = action

    def decide(self, item: Item) -> Action:
        return self.action
