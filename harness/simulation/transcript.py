"""The transcript: one run as a JSON Lines file, which can be read, judged, drawn and run again (replay.py).

The first line is a header (who took part, made from what). Then there is a line for each step (one input to one party
and its result) and for each move of the adversary that reached nobody. The last line is the verdict.
`transcript.schema.json` describes the lines; the JSON forms of events, snapshots, arguments and configurations are
those of `implementations`. Each line is flushed when it is written, so the file of an interrupted run has all lines
so far, but no verdict.

    with TranscriptWriter.create(path, header) as writer:
        writer.perform(alice, 0, "alice", "send", {"text": b"hi"})
        writer.verdict(Verdict.PASS)
    transcript = read_transcript(path)  # transcript_reading.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TextIO, TypeAlias

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.version import tool_version
from otterproof.harness.targets.party import state_of
from otterproof.implementations.actions import args_to_json, perform
from otterproof.implementations.contract import Entropy, Event, PartyConfig, PartySnapshot
from otterproof.implementations.entropy import Tape, entropy_of
from otterproof.implementations.jsonform import config_to_json, event_to_json, snapshot_to_json

FORMAT = "otterproof-transcript"
VERSION = 2
SCHEMA = Path(__file__).parent / "transcript.schema.json"


class Verdict(Enum):
    """How a run was judged. A crash or hang never counts as a correct rejection."""

    PASS = "pass"
    FAIL = "fail"
    UNSUPPORTED = "unsupported"
    CRASH = "crash"
    HANG = "hang"
    DESYNC = "desync"
    GIVEN_UP = "given_up"  # no longer called, since it hung or crashed at the same call too often
    INFRA = "infra"


class TranscriptError(CommandError, ValueError):
    """A transcript can't be read, or is used wrongly. `line` counts from 1; 0 if no line is meant."""

    exit_code = USAGE

    def __init__(self, problem: str, source: str = "", line: int = 0) -> None:
        super().__init__(f"{source}, line {line}: {problem}" if line else problem)
        self.problem = problem
        self.line = line


class Party(Protocol):
    """What a transcript needs of a party. Engines have `inspect` as well."""

    def receive(self, message: bytes) -> Sequence[Event]: ...
    def set_time(self, now: int) -> None: ...


# --------------------------------------------------------------------------------------------------------------------
# The lines
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartyInfo:
    """Who played a party: the target's name, and its configuration. tape: values for some of its random draws."""

    target: str
    config: PartyConfig
    tape: Tape = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Header:
    """The first line. profile: how thorough the run was, or in one word what it was part of, such as a scenario's id.

    judged: the party that is judged. program: what the run was made from, if it was generated
    (harness/runs/fuzz/serialize.py). seed: what the parties draw from. scenario_seed: the seed that the scenario was
    given, if it is another one.
    """

    seed: bytes
    parties: Mapping[str, PartyInfo]
    profile: str = ""
    tool: str = field(default_factory=tool_version)
    judged: str = "target"
    program: Mapping[str, Any] | None = None
    scenario_seed: bytes | None = None

    def entropy(self, party: str) -> Entropy:
        """The randomness of a party whose randomness can be given."""
        return entropy_of(party, self.seed, self.parties[party].tape if party in self.parties else None)


@dataclass(frozen=True, slots=True)
class Step:
    """One input to one party and its result.

    time: whole seconds, as told to all parties. snapshot: the party's state afterwards, if it was recorded. move: the
    adversary's, if this was one. failure: how the party failed to answer, else None; `events` is then empty. shown:
    what its user was shown, line by line, if it has a screen.
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
    shown: tuple[str, ...] = ()


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
    parties = {name: _party_to_json(party) for name, party in header.parties.items()}
    start = {"format": FORMAT, "version": VERSION, "tool": header.tool, "seed": header.seed.hex()}
    given = header.scenario_seed
    own_seed = {} if given is None or given == header.seed else {"scenario_seed": given.hex()}
    made_from = {} if header.program is None else {"judged": header.judged, "program": dict(header.program)}
    return start | own_seed | {"profile": header.profile, "parties": parties} | made_from


def _party_to_json(party: PartyInfo) -> dict[str, Any]:
    tape = [{"label": label, "index": index, "value": value.hex()} for (label, index), value in party.tape.items()]
    written = {"target": party.target, "config": config_to_json(party.config)}
    return written | ({"tape": tape} if tape else {})


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {"step": entry.number, "time": entry.time}
    if isinstance(entry, Step):
        line |= {"party": entry.party, "action": entry.action, "args": args_to_json(entry.action, entry.args)}
        line["events"] = [event_to_json(event) for event in entry.events]
        if entry.snapshot is not None:
            line["snapshot"] = snapshot_to_json(entry.snapshot)
        if entry.failure is not None:
            line["failure"] = entry.failure
        if entry.shown:
            line["shown"] = list(entry.shown)
    if entry.move is not None:
        line["move"] = dict(entry.move)
    return line


def move_to_json(move: object) -> dict[str, Any]:
    """A move (a dataclass) as its class's name in snake case, and its fields: {"move": "flip_bit", "to": ...}.

    Bytes become Latin-1 strings, tuples lists, enums their values. Only for people to read: replay uses the steps.
    """
    if not is_dataclass(move):
        raise TranscriptError(f"{type(move).__name__} is not a dataclass, so it is not a move")
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
    """Writes a transcript line by line, up to the verdict. Use it as a context manager, or call `close`."""

    def __init__(self, stream: TextIO, header: Header) -> None:
        self._stream = stream
        self._parties = frozenset(header.parties)
        self._judged = False
        self._time = 0
        self.written = 0
        self._line(_header_to_json(header))

    @classmethod
    def create(cls, path: Path, header: Header) -> TranscriptWriter:
        """Start a file, replacing an existing one. OSError."""
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
        shown: Sequence[str] = (),
    ) -> None:
        """Write down a step that was made. The arguments have the same meaning as in Step."""
        if party not in self._parties:
            raise TranscriptError(f"no party {party!r} in the header; there are {', '.join(sorted(self._parties))}")
        number = self.written + 1
        self._entry(Step(number, time, party, action, args, tuple(events), snapshot, move, failure, tuple(shown)))

    def move(self, time: int, move: Mapping[str, Any]) -> None:
        """Write down a move of the adversary that reached nobody. `move_to_json` makes one from a dataclass."""
        self._entry(MoveNote(self.written + 1, time, move))

    def perform(
        self, engine: Party, time: int, party: str, action: str, args: Mapping[str, Any], *, inspect: bool = False
    ) -> tuple[Event, ...]:
        """Make a step and write it down; as a failure, if the party raises anything or is interrupted."""
        try:
            events = perform(engine, action, args)
        except BaseException as error:
            self.step(time, party, action, args, (), failure=_describe(error))
            raise
        self.step(time, party, action, args, events, snapshot=state_of(engine) if inspect else None)
        return events

    def verdict(self, verdict: Verdict, detail: str = "") -> None:
        if self._judged:
            raise TranscriptError("a second verdict")
        self._line({"verdict": verdict.value, "detail": detail, "steps": self.written})
        self._judged = True


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
