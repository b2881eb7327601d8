"""The table of requirements: it lints clean, every problem that the lint knows is found in a damaged copy, and the
published page is up to date."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import (
    FOLDER,
    MIN_BOTH_SIDES,
    Claim,
    ClaimError,
    Level,
    Problem,
    RequirementClass,
    Side,
    Table,
    TableError,
    UnknownId,
    check_coverage,
    check_texts,
    headings,
    lint,
    load,
    measure,
    read,
    render,
)
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios as all_scenarios

Damage = Callable[[str, str, str], list[Problem]]

ENTRY = """
[[requirement]]
id = "ROBUST-TEST-1"
level = "advice"
versions = [2, 3]
section = "Data Message"
text = "A requirement of the tests."
class = "covered"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the table, to be damaged."""
    for path in FOLDER.glob("*.toml"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.fixture
def damage(folder: Path) -> Damage:
    """Replaces the first `old` in a file of the copy, which must be there, and lints."""

    def replace(file: str, old: str, new: str) -> list[Problem]:
        path = folder / file
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")
        return lint(folder)

    return replace


@pytest.fixture
def add(folder: Path) -> Callable[..., list[Problem]]:
    """Adds ENTRY with some of its lines replaced (None takes the line out), and lints."""

    def insert(**lines: str | None) -> list[Problem]:
        fields = dict(line.split(" = ", 1) for line in ENTRY.splitlines() if " = " in line)
        for key, value in lines.items():
            fields.pop(key, None)
            if value is not None:
                fields[key] = value
        content = "[[requirement]]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items())
        (folder / "more.toml").write_text(content, encoding="utf-8")
        return lint(folder)

    return insert


def finds(problems: list[Problem], where: str, what: str) -> Problem:
    """The one problem there is at `where` with `what`; every problem must say how to mend it."""
    assert all(problem.where and problem.what and problem.mend for problem in problems)
    found = [problem for problem in problems if where in problem.where and what in problem.what]
    assert len(found) == 1, "\n".join(map(str, problems)) or "no problems"
    return found[0]


# The table of the project


def test_table_lints_clean() -> None:
    assert lint() == []


def test_every_copy_and_addition_starts_clean(folder: Path, add: Callable[..., list[Problem]]) -> None:
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
    """Lines folded in the files are joined as they should be."""
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


# Entries


def test_not_toml(folder: Path) -> None:
    (folder / "more.toml").write_text("x = = 1", encoding="utf-8")
    finds(lint(folder), "more.toml", "not a TOML file")


def test_no_files(tmp_path: Path) -> None:
    assert any("no TOML file" in problem.what for problem in lint(tmp_path))


def test_unknown_kind_of_entry(folder: Path) -> None:
    (folder / "more.toml").write_text("[[requirment]]\n", encoding="utf-8")
    assert "requirement" in finds(lint(folder), "more.toml", "unknown kind of entry").what


def test_entry_without_id(add: Callable[..., list[Problem]]) -> None:
    finds(add(id=None), "more.toml, requirement number 1", "'id' is missing")


def test_duplicate_requirement(add: Callable[..., list[Problem]]) -> None:
    problem = finds(add(id='"DATA-CTR-2"'), "requirement DATA-CTR-2", "duplicate id")
    assert "data.toml" in problem.what


def test_duplicate_reading_and_section(damage: Damage) -> None:
    finds(damage("readings.toml", '"COMMIT-EQUAL"', '"AKE-FAIL-STATE"'), "AKE-FAIL-STATE", "duplicate id")
    finds(damage("sections.toml", 'name = "Policies"', 'name = "Message state"'), "Message state", "duplicate name")


@pytest.mark.parametrize("wrong", ["DATA-1", "data-ctr-1", "DATA-CTR-01", "DATA-CTR-X-1", "DATA-CTR"])
def test_requirement_id_has_its_form(add: Callable[..., list[Problem]], wrong: str) -> None:
    finds(add(id=f'"{wrong}"'), f"requirement {wrong}", "the id has not the form")


def test_unknown_field(add: Callable[..., list[Problem]]) -> None:
    assert "note" in finds(add(nota='"x"'), "ROBUST-TEST-1", "unknown field 'nota'").what


@pytest.mark.parametrize("field", ["level", "versions", "section", "text", "class"])
def test_missing_field(add: Callable[..., list[Problem]], field: str) -> None:
    finds(add(**{field: None}), "ROBUST-TEST-1", f"'{field}' is missing")


def test_unknown_level_and_class(add: Callable[..., list[Problem]]) -> None:
    assert "must, should" in finds(add(level='"shall"'), "ROBUST-TEST-1", "unknown level 'shall'").mend
    assert "covered" in finds(add(**{"class": '"tested"'}), "ROBUST-TEST-1", "unknown class 'tested'").mend


@pytest.mark.parametrize("versions", ["[]", "[1]", "[3, 2]", "[2, 2]", "3", '["3"]'])
def test_versions(add: Callable[..., list[Problem]], versions: str) -> None:
    finds(add(versions=versions), "ROBUST-TEST-1", "versions is")


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("text", "1", "text is not a string"),
        ("text", '" "', "text is empty"),
        ("note", '""', "note is empty"),
        ("also", '"Policies"', "also is not a list of strings"),
        ("also", '["Policies", "Policies"]', "also has Policies twice"),
    ],
)
def test_wrong_values(add: Callable[..., list[Problem]], field: str, value: str, what: str) -> None:
    assert any(problem.what == what for problem in add(**{field: value}))


@pytest.mark.parametrize(
    ("file", "old", "new", "what"),
    [
        ("sections.toml", "version = 2\n", 'version = "2"\n', "version is not a whole number"),
        ("sections.toml", "v2 = 31", "v2 = -1", "sentences.v2 is not a count"),
        ("sections.toml", "v2 = 31", "v1 = 31", "sentences has the unknown text 'v1'"),
        ("sections.toml", "sentences = { v2 = 31, v3 = 31 }", "sentences = 31", "sentences is not a table"),
        ("readings.toml", 'keep = "', 'keep = 1 # "', "options.keep is not a description"),
    ],
)
def test_wrong_values_of_other_entries(damage: Damage, file: str, old: str, new: str, what: str) -> None:
    assert any(problem.what == what for problem in damage(file, old, new))


# Classes and sections


@pytest.mark.parametrize("kind", ["untestable", "out-of-scope"])
def test_reason_is_missing(add: Callable[..., list[Problem]], kind: str) -> None:
    finds(add(**{"class": f'"{kind}"'}), "ROBUST-TEST-1", f"it is {kind} without a reason")
    assert add(**{"class": f'"{kind}"'}, reason='"Because."') == []


def test_reason_for_a_covered_requirement(add: Callable[..., list[Problem]]) -> None:
    finds(add(reason='"Because."'), "ROBUST-TEST-1", "it is covered and has a reason")


def test_advice_is_not_implied(add: Callable[..., list[Problem]]) -> None:
    finds(add(implied='"It follows."'), "ROBUST-TEST-1", "advice and yet implied")


def test_unknown_section(add: Callable[..., list[Problem]]) -> None:
    assert "Data Message" in finds(add(section='"Data Mesage"'), "ROBUST-TEST-1", "unknown section").what
    finds(add(also='["Nowhere"]'), "ROBUST-TEST-1", "unknown section 'Nowhere'")
    finds(add(also='["Data Message"]'), "ROBUST-TEST-1", "`also` repeats the section")


def test_section_of_another_text(add: Callable[..., list[Problem]]) -> None:
    problems = add(level='"must"', section='"Instance Tags"')
    finds(problems, "ROBUST-TEST-1", "none of its sections is in the text of version 2")
    assert add(level='"must"', section='"Instance Tags"', implied='"Because."') == []


def test_unclassified_sections(damage: Damage) -> None:
    problems = damage("sections.toml", "[[section]]", '[[section]]\nname = "New"\nsentences = { v3 = 2 }\n[[section]]')
    finds(problems, "section New", "unclassified: no requirement covers its 2 normative sentences of version 3")
    problems = damage("sections.toml", '"New"\nsentences = { v3 = 2 }', '"New"\nsentences = { v3 = 0 }')
    finds(problems, "section New", "unclassified: no normative sentences and no reason")
    problems = damage("sections.toml", '"New"\nsentences = { v3 = 0 }', '"New"\nsentences = {}\nreason = "None."')
    finds(problems, "section New", "none of the texts")


def test_section_loses_its_requirements(damage: Damage, folder: Path) -> None:
    path = folder / "tlv.toml"
    path.write_text(path.read_text().replace('"Extra symmetric key"', '"Data Message"'), encoding="utf-8")
    path = folder / "keymgmt.toml"
    content = path.read_text().replace('section = "Extra symmetric key"', 'section = "Data Message"')
    path.write_text(content, encoding="utf-8")
    finds(lint(folder), "section Extra symmetric key", "unclassified: no requirement covers its 6")


def test_section_with_requirements_but_no_sentences(damage: Damage) -> None:
    problems = damage("sections.toml", "sentences = { v3 = 9 }", "sentences = { v3 = 0 }")
    finds(problems, "section Instance Tags", "no normative sentences in version 3, yet INSTANCE-HEADER-1")


def test_section_with_requirements_and_a_reason(damage: Damage) -> None:
    problems = damage("sections.toml", "sentences = { v3 = 9 }", 'sentences = { v3 = 9 }\nreason = "None."')
    finds(problems, "section Instance Tags", "has a reason for having no requirements, and has some")


def test_texts(damage: Damage) -> None:
    finds(damage("sections.toml", 'sha256 = "', 'sha256 = "x'), "text Off-the-Record", "sha256 is no SHA-256")
    problems = damage("sections.toml", "version = 2\n", "version = 3\n")
    finds(problems, "texts", "0 texts of version 2")
    finds(problems, "texts", "2 texts of version 3")
    finds(damage("sections.toml", "version = 3\n", "version = 4\n"), "text Off-the-Record", "unknown version 4")


# Readings


def test_requirement_names_unknown_reading(add: Callable[..., list[Problem]]) -> None:
    problem = finds(add(readings='["AKE-FAIL-STAT"]'), "ROBUST-TEST-1", "unknown reading AKE-FAIL-STAT")
    assert "AKE-FAIL-STATE" in problem.what


def test_links_go_both_ways(add: Callable[..., list[Problem]], damage: Damage) -> None:
    finds(add(readings='["COMMIT-EQUAL"]'), "ROBUST-TEST-1", "the reading COMMIT-EQUAL does not name it")
    problems = damage("readings.toml", '"COMMIT-DHKEY-1", "COMMIT-DHKEY-5"', '"COMMIT-DHKEY-1", "COMMIT-DHKEY-55"')
    finds(problems, "reading COMMIT-EQUAL", "unknown requirement COMMIT-DHKEY-55")
    finds(problems, "requirement COMMIT-DHKEY-5", "the reading COMMIT-EQUAL does not name it")
    problems = damage("readings.toml", '"COMMIT-DHKEY-55"', '"DATA-CTR-1"')
    finds(problems, "reading COMMIT-EQUAL", "the requirement DATA-CTR-1 does not name it")


def test_reading_and_requirement_share_a_version(damage: Damage) -> None:
    problems = damage("readings.toml", 'id = "EXTRA-V2"\nversions = [2]', 'id = "EXTRA-V2"\nversions = [3]')
    finds(problems, "reading EXTRA-V2", "no version in common with EXTRA-KEY-5")


def test_reading_without_probe(damage: Damage) -> None:
    problems = damage("readings.toml", 'probe = "', 'prob = "')
    assert any("it has no probe" in problem.what for problem in problems)
    assert any("'probe' is missing" in problem.what for problem in problems)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('ours = "keep"', 'ours = "kept"', "ours names the unknown option 'kept'"),
        ('supported = ["keep", "none"]', 'supported = ["keep", "nil"]', "supported names the unknown option 'nil'"),
        ('supported = ["keep", "none"]', "supported = []", "no option is supported by the text"),
        ('libotr = "keep"', 'libotr = "kept"', "known.libotr names the unknown option 'kept'"),
        ("\nnone = ", "\nNone = ", "the option 'None' has not the form"),
        ('id = "AKE-FAIL-STATE"', 'id = "AKE-FAIL-1"', "the id has not the form"),
    ],
)
def test_options(damage: Damage, old: str, new: str, what: str) -> None:
    finds(damage("readings.toml", old, new), "reading AKE-FAIL-", what)


def test_reading_with_one_option_or_no_requirement(folder: Path) -> None:
    (folder / "more.toml").write_text(
        '[[reading]]\nid = "NEW-ONE"\nversions = [3]\nquestion = "q?"\ntext = "t"\nsupported = ["a"]\nours = "a"\n'
        'requirements = []\nprobe = "p"\n[reading.options]\na = "A."\n',
        encoding="utf-8",
    )
    finds(lint(folder), "reading NEW-ONE", "fewer than two options")
    finds(lint(folder), "reading NEW-ONE", "concerns no requirement")


# Scenarios


def everything() -> dict[str, list[str]]:
    """A scenario for each covered requirement, with both sides."""
    covered = load().of_kind(RequirementClass.COVERED)
    return {f"conformance.{r.id}[v3]": [r.id, f"!{r.id}"] for r in covered}


def test_claims() -> None:
    assert Claim.parse("DATA-CTR-2") == Claim("DATA-CTR-2", Side.POSITIVE)
    assert Claim.parse("!DATA-CTR-2") == Claim("DATA-CTR-2", Side.NEGATIVE)
    for text in ("DATA-CTR-2", "!DATA-CTR-2"):
        assert str(Claim.parse(text)) == text


@pytest.mark.parametrize("text", ["", "!", "!!DATA-CTR-2", " DATA-CTR-2", "! DATA-CTR-2"])
def test_claims_without_the_form(text: str) -> None:
    with pytest.raises(ClaimError, match="write the id of a requirement"):
        Claim.parse(text)
    finds(lint(scenarios={**everything(), "s": [text]}), "scenario s", "is no claim")


def test_full_coverage_is_clean() -> None:
    assert lint(scenarios=everything()) == []
    assert measure(load(), everything()).share == 1


def test_covered_requirement_without_scenario() -> None:
    scenarios = everything()
    del scenarios["conformance.DATA-CTR-2[v3]"]
    finds(lint(scenarios=scenarios), "requirement DATA-CTR-2", "no scenario claims it")
    assert measure(load(), scenarios).missing == ("DATA-CTR-2",)


def test_scenario_with_unknown_requirement() -> None:
    problem = finds(lint(scenarios={**everything(), "s": ["!DATA-CTR-22"]}), "scenario s", "unknown requirement")
    assert "DATA-CTR-2" in problem.what


def test_scenario_without_requirement() -> None:
    finds(lint(scenarios={**everything(), "s": []}), "scenario s", "claims no requirement")


@pytest.mark.parametrize("kind", [RequirementClass.UNTESTABLE, RequirementClass.OUT_OF_SCOPE])
def test_scenario_claims_what_is_not_covered(kind: RequirementClass) -> None:
    name = load().of_kind(kind)[0].id
    finds(lint(scenarios={**everything(), "s": [name]}), "scenario s", f"claims {name}, which is {kind}")


def test_share_of_both_sides() -> None:
    table, scenarios = load(), everything()
    spare = int(len(scenarios) * (1 - MIN_BOTH_SIDES))
    names = list(scenarios)
    for name in names[:spare]:
        scenarios[name] = scenarios[name][:1]
    assert check_coverage(table, scenarios) == []
    assert len(measure(table, scenarios).one_sided) == spare
    for name in names[spare : spare + 25]:
        scenarios[name] = scenarios[name][1:]
    problem = finds(check_coverage(table, scenarios), "scenarios", "both a positive and a negative scenario")
    assert "(no negative)" in problem.mend
    assert "more" in problem.mend


# The texts


def test_headings() -> None:
    html = "<h1>A  <i>b</i></h1><p>no</p><hr><h2>C\n(D &amp; E)</h2><head>no</head>"
    assert headings(html) == ["A b", "C (D & E)"]


def texts_of(folder: Path) -> Table:
    """Writes two texts that have the headings of the table; the table that was taken from them."""
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


def test_read_keeps_what_it_can(folder: Path, add: Callable[..., list[Problem]]) -> None:
    add(level='"shall"', nonsense="1")
    table, problems = read(folder)
    assert table.requirement("ROBUST-TEST-1").text == "A requirement of the tests."
    assert len(problems) == 2


def test_the_scenarios_cover_the_table() -> None:
    """Every covered requirement is claimed, nearly all from both sides, and every claim is of one that there is."""
    load_scenarios()
    problems = lint(scenarios={scenario.id: scenario.requirements for scenario in all_scenarios()})
    assert problems == [], "\n".join(map(str, problems))
