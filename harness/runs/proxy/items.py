"""The relay's data: messages on their way, and what happens to them, as small values.

Happenings are the relay's only output to observers: the log, the transcript, the judge and the views are made from them
alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from otterproof.harness.runs.failure import Failure
from otterproof.harness.wire import Message, parse_once

#: Stands for a text that the proxy can't read.
UNSEEN = b"(not seen)"


@dataclass(frozen=True, slots=True)
class Item:
    """A message on its way, whole.

    number: counts all messages of the relay. raw: the message as it is now. pieces: the fragments in which it came, or
    the message itself. nth: counts the messages of its kind from its sender. made: created by the relay, as a copy or
    otherwise.
    """

    number: int
    sender: str
    receiver: str
    raw: bytes
    pieces: tuple[bytes, ...]
    nth: int = 0
    made: bool = False

    @property
    def message(self) -> Message:
        """The message as the codec parses it."""
        return parse_once(self.raw)

    @property
    def kind(self) -> str:
        """Its kind, as rules name it."""
        return self.message.kind.value

    @property
    def whole(self) -> bool:
        """Whether it came as one message."""
        return self.pieces == (self.raw,)


class What(StrEnum):
    """What can happen."""

    SENT = "sent"  # a program has sent it
    PASSED = "passed"  # it goes to its receiver
    CHANGED = "changed"
    DROPPED = "dropped"
    HELD = "held"
    MADE = "made"  # the relay has made it
    ACTED = "acted"  # a user of a program has acted
    TOLD = "told"  # a program has told its user something
    JUDGED = "judged"  # a rule was broken
    NOTED = "noted"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened. at: seconds since the relay began. words: more about it. failure: for JUDGED."""

    number: int
    at: float
    what: What
    item: Item | None = None
    words: str = ""
    failure: Failure | None = None
