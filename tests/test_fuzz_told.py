"""What a campaign tells: while it runs, when it goes on, in its summary and in its result in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.fuzz.behaviour import Area, cells
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import Campaign, opened
from otterproof.harness.runs.fuzz.events import Examined, OtherVersion, ProgramRun
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.identity import seed_with
from otterproof.harness.runs.fuzz.state import CampaignError, FindingStage
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.ui import cli
from otterproof.harness.ui.fuzz_progress import Meter, show_campaign
from otterproof.harness.ui.fuzz_summary import campaign_summary
from otterproof.harness.ui.progress import Tracker
from tests.hostile.interruptions import SEED, TARGET, Workshop
from tests.test_command_line import documented

COMMAND = ["fuzz", TARGET, "--seed", SEED, "--jobs", "1", "--known", "none"]

#: A check of an oracle whose requirement is advice, and one whose requirement is a recommendation.
ADVICE, SHOULD = "bounds.too-many-answers", "data.flags-not-zero"


@pytest.fixture
def workshop(monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(monkeypatch)


def failing(workshop: Workshop, check: str) -> None:
    """From now on, all programs fail by this check."""
    workshop.attempt = lambda *_, **__: Failure("bounds", Verdict.FAIL, Bucket(check), "wrong", False, 1)


# ---- while it runs


def test_cells_are_counted_as_in_the_summary(workshop: Workshop, tmp_path: Path) -> None:
    """A target also shows cells that are not in the state tables."""
    with opened(TARGET, SEED, tmp_path) as campaign:
        known = dict.fromkeys(((Area.CELL, name) for name in sorted(cells())[:5]), 0)
        campaign.state = replace(campaign.state, seen={**known, (Area.CELL, "plaintext/none: set_time"): 0})
        assert f", 5 of {len(cells())} cells, " in Meter(campaign).words()


def test_findings_of_earlier_runs_are_counted_unless_they_are_fixed(workshop: Workshop, tmp_path: Path) -> None:
    found = workshop.run(tmp_path, 2).findings
    assert found
    with opened(TARGET, SEED, tmp_path) as campaign:
        meter = Meter(campaign)
        assert meter.words().startswith(f"{len(found)} found, ")
        fixed = [replace(one, stage=FindingStage.FIXED) for one in found[1:]]
        campaign.state = replace(campaign.state, findings=(found[0], *fixed))
        assert meter.words().startswith("1 found, ")


def test_what_is_known_stays_on_display_while_a_failure_is_shrunk(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shown: list[Mapping[str, Any]] = []
    events: list[object] = []
    took = Meter.take

    def take(meter: Meter, event: Any) -> None:
        events.append(event)
        took(meter, event)

    monkeypatch.setattr(Meter, "take", take)
    monkeypatch.setattr(Tracker, "update", lambda _, *__, **options: shown.append(options))
    with opened(TARGET, SEED, tmp_path) as campaign:
        campaign.attempts = 12
        show_campaign(campaign, 4, 1, None, None, Meter(campaign))
    assert {type(one) for one in events} >= {Examined, ProgramRun}
    for event, options in zip(events, shown, strict=True):
        shrinks = isinstance(event, Examined)
        assert re.match(r"\d+ found, [\d.]+/s, \d+ programs?, \d+ of \d+ cells, ", options["more"])
        assert ("ago" in options["more"]) is not shrinks, "it would soon be wrong"
        assert options["now"] == (f"shrinking {event.finding.check}" if isinstance(event, Examined) else "")


# ---- how it ends, and goes on


def test_an_interrupted_campaign_says_how_it_goes_on(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    workshop.attempt = interrupt
    assert cli.main([*COMMAND, "--examples", "9", "--out", str(tmp_path)]) == 130
    assert "otterproof: interrupted; --resume goes on with the next program\n" in capsys.readouterr().err


def _of_another_version(campaign: Campaign) -> Campaign:
    campaign.store.save(campaign.state, "an earlier version")
    return campaign


def test_another_version_of_the_target_is_told_before_anything_else(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workshop.run(tmp_path, 2)
    with opened(TARGET, SEED, tmp_path) as campaign:
        _of_another_version(campaign)
    with opened(TARGET, SEED, tmp_path) as campaign:
        run = campaign.run(1, 1)
        first = next(run)
        assert first == OtherVersion("an earlier version", campaign.version)
        run.close()
        _of_another_version(campaign)
    assert cli.main([*COMMAND, "--examples", "1", "--out", str(tmp_path), "--resume"]) == 1
    told = capsys.readouterr().err
    assert told.count("the target was an earlier version when the campaign last ran, and is ") == 1
    assert told.index("the target was an earlier version") < told.index("still fail")


@pytest.mark.parametrize(
    ("stored", "wanted", "told"),
    [
        ("s+" + "a" * 16, "s", "seed 's', begun with a corpus; give that corpus again with --corpus, or name another"),
        ("s", "s+" + "a" * 16, "seed 's', begun without a corpus; leave --corpus out, or name another"),
        (
            "s+" + "a" * 16,
            "s+" + "b" * 16,
            "seed 's', begun with another corpus; give that corpus again with --corpus, or name another",
        ),
        ("s+" + "a" * 16, "t+" + "a" * 16, "seed 's'; name another"),
        ("s", "t", "seed 's'; name another"),
        ("s", "t+" + "a" * 16, "seed 's', begun without a corpus; name another"),
    ],
)
def test_a_campaign_of_another_corpus_says_so(
    stored: str, wanted: str, told: str, workshop: Workshop, tmp_path: Path
) -> None:
    with opened(TARGET, stored, tmp_path) as campaign:
        list(campaign.run(1, 1))
    with pytest.raises(CampaignError, match=re.escape(told)), opened(TARGET, wanted, tmp_path):
        pass


def test_the_seed_of_a_corpus_has_its_digest() -> None:
    assert seed_with("s", "a" * 16) == "s+" + "a" * 16


# ---- the summary, and the result in JSON


@pytest.mark.parametrize(
    ("check", "strict", "counts"),
    [(ADVICE, False, False), (ADVICE, True, False), (SHOULD, False, False), (SHOULD, True, True)],
)
def test_what_does_not_count_for_the_exit_code_is_told(
    check: str, strict: bool, counts: bool, workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(workshop, check)
    out, result = tmp_path / "out", tmp_path / "result.json"
    words = [*COMMAND, "--examples", "1", "--out", str(out), "--json", str(result), *(["--strict"] if strict else [])]
    assert cli.main(words) == (1 if counts else 0)
    told = capsys.readouterr()
    assert ("1 found (1 does not count for the exit code); " in told.out) is not counts
    level = "advice" if check == ADVICE else "should"
    assert (f"  {level} (does not count for the exit code)" in told.out) is not counts
    assert f"fail ({level}) {check}, " in told.err
    (finding,) = json.loads(result.read_text())["findings"]
    assert finding["counts"] is counts


def test_every_finding_of_a_list_has_its_folder_and_its_programs(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("otterproof.harness.ui.fuzz_summary.TOLD", 0)
    workshop.run(tmp_path, 4)
    with opened(TARGET, SEED, tmp_path) as campaign:
        first, *others = campaign.findings
        findings = (replace(first, stage=FindingStage.FLAKY, confirmed=2, runs=10), *others)
        campaign.state = replace(campaign.state, findings=findings)
        campaign_summary(campaign, Known(), Meter(campaign))
    shown = capsys.readouterr().out
    assert "only sometimes:\n  2 of 10 runs, " in shown
    assert "other findings:\n" in shown
    for one in findings:
        programs = "1 program" if one.examples == 1 else f"{one.examples} programs"
        assert f"\n    {programs}; {tmp_path / one.name}\n" in shown


def test_the_result_has_what_its_page_says(workshop: Workshop, tmp_path: Path) -> None:
    out, file = tmp_path / "out", tmp_path / "result.json"
    assert cli.main([*COMMAND, "--examples", "2", "--out", str(out), "--json", str(file)]) == 1
    result = json.loads(file.read_text())
    assert set(result) - {"command", "tool"} <= documented("fuzz")
    assert result["seconds"] > 0
    assert result["findings"]
    for one in result["findings"]:
        assert set(one) <= documented("fuzz")
        assert one["report"] == f"{one['name']}/report.html"
        assert (out / one["report"]).is_file()
        assert one["repro"] == "", "an engine has no script"
