"""Findings of an exploration before its first move: while the parties establish their sessions, or talk in them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from otterproof.harness.runs.explore.explore import Exploration
from otterproof.harness.support.exits import CONFORMS, DEVIATES, USAGE
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults.target import FaultTarget
from otterproof.harness.ui.cli import main
from otterproof.implementations.contract import Event
from otterproof.implementations.reference import ReferenceEngine


def test_what_breaks_a_rule_before_the_first_move_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The handshake that establishes the sessions is judged as well."""
    words = ["explore", "fault:tags-swapped-in-header", "--alphabet", "data", "--jobs", "1", "--out", str(tmp_path)]
    assert main(words) == DEVIATES
    shown = capsys.readouterr().out
    assert "FAIL  form.wrong-sender-tag  without a move" in shown
    assert "alice receives a D-H Commit Message: sends a D-H Key Message" in shown
    assert "data: 1 found within 0 moves" in shown
    assert main(["replay", str(next(tmp_path.glob("*.jsonl")))]) == DEVIATES


def test_an_exploration_goes_on_beyond_what_is_wrong_before_the_first_move() -> None:
    with closing(Exploration("data", FaultTarget("tags-swapped-in-header"), keep_going=True)) as exploration:
        made = [(one.depth, one.steps > 0) for one in exploration.levels(1)]
    assert made == [(0, False), (1, True)]
    assert "form.wrong-sender-tag" in [one.check for one in exploration.certificate.found]


class BreaksDown(ReferenceEngine):
    """An engine that can't receive anything."""

    def receive(self, message: bytes) -> list[Event]:
        raise ZeroDivisionError


def test_nothing_is_certified_where_a_target_breaks_down_before_the_first_move() -> None:
    target = SingleEngineTarget("broken", BreaksDown)
    with closing(Exploration("data", target, keep_going=True)) as exploration:
        assert [(one.depth, one.steps) for one in exploration.levels(1)] == [(0, 0)]
    assert {one.moves for one in exploration.certificate.found} == {()}


def test_parties_that_cannot_talk_from_the_beginning_are_found_without_a_move() -> None:
    with closing(Exploration("handshake", FaultTarget("mpi-padded-to-group-size"))) as exploration:
        assert [one.depth for one in exploration.levels(1)] == [0]
    (one,) = exploration.certificate.found
    assert (one.check, one.moves, one.at_end) == ("healing.no-common-session", (), True)


def test_a_target_in_the_other_role_is_restored_by_its_peer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alice restores the session, so only Bob has to wait for a D-H Key, which this target does not expect."""
    words = ["explore", "fault:commit-not-remembered", "--alphabet", "handshake", "--depth", "1", "--jobs", "1"]
    assert main([*words, "--out", str(tmp_path / "alice")]) == CONFORMS
    assert (
        main([*words, "--role", "bob", "--out", str(tmp_path / "bob"), "--json", str(tmp_path / "bob.json")])
        == DEVIATES
    )
    assert "FAIL  healing.no-common-session  without a move" in capsys.readouterr().out
    (certificate,) = json.loads((tmp_path / "bob.json").read_text())["certificates"]
    assert certificate["role"] == "bob"
    assert main(["replay", str(next((tmp_path / "bob").glob("*.jsonl")))]) == DEVIATES


def test_engines_in_lockstep_have_no_role(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--role", "bob"]) == USAGE
    assert "leave out --role" in capsys.readouterr().err
