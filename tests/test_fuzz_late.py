"""In the first run of a program, steps are judged while the driver works on the next ones, with the same verdicts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.case import Case
from otterproof.harness.runs.fuzz.excuses import baseline_of
from otterproof.harness.runs.fuzz.execute import Watched, attempt, prepare
from otterproof.harness.runs.fuzz.generate import program
from otterproof.harness.runs.fuzz.kept import sessions_of
from otterproof.harness.runs.fuzz.late import judging_late
from otterproof.harness.simulation.moves import Craft, Deliver, Drop, Fragment, Move, Settle, Tick, User
from otterproof.harness.simulation.world import Step
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.driver.third_party import ENGINE_DRIVERS
from otterproof.harness.wire.craft import NEXT_KEY
from tests.changed_driver import Asked, changed

#: The answer to hello of a target that can't repeat a run.
RANDOM = """
hello = methods["hello"]
methods["hello"] = lambda params: hello(params) | {"randomness": "none"}
"""

#: A target that dies when its user starts a handshake.
DYING = """
methods["start"] = lambda params: os.abort()
"""

#: A target that has its fault in the first case alone.
ONCE = """
genuine, faulty, made = Driver("reference").methods(), methods, []
methods = {name: (lambda params, name=name: (genuine if made[1:] else faulty)[name](params)) for name in genuine}
create = methods["create"]
methods["create"] = lambda params: (made.append(params), create(params))[1]
"""

#: Copies that are incomplete: only processes that keep them have the fault.
INCOMPLETE = """
genuine, faulty, copies = Driver("reference").methods(), methods, []
methods = {name: (lambda params, name=name: (faulty if copies else genuine)[name](params)) for name in genuine}
methods["snapshot"] = lambda params: (copies.append(params), faulty["snapshot"](params))[1]
"""

#: Faults that oracles notice: in handshakes, in data messages, and in moves or only at the end of a run.
FAULTS = ("handshake-not-closed", "counter-constant", "rotates-with-every-message", "sends-under-unacknowledged-key")

#: A user of the target sends texts, which arrive.
TEXTS: tuple[Move, ...] = (User("alice", "send", {"text": b"hello"}), Deliver("bob")) * 3


@pytest.fixture
def target() -> Iterator[DriverTarget]:
    target = DriverTarget("reference", ENGINE_DRIVERS["reference"])
    yield target
    target.close()


@pytest.fixture
def case(target: DriverTarget) -> Case:
    """A case in a session, with the reference engine behind its driver."""
    case = Case(target=target)
    case.begin()
    return case


class Judged(list[int]):
    """A judge that notes the numbers of the steps that it sees, and objects to some."""

    def __init__(self, case: Case, wrong: Callable[[Step], bool] = lambda _: False) -> None:
        super().__init__()
        self._wrong = wrong
        case.world.judges.append(self)

    def __call__(self, step: Step) -> None:
        self.append(step.number)
        if self._wrong(step):
            raise AssertionError(f"step {step.number} is wrong")


@pytest.mark.parametrize("fault", FAULTS)
def test_failures_are_those_of_a_run_that_is_judged_at_once(tmp_path: Path, fault: str) -> None:
    failed = 0
    with closing(changed(tmp_path, fault=fault)) as target:
        for number in range(12):
            made, quick, full = program("late", number, target), Watched(quick=True), Watched()
            prepare(made)
            found = attempt(made, watched=quick)
            assert found == attempt(made, watched=full), f"program {number}"
            assert (quick.seen, quick.sent) == (full.seen, full.sent), f"program {number}"
            failed += found is not None
    assert failed > 1


def test_a_known_failure_is_passed_over_as_at_once(tmp_path: Path) -> None:
    used: set[str] = set()
    with closing(changed(tmp_path, fault="counter-constant")) as target:
        for number in range(12):
            made = program("late", number, target)
            failure = attempt(made)
            if failure is not None:
                excused = (str(baseline_of(failure.bucket)),)
                made = replace(made, setup=replace(made.setup, excused=excused))
                quick, full = Watched(quick=True), Watched()
                assert attempt(made, watched=quick) == attempt(made, watched=full), f"program {number}"
                assert quick.excuses_used == full.excuses_used, f"program {number}"
                used |= quick.excuses_used
    assert used


@pytest.mark.parametrize(("changes", "runs"), [("", 2), (RANDOM, 1), (DYING, 1)], ids=["seed", "none", "crash"])
def test_a_run_that_fails_late_is_made_again(tmp_path: Path, changes: str, runs: int) -> None:
    asked = Asked()
    with closing(changed(tmp_path, changes, fault="counter-constant", trace=asked)) as target:
        drawn = (program("late", number, target) for number in range(100))
        made = next(one for one in drawn if one.setup.start == "scratch" and attempt(one))
        before = asked["create"]
        assert attempt(made, watched=Watched(quick=True)) is not None
        assert asked["create"] - before == runs


def test_a_failure_that_does_not_come_again_is_told_as_it_was(tmp_path: Path) -> None:
    with closing(changed(tmp_path, fault="counter-constant")) as target:
        drawn = (program("late", number, target) for number in range(100))
        made = next(one for one in drawn if one.setup.start == "scratch" and attempt(one))
        expected = attempt(made)
    with closing(changed(tmp_path, ONCE, fault="counter-constant")) as target:
        flaky = replace(made, setup=replace(made.setup, target=target))
        assert attempt(flaky, watched=Watched(quick=True)) == expected
        assert attempt(flaky) is None


def test_steps_are_judged_in_order_during_the_next_request(case: Case) -> None:
    judged = Judged(case)
    with judging_late(case):
        case.run(TEXTS[:2])
        assert len(judged) == 0
        case.run(TEXTS[2:4])
        assert len(judged) == 2, "the driver was asked for the second text"
        case.finish()
    assert judged == list(range(judged[0], case.world.steps + 1))


def test_an_objection_ends_the_run_with_the_next_step(case: Case, target: DriverTarget) -> None:
    judged = Judged(case, lambda step: step.action == "send")
    with judging_late(case), pytest.raises(AssertionError, match="is wrong"):
        case.run(TEXTS)
    assert case.world.has_objected_late
    assert len(judged) == 1
    assert len(case.program) == 3
    assert target.meanwhile is None


def crash_after_a_text(case: Case, target: DriverTarget, last: Move) -> None:
    with judging_late(case):
        case.run(TEXTS[:1])
        os.kill(target.pid, signal.SIGKILL)
        while target.idle:
            pass
        case.run([last])


@pytest.mark.parametrize("last", [Tick(1), User("alice", "send", {"text": b"hello"})])
def test_an_objection_comes_before_a_later_crash(case: Case, target: DriverTarget, last: Move) -> None:
    Judged(case, lambda step: step.action == "send")
    with pytest.raises(AssertionError, match="is wrong"):
        crash_after_a_text(case, target, last)
    assert case.world.has_objected_late
    assert target.meanwhile is None


def test_the_moves_are_judged_before_the_end_begins(case: Case) -> None:
    last = case.world.steps + len(TEXTS)
    at_end: list[bool] = []
    case.world.judges.append(lambda step: at_end.append(case.at_end) if step.number <= last else None)
    with judging_late(case):
        case.run(TEXTS)
        case.finish()
    assert at_end == [False] * len(TEXTS)


def test_an_objection_to_the_last_step_is_raised_at_the_end(case: Case) -> None:
    last = case.world.steps + 2
    Judged(case, lambda step: step.number == last)
    with judging_late(case):
        case.run(TEXTS[:2])
        with pytest.raises(AssertionError, match="is wrong"):
            case.catch_up()


@pytest.mark.parametrize("pieces", [0, 2])
def test_what_an_insider_sends_is_judged_at_once(case: Case, pieces: int) -> None:
    judged = Judged(case)
    with judging_late(case):
        case.run([User("bob", "send", {"text": b"hello"}), Craft("alice", -1, NEXT_KEY, 0, bytes(8))])
        assert len(judged) == 1, "before something is made"
        case.run([Fragment("alice", 0, pieces)] if pieces else [])
        for count in range(max(pieces, 1)):
            case.run([Deliver("alice")])
            assert len(judged) == 2 + count


def test_steps_that_wait_are_dropped_at_the_end(case: Case, target: DriverTarget) -> None:
    judged = Judged(case)
    first = case.world.steps + 1
    with judging_late(case):
        case.run([User("bob", "send", {"text": b"hello"}), Drop("alice")])
    assert target.meanwhile is None
    case.run(TEXTS[:1])
    case.catch_up()
    assert judged == [first + 1]


def test_only_a_driver_leaves_time_to_judge() -> None:
    with pytest.raises(TypeError, match="is no driver"), judging_late(Case()):
        pass


def test_the_next_case_has_its_own_judges() -> None:
    case = Case()
    before = list(case.world.judges)
    case.world.judges.append(lambda step: None)
    assert Case().world.judges == before


def test_a_failure_in_a_copy_that_cannot_be_had_again_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(changed(tmp_path, INCOMPLETE, fault="counter-constant")) as target:
        drawn = next(one for one in (program("late", number, target) for number in range(30)) if one.setup.start == "3")
        made = replace(drawn, moves=(*TEXTS, Settle()))
        prepare(made)
        sessions = sessions_of(target)
        assert sessions is not None
        had = iter([sessions.session(made.setup)])
        monkeypatch.setattr(sessions, "session", lambda setup: next(had, None))
        assert attempt(made, watched=Watched(quick=True)) is None
        assert next(had, None) is None
