"""Transcripts: they read back as written, damage is located by line, and a replay finds the first difference."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness.simulation.exchange import outgoing
from otterproof.harness.simulation.network import Network
from otterproof.harness.simulation.replay import replay
from otterproof.harness.simulation.transcript import (
    SCHEMA,
    Header,
    MoveNote,
    Party,
    PartyInfo,
    Step,
    Transcript,
    TranscriptError,
    TranscriptWriter,
    Verdict,
    move_to_json,
)
from otterproof.harness.simulation.transcript_reading import parse_transcript, read_transcript
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import (
    Event,
    MessageRejected,
    MessageState,
    OtrError,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
    RejectReason,
    TextReceived,
)
from otterproof.implementations.jsonform import JsonFormError
from otterproof.implementations.reference import ReferenceEngine

CONFIG = PartyConfig(published_key("alice"), Policy.ALLOW_V3)
HEADER = Header(
    b"seed",
    {"alice": PartyInfo("reference", CONFIG), "bob": PartyInfo("reference", PartyConfig(published_key("bob")))},
    "test",
)


class Echo:
    """A predictable party: it sends back what it receives, with the time in front."""

    def __init__(self, mark: bytes = b"") -> None:
        self.mark = mark
        self.now = 0

    def receive(self, message: bytes) -> Sequence[Event]:
        if message == b"crash":
            raise OtrError("told to")
        if message == b"interrupt":
            raise KeyboardInterrupt
        return [OutgoingMessage(b"%d %s" % (self.now, message + self.mark))]

    def set_time(self, now: int) -> None:
        self.now = now


def written(write: Callable[[TranscriptWriter], None]) -> bytes:
    stream = io.StringIO()
    write(TranscriptWriter(stream, HEADER))
    return stream.getvalue().encode("ascii")


def lines(data: bytes) -> list[Any]:
    return [json.loads(line) for line in data.splitlines()]


def conversation(path: Path) -> None:
    """A handshake, a text each way, and an end, between two reference engines."""
    with TranscriptWriter.create(path, HEADER) as writer:
        parties = {name: ReferenceEngine(info.config, HEADER.entropy(name)) for name, info in HEADER.parties.items()}
        network = Network({"alice": ["bob"], "bob": ["alice"]})

        def act(time: int, name: str, action: str, **args: object) -> None:
            events = writer.perform(parties[name], time, name, action, args, inspect=True)
            for message in outgoing(events):
                network.send(name, message)

        script: list[tuple[int, str, str, dict[str, object]]] = [
            (0, "alice", "start", {}),
            (5, "alice", "send", {"text": b"hi \xff"}),
            (70, "bob", "send", {"text": "Zoë".encode(), "padding": 7}),
            (70, "bob", "extra_key", {"use": 1, "data": b"\xff"}),
            (80, "bob", "set_policy", {"policy": Policy.ALLOW_V2}),
            (80, "alice", "smp_start", {"secret": b"s", "question": b"?"}),
            (80, "bob", "smp_answer", {"secret": b"s", "instance": None}),
            (80, "bob", "end", {}),
        ]
        for time, name, action, args in script:
            for party in parties.values():
                party.set_time(time)
            act(time, name, action, **args)
            for receiver, message in network.deliveries():
                act(time, receiver, "receive", message=message)
        writer.move(80, {"move": "drop", "to": "bob"})
        writer.verdict(Verdict.PASS, "all well")


def test_a_conversation_is_recorded_and_comes_out_the_same_again(tmp_path: Path) -> None:
    conversation(tmp_path / "run.jsonl")
    transcript = read_transcript(tmp_path / "run.jsonl")
    assert transcript.header == HEADER
    assert (transcript.verdict, transcript.detail) == (Verdict.PASS, "all well")
    steps = list(transcript.steps())
    assert any(isinstance(event, TextReceived) and event.secure for step in steps for event in step.events)
    assert {s.message_state for step in steps if step.snapshot for s in step.snapshot.sessions} == set(MessageState)

    result = replay(transcript, lambda name, info, header: ReferenceEngine(info.config, header.entropy(name)))
    assert result.same, str(result.divergence)
    assert result.steps == len(steps)

    other = replay(transcript, lambda name, info, header: ReferenceEngine(info.config, header.entropy(name + "!")))
    assert other.divergence is not None
    assert "differs from the recording" in str(other.divergence)


def test_every_line_fits_the_published_schema(tmp_path: Path) -> None:
    conversation(tmp_path / "run.jsonl")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    kept = lines((tmp_path / "run.jsonl").read_bytes())
    for line in kept:
        validator.validate(line)
    assert len(kept) > 20


ENTRIES = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["alice", "bob"]), st.binary(), st.lists(st.binary().map(OutgoingMessage)), st.booleans()
        ),
        st.text().map(lambda name: {"move": name}),
    )
)


@given(ENTRIES, st.sampled_from(Verdict), st.text())
def test_what_is_written_is_what_is_read(entries: list[Any], verdict: Verdict, detail: str) -> None:
    expected: list[Step | MoveNote] = []

    def write(writer: TranscriptWriter) -> None:
        for number, entry in enumerate(entries, 1):
            if isinstance(entry, dict):
                writer.move(number, entry)
                expected.append(MoveNote(number, number, entry))
                continue
            party, message, events, failed = entry
            move, failure = ({"move": "x", "at": number}, "boom") if failed else (None, None)
            writer.step(number, party, "receive", {"message": message}, events, move=move, failure=failure)
            args = {"message": message}
            expected.append(Step(number, number, party, "receive", args, tuple(events), None, move, failure))
        writer.verdict(verdict, detail)

    read = parse_transcript(written(write))
    assert read == Transcript(HEADER, tuple(expected), verdict, detail)


def test_the_lines_are_the_documented_ones() -> None:
    def write(writer: TranscriptWriter) -> None:
        writer.step(3, "alice", "receive", {"message": b"\xff"}, [MessageRejected(RejectReason.BAD_ARMOUR)])
        writer.move(3, {"move": "drop", "to": "bob"})
        writer.verdict(Verdict.FAIL, "no")

    header, step, move, verdict = lines(written(write))
    assert header["format"] == "otterproof-transcript"
    assert (header["version"], header["seed"], header["profile"]) == (2, b"seed".hex(), "test")
    assert header["parties"]["alice"]["target"] == "reference"
    assert header["parties"]["alice"]["config"]["policy"] == ["allow_v3"]
    event = {"event": "message_rejected", "reason": "bad_armour", "field": "", "offset": 0}
    args = {"message": "\xff"}
    assert step == {"step": 1, "time": 3, "party": "alice", "action": "receive", "args": args, "events": [event]}
    assert move == {"step": 2, "time": 3, "move": {"move": "drop", "to": "bob"}}
    assert verdict == {"verdict": "fail", "detail": "no", "steps": 2}


def test_each_line_is_there_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    writer = TranscriptWriter.create(path, HEADER)
    assert len(lines(path.read_bytes())) == 1
    writer.perform(Echo(), 0, "alice", "receive", {"message": b"x"})
    with pytest.raises(KeyboardInterrupt):
        writer.perform(Echo(), 0, "alice", "receive", {"message": b"interrupt"})
    transcript = read_transcript(path)
    writer.close()
    assert transcript.verdict is None
    done, interrupted = transcript.steps()
    assert (done.failure, interrupted.failure) == (None, "KeyboardInterrupt")


def test_wrong_use_of_the_writer_is_refused() -> None:
    def write(writer: TranscriptWriter) -> None:
        with pytest.raises(TranscriptError, match="no party 'eve' in the header; there are alice, bob"):
            writer.step(0, "eve", "receive", {"message": b""}, [])
        with pytest.raises(JsonFormError, match="unknown action 'explode'"):
            writer.step(0, "bob", "explode", {}, [])
        with pytest.raises(JsonFormError, match="missing argument 'message' of receive"):
            writer.step(0, "bob", "receive", {}, [])
        writer.move(5, {"move": "x"})
        with pytest.raises(TranscriptError, match="goes back from 5 to 4"):
            writer.move(4, {"move": "x"})
        writer.verdict(Verdict.INFRA)
        with pytest.raises(TranscriptError, match="a second verdict"):
            writer.verdict(Verdict.PASS)
        with pytest.raises(TranscriptError, match="after the verdict"):
            writer.move(5, {"move": "x"})

    assert len(parse_transcript(written(write)).entries) == 1


def write_good(writer: TranscriptWriter) -> None:
    writer.step(1, "alice", "receive", {"message": b"x"}, [])
    writer.step(1, "bob", "send", {"text": b"y", "padding": 3}, [OutgoingMessage(b"z")])
    writer.verdict(Verdict.PASS)


GOOD = written(write_good)


def changed(number: int, old: str, new: str) -> bytes:
    """The good transcript with a replacement in one line (counted from 1)."""
    parts = GOOD.decode().splitlines()
    assert old in parts[number - 1]
    parts[number - 1] = parts[number - 1].replace(old, new, 1)
    return ("\n".join(parts) + "\n").encode()


@pytest.mark.parametrize(
    ("data", "line", "problem"),
    [
        (b"", 1, "the file is empty"),
        (b"\n", 1, "not a line of JSON"),
        (b"\xff\n", 1, "not a line of JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000 + b"\n", 1, "not a line of JSON"),
        (b"1" * 100_000 + b"\n", 1, "not a line of JSON"),
        (b"[]\n", 1, "not a JSON object"),
        (b"{}\n", 1, "not a transcript"),
        (changed(1, '"version":2', '"version":1'), 1, "version 1 of the format is not known here, only 2"),
        (changed(1, '"profile":"test",', ""), 1, "'profile' is a required property"),
        (changed(1, '"seed":"', '"seed":"X'), 1, "seed: "),
        (changed(1, '"allow_v3"', '"allow_v9"'), 1, "parties.alice.config.policy[0]: 'allow_v9' is not a valid Policy"),
        (changed(2, '"step":1', '"step":2'), 2, "step 2 where step 1 should be"),
        (changed(2, '"alice"', '"eve"'), 2, "no party 'eve' in the header; there are alice, bob"),
        (changed(2, '"receive"', '"explode"'), 2, "unknown action 'explode'"),
        (changed(2, '"message":"x"', '"message":5'), 2, "args.message: expected a string, got an integer"),
        (changed(2, '"message"', '"massage"'), 2, "missing argument 'message' of receive"),
        (changed(2, '"events":[]', '"events":[{}]'), 2, "events[0]: 'event' is a required property"),
        (changed(2, '"events":[]', '"events":[{"event":"x"}]'), 2, "events[0].event: unknown event 'x'"),
        (changed(2, '"events":[]', '"events":[],"more":1'), 2, "'more' was unexpected"),
        (changed(2, '"time":1', '"time":1,"time":1'), 2, "a name appears twice"),
        (changed(2, '"time":1', '"time":NaN'), 2, "NaN is not JSON"),
        (changed(2, '"time":1', '"time":-1'), 2, "time: -1 is less than the minimum of 0"),
        (changed(3, '"time":1', '"time":0'), 3, "the time goes back from 1 to 0"),
        (changed(3, '"step":2', '"step":3'), 3, "step 3 where step 2 should be"),
        (changed(3, '"padding":3', '"padding":"3"'), 3, "args.padding: expected an integer, got a string"),
        (changed(4, '"steps":2', '"steps":3'), 4, "3 steps were written, but 2 are here"),
        (changed(4, '"pass"', '"acceptable"'), 4, "'acceptable' is not one of"),
        (GOOD + b"{}\n", 5, "something follows the verdict"),
        (GOOD[:-1], 4, "the line has no end"),
        (GOOD[:-20], 4, "the line has no end"),
    ],
)
def test_damage_is_named_by_its_line(data: bytes, line: int, problem: str) -> None:
    with pytest.raises(TranscriptError) as caught:
        parse_transcript(data, "run.jsonl")
    assert problem in caught.value.problem
    assert caught.value.line == line
    assert str(caught.value).startswith(f"run.jsonl, line {line}: ")


@given(st.data())
def test_no_bytes_lead_to_another_error(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(GOOD)))
    broken = GOOD[:start] + data.draw(st.binary(max_size=4)) + GOOD[data.draw(st.integers(start, len(GOOD))) :]
    try:
        parse_transcript(broken)
    except TranscriptError as error:
        message = str(error)
        assert message


def recorded(*messages: bytes) -> Transcript:
    """A run of Echo as both parties, in which each message to alice comes one second after the previous one."""

    def write(writer: TranscriptWriter) -> None:
        party = Echo()
        for number, message in enumerate(messages):
            party.set_time(number)
            try:
                writer.perform(party, number, "alice", "receive", {"message": message})
            except OtrError:
                continue

    return parse_transcript(written(write))


def test_a_replay_tells_the_time_and_stops_at_the_first_difference() -> None:
    transcript = recorded(b"a", b"b", b"c")
    assert replay(transcript, lambda *_: Echo()).same

    class Late(Echo):
        def receive(self, message: bytes) -> Sequence[Event]:
            return [*super().receive(message), *([MessageRejected(RejectReason.UNEXPECTED)] if self.now > 0 else [])]

    result = replay(transcript, lambda *_: Late())
    assert (result.steps, result.same) == (2, False)
    assert result.divergence is not None
    assert result.divergence.step.number == 2
    assert str(result.divergence).splitlines() == [
        "step 2 (alice, receive, time 1) differs from the recording",
        "  recorded: 1 event",
        "  now:      2 events; additional: ignores it (unexpected)",
    ]
    result = replay(transcript, lambda *_: Echo(b"!"))
    assert 'recorded: event 1: sends plain text "0 a"\n' in str(result.divergence)
    assert 'now:      event 1: sends plain text "0 a!"\n' in str(result.divergence)


def test_a_failure_is_compared_too() -> None:
    class Careful(Echo):
        def receive(self, message: bytes) -> Sequence[Event]:
            return [] if message == b"crash" else super().receive(message)

    class Fragile(Echo):
        def receive(self, message: bytes) -> Sequence[Event]:
            raise OSError("gone")

    assert replay(recorded(b"a", b"crash", b"c"), lambda *_: Echo()).steps == 3
    mended = replay(recorded(b"a", b"crash", b"c"), lambda *_: Careful())
    assert "recorded: OtrError: told to\n  now:      0 events" in str(mended.divergence)
    broken = replay(recorded(b"a"), lambda *_: Fragile(), failures=(OSError,))
    assert "recorded: 1 event\n  now:      OSError: gone" in str(broken.divergence)
    with pytest.raises(OSError, match="gone"):
        replay(recorded(b"a"), lambda *_: Fragile())


def test_a_snapshot_is_compared_where_there_is_one() -> None:
    class Open(Echo):
        def inspect(self) -> PartySnapshot:
            return PartySnapshot(256, 0, False, self.mark == b"!", (), (), {})

        def receive(self, message: bytes) -> Sequence[Event]:
            return []

    def write(writer: TranscriptWriter) -> None:
        writer.perform(Open(), 0, "alice", "receive", {"message": b""}, inspect=True)

    transcript = parse_transcript(written(write))
    assert replay(transcript, lambda *_: Open()).same
    assert ".heard_plaintext: recorded no, now yes" in str(replay(transcript, lambda *_: Open(b"!")).divergence)
    blind: Party = Careless()
    assert replay(transcript, lambda *_: blind).same


class Careless:
    """A party that shows and reports nothing."""

    def receive(self, message: bytes) -> Sequence[Event]:
        return []

    def set_time(self, now: int) -> None:
        pass


def test_moves_are_written_by_their_fields() -> None:
    @dataclass(frozen=True)
    class FlipBit:
        to: str
        bits: tuple[int, ...]
        with_text: bytes

    assert move_to_json(FlipBit("bob", (1, 2), b"\xff")) == {
        "move": "flip_bit",
        "to": "bob",
        "bits": [1, 2],
        "with_text": "\xff",
    }
    with pytest.raises(TranscriptError, match="str is not a dataclass"):
        move_to_json("drop")
