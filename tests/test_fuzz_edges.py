"""Edges of a target's code guide a campaign and affect nothing else: neither the verdicts nor any other target."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from otterproof.harness.runs.fuzz.behaviour import Area, Behaviour
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.edges import MOST, Edges, EdgesFailed, telling
from otterproof.harness.runs.fuzz.execute import Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.schedule import LAG, Programs, Schedule, drawn_afresh
from otterproof.harness.runs.fuzz.state import MOST_SEEN, State, as_json, state_of
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.fuzz.workers import Drawing, results
from otterproof.harness.targets.driver import THIRD_PARTIES, USUAL, VARIANTS, TargetDesync
from otterproof.harness.targets.driver.target import EDGES_END, MOST_EDGES, DriverTarget
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui import cli
from otterproof.implementations.contract import PartyConfig, Policy
from tests.edges_driver import GOOD

DRIVER = Path(__file__).parent / "edges_driver.py"

#: Targets that report their edges, if they are installed.
TELLING = ("potr", "python-otr", "libotr-sanitized")


def driver(expression: str = GOOD, fatal: str = "") -> str:
    """The name of a target that answers `coverage` this way."""
    return f"telling=exec:{shlex.join([sys.executable, str(DRIVER), expression, fatal])}"


@contextmanager
def target(name: str) -> Iterator[DriverTarget]:
    """A target, which is ended afterwards."""
    made = open_target(name)
    assert isinstance(made, DriverTarget)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def installed(name: str) -> Iterator[DriverTarget]:
    """A target that reports its edges; skips the test, with the command that installs it, if it is not installed."""
    party = THIRD_PARTIES.get(name) or VARIANTS[name]
    if not party.is_built():
        line = name.replace("-sanitized", " --sanitize")
        pytest.skip(f"{name} is not installed: otterproof targets install {line}")
    if name in THIRD_PARTIES and find_spec("coverage") is None:
        pytest.skip(f"{name} tells no edges without coverage: pip install 'otterproof[coverage]'")
    with target(name) as made:
        yield made


def edges_of(seen: Iterator[Behaviour] | dict[Behaviour, int]) -> set[str]:
    return {name for area, name in seen if area is Area.EDGE}


def shown(program: Program) -> dict[Behaviour, int]:
    """The behaviour that a run shows, including edges."""
    watched = Watched(edges=True)
    attempt(program, watched=watched)
    return watched.seen


# ---- what a target tells


def test_other_targets_are_not_asked() -> None:
    assert telling(EngineTarget("reference")) is None
    with pytest.raises(EdgesFailed, match="reference does not tell the edges of its code"):
        Edges(EngineTarget("reference"), "alice")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("[]", "not an object with `edges` alone"),
        ('{"edges": edges, "more": 1}', "not an object with `edges` alone"),
        ('{"edges": {"1": 2}}', "not an object with `edges` alone"),
        ('{"edges": [1, True]}', "the edge True"),
        ('{"edges": ["1"]}', "the edge '1'"),
        ('{"edges": [1.0]}', r"the edge 1\.0"),
        ('{"edges": [-1]}', "the edge -1"),
        (f'{{"edges": [{EDGES_END}]}}', f"the edge {EDGES_END}, which is not a number from 0 to {EDGES_END - 1}"),
        (f'{{"edges": [1] * {MOST_EDGES + 1}}}', f"at most {MOST_EDGES}"),
    ],
)
def test_what_is_told_is_checked(answer: str, words: str) -> None:
    with target(driver(answer)) as wrong, pytest.raises(TargetDesync, match=words):
        wrong.edges()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("__import__('os')._exit(3)", "ended with exit code 3"),
        ("__import__('os').write(1, b'x')", "coverage"),
    ],
)
def test_a_driver_that_breaks_down_over_it_is_no_finding(answer: str, words: str) -> None:
    with target(driver(answer)) as wrong:
        program = drawn_afresh("s", 1, wrong)
        with pytest.raises(EdgesFailed, match=words) as failed:
            shown(program)
        assert "correct the driver, or leave --edges out" in str(failed.value)
        assert attempt(program) is None, "the next run is not disturbed"


def test_what_is_told_is_what_was_reached_since_counting_began() -> None:
    with target(driver()) as good:
        for _ in range(2):
            assert good.edges(begin=True) == frozenset()
            good.reset()
            good.party("alice", PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x1A1A), b"1")
            assert len(good.edges()) == 2
            assert good.edges() == frozenset()


@pytest.mark.slow
@pytest.mark.parametrize("name", TELLING)
def test_a_program_reaches_the_same_edges_in_every_process_and_whatever_came_before_it(name: str) -> None:
    told = []
    with installed(name) as first:
        programs = [drawn_afresh("s", number, first) for number in range(4)]
        told.append([shown(one) for one in programs])
    with installed(name) as second:
        again = [replace(one, setup=replace(one.setup, target=second)) for one in programs]
        told.append([shown(one) for one in reversed(again)][::-1])
    assert told[0] == told[1]
    reached = [edges_of(one) for one in told[0]]
    assert all(len(one) > 100 for one in reached)
    assert len(set.union(*reached)) > max(map(len, reached))


# ---- in a campaign


@pytest.mark.slow
def test_the_number_of_processes_and_an_end_on_the_way_change_nothing(tmp_path: Path) -> None:
    states = []
    for name, runs in (("one", [(50, 1)]), ("two", [(50, 2)]), ("resumed", [(29, 2), (21, 1)])):
        for programs, processes in runs:
            with opened(driver(), "s", tmp_path / name) as campaign:
                campaign.edges = True
                list(campaign.run(programs, processes))
        states.append(campaign.state)
        assert read_state(tmp_path / name, "telling", "s") == campaign.state
    assert states[0] == states[1] == states[2]
    stands_for = [area for one in states[0].schedule.kept.values() for area, _ in one.stands_for]
    assert Area.EDGE in stands_for
    with opened(driver(), "s", tmp_path / "without") as campaign:
        list(campaign.run(50, 1))
    assert not edges_of(dict(campaign.state.seen))
    assert campaign.state.schedule != states[0].schedule, "edges have changed what came next"


def test_what_was_the_first_to_reach_an_edge_is_kept_and_changed() -> None:
    state, common = State(edges=True), (Area.CELL, "common")
    for number in range(60):
        new: dict[Behaviour, int] = {(Area.EDGE, str(number)): 3} if number == 20 else {}
        state = state.after(number, None, {common: 1} | new, ())
    kept = state.schedule.until(60).kept
    assert list(kept) == [0, 20]
    assert (kept[20].stands_for, kept[20].places) == (((Area.EDGE, "20"),), (3,))
    drawn = [state.schedule.parents("s", number) for number in range(60, 160)]
    assert sum(one[:1] == (20,) for one in drawn) > sum(one[:1] == (0,) for one in drawn)


def test_without_edges_draws_are_what_they_were() -> None:
    """A campaign without edges is the same as before the area existed."""
    state = State()
    for number in range(40):
        state = state.after(number, None, {(Area.CELL, str(number // 3)): 1, (Area.PAIR, str(number // 5)): 2}, ())
    drawn = {number: state.schedule.parents("s", number) for number in range(40, 60)}
    changed = {45: (0, 0, 2), 47: (18, 5, 1), 51: (0, 18, 1), 55: (3, 10, 1), 59: (3, 3, 1)}
    assert {number: parents for number, parents in drawn.items() if parents} == changed


@pytest.mark.slow
def test_no_judgement_depends_on_edges() -> None:
    with target(driver()) as good:
        for number in range(12):
            program, bare, edged = drawn_afresh("s", number, good), Watched(), Watched(edges=True)
            assert attempt(program, watched=bare) == attempt(program, watched=edged)
            assert {one for one in edged.seen if one[0] is not Area.EDGE} == set(bare.seen)
            assert edges_of(edged.seen)


@pytest.mark.slow
def test_edges_are_known_by_the_move_that_reached_them() -> None:
    with target(driver()) as good:
        seen = shown(drawn_afresh("s", 1, good))
    assert len({made for (area, _), made in seen.items() if area is Area.EDGE}) > 2


# ---- bounds, and what is stored


def test_a_target_that_tells_ever_new_edges_fills_no_memory_and_hides_no_other_behaviour() -> None:
    state = State(edges=True)
    for number in range(3):
        many = {(Area.EDGE, str(number * MOST + one)): 1 for one in range(MOST - 9)}
        state = state.after(number, None, many | {(Area.CELL, str(number)): 1}, ())
    assert len(edges_of(dict(state.seen))) == MOST
    assert {(Area.CELL, str(number)) for number in range(3)} <= state.seen.keys()
    cells: dict[Behaviour, int] = {(Area.CELL, f"more {one}"): 1 for one in range(MOST_SEEN)}
    assert len(state.after(3, None, cells, ()).seen) == MOST + MOST_SEEN


@pytest.mark.slow
def test_of_one_program_edges_are_bounded() -> None:
    with target(driver(f'{{"edges": [count * {MOST} + one for one in range({MOST})]}}')) as wild:
        seen = shown(drawn_afresh("s", 1, wild))
    assert len(edges_of(seen)) == MOST


def test_the_state_is_read_as_it_was_written() -> None:
    state = State(edges=True)
    for number in range(LAG + 3):
        state = state.after(number, None, {(Area.EDGE, str(number // 2)): 0, (Area.CELL, "x"): 1}, ())
    written = json.loads(json.dumps(as_json(state, "telling", "1", "s")))
    assert state_of(written) == state
    with pytest.raises(ValueError, match="there are edges, and they do not count"):
        state_of(written | {"edges": False})
    with pytest.raises(ValueError, match="edges"):
        state_of({name: value for name, value in written.items() if name != "edges"})


# ---- the command


def fuzz(folder: Path, name: str, *words: str) -> int:
    return cli.main(["fuzz", name, "--examples", "3", "--known", "none", "--out", str(folder), *words])


@pytest.mark.slow
def test_the_command_tells_edges(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz(tmp_path / "f", driver(), "--edges", "--json", str(tmp_path / "told.json")) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["edges"] is True
    assert len(told["covered"]["edge"]) > 5
    assert f"{len(told['covered']['edge'])} edges of its code" in " ".join(capsys.readouterr().out.split())
    assert fuzz(tmp_path / "f", driver(), "--resume") == 2
    assert "counts edges; add --edges, or name another folder" in capsys.readouterr().err
    assert fuzz(tmp_path / "f", driver(), "--edges", "--resume") == 0
    assert read_state(tmp_path / "f", "telling", "otterproof").done == 6


@pytest.mark.slow
def test_a_campaign_without_edges_does_not_go_on_with_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz(tmp_path / "f", driver()) == 0
    assert "edges of its code" not in capsys.readouterr().out
    assert fuzz(tmp_path / "f", driver(), "--edges", "--resume") == 2
    assert "does not count edges; leave --edges out, or name another folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["reference", "fault:counter-constant"])
def test_a_target_that_tells_no_edges_is_an_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuzz(tmp_path / "f", name, "--edges") == 2
    assert f"{name} does not tell the edges of its code; leave --edges out" in capsys.readouterr().err
    assert not (tmp_path / "f").exists()


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_driver_that_tells_nonsense_ends_the_campaign_with_an_error_about_it(
    jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Findings before it are kept; the same target works without --edges."""
    wrong = driver('{"edges": edges if count < 40 else "\\x1b[2J"}')
    assert fuzz(tmp_path / "f", wrong, "--edges", "--examples", "30", "--jobs", jobs) == 3
    told = capsys.readouterr()
    assert "telling: coverage answers {'edges': '\\x1b[2J'}, not an object with `edges` alone" in told.err
    assert "correct the driver, or leave --edges out" in " ".join(told.err.split())
    assert "\x1b" not in told.err + told.out
    assert "edges of its code" in " ".join(told.out.split())
    done = read_state(tmp_path / "f", "telling", "otterproof").done
    assert 0 < done < 30
    assert not read_state(tmp_path / "f", "telling", "otterproof").findings
    assert fuzz(tmp_path / "g", wrong) == 0


@pytest.mark.slow
def test_a_target_that_dies_before_it_can_tell_is_judged_for_that() -> None:
    """The program caused it; the target dies at the next request, whose kind depends on whether edges are requested."""
    found = []
    with target(driver(fatal="smp_start")) as dying:
        drawing = Drawing("s", Programs("s", dying), Schedule)
        for edges in (True, False):
            ran = list(results(dying.name, range(8), 1, drawing, USUAL, edges=edges))
            found.append([one.failure.check for one in ran if one.failure is not None])
    assert found[0] == found[1]
    assert any(check.startswith("crash.") for check in found[0])


@pytest.mark.slow
def test_results_come_with_edges_only_if_they_are_asked_for() -> None:
    with target(driver()) as good:
        drawing = Drawing("s", Programs("s", good), Schedule)
        for edges in (True, False):
            (ran,) = results(driver(), range(1), 1, drawing, USUAL, edges=edges)
            assert bool(edges_of(dict(ran.seen))) == edges
