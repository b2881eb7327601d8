"""`check --trace`: everything that crosses is recorded, by all processes in one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.targets.driver import TraceFile
from otterproof.harness.ui import cli
from tests.driver_pair import check_line

LIAR = Path(__file__).parent / "liar.py"
HANDSHAKE = "conformance.interop.handshake_asked_by_target[v3]"

Entry = dict[str, Any]


def traced(mode: str, folder: Path, *words: str) -> tuple[int, list[Entry]]:
    """Judge a liar; returns the exit code and the lines of the trace."""
    file = folder / "trace.jsonl"
    target = f"exec:{sys.executable} {LIAR} {mode}"
    code = cli.main(["check", target, "--trace", str(file), "--only", HANDSHAKE, "--jobs", "1", *words])
    content = file.read_bytes()
    assert content.endswith(b"\n")
    assert content.isascii()
    return code, [json.loads(line) for line in content.splitlines()]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.slow
def test_every_line_is_there_in_both_directions(tmp_path: Path) -> None:
    code, entries = traced("honest", tmp_path)
    assert code == 0
    assert [entry["direction"] for entry in entries] == [">", "<"] * (len(entries) // 2)
    method = ""
    for entry in entries:
        assert entry.keys() == {"time", "pid", "scenario", "direction", "line"}
        method = check_line(entry["direction"], entry["line"], method)
    times = [entry["time"] for entry in entries]
    assert times == sorted(times)
    asked = [entry["line"]["method"] for entry in entries if entry["direction"] == ">"]
    assert asked[:4] == ["hello", "shutdown", "hello", "create"]
    assert asked[-3:] == ["reset", "reset", "shutdown"]
    start = asked.index("create") * 2
    assert {entry["scenario"] for entry in entries[start:-2]} == {HANDSHAKE}
    assert {entry["scenario"] for entry in (*entries[:start], *entries[-2:])} == {""}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "answered", "ended"),
    [
        ("garbage", "Traceback, or is it?\n", "output after the answer"),
        ("half_a_line", '{"jsonrpc":"2.0","id"', "ended with exit code 0"),
        ("leave", None, "ended with exit code 7"),
    ],
)
def test_what_is_no_answer_is_written_too(mode: str, answered: str | None, ended: str, tmp_path: Path) -> None:
    code, entries = traced(mode, tmp_path)
    assert code == 1
    (at,) = (number for number, entry in enumerate(entries) if entry["direction"] == "!")
    assert ended in entries[at]["text"]
    before = entries[at - 1]
    if answered is None:
        assert (before["direction"], before["line"]["method"]) == (">", "receive")
    else:
        assert before["direction"] == "<"
        assert answered in before["text"]


@pytest.mark.slow
def test_all_processes_write_to_one_file(tmp_path: Path) -> None:
    _, entries = traced("honest", tmp_path, "--only", "conformance.interop.smp", "--jobs", "2")
    pids = {entry["pid"] for entry in entries if entry["scenario"]}
    assert len(pids) == 2
    for pid in pids:
        own = [entry["direction"] for entry in entries if entry["pid"] == pid]
        assert own == [">", "<"] * (len(own) // 2)


def test_foreign_bytes_stay_ascii_and_apart(tmp_path: Path) -> None:
    file = tmp_path / "trace"
    file.write_text("of an earlier run\n")
    trace = TraceFile(file, begin=True)
    lines = [
        b"\xff\x1b[2J\n",
        '{"a": "\x7f\u202e"}\n'.encode(),
        b'{"a":"\\ud800"}\n',
        b'{"a":NaN}\n',
        b"[1]\n",
        b'{"a":1',
    ]
    for line in lines:
        trace("<", line)
    TraceFile(file)(">", b"{}\n")
    content = file.read_bytes()
    assert content.isascii()
    assert not any(byte < 32 or byte == 127 for byte in content.replace(b"\n", b""))
    told = [
        {name: entry[name] for name in entry.keys() & {"line", "text"}}
        for entry in map(json.loads, content.splitlines())
    ]
    assert told == [
        {"text": "\\xff\x1b[2J\n"},
        {"line": {"a": "\x7f\u202e"}},
        {"text": '{"a":"\\ud800"}\n'},
        {"text": '{"a":NaN}\n'},
        {"text": "[1]\n"},
        {"text": '{"a":1'},
        {"line": {}},
    ]


@pytest.mark.slow
def test_a_full_disk_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    target = f"exec:{sys.executable} {LIAR} honest"
    words = ["check", target, "--only", "handshake_asked_by_target[v2]", "--jobs", "1", "--trace", "/dev/full"]
    assert cli.main(words) == 3
    assert "the trace /dev/full: No space left on device" in " ".join(capsys.readouterr().out.split())


def test_an_engine_has_no_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "trace"
    file.write_text("kept")
    assert cli.main(["check", "reference", "--only", "handshake_asked", "--trace", str(file)]) == 2
    assert "reference has no driver" in capsys.readouterr().err
    assert file.read_text() == "kept"
    assert cli.main(["check", "reference", "--trace", str(tmp_path)]) == 2
    assert "name another file with --trace" in capsys.readouterr().err
