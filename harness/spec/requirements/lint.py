"""Lints the table for completeness and consistency, and the scenarios against it.

A rule is a function from the table to its problems; `RULES` lists them. The rules on scenarios are in `coverage`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from otterproof.harness.spec.entries import Problem, hint
from otterproof.harness.spec.requirements.coverage import check_coverage
from otterproof.harness.spec.requirements.loader import FOLDER, read
from otterproof.harness.spec.requirements.table import (
    OPTION,
    READING_ID,
    REQUIREMENT_ID,
    VERSIONS,
    Level,
    Requirement,
    RequirementClass,
    Table,
)

Rule = Callable[[Table], Iterator[Problem]]


def _ids(table: Table) -> Iterator[Problem]:
    """Checks the form of the ids."""
    for requirement in table:
        if not REQUIREMENT_ID.fullmatch(requirement.id):
            yield Problem(f"requirement {requirement.id}", "the id has not the form", "Write AREA-TOPIC-N: DATA-CTR-2")
    for reading in table.readings.values():
        if not READING_ID.fullmatch(reading.id):
            remedy = "Write words in capitals, the last one not a number: AKE-FAIL-STATE"
            yield Problem(f"reading {reading.id}", "the id has not the form", remedy)


def _classes(table: Table) -> Iterator[Problem]:
    """A requirement that is not covered has a reason; a covered one has none."""
    for requirement in table:
        where = f"requirement {requirement.id}"
        if requirement.kind is RequirementClass.COVERED:
            if requirement.reason:
                what, remedy = (
                    "it is covered and has a reason",
                    'Remove the reason, or say "untestable" or "out-of-scope"',
                )
                yield Problem(where, what, remedy)
        elif not requirement.reason:
            yield Problem(where, f"it is {requirement.kind} without a reason", "Add reason = ... that says why")
        if requirement.level is Level.ADVICE and requirement.implied:
            remedy = "Keep level advice for what does not follow from the text, else name the level that follows"
            yield Problem(where, "it is advice and yet implied by the text", remedy)


def _requirement_sections(table: Table) -> Iterator[Problem]:
    """Requirements name existing sections, in the texts they belong to."""
    names = {section.name: section for section in table.sections}
    for requirement in table:
        where = f"requirement {requirement.id}"
        unknown = [name for name in requirement.sections if name and name not in names]
        for name in unknown:
            remedy = "Correct it, or add the section to sections.toml"
            yield Problem(where, f"unknown section {name!r}{hint(name, names)}", remedy)
        if len(set(requirement.sections)) < len(requirement.sections):
            yield Problem(where, "`also` repeats the section", "Remove it from `also`")
        if unknown or not requirement.stated:
            continue
        for version in requirement.versions:
            if not any(version in names[name].sentences for name in requirement.sections if name):
                what = f"none of its sections is in the text of version {version}"
                remedy = f"Take {version} out of versions, name a section of that text, or say by what it is implied"
                yield Problem(where, what, remedy)


def _sections(table: Table) -> Iterator[Problem]:
    """Every section of each text is classified: either requirements cover it, or a reason says why there are none."""
    for section in table.sections:
        where = f"section {section.name}"
        if not section.sentences:
            yield Problem(where, "it is in none of the texts", "Add sentences = { v2 = N, v3 = N }")
        named = False
        for version, count in section.sentences.items():
            stated = [requirement for requirement in table.covering(section.name, version) if requirement.stated]
            named = named or bool(stated)
            if count and not stated:
                what = f"unclassified: no requirement covers its {count} normative sentences of version {version}"
                yield Problem(
                    where, what, "Add the requirements, or name the section in `also` of those that say the same"
                )
            if stated and not count:
                what = f"it has no normative sentences in version {version}, yet {stated[0].id} is taken from it"
                yield Problem(where, what, "Count the sentences again, or correct the section of the requirement")
        if not any(section.sentences.values()) and not section.reason:
            yield Problem(where, "unclassified: no normative sentences and no reason", "Add reason = ... that says why")
        if section.reason and named:
            yield Problem(where, "it has a reason for having no requirements, and has some", "Remove the reason")


def _texts(table: Table) -> Iterator[Problem]:
    """There is one text per version, identified by its hash."""
    versions = [text.version for text in table.texts]
    for version in VERSIONS:
        if versions.count(version) != 1:
            what = f"{versions.count(version)} texts of version {version}"
            yield Problem("texts", what, "Have one [[text]] for each version in sections.toml")
    for text in table.texts:
        if text.version not in VERSIONS:
            yield Problem(f"text {text.title}", f"unknown version {text.version}", f"The versions are {VERSIONS}")
        if not re.fullmatch("[0-9a-f]{64}", text.sha256):
            remedy = "Write the 64 hexadecimal digits that sha256sum prints for the file"
            yield Problem(f"text {text.title}", "sha256 is no SHA-256", remedy)


def _readings(table: Table) -> Iterator[Problem]:
    """A reading has options to choose from, and refers only to those."""
    for reading in table.readings.values():
        where = f"reading {reading.id}"
        if not reading.probe:
            yield Problem(where, "it has no probe", "Say what is sent, and what is seen for each option")
        if len(reading.options) < 2:
            yield Problem(where, "it has fewer than two options", "A reading is a choice; list what can be chosen")
        for option in reading.options:
            if not OPTION.fullmatch(option):
                yield Problem(where, f"the option {option!r} has not the form", "Write one word in lower-case letters")
        named = [("ours", reading.ours), *(("supported", option) for option in reading.supported)]
        named += [(f"known.{target}", option) for target, option in reading.known.items()]
        for field, option in named:
            if option and option not in reading.options:
                remedy = f"Its options are {', '.join(reading.options)}"
                yield Problem(where, f"{field} names the unknown option {option!r}", remedy)
        if not reading.supported:
            yield Problem(where, "no option is supported by the text", "List those that the words of the text bear")
        if not reading.requirements:
            yield Problem(where, "it concerns no requirement", "List the ids of those that depend on it")


def _links(table: Table) -> Iterator[Problem]:
    """Requirements and readings name each other."""
    for requirement in table:
        where = f"requirement {requirement.id}"
        for name in requirement.readings:
            reading = table.readings.get(name)
            if reading is None:
                remedy = "Correct it, or add the reading to the register"
                yield Problem(where, f"unknown reading {name}{hint(name, table.readings)}", remedy)
            elif requirement.id not in reading.requirements:
                remedy = f"Add {requirement.id} to the requirements of {name}, or remove {name} here"
                yield Problem(where, f"the reading {name} does not name it", remedy)
    for reading in table.readings.values():
        where = f"reading {reading.id}"
        for name in reading.requirements:
            found: Requirement | None = table.requirements.get(name)
            if found is None:
                yield Problem(where, f"unknown requirement {name}{hint(name, table.requirements)}", "Correct the id")
                continue
            if reading.id not in found.readings:
                remedy = f"Add {reading.id} to the readings of {name}, or remove {name} here"
                yield Problem(where, f"the requirement {name} does not name it", remedy)
            if not set(found.versions) & set(reading.versions):
                yield Problem(where, f"it has no version in common with {name}", "Correct the versions of one of them")


def _restatements(table: Table) -> Iterator[Problem]:
    """A requirement restates another existing one that shares a version with it."""
    for requirement in table:
        where = f"requirement {requirement.id}"
        for name in requirement.restates:
            found = table.requirements.get(name)
            if found is None:
                yield Problem(
                    where, f"it restates the unknown {name}{hint(name, table.requirements)}", "Correct the id"
                )
                continue
            if found.id == requirement.id or requirement.id in found.restates:
                yield Problem(where, f"it and {name} restate each other", f"Remove {name} from one `restates`")
            if not set(found.versions) & set(requirement.versions):
                yield Problem(where, f"it restates {name}, which is of another version", "Correct the id")


RULES: tuple[Rule, ...] = (_ids, _classes, _requirement_sections, _sections, _texts, _readings, _links, _restatements)


def check(table: Table) -> list[Problem]:
    """The problems of a table as a whole."""
    return [problem for rule in RULES for problem in rule(table)]


def lint(folder: Path = FOLDER, scenarios: Mapping[str, Collection[str]] | None = None) -> list[Problem]:
    """All problems: with the entries, with the table, and, if given, with the claims of the scenarios.

    scenarios: scenario id -> claims, as in `coverage.Claim`: "DATA-CTR-2" if the scenario shows the requirement being
    met, "!DATA-CTR-2" if it breaks it.
    """
    table, problems = read(folder)
    problems += check(table)
    if scenarios is not None:
        problems += check_coverage(table, scenarios)
    return problems
