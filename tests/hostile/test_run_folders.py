"""Transcripts of several runs, or of several targets, are never mixed, and none is overwritten or deleted."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from otterproof.harness.runs.run_folder import FAILURES, run_folder
from otterproof.harness.support.errors import UsageError
from otterproof.harness.ui import cli

#: A scenario, and a fault that trips it in either engine.
ONE = ("--only", "conformance.negotiation_queries.unterminated_query_is_not_a_query[v3]", "--jobs", "1")
FAULT, OTHER = "fault:query-without-its-end", "fault:text-shown-twice"

TODAY = date(2026, 11, 30)


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def content(folder: Path) -> Mapping[str, bytes]:
    """All files in a folder and below, by relative path."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_each_run_and_each_target_has_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    seen: dict[str, bytes] = {}
    query = "conformance.negotiation_queries.unterminated_query_is_not_a_query"
    for target, only in ((FAULT, query), (FAULT, query), (OTHER, "conformance.data.undefined_flags")):
        assert cli.main(["check", target, "--only", only, "--jobs", "1", "--json", "told.json"]) == 1
        now = dict(content(FAILURES))
        assert seen.items() < now.items(), "what earlier runs left is as it was"
        new = sorted(now.keys() - seen.keys())
        (said,) = re.findall(r"(?m)^transcripts: (.*)$", capsys.readouterr().out)
        assert all((FAILURES / name).parent == Path(said) for name in new)
        told = json.loads(Path("told.json").read_text())["runs"][0]["scenarios"]
        assert sorted(path for one in told for path in one["transcripts"]) == [str(FAILURES / name) for name in new]
        seen = now
    folders = sorted({str(Path(name).parent) for name in seen})
    today = r"\d{4}-\d\d-\d\d"
    assert re.fullmatch(
        rf"fault-query-without-its-end/{today}-1\nfault-query-without-its-end/{today}-2\nfault-text-shown-twice/{today}-1",
        "\n".join(folders),
    )


def test_a_run_without_failures_leaves_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "reference", *ONE]) == 0
    assert not FAILURES.exists()
    assert "transcripts" not in capsys.readouterr().out


def test_a_named_folder_is_used_as_it_is_and_by_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []
    for target, code in ((FAULT, 1), ("reference", 0), (FAULT, 1)):
        before = dict(content(Path("mine"))) if said else {}
        assert cli.main(["check", target, *ONE, "--transcripts", "mine"]) == code
        assert before.items() <= content(Path("mine")).items()
        said += re.findall(r"(?m)^transcripts: (.*)$", capsys.readouterr().out)
    today = Path(said[1]).name.removesuffix("-1")
    assert said == ["mine", f"mine/{today}-1", f"mine/{today}-2"]
    assert [len(list(Path(folder).glob("*.jsonl"))) for folder in said] == [1, 1, 1]


def test_a_folder_of_the_users_own_is_not_filled_with_transcripts() -> None:
    Path("mine").mkdir()
    Path("mine/notes").write_text("mine")
    assert cli.main(["check", FAULT, *ONE, "--transcripts", "mine"]) == 1
    assert sorted(one.is_dir() for one in Path("mine").iterdir()) == [False, True]
    assert Path("mine/notes").read_text() == "mine"


@pytest.mark.parametrize("given", [None, Path("mine")])
def test_runs_that_begin_at_once_have_different_folders(given: Path | None) -> None:
    together, found = threading.Barrier(8), []

    def claim() -> None:
        together.wait(20)
        with run_folder(given, "libotr", TODAY) as folder:
            found.append(folder)
            (folder / "x.jsonl").touch()
            together.wait(20)

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    parent = given or FAILURES / "libotr"
    numbered = [parent / f"2026-11-30-{number}" for number in range(1, 9)]
    assert sorted(found) == sorted(numbered if given is None else [parent, *numbered[:7]])


def test_runs_that_begin_and_end_at_once_do_not_remove_each_others_folders() -> None:
    errors: list[Exception] = []

    def come_and_go() -> None:
        try:
            for _ in range(50):
                with run_folder(None, "libotr", TODAY) as folder:
                    assert folder.is_dir()
        except Exception as error:  # noqa: BLE001 (it is shown below)
            errors.append(error)

    threads = [threading.Thread(target=come_and_go) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert not FAILURES.exists()


def test_a_folder_that_can_not_be_made_is_the_users_to_change() -> None:
    Path("file").touch()
    Path("nowhere").symlink_to("is/not/there")
    for given in (Path("file"), Path("file/below"), Path("nowhere/below")):
        with pytest.raises(UsageError, match="name another folder with --transcripts"), run_folder(given, "x", TODAY):
            pass
    FAILURES.symlink_to("is/not/there")
    with pytest.raises(UsageError, match="name another folder with --transcripts"), run_folder(None, "x", TODAY):
        pass


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("given", [None, Path("mine")])
def test_an_interrupted_run_keeps_what_it_wrote_and_nothing_else(given: Path | None, written: bool) -> None:
    def interrupted() -> None:
        with run_folder(given, "libotr", TODAY) as folder:
            if written:
                (folder / "failure.jsonl").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    left = {name for name in content(Path()) if not name.endswith(".otterproof-run")}
    kept = Path("mine") if given else FAILURES / "libotr" / "2026-11-30-1"
    assert left == ({str(kept / "failure.jsonl")} if written else set())
    assert FAILURES.exists() == (written and given is None)
