"""The view of the proxy at a real terminal: what remains after the terminal is closed."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from otterproof.harness.simulation.transcript_reading import read_transcript
from tests.commands import ROOT

pytest.importorskip("textual", reason="pip install 'otterproof[proxy]'")

pytestmark = pytest.mark.slow

#: The mark of a message that waits for the person.
HELD = "‖".encode()


@contextmanager
def at_terminal(*words: str, cwd: Path, hangup: signal.Handlers) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A command at a terminal of its own, and the other end of the terminal. hangup: how it handles SIGHUP."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))

    def begin() -> None:
        os.login_tty(theirs)
        signal.signal(signal.SIGHUP, hangup)

    process = subprocess.Popen(
        [sys.executable, "-m", "otterproof.harness.ui.entry", *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"},
        pass_fds=[theirs],
        preexec_fn=begin,
    )
    os.close(theirs)
    with process:
        try:
            yield ours, process
        finally:
            process.kill()


def shown(terminal: int, mark: bytes) -> bool:
    """Whether a terminal shows something; if this takes too long, the test fails."""
    seen, deadline = b"", time.monotonic() + 60
    while mark not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1 << 16)
    return mark in seen


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "nohup"])
def test_a_terminal_that_is_closed_ends_the_conversation(hangup: signal.Handlers, tmp_path: Path) -> None:
    words = ["proxy", "between", "reference", "independent", "--step", "--transcript", "t.jsonl"]
    with at_terminal(*words, cwd=tmp_path, hangup=hangup) as (terminal, process):
        assert shown(terminal, HELD)
        os.close(terminal)
        assert process.wait(60) == 3, "the result can not be shown"
    steps = list(read_transcript(tmp_path / "t.jsonl").steps())
    assert [(step.party, step.action) for step in steps] == [("alice", "start")]


def test_the_view_needs_standard_error_too(tmp_path: Path) -> None:
    """The view is drawn on standard error."""
    command = ["sh", "-c", 'exec "$@" 2>errors', "sh", sys.executable, "-m", "otterproof.harness.ui.entry"]
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*command, "proxy", "irc", "--step"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=theirs,
        stdout=theirs,
    ) as process:
        os.close(theirs)
        try:
            assert process.wait(60) == 2
        finally:
            process.kill()
            os.close(ours)
    assert "--step needs somebody at a terminal" in (tmp_path / "errors").read_text()
