"""Snapshots of libotr's driver are processes: they give the same bytes as before, and end with the driver.

Skipped, with the command that installs it, if libotr is missing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otterproof.harness.runs.explore import copies
from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.targets.driver import (
    THIRD_PARTIES,
    DriverTarget,
    TargetDesync,
    TargetMissing,
    TargetUnsupported,
    guard,
)
from tests.driver_pair import Conversation, Traffic, config
from tests.raising import raises_check

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the driver has snapshots on Linux only")


@pytest.fixture
def target() -> Iterator[DriverTarget]:
    try:
        target = DriverTarget("libotr", THIRD_PARTIES["libotr"].ready(), trace=Traffic())
    except TargetMissing as missing:
        pytest.skip(str(missing))
    yield target
    target.close()


@pytest.fixture
def talk(target: DriverTarget) -> Conversation:
    """Alice and Bob in a session."""
    talk = Conversation(target, config("alice", 3), config("bob", 3))
    talk.do("alice", lambda party: party.start())
    return talk


def tree(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    found = [pid]
    for one in found:
        found += guard._children(one)
    return found


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def test_what_follows_is_the_same_to_the_byte(target: DriverTarget, talk: Conversation) -> None:
    alice, bob = talk.parties["alice"], talk.parties["bob"]
    target.snapshot(0)
    first = alice.send(b"one")
    target.snapshot(63)
    second = [*alice.send(b"two"), *alice.end(), *bob.end()]
    for _ in range(3):
        target.restore(0)
        assert alice.send(b"one") == first
        target.restore(63)
        assert [*alice.send(b"two"), *alice.end(), *bob.end()] == second
    target.discard(0)
    with pytest.raises(TargetDesync, match="no snapshot of this handle"):
        target.restore(0)


def test_a_handle_is_used_again(target: DriverTarget, talk: Conversation) -> None:
    alice = talk.parties["alice"]
    target.snapshot(0)
    target.discard(0)
    alice.send(b"one")
    target.snapshot(0)
    second = alice.send(b"two")
    target.restore(0)
    assert alice.send(b"two") == second
    target.reset()
    with pytest.raises(TargetDesync, match="no snapshot of this handle"):
        target.restore(0)


def test_there_are_64(target: DriverTarget) -> None:
    for handle in range(64):
        target.snapshot(handle)
    with pytest.raises(TargetUnsupported, match="no more snapshots"):
        target.snapshot(64)
    with pytest.raises(TargetDesync, match="discard it first"):
        target.snapshot(0)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_is_seen_and_nothing_is_left(target: DriverTarget, number: signal.Signals) -> None:
    target.snapshot(0)
    target.restore(0)
    target.reset()
    target.snapshot(1)
    there = tree(target.pid)
    first, *others = there
    assert len(others) >= 2, "the driver and its snapshot are below the process that was started"
    (driver,) = [one for one in guard._children(first) if guard._children(one)]
    os.kill(driver, number)
    with raises_check(f"crash.start.{number.name.lower()}"):
        target.call("start", {"party": "alice"})
    target.close()
    assert not any(map(runs, there))


def test_all_end_with_the_first_process(target: DriverTarget) -> None:
    target.snapshot(0)
    target.snapshot(1)
    there = tree(target.pid)
    assert len(there) == 4
    os.kill(target.pid, signal.SIGKILL)
    target.close()
    assert not any(map(runs, there))


def test_it_ends_as_it_is_asked_to(target: DriverTarget) -> None:
    target.snapshot(0)
    target.restore(0)
    there = tree(target.pid)
    target.leave()
    assert not any(map(runs, there))


@pytest.mark.slow
def test_with_and_without_snapshots_the_same_is_found(monkeypatch: pytest.MonkeyPatch, target: DriverTarget) -> None:
    seen = []
    for most in (copies.MOST, 0):
        monkeypatch.setattr(copies, "MOST", most)
        with closing(Exploration("data", target, keep_going=True)) as exploration:
            for _ in exploration.levels(3):
                pass
        one = exploration.certificate
        found = sorted((each.check, each.labels) for each in one.found)
        seen.append((one.states, one.steps, one.parties, one.healed, found))
    assert seen[0] == seen[1]
    assert seen[0][-1], "libotr has deviations that this finds"
