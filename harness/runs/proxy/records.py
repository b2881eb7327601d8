"""The files of a conversation through the proxy: a log with one JSON line for each happening, and a transcript.

`otterproof show` and `inspect` read the transcript. The proxy sees messages, not users, so it infers what users do: a
text or a query in the clear is a user's action; anything else that a program sends answers the message it got last, if
nothing has happened since; otherwise its user did something unseen. Messages are recorded whole, even if they came in
fragments. The programs' keys are not known; the header has the project's published keys in their place.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from otterproof.harness.runs.proxy.items import UNSEEN, Happening, Item, What
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.testkit.keys import NAMES, published_key
from otterproof.harness.wire import Kind
from otterproof.implementations.contract import OutgoingMessage, PartyConfig, Policy

#: The most happenings and steps that are written: files are for reading, and a program may send without end.
MOST_LINES = 100_000


def happening_to_json(happening: Happening) -> dict[str, Any]:
    """A happening as a line of the log. Bytes become Latin-1 text."""
    line: dict[str, Any] = {
        "number": happening.number,
        "time": round(happening.at, 3),
        "event": happening.what.value,
    }
    item = happening.item
    if item is not None:
        line |= {
            "message": item.number,
            "from": item.sender,
            "to": item.receiver,
            "kind": item.kind,
            "fragments": len(item.pieces),
            "raw": item.raw.decode("latin-1"),
        }
    if happening.words:
        line["words"] = happening.words
    if happening.failure is not None:
        line["check"] = happening.failure.check
    return line


class EventLog:
    """A file with a line for each happening, written as it happens. Raises OutputError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        try:
            self._file: TextIO = path.open("w", encoding="ascii", newline="\n")
        except OSError as error:
            raise OutputError(path, error) from error

    def __call__(self, happening: Happening) -> None:
        self._lines += 1
        if self._lines > MOST_LINES:
            return
        try:
            self._file.write(json.dumps(happening_to_json(happening), separators=(",", ":")) + "\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(self._path, error) from error

    def close(self) -> None:
        """Finish the log."""
        self._file.close()


@dataclass(slots=True)
class _Step:
    """A step that may still get more events."""

    party: str
    action: str
    args: dict[str, Any]
    sent: list[bytes]


class TranscriptLog:
    """Writes the transcript as happenings arrive. Raises OutputError."""

    def __init__(self, path: Path, names: tuple[str, str], programs: tuple[str, str]) -> None:
        self._path = path
        policy = Policy.ALLOW_V2 | Policy.ALLOW_V3
        parties = {
            name: PartyInfo(program, PartyConfig(published_key(key), policy, tag))
            for name, program, key, tag in zip(names, programs, NAMES, (0x1A1A, 0x2B2B), strict=False)
        }
        try:
            self._writer = TranscriptWriter.create(path, Header(b"proxy", parties, "proxy"))
        except OSError as error:
            raise OutputError(path, error) from error
        self._open: _Step | None = None
        self._at = 0

    def __call__(self, happening: Happening) -> None:
        item = happening.item
        if item is None or self._writer.written >= MOST_LINES:
            return
        if happening.what is What.PASSED:
            self._finish()
            self._at = int(happening.at)
            self._open = _Step(item.receiver, "receive", {"message": item.raw}, [])
        elif happening.what is What.SENT:
            self._sent(happening, item)
        elif happening.what in (What.CHANGED, What.DROPPED, What.HELD):
            self._finish()
            doing = happening.words.partition(" ")[0].rstrip(":") or happening.what.value
            move = {"move": doing, "to": item.receiver, "message": item.number}
            self._write(lambda: self._writer.move(int(happening.at), move))

    def _sent(self, happening: Happening, item: Item) -> None:
        """Record what a program has sent: an answer, or an action of its user."""
        if self._open is not None and self._open.party == item.sender and _is_answer(item):
            self._open.sent.append(item.raw)
            return
        self._finish()
        self._at = int(happening.at)
        if item.message.kind is Kind.QUERY:
            self._open = _Step(item.sender, "start", {}, [item.raw])
        else:
            text = item.raw if item.message.kind in (Kind.PLAINTEXT, Kind.TAGGED_PLAINTEXT) else UNSEEN
            self._open = _Step(item.sender, "send", {"text": text}, [item.raw])

    def _finish(self) -> None:
        step, self._open = self._open, None
        if step is not None:
            events = [OutgoingMessage(raw) for raw in step.sent]
            self._write(lambda: self._writer.step(self._at, step.party, step.action, step.args, events))

    def _write(self, write: Any) -> None:
        try:
            write()
        except OSError as error:
            raise OutputError(self._path, error) from error

    def close(self, verdict: Verdict, detail: str = "") -> None:
        """The conversation is over."""
        self._finish()
        self._write(lambda: self._writer.verdict(verdict, detail))
        self._writer.close()


def _is_answer(item: Item) -> bool:
    """Whether a program may have sent it by itself."""
    return item.message.kind not in (Kind.PLAINTEXT, Kind.TAGGED_PLAINTEXT, Kind.QUERY)
