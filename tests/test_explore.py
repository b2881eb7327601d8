"""Explorations: all runs up to a depth, none left out by what is merged or reduced, and what is found happens again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.crew import Crew, Solo
from otterproof.harness.runs.explore.explore import Certificate, Exploration, setup_of
from otterproof.harness.runs.explore.found import Found, keep
from otterproof.harness.runs.explore.one_party import ONE_SIDED, TWO_SIDED
from otterproof.harness.runs.explore.search import Key, Search
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.simulation.moves import User
from otterproof.harness.support.exits import CONFORMS, DEVIATES, USAGE
from otterproof.harness.targets.engines import EngineTarget, InProcess
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui.cli import main

#: A depth for each alphabet at which there is something to see, in about a second.
DEPTHS = {"handshake": 7, "data": 3, "smp": 3, "refresh": 3, "instances": 5, "fragments": 3, "forgery": 5}


def explored(name: str, target: InProcess, depth: int, jobs: int = 1) -> Certificate:
    with closing(Exploration(name, target, jobs)) as exploration:
        for _ in exploration.levels(depth):
            pass
        return exploration.certificate


def fault(name: str) -> FaultTarget:
    target = open_target(f"fault:{name}")
    assert isinstance(target, FaultTarget)
    return target


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["reference", "independent"])
@pytest.mark.parametrize("name", ALPHABETS)
def test_the_engines_keep_all_rules_in_every_run(name: str, engine: str) -> None:
    certificate = explored(name, EngineTarget(engine), DEPTHS[name])
    assert certificate.found == []
    assert certificate.depth == DEPTHS[name]
    assert certificate.healed > 0
    assert certificate.states > 40
    assert certificate.steps > certificate.states


def levels(search: Search, depth: int) -> Iterator[frozenset[Key]]:
    """The keys of the states that are new in each level."""
    seen, states = {search.key(search.root)}, [search.root]
    for _ in range(depth):
        reached = {}
        for state in states:
            found = search.expand(state, seen)
            assert not found.broken
            reached.update(found.reached)
        states = list(reached.values())
        yield frozenset(reached)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "depth"), [("handshake", 7), ("data", 3), ("smp", 3), ("refresh", 3), ("instances", 5)]
)
def test_leaving_out_one_order_of_two_moves_loses_no_state(name: str, depth: int) -> None:
    alphabet, setup = ALPHABETS[name], setup_of(ALPHABETS[name], EngineTarget("reference"))
    every = Search(alphabet, setup, reduced=False)
    fewer = Search(alphabet, setup)
    assert list(levels(every, depth)) == list(levels(fewer, depth))


@pytest.mark.slow
def test_several_processes_find_the_same_states() -> None:
    alone, shared = (explored("handshake", EngineTarget("reference"), 8, jobs) for jobs in (1, 3))
    assert shared.states == alone.states
    assert shared.depth == alone.depth == 8


def test_a_process_that_dies_is_noticed() -> None:
    target = EngineTarget("reference")
    solo = Solo(Search(ALPHABETS["handshake"], setup_of(ALPHABETS["handshake"], target)))
    for _ in range(4):
        solo.expand(last=False)
    with closing(Crew(solo, 2)) as crew:
        crew.expand(last=False)
        process = crew.processes[0]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(WorkersDied, match="exit code -9"):
            crew.expand(last=False)


#: Faults that some alphabet finds: the alphabet, the check, and how many moves it takes.
FOUND = [
    ("commit-not-remembered", "handshake", "states.wrong-state-after-commit", 5),
    ("query-ignored-when-encrypted", "refresh", "states.wrong-answer-to-query", 1),
]


def first_found(name: str, alphabet: str, folder: Path) -> Found:
    target = fault(name)
    certificate = explored(alphabet, target, ALPHABETS[alphabet].depth)
    setup = setup_of(ALPHABETS[alphabet], target)
    return keep(alphabet, setup, target, certificate.found[0], folder)


@pytest.mark.parametrize(("name", "alphabet", "check", "moves"), FOUND)
def test_a_fault_is_found_by_a_shortest_run_that_fails_again(
    tmp_path: Path, name: str, alphabet: str, check: str, moves: int
) -> None:
    found = first_found(name, alphabet, tmp_path)
    assert found.counterexample.check == check
    assert len(found.counterexample.moves) == moves
    assert found.failure is not None
    assert found.failure.check == check
    assert found.test is not None
    compile(found.test.read_text(), str(found.test), "exec")
    assert main(["replay", str(found.transcript)]) == DEVIATES


def test_the_oracles_are_divided_into_two() -> None:
    assert set(TWO_SIDED) == {"authenticity", "healing", "agreement", "key-ids", "smp"}
    assert "forgetting" in ONE_SIDED


def test_users_act_in_their_own_name() -> None:
    assert User("bob", "start", {}) in ALPHABETS["handshake"].actions("bob")
    assert User("bob", "start", {}) not in ALPHABETS["forgery"].actions("bob")


def test_the_command_writes_certificates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.json"
    words = ["explore", "reference", "--alphabet", "handshake", "--depth", "4", "--jobs", "1", "--json", str(file)]
    assert main([*words, "--out", str(tmp_path / "found")]) == CONFORMS
    assert "handshake: nothing breaks a rule within 4 moves" in capsys.readouterr().out
    content = json.loads(file.read_text())
    assert content["found"] == []
    assert content["certificates"][0]["depth"] == 4
    assert not (tmp_path / "found").exists()


def test_the_command_ends_with_1_where_something_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explore", "fault:query-ignored-when-encrypted", "--alphabet", "refresh", "--jobs", "1"]
    assert main([*words, "--out", str(tmp_path)]) == DEVIATES
    shown = capsys.readouterr().out
    assert "FAIL  states.wrong-answer-to-query  after 1 move" in shown
    assert "alice receives an OTR Query Message: nothing happens" in shown


def test_the_command_stops_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explore", "reference", "--alphabet", "handshake", "--depth", "30", "--jobs", "1", "--max-time", "1"]
    assert main([*words, "--out", str(tmp_path)]) == CONFORMS
    told = capsys.readouterr()
    assert "stopped before the depth was reached: the time was up" in told.err
    assert "nothing breaks a rule within" in told.out


def test_what_cannot_be_taken_back_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "exec:otterproof-no-such-program"]) != CONFORMS
    with pytest.raises(SystemExit) as ended:
        main(["explore", "--alphabet", "nonsense"])
    assert ended.value.code == USAGE
