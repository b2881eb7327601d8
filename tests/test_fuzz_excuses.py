"""Known failures by parts of a bucket: a new cause under a known check is a finding, and the known one is not."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.deviations import DeviationError, Known, fix_fuzz, load
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import opened
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.excuses import Excuse, baseline_of, excuse_of, known_by, widest
from otterproof.harness.runs.fuzz.execute import Failure, Watched, attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import as_test
from otterproof.harness.runs.fuzz.serialize import program_from_json, program_to_json
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.simulation.moves import Deliver, Move, User
from otterproof.harness.simulation.transcript import TranscriptError, Verdict
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui import cli
from otterproof.harness.ui.fuzz_progress import Meter
from otterproof.harness.ui.fuzz_summary import campaign_summary
from tests.hostile.interruptions import SEED, TARGET, Workshop

CHECK = "agreement.state-not-as-reported"
BUCKET = Bucket(CHECK, "", "encrypted/none: query", "query", "sends dh_commit")

ENTRY = f'[[deviation]]\nfuzz = true\ncheck = "{CHECK}"\nreason = "Ours."\n'


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


# ---- excuses


@pytest.mark.parametrize(
    ("excuse", "covers"),
    [
        (Excuse(CHECK), True),
        (Excuse("another.check"), False),
        (Excuse(CHECK, kind=("data", "query")), True),
        (Excuse(CHECK, kind=("data",)), False),
        (Excuse(CHECK, cell=("encrypted/none: query",)), True),
        (Excuse(CHECK, cell=("finished/none: query",)), False),
        (Excuse(CHECK, cell=("encrypted/*: query",)), True),
        (Excuse(CHECK, cell=("encrypted/*: data", "*/none: quer")), False),
        (Excuse(CHECK, kind=("quer.",)), False),
        (Excuse(CHECK, observed=("sends dh_commit",)), True),
        (Excuse(CHECK, observed=("nothing",)), False),
        (Excuse(CHECK, kind=("query",), cell=("finished/none: query",)), False),
    ],
)
def test_what_an_excuse_leaves_out_fits_anything(excuse: Excuse, covers: bool) -> None:
    assert excuse.covers(BUCKET) is covers
    assert excuse_of(str(excuse)) == excuse
    assert (known_by(BUCKET, [str(excuse)]) != "") is covers


def test_what_is_not_known_of_a_failure_fits_any_excuse() -> None:
    limited = Excuse(CHECK, kind=("data",), cell=("finished/none: data",), observed=("nothing",))
    assert limited.covers(Bucket(CHECK)), "the end of a run"
    assert limited.covers(Bucket(CHECK, cell="finished/none: data", kind="fragment_v3")), "nothing was done"


@pytest.mark.parametrize("text", ["", "two words", f"{CHECK} ()", f"{CHECK} (colour: red)", f"{CHECK} (kind: )"])
def test_a_damaged_excuse_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"neither|not one of"):
        excuse_of(text)
    written = program_to_json(Program(Setup(target=None), ()))
    with pytest.raises(TranscriptError, match=r"program\.excused"):
        program_from_json({**written, "excused": [text]}, None)


def test_the_widest_excuses_are_kept() -> None:
    data, both, other = Excuse(CHECK, kind=("data",)), Excuse(CHECK, kind=("data", "query")), Excuse("another.check")
    assert set(widest([data, both, other])) == {both, other}
    assert set(widest([data, Excuse(CHECK)])) == {Excuse(CHECK)}
    assert not data.includes(both)
    anything = Excuse(CHECK, kind=("*",))
    assert set(widest([data, both, anything])) == {anything}
    assert not both.includes(anything)


def test_a_baseline_names_what_the_cause_is_about() -> None:
    assert baseline_of(BUCKET, [f"{CHECK}: data"]) == Excuse(CHECK, kind=("data", "query"))
    assert baseline_of(BUCKET, [CHECK]) == Excuse(CHECK), "of one, it was not known what it was about"
    assert baseline_of(Bucket(CHECK)) == Excuse(CHECK)
    crash = Bucket("crash.receive.sigsegv", cell="encrypted/none: data", kind="data")
    assert baseline_of(crash) == Excuse(crash.check, cell=("encrypted/*: data",))
    assert baseline_of(crash).covers(replace(crash, cell="encrypted/awaiting_sig: data"))
    assert not baseline_of(crash).covers(replace(crash, cell="plaintext/none: data"))


# ---- in a run


def _broken(excused: tuple[str, ...]) -> Program:
    moves: tuple[Move, ...] = (User("bob", "start", {}), Deliver("alice"))
    return Program(Setup(target=open_target("fault:query-ends-the-session"), excused=excused), moves)


def test_a_run_goes_on_beyond_the_known_cause_alone() -> None:
    first = attempt(_broken(()))
    assert first is not None
    known = str(Excuse(first.check, kind=(first.bucket.kind,), cell=(first.bucket.cell,)))
    for excuse in (str(Excuse(first.check, kind=("data",))), str(Excuse(first.check, cell=("finished/none: query",)))):
        watched = Watched()
        again = attempt(_broken((excuse,)), watched=watched)
        assert again is not None
        assert again.bucket == first.bucket
        assert watched.excuses_used == set()
    watched = Watched()
    beyond = attempt(_broken((known,)), watched=watched)
    assert beyond is not None
    assert beyond.check != first.check
    assert watched.excuses_used == {known}


@pytest.mark.parametrize("known", [True, False])
def test_a_transcript_and_a_test_say_what_is_passed_over(known: bool) -> None:
    first = attempt(_broken(()))
    assert first is not None
    kinds = ("data", *([first.bucket.kind] if known else []))
    made = _broken((str(Excuse(first.check, kind=kinds)),))
    assert program_from_json(json.loads(json.dumps(program_to_json(made))), made.setup.target) == made
    failure = attempt(made)
    assert failure is not None
    assert (failure.check == first.check) is not known
    space: dict[str, Any] = {}
    exec(compile(as_test("passed-over", made, failure, "Found."), "test", "exec"), space)
    with pytest.raises(pytest.fail.Exception) as raised:
        space["test_passed_over"]()
    assert str(raised.value).startswith(f"FAIL  {failure.check}\n")


# ---- files of known deviations


def test_an_entry_may_name_parts_of_a_bucket(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    other = ENTRY.replace("Ours.", "Of a query.") + 'kind = ["query"]\n'
    path.write_text(ENTRY + 'kind = ["data"]\ncell = ["finished/none: data"]\n' + other)
    known = Known(load(path, [], []))
    limited = f"{CHECK} (kind: data; cell: finished/none: data)"
    assert known.excuses() == {limited: "Ours.", f"{CHECK} (kind: query)": "Of a query."}
    assert known.reason_of_bucket(BUCKET) == "Of a query."
    assert known.reason_of_bucket(replace(BUCKET, kind="data")) == ""
    assert known.checks() == {CHECK}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ENTRY + 'kind = "data"\n', "kind is not a list of strings"),
        (ENTRY + 'kind = ["a|b"]\n', "kind has a value that no bucket has"),
        (ENTRY + 'kind = [""]\n', "kind has a value that no bucket has"),
        (ENTRY + f"cell = {[f'{one}' for one in range(30)]}\n", "cell has a value that no bucket has, or too many"),
        (ENTRY + ENTRY, "already covers this"),
        (ENTRY.replace(CHECK, f"{CHECK} (kind: data)"), "check is not the id of a failure"),
        (ENTRY.replace("fuzz = true", 'vector = "queries.parse-v3"') + 'kind = ["data"]\n', "parts of a bucket"),
    ],
)
def test_mistakes_in_parts_are_located(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(DeviationError, match=told):
        load(path, [], [])


def test_a_file_gets_entries_for_new_causes_alone(tmp_path: Path) -> None:
    path = tmp_path / "known.toml"
    data, query = Excuse(CHECK, kind=("data",)), Excuse(CHECK, kind=("query",))
    assert fix_fuzz(path, {data}, ()) == (0, 1)
    assert fix_fuzz(path, {data, query}, ()) == (0, 1)
    assert [one["kind"] for one in tomllib.loads(path.read_text())["deviation"]] == [["data"], ["query"]]
    assert fix_fuzz(path, {data}, [BUCKET]) == (1, 0), "that of the query is fixed"
    assert [one["kind"] for one in tomllib.loads(path.read_text())["deviation"]] == [["data"]]
    path.write_text(ENTRY)
    assert fix_fuzz(path, {data, query}, [BUCKET]) == (0, 0), "the check alone, which still fails"


# ---- campaigns


def test_a_new_cause_under_a_known_check_is_a_finding(workshop: Workshop, tmp_path: Path) -> None:
    """There are failures with two kinds of messages, one of them known: that one is counted, and the other is found."""
    path, out = tmp_path / "known.toml", tmp_path / "out"
    path.write_text(ENTRY.replace(CHECK, "crash.receive.sigsegv") + f'cell = ["{BUCKET.cell}"]\n')
    crash = replace(BUCKET, check="crash.receive.sigsegv")
    command = [
        "fuzz",
        TARGET,
        "--seed",
        SEED,
        "--jobs",
        "1",
        "--examples",
        "3",
        "--known",
        str(path),
        "--out",
        str(out),
    ]
    workshop.attempt = lambda *_, **__: Failure("bounds", Verdict.CRASH, crash, "killed", False, 1)
    assert cli.main(command) == 0
    state = read_state(out, TARGET, SEED)
    assert (state.findings, state.known) == ((), {f"{crash.check} (cell: {crash.cell})": 3})
    elsewhere = replace(crash, cell="finished/none: query")
    workshop.attempt = lambda *_, **__: Failure("bounds", Verdict.CRASH, elsewhere, "killed", False, 1)
    assert cli.main([*command, "--resume"]) == 1
    (found,) = read_state(out, TARGET, SEED).findings
    assert found.bucket == elsewhere


def test_what_was_known_has_a_reason_when_its_entry_was_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "known.toml"
    path.write_text(ENTRY)
    with opened("reference", "s", tmp_path / "campaign") as campaign:
        campaign.state = replace(campaign.state, known={f"{CHECK} (kind: data)": 2, "gone.check": 1})
        campaign_summary(campaign, Known(load(path, [], [])), Meter(campaign))
    shown = capsys.readouterr().out
    assert f"known: Ours.\n  {CHECK} (kind: data), 2 programs\n" in shown
    assert "known: the entry has been removed since\n  gone.check, 1 program\n" in shown
