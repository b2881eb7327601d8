"""Programs started by a chat driver end with it, even those that would continue without a terminal and a server."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

#: Starts a program that ignores the loss of its terminal, prints its process id, and waits.
OWNER = """
import os, socket, sys
from otterproof.implementations.drivers.chat.loop import Loop
from otterproof.implementations.drivers.chat.terminal import on_socket, on_terminal
command = ["sh", "-c", "trap '' HUP; echo $$ >\\"$0\\"; while :; do sleep 600; done", sys.argv[2]]
if sys.argv[1] == "terminal":
    process = on_terminal(Loop(), command, os.environ)
else:
    ours, theirs = socket.socketpair()
    process = on_socket(Loop(), command, os.environ, theirs)
sys.stdin.readline()
"""


def running(pid: int) -> bool:
    """Whether a process runs; a zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
@pytest.mark.parametrize("how", ["terminal", "socket"])
def test_a_program_ends_with_a_driver_that_is_killed(how: str, tmp_path: Path) -> None:
    told = tmp_path / "pid"
    owner = subprocess.Popen([sys.executable, "-c", OWNER, how, str(told)], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not told.exists() or not told.read_text().strip():
        assert time.monotonic() < deadline, "the program has not started"
    pid = int(told.read_text())
    assert running(pid)
    owner.kill()
    owner.communicate()
    while running(pid):
        assert time.monotonic() < deadline, "the program goes on"
