"""A transcript as a sequence diagram: who sent what, what became of it at the other side, and what the adversary did.

There is a lane for each party, and one between them for the network, where the adversary is. A message is drawn twice,
from its sender to the network and from the network to its receiver, so that what happens between the two is seen: it
may be lost, come later, come again, or be another one. What the messages say to their users stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from otterproof.harness.simulation.transcript import MoveNote, Step, Transcript
from otterproof.harness.wire import Kind, parse
from otterproof.harness.wire.shown import TITLES, message_in_words, shown
from otterproof.implementations.contract import Event, OutgoingMessage, TextReceived

#: The lane of the network, which stands behind that of the first party. No party can have a name with a space in it.
NETWORK = "the network"

#: How many of the messages that were sent last are compared with one that nobody sent.
_COMPARED = 500

#: Moves of the adversary that change nothing in what is drawn: the receipt itself is drawn.
_PLAIN = frozenset({"user", "tick", "deliver", "settle"})


class Fate(Enum):
    """What became of a message. The value is what is said of it."""

    AS_SENT = ""
    LOST = "never arrives"
    AGAIN = "came before"
    BACK = "comes back to its sender"
    CHANGED = "changed on the way"
    MADE = "sent by nobody else"


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message on its way. title: what it is; text: what a user typed or is shown. offset: the first byte that was
    changed, None unless one was.
    """

    step: int
    sender: str
    receiver: str
    title: str
    text: str = ""
    fate: Fate = Fate.AS_SENT
    offset: int | None = None

    @property
    def label(self) -> str:
        """What is written on it: what it is, its text, and what became of it."""
        fate = self.fate.value if self.offset is None else f"{self.fate.value}, from byte {self.offset} on"
        return " ".join(filter(None, (self.title, self.text, f"[{fate}]" if fate else "")))

    @property
    def marked(self) -> bool:
        """Whether it is the adversary's doing."""
        return self.fate not in (Fate.AS_SENT, Fate.LOST)

    @property
    def lost(self) -> bool:
        """Whether it never arrives."""
        return self.fate is Fate.LOST


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happens in one lane. adversary: it is a move of the adversary's; broken: the party broke down."""

    step: int
    lane: str
    text: str
    adversary: bool = False
    broken: bool = False

    @property
    def marked(self) -> bool:
        """Whether it is the adversary's doing, or the party's end."""
        return self.adversary or self.broken


@dataclass(frozen=True, slots=True)
class Diagram:
    """lanes: their names, from the left to the right. targets: what plays each party. last: the step that failed."""

    title: str
    lanes: tuple[str, ...]
    targets: Mapping[str, str]
    rows: tuple[Arrow | Note, ...]
    verdict: str
    detail: str
    last: int

    def stands_out(self, row: Arrow | Note) -> bool:
        """Whether a row is to be seen first: it is marked, or it is part of the step that failed."""
        return row.marked or (row.step == self.last and self.verdict not in ("pass", ""))


def diagram_of(transcript: Transcript) -> Diagram:
    """The diagram of a run."""
    parties = list(transcript.header.parties)
    lanes = (parties[0], NETWORK, *parties[1:]) if parties else (NETWORK,)
    rows = tuple(_Drawing(transcript).rows())
    verdict = "" if transcript.verdict is None else transcript.verdict.value
    targets = {name: info.target for name, info in transcript.header.parties.items()}
    last = max((row.step for row in rows), default=0)
    return Diagram(transcript.header.profile, lanes, targets, rows, verdict, transcript.detail, last)


class _Drawing:
    """The rows of a diagram, as the steps of a transcript are gone through."""

    def __init__(self, transcript: Transcript) -> None:
        self._entries = transcript.entries
        self._parties = set(transcript.header.parties)
        received = {step.args.get("message") for step in transcript.steps() if step.action == "receive"}
        self._received = {one for one in received if isinstance(one, bytes)}
        #: Each message that was sent, and by whom; each that arrived.
        self._sent: dict[bytes, str] = {}
        self._arrived: set[tuple[str, bytes]] = set()

    def rows(self) -> Iterator[Arrow | Note]:
        for entry in self._entries:
            move = entry.move or {}
            if move.get("move", "user") not in _PLAIN:
                yield Note(entry.number, NETWORK, f"{_words(move['move'])}: {_given(move, 'move')}", adversary=True)
            if not isinstance(entry, MoveNote):
                yield from self._step(entry)

    def _step(self, step: Step) -> Iterator[Arrow | Note]:
        message = step.args.get("message")
        text = step.args.get("text")
        typed = shown(text) if step.action == "send" and isinstance(text, bytes) else ""
        if step.action == "receive" and isinstance(message, bytes):
            yield self._arrival(step, message)
        elif not typed:
            yield Note(step.number, step.party, f"user: {_words(step.action)} {_given(step.args)}".rstrip())
        for event in step.events:
            if isinstance(event, OutgoingMessage):
                fate = Fate.AS_SENT if event.message in self._received or self._alone else Fate.LOST
                yield Arrow(step.number, step.party, NETWORK, _title(event.message), typed, fate)
                self._sent[event.message] = step.party
            elif not (isinstance(event, TextReceived) and event.secure):
                yield Note(step.number, step.party, shown(event))
        if step.failure is not None:
            yield Note(step.number, step.party, f"breaks down: {step.failure}", broken=True)

    @property
    def _alone(self) -> bool:
        """Whether only one party was recorded: what it sends is read by the scenario."""
        return len(self._parties) < 2

    def _arrival(self, step: Step, message: bytes) -> Arrow:
        sender = self._sent.get(message)
        fate, offset = Fate.AS_SENT, None
        if sender == step.party:
            fate = Fate.BACK
        elif (step.party, message) in self._arrived:
            fate = Fate.AGAIN
        elif sender is None and not self._alone:
            fate, offset = self._changed(step.party, message)
        self._arrived.add((step.party, message))
        return Arrow(step.number, NETWORK, step.party, _title(message), _read(step.events), fate, offset)

    def _changed(self, receiver: str, message: bytes) -> tuple[Fate, int | None]:
        """Whether a message that nobody sent is one that somebody sent, changed; and its first byte that differs."""
        body = parse(message).body
        best, length = None, 0
        for sent, sender in islice(reversed(self._sent.items()), _COMPARED):
            same = _common(parse(sent).body, body) if sender != receiver else 0
            if same > length:
                best, length = sent, same
        return (Fate.CHANGED, length) if best is not None and length >= min(16, len(body) // 2) else (Fate.MADE, None)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _given(values: Mapping[str, object], *without: str) -> str:
    """Values with their names, in words."""
    told = {name: value for name, value in values.items() if value is not None and name not in without}
    return ", ".join(f"{_words(name)} {shown(value)}" for name, value in told.items())


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two messages have in common at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _title(message: bytes) -> str:
    kind = parse(message).kind
    words = message_in_words(message) if kind is Kind.PLAINTEXT else TITLES[kind]
    return words.removeprefix("an ").removeprefix("a ")


def _read(events: tuple[Event, ...]) -> str:
    """What a user is shown as secure."""
    return ", ".join(shown(event.text) for event in events if isinstance(event, TextReceived) and event.secure)
