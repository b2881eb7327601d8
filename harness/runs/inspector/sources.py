"""Where messages are in what somebody pastes: a message, a log of a chat, or a transcript.

In text, messages are looked for line by line, wherever they begin in a line; fragments are put together in the order in
which they stand. Nothing that is found is trusted: it is bytes for the codec, which reads anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.simulation.transcript import Step
from otterproof.harness.simulation.transcript_reading import parse_transcript
from otterproof.harness.support.errors import UsageError
from otterproof.harness.wire import TAG_BASE, parse
from otterproof.harness.wire.fragments import Joiner
from otterproof.implementations.contract import OutgoingMessage

#: What a transcript begins with.
_TRANSCRIPT = b'{"format"'

_MARK = b"?OTR"


@dataclass(frozen=True, slots=True)
class Found:
    """A message. place: where it was, in words. pieces: how many fragments it was in; 1 for one that was whole."""

    raw: bytes
    place: str
    pieces: int = 1


def messages_in(data: bytes) -> list[Found]:
    """The messages in some bytes, in their order. UsageError where there are none, TranscriptError."""
    if data.startswith(_TRANSCRIPT):
        pieces = list(_of_transcript(data))
    else:
        pieces = [
            Found(raw, f"line {number}") for number, text in enumerate(data.split(b"\n"), 1) for raw in _in_line(text)
        ]
    found = list(_joined(pieces))
    if not found:
        raise UsageError(
            "there is no OTR message in it; one contains ?OTR, as in ?OTR:AAMK..., or is a text with a whitespace tag"
        )
    return found


def _of_transcript(data: bytes) -> Iterator[Found]:
    """What the parties received from outside and sent, each once."""
    seen: set[bytes] = set()
    for entry in parse_transcript(data).entries:
        if not isinstance(entry, Step):
            continue
        received = entry.args.get("message")
        if isinstance(received, bytes) and received not in seen:
            seen.add(received)
            yield Found(received, f"step {entry.number}, {entry.party} receives it")
        for event in entry.events:
            if isinstance(event, OutgoingMessage) and event.message not in seen:
                seen.add(event.message)
                yield Found(event.message, f"step {entry.number}, {entry.party} sends it")


def _in_line(text: bytes) -> Iterator[bytes]:
    """The messages in a line of text, each without what is around it."""
    text = text.rstrip(b"\r")
    at = text.find(_MARK)
    if at < 0:
        if TAG_BASE in text:
            yield text
        return
    while at >= 0:
        raw = _at(text, at)
        yield raw
        at = text.find(_MARK, at + max(len(raw), len(_MARK)))


def _at(text: bytes, at: int) -> bytes:
    """The message that begins at a place. Only what can belong to it is copied: a line may have millions of marks."""
    if text.startswith(b"?OTR:", at):
        return text[at : text.find(b".", at) + 1 or len(text)]
    if text.startswith(b"?OTR Error:", at):
        return text[at:]
    following = text.find(_MARK, at + len(_MARK))
    if text.startswith((b"?OTR,", b"?OTR|"), at):  # a fragment ends with its fourth comma, and may carry the mark
        following = _fourth_comma(text, at)
    text = text[at : following if following >= 0 else len(text)]
    message = parse(text)
    after = message.field("after").raw if any(field.name == "after" for field in message.fields) else b""
    return text[: len(text) - len(after)]


def _fourth_comma(text: bytes, at: int) -> int:
    """Where the fourth comma from a place on ends; -1 if there are fewer."""
    for _ in range(4):
        at = text.find(b",", at) + 1
        if at == 0:
            return -1
    return at


def _joined(pieces: list[Found]) -> Iterator[Found]:
    """The messages, fragments put together; those that never become whole are given as they are."""
    joiner = Joiner()
    waiting: list[Found] = []
    for piece in pieces:
        message = parse(piece.raw)
        whole = joiner.add(piece.raw, message)
        waiting.append(piece)
        if whole is None:
            continue
        if len(whole.pieces) > 1 or message.kind in wire.FRAGMENTS:
            parts = waiting[-len(whole.pieces) :]
            yield from waiting[: -len(whole.pieces)]
            yield Found(whole.raw, f"{parts[0].place} to {parts[-1].place}", len(parts))
        else:
            yield from waiting
        waiting = []
    yield from waiting
