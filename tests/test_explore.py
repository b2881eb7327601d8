"""Explorations: all runs up to a depth, none lost by merging or reduction, and findings are reproducible."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator

from otterproof.harness.runs.events import Ending, Judged, RunFinished, RunStarted
from otterproof.harness.runs.explore.alphabet import ALPHABETS
from otterproof.harness.runs.explore.certificate import SCHEMA, Certificate
from otterproof.harness.runs.explore.crew import Crew
from otterproof.harness.runs.explore.errors import NotRepeatable
from otterproof.harness.runs.explore.explore import Explorable, Exploration, depth_in_check, setup_of
from otterproof.harness.runs.explore.form import form
from otterproof.harness.runs.explore.found import Found, keep
from otterproof.harness.runs.explore.guaranteed import Allowance, explore_guaranteed
from otterproof.harness.runs.explore.one_party import ONE_SIDED, TWO_SIDED
from otterproof.harness.runs.explore.replayed import ReplayedParty
from otterproof.harness.runs.explore.search import Key, Search, narrowed
from otterproof.harness.runs.explore.solo import Solo
from otterproof.harness.runs.workers import WorkersDied
from otterproof.harness.simulation.moves import User
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.exits import CONFORMS, DEVIATES, USAGE
from otterproof.harness.targets.driver import DriverTarget
from otterproof.harness.targets.engines import EngineTarget, Target
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.ui.cli import main
from otterproof.harness.ui.exploration import as_json as explored_as_json
from otterproof.harness.ui.exploration import tell_explored
from otterproof.harness.ui.json_report import as_json as check_as_json
from otterproof.harness.ui.judgement import print_summary
from otterproof.harness.ui.reports.card import card_of, conclusion, read_card
from otterproof.implementations.contract import PartyConfig, Policy, TextReceived
from otterproof.implementations.reference.numbers import Exponent

#: A depth for each alphabet with interesting states, reached in about a second.
DEPTHS = {"handshake": 7, "data": 3, "smp": 3, "refresh": 3, "instances": 5, "fragments": 3, "forgery": 5}


#: An exploration without a time limit, of a target without known deviations.
ALL = Allowance(lambda: True, 1e9, lambda _: "")


def explored(name: str, target: Explorable, depth: int, jobs: int = 1) -> Certificate:
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
    """The keys of the new states in each level."""
    solo = Solo(search)
    for _ in range(depth):
        made = solo.slice(1e9)
        assert not made.found
        assert made.left == 0
        solo.next_level()
        yield frozenset(made.new)


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
def test_several_processes_find_the_same_states_by_the_same_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.runs.explore.explore.SLICE", 0.2)
    alone, shared, more = (explored("handshake", EngineTarget("reference"), 8, jobs) for jobs in (1, 2, 3))
    assert (shared.states, shared.steps) == (more.states, more.steps) == (alone.states, alone.steps)
    assert shared.depth == alone.depth == 8


def test_what_is_fresh_in_every_way_is_fresh() -> None:
    one, two = frozenset({1, 2}), frozenset({2, 3})
    assert narrowed(None, None) is None
    assert narrowed(None, one) == narrowed(one, None) == one
    assert narrowed(one, two) == frozenset({2})


def test_a_process_that_dies_is_noticed() -> None:
    target = EngineTarget("reference")
    solo = Solo(Search(ALPHABETS["handshake"], setup_of(ALPHABETS["handshake"], target)))
    for _ in range(4):
        solo.slice(1e9)
        solo.next_level()
    with closing(Crew(solo, 2)) as crew:
        crew.slice(1e9)
        crew.next_level()
        process = crew.processes[0]
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        with pytest.raises(WorkersDied, match="exit code -9"):
            crew.slice(1e9)


class Stopped(Exception):
    """The exploration is stopped here."""


def stopped(folder: Path, jobs: int, depth: int, slices: int) -> tuple[int, Certificate]:
    """Resume, and stop after so many slices. Returns how many moves were known before, and the certificate."""
    exploration = Exploration("handshake", EngineTarget("reference"), jobs, folder=folder)
    exploration.resume()
    known, left = exploration.certificate.steps, slices

    def pulse(_: int) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Stopped

    with closing(exploration), pytest.raises(Stopped):
        for _ in exploration.levels(depth, pulse):
            pass
    return known, exploration.certificate


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_was_stopped_goes_on_with_nothing_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr("otterproof.harness.runs.explore.explore.SLICE", 0.0)
    whole = explored("handshake", EngineTarget("reference"), 6)
    done = 0
    for slices in (3, 60, 40):
        known, before = stopped(tmp_path, jobs, 6, slices)
        assert known == done
        done = before.steps
        assert done > known
        with (tmp_path / "handshake.state").open("a") as file:
            file.write('{"half a line')
    with closing(Exploration("handshake", EngineTarget("reference"), jobs, folder=tmp_path)) as exploration:
        exploration.resume()
        resumed = exploration.certificate
        assert (resumed.depth, resumed.states, resumed.steps) == (before.depth, before.states, before.steps)
        for _ in exploration.levels(6):
            pass
    assert (resumed.depth, resumed.states, resumed.steps) == (6, whole.states, whole.steps)
    assert resumed.healed == whole.healed
    assert not (tmp_path / "handshake.state").exists()


def test_the_state_of_something_else_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.runs.explore.explore.SLICE", 0.0)
    stopped(tmp_path, 1, 6, 40)
    with closing(Exploration("handshake", EngineTarget("independent"), folder=tmp_path)) as exploration:
        exploration.resume()
        assert exploration.certificate.steps == 0
    stopped(tmp_path, 1, 6, 40)
    file = tmp_path / "handshake.state"
    file.write_text(file.read_text().replace('"new":[[0,[0,0]', '"new":[[0,[0,7]', 1))
    with closing(Exploration("handshake", EngineTarget("reference"), folder=tmp_path)) as exploration:
        exploration.resume()
        assert exploration.certificate.steps == 0
        assert [one.depth for one in exploration.levels(2)] == [1, 2]


#: Faults that some alphabet finds: the alphabet, the check, and the number of moves.
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
    assert found.record is not None
    assert found.record.check == check
    assert found.record.requirements
    assert found.test is not None
    compile(found.test.read_text(), str(found.test), "exec")
    assert main(["replay", str(found.transcript)]) == DEVIATES


def test_the_oracles_are_divided_into_two() -> None:
    assert set(TWO_SIDED) == {"authenticity", "healing", "agreement", "key-ids", "smp"}
    assert "forgetting" in ONE_SIDED


class Forgetful:
    """A target whose party answers differently each time it is made, or always the same."""

    def __init__(self, *, repeats: bool) -> None:
        self.made = 0
        self._repeats = repeats

    def reset(self) -> None:
        self.made += 1

    def close(self) -> None:
        pass

    def party(self, name: str, config: PartyConfig, seed: bytes) -> SaysWhen:
        return SaysWhen(0 if self._repeats else self.made)


class SaysWhen:
    """A party that shows a text with the number of its inputs."""

    instance_tag, fingerprint = 256, b"f" * 20

    def __init__(self, number: int) -> None:
        self._number, self.inputs = number, 0

    def receive(self, message: bytes) -> list[TextReceived]:
        self.inputs += 1
        return [TextReceived(b"%d/%d" % (self._number, self.inputs), secure=False, warn=False, instance=0)]

    def set_time(self, now: int) -> None:
        self.inputs += 1


def replayed(*, repeats: bool) -> ReplayedParty:
    target = Forgetful(repeats=repeats)
    config = PartyConfig(published_key("alice"), Policy.ALLOW_V3, 256)
    return ReplayedParty(lambda: cast(Target, target), "alice", config, b"seed")


def test_a_party_is_brought_back_by_repeating_its_inputs() -> None:
    party = replayed(repeats=True)
    party.set_time(5)
    party.receive(b"one")
    before = party.snapshot()
    other = party.receive(b"two")
    party.restore(before)
    assert repr(party.snapshot()) == repr(before)
    assert party.receive(b"three") == (TextReceived(b"0/3", secure=False, warn=False, instance=0),) == other
    assert repr(party.snapshot()) != repr(before)


def test_a_party_that_does_not_repeat_itself_is_noticed() -> None:
    party = replayed(repeats=False)
    party.receive(b"one")
    before = party.snapshot()
    party.receive(b"two")
    party.restore(before)
    with pytest.raises(NotRepeatable, match="another answer to receive"):
        party.receive(b"two")


#: An engine of the project behind the driver protocol, like a third party.
DRIVER = f"exec:{sys.executable} -m otterproof.implementations.drivers.engine.driver"


def driver(words: str) -> DriverTarget:
    target = open_target(f"{DRIVER} {words}")
    assert isinstance(target, DriverTarget)
    return target


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_target_behind_a_driver_is_explored(monkeypatch: pytest.MonkeyPatch, jobs: int) -> None:
    monkeypatch.setattr("otterproof.harness.runs.explore.explore._ENOUGH", 3)
    with closing(driver("reference")) as target:
        certificate = explored("handshake", target, 3, jobs)
    assert certificate.found == []
    assert (certificate.depth, certificate.healed) == (3, 2)
    assert certificate.states > 80


@dataclass(frozen=True)
class Hiding:
    shown: int
    hidden: frozenset[str] = field(repr=False)


def test_the_form_of_a_state_depends_on_nothing_but_the_state() -> None:
    words = [str(number) for number in range(40)]
    one, other = Hiding(1, frozenset(words)), Hiding(1, frozenset(reversed(words)))
    assert form(one) == form(other)
    assert form(one) != form(Hiding(1, frozenset(words[1:])))
    assert form({"a": (1, b"x"), "b": [None]}) != form({"a": (1, b"x"), "b": [True]})
    assert form(Exponent(5)) == form(Exponent(5)) != form(Exponent(6))


def valid(told: object) -> None:
    """The report on explorations fits its schema."""
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(told)


def test_check_tells_what_it_explored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = fault("query-ignored-when-encrypted")
    explored = tuple(explore_guaranteed(target, 1, tmp_path, ALL))
    assert [one.certificate.alphabet for one in explored] == list(ALPHABETS)
    started = RunStarted(target.name, target.version, target.capabilities, "seed", ())
    finished = RunFinished(Ending.COMPLETE, (), (), tmp_path, 1.0, explored=explored)
    assert finished.broken(Level.MUST)
    judged = Judged(started, (), finished)
    told = check_as_json(judged)["explored"]
    valid(told)
    assert "states.wrong-answer-to-query" in [one["check"] for one in told["found"]]
    assert told["found"][0]["failure"]["requirements"]
    card = card_of(judged, [], date(2026, 1, 1), tmp_path)
    assert [one["alphabet"] for one in card["certificates"]] == list(ALPHABETS)
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert read_card(tmp_path / "card.json") == card
    assert conclusion(card) == "does not conform"
    print_summary(judged)
    shown = capsys.readouterr().out
    assert "found in runs up to these depths: handshake" in shown
    assert "does not conform" in shown
    assert not replace(finished, explored=explored[:0]).broken(Level.MUST)


def test_the_guaranteed_depths_are_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {name: replace(ALPHABETS[name], guaranteed=2) for name in ("handshake", "forgery")}
    monkeypatch.setattr("otterproof.harness.runs.explore.guaranteed.ALPHABETS", few)
    target = EngineTarget("independent")
    assert [one.certificate.depth for one in explore_guaranteed(target, 1, tmp_path, ALL)] == [2, 2]
    nothing = replace(ALL, in_time=lambda: False)
    assert [one.certificate.depth for one in explore_guaranteed(target, 1, tmp_path, nothing)] == [0, 0]


def test_a_target_behind_a_driver_is_explored_in_check_as_far_as_it_is_allowed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    few = {"handshake": replace(ALPHABETS["handshake"], restored_in_check=2, replayed_in_check=1)}
    monkeypatch.setattr("otterproof.harness.runs.explore.guaranteed.ALPHABETS", few)
    depths = []
    for allowance in (ALL, replace(ALL, seconds=0.0)):
        (one,) = explore_guaranteed(driver("reference"), 1, tmp_path, allowance)
        assert not one.found
        depths.append(one.certificate.depth)
    assert depths == [2, 0]
    assert depth_in_check(few["handshake"], EngineTarget("reference")) == 9


def test_what_is_known_is_told_and_does_not_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = fault("query-ignored-when-encrypted")
    known = replace(ALL, reason_of=lambda check: "It is so." if check == "states.wrong-answer-to-query" else "")
    explored = tuple(explore_guaranteed(target, 1, tmp_path, known))
    assert [one.counterexample.known for alphabet in explored for one in alphabet.found].count("It is so.") > 0
    finished = RunFinished(Ending.COMPLETE, (), (), tmp_path, 1.0, explored=explored)
    assert not finished.broken(Level.MUST)
    told = explored_as_json(explored)
    valid(told)
    assert not any(one["levels"]["must"] for one in told["certificates"])
    assert any(one["known"] for one in told["certificates"])
    tell_explored(explored)
    assert "known: It is so." in capsys.readouterr().out


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
    valid(content)
    assert not (tmp_path / "found").exists()


def test_the_command_remembers_powers_only_while_it_runs(tmp_path: Path) -> None:
    genuine = Exponent.applied_to
    words = ["explore", "reference", "--alphabet", "handshake", "--depth", "2", "--jobs", "1"]
    assert main([*words, "--out", str(tmp_path)]) == CONFORMS
    assert Exponent.applied_to is genuine


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
    assert "stopped before reaching the depth: time limit reached" in told.err
    assert "nothing breaks a rule within" in told.out


def test_what_cannot_be_taken_back_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "exec:otterproof-no-such-program"]) != CONFORMS
    with pytest.raises(SystemExit) as ended:
        main(["explore", "--alphabet", "nonsense"])
    assert ended.value.code == USAGE
