"""Reading transcripts from untrusted sources: the result is a Transcript or a TranscriptError, nothing else.

Each line must fit `transcript.schema.json`, which bounds everything whose cost would be unbounded: the number of
parties, times, sizes, the digits of keys. Then the rules that hold between lines are checked. A party's key must be a
DSA key, because with other numbers an engine may calculate without end. Memory is bounded by the size of the file, of
each line, and by the number of lists and objects in all lines together, each of which takes many times its size in
JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from otterproof.harness.simulation.transcript import (
    FORMAT,
    SCHEMA,
    VERSION,
    Entry,
    Header,
    MoveNote,
    PartyInfo,
    Step,
    Transcript,
    TranscriptError,
    Verdict,
)
from otterproof.harness.support.inputs import LIMITS, parse_json, read_input
from otterproof.implementations.actions import args_from_json
from otterproof.implementations.jsonform import JsonFormError, config_from_json, event_from_json, snapshot_from_json
from otterproof.implementations.keyfile import KeyFileError, check_key

#: The maximum size of a line in bytes.
MAX_LINE = 16 << 20

#: The maximum number of steps and moves.
MAX_ENTRIES = 100_000

#: The maximum number of lists and objects in all lines together. Brackets and braces within strings count as well.
MAX_CONTAINERS = 4_000_000


def read_transcript(path: Path) -> Transcript:
    """The transcript in a file. InputError if the file can't be read, TranscriptError if it is not a transcript."""
    return parse_transcript(read_input(path, limit=LIMITS["transcript"], what="a transcript"), str(path))


def parse_transcript(data: bytes, source: str = "transcript") -> Transcript:
    """The transcript in `data`. TranscriptError names the line. source: the file's name in that error."""
    reader = _Reader(source)
    number = 0
    try:
        for number, (text, complete) in enumerate(_lines(data), 1):
            if complete or number == 1:  # a file of another kind may have no lines
                reader.take(text)
            if not complete:
                raise TranscriptError("the line has no end: the file was cut off; without this line it can be read")
        return reader.done()
    except (TranscriptError, JsonFormError) as error:
        raise TranscriptError(str(error), source, max(number, 1)) from None
    except RecursionError:
        raise TranscriptError("the line's values are nested too deeply", source, number) from None


def _lines(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """The lines, one at a time, and whether each is terminated."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        yield data[start : end if end >= 0 else len(data)], end >= 0
        start = end + 1 if end >= 0 else len(data)


@cache
def _validator(kind: str) -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def _parse_line(text: bytes) -> dict[str, Any]:
    if len(text) > MAX_LINE:
        raise TranscriptError(f"the line has {len(text)} bytes, and the limit is {MAX_LINE}")
    try:
        line = parse_json(text, whole=True)
    except ValueError as error:
        raise TranscriptError(f"not a line of JSON: {error}") from None
    if not isinstance(line, dict):
        raise TranscriptError("not a JSON object")
    return line


def _validate(line: Mapping[str, Any], kind: str) -> None:
    # Only the first error: there can be millions, and in the schema the bounds come before what depends on them.
    error = next(_validator(kind).iter_errors(line), None)
    if error is not None:
        place = error.json_path.removeprefix("$").removeprefix(".")
        shown = repr(error.instance)  # the message may begin with it, however long it is
        message = error.message.replace(shown, f"{shown:.80}...", 1) if len(shown) > 80 else error.message
        problem = f"{place + ': ' if place else ''}{message}"
        raise TranscriptError(f"not a {kind} as in {SCHEMA.name}: {problem:.300}")


def _first_line(line: Mapping[str, Any]) -> Header:
    if line.get("format") != FORMAT:
        raise TranscriptError(f'not a transcript: the first line must have "format": "{FORMAT}"')
    if line.get("version") != VERSION:
        raise TranscriptError(
            f"version {line.get('version')!r:.20} of the format is not known here, only {VERSION}; "
            f"the file was written by {line.get('tool', 'an unnamed program')!r:.60}"
        )
    _validate(line, "header")
    return _header(line)


def _header(line: Mapping[str, Any]) -> Header:
    parties = {name: _party(party, f"parties.{name}") for name, party in line["parties"].items()}
    seed, judged = bytes.fromhex(line["seed"]), line.get("judged", "target")
    if "judged" in line and judged not in parties:
        raise TranscriptError(f"judged: no party {judged!r:.80}; there are {', '.join(parties)}")
    own_seed = bytes.fromhex(line["scenario_seed"]) if "scenario_seed" in line else None
    return Header(seed, parties, line["profile"], line["tool"], judged, line.get("program"), own_seed)


def _party(written: Mapping[str, Any], where: str) -> PartyInfo:
    config = config_from_json(written["config"], f"{where}.config")
    try:
        check_key(config.key)
    except KeyFileError as error:
        raise TranscriptError(f"{where}.config.key: {error.problem}") from None
    tape = {(one["label"], one["index"]): bytes.fromhex(one["value"]) for one in written.get("tape", ())}
    return PartyInfo(written["target"], config, tape)


def _entry(line: Mapping[str, Any]) -> Entry:
    number, time, move = line["step"], line["time"], line.get("move")
    if "party" not in line:
        return MoveNote(number, time, line["move"])
    args = args_from_json(line["action"], line["args"])
    events = tuple(event_from_json(event, f"events[{place}]") for place, event in enumerate(line["events"]))
    snapshot = snapshot_from_json(line["snapshot"]) if "snapshot" in line else None
    failure, shown = line.get("failure"), tuple(line.get("shown", ()))
    return Step(number, time, line["party"], line["action"], args, events, snapshot, move, failure, shown)


class _Reader:
    """Takes the lines one by one and checks the rules that hold between them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._header: Header | None = None
        self._entries: list[Entry] = []
        self._containers = 0
        self._verdict: Verdict | None = None
        self._detail = ""

    def take(self, text: bytes) -> None:
        self._containers += text.count(b"[") + text.count(b"{")
        if self._containers > MAX_CONTAINERS:
            raise TranscriptError(f"more than {MAX_CONTAINERS} lists and objects, which is the limit")
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
            self._take_entry(_entry(line), self._header)

    def _take_entry(self, entry: Entry, header: Header) -> None:
        if entry.number != len(self._entries) + 1:
            raise TranscriptError(
                f"step {entry.number} where step {len(self._entries) + 1} should be; lines are missing"
            )
        if entry.number > MAX_ENTRIES:
            raise TranscriptError(f"more than {MAX_ENTRIES} steps, which is the limit")
        if self._entries and entry.time < self._entries[-1].time:
            raise TranscriptError(f"the time goes back from {self._entries[-1].time} to {entry.time}")
        if isinstance(entry, Step) and entry.party not in header.parties:
            raise TranscriptError(f"no party {entry.party!a:.80} in the header; there are {', '.join(header.parties)}")
        self._entries.append(entry)

    def done(self) -> Transcript:
        if self._header is None:
            raise TranscriptError("the file is empty")
        return Transcript(self._header, tuple(self._entries), self._verdict, self._detail, self._source)
