"""A transcript as a sequence diagram: what each party sent, what became of it on the way, and what the adversary did.

There is a lane for each party, and one between them for the network, where the adversary is. A message is drawn twice,
from its sender to the network and from the network to its receiver, to show what happens in between: it may be lost,
delayed, repeated or replaced. The texts that users type or are shown stand beside the messages.

Fragments that follow each other in the same direction and have the same fate are drawn as one arrow: the message that
they make up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby, islice

from otterproof.harness.simulation.transcript import MoveNote, Step, Transcript
from otterproof.harness.wire import FRAGMENTS, Joiner, Kind, parse_once
from otterproof.harness.wire.shown import TITLES, message_in_words, shown
from otterproof.implementations.contract import (
    Event,
    OutgoingMessage,
    PeerEndedSession,
    SessionEstablished,
    TextReceived,
    UserEndedSession,
)

#: The lane of the network, next to that of the first party. No party's name can have a space in it.
NETWORK = "the network"

#: How many of the latest messages are compared with one that nobody sent.
_COMPARED = 500

#: How many changed bytes are shown, and how many on each side of them.
_SHOWN, _BESIDE = 8, 3

#: The message state that a party begins in, and the states that it reaches, by what it reports.
BEGINS = "PLAINTEXT"
STATES = {SessionEstablished: "ENCRYPTED", PeerEndedSession: "FINISHED", UserEndedSession: BEGINS}

#: Moves that are not drawn themselves: a delivery shows as the arrow to the receiver.
_PLAIN = frozenset({"user", "tick", "deliver", "settle"})


class Fate(Enum):
    """What became of a message. The value is the text shown for it."""

    AS_SENT = ""
    LOST = "never arrives"
    AGAIN = "came before"
    BACK = "comes back to its sender"
    CHANGED = "changed on the way"
    MADE = "sent by nobody else"


@dataclass(frozen=True, slots=True)
class Change:
    """Where a message was changed.

    offset: the first byte that differs. bytes: the differing bytes as received, in hexadecimal. before, after: the
    bytes beside them.
    """

    offset: int
    before: str
    bytes: str
    after: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message on its way.

    title: what it is. text: what a user typed or is shown. change: where it was changed, None if it was not. fragment:
    the message itself if it is a fragment. last: if several fragments are drawn as one, the step of the last.
    """

    step: int
    sender: str
    receiver: str
    title: str
    text: str = ""
    fate: Fate = Fate.AS_SENT
    change: Change | None = None
    fragment: bytes = b""
    last: int = 0

    @property
    def label(self) -> str:
        """The words on the arrow: what the message is, its text, and what became of it."""
        fate = self.fate.value if self.change is None else f"{self.fate.value}, from byte {self.change.offset} on"
        return " ".join(filter(None, (self.title, self.text, f"[{fate}]" if fate else "")))

    @property
    def marked(self) -> bool:
        """Whether the adversary caused this."""
        return self.fate not in (Fate.AS_SENT, Fate.LOST)

    @property
    def lost(self) -> bool:
        """Whether it never arrives."""
        return self.fate is Fate.LOST


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happens in one lane.

    adversary: it is a move of the adversary. broken: the party broke down. state: it is the message state that the
    party has reached.
    """

    step: int
    lane: str
    text: str
    adversary: bool = False
    broken: bool = False
    state: bool = False

    @property
    def marked(self) -> bool:
        """Whether the adversary caused this, or the party broke down."""
        return self.adversary or self.broken


@dataclass(frozen=True, slots=True)
class Diagram:
    """lanes: their names, from left to right. targets: what plays each party. last: the last step; it failed if any
    did.
    """

    title: str
    lanes: tuple[str, ...]
    targets: Mapping[str, str]
    rows: tuple[Arrow | Note, ...]
    verdict: str
    detail: str
    last: int

    def stands_out(self, row: Arrow | Note) -> bool:
        """Whether a row is to be seen first: it is marked, or belongs to the step that failed."""
        if isinstance(row, Note) and row.state:
            return False
        last = max(row.step, row.last) if isinstance(row, Arrow) else row.step
        return row.marked or (last == self.last and self.verdict not in ("pass", ""))


def diagram_of(transcript: Transcript) -> Diagram:
    """The diagram of a run."""
    parties = list(transcript.header.parties)
    lanes = (parties[0], NETWORK, *parties[1:]) if parties else (NETWORK,)
    rows = tuple(_folded(_Drawing(transcript).rows()))
    verdict = "" if transcript.verdict is None else transcript.verdict.value
    targets = {name: info.target for name, info in transcript.header.parties.items()}
    last = max((max(row.step, row.last) if isinstance(row, Arrow) else row.step for row in rows), default=0)
    return Diagram(transcript.header.profile, lanes, targets, rows, verdict, transcript.detail, last)


class _Drawing:
    """Makes the rows of a diagram from the steps of a transcript."""

    def __init__(self, transcript: Transcript) -> None:
        self._entries = transcript.entries
        self._parties = set(transcript.header.parties)
        received = {step.args.get("message") for step in transcript.steps() if step.action == "receive"}
        self._received = {one for one in received if isinstance(one, bytes)}
        #: Who sent each message, how often it was sent, and how often it arrived at each party. The first fragments of
        #: messages in one session are often the same.
        self._sent: dict[bytes, str] = {}
        self._times_sent: Counter[bytes] = Counter()
        self._arrived: Counter[tuple[str, bytes]] = Counter()
        #: The message state of each party, once it has left the first one.
        self._states: dict[str, str] = {}

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
            # The policy of set_policy needs no name.
            given = _given({"" if step.action.endswith(name) else name: value for name, value in step.args.items()})
            yield Note(step.number, step.party, f"user: {_words(step.action)} {given}".rstrip())
        for event in step.events:
            if isinstance(event, OutgoingMessage):
                fate = Fate.AS_SENT if event.message in self._received or self._alone else Fate.LOST
                title = _title(event.message)
                text_of = "" if title.endswith(typed) else typed  # a text in the clear is its own title
                yield Arrow(step.number, step.party, NETWORK, title, text_of, fate, None, _fragment(event.message))
                self._sent[event.message] = step.party
                self._times_sent[event.message] += 1
            elif not (isinstance(event, TextReceived) and event.secure):
                yield Note(step.number, step.party, shown(event))
        state = next((STATES[type(one)] for one in reversed(step.events) if type(one) in STATES), None)
        if state is not None and state != self._states.get(step.party, BEGINS):
            self._states[step.party] = state
            yield Note(step.number, step.party, state, state=True)
        if step.failure is not None:
            yield Note(step.number, step.party, f"breaks down: {step.failure}", broken=True)

    @property
    def _alone(self) -> bool:
        """Whether only one party was recorded; the scenario reads what it sends."""
        return len(self._parties) < 2

    def _arrival(self, step: Step, message: bytes) -> Arrow:
        sender = self._sent.get(message)
        fate, change = Fate.AS_SENT, None
        if sender == step.party:
            fate = Fate.BACK
        elif self._arrived[step.party, message] >= max(1, self._times_sent[message]):
            fate = Fate.AGAIN
        elif sender is None and not self._alone:
            fate, change = self._changed(step.party, message)
        self._arrived[step.party, message] += 1
        title, text = _title(message), _read(step.events)
        return Arrow(step.number, NETWORK, step.party, title, text, fate, change, _fragment(message))

    def _changed(self, receiver: str, message: bytes) -> tuple[Fate, Change | None]:
        """Whether a message that nobody sent is a changed version of one that was sent, and where it was changed."""
        body = parse_once(message).body
        best, length = b"", 0
        for sent, sender in islice(reversed(self._sent.items()), _COMPARED):
            same = _common(parse_once(sent).body, body) if sender != receiver else 0
            if same > length:
                best, length = parse_once(sent).body, same
        if length == 0 or length < min(16, len(body) // 2):
            return Fate.MADE, None
        return Fate.CHANGED, _change(best, body, length)


def _way(row: Arrow | Note) -> tuple[str, str, Fate] | None:
    """The sender, receiver and fate of a fragment; None for a changed fragment and for any other row."""
    if isinstance(row, Arrow) and row.fragment and row.change is None:
        return row.sender, row.receiver, row.fate
    return None


def _folded(rows: Iterator[Arrow | Note]) -> Iterator[Arrow | Note]:
    """The rows with one arrow for the fragments of a message, if nothing comes between them."""
    for way, group in groupby(rows, key=_way):
        if way is None:
            yield from group
            continue
        joiner, arrows = Joiner(), list[Arrow]()
        for arrow in group:
            assert isinstance(arrow, Arrow)
            arrows.append(arrow)
            piece = parse_once(arrow.fragment)
            joined = joiner.add(arrow.fragment, piece)
            if joined is not None:
                # Without the first fragments, the last ones make up no message.
                yield _together(arrows, joined.raw if len(arrows) == int(piece.data("n")) else None)
                arrows = []
        if arrows:
            yield _together(arrows, None)


def _together(arrows: list[Arrow], whole: bytes | None) -> Arrow:
    """One arrow for several fragments. whole: the message that they make up, None if it is incomplete."""
    first, last = arrows[0], arrows[-1]
    if len(arrows) == 1:
        return first
    title = f"{len(arrows)} fragments" if whole is None else f"{_title(whole)} in {len(arrows)} fragments"
    return replace(first, title=title, text=first.text or last.text, last=last.step)


def _fragment(message: bytes) -> bytes:
    """The message if it is a well-formed fragment, else nothing."""
    parsed = parse_once(message)
    return message if parsed.kind in FRAGMENTS and parsed.has("k") else b""


def _words(name: str) -> str:
    return name.replace("_", " ")


def _given(values: Mapping[str, object], *without: str) -> str:
    """Values with their names, in words."""
    told = {name: value for name, value in values.items() if value is not None and name not in without}
    return ", ".join(f"{_words(name)} {shown(value)}".lstrip() for name, value in told.items())


def _common(one: bytes, other: bytes) -> int:
    """How many bytes two messages share at their beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _change(sent: bytes, came: bytes, offset: int) -> Change:
    """The bytes that differ, from `offset` to where both end alike, and a few beside them."""
    end = len(came) - _common(sent[offset:][::-1], came[offset:][::-1])
    shown_to = min(end, offset + _SHOWN)
    more = " ..." if end > shown_to else ""
    after = b"" if more else came[end : end + _BESIDE]
    return Change(
        offset,
        came[max(offset - _BESIDE, 0) : offset].hex(" "),
        came[offset:shown_to].hex(" ") + more or "nothing",
        after.hex(" "),
    )


def _title(message: bytes) -> str:
    kind = parse_once(message).kind
    words = message_in_words(message) if kind is Kind.PLAINTEXT else TITLES[kind]
    return words.removeprefix("an ").removeprefix("a ")


def _read(events: tuple[Event, ...]) -> str:
    """The texts that a user is shown as secure."""
    return ", ".join(shown(event.text) for event in events if isinstance(event, TextReceived) and event.secure)
