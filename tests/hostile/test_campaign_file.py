"""A campaign's database, whatever its content, is read as a state or refused with the documented error, and names
nothing outside its folder.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from otterproof.harness.runs.fuzz.behaviour import Area
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.state import CampaignError, Finding, FindingStage, State, as_json
from otterproof.harness.runs.fuzz.store import BESIDE, STATE, read_state
from otterproof.harness.simulation.moves import Deliver, Settle, User
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.inputs import LIMITS
from otterproof.harness.targets.registry import open_target
from tests.hostile.campaign_database import Unstorable, store, stored
from tests.hostile.mutations import mutated_bytes, mutated_json


@cache
def good() -> Any:
    """A campaign with a finding in each stage, and a failure that is still to be processed."""
    moves = (User("alice", "send", {"text": b"x"}), Deliver("bob"), Settle())
    program = Program(Setup(start="scratch", target=open_target("reference"), oracles=("authenticity",)), moves)
    findings = tuple(
        Finding(
            f"authenticity-{number}",
            stage,
            "authenticity",
            Verdict.FAIL,
            Bucket(f"authenticity.{number}", cell="encrypted/none: data"),
            "detail",
            False,
            number,
            program,
            is_shrunk=stage is not FindingStage.FOUND,
            confirmed=3 if stage is FindingStage.CONFIRMED else 0,
            runs=3 if stage is FindingStage.CONFIRMED else 0,
        )
        for number, stage in enumerate(FindingStage, 1)
    )
    bucket = Bucket("authenticity.accepted-twice")
    waiting = Failure("authenticity", Verdict.FAIL, bucket, "detail", False, 2)
    state = State()
    for number in range(9):
        state = state.after(number, None, {(Area.MOVE, "send"): 1} if number == 3 else {}, ())
    return as_json(replace(state, waiting=waiting, findings=findings), "reference", "1", "s")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good campaign."""
    store(tmp_path, good())
    return tmp_path


def test_the_good_one_is_read(folder: Path) -> None:
    assert len(read_state(folder, "reference", "s").findings) == len(FindingStage)
    assert stored(folder) == good()


@given(mutated_json(good()))
def test_any_values(text: str) -> None:
    with tempfile.TemporaryDirectory() as name, suppress(CampaignError, Unstorable):
        folder = Path(name)
        try:
            store(folder, json.loads(text))
        except (RecursionError, ValueError):  # not JSON: it is the text of a finding
            store(folder, good())
            with closing(sqlite3.connect(folder / STATE)) as connection:
                connection.execute("UPDATE finding SET value = ?", (text,))
                connection.commit()
        for finding in read_state(folder, "reference", "s").findings:
            assert Path(finding.name).name == finding.name


@cache
def _good_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        store(Path(name), good())
        return (Path(name) / STATE).read_bytes()


@given(mutated_bytes(_good_bytes()))
def test_any_bytes(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as name, suppress(CampaignError):
        (Path(name) / STATE).write_bytes(data)
        read_state(Path(name), "reference", "s")


def test_a_campaign_of_an_earlier_version_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "campaign.json").write_text("{}")
    with pytest.raises(
        CampaignError, match="an earlier version of Otterproof, which can't be resumed; name another folder with --out"
    ):
        read_state(tmp_path, "reference", "s")


# ---- what SQLite would do for the file


SCHEMAS = {
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON campaign BEGIN DELETE FROM finding; END",
    "a view": "CREATE VIEW v AS SELECT load_extension('/tmp/x')",
    "an index": "CREATE INDEX i ON finding (abs(number))",
    "another table": "CREATE TABLE more (x)",
    "a virtual table": "CREATE VIRTUAL TABLE more USING fts5(x)",
    "another column": "ALTER TABLE finding ADD COLUMN more GENERATED ALWAYS AS (abs(number))",
    "a table less": "DROP TABLE seen",
}


@pytest.mark.parametrize("sql", SCHEMAS.values(), ids=SCHEMAS)
def test_nothing_of_a_foreign_schema_is_used(sql: str, folder: Path) -> None:
    with closing(sqlite3.connect(folder / STATE)) as connection:
        connection.execute(sql)
        connection.commit()
    before = (folder / STATE).read_bytes()
    with pytest.raises(CampaignError, match="its tables are not those of a campaign"):
        read_state(folder, "reference", "s")
    assert (folder / STATE).read_bytes() == before, "it is left as it is"


def test_a_view_in_place_of_a_table_is_not_used(folder: Path) -> None:
    with closing(sqlite3.connect(folder / STATE)) as connection:
        connection.execute("DROP TABLE seen")
        connection.execute("CREATE VIEW seen AS SELECT 'cell' AS area, 'x' AS name, 1 AS first")
        connection.commit()
    with pytest.raises(CampaignError, match="its tables are not those of a campaign"):
        read_state(folder, "reference", "s")


@pytest.mark.parametrize("end", BESIDE)
def test_a_link_beside_the_database_is_not_followed(end: str, folder: Path, tmp_path_factory: Any) -> None:
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    (folder / (STATE + end)).symlink_to(victim)
    with pytest.raises(CampaignError, match="it is a link"):
        read_state(folder, "reference", "s")
    assert victim.read_text() == "precious"


def test_a_journal_that_would_be_rolled_back_is_refused(folder: Path) -> None:
    """Such a journal can name another file, which SQLite would remove."""
    (folder / f"{STATE}-journal").write_bytes(bytes(512))
    with pytest.raises(CampaignError, match="leaves no such file"):
        read_state(folder, "reference", "s")


def test_a_log_of_nonsense_is_not_taken_in(folder: Path) -> None:
    (folder / f"{STATE}-wal").write_bytes(b"7\x7f\x06\x82" + bytes(5000))
    assert read_state(folder, "reference", "s") == read_state(folder, "reference", "s")


def test_a_file_without_end_is_refused(folder: Path) -> None:
    with (folder / STATE).open("r+b") as file:
        file.truncate(LIMITS["campaign"] + 1)
    with pytest.raises(CampaignError, match="it has more than"):
        read_state(folder, "reference", "s")


@pytest.mark.parametrize("size", [0, 1, 99, 100, 4096])
def test_a_file_that_was_cut_off_is_refused(size: int, folder: Path) -> None:
    data = (folder / STATE).read_bytes()[:size]
    (folder / STATE).write_bytes(data)
    with pytest.raises(CampaignError, match="can't be used"):
        read_state(folder, "reference", "s")
    assert (folder / STATE).read_bytes() == data


def test_values_that_are_not_text_are_refused(folder: Path) -> None:
    with closing(sqlite3.connect(folder / STATE)) as connection:
        connection.execute("UPDATE finding SET value = x'ff'")
        connection.commit()
    with pytest.raises(CampaignError, match="a value is not text"):
        read_state(folder, "reference", "s")


def test_a_copy_is_the_same_campaign(folder: Path, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("copy")
    shutil.copy(folder / STATE, other / STATE)
    assert read_state(other, "reference", "s") == read_state(folder, "reference", "s")
