"""The types of the table of requirements, and lookups in it.

All values are immutable. `loader` reads the files; `lint` judges whether the parts of the table agree with each other.
Looking up an unknown id raises an error that names similar ids.
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

#: Two or more words, such as AKE-FAIL-STATE. The last is not a number, so it can't be mistaken for a requirement.
READING_ID = re.compile(r"[A-Z][A-Z0-9]*(-[A-Z][A-Z0-9]*)+")

#: A possible reading, such as `keep` in AKE-FAIL-STATE:keep.
OPTION = re.compile(r"[a-z][a-z0-9]*")


class Level(StrEnum):
    """How binding a requirement is. ADVICE is not in the texts, but their goals need it; it is judged, too."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"
    ADVICE = "advice"

    def at_least(self, other: Level) -> bool:
        """Whether it is at least as binding as another level."""
        levels = list(Level)
        return levels.index(self) <= levels.index(other)


class RequirementClass(StrEnum):
    """How a requirement is handled: scenarios judge it, nobody outside can judge it, or it is out of scope."""

    COVERED = "covered"
    UNTESTABLE = "untestable"
    OUT_OF_SCOPE = "out-of-scope"


class UnknownId(OtterproofError, LookupError):
    """No requirement or reading has this id."""

    def __init__(self, what: str, wanted: str, known: Iterable[str]) -> None:
        super().__init__(f"there is no {what} {wanted}{hint(wanted, known)}")


@dataclass(frozen=True, slots=True)
class Text:
    """A protocol text that the table was taken from, identified by its hash; the text is not part of the project."""

    version: int
    title: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the texts. sentences: version -> number of normative sentences; no entry if the version lacks it.

    name: unique in the table. heading: as in the text, with a "{version}" placeholder. reason: why no requirement names
    the section.
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

    section: where it stands; also: further sections that say the same. restates: ids of requirements that demand the
    same or that include it as a special case, so that breaking it breaks them. reason: why it is not covered. implied:
    why it follows from the text although no sentence states it. readings: the questions that decide how to meet it.
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
        """Whether a sentence of the texts states it."""
        return self.level is not Level.ADVICE and not self.implied


@dataclass(frozen=True, slots=True)
class Reading:
    """A question that the texts leave open, or that implementations answer differently.

    options: the possible readings by name, each with its meaning. supported: the ones that the wording of the text
    allows. ours: the one that the project's engines follow. known: what is known of other implementations. probe: what
    a harness that sees only the wire and the events sends, and how it tells the readings apart.
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
        """The full ids of the possible readings, such as AKE-FAIL-STATE:keep."""
        return tuple(f"{self.id}:{option}" for option in self.options)


@dataclass(frozen=True, slots=True)
class Table:
    """The whole table. Requirements and readings are in file order, sections in the order of the texts."""

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
        """The requirements that this one restates, and those that restate it."""
        restated = self.requirement(wanted).restates
        return frozenset({*restated, *(one.id for one in self if wanted in one.restates)})

    def reading(self, wanted: str) -> Reading:
        """By id, or by the full id of an option; raises UnknownId."""
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
        """The requirements that cover a section of one text, including those of other sections that say the same."""
        return tuple(
            requirement for requirement in self if section in requirement.sections and version in requirement.versions
        )

    def of_kind(self, kind: RequirementClass) -> tuple[Requirement, ...]:
        return tuple(requirement for requirement in self if requirement.kind is kind)
