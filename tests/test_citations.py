"""Citations: the engines and the model cite every covered requirement or say why not; oracles cite existing ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import RequirementClass, load
from otterproof.harness.spec.requirements.citations import (
    PARTIAL,
    PLACES,
    Citation,
    Uncited,
    check_citations,
    citations,
    find_citations,
    lint_citations,
    read_uncited,
)

TABLE = load()

COVERED = tuple(requirement.id for requirement in TABLE.of_kind(RequirementClass.COVERED))

#: An entry for every requirement except the one that the tests are about.
REST = Uncited(tuple(name for name in COVERED if name != "DATA-CTR-2"), "The tests are not about them.", "rest")


@pytest.mark.parametrize("place", PLACES)
def test_every_covered_requirement_is_cited_or_has_a_reason(place: str) -> None:
    assert "\n".join(map(str, lint_citations(TABLE, place))) == ""


@pytest.mark.parametrize("place", PARTIAL)
def test_every_requirement_cited_by_a_judge_exists(place: str) -> None:
    assert citations(place)
    assert "\n".join(map(str, lint_citations(TABLE, place))) == ""


def cited(source: str) -> list[str]:
    """Each id that counts as a citation with its line, such as "DATA-CTR-2 3"."""
    return [
        f"{found.requirement} {found.where.split(':')[1]}" for found in find_citations(source, "m.py") if found.alone
    ]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('"""A module. [DATA-CTR-2]"""\n', ["DATA-CTR-2 1"]),
        ('"""A module.\n\n[Key Management;\nDATA-CTR-1, DATA-CTR-2]\n"""\n', ["DATA-CTR-1 4", "DATA-CTR-2 4"]),
        ('class A:\n    def f(self):\n        """[DATA-CTR-2]"""\n', ["DATA-CTR-2 3"]),
        ("x = 1  # why [DATA-CTR-2]\n", ["DATA-CTR-2 1"]),
        ("#: What x is. [Key Management;\n#: DATA-CTR-2]\nx = 1\n", ["DATA-CTR-2 2"]),
        ("x = 1  # [DATA-CTR-1]\ny = 2  # [DATA-CTR-2]\n", ["DATA-CTR-1 1", "DATA-CTR-2 2"]),
        ("# One. [DATA-CTR-1] Two. [DATA-CTR-2]\n", ["DATA-CTR-1 1", "DATA-CTR-2 1"]),
        ('x = "[DATA-CTR-2]"\n', []),
        ('x = ["DATA-CTR-2"]\n', []),
        ("# DATA-CTR-2\n", []),
        ("# [DATA-CTR-1] and DATA-CTR-2\n", ["DATA-CTR-1 1"]),
        ("# [not DATA-CTR-2]\n", []),
        ("# [DATA-CTR-2-A, XDATA-CTR-2X]\n", []),
    ],
)
def test_citations_are_found_in_comments_and_docstrings_alone(source: str, expected: list[str]) -> None:
    assert cited(source) == expected


def check(source: str, *entries: Uncited) -> str:
    """The problems of a place that has only this module and must cite DATA-CTR-2."""
    problems = check_citations(TABLE, "reference", find_citations(source, "m.py"), [REST, *entries])
    return "\n".join(map(str, problems))


def test_a_citation_satisfies_the_lint() -> None:
    assert check("# [DATA-CTR-2]\n") == ""


def test_a_reason_satisfies_the_lint() -> None:
    assert check("", Uncited(("DATA-CTR-2",), "Nothing counts here.", "entry")) == ""


def test_a_requirement_that_is_neither_cited_nor_listed_is_found() -> None:
    message = check("x = 'DATA-CTR-2'\n")
    assert message.startswith("implementations/reference: DATA-CTR-2 is covered, but not cited")
    assert "uncited/reference.toml" in message


def test_an_unknown_id_is_found_in_its_line() -> None:
    assert check("# [DATA-CTR-2]\n\n# [DATA-CTR-222]\n").startswith(
        "m.py:3: unknown requirement DATA-CTR-222 (near to it"
    )


@pytest.mark.parametrize("comment", ["# DATA-CTR-2\n", "# [as DATA-CTR-2 says]\n"])
def test_an_id_that_only_looks_like_a_citation_is_found(comment: str) -> None:
    assert "m.py:1: DATA-CTR-2 is not a citation in brackets. Write [DATA-CTR-2]" in check(comment)


NOT_COVERED = next(name for name, found in TABLE.requirements.items() if found.kind is not RequirementClass.COVERED)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DATA-CTR-2", "stale: DATA-CTR-2 is cited after all, at m.py:1. Remove it from the entry."),
        (REST.requirements[0], f"stale: {REST.requirements[0]} is also in rest. Remove one of the two."),
        ("DATA-CTR-222", "stale: unknown requirement DATA-CTR-222 (near to it"),
        (NOT_COVERED, f"stale: {NOT_COVERED} is {TABLE.requirements[NOT_COVERED].kind}, so nobody has to cite it."),
    ],
)
def test_a_stale_entry_is_found(name: str, message: str) -> None:
    assert check("# [DATA-CTR-2]\n# [DATA-CTR-2]\n", Uncited((name,), "A reason.", "stale")).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("uncited = [", "can't be read as a TOML file"),
        ("[[cited]]\n", "unknown key 'cited'"),
        ('[[uncited]]\nrequirement = "DATA-CTR-2"\nreason = "r"\n', "entry 1: its fields are wrong"),
        ('[[uncited]]\nrequirements = "DATA-CTR-2"\nreason = "r"\n', "entry 1: requirements is not a list of ids"),
        ("[[uncited]]\nrequirements = []\nreason = 'r'\n", "entry 1: requirements is not a list of ids"),
        ("[[uncited]]\nrequirements = ['DATA-CTR-2']\nreason = ' '\n", "entry 1: the reason is empty"),
        ("uncited = 1\n", "entry 1: its fields are wrong"),
    ],
)
def test_a_damaged_file_is_reported(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "reference.toml"
    path.write_text(content)
    entries, problems = read_uncited(path)
    assert entries == []
    assert [message in str(problem) for problem in problems] == [True]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    assert "model.toml: can't be read as a TOML file" in str(read_uncited(tmp_path / "model.toml")[1][0])


def test_entries_are_read(tmp_path: Path) -> None:
    path = tmp_path / "reference.toml"
    path.write_text('[[uncited]]\nrequirements = ["A-B-1", "A-B-2"]\nreason = "r"\n')
    assert read_uncited(path) == ([Uncited(("A-B-1", "A-B-2"), "r", "reference.toml, entry 1")], [])


def test_a_place_is_linted_with_all_its_modules(tmp_path: Path) -> None:
    folder = tmp_path / PLACES["model"] / "inner"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("# [DATA-CTR-2]\n")
    (tmp_path / "model.toml").write_text(f"[[uncited]]\nrequirements = {list(REST.requirements)}\nreason = 'r'\n")
    assert lint_citations(TABLE, "model", tmp_path, tmp_path) == []
    (folder / "b.py").write_text("# [DATA-CTR-999]\n")
    assert [problem.where for problem in lint_citations(TABLE, "model", tmp_path, tmp_path)] == [
        "harness/judges/model/inner/b.py:1"
    ]


def test_oracles_need_not_cite_everything_but_nothing_unknown(tmp_path: Path) -> None:
    folder = tmp_path / PARTIAL["oracles"]
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("# [DATA-CTR-2]\n")
    assert lint_citations(TABLE, "oracles", tmp_path, tmp_path) == []
    (folder / "b.py").write_text("# [DATA-CTR-999]\n# DATA-CTR-2\n")
    assert [
        str(problem).partition(" (")[0].partition(". ")[0] for problem in lint_citations(TABLE, "oracles", tmp_path)
    ] == [
        "harness/judges/oracles/b.py:1: unknown requirement DATA-CTR-999",
        "harness/judges/oracles/b.py:2: DATA-CTR-2 is not a citation in brackets",
    ]


def test_a_citation_names_its_line() -> None:
    assert find_citations("\n# [DATA-CTR-2]\n", "m.py") == [Citation("DATA-CTR-2", "m.py:2", True)]
