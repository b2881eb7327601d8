"""Hostile text in every field of every artefact; each artefact is compiled, parsed, opened, or looked at.

The text comes from a driver, from the command line and from names in files. It is also passed directly to the functions
that write artefacts, including text that the border would have changed.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Generator, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, cast

import pytest

from otterproof.harness.runs import deviations
from otterproof.harness.runs.cell import Cell
from otterproof.harness.runs.deviations import Known
from otterproof.harness.runs.events import CauseFound, Event, ScenarioFinished
from otterproof.harness.runs.fuzz.behaviour import Area
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.campaign import Campaign, opened
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import Failure
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.reproduce import as_test, docstring
from otterproof.harness.runs.fuzz.state import Finding, FindingStage, State, as_json
from otterproof.harness.runs.fuzz.store import read_state
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.moves import Deliver, User
from otterproof.harness.simulation.transcript import Header, PartyInfo, TranscriptWriter, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.support.printable import printable
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import Listing, open_target
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from otterproof.harness.ui import cli, json_report, terminal
from otterproof.harness.ui.commands import vectors as commands
from otterproof.harness.ui.fuzz_progress import Meter, show_campaign
from otterproof.harness.ui.fuzz_summary import campaign_summary
from otterproof.harness.ui.judgement import print_summary
from otterproof.harness.ui.run_view import follow_run
from otterproof.harness.vectorgen.records import vector_failures
from otterproof.harness.vectorgen.verify import Report
from otterproof.harness.vectorgen.wrong import Wrong
from otterproof.implementations.contract import PartyConfig
from tests.hostile.campaign_database import store
from tests.hostile.driver import VARIABLE
from tests.hostile.texts import EVERYTHING, TEXTS, screen
from tests.judged import judged
from tests.matrix_pages import matrix_pages

DRIVER = Path(__file__).with_name("driver.py")

load()

#: A scenario in which the target receives a message first.
SCENARIO: Scenario = next(iter(scenarios("conformance.interop.handshake_asked_by_peer[v3]")))

PLACES = {"error": Verdict.CRASH, "member": Verdict.DESYNC, "stderr": Verdict.CRASH, "events": Verdict.FAIL}

each = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def hostile(place: str) -> str:
    """A target that reports hostile text, with hostile words in its command."""
    words = shlex.quote(EVERYTHING.replace("\0", ""))
    return f"exec:{sys.executable} {DRIVER} hello,{place} {words}"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, json.dumps(EVERYTHING))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def result_with(text: str, folder: Path) -> Result:
    return Result(SCENARIO.id, (), Verdict.FAIL, text, 1, 0.0, "made.up", (str(folder / "x.jsonl"),))


# ---- what is written, opened again


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.shown = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))
        for name, value in attrs:
            assert name != "href" or re.fullmatch(r"(\.\./)?[A-Za-z0-9./-]+\.html", str(value)), value

    def handle_data(self, data: str) -> None:
        self.shown += data


def check_page(names: list[str], results: tuple[Result, ...], folder: Path) -> str:
    """The text of a matrix page, which must have the same elements as one with harmless text."""
    cells = [Cell(left, names[-1], 3, results) for left in names]
    harmless = [Cell(left, "b", 3, (result_with("x", folder),)) for left in ("a", "b")]
    foreign = {"missing": "x"}
    expected = set().union(*(Page(text).elements for text in matrix_pages(harmless, folder, missing=foreign).values()))
    pages = [
        Page(text) for text in matrix_pages(cells, folder / "foreign", missing=dict.fromkeys(names, names[0])).values()
    ]
    assert set().union(*(page.elements for page in pages)) <= expected
    return "".join(page.shown for page in pages)


def check_python(source: str) -> str:
    """The docstring of a generated test, which must contain only the expected statements and names."""
    compile(source, "test", "exec")
    first, *imports, function = ast.parse(source.encode()).body
    assert isinstance(first, ast.Expr)
    assert isinstance(first.value, ast.Constant)
    assert all(isinstance(one, ast.ImportFrom) for one in imports)
    assert isinstance(function, ast.FunctionDef)
    (block,) = function.body
    assert isinstance(block, ast.With)
    assert all(isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) for one in block.body)
    called = {ast.unparse(one.func) for one in ast.walk(function) if isinstance(one, ast.Call)}
    imported = {alias.name for one in imports if isinstance(one, ast.ImportFrom) for alias in one.names}
    assert {one for one in called if not one.startswith("moves.")} <= imported | {"case.run", "case.finish"}
    assert {one.id for one in ast.walk(function) if isinstance(one, ast.Name)} <= imported | {"case"}
    text = first.value.value
    assert isinstance(text, str)
    return text


def check_known(result: Result, path: Path) -> None:
    """--fix writes an entry for a result, and the entry explains it."""
    path.write_text("")
    deviations.fix(path, [result])
    (table,) = tomllib.loads(path.read_text())["deviation"]
    assert table.keys() == {"scenario", "check", "reason"}
    assert not deviations.Known(deviations.load(path, [SCENARIO.id], [])).stale([result])


@each
def test_a_docstring_holds_any_text(text: str) -> None:
    (statement,) = ast.parse(docstring(text)).body
    assert ast.get_docstring(ast.Module([statement], []), clean=False) == f"{printable(text, lines=True)}\n"


@each
def test_a_generated_test_is_the_program_and_nothing_else(text: str) -> None:
    failure = Failure("bounds", Verdict.FAIL, Bucket(text), text, False, 1)
    sent = User("alice", "send", {"text": text.encode("latin-1", "replace"), "padding": None})
    named = EngineTarget("reference")
    named.name = text
    program = Program(Setup(target=named, oracles=(text,)), (sent, Deliver("bob")))
    written = as_test(
        "bounds-breaks-down", program, failure, f"Found by `otterproof fuzz` in {text} {text}, seed {text!r}."
    )
    assert printable(text, lines=True) in check_python(written)


@each
def test_a_page_of_the_matrix_has_no_element_of_theirs(text: str, tmp_path: Path) -> None:
    shown = check_page([text, "reference"], (result_with(text, tmp_path),), tmp_path)
    assert printable(text, lines=True) in shown


@each
def test_json_and_transcripts_hold_any_text(text: str, tmp_path: Path) -> None:
    content = json_report.as_json(judged([result_with(text, tmp_path)], text, text, text))
    assert json.loads(json.dumps(content))["scenarios"][0]["detail"] == text
    parties = {"target": PartyInfo(text, PartyConfig(published_key("alice")))}
    name = text[:1000]  # the schema refuses longer ones
    with TranscriptWriter.create(tmp_path / "t.jsonl", Header(b"", parties, name, name)) as writer:
        writer.step(0, "target", "send", {"text": b"x"}, (), failure=text)
        writer.verdict(Verdict.FAIL, text)
    assert len((tmp_path / "t.jsonl").read_text().splitlines()) == 3
    transcript = read_transcript(tmp_path / "t.jsonl")
    assert (transcript.header.profile, transcript.header.tool, transcript.detail) == (name, name, text)


@each
def test_a_file_of_known_deviations_holds_any_text(text: str, tmp_path: Path) -> None:
    check_known(result_with(printable(text, lines=True), tmp_path), tmp_path / "known.toml")


# ---- what is shown


def iterate(events: list[Event]) -> Generator[Event, None, None]:
    yield from events


@pytest.mark.parametrize("tty", [False, True])
@each
def test_reports_show_any_text(text: str, tty: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    result = Result(SCENARIO.id, (), Verdict.FAIL, text, 1, 0.0, text, (text,))
    known = Result(SCENARIO.id, (), Verdict.FAIL, text, 1, 0.0, known=text, readings={})
    entry = deviations.Deviation("scenario", text, text, text, None, 1)
    folder = tmp_path / text.replace("\0", "")[:50]
    program = Program(Setup(), ())
    bucket = Bucket(text, text, text, text, text)
    finding = Finding(text, FindingStage.CONFIRMED, text, Verdict.FAIL, bucket, text, False, 1, program, others=(text,))
    state = State(findings=(finding,), seen={(Area.CELL, text): 0}, known={text: 1})
    campaign = Campaign(text, text, folder, cast(Any, None), state)
    cell = Cell(text, text, 3, (result,))
    with screen(monkeypatch, tty) as shown:
        stale = deviations.Known([entry]).stale([known])
        over = judged([result, known], text, text, text, stale, [SCENARIO])
        told: list[Event] = [over.started, ScenarioFinished(result, 1, 1), *map(CauseFound, over.causes), over.finished]
        print_summary(follow_run(iterate(told)))
        terminal.targets([Listing(text, text, True, (text,), ""), Listing(text, text, False, (), text)])
        terminal.collect_cells(iter([cell]), 1)
        terminal.matrix([cell], [text])
        campaign_summary(campaign, Known(), Meter(campaign))
        seen = "".join(shown().split())
        assert "".join(printable(text, lines=True).split())[:15] in seen


@pytest.mark.parametrize("tty", [False, True])
@each
def test_vectors_verify_shows_any_text(text: str, tty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Report(text, text)
    told.kinds[text].failures[text] = Wrong(text, text, text, text)
    told.kinds[text].skipped[text] += 1
    told.readings[text][text].append(text)
    with screen(monkeypatch, tty):
        commands._show(told, vector_failures(told, {}, Known()))


def refused(words: list[str]) -> object:
    """The exit code of a command line that the parser or the command refuses."""
    try:
        return cli.main(words)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize("tty", [False, True])
@each
def test_usage_errors_show_any_text(text: str, tty: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with screen(monkeypatch, tty):
        for words in (["check", text], ["targets", text], ["check", "reference", f"--{text}"]):
            assert refused(words) == 2


# ---- what a driver says, from its line to every artefact


@pytest.mark.parametrize(("place", "verdict"), PLACES.items(), ids=PLACES)
def test_what_a_driver_says(place: str, verdict: Verdict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "\x1b[2J\n\u202e"
    target = open_target(hostile(place))
    try:
        result = run(SCENARIO, target, b"", folder, keep=True)
    finally:
        target.close()
    assert result.verdict is verdict
    assert target.version.isprintable()
    assert printable(result.detail, lines=True) == result.detail
    assert read_transcript(Path(result.transcripts[0])).detail == result.detail
    check_page([target.name, "reference"], (result,), folder)
    check_known(result, tmp_path / "known.toml")
    json.loads(json.dumps(json_report.as_json(judged([result], target.name, target.version))))
    for tty in (False, True):
        with screen(monkeypatch, tty):
            print_summary(judged([result], target.name, chosen=[SCENARIO]))
            assert cli.main(["replay", result.transcripts[0], "--target", "reference"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", ["error", "member"])
def test_what_a_driver_says_to_a_campaign(place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with opened(hostile(place), EVERYTHING, tmp_path) as campaign, screen(monkeypatch, tty=True):
        campaign.attempts = 1
        meter = Meter(campaign)
        show_campaign(campaign, 1, 1, None, None, meter)
        campaign_summary(campaign, Known(), meter)
        assert campaign.version.isprintable()
    findings = read_state(tmp_path, hostile(place), EVERYTHING).findings
    written = [check_python((tmp_path / one.test).read_text()) for one in findings if one.test]
    assert written
    assert all("Found by `otterproof fuzz` in exec:" in one for one in written)


# ---- what a file says


def commands_on_files(folder: Path) -> Iterator[tuple[list[str], str]]:
    """A command line, the name of the file it reads, and the file's content."""
    for key in ("\x1b]0;owned\x07", "a\nb\u202e"):
        quoted = json.dumps(key)
        yield ["check", "reference", "--known"], f"{quoted} = 1\n"
        yield ["check", "reference", "--known"], f"deviation = [{{{quoted} = 1, scenario = {quoted}}}]\n"
        entry = f"scenario = {quoted}\nmessage = {quoted}\nreason = {quoted}"
        yield ["check", "reference", "--known"], f"[[deviation]]\n{entry}\n"
        yield ["replay"], json.dumps({"format": key})
        yield ["replay"], json.dumps({"format": "otterproof-transcript", "version": key, "tool": key})
        yield ["replay"], transcript_with(key, folder)
        yield ["vectors", "add", "--name", "x", "--comment", "x", "--requirement", "x"], transcript_with(key, folder)


def transcript_with(text: str, folder: Path) -> str:
    """A transcript with a text in every place where its header and its verdict can hold one."""
    header = Header(b"", {"target": PartyInfo(text, PartyConfig(published_key("alice")))}, text, text)
    with TranscriptWriter.create(folder / "made.jsonl", header) as writer:
        writer.verdict(Verdict.FAIL, text)
    return (folder / "made.jsonl").read_text()


def test_what_files_say_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for number, (arguments, content) in enumerate(commands_on_files(tmp_path)):
        path = tmp_path / f"{number}\x1b[2J\n"
        path.write_text(content)
        with screen(monkeypatch, tty=True) as shown:
            assert cli.main([*arguments, str(path)]) in (2, 3)
            assert shown()


def test_what_a_campaign_says_is_shown_as_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    store(tmp_path, as_json(State(), EVERYTHING[:1000], EVERYTHING[:1000], EVERYTHING[:1000]))
    with screen(monkeypatch, tty=True):
        assert cli.main(["fuzz", "reference", "--out", str(tmp_path)]) == 2
