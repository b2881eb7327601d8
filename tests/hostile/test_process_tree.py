"""Every process that a driver starts ends with it, whatever it tries, and all of them count towards its memory."""

from __future__ import annotations

import mmap
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from otterproof.harness.targets.driver import DriverTarget, guard, guarded
from otterproof.harness.targets.driver.process import MEMORY_VARIABLE
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import PartyConfig
from tests.raising import raises_check

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can do this")

ROOT = Path(__file__).parents[2]
SABOTEUR = Path(__file__).with_name("saboteur.py")

Make = Callable[[str], DriverTarget]

#: Ways to leave processes behind. Each notes its id in the file FILE; `forever` ignores all signals it can.
STAY = """
import os, signal, time
def note():
    with open(FILE, "a") as file:
        file.write(f"{os.getpid()}\\n")
def forever():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    note()
    os.write(ready, b".")
    while True:
        time.sleep(1000)
def child(*steps):
    if os.fork() == 0:
        for step in steps:
            step()
        forever()
def again():
    if os.fork():
        os._exit(0)
listens, ready = os.pipe()
note()
"""

WAYS = {
    "a child": "child()",
    "a session of its own": "child(os.setsid)",
    "a daemon": "child(os.setsid, again)",
    "a daemon's daemon": "child(os.setsid, again, os.setsid, again)",
    "a grandchild in another session": "child(os.setsid, lambda: child(os.setsid))",
}


def staying(file: Path, *ways: str) -> str:
    """The statement of a driver that leaves processes behind, answers once all run, and ignores everything else."""
    there = "\n".join(ways)
    count = sum(2 if "lambda" in way else 1 for way in ways)
    wait = f"for _ in range({count}): os.read(listens, 1)\n"
    return f"FILE = {str(file)!r}\n{STAY}\n{there}\n{wait}good()\nforever()"


def pids(file: Path) -> set[int]:
    """All noted process ids. The driver notes its own before it answers, and perhaps once more after it."""
    return {int(line) for line in file.read_text().split("\n")[:-1]}


def runs(pid: int) -> bool:
    """Whether a process runs; a zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_the_end_of(pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([process], [], [])
    os.close(process)


def driver(statement: str) -> DriverTarget:
    return DriverTarget("saboteur", [sys.executable, "-S", "-E", str(SABOTEUR), "start", statement], 60.0)


@pytest.fixture
def saboteur() -> Iterator[Make]:
    made = []

    def make(statement: str) -> DriverTarget:
        made.append(driver(statement))
        return made[-1]

    yield make
    for target in made:
        target.close()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_nothing_survives_the_end_of_a_driver(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.targets.driver.target._GRACE", 0.0)  # it would not exit by itself
    target = driver(staying(tmp_path / "pids", way))
    target.party("alice", PartyConfig(published_key("alice")), b"").start()
    there = pids(tmp_path / "pids")
    assert len(there) >= 2
    assert all(map(runs, there))
    target.close()
    assert not any(map(runs, there))


def test_nothing_survives_a_driver_that_dies(saboteur: Make, tmp_path: Path) -> None:
    target = saboteur(staying(tmp_path / "pids", WAYS["a daemon"]).removesuffix("forever()") + "os._exit(5)")
    target.party("alice", PartyConfig(published_key("alice")), b"").start()
    with raises_check("crash.reset.exit-5"):
        target.finish()
    assert not any(map(runs, pids(tmp_path / "pids")))


def test_a_driver_that_keeps_forking_is_caught(saboteur: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chain of processes, each of which exits once it has a child: none of them lives long."""
    monkeypatch.setattr("otterproof.harness.targets.driver.target._GRACE", 0.0)
    hop = "import os\nif os.fork() == 0:\n    while True:\n        if os.fork():\n            os._exit(0)\ngood()"
    target = saboteur(hop)
    target.party("alice", PartyConfig(published_key("alice")), b"").start()
    guarding = target._process._process._guard.pid
    target.close()
    assert not runs(guarding), "the guard ends when nothing is left"


HARNESS = """
import sys
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import PartyConfig
target = DriverTarget("saboteur", sys.argv[1:], 60.0)
target.party("alice", PartyConfig(published_key("alice")), b"").start()
print("there", flush=True)
sys.stdin.read()
"""


def test_nothing_survives_a_harness_that_is_killed(tmp_path: Path) -> None:
    """With kill -9, in the middle of a case. The driver ignores both the end of its input and SIGTERM."""
    words = [sys.executable, "-S", "-E", str(SABOTEUR), "start", staying(tmp_path / "pids", *WAYS.values())]
    command = [sys.executable, "-c", HARNESS, *words]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == "there\n"
        there = pids(tmp_path / "pids")
        assert len(there) == 7
        assert all(map(runs, there))
        harness.kill()
    for pid in there:
        wait_for_the_end_of(pid)


def test_a_driver_that_kills_its_guard_dies_and_has_crashed(saboteur: Make) -> None:
    target = saboteur("import os, signal, time\nos.kill(os.getppid(), signal.SIGKILL)\ntime.sleep(300)")
    pid = target.pid
    with raises_check("crash.start.killed"):
        target.party("alice", PartyConfig(published_key("alice")), b"").start()
    wait_for_the_end_of(pid)


def test_a_driver_that_stops_its_guard_ends_too(saboteur: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "_END_LIMIT", 0.1)
    monkeypatch.setattr("otterproof.harness.targets.driver.target._GRACE", 0.0)
    target = saboteur("import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\ngood()")
    target.party("alice", PartyConfig(published_key("alice")), b"").start()
    target.close()
    wait_for_the_end_of(target.pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_guard_is_not_ended_by_a_signal_to_it(saboteur: Make, number: signal.Signals) -> None:
    target = saboteur(f"import os\nos.kill(os.getppid(), {int(number)})\ngood()")
    party = target.party("alice", PartyConfig(published_key("alice")), b"")
    assert party.start() == []
    assert party.send(b"hi") == []
    target.leave()


@pytest.mark.parametrize("hangup", [signal.SIG_DFL, signal.SIG_IGN], ids=["usual", "nohup"])
def test_a_driver_has_the_signals_that_it_would_have_without_a_guard(hangup: signal.Handlers) -> None:
    words = ["cat", "/proc/self/status"]
    before = signal.signal(signal.SIGHUP, hangup)
    try:
        plain = subprocess.run(words, capture_output=True, check=True).stdout
        process = guarded.Guarded(words, None)
    finally:
        signal.signal(signal.SIGHUP, before)
    said = b""
    while more := os.read(process.stdout, 4096):
        said += more
    process.close()
    process.close_pipes()
    assert signals_of(said) == signals_of(plain)


def signals_of(status: bytes) -> list[bytes]:
    """The blocked, ignored and caught signals."""
    return [line for line in status.splitlines() if line.startswith((b"SigBlk", b"SigIgn", b"SigCgt"))]


# ---- memory ----------------------------------------------------------------------------------------------------------

LIMIT = 64

#: 96 MiB in total, of which no single process owns that much.
TOO_MUCH = {
    "shared": "import mmap\nheld = mmap.mmap(-1, 96 << 20)\nfor _ in range(96):\n    held.write(b'x' * (1 << 20))\n",
    "children": "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        held = b'x' * (32 << 20)\n"
    "        time.sleep(300)\n",
    "daemons": "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n"
    "        if os.fork():\n            os._exit(0)\n        held = b'x' * (32 << 20)\n        time.sleep(300)\n",
}


@pytest.mark.parametrize("statement", TOO_MUCH.values(), ids=TOO_MUCH)
def test_memory_of_all_that_was_started_is_limited(
    saboteur: Make, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, str(LIMIT))
    target = saboteur(statement + "import time\ntime.sleep(300)")
    with raises_check("crash.start.memory"):
        target.party("alice", PartyConfig(published_key("alice")), b"").start()


def test_memory_that_several_share_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held = mmap.mmap(-1, 32 << 20)
    held.write(b"x" * (32 << 20))
    children = []
    ready, says = os.pipe()
    for _ in range(4):
        child = os.fork()
        if not child:
            held[0 : 32 << 20]  # so that it is mapped in each of them
            os.write(says, b".")
            time.sleep(1000)
        children.append(child)
    try:
        for _ in children:
            os.read(ready, 1)
        monkeypatch.setattr(guard, "_descendants", lambda: iter(children))
        rough = sum(guard._sum(f"/proc/{pid}/status", guard._RESIDENT) or 0 for pid in children)
        exact = sum(guard._sum(f"/proc/{pid}/smaps_rollup", guard._SHARE) or 0 for pid in children)
        assert exact < rough - (32 << 20)
        told: list[str] = []
        for limit, expected in ((exact + (16 << 20), []), (8 << 20, ["memory", "end"])):
            watching = guard.Guard(0, limit)
            monkeypatch.setattr(watching, "_tell", lambda line: told.append(line.split()[0]))
            monkeypatch.setattr(watching, "_end", lambda: told.append("end"))
            watching._check_memory()
            assert told == expected
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for pipe in (ready, says):
            os.close(pipe)
        held.close()
