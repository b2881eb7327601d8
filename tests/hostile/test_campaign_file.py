"""A campaign's file is a state or the documented error, whatever is in it, and names nothing outside its folder."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.state import STATE, CampaignError, Finding, FindingStage, State, as_json, read_state
from otterproof.harness.simulation.moves import Deliver, Settle, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.targets.registry import open_target
from tests.hostile.mutations import mutated_bytes, mutated_json


@cache
def good() -> Any:
    """A campaign with a finding in each stage, and a failure that nothing has been done about."""
    moves = (User("alice", "send", {"text": b"x"}), Deliver("bob"), Settle())
    program = Program(Setup(start="scratch", target=open_target("reference"), oracles=("authenticity",)), moves)
    findings = tuple(
        Finding(
            f"authenticity-{number}",
            stage,
            "authenticity",
            Verdict.FAIL,
            f"authenticity.{number}",
            "detail",
            False,
            number,
            program,
            confirmed=3 if stage is FindingStage.CONFIRMED else 0,
        )
        for number, stage in enumerate(FindingStage, 1)
    )
    waiting = (Failure("authenticity", Verdict.FAIL, "authenticity.accepted-twice", "detail", False, 2),)
    return json.loads(as_json(State(9, waiting, findings), "reference", "1", "s"))


def test_the_good_one_is_read(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text(json.dumps(good()))
    assert len(read_state(tmp_path, "reference", "s").findings) == len(FindingStage)


@given(st.data())
def test_any_file(data: st.DataObject) -> None:
    text = json.dumps(good()).encode()
    changed = data.draw(st.one_of(mutated_json(good()).map(str.encode), mutated_bytes(text)))
    with tempfile.TemporaryDirectory() as folder, suppress(CampaignError):
        (Path(folder) / STATE).write_bytes(changed)
        state = read_state(Path(folder), "reference", "s")
        for finding in state.findings:
            for name in (finding.transcript, finding.test):
                assert Path(name).name == name


def test_a_file_of_an_earlier_version_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / STATE).write_text(json.dumps(good() | {"version": 1}))
    with pytest.raises(CampaignError, match="begin a new one; name another folder with --out"):
        read_state(tmp_path, "reference", "s")
