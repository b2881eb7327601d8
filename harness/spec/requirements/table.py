"""What the table of requirements is made of, and how to look things up in it.

Everything here is a value that does not change. The files are read by `loader`; whether the parts of the table agree
with each other is judged by `lint`. A lookup of an id that does not exist says which ids are near to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from otterproof.harness.spec.entries import hint
from otterproof.harness.support.errors import OtterproofError

#: The protocol versions that have a text.
VERSIONS = (2, 3)

#: AREA-TOPIC-N, such as DATA-CTR-2.
REQUIREMENT_ID = re.compile(r"([A-Z][A-Z0-9]*)-([A-Z][A-Z0-9]*)-([1-9][0-9]*)")

#: Two or more words, such as AKE-FAIL-STATE; the last one is no number, so that it is never taken for a requirement's.
READING_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z][A-Z0-9]*)+")

#: One of the possible readings, such as `keep` in AKE-FAIL-STATE:keep.
OPTION = re.compile(r"[a-z][a-z0-9]*")


class Level(StrEnum):
    """How binding a requirement is. ADVICE is not in the texts but needed for their goals; it is judged, too."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"
    ADVICE = "advice"

    def at_least(self, other: Level) -> bool:
        """Whether it is as binding as another level, or more."""
        levels = list(Level)
        return levels.index(self) <= levels.index(other)


class RequirementClass(StrEnum):
    """What becomes of a requirement: scenarios judge it, nobody outside can, or it is not the project's business."""

    COVERED = "covered"
    UNTESTABLE = "untestable"
    OUT_OF_SCOPE = "out-of-scope"


class UnknownId(OtterproofError, LookupError):
    """No requirement or reading has this id."""

    def __init__(self, what: str, wanted: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {what} {wanted}{hint(wanted, known)}")


@dataclass(frozen=True, slots=True)
class Text:
    """A protocol text that the table was taken from, known by its hash; the text itself is not in the project."""

    version: int
    title: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the texts. sentences: by version, how many normative ones it has; no entry: no such section.

    name: unique in the table. heading: as it stands in the text; "{version}" is put in. reason: why no requirement
    names the section.
    """

    name: str
    heading: str
    sentences: Mapping[int, int]
    reason: str = ""

    def heading_in(self, version: int) -> str:
        return self.heading.replace("{version}", str(version))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One demand of the texts, in our own words.

    section: where it stands; also: further sections that say the same. restates: ids of requirements that
    demand the same, or of which it is one case, so that a client can't break it without breaking them. reason: why it
    is not covered. implied: why it follows from the text although no sentence says so. readings: questions on which it
    depends how it is to be met.
    """

    id: str
    level: Level
    versions: tuple[int, ...]
    section: str
    text: str
    kind: RequirementClass
    also: tuple[str, ...] = ()
    restates: tuple[str, ...] = ()
    reason: str = ""
    implied: str = ""
    readings: tuple[str, ...] = ()
    note: str = ""

    @property
    def area(self) -> str:
        return self.id.partition("-")[0]

    @property
    def sections(self) -> tuple[str, ...]:
        return (self.section, *self.also)

    @property
    def stated(self) -> bool:
        """Whether a sentence of the texts says it."""
        return self.level is not Level.ADVICE and not self.implied


@dataclass(frozen=True, slots=True)
class Reading:
    """A question that the texts leave open, or that implementations answer in different ways.

    options: the possible readings by name, each with what it means. supported: those that the words of the text bear.
    ours: that of the project's engines. known: what is known of other implementations. probe: what a harness that sees
    only the wire and the events sends, and how it tells the readings apart.
    """

    id: str
    versions: tuple[int, ...]
    question: str
    text: str
    options: Mapping[str, str]
    supported: tuple[str, ...]
    ours: str
    requirements: tuple[str, ...]
    probe: str
    known: Mapping[str, str]

    @property
    def choices(self) -> tuple[str, ...]:
        """The possible readings by their full ids, such as AKE-FAIL-STATE:keep."""
        return tuple(f"{self.id}:{option}" for option in self.options)


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. Requirements and readings are in the order of the files, sections in that of the texts."""

    texts: tuple[Text, ...]
    sections: tuple[Section, ...]
    requirements: Mapping[str, Requirement]
    readings: Mapping[str, Reading]

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.requirements.values())

    def __len__(self) -> int:
        return len(self.requirements)

    def requirement(self, wanted: str) -> Requirement:
        """By id; raises UnknownId."""
        try:
            return self.requirements[wanted]
        except KeyError:
            raise UnknownId("requirement", wanted, self.requirements) from None

    def restatements(self, wanted: str) -> frozenset[str]:
        """The requirements that a requirement restates and those that restate it."""
        restated = self.requirement(wanted).restates
        return frozenset({*restated, *(one.id for one in self if wanted in one.restates)})

    def reading(self, wanted: str) -> Reading:
        """By id, or by the full id of one of its options; raises UnknownId."""
        reading, colon, option = wanted.partition(":")
        try:
            found = self.readings[reading]
        except KeyError:
            raise UnknownId("reading", reading, self.readings) from None
        if colon and option not in found.options:
            raise UnknownId("reading", wanted, found.choices)
        return found

    def section(self, wanted: str) -> Section:
        """By name; raises UnknownId."""
        for section in self.sections:
            if section.name == wanted:
                return section
        raise UnknownId("section", wanted, [section.name for section in self.sections])

    def covering(self, section: str, version: int) -> tuple[Requirement, ...]:
        """The requirements that cover a section of one text, those of other sections that say the same included."""
        return tuple(
            requirement for requirement in self if section in requirement.sections and version in requirement.versions
        )

    def of_kind(self, kind: RequirementClass) -> tuple[Requirement, ...]:
        return tuple(requirement for requirement in self if requirement.kind is kind)
