"""Reports: the content of a card, JUnit and SARIF that agree, and sites that are complete and escape any text."""

from __future__ import annotations

import json
import shlex
from copy import deepcopy
from dataclasses import replace
from datetime import date
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from jsonschema import Draft202012Validator
from junitparser import JUnitXml

from otterproof.harness.runs.events import AlphabetExplored, Ending
from otterproof.harness.runs.explore.certificate import Certificate
from otterproof.harness.runs.explore.found import Found
from otterproof.harness.runs.explore.solo import Counterexample
from otterproof.harness.runs.failure import Failure
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.checks import checks, level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.json_report import as_json
from otterproof.harness.ui.reports.card import SCHEMA, card_of, conclusion, read_card
from otterproof.harness.ui.reports.comparison import as_markdown, as_text, compare
from otterproof.harness.ui.reports.files import CardError
from otterproof.harness.ui.reports.junit import as_junit
from otterproof.harness.ui.reports.sarif import as_sarif
from otterproof.harness.ui.reports.writing import write_reports
from otterproof.harness.ui.site.names import page_name
from otterproof.harness.ui.site.pages import SIGNS, Report, write_site
from tests.hostile.texts import EVERYTHING
from tests.judged import judged

load()
COMMAND = ["otterproof", "check", "fault:counter-starts-at-0"]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Result]]:
    """A report on a run with failures, and the results of the run."""
    folder = tmp_path_factory.mktemp("report")
    target = open_target("fault:counter-starts-at-0")
    chosen = [one for text in ("data_counters.counter_0", "unknown_versions_are_skipped") for one in scenarios(text)]
    results = [run(one, target, b"seed", folder / "transcripts") for one in chosen]
    results.append(Result("made.up[v3]", ("DATA-CTR-1",), Verdict.FAIL, "known", 1, 0.0, "made.up", known="It is so."))
    results.append(Result("made.too[v3]", ("DATA-CTR-3",), Verdict.UNSUPPORTED, "it can't", 0, 0.0))
    write_reports(judged(results, "mylib", "1.2", chosen=chosen), COMMAND, folder)
    return folder, results


def test_the_card_fits_its_schema_and_has_every_result(told: tuple[Path, list[Result]]) -> None:
    folder, results = told
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))
    card = read_card(folder / "otr-card.json")
    assert [one["id"] for one in card["scenarios"]] == sorted(result.scenario for result in results)
    assert card["requirements"]["DATA-CTR-2"] == {"level": "must", "verdict": "fail"}
    assert card["requirements"]["DATA-CTR-1"]["verdict"] == "known"
    assert [cause["check"] for cause in card["causes"]] == ["form.counter-zero"]
    assert all((folder / path).is_file() for one in card["scenarios"] for path in one["transcripts"])
    assert conclusion(card) == "does not conform"


def test_junit_says_the_same(told: tuple[Path, list[Result]]) -> None:
    folder, results = told
    xml = JUnitXml.fromfile(str(folder / "junit.xml"))
    assert (xml.tests, xml.failures, xml.skipped) == (len(results), 2, 2)
    (failing,) = {case.classname for suite in xml for case in suite if case.is_failure}
    assert failing == "otterproof.conformance.data_counters"


def test_sarif_says_the_same(told: tuple[Path, list[Result]]) -> None:
    content = json.loads((told[0] / "results.sarif").read_text())
    (whole,) = content["runs"]
    (result,) = whole["results"]
    rule = whole["tool"]["driver"]["rules"][result["ruleIndex"]]
    assert content["version"] == "2.1.0"
    assert rule["id"] == result["ruleId"] == "form.counter-zero"
    assert result["level"] == "error"
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert not set(uri) & set("[] "), "these can't stand in a URI"
    assert (told[0] / unquote(uri)).is_file()


class Page(HTMLParser):
    """The links and elements of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.events: list[str] = []
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]
        self.events += [name for name, _ in attrs if name.startswith("on")]


def test_a_site_is_whole(told: tuple[Path, list[Result]]) -> None:
    site = told[0] / "site"
    pages = list(site.rglob("*.html"))
    assert len(pages) > 5
    reached = {site / "index.html"}
    for path in pages:
        page = Page(path)
        assert not page.events
        for link in page.links:
            there = (path.parent / link).resolve()
            assert there.is_file(), f"{path}: {link}"
            reached.add(there)
    assert reached == {path.resolve() for path in pages}, "every page is reached from another one"
    failure = (site / "failures" / "0-form.counter-zero.html").read_text()
    assert "<svg" in failure
    assert "--only &#39;conformance.data_counters.counter_0[v" in failure or "--only 'conformance" in failure


def test_every_verdict_has_a_sign_of_its_own() -> None:
    assert len({sign for sign, _ in SIGNS.values()}) == len(SIGNS)
    assert {one.value for one in Verdict} < SIGNS.keys()


def test_a_site_holds_any_text_as_text(tmp_path: Path) -> None:
    result = Result("made.up[v3]", (EVERYTHING, "DATA-CTR-1"), Verdict.FAIL, EVERYTHING, 1, 0.0, EVERYTHING)
    card = card_of(judged([result], EVERYTHING, EVERYTHING, EVERYTHING), [EVERYTHING], date(2026, 1, 1), tmp_path)
    (tmp_path / "otr-card.json").write_text(json.dumps(card))
    write_site([Report(read_card(tmp_path / "otr-card.json"), tmp_path)], tmp_path / "site")
    for path in (tmp_path / "site").rglob("*.html"):
        text = path.read_text()
        assert text.count("<script") == 1
        assert "\x1b" not in text
        assert not Page(path).events
    assert JUnitXml.fromstring(as_junit(card)).tests == 1
    json.dumps(as_sarif(card))


def test_names_of_pages_are_harmless() -> None:
    assert page_name("DATA-CTR-1") == "DATA-CTR-1"
    for text in ("../../etc/passwd", "a/b", "..", "", "x" * 300, "a b", "a\0b"):
        name = page_name(text)
        assert not set(name) & set("/\\\0 ")
        assert not name.startswith(".")
        assert len(name) < 100
    assert page_name("a b") != page_name("a-b")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: card.pop("seed"), "'seed' is a required property"),
        (lambda card: card.update(more=1), "'more' was unexpected"),
        (lambda card: card.update(certificates=[{"alphabet": "handshake"}]), "'target' is a required property"),
        (lambda card: card["scenarios"][0].update(transcripts=["../../secret"]), "scenarios[0].transcripts"),
        (lambda card: card["scenarios"][0].update(transcripts=["/etc/passwd"]), "scenarios[0].transcripts"),
        (lambda card: card["scenarios"][0].update(transcripts=["a\n/../b"]), "scenarios[0].transcripts"),
    ],
)
def test_a_card_that_is_none(change: Any, says: str, told: tuple[Path, list[Result]], tmp_path: Path) -> None:
    card = json.loads((told[0] / "otr-card.json").read_text())
    change(card)
    (tmp_path / "otr-card.json").write_text(json.dumps(card))
    with pytest.raises(CardError) as caught:
        read_card(tmp_path / "otr-card.json")
    assert says in str(caught.value)
    assert cli.main(["report", str(tmp_path), "--out", str(tmp_path / "site")]) == 2


def test_several_runs_make_one_site(told: tuple[Path, list[Result]], tmp_path: Path) -> None:
    assert cli.main(["report", str(told[0]), str(told[0]), "--out", str(tmp_path / "site")]) == 0
    assert (tmp_path / "site" / "index.html").read_text().count("mylib 1.2") == 2
    second = Page(next((tmp_path / "site" / "targets").glob("1-*.html")))
    assert {link.rpartition("/")[2][0] for link in second.links if "/failures/" in link or "/cells/" in link} == {"1"}
    assert cli.main(["report", str(tmp_path / "nowhere"), "--out", str(tmp_path / "site")]) == 2


def test_nothing_in_a_card_is_markdown(told: tuple[Path, list[Result]]) -> None:
    text = "`x` | <img src=x> [a](http://b)\n\n# @everyone"
    before = read_card(told[0] / "otr-card.json")
    after = deepcopy(before)
    after["target"]["version"] = after["scenarios"][0]["check"] = text
    shown = as_markdown(compare(before, after))
    assert "# @everyone" in shown
    for line in shown.splitlines():
        assert not line.startswith("#")
        outside = "".join(line.split("`")[::2])
        assert not set(outside) & set("<[@#"), outside
        assert line.replace("\\|", "").count("|") in (0, 6)


CELL = "v2 plaintext/none: plaintext"


def results_with(**changes: Any) -> list[Result]:
    """A passing result, and one with these changes."""
    passed = Result("made.up[v3]", (), Verdict.PASS, "", 1, 0.0)
    return [passed, replace(passed, scenario="made.too[v3]", **changes)]


@pytest.mark.parametrize(
    ("results", "ending", "says"),
    [
        (results_with(), Ending.COMPLETE, "conforms"),
        (
            results_with(verdict=Verdict.FAIL, known="It is so."),
            Ending.COMPLETE,
            "conforms except for known deviations",
        ),
        (results_with(verdict=Verdict.CRASH), Ending.INTERRUPTED, "does not conform"),
        (results_with(), Ending.INTERRUPTED, "not judged by all scenarios"),
        (results_with(verdict=Verdict.INFRA), Ending.COMPLETE, "not judged by all scenarios"),
        ([replace(results_with()[0], verdict=Verdict.UNSUPPORTED)], Ending.COMPLETE, "not judged"),
        ([], Ending.INTERRUPTED, "not judged"),
    ],
)
def test_what_a_run_says_of_its_target(results: list[Result], ending: Ending, says: str, tmp_path: Path) -> None:
    over = judged(results)
    card = card_of(over._replace(finished=replace(over.finished, ending=ending)), COMMAND, date(2026, 1, 1), tmp_path)
    assert conclusion(card) == says


def test_a_strict_run_fails_for_what_is_recommended(tmp_path: Path) -> None:
    over = judged(results_with(verdict=Verdict.FAIL, failure=Failure("made.up", "It is wrong.", level=Level.SHOULD)))
    for least, says, failures in ((Level.MUST, "conforms", 0), (Level.SHOULD, "does not conform", 1)):
        strict = over._replace(started=replace(over.started, least=least))
        card = card_of(strict, COMMAND, date(2026, 1, 1), tmp_path)
        assert conclusion(card) == says
        assert JUnitXml.fromstring(as_junit(card)).failures == failures
        assert sum(one["counts"] for one in as_json(strict)["scenarios"]) == failures


def test_a_cell_whose_name_begins_with_that_of_another(tmp_path: Path) -> None:
    failing = Failure("made.up", f"It is wrong in {CELL} (require) and nowhere else.")
    over = judged(results_with(verdict=Verdict.FAIL, check="made.up", failure=failing, visited=(CELL,)))
    write_site([Report(card_of(over, COMMAND, date(2026, 1, 1), tmp_path), tmp_path)], tmp_path / "site")
    (page,) = (tmp_path / "site" / "cells").glob("*.html")
    assert page.read_text().count('aria-label="something failed there"') == 1


def test_commands_on_pages_can_be_copied(tmp_path: Path) -> None:
    command = ["otterproof", "check", "exec:python3 my driver.py"]
    over = judged(results_with(verdict=Verdict.HANG, failure=Failure("", "It does not answer.")))
    write_site([Report(card_of(over, command, date(2026, 1, 1), tmp_path), tmp_path)], tmp_path / "site")
    for path in ("failures", "targets"):
        (page,) = (tmp_path / "site" / path).glob("*.html")
        text = unescape(page.read_text())
        assert shlex.join(command) in text
        assert "otterproof explain" not in text, "there is no check to be explained"


def test_two_runs_are_compared(
    told: tuple[Path, list[Result]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, results = told
    better = [one if one.known else Result(one.scenario, one.requirements, Verdict.PASS, "", 1, 0.0) for one in results]
    write_reports(judged(better, "mylib", "1.3"), COMMAND, tmp_path)
    assert cli.main(["diff", str(folder), str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "better    conformance.data_counters.counter_0[v2]: fail: form.counter-zero -> pass" in out
    assert cli.main(["diff", str(tmp_path), str(folder / "otr-card.json"), "--markdown"]) == 1
    assert "**2 worse, 0 better" in capsys.readouterr().out
    same = read_card(folder / "otr-card.json")
    assert as_text(compare(same, same)).endswith("0 worse, 0 better, 0 other")
    assert "|---|" not in as_markdown(compare(same, same))


@pytest.mark.slow
def test_check_writes_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", COMMAND[2], "--only", "data_counters.counter_0", "--jobs", "1", "--report", str(tmp_path / "r")]
    assert cli.main(words) == 1
    assert "index.html" in capsys.readouterr().out
    card = read_card(tmp_path / "r" / "otr-card.json")
    assert card["command"] == [*COMMAND, "--only", "data_counters.counter_0"]
    assert card["target"]["randomness"] == "tape"


def test_a_report_has_its_own_transcripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--report", str(tmp_path / "r"), "--transcripts", str(tmp_path / "t")]
    assert cli.main(["check", "reference", "--only", "key_id_0_is_refused", *words]) == 2
    assert "leave --transcripts out" in capsys.readouterr().err


def test_a_report_takes_the_place_of_an_earlier_one(
    told: tuple[Path, list[Result]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its pages and transcripts are removed; files that belong to no report are not touched."""
    results = told[1]
    folder = tmp_path / "report"
    old = folder / "transcripts" / "2026-01-01-1" / "old.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text("")
    write_reports(judged(results, "mylib", "1.2"), COMMAND, folder)
    assert not old.parent.exists()
    before = {path.name for path in (folder / "site" / "targets").iterdir()}
    (folder / "notes.txt").write_text("mine")
    write_reports(judged(results[-1:], "mylib", "1.3"), COMMAND, folder)
    assert before.isdisjoint(path.name for path in (folder / "site" / "targets").iterdir())
    assert not list((folder / "site" / "failures").glob("*"))
    assert (folder / "notes.txt").read_text() == "mine"
    assert cli.main(["check", "reference", "--only", "key_id_0_is_refused", "--report", str(tmp_path)]) == 2
    assert "name a new folder with --report" in capsys.readouterr().err
    assert cli.main(["report", str(folder), "--out", str(tmp_path)]) == 2
    assert "is no site of Otterproof" in capsys.readouterr().err
    assert (folder / "otr-card.json").is_file()


def test_what_only_the_later_run_fails_is_worse(
    told: tuple[Path, list[Result]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, results = told
    write_reports(judged([one for one in results if one.verdict is not Verdict.FAIL], "mylib"), COMMAND, tmp_path / "a")
    assert cli.main(["diff", str(tmp_path / "a"), str(folder)]) == 1
    assert "conformance.data_counters.counter_0[v2]: not run -> fail: form.counter-zero" in capsys.readouterr().out
    assert cli.main(["diff", str(folder), str(tmp_path / "a")]) == 0


def test_runs_of_two_targets_are_compared_only_if_that_is_meant(
    told: tuple[Path, list[Result]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_reports(judged(told[1], "otherlib"), COMMAND, tmp_path / "other")
    words = ["diff", str(told[0]), str(tmp_path / "other")]
    assert cli.main(words) == 2
    assert "two targets, mylib and otherlib" in capsys.readouterr().err
    assert cli.main([*words, "--any-target", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["worse"] == []


def test_a_card_counts_all_that_explorations_found(tmp_path: Path) -> None:
    """Each by its level; recommendations only count if requested."""
    binding = next(name for name in checks() if level_of(name) is Level.MUST)
    lesser = next(name for name in checks() if level_of(name) is Level.SHOULD)
    for names, least, counts in (
        ((lesser,), Level.MUST, False),
        ((lesser,), Level.SHOULD, True),
        ((binding, lesser), Level.MUST, True),
    ):
        broken = [Counterexample(name, "", (), False) for name in names]
        certificate = Certificate("handshake", "reference", "1", depth=1, found=broken)
        program = Program(Setup(), ())
        found = tuple(
            Found("handshake", one, program, (), Failure(one.check, "", level=one.level), tmp_path, None)
            for one in broken
        )
        explored = (AlphabetExplored(certificate, found),)
        over = judged(results_with(verdict=Verdict.PASS))
        over = over._replace(
            started=replace(over.started, least=least), finished=replace(over.finished, explored=explored)
        )
        (told,) = card_of(over, COMMAND, date(2026, 1, 1), tmp_path)["certificates"]
        assert told["levels"] == {"must": len(names) - 1, "should": 1, "may": 0, "advice": 0}
        assert told["known"] == 0
        assert told["counts"] is counts
