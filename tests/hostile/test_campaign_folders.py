"""The folder of a campaign: one campaign at a time, links and foreign files in it, a damaged database, a full disk."""

from __future__ import annotations

import copy
import errno
import json
import operator
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.folder import LOCK
from otterproof.harness.runs.fuzz.shrink import Budget
from otterproof.harness.runs.fuzz.state import CampaignError, State
from otterproof.harness.runs.fuzz.store import STATE, Store, opened_store, read_state, writing
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.inputs import InputError
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.ui import cli
from tests.hostile.campaign_database import Unstorable, store, stored
from tests.hostile.interruptions import SEED, TARGET, Workshop, content


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


@pytest.fixture
def folder(workshop: Workshop, tmp_path: Path) -> Path:
    """A folder with a campaign that has found something."""
    workshop.run(tmp_path / "campaign", 1)
    return tmp_path / "campaign"


def _fuzz(folder: Path, *more: str) -> int:
    """Continue the campaign of a folder from the command line."""
    return cli.main(
        ["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--examples", "1", "--out", str(folder), "--resume", *more]
    )


#: The members that a campaign may lack; those of earlier versions have no stderr.
OPTIONAL = ("entropy", "stderr")


# ---- one campaign at a time


def test_a_second_campaign_in_a_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(TARGET, SEED, folder):
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert _fuzz(folder) == 2
        assert f"another campaign is running in {folder}; wait until it ends" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in before} == before
    assert _fuzz(folder) == 1
    assert not (folder / LOCK).exists()


def test_a_lock_of_the_dead_locks_nothing(folder: Path) -> None:
    (folder / LOCK).touch()
    assert _fuzz(folder) == 1
    assert not (folder / LOCK).exists()


def test_a_lock_file_that_leads_elsewhere_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / LOCK).symlink_to(tmp_path / "elsewhere")
    assert _fuzz(folder) == 2
    assert not (tmp_path / "elsewhere").exists()


# ---- files from others


def test_a_file_of_an_earlier_version_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "campaign.json").write_text(json.dumps({"target": TARGET, "version": "1", "seed": SEED, "done": 3}))
    assert _fuzz(tmp_path) == 2
    assert "a campaign of an earlier version of Otterproof" in capsys.readouterr().err


def test_a_campaign_is_not_continued_unasked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(folder)
    assert cli.main(["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--examples", "1", "--out", str(folder)]) == 2
    assert "(1 program, 1 finding); continue it with --resume" in capsys.readouterr().err
    assert content(folder) == before


def test_the_file_does_not_choose_what_is_run(folder: Path, tmp_path: Path) -> None:
    changed = stored(folder)
    changed["target"] = f"exec:touch {tmp_path / 'run'}"
    store(folder, changed)
    assert _fuzz(folder) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", ["../victim", "/victim", "leaks-wrong-tag\n", ""])
def test_no_name_leads_out_of_the_folder(value: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    changed = stored(folder)
    for stage in ("found", "shrunk", "confirmed", "once"):
        name = value.replace("/victim", str(tmp_path / "victim"))
        changed["findings"][0] |= {"stage": stage, "name": name, "confirmed": 0, "runs": 0}
        store(folder, changed)
        assert _fuzz(folder) == 2
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("stage", ["found", "confirmed"])
def test_links_and_pipes_in_the_folder_lead_nowhere(stage: str, folder: Path, tmp_path: Path) -> None:
    """All files of the findings are links to a file elsewhere, or pipes without a reader."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    changed = stored(folder)
    if stage == "found":
        changed["findings"][0] |= {"stage": "found", "confirmed": 0, "runs": 0, "small": False}
        store(folder, changed)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != STATE]
    for number, path in enumerate(files):
        path.unlink()
        if number % 2:
            os.mkfifo(path)
        else:
            path.symlink_to(victim)
    assert files
    assert _fuzz(folder) == 1
    assert victim.read_text() == "precious"
    assert all(path.is_file() and not path.is_symlink() for path in folder.rglob("*") if not path.is_dir())


def test_a_finding_that_is_a_link_to_a_folder_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (name,) = [path for path in folder.iterdir() if path.is_dir()]
    name.rename(elsewhere)
    for path in elsewhere.iterdir():
        path.unlink()
    name.symlink_to(elsewhere)
    assert _fuzz(folder) == 1
    assert not list(elsewhere.iterdir())
    assert name.is_dir()
    assert not name.is_symlink()


def test_a_database_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / STATE).rename(tmp_path / STATE)
    before = (tmp_path / STATE).read_bytes()
    (folder / STATE).symlink_to(tmp_path / STATE)
    assert _fuzz(folder) == 2
    assert (tmp_path / STATE).read_bytes() == before


@pytest.mark.parametrize("name", ["leaks-wrong-tag", "crash-receive-sigsegv"])
def test_files_of_other_programs_are_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    assert _fuzz(tmp_path) == 2
    assert content(tmp_path) == {name: b"precious"}


#: Values that are wrong almost everywhere.
WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.0,
    10**30,
    "",
    "../../x",
    "\x1b]0;owned\x07\ud800",
    "x" * 5000,
    [],
    ["x"] * 1001,
    {},
    {"move": "settle", "limit": 10**12},
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values within a value."""
    yield at
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        yield from _places(one, (*at, key))


def _changed(stored: Any, place: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    whole = [copy.deepcopy(stored)]
    at: Any = whole
    for key in (0, *place)[:-1]:
        at = at[key]
    change(at, (0, *place)[-1])
    return whole[0]


def _read(folder: Path, content: Any) -> State | None:
    """What is read from a database; None if it is refused with one printable line."""
    refused: Exception
    try:
        store(folder, content)
    except Unstorable:
        return None
    try:
        return read_state(folder, TARGET, SEED)
    except (CampaignError, InputError) as error:
        refused = error
    assert str(refused).isprintable()
    assert len(str(refused)) < 1000
    return None


def test_every_value_of_the_file_is_checked(folder: Path) -> None:
    """Wherever a value is replaced, removed or added, the file is either refused or read."""
    whole = stored(folder)
    whole["findings"] = whole["findings"][:1]
    whole["findings"][0]["program"]["moves"] = whole["findings"][0]["program"]["moves"][:1]
    whole["seen"] = whole["seen"][:1]
    whole["schedule"] = {"counts": [0], "kept": [], "recent": [[[], [], []] for _ in whole["schedule"]["recent"]]}
    bucket = dict.fromkeys(("requirement", "cell", "kind", "observed"), "") | {"check": "leaks.wrong-tag"}
    waiting = {"oracle": "leaks", "verdict": "fail", "bucket": bucket, "detail": "d", "at_end": False, "made": 1}
    whole["waiting"] = waiting
    assert _read(folder, whole) is not None
    places = [place for place in _places(whole) if place]
    accepted = 0
    for place in places:
        for wrong in WRONG:
            accepted += _read(folder, _changed(whole, place, partial(_replace, wrong))) is not None
    assert accepted < len(places) * len(WRONG) / 4
    for place in places:
        assert _read(folder, _changed(whole, place, _insert)) is None or place[0] == "known"
        shorter = _read(folder, _changed(whole, place, operator.delitem))
        in_tables = place[0] == "known" or place in (("findings",), ("seen",))
        assert shorter is None or isinstance(place[-1], int) or in_tables or place[-1] in OPTIONAL, place


def _replace(value: Any, at: Any, key: Any) -> None:
    at[key] = value


def _insert(at: Any, key: Any) -> None:
    if isinstance(at, dict):
        at["unknown"] = 1
    else:
        at.insert(key, ["unknown"])


# ---- disks


def test_a_disk_that_fills_up_loses_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is full from the first, the third, ... write on; once there is space again, the campaign continues."""
    workshop.run(tmp_path / "whole", 1)
    monkeypatch.setattr("otterproof.harness.runs.fuzz.campaign.Budget", lambda *_: Budget(attempts=12))
    written = [0]
    room = [0]
    saved = Store.save

    def is_full() -> bool:
        written[0] += 1
        return written[0] > room[0]

    def sync(_: int) -> None:
        if is_full():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def save(campaign: Store, state: State, version: str) -> None:
        """A real disk reports this to SQLite; here, a size limit of the database does."""
        if is_full():
            with writing(tmp_path):
                raise sqlite3.OperationalError("database or disk is full")
        saved(campaign, state, version)

    monkeypatch.setattr(Store, "save", save)
    monkeypatch.setattr("otterproof.harness.support.outputs.os.fsync", sync)
    for room[0] in (0, 1, 2, 4, 7):
        folder = tmp_path / f"full-{room[0]}"
        written[0] = 0
        assert _fuzz(folder) == 3
        shown = capsys.readouterr()
        assert "can't write " in shown.err
        assert "Traceback" not in shown.err
        if room[0]:
            assert "reference: " in shown.out, "what was found is shown, if it can't be stored"
        room[0] = 1000
        workshop.run(folder, 1)
        assert content(folder) == {**content(tmp_path / "whole"), **pages(folder)}
        room[0] = 0


def test_sqlite_says_that_its_disk_is_full(folder: Path, tmp_path: Path) -> None:
    """To SQLite, a page limit is the same as a full disk. What was saved before is still there."""
    before = read_state(folder, TARGET, SEED)
    with opened_store(folder, TARGET, SEED) as (campaign, state):
        campaign._connection.execute("PRAGMA max_page_count = 1")
        failure = Failure("leaks", Verdict.FAIL, Bucket("leaks.wrong-tag"), "long" * 10_000, False, 1)
        with pytest.raises(OutputError, match=r"can't write .*: database or disk is full"):
            campaign.save(replace(state, waiting=failure), "1")
    assert read_state(folder, TARGET, SEED) == before


@pytest.mark.parametrize("again", [False, True], ids=["gone", "gone-and-made-again"])
@pytest.mark.parametrize("at", ["program", "shrinking", "confirming"])
def test_a_folder_that_is_removed_meanwhile_ends_the_campaign(
    again: bool,
    at: str,
    workshop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """SQLite goes on writing to a file that has been removed."""
    folder = tmp_path / "campaign"
    genuine, saved = workshop.attempt, Store.save
    last: list[State] = []
    removed: list[str] = []

    def stage() -> str:
        findings = last[-1].findings if last else ()
        return "program" if not findings else "confirming" if findings[-1].is_shrunk else "shrinking"

    def attempted(*given: Any, **options: Any) -> Failure | None:
        if stage() == at and not removed:
            removed.append(at)
            shutil.rmtree(folder)
            if again:
                folder.mkdir()
                (folder / STATE).write_bytes(b"another's")
                (folder / LOCK).touch()
        return genuine(*given, **options)

    def save(campaign: Store, state: State, version: str) -> None:
        saved(campaign, state, version)
        last.append(state)

    workshop.attempt = attempted
    monkeypatch.setattr(Store, "save", save)
    assert _fuzz(folder, "--examples", "30") == 3
    shown = capsys.readouterr()
    assert f"can't write {folder / STATE}: it was removed or replaced while the campaign ran" in shown.err
    assert "otterproof replay" not in shown.out
    if again:
        assert sorted(one.name for one in folder.iterdir() if one.is_file()) == sorted([LOCK, STATE])
    else:
        assert not folder.exists()


def pages(folder: Path) -> Mapping[str, object]:
    """The pages that only the command writes."""
    return {name: one for name, one in content(folder).items() if name.endswith(".html")}


def test_what_is_missing_is_written_again(workshop: Workshop, folder: Path) -> None:
    before = content(folder)
    for name in before:
        if name != STATE:
            (folder / name).unlink()
            workshop.run(folder, 1)
            assert content(folder) == before
