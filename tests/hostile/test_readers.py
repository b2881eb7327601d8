"""Every reader of files returns a value or raises its documented error for any bytes, within bounded memory."""

from __future__ import annotations

import json
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otterproof.harness.runs import deviations
from otterproof.harness.runs.deviations.entries import DeviationError
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.simulation.moves import ChangeField, Deliver, Fragment, Inject, Settle, Shuffle, Tick, User
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptError, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import MAX_LINE, parse_transcript
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import KEY_FILE, published_key
from otterproof.harness.vectorgen.found import FOLDER as FOUND
from otterproof.harness.vectorgen.found import Found
from otterproof.harness.vectorgen.play_builder import ClaimError
from otterproof.implementations.contract import MessageRejected, OutgoingMessage, PartyConfig, Policy, RejectReason
from otterproof.implementations.keyfile import KeyFileError, parse_keys
from otterproof.vectors import FOLDER as VECTORS
from otterproof.vectors import VectorError, load
from tests.hostile.mutations import mutated_bytes, mutated_json, mutated_toml

REFERENCE = open_target("reference")

CONFIG = PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x1A1A, 300, 60)

MOVES = (
    User("alice", "send", {"text": b"hi \xff", "padding": 3}),
    User("bob", "set_policy", {"policy": Policy.ALLOW_V3}),
    User("bob", "smp_start", {"secret": b"s", "question": None}),
    Tick(60),
    Deliver("bob", 1),
    ChangeField("bob", 0, "sender_tag", 0x1A1A),
    ChangeField("bob", 0, "ctr", b"\xff" * 8),
    Fragment("bob", 0, 60),
    Shuffle("bob", 3),
    Inject("alice", b"?OTRv3?"),
    Settle(),
)


@cache
def transcript() -> tuple[Any, ...]:
    """The lines of a good transcript: a run of a random program, with its header."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "good.jsonl"
        made = program_to_json(Program(Setup(start="scratch", target=REFERENCE, size=300), MOVES))
        parties = {name: PartyInfo("reference", CONFIG) for name in ("alice", "bob")}
        with TranscriptWriter.create(path, Header(b"seed", parties, "fuzz", judged="alice", program=made)) as writer:
            writer.step(0, "alice", "start", {}, [OutgoingMessage(b"?OTRv3?")])
            writer.step(
                60, "bob", "receive", {"message": b"\xff"}, [MessageRejected(RejectReason.BAD_ARMOUR)], failure="boom"
            )
            writer.move(60, {"move": "drop", "to": "bob"})
            writer.verdict(Verdict.FAIL, "as recorded")
        return tuple(json.loads(line) for line in path.read_text().splitlines())


def written(lines: tuple[Any, ...]) -> bytes:
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode()


def reads_transcript(data: bytes) -> None:
    with suppress(TranscriptError):
        read = parse_transcript(data, "sent.jsonl")
        if read.header.program is not None:
            program_from_json(read.header.program, REFERENCE)


@pytest.mark.slow
@settings(max_examples=settings().max_examples * 4)
@given(st.data())
def test_transcripts_and_programs(data: st.DataObject) -> None:
    lines = transcript()
    at = data.draw(st.sampled_from([0, 0, 0, *range(len(lines))]))
    parts = [json.dumps(line) for line in lines]
    parts[at] = data.draw(mutated_json(lines[at]))
    reads_transcript("".join(f"{part}\n" for part in parts).encode())


@given(st.data())
def test_damaged_transcripts(data: st.DataObject) -> None:
    reads_transcript(data.draw(mutated_bytes(written(transcript()))))


KNOWN = """\
[[deviation]]
scenario = "area.one"
check = "data.counter-replayed"
reason = "because"
expires = 2027-06-30

[[deviation]] # the other kind
requirement = "SMP-1"
check = "smp.proof-not-verified"
reason = "because"
"""


def test_what_is_changed_is_good(tmp_path: Path) -> None:
    """Otherwise every change would be refused for the same reason."""
    path = tmp_path / "known.toml"
    path.write_text(KNOWN)
    assert len(deviations.load(path, ["area.one[v3]"], ["SMP-1"], date(2026, 1, 1))) == 2
    read = parse_transcript(written(transcript()), "good.jsonl")
    assert read.header.program is not None
    program_from_json(read.header.program, REFERENCE)
    load("found", VECTORS)
    Found.read(next(FOUND.glob("*.json")))
    assert parse_keys(KEY_FILE.read_bytes(), "keys")


@settings(max_examples=settings().max_examples * 2)
@given(st.one_of(mutated_toml(KNOWN), mutated_bytes(KNOWN.encode())))
def test_known_deviations(changed: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "known.toml"
        path.write_bytes(changed)
        with suppress(DeviationError):
            deviations.load(path, ["area.one[v3]"], ["SMP-1"], date(2026, 1, 1))
        with suppress(DeviationError):
            deviations.fix(path, [])


@cache
def vectors() -> tuple[Any, str]:
    """A small good vector file, as a value and as text."""
    text = (VECTORS / "found.json").read_text()
    return json.loads(text), text


@settings(max_examples=settings().max_examples * 2)
@given(st.data())
def test_vectors(data: st.DataObject) -> None:
    value, text = vectors()
    changed = data.draw(st.one_of(mutated_json(value).map(str.encode), mutated_bytes(text.encode())))
    with tempfile.TemporaryDirectory() as folder, suppress(VectorError):
        (Path(folder) / "found.json").write_bytes(changed)
        load("found", Path(folder))


@given(st.data())
def test_found_cases(data: st.DataObject) -> None:
    text = next(FOUND.glob("*.json")).read_text()
    changed = data.draw(st.one_of(mutated_json(json.loads(text)).map(str.encode), mutated_bytes(text.encode())))
    with tempfile.TemporaryDirectory() as folder, suppress(ClaimError):
        path = Path(folder) / "case.json"
        path.write_bytes(changed)
        Found.read(path)


#: Atoms of S-expressions.
ATOMS = (
    *(b"()", b"(" * 10_000, b")" * 10, b'""', b'"\\xff"', b'"' + b"a" * 100_000 + b'"', b'"' + b"\\n" * 50_000 + b'"'),
    *(b"##", b"#0#", b"#00#", b"#01#", b"#" + b"f" * 200_000 + b"#", b"|AA==|", b"|" + b"A" * 100_000 + b"|", b"|A|"),
    *(b"0:", b"9999999:x", b"99999999999:x", b"3:abc", b"a" * 100_000, b"(a" * 16, b"\0", b"\x1b]0;x\x07", b'"\\q"'),
)


@settings(max_examples=settings().max_examples * 2)
@given(st.data())
def test_key_files(data: st.DataObject) -> None:
    good = KEY_FILE.read_bytes()
    words = good.split(b" ")
    if data.draw(st.booleans()):
        changed = data.draw(mutated_bytes(good))
    else:
        words[data.draw(st.integers(0, len(words) - 1))] = data.draw(st.sampled_from(ATOMS))
        changed = b" ".join(words)
    with suppress(KeyFileError):
        parse_keys(changed, "keys")


def test_what_campaigns_draw_is_within_the_bounds_of_the_reader() -> None:
    """Otherwise a finding's transcript could not be read."""
    for number in range(300):
        drawn = program("bounds", number, REFERENCE)
        assert program_from_json(json.loads(json.dumps(program_to_json(drawn))), REFERENCE) == drawn


#: Invalid numbers for a DSA key, each of which an engine would choke on: it raises, or signing never succeeds.
_GOOD_KEY = published_key("alice").public
NO_KEYS = {
    "p is 1": {"p": 1},
    "q is 0": {"q": 0},
    "q is even": {"q": _GOOD_KEY.q + 1},
    "q is not prime": {"q": _GOOD_KEY.q + 2},
    "p and g share the factor q": {"p": _GOOD_KEY.q * (1 << 864), "g": _GOOD_KEY.q},
    "g is 1": {"g": 1},
    "g has another order": {"g": 2},
    "y is another key's": {"y": published_key("bob").public.y},
    "x is 0": {"x": 0},
    "x is q": {"x": _GOOD_KEY.q},
    "p is huge": {"p": 1 << 4000},
}


@pytest.mark.parametrize("name", NO_KEYS)
def test_a_key_that_is_none_is_refused_before_any_engine_gets_it(name: str) -> None:
    header, *rest = json.loads(json.dumps(transcript()))
    header["parties"]["bob"]["config"]["key"].update({part: format(n, "x") for part, n in NO_KEYS[name].items()})
    with pytest.raises(TranscriptError, match=r"^sent.jsonl, line 1: parties.bob.config.key"):
        parse_transcript(written((header, *rest)), "sent.jsonl")


def _one_line(**parts: Any) -> Callable[[], bytes]:
    def open_target() -> bytes:
        lines = list(transcript())
        lines[1] = {**lines[1], **parts}
        return written(tuple(lines))

    return open_target


#: Small files that demand a lot: memory for every value, an error for every value, quadratic comparisons.
_BOMBS: dict[str, Callable[[], bytes]] = {
    "blank lines": lambda: written(transcript()[:1]) + b"\n" * 1_000_000,
    "empty lists": lambda: written(transcript()[:1]) + b"[" + b"[]," * 100_000 + b"[]]\n",
    "events that are numbers": _one_line(events=[1] * 100_000),
    "empty events": _one_line(events=[{}] * 30_000),
    "long message": _one_line(args={"message": "\xff" * 100_000}),
    "huge line": lambda: written(transcript()[:1]) + b" " * (MAX_LINE + 1) + b"\n",
    "parties": lambda: written(({**transcript()[0], "parties": {str(n): {} for n in range(20_000)}},)),
    "moves": lambda: written((_with_program(moves=[{"move": "settle", "limit": 40}] * 20_000),)),
    "deliveries": lambda: written((_with_program(moves=[{"move": "settle", "limit": 1000}] * 1000),)),
    "oracles": lambda: written((_with_program(oracles=[[number] for number in range(20_000)]),)),
    "long seed": lambda: written(({**transcript()[0], "seed": "ab" * 500_000},)),
    "long digits": lambda: written(({**transcript()[0], "version": 0},)).replace(b": 0", b": " + b"9" * 1_000_000),
}


def _with_program(**parts: Any) -> Any:
    header = transcript()[0]
    return {**header, "program": {**header["program"], **parts}}


@pytest.mark.parametrize("name", _BOMBS)
def test_reading_takes_memory_in_proportion_to_the_file(name: str) -> None:
    data = _BOMBS[name]()
    tracemalloc.start()
    try:
        reads_transcript(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 32 * len(data) + (4 << 20), f"{peak} bytes for {len(data)}"


def test_lists_and_objects_are_counted_over_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 60 bytes or more in memory, but only two in JSON."""
    monkeypatch.setattr("otterproof.harness.simulation.transcript_reading.MAX_CONTAINERS", 300)
    header, *_ = transcript()
    moves = tuple({"step": n, "time": 0, "move": {"move": "x", "deep": [[], [], []]}} for n in range(1, 100))
    with pytest.raises(TranscriptError, match="more than 300 lists and objects, which is the limit"):
        parse_transcript(written((header, *moves)))


def test_steps_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.simulation.transcript_reading.MAX_ENTRIES", 3)
    header, *_ = transcript()
    moves = tuple({"step": n, "time": 0, "move": {"move": "x"}} for n in range(1, 6))
    assert len(parse_transcript(written((header, *moves[:3]))).entries) == 3
    with pytest.raises(TranscriptError, match="line 5: more than 3 steps, which is the limit"):
        parse_transcript(written((header, *moves)))
