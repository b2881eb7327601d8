"""The next program of a campaign depends only on the behaviour so far, in every process and after interruptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.faults.detection import notice
from otterproof.harness.runs.faults.ways import Way
from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.generate import MOST_MOVES, Program, program
from otterproof.harness.runs.fuzz.mutate import moved, mutated
from otterproof.harness.runs.fuzz.schedule import (
    LAG,
    Programs,
    Result,
    Schedule,
    schedule_from_json,
    schedule_to_json,
)
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.state import State
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.fuzz.workers import Drawing
from otterproof.harness.runs.worker_context import WorkerContext
from otterproof.harness.runs.workers import Later, pool
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.faults.target import FaultTarget

REFERENCE = EngineTarget("reference")
COMMON: Behaviour = (Area.CELL, "common")


def _cell(name: object) -> Behaviour:
    return Area.CELL, f"cell {name}"


def _state(programs: int) -> State:
    """The state after so many programs, every third of which shows new behaviour; none was actually run."""
    state = State()
    drawing = Drawing("s", Programs("s", REFERENCE), lambda: state.schedule)
    for number in range(programs):
        parents, _ = drawing.drawn(number)
        seen = {COMMON: 1, _cell(number): 5} if number % 3 == 0 else {COMMON: 1}
        state = state.after(number, None, seen, (), parents)
    return state


# ---- what is drawn


def test_a_draw_depends_on_no_result_of_the_numbers_just_before_it() -> None:
    early, late = _state(100), _state(100 + LAG)
    assert not early.schedule.ready(100 + LAG + 1)
    for number in range(100 + LAG, 100 + LAG + 1):
        assert early.schedule.ready(number)
        known, later = early.schedule.for_number(number), late.schedule.for_number(number)
        assert known.parents("s", number) == later.parents("s", number)
        assert (known.counts, known.kept) == (later.counts, later.kept)


def test_what_was_the_first_to_show_something_is_kept_unless_it_failed() -> None:
    schedule = Schedule()
    results = [
        Result((), frozenset({COMMON, _cell(0)}), (COMMON, _cell(0)), (1, 2)),
        Result((), frozenset({COMMON}), ()),
        Result((0, 0, 1), frozenset({COMMON, _cell(2)}), (_cell(2),), (1,)),
    ]
    for result in results:
        schedule = schedule.after(result)
    assert not schedule.kept, "none counts yet"
    counted = schedule.until(3)
    assert list(counted.kept) == [0, 2]
    assert counted.kept[0].changed == 1
    assert counted.counts[COMMON] == 3
    assert counted.weight(2, _cell(2)) > counted.weight(0, _cell(0)), "it was not changed yet"


def test_the_rare_is_changed_more_often_than_the_common() -> None:
    schedule = Schedule()
    schedule = schedule.after(Result((), frozenset({COMMON}), (COMMON,), (1,)))
    schedule = schedule.after(Result((), frozenset({_cell(1), COMMON}), (_cell(1),), (1,)))
    for _ in range(200):
        schedule = schedule.after(Result((), frozenset({COMMON}), ()))
    drawn = [schedule.parents("s", number) for number in range(300)]
    changed = [parents[0] for parents in drawn if parents]
    assert 120 < len(changed) < 250, "some are drawn afresh"
    assert changed.count(1) > 10 * changed.count(0)


def test_a_failed_program_is_no_parent() -> None:
    with_failure = State().after(0, _failure(), {COMMON: 1}, ())
    assert with_failure.seen == {COMMON: 0}
    assert not with_failure.schedule.until(1).kept


def _failure() -> Any:
    return object()  # its identity does not matter


# ---- what a change makes


def test_changed_programs_can_be_run_written_down_and_read() -> None:
    made: dict[int, Program] = {}
    for number in range(200):
        parent, partner = program("s", number, REFERENCE), program("t", number, REFERENCE)
        made[number] = mutated("s", number, made.get(number - 1, parent), partner, REFERENCE, number % 30)
        assert len(made[number].moves) <= MOST_MOVES
        written = json.loads(json.dumps(program_to_json(made[number])))
        assert program_from_json(written, REFERENCE) == made[number]
    assert len({repr(one) for one in made.values()}) == 200


def test_moves_are_lifted_to_the_clients_of_another_setup() -> None:
    for number in range(60):
        given, other = program("s", number, REFERENCE), program("t", number, REFERENCE)
        there = moved(given, other.setup)
        assert len(there) == len(given.moves)
        assert program_from_json(program_to_json(Program(other.setup, there)), REFERENCE).moves == there


def test_a_program_follows_from_its_ancestors_whatever_is_remembered() -> None:
    state = _state(150)
    last = max(number for number, one in state.schedule.kept.items() if one.parents)
    parents = state.schedule.kept[last].parents
    fresh = Programs("s", REFERENCE).made(last, parents, state.schedule.kept)
    used = Programs("s", REFERENCE)
    for number, one in state.schedule.kept.items():
        made = used.made(number, one.parents, state.schedule.kept)
    assert used.made(last, parents, state.schedule.kept) == fresh
    assert made.moves


def test_a_change_goes_on_from_where_something_new_was_shown() -> None:
    parent, partner = program("s", 1, REFERENCE), program("t", 1, REFERENCE)
    assert len(parent.moves) > 12
    made = [mutated("s", number, parent, partner, REFERENCE, 10) for number in range(100)]
    going_on = [one for one in made if one.moves[:9] == parent.moves[:9] and one.moves[:12] != parent.moves[:12]]
    assert sum(one.setup == parent.setup for one in going_on) > 40


# ---- as JSON


def test_a_schedule_is_read_as_it_was_written() -> None:
    for programs in (0, 1, LAG, 100):
        state = _state(programs)
        written = json.loads(json.dumps(schedule_to_json(state.schedule, state.seen)))
        assert schedule_from_json(written, state.done, state.seen) == state.schedule


def test_a_schedule_that_was_read_draws_as_the_one_that_was_written() -> None:
    """One schedule gets its programs' data from the programs, the other from one result after another."""
    state = _state(200)
    written = schedule_to_json(state.schedule, state.seen)
    read = schedule_from_json(written, state.done, state.seen)
    assert [read.parents("s", one) for one in range(300)] == [state.schedule.parents("s", one) for one in range(300)]
    assert any(read.parents("s", one) for one in range(300))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"counts": []}, "counts"),
        ({"recent": []}, "recent"),
        ({"kept": [[0, 0, [5, 5, 1], [1]]]}, "not kept"),
        ({"kept": [[1, 0, [], [1]]]}, "not for what it was the first"),
        ({"kept": [[99, 0, [], [1]]]}, "out of order"),
        ({"kept": [[3, 0, [], [1]], [0, 0, [], [1]]]}, "out of order"),
        ({"recent": [[[], [9999], []]] * LAG}, "never seen"),
        ({"recent": [[[1, 1, 1], [], []]] * LAG}, "not kept"),
    ],
)
def test_a_schedule_that_can_not_be_is_refused(damage: Mapping[str, Any], words: str) -> None:
    state = _state(100)
    written = schedule_to_json(state.schedule, state.seen)
    with pytest.raises(ValueError, match=words):
        schedule_from_json({**written, **damage}, state.done, state.seen)


# ---- campaigns


@pytest.mark.slow
def test_the_number_of_processes_and_an_end_on_the_way_change_nothing(tmp_path: Path) -> None:
    states = []
    for name, runs in (("one", [(60, 1)]), ("two", [(60, 2)]), ("resumed", [(37, 2), (3, 1), (20, 1)])):
        for programs, processes in runs:
            with opened("reference", "s", tmp_path / name) as campaign:
                list(campaign.run(programs, processes))
        states.append(campaign.state)
        assert read_state(tmp_path / name, "reference", "s") == campaign.state
    assert states[0] == states[1] == states[2]
    assert any(one.parents for one in states[0].schedule.recent)


@pytest.mark.slow
def test_both_engines_show_the_same(tmp_path: Path) -> None:
    seen = []
    for name in ("reference", "independent"):
        with opened(name, "s", tmp_path / name) as campaign:
            list(campaign.run(50, 1))
        assert not campaign.findings
        seen.append((campaign.state.seen, campaign.state.schedule))
    assert seen[0] == seen[1]


def test_with_and_without_the_schedule_the_first_programs_are_the_same() -> None:
    target = FaultTarget("counter-constant")
    assert [replace(notice(target, "s", 5, way), seconds=0) for way in (Way.FEEDBACK, Way.AFRESH)] == [
        replace(notice(target, "s", 5, Way.FEEDBACK), seconds=0)
    ] * 2


# ---- processes


def _double(_: WorkerContext, task: int) -> int:
    return 2 * task


@pytest.mark.slow
def test_a_task_can_wait_for_results() -> None:
    found: list[int] = []

    def tasks() -> Any:
        for number in range(6):
            while len(found) < number // 2 * 2:
                yield Later()
            yield number

    with pool(3, WorkerContext()) as workers:
        for result in workers.ordered(_double, tasks(), lambda task, why: -1):
            found.append(result)
    assert found == [0, 2, 4, 6, 8, 10]
