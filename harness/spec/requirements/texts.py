"""Compares the table with the protocol texts, for users who have them.

The texts are not part of the project. Anyone who has them can check that the table was taken from these very files and
that it lists all of their headings.
"""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser
from pathlib import Path

from otterproof.harness.spec.entries import Problem
from otterproof.harness.spec.requirements.table import Table


class _Headings(HTMLParser):
    """Collects the text of h1 to h6."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if len(tag) == 2 and tag[0] == "h":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def headings(html: str) -> list[str]:
    """The headings of a page, in order, with whitespace collapsed."""
    parser = _Headings()
    parser.feed(html)
    parser.close()
    return [" ".join(heading.split()) for heading in parser.found]


def check_texts(table: Table, folder: Path) -> list[Problem]:
    """Checks that the texts in a folder are the ones the table was taken from and have the sections it lists."""
    problems = []
    for text in table.texts:
        path = folder / text.file
        try:
            content = path.read_bytes()
        except OSError as error:
            problems.append(
                Problem(str(path), f"can't be read: {error.strerror}", "Name the folder that has the texts")
            )
            continue
        if (found := hashlib.sha256(content).hexdigest()) != text.sha256:
            remedy = "Get the text that the table was taken from, or go through the new one and note its hash"
            problems.append(Problem(str(path), f"another text: its SHA-256 is {found}, not {text.sha256}", remedy))
        there = headings(content.decode("utf-8", "replace"))
        listed = [section.heading_in(text.version) for section in table.sections if text.version in section.sentences]
        for heading in sorted(set(there) | set(listed)):
            if (in_text := there.count(heading)) != (in_table := listed.count(heading)):
                what = f"the heading {heading!r} is {in_text} times in the text and {in_table} times in the table"
                problems.append(Problem(str(path), what, "Add the section to sections.toml, or remove it there"))
        if there != listed and sorted(there) == sorted(listed):
            remedy = "Put the sections into the order of the text"
            problems.append(Problem(str(path), "the sections of the table are in another order", remedy))
    return problems
