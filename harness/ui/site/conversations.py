"""The interoperability matrix as pages.

A table of all pairs of targets links to each pair's conversations, each with its diagram.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from otterproof.harness.ui.reports.matrix import Matrix
from otterproof.harness.ui.site.diagram import picture_of
from otterproof.harness.ui.site.names import page_name

#: The page with the table.
PAGE = "matrix.html"

#: Renders a page from a template, the path from the page to the root of the site, and its content.
Render = Callable[..., str]


@dataclass(frozen=True, slots=True)
class Conversations:
    """A matrix to be shown on a site. folder: of its file and its transcripts."""

    matrix: Matrix
    folder: Path

    def pages(self, render: Render) -> Iterator[tuple[str, str]]:
        """All pages: their names, and what is in them."""
        cells = self.matrix["cells"]
        rows = list(dict.fromkeys(cell["left"] for cell in cells))
        columns = list(dict.fromkeys(cell["right"] for cell in cells))
        squares: dict[tuple[str, str], list[Square]] = {}
        for number, cell in enumerate(cells):
            squares.setdefault((cell["left"], cell["right"]), []).append(_square(number, cell))
        missing = self.matrix["missing"]
        yield PAGE, render("matrix.html", "", rows=rows, columns=columns, squares=squares, missing=missing)
        for number, cell in enumerate(cells):
            told = [(one, verdict_of(one), picture_of(self.folder, one["transcripts"])) for one in cell["scenarios"]]
            yield _page(number, cell), render("conversations.html", "../", cell=cell, told=told)


@dataclass(frozen=True, slots=True)
class Square:
    """A cell of the table: a pair of targets in a version. verdict: the worst of its conversations.

    blamed: the targets that the failures are blamed on.
    """

    page: str
    version: int
    passed: int
    total: int
    verdict: str
    blamed: tuple[str, ...]


def verdict_of(scenario: Mapping[str, Any]) -> str:
    """The verdict on a conversation; "known" if the failure is accepted."""
    return "known" if scenario["known"] else str(scenario["verdict"])


def _square(number: int, cell: Mapping[str, Any]) -> Square:
    verdicts = [verdict_of(one) for one in cell["scenarios"]]
    bad = [one for one in verdicts if one not in ("pass", "known", "unsupported")]
    worst = next(iter(bad), "known" if "known" in verdicts else "pass")
    blamed = dict.fromkeys(side for one in cell["scenarios"] for side in one["blame"])
    return Square(_page(number, cell), cell["version"], verdicts.count("pass"), len(verdicts), worst, tuple(blamed))


def _page(number: int, cell: Mapping[str, Any]) -> str:
    pair = f"{page_name(cell['left'])}--{page_name(cell['right'])}"
    return f"conversations/{number}-{pair}-v{cell['version']}.html"
