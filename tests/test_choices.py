"""The choices of the contract: they pass the lint, mistakes are located, citations exist, the page is current."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from otterproof.harness.spec import requirements
from otterproof.harness.spec.choices import CITATION, FOLDER, check, lint, load, read, render
from otterproof.harness.spec.requirements import Problem, TableError
from otterproof.implementations import contract

ROOT = Path(__file__).parent.parent

ENTRY = """
[[choice]]
id = "tests.example"
section = "Data Message"
text = "A choice of the tests."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the choices that a test can damage."""
    for path in FOLDER.glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def add(folder: Path) -> Callable[[str], list[Problem]]:
    """Adds a file with this content to the copy, and lints."""

    def insert(content: str) -> list[Problem]:
        (folder / "more.toml").write_text(content, encoding="utf-8")
        return lint(folder)

    return insert


def test_choices_lint_clean(folder: Path, add: Callable[[str], list[Problem]]) -> None:
    assert lint() == []
    assert len(load()) > 100
    assert add(ENTRY) == []
    assert read(folder)[0]["tests.example"].text == "A choice of the tests."


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        (ENTRY + 'texts = "A."', "more.toml, choice tests.example", "unknown field 'texts' (near to it: text)"),
        (ENTRY.replace('section = "Data Message"', ""), "more.toml, choice tests.example", "'section' is missing"),
        (ENTRY.replace('id = "tests.example"', ""), "more.toml, choice number 1", "'id' is missing"),
        (ENTRY.replace('"tests.example"', "3"), "more.toml, choice number 1", "id is not a string"),
        (ENTRY.replace('"A choice of the tests."', '" "'), "more.toml, choice tests.example", "text is empty"),
        (ENTRY + "readings = 3", "more.toml, choice tests.example", "readings is not a list of strings"),
        (ENTRY + "requirements = [3]", "more.toml, choice tests.example", "requirements is not a list of strings"),
        (ENTRY + 'requirements = ["DATA-CTR-2", "DATA-CTR-2"]', "choice tests.example", "has DATA-CTR-2 twice"),
        (ENTRY + ENTRY, "more.toml, choice tests.example", "duplicate id; the other one is in more.toml"),
        (ENTRY.replace("tests.example", "data.counter"), "more.toml, choice data.counter", "is in data.toml"),
        (ENTRY.replace("tests.example", "Tests"), "choice Tests", "the id does not have the form"),
        (ENTRY.replace("the tests.", "the tests"), "choice tests.example", "0 sentences"),
        (ENTRY.replace("the tests.", "it. Two. Three. Four. Five."), "choice tests.example", "5 sentences"),
        (ENTRY.replace("Data Message", "Data Massage"), "choice tests.example", "(near to it: Data Message"),
        (ENTRY + 'readings = ["COMMIT-EQUALS"]', "choice tests.example", "unknown reading COMMIT-EQUALS (near"),
        (ENTRY + 'requirements = ["DATA-CTR-99"]', "choice tests.example", "unknown requirement DATA-CTR-99 (near"),
        (
            ENTRY.replace('tests."', 'tests [choice data.count]."'),
            "choice tests.example",
            "unknown choice data.count (",
        ),
        ("[[choices]]", "more.toml", "unknown kind of entry 'choices'"),
        ("choice = 3", "more.toml", "unknown kind of entry 'choice'"),
        ("choice = [3]", "more.toml, choice number 1", "'text' is missing"),
        ("[[choice", "more.toml", "not a TOML file"),
    ],
)
def test_mistakes_are_located(add: Callable[[str], list[Problem]], content: str, where: str, what: str) -> None:
    problems = add(content)
    assert all(problem.where and problem.what and problem.remedy for problem in problems)
    found = [problem for problem in problems if where in problem.where and what in problem.what]
    assert len(found) == 1, "\n".join(map(str, problems)) or "no problems"


def test_files_that_are_not_text_or_not_there_are_problems(folder: Path, tmp_path: Path) -> None:
    (folder / "more.toml").write_bytes(b"\xff\xfe")
    assert "not a TOML file" in str(lint(folder)[0])
    (tmp_path / "empty").mkdir()
    assert "it has no TOML file" in str(lint(tmp_path / "empty")[0])


def test_choices_with_mistakes_are_not_loaded(folder: Path) -> None:
    (folder / "more.toml").write_text(ENTRY + "level = 3", encoding="utf-8")
    with pytest.raises(TableError, match="unknown field 'level'"):
        load(folder)


def test_every_reading_of_the_engines_has_a_choice() -> None:
    """A reading that no choice answers is a problem; a reading that the engines do not follow is not."""
    table = requirements.load()
    without = {
        key: replace(one, readings=tuple(name for name in one.readings if name != "COMMIT-EQUAL"))
        for key, one in load().items()
    }
    (problem,) = check(without, table)
    assert problem.where == "reading COMMIT-EQUAL"
    readings = {**table.readings, "COMMIT-EQUAL": replace(table.readings["COMMIT-EQUAL"], ours="")}
    assert check(without, replace(table, readings=readings)) == []


def test_names_of_the_contract_exist() -> None:
    """A capitalised name in code type is one of the contract, as in `MessageRejected(BAD_TLV)`."""
    known = {
        *vars(contract),
        *contract.RejectReason.__members__,
        *contract.SmpAbortReason.__members__,
        *contract.RefuseReason.__members__,
        *contract.Policy.__members__,
    }
    found: set[str] = set()
    for choice in load().values():
        for span in re.findall(r"`([A-Za-z_0-9]+(?:\([A-Z_0-9]+\))?)`", choice.text):
            names = {name for name in re.findall(r"\w+", span) if name[0].isupper()}
            assert names <= known, f"{choice.id}: {names - known}"
            found |= names
    assert {"MessageRejected", "COLLISION_WON", "ALLOW_V2", "MAX_INSTANCES"} <= found


def test_citations_name_choices() -> None:
    cited = set()
    for room in ("implementations", "harness", "scenarios", "tests", "docs", "vectors"):
        for path in sorted((ROOT / room).rglob("*")):
            if path.suffix not in {".py", ".toml", ".md", ".go"} or path == Path(__file__):
                continue
            names = set(CITATION.findall(path.read_text(encoding="utf-8")))
            assert names <= set(load()), f"{path.relative_to(ROOT)}: {sorted(names - set(load()))}"
            cited |= names if path.suffix == ".py" else set()
    assert len(cited) > 20


def test_page_lists_every_choice_once() -> None:
    page = render()
    for choice in load().values():
        assert page.count(f'<a id="{choice.id}"></a>') == 1
    assert "(see [forgetting.dh-key](#forgetting.dh-key))" in page
    assert "[choice forgetting" not in page
