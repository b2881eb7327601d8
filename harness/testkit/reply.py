"""The course of one run: some parties in a world, every step that was taken, and what comes of an input, to be checked.

`RecordedSession` is what a `Pair` (the target and an honest peer) and a `TargetSession` (the target and the scenario)
have in common. An input gives a `Reply`: the events, and the messages among them, parsed, fragments put together. Its
methods that demand something raise CheckFailed with a sentence that says what was demanded and what came instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from otterproof.harness import wire
from otterproof.harness.simulation.moves import Tick, User
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.support.errors import OtterproofError
from otterproof.harness.wire import Kind, Message
from otterproof.implementations.contract import (
    Established,
    Event,
    ExtraKey,
    Finished,
    Outgoing,
    SmpFinished,
    SmpRequested,
    TextReceived,
    Unreadable,
)

E = TypeVar("E", bound=Event)

#: The parties of a course, by the name they have in the world.
TARGET, PEER = "target", "peer"

#: Events that show that a party took something for genuine, in so far as they need a session or make one.
ACCEPTED = (Established, Finished, SmpRequested, SmpFinished, ExtraKey)

FRAGMENTS = (Kind.FRAGMENT_V2, Kind.FRAGMENT_V3)


class CheckFailed(OtterproofError, AssertionError):
    """Something that a scenario demands did not hold."""


class Unsupported(OtterproofError):
    """A scenario can't be asked of this target, for a reason that no capability tells. The verdict is "unsupported"."""


def check(holds: bool, what: str) -> None:
    """Demand that something holds; `what` says what, as a sentence in the present. Raises CheckFailed."""
    if not holds:
        raise CheckFailed(what)


def whole(messages: Sequence[bytes]) -> list[Message]:
    """Messages as they were sent, parsed; fragments that follow each other become the message they were cut from."""
    found: list[Message] = []
    pieces: list[bytes] = []
    for raw in messages:
        message = wire.parse(raw)
        if message.kind not in FRAGMENTS or message.problems:
            found.append(message)
            continue
        pieces.append(raw)
        if int(message.data("k")) == int(message.data("n")):
            found.append(wire.parse(wire.reassemble(pieces)))
            pieces = []
    return found


@dataclass(frozen=True)
class Reply:
    """What came of one input to a party, or of several."""

    events: tuple[Event, ...]

    @cached_property
    def raw(self) -> list[bytes]:
        """The messages as they went out, fragments one by one."""
        return [event.message for event in self.events if isinstance(event, Outgoing)]

    @cached_property
    def sent(self) -> list[Message]:
        """The messages, parsed; fragments put together."""
        return whole(self.raw)

    @property
    def kinds(self) -> list[Kind]:
        """The kinds of the messages sent."""
        return [message.kind for message in self.sent]

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def messages(self, kind: Kind) -> list[Message]:
        """The messages of a kind."""
        return [message for message in self.sent if message.kind is kind]

    @property
    def secure(self) -> list[bytes]:
        """The texts shown as secure."""
        return [event.text for event in self.of(TextReceived) if event.secure]

    @property
    def clear(self) -> list[bytes]:
        """The texts shown as having come in the clear."""
        return [event.text for event in self.of(TextReceived) if not event.secure]

    @property
    def accepted(self) -> list[Event]:
        """The events that show that something was taken for genuine: secure texts, sessions, ends, SMP, extra keys."""
        return [
            event
            for event in self.events
            if isinstance(event, ACCEPTED) or (isinstance(event, TextReceived) and event.secure)
        ]

    @property
    def noticed(self) -> bool:
        """Whether anybody heard of an unreadable message: the user, or the other side by an Error Message."""
        return bool(self.of(Unreadable) or self.messages(Kind.ERROR))

    def one(self, kind: type[E]) -> E:
        """Demand exactly one event of a kind."""
        found = self.of(kind)
        check(len(found) == 1, f"there is exactly one {kind.__name__}, and there were {len(found)}: {self}")
        return found[0]

    def message(self, kind: Kind) -> Message:
        """Demand exactly one message of a kind, with all its fields, whatever else was sent."""
        found = self.messages(kind)
        check(len(found) == 1, f"exactly one {kind} message goes out, and there were {len(found)}: {self}")
        unreadable = [str(problem) for problem in found[0].problems if problem.code in ("short", "missing")]
        check(not unreadable, f"the {kind} message has all its fields: {', '.join(unreadable)}")
        return found[0]

    def assert_sent(self, *kinds: Kind) -> list[Message]:
        """Demand that messages of these kinds went out, in this order, and no others; none: that nothing did."""
        wanted, found = (", ".join(some) or "nothing" for some in (kinds, self.kinds))
        check(self.kinds == list(kinds), f"{wanted} goes out, and there was {found}: {self}")
        return self.sent

    def assert_shown(self, *texts: bytes, secure: bool = True) -> None:
        """Demand that these texts are shown, all of them secure or all in the clear, and no others."""
        shown = [(event.text, event.secure) for event in self.of(TextReceived)]
        wanted = [(text, secure) for text in texts]
        check(shown == wanted, f"the texts shown are {wanted}, and there were {shown}: {self}")

    def assert_rejected(self, why: str) -> None:
        """Demand that nothing was taken for genuine. why: what was wrong with the input, as part of a sentence."""
        check(not self.accepted, f"nothing comes of {why}, and there was {self.accepted}")

    def assert_ignored(self, why: str) -> None:
        """Demand that nothing was taken for genuine, nothing shown, and nothing sent."""
        self.assert_rejected(why)
        check(not self.of(TextReceived), f"{why} shows no text, and there was {self.of(TextReceived)}")
        check(not self.raw, f"{why} is not answered, and was, with {', '.join(self.kinds)}")

    def __str__(self) -> str:
        return "[" + ", ".join(f"{event!r:.120}" for event in self.events) + "]"


class RecordedSession:
    """Parties in a world. record: what they were made from, and every step that was taken."""

    def __init__(self, world: World, version: int, record: Record) -> None:
        self.world = world
        self.version = version
        self.record = record
        if record.add not in world.watchers:  # two courses may be in one world and have one record
            world.watchers.append(record.add)

    @property
    def header(self) -> Header:
        """What the parties were made from."""
        return self.record.header

    @property
    def log(self) -> list[Step]:
        """Every step that was taken, but for those that were taken back."""
        return self.record.log

    def do(self, name: str, action: str, args: Mapping[str, object]) -> Reply:
        """A user acts; what is sent is on its way and is delivered by nobody yet."""
        return Reply(tuple(self.world.apply(User(name, action, args))))

    def deliver(self, name: str, message: bytes) -> Reply:
        """A party receives a message."""
        return Reply(tuple(self.world.step(name, "receive", {"message": message})))

    def tick(self, seconds: int) -> None:
        """Time passes for everybody."""
        self.world.apply(Tick(seconds))

    def replies(self, since: int, name: str) -> Reply:
        """All that came from a party in the steps from log index `since` on."""
        return Reply(tuple(event for step in self.log[since:] if step.party == name for event in step.events))
