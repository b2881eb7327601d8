"""What a judge must see to notice each fault of the catalogue: messages and events suffice for all but a few.

The first test is the most important: each fault is caught as a third party's mistake would be, by the scenario that the
catalogue names for it. The other tests are about measuring, storing and reporting this.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.runs.events import Ending
from otterproof.harness.runs.faults import sightings, sightings_file, trips
from otterproof.harness.runs.faults.score import ScoreCard
from otterproof.harness.runs.faults.sightings import Sighting, Sightings, View, look, unseen
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.targets.driver import TargetCrash, TargetHang, TargetUnsupported
from otterproof.harness.targets.faults import AREAS, FaultError, engine, faults
from otterproof.harness.targets.lean import SHOWS, LeanTarget
from otterproof.harness.testkit.context import Context
from otterproof.harness.testkit.scenario import load, scenario_of
from otterproof.harness.ui import cli
from otterproof.harness.ui import terminal as report

#: The number of faults that a judge who sees only messages and events may miss. It may only decrease.
UNSEEN = 23


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("area", AREAS)
def test_every_fault_is_caught_as_a_third_partys(area: str) -> None:
    """In each of its versions, by the scenario it names; the others are noticed by a scenario that sees more."""
    load()
    wrong = []
    for fault in faults().values():
        if fault.area == area:
            for version in fault.versions:
                seen = look(fault, version, ())
                wanted = seen.view is not None if fault.name in unseen() else seen.view is View.THIRD_PARTY
                if not wanted:
                    wrong.append(f"{fault.hint}[v{version}] and {fault.name}: {seen}")
    assert wrong == []


def test_the_faults_that_are_out_of_sight_get_fewer() -> None:
    assert len(unseen()) <= UNSEEN
    assert all(reason.strip().endswith(".") for reason in unseen().values())


def test_only_faults_that_are_out_of_sight_name_scenarios_that_see_more() -> None:
    load()
    named = {name: scenario_of(f"{fault.hint}[v{fault.versions[0]}]") for name, fault in faults().items()}
    assert {name for name, one in named.items() if not View.THIRD_PARTY.adds(one)} <= unseen().keys()


def test_no_fault_is_left_to_random_runs() -> None:
    random = ("properties.", "differential.random_runs.")
    assert [name for name, fault in faults().items() if fault.hint.startswith(random)] == []


def test_a_score_names_the_scenario_that_catches_a_fault_as_a_third_partys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A probe is kept, although the full score never counts it, and replaces a scenario that sees more."""
    load()
    name, probe = "unknown-flags-refused", "readings.data.undefined_flags"
    fault = faults()[name]
    entry = tmp_path / "data.toml"
    monkeypatch.setattr(trips, "TRIPS", tmp_path / "tripping")
    monkeypatch.setattr(trips, "catalogue_files", lambda: [entry])
    (tmp_path / "tripping" / trips.CHECKS).mkdir(parents=True)
    for hint in (probe, "conformance.choices.undefined_flags_are_ignored"):
        card = ScoreCard({}, {name: replace(fault, hint=hint)})
        for version in fault.versions:
            card.sightings.found[name, version] = look(fault, version, ())
        entry.write_text(f'[[fault]]\nname = "{name}"\nhint = "{hint}"\n')
        trips.write(card)
        assert f'hint = "{probe}"' in entry.read_text()


def test_a_reason_for_an_unknown_fault_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "unseen.toml"
    path.write_text('"no-such-fault" = "It does not exist."\n')
    monkeypatch.setattr(sightings, "UNSEEN", path)
    with pytest.raises(FaultError, match="no fault 'no-such-fault'"):
        unseen.__wrapped__()


def record(**views: View | None) -> Sightings:
    """The view that noticed each fault (names with underscores), the same in all versions."""
    known = {name.replace("_", "-"): view for name, view in views.items()}
    found = Sightings({name: faults()[name] for name in known}, [])
    for name, view in known.items():
        for version in faults()[name].versions:
            found.found[name, version] = Sighting(name, version, view, "conformance.x")
    return found


def test_a_fault_that_is_caught_in_one_view_is_caught_in_the_later_ones() -> None:
    seen = record(mac_not_checked=View.THIRD_PARTY, ssid_kept_after_end=View.DUMP, query_lists_versions_backwards=None)
    assert [len(seen.caught(view)) for view in View] == [1, 2, 2]
    assert seen.view("query-lists-versions-backwards") is None
    assert list(seen.gaps().values()) == [[], []]


def test_a_fault_is_caught_where_it_is_in_all_its_versions() -> None:
    seen = record(mac_not_checked=View.THIRD_PARTY)
    seen.found["mac-not-checked", 2] = Sighting("mac-not-checked", 2, View.LOCKSTEP, "differential.x")
    assert seen.view("mac-not-checked") is View.LOCKSTEP
    missed, _ = seen.gaps().values()
    assert [line.partition(":")[0] for line in missed] == ["mac-not-checked"]
    del seen.found["mac-not-checked", 2]
    assert seen.view("mac-not-checked") is None
    assert seen.wanted == [("mac-not-checked", 2)]
    assert list(seen.gaps().values()) == [[], []], "what is not known yet is no gap"


def test_a_fault_that_is_caught_needs_no_reason() -> None:
    missed, needless = record(ssid_kept_after_end=View.THIRD_PARTY).gaps().values()
    assert (missed, needless) == ([], ["ssid-kept-after-end"])


def test_another_answer_to_a_question_is_all_that_some_faults_show() -> None:
    load()
    seen = look(faults()["unknown-flags-refused"], 3, ())
    assert (seen.view, seen.check, seen.reading) == (View.THIRD_PARTY, "", "DATA-FLAG-UNKNOWN:reject")


def test_a_lean_target_shows_nothing_but_messages_and_events() -> None:
    target = LeanTarget("lean", engine("mac-not-checked"))
    party = Context(target, 3, b"seed").target_session().world.parties["target"]
    assert not {"dump", "lockstep"} & target.capabilities
    assert not [name for name in ("inspect", "secrets", "snapshot") if hasattr(party, name)]
    with pytest.raises(TargetUnsupported):
        party.dump()  # type: ignore[attr-defined]
    assert LeanTarget("showing", engine("mac-not-checked"), SHOWS).capabilities >= SHOWS


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("trailing-bytes-crash", TargetCrash),
        pytest.param("truncated-tlv-loops", TargetHang, marks=pytest.mark.slow),  # it hangs until the time limit
    ],
)
def test_a_lean_target_that_breaks_down_is_to_blame(fault: str, error: type[Exception]) -> None:
    load()
    found = look(faults()[fault], 3, ())
    assert found.view is View.THIRD_PARTY
    assert found.check.startswith({TargetCrash: "crash.", TargetHang: "hang."}[error])


def test_what_was_seen_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    assert sightings_file.read(path) == []
    seen = [Sighting("mac-not-checked", 3, View.DUMP, "a", "b"), Sighting("mac-not-checked", 2, None)]
    sightings_file.write(path, seen)
    assert sightings_file.read(path) == seen


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is no file of sightings"),
        ("[]", "is no file of sightings"),
        ('{"sources": "", "sightings": [{}]}', "is no file of sightings"),
        ('{"sources": "", "sightings": []}', "is of other sources"),
    ],
)
def test_a_file_that_can_not_be_gone_on_with_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "seen.json"
    path.write_text(content)
    with pytest.raises(sightings_file.SightingsFileError, match=message):
        sightings_file.read(path)


def test_judging_goes_on_where_it_was_interrupted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "seen.json"
    words = ["faults", "--score", "--third-party", "--only", "extra-key", "--jobs", "1", "--json", "--state", str(path)]
    assert cli.main(words) == CONFORMS
    whole = json.loads(capsys.readouterr().out)
    kept = json.loads(path.read_text())
    assert len(kept["sightings"]) == whole["judged"] > 1
    path.write_text(json.dumps(kept | {"sightings": [kept["sightings"][0] | {"scenario": "taken from the file"}]}))
    assert cli.main(words) == CONFORMS
    again = json.loads(capsys.readouterr().out)
    assert (again["judged"], again["caught"]) == (whole["judged"], whole["caught"])
    assert [one["scenario"] for one in again["faults"]].count("taken from the file") == 1
    assert len(json.loads(path.read_text())["sightings"]) == whole["judged"]


def test_what_was_seen_before_an_interruption_is_kept(tmp_path: Path) -> None:
    path, seen = tmp_path / "seen.json", record(mac_not_checked=View.THIRD_PARTY)
    one = seen.found["mac-not-checked", 2]

    def stream() -> Iterator[Sighting]:
        yield one
        raise KeyboardInterrupt

    assert report.collect_sightings(seen, sightings_file.kept(path, {("mac-not-checked", 2): one}, stream())) == (
        Ending.INTERRUPTED
    )
    assert sightings_file.read(path) == [one]


def test_a_fault_that_is_missed_is_told() -> None:
    seen = record(mac_not_checked=View.LOCKSTEP)
    missed, _ = seen.gaps().values()
    assert missed == [f"mac-not-checked: {faults()['mac-not-checked'].summary}"]
    assert seen.as_json()["caught"] == {"third party": 0, "with dump": 0, "in lockstep": 1}
