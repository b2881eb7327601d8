"""The catalogue of faults: it is valid, every fault makes an engine, and every fault is noticed.

The last point is the most important: each fault is noticed by the scenario that its entry names, in each version named.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from otterproof.harness.runs.faults import trips as pairs
from otterproof.harness.runs.faults.detect import Notice, ScenarioTask, detections, notices
from otterproof.harness.runs.faults.score import KINDS, ScoreCard, claims
from otterproof.harness.runs.faults.trips import tripped_by_hint, tripped_checks, trips
from otterproof.harness.spec import requirements
from otterproof.harness.targets.faults import AREAS, FaultError, FaultTarget, UnknownFault, engine, faults
from otterproof.harness.targets.faults.entries import OBSERVERS, ORACLES, Edit, edited, engine_sources, parse
from otterproof.harness.targets.faults.loader import PREFIX, make_engine
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.implementations.contract import OutgoingMessage, PartyConfig, Policy
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine

#: Scenarios about drivers, which no fault of an engine can trip. tests/test_driver_liars.py has drivers that claim too
#: much, and tests/hostile/test_teardown.py has drivers that break at the end.
ABOUT_DRIVERS = ("conformance.claims.claimed_capabilities_work", "conformance.process.")

CONFIG = PartyConfig(published_key("alice"), Policy.ALLOW_V3, 0x1A1A)

SOURCES = {"a.py": "one\ntwo\ntwo\n"}
ENTRY = """\
[[fault]]
name = "a-fault"
summary = "What is wrong."
source = "unknown"
oracle = "authenticity"
requirement = "DATA-CTR-1"
observer = "honest"
versions = [2, 3]
hint = "differential.talk.losses"
edits = [{ file = "a.py", find = "one", replace = "1" }]
"""


def test_what_a_score_of_a_few_scenarios_has_found_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scenario may be tripped by a fault that was not scored; other entries stay, except those of removed faults."""
    load()
    scored, other, old = "conformance.data.key_id_0[v2]", "conformance.other[v2]", "conformance.old[v2]"
    one = next(one for one in scenarios("conformance.data"))
    monkeypatch.setattr(pairs, "TRIPS", tmp_path)
    monkeypatch.setattr(pairs, "catalogue_files", list)
    (tmp_path / "conformance.toml").write_text(f'"{other}" = "counter-constant"\n"{old}" = "no-such-fault"\n')
    with pytest.raises(FaultError, match="--score --write"):
        trips()
    notice = Notice(scored, "counter-starts-at-0", "it was noticed", 0, False, "form.counter-zero")
    (tmp_path / pairs.CHECKS).mkdir()
    for _ in range(2):
        pairs.write(ScoreCard({scored: one}, {}, notices=[notice]))
        assert trips() == {other: "counter-constant", scored: "counter-starts-at-0"}
        assert tripped_checks() == {"form.counter-zero": ("counter-starts-at-0", scored)}


def test_the_catalogue_reaches_everything() -> None:
    catalogue = faults().values()
    assert len(catalogue) >= 130
    assert {fault.oracle for fault in catalogue} == set(ORACLES)
    assert {fault.observer for fault in catalogue} == set(OBSERVERS)
    assert {fault.area for fault in catalogue} == set(AREAS)
    versions = Counter(fault.versions for fault in catalogue)
    assert all(versions[which] for which in ((2,), (3,), (2, 3))), f"too few of some versions: {versions}"
    numbers = [name for name in faults() if re.fullmatch(r"smp-(g2a|g3a|g2b|g3b|pb|qb|pa|qa|ra|rb)-range-.*", name)]
    assert len(numbers) == 10, "a fault for the range check of each group element of SMP"
    assert len([name for name in faults() if name.endswith("-proof-not-checked")]) == 8
    assert len([name for name in faults() if re.fullmatch(r"smp-hash-\d-taken-for-\d", name)]) == 8


def test_summaries_are_sentences_and_differ() -> None:
    summaries = Counter(fault.summary for fault in faults().values())
    twice = [summary for summary, count in summaries.items() if count > 1]
    assert not twice, f"two faults can't be told apart by their summary: {twice}"
    assert all(fault.summary.endswith(".") for fault in faults().values())


def test_requirements_are_in_the_table() -> None:
    known = requirements.load().requirements
    unknown = {fault.name: fault.breaks for fault in faults().values() if not {*fault.breaks} <= known.keys()}
    assert not unknown, f"no such requirements: {unknown}"


@pytest.mark.slow
def test_every_edit_changes_the_program() -> None:
    """Each edit matches once in the source (or the catalogue can't be read), and not in a comment."""
    genuine = {file: ast.dump(ast.parse(text)) for file, text in engine_sources().items()}
    for fault in faults().values():
        for file in {edit.file for edit in fault.edits}:
            changed = edited(engine_sources()[file], [edit for edit in fault.edits if edit.file == file], fault.name)
            assert ast.dump(ast.parse(changed)) != genuine[file], f"{fault.name} changes no code"


def test_no_two_faults_are_the_same() -> None:
    edits = Counter(frozenset(fault.edits) for fault in faults().values())
    assert [count for count in edits.values() if count > 1] == []


def test_edits_use_names_that_exist(tmp_path: Path) -> None:
    """An engine that fails with NameError is noticed, too, but that is not the fault that the entry describes."""
    sources = engine_sources()
    for name, fault in faults().items():
        for file in {edit.file for edit in fault.edits}:
            source = edited(sources[file], [edit for edit in fault.edits if edit.file == file], name)
            (tmp_path / f"{name}-{file.replace('/', '-')}").write_text(source, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select", "F821,F823", "."]
    checked = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_every_fault_makes_an_engine() -> None:
    for name in faults():
        made = engine(name)(CONFIG, SeededEntropy(b"x"))
        assert made.instance_tag >= 0x100, name
        assert type(made).__module__.startswith(PREFIX), name


def test_a_fault_leaves_the_genuine_engine_alone() -> None:
    before = ReferenceEngine(CONFIG, SeededEntropy(b"x")).start()
    finders = list(sys.meta_path)
    wrong = make_engine("test-query", [Edit("text.py", 'return b"?OTRv%s?"', 'return b"?OTRw%s?"')])
    assert sys.meta_path == finders
    assert wrong(CONFIG, SeededEntropy(b"x")).start() == [OutgoingMessage(b"?OTRw3?")]
    assert ReferenceEngine(CONFIG, SeededEntropy(b"x")).start() == before == [OutgoingMessage(b"?OTRv3?")]


def test_an_engine_is_made_once() -> None:
    name = next(iter(faults()))
    assert engine(name) is engine(name)


def test_an_unknown_fault_is_told_with_its_neighbours() -> None:
    with pytest.raises(UnknownFault, match="mac-not-checked"):
        engine("mac-not-check")
    with pytest.raises(UnknownFault, match="otterproof faults"):
        engine("qqqqqqqqqq")


def test_an_edit_that_is_no_python_is_told() -> None:
    with pytest.raises(FaultError, match=r"fault test-broken: .*SyntaxError.*correct the text in `replace`"):
        make_engine("test-broken", [Edit("text.py", "def allowed(", "def ")])
    assert not [name for name in sys.modules if name.startswith(PREFIX + "test_broken")]


def test_the_entry_of_these_tests_is_good() -> None:
    (fault,) = parse(ENTRY, "data.toml", SOURCES)
    assert (fault.area, fault.versions, fault.edits) == ("data", (2, 3), (Edit("a.py", "one", "1"),))
    assert edited("one\ntwo\n", fault.edits, "here") == "1\ntwo\n"


@pytest.mark.parametrize(
    ("find", "replace", "message"),
    [
        ('name = "a-fault"', 'name = "A fault"', "lower-case words"),
        ('name = "a-fault"\n', "", "'name' is missing"),
        ('name = "a-fault"', "name = 7", "name is 7; give a text"),
        ('"What is wrong."', '" "', "summary is ' '; give a text that is not empty"),
        ('oracle = "authenticity"', 'oracle = "I16"', "no oracle 'I16'; there are form, authenticity, "),
        ('"honest"', '"nobody"', "no observer 'nobody'; there are honest"),
        ("[2, 3]", "[3, 2]", r"versions is \[3, 2\]; give"),
        ("[2, 3]", "2", "versions is 2; give"),
        ("hint = ", "hint_ = ", "'hint' is missing"),
        ("hint = ", 'more = "x"\nhint = ', "unknown key 'more'"),
        ("hint = ", 'also = "DATA-CTR-1"\nhint = ', "also is 'DATA-CTR-1'; give a list"),
        ('file = "a.py"', 'file = "b.py"', "no file 'b.py'; it has a.py"),
        ('find = "one"', 'find = "three"', "stands 0 times in a.py.*copy the text from there again"),
        ('find = "one"', 'find = "two"', "stands 2 times in a.py.*take in more"),
        ('find = "one"', 'find = ""', "stands 0 times"),
        ('replace = "1"', 'replace = "one"', "replaces 'one' by itself"),
        ('replace = "1"', "replace = 1", "replace of an edit is 1; give a text"),
        (', replace = "1"', "", "an edit has file, find and replace, and nothing else"),
        ('edits = [{ file = "a.py", find = "one", replace = "1" }]', "edits = []", "edits is .*give a list"),
        ('replace = "1" }', 'replace = "1" }, { file = "a.py", find = "ne", replace = "x" }', "overlap"),
        ("[[fault]]", "[[fault]", "data.toml is not TOML"),
        ("[[fault]]", "[[mistake]]", "unknown key 'mistake'"),
    ],
)
def test_a_damaged_entry_is_told(find: str, replace: str, message: str) -> None:
    assert ENTRY.count(find) == 1
    with pytest.raises(FaultError, match=message):
        list(parse(ENTRY.replace(find, replace), "data.toml", SOURCES))


def test_an_empty_file_is_told() -> None:
    with pytest.raises(FaultError, match="no entries"):
        list(parse("", "data.toml", SOURCES))


def test_every_fault_names_a_scenario_that_claims_what_it_breaks() -> None:
    load()
    table = {one.id: one for one in scenarios()}
    wrong = [
        f"{fault.name} breaks {fault.requirement}, and {fault.hint} does not claim it"
        for fault in faults().values()
        if not all(claims(table[f"{fault.hint}[v{version}]"], fault) for version in fault.versions)
    ]
    assert wrong == []


def test_every_scenario_is_named_by_a_fault_or_has_one_that_trips_it() -> None:
    load()
    known = {**tripped_by_hint(), **trips()}
    judging = [one.id for one in scenarios() if one.kind in KINDS and not one.id.startswith(ABOUT_DRIVERS)]
    assert [name for name in judging if name not in known] == []
    assert [name for name in trips() if name not in {one.id for one in scenarios()}] == []


@pytest.mark.usefixtures("powers_remembered")
@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_other_scenario_is_tripped(part: int) -> None:
    """By the fault that the file of its kind in `tripping` has for it."""
    load()
    missed = [
        f"{fault} does not trip {scenario}"
        for scenario, fault in sorted(trips().items())[part::8]
        if not detections(notices(ScenarioTask(scenario), FaultTarget(fault)))
    ]
    assert missed == []
