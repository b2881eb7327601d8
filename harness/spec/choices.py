"""The choices of the contract: what both engines do where the protocol texts leave room, as data with ids.

Two independently written engines can only be compared byte by byte if they agree on everything that the texts leave
open. Each such choice is an entry in a file of `implementations/choices/`; code and scenarios cite it by id, such as
[choice handshake.failed-check]. This module reads the files (`load`), checks them (`lint`) and renders the page
docs/reference/choices.md (`render`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from otterproof import implementations
from otterproof.harness.spec import pages, requirements
from otterproof.harness.spec.entries import Entry, Fields, Problem, TableError, entries, hint
from otterproof.harness.spec.requirements import Table

#: Where the files are, one per area.
FOLDER = Path(implementations.__file__).parent / "choices"

#: The fields of an entry; True if required.
FIELDS: Fields = {"id": True, "section": True, "text": True, "readings": False, "requirements": False}

#: AREA.WORDS, such as data.check-order.
CHOICE_ID = re.compile(r"[a-z]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")

#: How a text, a docstring or a comment refers to a choice: [choice data.check-order].
CITATION = re.compile(rf"\bchoice ({CHOICE_ID.pattern})")

#: The most sentences a choice may take; a longer one should be split into several choices.
MAX_SENTENCES = 4

INTRODUCTION = """\
# Choices

The protocol texts leave much open: the order of checks, what is stored and for how long, what an implementation
reports. This page lists what both engines of the project do there, so that they give the same bytes and the same
events for the same seed. They are the engines' answers, not demands on other implementations, which are judged by
the [requirements](requirements.md) and the [readings](requirements.md#readings).

The names in code type are those of `implementations/contract.py`. The id of a choice never changes; code refers to
it as `[choice data.check-order]`. The page is made from the files in `implementations/choices/`; do not edit it.
`otterproof docs` writes it.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision that both engines share.

    section: of the protocol texts, named as in the table of requirements. readings: the questions of the register that
    it answers. requirements: the ones it makes precise.
    """

    id: str
    section: str
    text: str
    readings: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


def _choice(entry: Entry) -> Choice:
    return Choice(
        entry.string("id"),
        entry.string("section"),
        entry.string("text"),
        entry.strings("readings"),
        entry.strings("requirements"),
    )


def read(folder: Path = FOLDER) -> tuple[dict[str, Choice], list[Problem]]:
    """The choices in the files of a folder, by id and in order, and the problems with single entries."""
    problems: list[Problem] = []
    found = entries(folder, {"choice": FIELDS}, {"choice": "id"}, problems)["choice"]
    read = [_choice(entry) for entry in found]
    return {choice.id: choice for choice in read if choice.id}, problems


@cache
def load(folder: Path = FOLDER) -> Mapping[str, Choice]:
    """The choices by id, read once. TableError lists every problem with an entry."""
    choices, problems = read(folder)
    if problems:
        raise TableError(problems)
    return choices


# --------------------------------------------------------------------------------------------------------------------
# Lint
# --------------------------------------------------------------------------------------------------------------------


def _form(choice: Choice) -> Iterator[Problem]:
    """Checks the form of the id and the length of the text."""
    where = f"choice {choice.id}"
    if not CHOICE_ID.fullmatch(choice.id):
        yield Problem(where, "the id does not have the form", "Write an area and words: data.check-order")
    sentences = len(re.findall(r"[.!?](?=\s|$)", choice.text))
    if choice.text and not 1 <= sentences <= MAX_SENTENCES:
        remedy = f"Write 1 to {MAX_SENTENCES}, each with a full stop, or split the choice"
        yield Problem(where, f"the text has {sentences} sentences", remedy)


def _links(choice: Choice, choices: Mapping[str, Choice], table: Table) -> Iterator[Problem]:
    """Checks that everything a choice names exists."""
    where = f"choice {choice.id}"
    sections = [section.name for section in table.sections]
    if choice.section and choice.section not in sections:
        what = f"unknown section {choice.section!r}{hint(choice.section, sections)}"
        yield Problem(where, what, "Name one as harness/spec/requirements/sections.toml has it")
    for name in choice.readings:
        if name not in table.readings:
            what = f"unknown reading {name}{hint(name, table.readings)}"
            yield Problem(where, what, "Correct it, or add the reading to the register")
    for name in choice.requirements:
        if name not in table.requirements:
            what = f"unknown requirement {name}{hint(name, table.requirements)}"
            yield Problem(where, what, "Correct it, or remove it")
    for name in CITATION.findall(choice.text):
        if name not in choices:
            yield Problem(where, f"its text refers to the unknown choice {name}{hint(name, choices)}", "Correct the id")


def check(choices: Mapping[str, Choice], table: Table) -> list[Problem]:
    """Problems with the choices as a whole, and with their links into the table of requirements."""
    problems = []
    for choice in choices.values():
        problems += [*_form(choice), *_links(choice, choices, table)]
    answered = {name for choice in choices.values() for name in choice.readings}
    for reading in table.readings.values():
        if reading.ours and reading.id not in answered:
            remedy = f'Add readings = ["{reading.id}"] to the choice that makes the engines take it'
            what = f"no choice answers it, although the engines take {reading.ours!r}"
            problems.append(Problem(f"reading {reading.id}", what, remedy))
    return problems


def lint(folder: Path = FOLDER, table: Table | None = None) -> list[Problem]:
    """All problems, with single entries and with the choices as a whole."""
    choices, problems = read(folder)
    return problems + check(choices, table or requirements.load())


# --------------------------------------------------------------------------------------------------------------------
# The page
# --------------------------------------------------------------------------------------------------------------------


def _markdown(text: str) -> str:
    """The text of a choice: HTML is escaped outside code, and citations become links."""
    parts = text.split("`")
    for at in range(0, len(parts), 2):
        plain = re.sub(r"[\\<]", lambda found: f"\\{found[0]}", parts[at])
        parts[at] = re.sub(r"\[choice ([^]]+)\]", lambda found: f"(see [{found[1]}](#{found[1]}))", plain)
    return "`".join(parts)


def _paragraphs(choice: Choice) -> Iterator[str]:
    yield f'<a id="{choice.id}"></a>**{choice.id}**. {_markdown(choice.text)}'
    links = []
    if choice.readings:
        names = ", ".join(f"[{name}](requirements.md#{name.lower()})" for name in choice.readings)
        links.append(f"Readings: {names}.")
    if choice.requirements:
        links.append(f"Requirements: {', '.join(choice.requirements)}.")
    if links:
        yield ""
        yield f"<sub>{' '.join(links)}</sub>"
    yield ""


def render() -> str:
    """The page as Markdown: the choices by section, in the order of the protocol texts."""
    choices = load()
    lines = [INTRODUCTION]
    for section in requirements.load().sections:
        own = [choice for choice in choices.values() if choice.section == section.name]
        if own:
            lines += [f"## {section.name.replace('>', '/')}", ""]
        for choice in own:
            lines += _paragraphs(choice)
    return "\n".join(lines).rstrip() + "\n"


pages.register("reference/choices.md", render)
