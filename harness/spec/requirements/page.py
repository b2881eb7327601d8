"""The published page of the table: docs/reference/requirements.md, generated and never edited by hand.

It has a table for each section of the texts, in order, followed by the register of readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from otterproof.harness.spec import pages
from otterproof.harness.spec.requirements.loader import load
from otterproof.harness.spec.requirements.table import Level, Reading, Requirement, RequirementClass, Section, Table

INTRODUCTION = """\
# Requirements

This page is made from the table in `harness/spec/requirements/`; do not edit it. `otterproof docs` writes it.

Each row is one demand of the protocol texts, in the project's own words. Its id never changes. The level is that of
the text; *advice* is not in the texts but needed for their goals, and is judged like the rest. A row marked
*implied* follows from the text although no sentence says it. A requirement that is not *covered* has the reason.
One that *restates* others demands the same as they do, or is one case of them: breaking it breaks them, too.
Where a requirement depends on a [reading](#readings), how it is to be met does too.
"""

REGISTER = """\
## Readings

Questions that the texts leave open, or that implementations answer in different ways. A probe finds out which reading
a target follows, and everything else is judged by that. *Supported* are the readings that the words of the text bear;
a target that follows another one deviates from the requirements named.
"""


def _cell(text: str) -> str:
    """Text for a table cell, taken literally."""
    for character in "\\|*_<>[]":
        text = text.replace(character, f"\\{character}")
    return text


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _versions(versions: Sequence[int]) -> str:
    return ", ".join(str(version) for version in versions)


def _anchor(reading: str) -> str:
    return f"[{reading}](#{reading.lower()})"


def _remarks(requirement: Requirement) -> Iterator[str]:
    """The sentences in the last cell of a requirement's row."""
    if requirement.kind is not RequirementClass.COVERED:
        yield f"*{requirement.kind}*: {_cell(requirement.reason)}"
    if requirement.implied:
        yield f"*implied*: {_cell(requirement.implied)}"
    if requirement.restates:
        yield f"Restates {', '.join(requirement.restates)}."
    if requirement.note:
        yield _cell(requirement.note)
    if requirement.readings:
        yield f"Readings: {', '.join(_anchor(reading) for reading in requirement.readings)}"


def _section(table: Table, section: Section) -> Iterator[str]:
    yield f"### {section.name.replace('>', '/')}"
    yield ""
    if section.reason:
        yield f"No requirements. {section.reason}"
        yield ""
        return
    counts = ", ".join(f"{count} in version {version}" for version, count in section.sentences.items())
    yield f"Normative sentences: {counts}."
    yield ""
    own = [requirement for requirement in table if requirement.section == section.name]
    if own:
        yield _row(["Id", "Level", "Versions", "Requirement", "Remarks"])
        yield _row(["---"] * 5)
        for requirement in own:
            yield _row(
                [
                    requirement.id,
                    requirement.level.value,
                    _versions(requirement.versions),
                    _cell(requirement.text),
                    "<br>".join(_remarks(requirement)),
                ]
            )
        yield ""
    others = [requirement.id for requirement in table if section.name in requirement.also]
    if others:
        yield f"Stated here too: {', '.join(others)}."
        yield ""


def _reading(reading: Reading) -> Iterator[str]:
    yield f"### {reading.id}"
    yield ""
    yield f"**{_cell(reading.question)}**"
    yield ""
    yield f"Versions: {_versions(reading.versions)}. Requirements: {', '.join(reading.requirements)}."
    yield ""
    yield _cell(reading.text)
    yield ""
    for option, meaning in reading.options.items():
        remarks = ["supported"] if option in reading.supported else []
        if option == reading.ours:
            remarks.append("the project's engines")
        remarks += [target for target, known in reading.known.items() if known == option]
        yield f"- `{option}`: {_cell(meaning)}" + (f" ({', '.join(remarks)})" if remarks else "")
    yield ""
    yield f"Probe: {_cell(reading.probe)}"
    yield ""


def _summary(table: Table) -> Iterator[str]:
    """The number of requirements of each level and class, and the texts they were taken from."""
    counts = Counter((requirement.level, requirement.kind) for requirement in table)
    yield _row(["Level", *(kind.value for kind in RequirementClass), "all"])
    yield _row(["---"] * (len(RequirementClass) + 2))
    for level in Level:
        numbers = [counts[level, kind] for kind in RequirementClass]
        yield _row([level.value, *(str(number) for number in numbers), str(sum(numbers))])
    totals = [sum(counts[level, kind] for level in Level) for kind in RequirementClass]
    yield _row(["all", *(str(total) for total in totals), str(len(table))])
    yield ""
    yield "Taken from:"
    yield ""
    for text in table.texts:
        yield f"- {text.title} (`{text.file}`, SHA-256 `{text.sha256}`)"
    yield ""


def render(table: Table) -> str:
    """The page as Markdown."""
    lines = [INTRODUCTION, *_summary(table), "## By section", ""]
    for section in table.sections:
        lines += _section(table, section)
    lines.append(REGISTER)
    for reading in table.readings.values():
        lines += _reading(reading)
    return "\n".join(lines).rstrip() + "\n"


pages.register("reference/requirements.md", lambda: render(load()))
