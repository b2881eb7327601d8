"""`replay` of any file ends with a documented exit code and a line that says what is wrong, never with a traceback."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otterproof.harness.ui import cli
from tests.hostile.mutations import mutated_bytes, mutated_json
from tests.hostile.test_readers import NO_KEYS, transcript, written

Lines = tuple[Any, ...]
Change = Callable[[Any], object]

#: The exit codes of `replay`, except the one for an interruption.
CODES = (0, 1, 2, 3)


def scenario() -> Lines:
    """A transcript of a passing run without a program; it is replayed step by step."""
    header, *entries, verdict = json.loads(json.dumps(transcript()))
    del header["program"], header["judged"]
    return (header, *entries, {**verdict, "verdict": "pass"})


def in_header(*path: str | int, value: Any) -> Callable[[Lines], Lines]:
    """Puts a value somewhere in the header."""

    def change(lines: Lines) -> Lines:
        header, *rest = json.loads(json.dumps(lines))
        place = header
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return (header, *rest)

    return change


def in_step(**parts: Any) -> Callable[[Lines], Lines]:
    """Replaces parts of the first step."""
    return lambda lines: (lines[0], {**lines[1], **parts}, *lines[2:])


CONFIG = ("parties", "alice", "config")

#: Content of a header or a step that can't be run, and the error for it, after the name of the file and the line.
WRONG: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "no size": (in_header(*CONFIG, "max_message_size", value=0), "line 1: parties.alice.config: reference refuses it"),
    "small size": (in_header(*CONFIG, "max_message_size", value=63), "line 1: parties.alice.config: reference refuses"),
    "negative size": (in_header(*CONFIG, "max_message_size", value=-1), "line 1: .*max_message_size: -1 is less than"),
    "huge size": (in_header(*CONFIG, "max_message_size", value=1 << 40), "line 1: .*max_message_size: .*greater"),
    "half a size": (in_header(*CONFIG, "max_message_size", value=99.5), "line 1: .*99.5 is not a whole number"),
    "small tag": (in_header(*CONFIG, "instance_tag", value=1), "line 1: parties.alice.config: reference refuses it"),
    "huge tag": (in_header(*CONFIG, "instance_tag", value=1 << 32), "line 1: .*instance_tag: .*greater than"),
    "huge heartbeat": (in_header(*CONFIG, "heartbeat_interval", value=1 << 31), "line 1: .*heartbeat_interval"),
    "policy twice": (in_header(*CONFIG, "policy", value=["allow_v2"] * 2), "line 1: .*policy"),
    "unknown policy": (in_header(*CONFIG, "policy", value=["\x1b[2J"]), "line 1: parties.alice.config.policy"),
    "many policies": (in_header(*CONFIG, "policy", value=[[], "x"] * 50_000), "line 1: .*policy"),
    "no party": (in_header("parties", value={}), "line 1: .*parties"),
    "nameless party": (in_header("parties", "", value={}), "line 1: .*parties"),
    "party with half a character": (in_header("parties", "\ud800", value={}), "line 1: .*parties"),
    "no target": (in_header("parties", "alice", "target", value=""), "line 1: .*target"),
    "unknown target": (in_header("parties", "alice", "target", value="\ud800"), "line 1: parties.alice.target: no tar"),
    "seed": (in_header("seed", value="f" * 10_001), "line 1: .*seed"),
    "judged": (in_header("judged", value="\ud800"), "line 1: judged: no party"),
    "huge time": (in_step(time=10**30), "line 2: .*time: .*greater than"),
    "half a second": (in_step(time=0.5), "line 2: .*0.5 is not a whole number"),
    "huge number in an event": (
        in_step(events=[{"event": "message_rejected", "reason": "bad_armour", "field": "", "offset": 10**30}]),
        "line 2: events.0..offset: the number has more than 64 bits",
    ),
    "huge padding": (
        in_step(action="send", args={"text": "x", "padding": 10**30}),
        "line 2: args.padding: the number has more than 64 bits",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_place(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, says = WRONG[name]
    path = tmp_path / "sent.jsonl"
    path.write_bytes(written(change(scenario())))
    assert cli.main(["replay", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert re.match(f"otterproof: {re.escape(str(path))}, {says}", told.err), told.err
    assert told.err.count("\n") == 1
    assert told.err.strip("\n").isprintable()
    assert len(told.err) < 1000


#: Programs that ask for too much, or for things that do not exist.
PROGRAMS: dict[str, tuple[tuple[str | int, ...], Any, str]] = {
    "endless settling": (("moves", 10, "limit"), 10**9, r"program.moves\[10\].limit: it must be from 0 to 1000"),
    "endless time": (("moves", 3, "seconds"), 10**30, r"program.moves\[3\].seconds: it must be from 0 to"),
    "time that goes back": (("moves", 3, "seconds"), -1, r"program.moves\[3\].seconds: it must be from 0 to"),
    "position in words": (("moves", 4, "position"), "x", r"program.moves\[4\].position: 'x' is not of type int"),
    "position": (("moves", 4, "position"), 10**4000, r"program.moves\[4\].position: its length in bits is 13288"),
    "pieces": (("moves", 7, "size"), 0, r"program.moves\[7\].size: it must be from 1 to"),
    "padding": (("moves", 0, "args", "padding"), 10**30, r"program.moves\[0\].args.padding: the number has more than"),
    "long text": (("moves", 0, "args", "text"), "x" * 200_000, r"program.moves\[0\].args.text: its length is 200000"),
    "not a byte": (("moves", 9, "message"), "\ud800", r"program.moves\[9\].message: character 0 is not a byte"),
    "unknown move": (("moves", 3, "move"), "__class__", r"program.moves\[3\].move: '__class__' is not one of"),
    "unknown action": (("moves", 0, "action"), "restore", r"program.moves\[0\].args: unknown action 'restore'"),
    "nobody": (("moves", 4, "to"), "eve", r"program.moves\[4\]: deliver is for none of alice, bob"),
    "small size": (("size",), 63, "program.size: 63 is too small"),
    "network": (("network",), "\x1b[2J", r"program.network: '\\x1b\[2J' is not one of"),
    "role": (("role",), "bob1", "program.role: 'bob1' is not one of"),
    "oracle": (("oracles",), ["I99"], "program.oracles: 'I99' is not one of"),
    "many moves": (("moves",), [{"move": "settle", "limit": 0}] * 1001, ".*program.moves: .* is too long"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_that_asks_for_too_much_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, value, says = PROGRAMS[name]
    file = tmp_path / "sent.jsonl"
    file.write_bytes(written(in_header("program", *path, value=value)(transcript())))
    assert cli.main(["replay", str(file)]) == 2
    told = capsys.readouterr().err
    assert re.match(f"otterproof: {re.escape(str(file))}, line 1: {says}", told), told
    assert told.count("\n") == 1
    assert len(told) < 1000


@pytest.mark.parametrize("name", NO_KEYS)
def test_a_key_that_is_not_one_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = {part: format(number, "x") for part, number in NO_KEYS[name].items()}
    header, *rest = json.loads(json.dumps(scenario()))
    header["parties"]["bob"]["config"]["key"].update(parts)
    file = tmp_path / "sent.jsonl"
    file.write_bytes(written((header, *rest)))
    assert cli.main(["replay", str(file)]) == 2
    assert f"{file}, line 1: parties.bob.config.key: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "args",
    [
        {"action": "send", "args": {"text": "a\0b"}},
        {"action": "send", "args": {"text": "x", "padding": 10**9}},
        {"action": "send", "args": {"text": "x", "padding": -1}},
        {"action": "send", "args": {"text": "x", "instance": 1 << 63}},
        {"action": "send", "args": {"text": "x", "instance": -1}},
        {"action": "extra_key", "args": {"use": 1 << 63, "data": ""}},
        {"action": "extra_key", "args": {"use": -1, "data": "x" * 70_000}},
        {"action": "smp_start", "args": {"secret": "", "question": "\0" * 70_000}},
        {"action": "smp_answer", "args": {"secret": "x"}},
        {"action": "set_policy", "args": {"policy": []}},
        {"action": "receive", "args": {"message": "?OTR:" + "A" * 100_000 + "."}},
        {"time": (1 << 53) - 1},
        {"failure": "\ud800\x1b[2J"},
        {"events": []},
    ],
)
def test_inputs_that_no_run_has_are_run_and_come_out_as_they_do(
    args: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine may refuse them; the refusal is then the outcome."""
    file = tmp_path / "sent.jsonl"
    file.write_bytes(written(in_step(**args)(scenario()[:2])))
    assert cli.main(["replay", str(file)]) in (0, 1)
    told = capsys.readouterr()
    assert told.err == ""
    assert re.match("(SAME|DRIFTED) ", told.out)
    assert "\x1b" not in told.out


@pytest.mark.slow
@settings(
    max_examples=settings().max_examples * 2,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_file(data: st.DataObject, capsys: pytest.CaptureFixture[str]) -> None:
    """With and without a program, with bytes changed or a value replaced."""
    lines = data.draw(st.sampled_from([transcript(), scenario()]))
    at = data.draw(st.sampled_from([0, 0, *range(len(lines))]))
    parts = [json.dumps(line).encode() for line in lines]
    parts[at] = data.draw(st.one_of(mutated_json(lines[at]).map(str.encode), mutated_bytes(parts[at])))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sent.jsonl"
        file.write_bytes(b"\n".join(parts) + b"\n")
        code = cli.main(["replay", str(file)])
        told = capsys.readouterr()
        assert code in CODES
        assert not list(Path.cwd().glob("hurt")), "a command in the file has run"
        assert told.out.startswith(("SAME", "DRIFTED", "FAILED", "FIXED", "ERROR")) or (code == 2 and told.out == "")
        if code == 2:
            assert told.err.startswith(f"otterproof: {file}, line ") or "exec:" in told.err, told.err
        assert all(line.isprintable() for line in (told.out + told.err).split("\n"))
        assert len(told.out + told.err) < 5000
