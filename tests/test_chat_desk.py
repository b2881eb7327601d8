"""The virtual desktop of a program with windows: nothing on it outlives the driver, and desktops do not interfere."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import THIRD_PARTIES, TargetMissing

pytestmark = pytest.mark.slow

#: Puts a program on a desktop, prints its display, and waits for it.
OWNER = """
import sys
from otterproof.implementations.drivers.chat.desk import Desk
from otterproof.implementations.drivers.chat.home import Home
from otterproof.implementations.drivers.chat.loop import Loop
loop, home = Loop(), Home("desk")
desk = Desk(loop, home, ["sh", "-c", f'echo $DISPLAY >{home.path}/display; ' + sys.argv[1]], {})
while not (home.path / "display").exists() or not (home.path / "display").read_text():
    pass
print((home.path / "display").read_text().strip(), flush=True)
if "closed" in sys.argv:
    sys.stdin.readline()
    desk.close()
    home.remove()
else:
    loop.until(lambda: False)
"""


@pytest.fixture(scope="module", autouse=True)
def _has_screens() -> None:
    try:
        THIRD_PARTIES["pidgin"].ready()
    except TargetMissing as missing:
        pytest.skip(str(missing))


def owner(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", OWNER, *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def below(pid: int) -> list[int]:
    """All descendants of a process."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found[1:]


def all_started(pid: int) -> list[int]:
    """The desktop, the screen, the bus, the program, and its two processes; they start one after the other."""
    deadline = time.monotonic() + 60
    while len(found := below(pid)) < 6:
        assert time.monotonic() < deadline, f"only {len(found)} have started"
    return found


def display(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def pair() -> Iterator[list[subprocess.Popen[str]]]:
    made = [owner("sleep 600 & sleep 600") for _ in range(2)]
    yield made
    for one in made:
        one.kill()
        one.communicate()


def gone(pids: list[int]) -> bool:
    """Whether the processes end; if this takes too long, the test fails."""
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
    return True


def test_desks_have_displays_of_their_own(pair: list[subprocess.Popen[str]]) -> None:
    first, second = map(display, pair)
    assert first.startswith(":")
    assert second.startswith(":")
    assert first != second


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_a_driver_that_is_killed(how: signal.Signals) -> None:
    killed = owner("sleep 600 & sleep 600")
    display(killed)
    started = all_started(killed.pid)
    os.kill(killed.pid, how)
    killed.communicate()
    assert gone(started)


@pytest.mark.parametrize(("part", "told"), [("Xvfb", "the virtual screen"), ("dbus-daemon", "the message bus")])
def test_a_part_of_the_desk_that_ends_is_not_the_programs_end(part: str, told: str) -> None:
    stranded = owner("sleep 600 & sleep 600")
    display(stranded)
    started = all_started(stranded.pid)
    (pid,) = (one for one in started if Path(f"/proc/{one}/comm").read_text().strip() == part)
    os.kill(pid, signal.SIGKILL)
    _, said = stranded.communicate(timeout=60)
    assert f"Stranded: {part}, {told}, has ended" in said
    assert gone(started)


@pytest.mark.parametrize("part", ["Xvfb", "dbus-daemon"])
def test_a_part_of_the_desk_that_does_not_start_is_told(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / part
    script.write_text("#!/bin/sh\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    _, said = owner("sleep 600").communicate(timeout=60)
    assert f"Stranded: {part}, " in said


def test_nothing_outlives_a_desk_that_is_closed() -> None:
    closed = owner("(setsid sleep 600 &) ; sleep 600", "closed")
    display(closed)
    started = all_started(closed.pid)
    closed.communicate("\n", timeout=60)
    assert closed.returncode == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in started)


@pytest.mark.parametrize(("program", "code"), [("kill -SEGV $$", -11), ("exit 7", 7), ("exit 0", 1)])
def test_a_driver_ends_as_the_program_on_its_desk(program: str, code: int) -> None:
    ended = owner(f"echo last words >&2; {program}")
    display(ended)
    _, said = ended.communicate(timeout=60)
    assert ended.returncode == code
    assert "last words" in said
