"""The table of requirements: it passes the lint, and can be searched, rendered and compared with the protocol texts."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import (
    Level,
    RequirementClass,
    Table,
    TableError,
    UnknownId,
    check_texts,
    headings,
    lint,
    load,
    render,
)
from tests.requirements.damage import Add, finds


# The table of the project
def test_table_lints_clean() -> None:
    assert lint() == []


def test_every_copy_and_addition_starts_clean(folder: Path, add: Add) -> None:
    assert lint(folder) == []
    assert add() == []


def test_table_has_what_it_is_for() -> None:
    table = load()
    assert len(table) > 500
    assert {text.version for text in table.texts} == {2, 3}
    assert all(len([one for one in table if one.stated and version in one.versions]) > 350 for version in (2, 3))
    wanted = "QUERY TAG ERROR ARMOUR TYPES KEYS INSTANCE COMMIT DHKEY REVEAL SIG AKE FRAGMENT DATA KEYMGMT DERIVE TLV"
    wanted += " SMP SMPMATH EXTRA MACREVEAL STATE POLICY USER"
    assert set(wanted.split()) <= {one.area for one in table}
    assert len(table.readings) >= 35


def test_texts_are_single_spaced_sentences() -> None:
    """Lines folded in the files are joined with single spaces."""
    table = load()
    for requirement in table:
        for text in (requirement.text, requirement.reason, requirement.implied, requirement.note):
            assert "  " not in text
            assert "\n" not in text
            assert not text or text.endswith((".", "?", '"')), requirement.id
    for reading in table.readings.values():
        for text in (reading.question, reading.text, reading.probe, *reading.options.values()):
            assert "  " not in text
            assert "\n" not in text
        assert reading.question.endswith("?"), reading.id


def test_page_lists_everything_once() -> None:
    page = render(load())
    for requirement in load():
        assert page.count(f"| {requirement.id} | ") == 1
    for reading in load().readings.values():
        assert page.count(f"### {reading.id}\n") == 1


def test_page_escapes_cells() -> None:
    table = load()
    first = next(iter(table))
    odd = dataclasses.replace(first, text="a | b * c")
    page = render(dataclasses.replace(table, requirements={**table.requirements, first.id: odd}))
    assert "a \\| b \\* c" in page


# Looking things up
def test_lookups() -> None:
    table = load()
    requirement = table.requirement("DATA-CTR-2")
    assert (requirement.area, requirement.level, requirement.versions) == ("DATA", Level.MUST, (2, 3))
    assert requirement in table.covering("Data Message", 2)
    assert requirement in table.of_kind(RequirementClass.COVERED)
    assert all(3 in requirement.versions for requirement in table.covering("Extra symmetric key", 3))
    assert table.section("Title").heading_in(2).endswith("version 2")
    reading = table.reading("AKE-FAIL-STATE")
    assert reading.choices == ("AKE-FAIL-STATE:keep", "AKE-FAIL-STATE:none")
    assert table.reading("AKE-FAIL-STATE:none") is reading


@pytest.mark.parametrize(
    ("look_up", "near"),
    [
        (lambda table: table.requirement("DATA-CTR-22"), "DATA-CTR-2"),
        (lambda table: table.reading("AKE-FAIL-STAT"), "AKE-FAIL-STATE"),
        (lambda table: table.reading("AKE-FAIL-STATE:kept"), "AKE-FAIL-STATE:keep"),
        (lambda table: table.section("Data Mesage"), "Data Message"),
    ],
)
def test_unknown_ids_say_what_is_near(look_up: Callable[[Table], object], near: str) -> None:
    with pytest.raises(UnknownId, match=near):
        look_up(load())


def test_load_refuses_a_table_with_mistakes(folder: Path) -> None:
    (folder / "more.toml").write_text("x = 1", encoding="utf-8")
    with pytest.raises(TableError, match=r"more\.toml: unknown kind of entry 'x'"):
        load(folder)


# The texts
def test_headings() -> None:
    html = "<h1>A  <i>b</i></h1><p>no</p><hr><h2>C\n(D &amp; E)</h2><head>no</head>"
    assert headings(html) == ["A b", "C (D & E)"]


def texts_of(folder: Path) -> Table:
    """Writes two texts with the headings of the table; returns a table made from them."""
    table = load()
    texts = []
    for text in table.texts:
        names = [s.heading_in(text.version) for s in table.sections if text.version in s.sentences]
        content = "".join(f"<h3>{name.replace('<', '&lt;')}</h3>\n" for name in names).encode()
        (folder / text.file).write_bytes(content)
        texts.append(dataclasses.replace(text, sha256=hashlib.sha256(content).hexdigest()))
    return dataclasses.replace(table, texts=tuple(texts))


def test_texts_that_fit(tmp_path: Path) -> None:
    assert check_texts(texts_of(tmp_path), tmp_path) == []


def test_texts_that_do_not_fit(tmp_path: Path) -> None:
    table = texts_of(tmp_path)
    path = tmp_path / "otr-protocol-v3.html"
    path.write_text(path.read_text() + "<h3>More</h3>", encoding="utf-8")
    problems = check_texts(table, tmp_path)
    finds(problems, "v3.html", "another text: its SHA-256")
    finds(problems, "v3.html", "the heading 'More' is 1 times in the text and 0 times in the table")
    table = dataclasses.replace(texts_of(tmp_path), sections=tuple(reversed(table.sections)))
    finds(check_texts(table, tmp_path), "v3.html", "in another order")
    path.unlink()
    finds(check_texts(table, tmp_path), "v3.html", "can't be read")
