"""`otterproof proxy` as a command: its results, its exit codes, and what it leaves when interrupted."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.ui import cli
from tests.commands import running

ENGINES = ["proxy", "between", "reference", "independent"]


@pytest.mark.slow
def test_a_conversation_in_lines(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log, transcript = tmp_path / "log.jsonl", tmp_path / "transcript.jsonl"
    words = ["--plain", "--action", "kind=data nth=1 do=duplicate", "--log", str(log), "--transcript", str(transcript)]
    assert cli.main([*ENGINES, *words]) == 0
    out = capsys.readouterr().out
    assert "bob -> alice  #2 D-H Commit Message" in out
    assert "a copy of number 6" in out
    assert read_transcript(transcript).verdict is not None
    assert len(log.read_text().splitlines()) > 30


def test_a_rule_that_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["proxy", "between", "fault:counter-constant", "reference", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert "counters.not-higher" in {one["failure"]["check"] for one in result["failures"]}
    assert {one["party"] for one in result["failures"]} == {"alice"}


@pytest.mark.slow
def test_an_exploration(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--explore", "1", "--from", "6", "--json", "--out", str(tmp_path / "out")]
    assert cli.main([*ENGINES, *words]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["runs"], result["complete"], result["failures"]) == (4, True, [])
    assert not (tmp_path / "out").exists(), "nothing failed, so nothing is left"
    assert cli.main([*ENGINES, *words, "--max-runs", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is False


def test_an_exploration_that_finds_something(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--explore", "1", "--from", "6", "--max-runs", "1", "--out", str(tmp_path)]
    assert cli.main(["proxy", "between", "fault:counter-constant", "reference", *words]) == 1
    out = capsys.readouterr().out
    assert "choices   1 6 (data) goes to bob" in out
    left = sorted(path.name for path in tmp_path.iterdir())
    assert "alice-counters-not-higher.jsonl" in left
    assert read_transcript(tmp_path / left[0]).verdict is not None


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["irc", "--nick", "bob"], "belong together"),
        (["irc", "--server", "x:1", "--nick", "a b"], "no nick"),
        (["irc", "--step", "--plain"], "--step needs somebody"),
        (["irc", "--plain", "--picture", "x.svg"], "when you leave the view"),
        (["between", "reference", "reference", "--explore", "1", "--action", "do=drop"], "--explore controls"),
        (["between", "reference", "reference", "--explore", "1", "--log", "x"], "many conversations"),
        (["between", "reference", "reference", "--adversary", "1", "--action", "do=drop"], "--adversary controls"),
        (["between", "reference", "reference", "--action", "do=dorp"], "did you mean drop"),
    ],
)
def test_what_makes_no_sense(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["proxy", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_conversation_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    talk = tmp_path / "talk.toml"
    talk.write_text('[[turn]]\nwho = "second"\ndo = "send"\ntext = "in the clear"\n')
    assert cli.main([*ENGINES, "--plain", "--conversation", str(talk)]) == 0
    assert 'bob -> alice  #1 plain text, 12 bytes  "in the clear"' in capsys.readouterr().out
    talk.write_text('[[turn]]\nwho = "third"\ndo = "send"\n')
    assert cli.main([*ENGINES, "--plain", "--conversation", str(talk)]) == 2
    assert "who must be one of first, second" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_an_interruption_leaves(number: signal.Signals, tmp_path: Path) -> None:
    with running("proxy", "irc", "--listen", "127.0.0.1:0", "--transcript", "t.jsonl", cwd=tmp_path) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port)) as alice,
            socket.create_connection(("127.0.0.1", port)) as bob,
        ):
            for name, client in (("alice", alice), ("bob", bob)):
                client.sendall(f"NICK {name}\r\nUSER u 0 * :u\r\n".encode())
                assert name in process.stdout.readline()
            alice.sendall(b"PRIVMSG bob :?OTRv23?\r\n")
            assert "OTR Query" in process.stdout.readline()
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "1 messages sent" in out
    steps = list(read_transcript(tmp_path / "t.jsonl").steps())
    assert [(step.party, step.action) for step in steps] == [("alice", "start"), ("bob", "receive")]
