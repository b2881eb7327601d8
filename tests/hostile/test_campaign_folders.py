"""Hostile targets, files and disks: none of them may hurt the user, lie to them or lose what was found."""

from __future__ import annotations

import copy
import errno
import json
import operator
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.folder import LOCK
from otterproof.harness.runs.fuzz.shrink import Budget
from otterproof.harness.runs.fuzz.state import STATE, CampaignError, State, read_state
from otterproof.harness.support.inputs import InputError
from otterproof.harness.ui import cli
from tests.hostile.interruptions import SEED, TARGET, Workshop, content


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


@pytest.fixture
def folder(workshop: Workshop, tmp_path: Path) -> Path:
    """With a campaign that has found something."""
    workshop.run(tmp_path / "campaign", 1)
    return tmp_path / "campaign"


def _fuzz(folder: Path, *more: str) -> int:
    """Go on with the campaign of a folder, from the command line."""
    return cli.main(["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--examples", "1", "--out", str(folder), *more])


# ---- one campaign at a time


def test_a_second_campaign_in_a_folder_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(TARGET, SEED, folder):
        before = content(folder)
        assert _fuzz(folder) == 2
        assert f"another campaign is running in {folder}; wait until it ends" in capsys.readouterr().err
        assert content(folder) == before
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


def test_a_file_of_an_earlier_version_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / STATE).write_text(json.dumps({"target": TARGET, "version": "1", "seed": SEED, "done": 3, "findings": []}))
    assert _fuzz(folder) == 2
    shown = capsys.readouterr().err
    assert "one of an earlier version of Otterproof; name another folder with --out" in shown


def test_the_file_does_not_choose_what_is_run(folder: Path, tmp_path: Path) -> None:
    stored = json.loads((folder / STATE).read_text())
    stored["target"] = f"exec:touch {tmp_path / 'run'}"
    (folder / STATE).write_text(json.dumps(stored))
    assert _fuzz(folder) == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["transcript", "test", "name"])
@pytest.mark.parametrize("value", ["../victim", "/victim", "leaks-wrong-tag\n", ""])
def test_no_name_leads_out_of_the_folder(name: str, value: str, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    stored = json.loads((folder / STATE).read_text())
    for stage in ("found", "shrunk", "confirmed", "once"):
        stored["findings"][0] |= {"state": stage, name: value.replace("/victim", str(tmp_path / "victim"))}
        (folder / STATE).write_text(json.dumps(stored))
        assert _fuzz(folder) == 2
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("stage", ["found", "confirmed"])
def test_links_and_pipes_in_the_folder_lead_nowhere(stage: str, folder: Path, tmp_path: Path) -> None:
    """All files of the campaign are links to a file elsewhere, or pipes that nobody reads."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    stored = json.loads((folder / STATE).read_text())
    first = stored["findings"][0]
    if stage == "found":
        first |= {"state": "found", "confirmed": 0, "test": ""}
    (tmp_path / STATE).write_text(json.dumps(stored))
    names = {STATE, *(path.name for path in folder.iterdir())}
    for number, name in enumerate(sorted(names)):
        (folder / name).unlink(missing_ok=True)
        if name == STATE:
            (folder / name).symlink_to(tmp_path / STATE)
        elif number % 2:
            os.mkfifo(folder / name)
        else:
            (folder / name).symlink_to(victim)
    assert _fuzz(folder) == 1
    assert victim.read_text() == "precious"
    assert json.loads((tmp_path / STATE).read_text()) == stored
    assert all(path.is_file() and not path.is_symlink() for path in folder.iterdir())


@pytest.mark.parametrize("name", ["leaks-wrong-tag.jsonl", "test_crash_receive_sigsegv.py"])
def test_files_of_nobody_knows_whom_are_not_replaced(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("precious")
    assert _fuzz(tmp_path) == 2
    assert content(tmp_path) == {name: b"precious"}


#: Values that are wrong nearly everywhere.
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
    """The ways to all values within a value."""
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


def _read(folder: Path, text: str) -> State | None:
    """What is read from a file; None when it is refused with one line that can be shown."""
    (folder / STATE).write_text(text)
    refused: Exception
    try:
        return read_state(folder, TARGET, SEED)
    except (CampaignError, InputError) as error:
        refused = error
    assert str(refused).isprintable()
    assert len(str(refused)) < 1000
    return None


def test_every_value_of_the_file_is_checked(folder: Path) -> None:
    """Wherever a value is replaced, taken out or put in, the file is refused or read; there is no third outcome."""
    stored = json.loads((folder / STATE).read_text())
    stored["findings"] = stored["findings"][:1]
    stored["findings"][0]["program"]["moves"] = stored["findings"][0]["program"]["moves"][:1]
    stored["waiting"] = [
        {"oracle": "leaks", "verdict": "fail", "check": "leaks.wrong-tag", "detail": "d", "at_end": False, "made": 1},
    ]
    assert _read(folder, json.dumps(stored)) is not None
    places = list(_places(stored))
    accepted = 0
    for place in places:
        for wrong in WRONG:
            accepted += _read(folder, json.dumps(_changed(stored, place, partial(_replace, wrong)))) is not None
    assert accepted < len(places) * len(WRONG) / 4
    for place in places[1:]:
        assert _read(folder, json.dumps(_changed(stored, place, _insert))) is None
        shorter = _read(folder, json.dumps(_changed(stored, place, operator.delitem)))
        assert shorter is None or isinstance(place[-1], int), place


def _replace(value: Any, at: Any, key: Any) -> None:
    at[key] = value


def _insert(at: Any, key: Any) -> None:
    if isinstance(at, dict):
        at["unknown"] = 1
    else:
        at.insert(key, ["unknown"])


@pytest.mark.parametrize(
    "text",
    ["", "{", "[" * 100_000, '{"format": "otterproof-campaign", "version": ' + "1" * 5000 + "}", "\x00", '"x"', "NaN"],
)
def test_what_is_no_json_is_refused(text: str, tmp_path: Path) -> None:
    assert _read(tmp_path, text) is None


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    (tmp_path / STATE).symlink_to("/dev/zero")
    with pytest.raises(InputError, match="it is a device"):
        read_state(tmp_path, TARGET, SEED)
    (tmp_path / STATE).unlink()
    os.mkfifo(tmp_path / STATE)
    with pytest.raises(InputError, match="it is a named pipe"):
        read_state(tmp_path, TARGET, SEED)


# ---- disks


def test_a_disk_that_fills_up_loses_nothing(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is full from the first, the third, ... write on; when there is room again the campaign goes on."""
    workshop.run(tmp_path / "whole", 1)
    monkeypatch.setattr("otterproof.harness.runs.fuzz.campaign.Budget", lambda *_: Budget(attempts=12))
    written = [0]
    room = [0]

    def sync(_: int) -> None:
        written[0] += 1
        if written[0] > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("otterproof.harness.support.outputs.os.fsync", sync)
    for room[0] in (0, 1, 2, 4, 7):
        folder = tmp_path / f"full-{room[0]}"
        written[0] = 0
        assert _fuzz(folder) == 3
        shown = capsys.readouterr()
        assert "could not be written: No space left on device; " in shown.err
        assert "Traceback" not in shown.err
        assert "reference: " in shown.out, "what was found is shown, if it can't be stored"
        room[0] = 1000
        workshop.run(folder, 1)
        assert content(folder) == content(tmp_path / "whole")
        room[0] = 0


def test_what_is_missing_is_written_again(workshop: Workshop, folder: Path) -> None:
    before = content(folder)
    for name in before:
        if name != STATE:
            (folder / name).unlink()
            workshop.run(folder, 1)
            assert content(folder) == before
