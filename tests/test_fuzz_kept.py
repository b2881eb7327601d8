"""Cases through a driver start from sessions that it has kept, and are judged as if they began with the handshake."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz import kept
from otterproof.harness.runs.fuzz.execute import Watched, attempt, prepare
from otterproof.harness.runs.fuzz.generate import Program, program
from otterproof.harness.runs.fuzz.kept import DriverSessions, sessions_of
from otterproof.harness.simulation.moves import Settle, User
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from tests.changed_driver import Asked, changed


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def target(asked: Asked) -> Iterator[DriverTarget]:
    target = DriverTarget("reference", ENGINE_DRIVERS["reference"], trace=asked)
    yield target
    target.close()


def sessions(target: DriverTarget) -> DriverSessions:
    found = sessions_of(target)
    assert found is not None
    return found


def in_session(target: DriverTarget, text: bytes = b"hello") -> Program:
    """A program that starts within a session: a text is sent."""
    made = next(one for one in (program("kept", number, target) for number in range(100)) if one.setup.start == "3")
    return Program(made.setup, (User("alice", "send", {"text": text}), Settle()))


def test_a_session_is_brought_about_once(target: DriverTarget, asked: Asked) -> None:
    made = in_session(target)
    prepare(made)
    before = Counter(asked)
    for _ in range(3):
        assert attempt(made) is None
    said = asked - before
    assert (said["create"], said["reset"], said["close"]) == (0, 0, 3)
    assert said["restore"] == 6  # where each case begins, and where it has ended


def test_what_a_case_leaves_behind_is_not_in_the_next_one(target: DriverTarget) -> None:
    made = in_session(target)
    seen = []
    prepare(made)
    for _ in range(3):
        watched = Watched()
        assert attempt(made, watched=watched) is None
        seen.append(watched.seen)
    assert seen[0] == seen[1] == seen[2]
    assert any("encrypted/none: send" in name for _, name in seen[0])


def test_the_first_session_makes_way_for_another(target: DriverTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    programs = [program("kept", number, target) for number in range(20)]
    setups = list(dict.fromkeys(one.setup for one in programs if one.setup.start != "scratch"))[:3]
    assert len(setups) == 3
    handles = []
    for setup in [*setups, setups[0]]:
        session = sessions(target).session(setup, now=True)
        assert session is not None
        handles.append(session.handle)
    assert handles == [1, 2, 1, 2]


def test_a_session_is_kept_for_a_setup_that_comes_again(target: DriverTarget, asked: Asked) -> None:
    made = in_session(target)
    restored = []
    for _ in range(3):
        assert attempt(made) is None
        restored.append(asked["restore"])
    assert restored == [0, 2, 4]  # the second time: the copy without parties, and where the case has ended


def test_a_case_without_a_session_begins_from_scratch(target: DriverTarget, asked: Asked) -> None:
    made = next(
        one for one in (program("kept", number, target) for number in range(50)) if one.setup.start == "scratch"
    )
    before = asked["create"]
    assert attempt(made) is None
    assert (asked["create"] - before, asked["restore"]) == (1, 0)


@pytest.mark.slow
def test_a_process_that_is_old_is_renewed(target: DriverTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "CASES_PER_PROCESS", 2)
    made, pids = in_session(target), set()
    prepare(made)
    for _ in range(3):
        assert attempt(made) is None
        pids.add(target.companion().pid)
    assert len(pids) == 2


@pytest.mark.slow
def test_a_failure_is_told_as_from_the_beginning(tmp_path: Path) -> None:
    wrong = "send = methods['send']\nmethods['send'] = lambda params: {'events': send(params)['events'] * 2}"
    target = changed(tmp_path, wrong)
    try:
        made = in_session(target)
        prepare(made)
        fresh = attempt(made, fresh=True)
        assert fresh is not None
        assert [attempt(made) for _ in range(10)] == [fresh] * 10  # compared at first, trusted later
    finally:
        target.close()


@pytest.mark.slow
def test_a_crash_is_told_as_from_the_beginning_and_the_next_case_has_a_session(tmp_path: Path) -> None:
    target = changed(tmp_path, "methods['end'] = lambda params: os.abort()")
    try:
        made = in_session(target)
        crashing = Program(made.setup, (User("alice", "end", {}), User("bob", "end", {})))
        prepare(crashing)
        first, fresh = attempt(crashing), attempt(crashing, fresh=True)
        assert first is not None
        assert first.check == "crash.end.sigabrt"
        assert first == fresh
        assert attempt(made) is None
        assert sessions(target).session(made.setup, now=True) is not None
    finally:
        target.close()


@pytest.mark.slow
def test_copies_that_are_incomplete_are_not_blamed_on_a_program_and_soon_not_used(tmp_path: Path) -> None:
    target = changed(tmp_path, "methods['restore'] = lambda params: {}")
    try:
        made = in_session(target)
        prepare(made)
        assert [attempt(made) for _ in range(6)] == [None] * 6
        assert sessions(target).session(made.setup, now=True) is None
    finally:
        target.close()


@pytest.mark.slow
def test_a_driver_that_dies_of_its_copies_is_left_alone(tmp_path: Path) -> None:
    target = changed(tmp_path, "methods['snapshot'] = lambda params: os.abort()")
    try:
        made = in_session(target)
        assert [attempt(made) for _ in range(5)] == [None] * 5
    finally:
        target.close()


def test_the_process_with_the_copies_ends_with_the_target(target: DriverTarget) -> None:
    made = in_session(target)
    prepare(made)
    pid = target.companion().pid
    assert Path(f"/proc/{pid}").exists() or not sys.platform.startswith("linux")
    target.close()
    assert not Path(f"/proc/{pid}").exists()
