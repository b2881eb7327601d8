"""The transcript: one run as a JSON Lines file, from which it can be read, judged, drawn and run again (replay.py).

First a header (who took part, made from what), then a line for each step (one input to one party and what came of it)
and for each move of the adversary that reached nobody, last the verdict. `transcript.schema.json` describes the lines;
the JSON forms of events, snapshots, arguments and configurations are those of `implementations`. Each line is flushed
when it is written, so an interrupted run leaves everything up to the interruption, and a file that lacks a verdict.

    with TranscriptWriter.create(path, header) as writer:
        writer.perform(alice, 0, "alice", "send", {"text": b"hi"})
        writer.verdict(Verdict.PASS)
    transcript = read_transcript(path)
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Protocol, TextIO, TypeAlias

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from harness.inputs import LIMITS, read_input
from implementations.actions import args_from_json, args_to_json, perform
from implementations.contract import Event, PartyConfig, PartySnapshot
from implementations.entropy import SeededEntropy
from implementations.jsonform import (
    JsonFormError,
    config_from_json,
    config_to_json,
    event_from_json,
    event_to_json,
    snapshot_from_json,
    snapshot_to_json,
)

FORMAT = "otterproof-transcript"
VERSION = 1
SCHEMA = Path(__file__).parent / "transcript.schema.json"


class Verdict(Enum):
    """How a run was judged. A crash or hang never counts as a correct rejection."""

    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    CRASH = "crash"
    HANG = "hang"
    DESYNC = "desync"
    INFRA = "infra"


class TranscriptError(ValueError):
    """A transcript that can't be read or is used wrongly. `line` counts from 1; 0 when no line is meant."""

    def __init__(self, problem: str, source: str = "", line: int = 0) -> None:
        super().__init__(f"{source}, line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


class Party(Protocol):
    """What a transcript needs of a party; engines have it, and `inspect` besides."""

    def receive(self, message: bytes) -> Sequence[Event]: ...
    def set_time(self, now: int) -> None: ...


# --------------------------------------------------------------------------------------------------------------------
# The lines
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartyInfo:
    """Who played a party: the target's name, and what it was made from."""

    target: str
    config: PartyConfig


def tool_version() -> str:
    """ "otterproof 1.2.3"; without the number when the package is not installed."""
    try:
        return f"otterproof {importlib.metadata.version('otterproof')}"
    except importlib.metadata.PackageNotFoundError:
        return "otterproof"


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. profile: how thorough the run was, or what it was part of, in one word: a scenario's id.

    judged: the party that is. program: what the run was made from, if it was drawn (harness/fuzz/forms.py).
    """

    seed: bytes
    parties: Mapping[str, PartyInfo]
    profile: str = ""
    tool: str = field(default_factory=tool_version)
    judged: str = "target"
    program: Mapping[str, Any] | None = None

    def entropy(self, party: str) -> SeededEntropy:
        """The randomness of a party whose randomness can be given; the rule that every run and replay follows."""
        return SeededEntropy(self.seed).child(party)


@dataclass(frozen=True, slots=True)
class Step:
    """One input to one party and what came of it.

    time: whole seconds, as told to all parties. snapshot: the party's state afterwards, if it was recorded. move: the
    adversary's, if this was one. failure: how the party failed to answer, else None; `events` is then empty.
    """

    number: int
    time: int
    party: str
    action: str
    args: Mapping[str, Any]
    events: tuple[Event, ...]
    snapshot: PartySnapshot | None = None
    move: Mapping[str, Any] | None = None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class MoveNote:
    """Something the adversary did that reached no party: {"move": its name, and its own fields}."""

    number: int
    time: int
    move: Mapping[str, Any]


Entry: TypeAlias = Step | MoveNote


@dataclass(frozen=True, slots=True)
class Transcript:
    """A whole file. verdict is None for an interrupted run. source: the file's name, for messages."""

    header: Header
    entries: tuple[Entry, ...]
    verdict: Verdict | None
    detail: str
    source: str = "transcript"

    def steps(self) -> Iterator[Step]:
        return (entry for entry in self.entries if isinstance(entry, Step))


def _header_to_json(header: Header) -> dict[str, Any]:
    parties = {
        name: {"target": party.target, "config": config_to_json(party.config)} for name, party in header.parties.items()
    }
    start = {"format": FORMAT, "version": VERSION, "tool": header.tool, "seed": header.seed.hex()}
    made_from = {} if header.program is None else {"judged": header.judged, "program": dict(header.program)}
    return start | {"profile": header.profile, "parties": parties} | made_from


def _header_from_json(line: Mapping[str, Any]) -> Header:
    parties = {
        name: PartyInfo(party["target"], config_from_json(party["config"], f"parties.{name}.config"))
        for name, party in line["parties"].items()
    }
    seed, judged = bytes.fromhex(line["seed"]), line.get("judged", "target")
    return Header(seed, parties, line["profile"], line["tool"], judged, line.get("program"))


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {"step": entry.number, "time": entry.time}
    if isinstance(entry, Step):
        line |= {"party": entry.party, "action": entry.action, "args": args_to_json(entry.action, entry.args)}
        line["events"] = [event_to_json(event) for event in entry.events]
        if entry.snapshot is not None:
            line["snapshot"] = snapshot_to_json(entry.snapshot)
        if entry.failure is not None:
            line["failure"] = entry.failure
    if entry.move is not None:
        line["move"] = dict(entry.move)
    return line


def _entry_from_json(line: Mapping[str, Any]) -> Entry:
    number, time, move = line["step"], line["time"], line.get("move")
    if "party" not in line:
        return MoveNote(number, time, line["move"])
    args = args_from_json(line["action"], line["args"])
    events = tuple(event_from_json(event, f"events[{place}]") for place, event in enumerate(line["events"]))
    snapshot = snapshot_from_json(line["snapshot"]) if "snapshot" in line else None
    return Step(number, time, line["party"], line["action"], args, events, snapshot, move, line.get("failure"))


def move_to_json(move: object) -> dict[str, Any]:
    """A move that is a dataclass, by its class's name in snake case and its fields: {"move": "flip_bit", "to": ...}.

    Bytes become Latin-1 strings, tuples lists, enums their values. For the eye only: replay uses the steps.
    """
    if not is_dataclass(move):
        raise TranscriptError(f"{type(move).__name__} is no dataclass, and so no move")
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(move).__name__).lower()
    return {"move": name} | {one.name: _plain(getattr(move, one.name)) for one in fields(move)}


def _plain(value: object) -> Any:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return move_to_json(value) if is_dataclass(value) else repr(value)


# --------------------------------------------------------------------------------------------------------------------
# Writing
# --------------------------------------------------------------------------------------------------------------------


class TranscriptWriter:
    """Writes line by line; after the verdict nothing more. Use as a context manager, or call `close`."""

    def __init__(self, stream: TextIO, header: Header) -> None:
        self._stream = stream
        self._parties = frozenset(header.parties)
        self._judged = False
        self._time = 0
        self.written = 0
        self._line(_header_to_json(header))

    @classmethod
    def create(cls, path: Path, header: Header) -> TranscriptWriter:
        """Start a file, replacing one that is there. OSError."""
        return cls(path.open("w", encoding="ascii", newline="\n"), header)

    def __enter__(self) -> TranscriptWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()

    def _line(self, line: Mapping[str, Any]) -> None:
        # One write for the whole line: an interruption comes before it or after it.
        self._stream.write(json.dumps(line, allow_nan=False, separators=(",", ":")) + "\n")
        self._stream.flush()

    def _entry(self, entry: Entry) -> None:
        if self._judged:
            raise TranscriptError("a step after the verdict: the verdict is a transcript's last line")
        if entry.time < self._time:
            raise TranscriptError(f"the time goes back from {self._time} to {entry.time}")
        self._time = entry.time
        self._line(_entry_to_json(entry))
        self.written += 1

    def step(
        self,
        time: int,
        party: str,
        action: str,
        args: Mapping[str, Any],
        events: Sequence[Event],
        *,
        snapshot: PartySnapshot | None = None,
        move: Mapping[str, Any] | None = None,
        failure: str | None = None,
    ) -> None:
        """Write down a step that was made. The meaning of the arguments is that in Step."""
        if party not in self._parties:
            raise TranscriptError(f"no party {party!r} in the header; there are {', '.join(sorted(self._parties))}")
        number = self.written + 1
        self._entry(Step(number, time, party, action, args, tuple(events), snapshot, move, failure))

    def move(self, time: int, move: Mapping[str, Any]) -> None:
        """Write down a move of the adversary that reached nobody. `move_to_json` makes one from a dataclass."""
        self._entry(MoveNote(self.written + 1, time, move))

    def perform(
        self, engine: Party, time: int, party: str, action: str, args: Mapping[str, Any], *, inspect: bool = False
    ) -> tuple[Event, ...]:
        """Make a step and write it down; also when the party raises something, or is interrupted: then as a failure."""
        try:
            events = perform(engine, action, args)
        except BaseException as error:
            self.step(time, party, action, args, (), failure=_describe(error))
            raise
        self.step(time, party, action, args, events, snapshot=inspect_party(engine) if inspect else None)
        return events

    def verdict(self, verdict: Verdict, detail: str = "") -> None:
        if self._judged:
            raise TranscriptError("a second verdict")
        self._line({"verdict": verdict.value, "detail": detail, "steps": self.written})
        self._judged = True


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def inspect_party(party: Party) -> PartySnapshot | None:
    """What a party shows of its state; None if it can't."""
    inspect: Callable[[], PartySnapshot] | None = getattr(party, "inspect", None)
    return inspect() if inspect else None


# --------------------------------------------------------------------------------------------------------------------
# Reading
# --------------------------------------------------------------------------------------------------------------------


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _parse_line(text: bytes) -> dict[str, Any]:
    try:
        line = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise TranscriptError(f"not a line of JSON: {error}") from None
    if not isinstance(line, dict):
        raise TranscriptError("not a JSON object")
    return line


def _validate(line: Mapping[str, Any], kind: str) -> None:
    error = best_match(_validator(kind).iter_errors(line))
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".")
        raise TranscriptError(f"not a {kind} as in {SCHEMA.name}: {place + ': ' if place else ''}{error.message:.300}")


def _first_line(line: Mapping[str, Any]) -> Header:
    if line.get("format") != FORMAT:
        raise TranscriptError(f'no transcript: the first line must have "format": "{FORMAT}"')
    if line.get("version") != VERSION:
        raise TranscriptError(
            f"version {line.get('version')!r:.20} of the format is not known here, only {VERSION}; "
            f"the file was written by {line.get('tool', 'an unnamed program')!r:.60}"
        )
    _validate(line, "header")
    return _header_from_json(line)


class _Reader:
    """Takes the lines one by one and keeps what must hold between them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._header: Header | None = None
        self._entries: list[Entry] = []
        self._verdict: Verdict | None = None
        self._detail = ""

    def take(self, text: bytes) -> None:
        line = _parse_line(text)
        if self._header is None:
            self._header = _first_line(line)
        elif self._verdict is not None:
            raise TranscriptError("something follows the verdict, which must be the last line")
        elif "verdict" in line:
            _validate(line, "verdict")
            if line["steps"] != len(self._entries):
                raise TranscriptError(f"{line['steps']} steps were written, but {len(self._entries)} are here")
            self._verdict, self._detail = Verdict(line["verdict"]), line["detail"]
        else:
            _validate(line, "move" if "move" in line and "action" not in line else "step")
            self._take_entry(_entry_from_json(line), self._header)

    def _take_entry(self, entry: Entry, header: Header) -> None:
        if entry.number != len(self._entries) + 1:
            raise TranscriptError(
                f"step {entry.number} where step {len(self._entries) + 1} should be; lines are missing"
            )
        if self._entries and entry.time < self._entries[-1].time:
            raise TranscriptError(f"the time goes back from {self._entries[-1].time} to {entry.time}")
        if isinstance(entry, Step) and entry.party not in header.parties:
            raise TranscriptError(f"no party {entry.party!a} in the header; there are {', '.join(header.parties)}")
        self._entries.append(entry)

    def done(self) -> Transcript:
        if self._header is None:
            raise TranscriptError("the file is empty")
        return Transcript(self._header, tuple(self._entries), self._verdict, self._detail, self._source)


def parse_transcript(data: bytes, source: str = "transcript") -> Transcript:
    """The transcript in `data`. TranscriptError names the line; `source` is the file's name in it."""
    reader = _Reader(source)
    *lines, rest = data.split(b"\n")
    number = 0
    try:
        for number, text in enumerate(lines, 1):  # noqa: B007 (used in the error below)
            reader.take(text)
        if rest:
            number += 1
            if not lines:
                reader.take(rest)  # a file of another kind has no lines, maybe
            raise TranscriptError("the line has no end: the file was cut off; without this line it can be read")
        return reader.done()
    except (TranscriptError, JsonFormError) as error:
        raise TranscriptError(str(error), source, max(number, 1)) from None


def read_transcript(path: Path) -> Transcript:
    """Like parse_transcript. InputError when the file can't be read."""
    return parse_transcript(read_input(path, limit=LIMITS["transcript"], what="a transcript"), str(path))
