"""The lint finds every problem with the table as a whole that it knows, in a damaged copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from otterproof.harness.spec.requirements import (
    lint,
)
from tests.requirements.damage import Add, Damage, finds


# Classes and sections
@pytest.mark.parametrize("kind", ["untestable", "out-of-scope"])
def test_reason_is_missing(add: Add, kind: str) -> None:
    finds(add(**{"class": f'"{kind}"'}), "ROBUST-TEST-1", f"it is {kind} without a reason")
    assert add(**{"class": f'"{kind}"'}, reason='"Because."') == []


def test_reason_for_a_covered_requirement(add: Add) -> None:
    finds(add(reason='"Because."'), "ROBUST-TEST-1", "it is covered and has a reason")


def test_advice_is_not_implied(add: Add) -> None:
    finds(add(implied='"It follows."'), "ROBUST-TEST-1", "advice and yet implied")


def test_unknown_section(add: Add) -> None:
    assert "Data Message" in finds(add(section='"Data Mesage"'), "ROBUST-TEST-1", "unknown section").what
    finds(add(also='["Nowhere"]'), "ROBUST-TEST-1", "unknown section 'Nowhere'")
    finds(add(also='["Data Message"]'), "ROBUST-TEST-1", "`also` repeats the section")


def test_section_of_another_text(add: Add) -> None:
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
    path = folder / "keymgmt_keys.toml"
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


# Restatements
def test_restatements(add: Add, damage: Damage) -> None:
    assert add(restates='["ROBUST-INPUT-1"]') == []
    finds(add(restates='["ROBUST-INPUT-9"]'), "ROBUST-TEST-1", "it restates the unknown ROBUST-INPUT-9")
    finds(add(restates='["ROBUST-TEST-1"]'), "ROBUST-TEST-1", "it and ROBUST-TEST-1 restate each other")
    problems = damage("data.toml", 'id = "DATA-FORM-1"', 'id = "DATA-FORM-1"\nrestates = ["DATA-FORM-2"]')
    finds(problems, "requirement DATA-FORM-1", "it restates DATA-FORM-2, which is of another version")


# Readings
def test_requirement_names_unknown_reading(add: Add) -> None:
    problem = finds(add(readings='["AKE-FAIL-STAT"]'), "ROBUST-TEST-1", "unknown reading AKE-FAIL-STAT")
    assert "AKE-FAIL-STATE" in problem.what


def test_links_go_both_ways(add: Add, damage: Damage) -> None:
    finds(add(readings='["COMMIT-EQUAL"]'), "ROBUST-TEST-1", "the reading COMMIT-EQUAL does not name it")
    problems = damage("readings_ake.toml", '"COMMIT-DHKEY-1", "COMMIT-DHKEY-5"', '"COMMIT-DHKEY-1", "COMMIT-DHKEY-55"')
    finds(problems, "reading COMMIT-EQUAL", "unknown requirement COMMIT-DHKEY-55")
    finds(problems, "requirement COMMIT-DHKEY-5", "the reading COMMIT-EQUAL does not name it")
    problems = damage("readings_ake.toml", '"COMMIT-DHKEY-55"', '"DATA-CTR-1"')
    finds(problems, "reading COMMIT-EQUAL", "the requirement DATA-CTR-1 does not name it")


def test_reading_and_requirement_share_a_version(damage: Damage) -> None:
    problems = damage(
        "readings_fragments_and_tlvs.toml", 'id = "EXTRA-V2"\nversions = [2]', 'id = "EXTRA-V2"\nversions = [3]'
    )
    finds(problems, "reading EXTRA-V2", "no version in common with EXTRA-KEY-5")


def test_reading_without_probe(damage: Damage) -> None:
    problems = damage("readings_ake.toml", 'probe = "', 'prob = "')
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
    finds(damage("readings_ake.toml", old, new), "reading AKE-FAIL-", what)


def test_reading_with_one_option_or_no_requirement(folder: Path) -> None:
    (folder / "more.toml").write_text(
        '[[reading]]\nid = "NEW-ONE"\nversions = [3]\nquestion = "q?"\ntext = "t"\nsupported = ["a"]\nours = "a"\n'
        'requirements = []\nprobe = "p"\n[reading.options]\na = "A."\n',
        encoding="utf-8",
    )
    finds(lint(folder), "reading NEW-ONE", "fewer than two options")
    finds(lint(folder), "reading NEW-ONE", "concerns no requirement")
