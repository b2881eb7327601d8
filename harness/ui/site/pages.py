"""The site of one or several runs: a matrix of targets and requirements, and a page behind every cell of it.

A site is a folder of pages that needs no server and no network. Its pages are made from cards, from the transcripts
beside them, and from the tables of what there is to judge. Every id that becomes a file name is one of the project's
own, or is made safe first.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from otterproof.harness.spec import requirements, states
from otterproof.harness.spec.requirements import Requirement, requirement_ids
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.outputs import make_folder, write_whole
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import Scenario, scenarios
from otterproof.harness.ui.reports.card import Card, conclusion
from otterproof.harness.ui.site import environment
from otterproof.harness.ui.site.conversations import PAGE as MATRIX
from otterproof.harness.ui.site.conversations import Conversations
from otterproof.harness.ui.site.diagram import picture_of, screen_of
from otterproof.harness.ui.site.names import page_name

#: Verdicts on a requirement: a sign that distinguishes them without colour, and their meaning.
SIGNS: Mapping[str, tuple[str, str]] = {
    "pass": ("✓", "passes"),
    "fail": ("✗", "fails"),
    "crash": ("✸", "breaks down"),
    "hang": ("…", "does not answer"),
    "desync": ("?", "answers with something else"),
    "given_up": ("∅", "is no longer called"),
    "known": ("≈", "is known to fail"),
    "unsupported": ("–", "is not asked"),
    "infra": ("!", "could not be judged"),
    "": ("·", "was not judged"),
}


#: What happened in a cell of a state table, by its sign.
CELLS: Mapping[str, str] = {"pass": "visited", "fail": "something failed there", "": "not visited"}


#: The first page, and the footer of every page, which says where it is from.
START, GENERATOR = "index.html", '<meta name="generator" content="Otterproof">'


@dataclass(frozen=True, slots=True)
class Report:
    """A run to be shown on a site. folder: of its card and its transcripts."""

    card: Card
    folder: Path

    @property
    def name(self) -> str:
        """The heading of a column: the target and its version."""
        target = self.card["target"]
        return f"{target['name']} {target['version']}".strip()


def write_site(reports: Sequence[Report], folder: Path, conversations: Conversations | None = None) -> int:
    """Write a site to a folder, replacing an earlier one; return the number of pages.

    conversations: the matrix, if the site is to include one. Raises UsageError if there is nothing to show, and
    OutputError.
    """
    if not reports and conversations is None:
        raise UsageError("a site needs at least one report; name a folder that check --report has written")
    again = _is_site(folder)
    written = set()
    for name, text in _Site(reports, conversations).pages():
        path = folder / name
        make_folder(path.parent)
        write_whole(path, text, durable=False)
        written.add(path)
    for old in set(folder.rglob("*.html")) - written if again else ():
        old.unlink()
    return len(written)


def check_site(folder: Path) -> None:
    """Raise UsageError for a folder with files but no site of ours: its pages would seem to belong to the site."""
    if folder.is_dir() and any(folder.iterdir()) and not _is_site(folder):
        raise UsageError(f"{folder} has files and is no site of Otterproof; name a new folder with --out")


def _is_site(folder: Path) -> bool:
    """Whether a site was written to a folder before."""
    pages = [page for page in (folder / START, folder / MATRIX) if page.is_file()]
    return any(GENERATOR in page.read_text(encoding="utf-8", errors="replace") for page in pages)


class _Site:
    """The pages of a site."""

    def __init__(self, reports: Sequence[Report], conversations: Conversations | None) -> None:
        self._reports, self._conversations = reports, conversations
        self._table = requirements.load()
        self._environment = environment()

    def pages(self) -> Iterator[tuple[str, str]]:
        """All pages: their names and contents."""
        if self._conversations is not None:
            yield from self._conversations.pages(self._render)
        if self._reports:
            yield "index.html", self._index()
        for one in self._table:
            if one.id in self._judged:
                yield f"requirements/{page_name(one.id)}.html", self._requirement(one)
        for number, report in enumerate(self._reports):
            for cause in report.card["causes"]:
                yield f"{self._failure(number, cause)}.html", self._failure_page(report, cause)
            yield f"targets/{number}-{page_name(report.name)}.html", self._target(number, report)
            yield f"cells/{number}-{page_name(report.name)}.html", self._cells(report)

    @cached_property
    def _judged(self) -> set[str]:
        return {name for report in self._reports for name in report.card["requirements"]}

    @cached_property
    def _claims(self) -> Mapping[str, Sequence[Scenario]]:
        """The scenarios that judge each requirement."""
        found = defaultdict(list)
        for one in scenarios():
            for name in one.claimed:
                found[name].append(one)
        return found

    @cached_property
    def _faults(self) -> Mapping[str, Sequence[str]]:
        """The faults that break each requirement."""
        found = defaultdict(list)
        for fault in faults().values():
            for name in fault.breaks:
                found[name].append(fault.name)
        return found

    def _failure(self, number: int, cause: Card) -> str:
        return f"failures/{number}-{page_name(cause['check'] or cause['verdict'] + ' ' + cause['first'])}"

    def _links(self, number: int) -> dict[str, str]:
        """The page of each failing scenario of a run."""
        causes = self._reports[number].card["causes"]
        return {name: f"{self._failure(number, cause)}.html" for cause in causes for name in cause["scenarios"]}

    def _render(self, template: str, root: str, **values: object) -> str:
        script = self._environment.get_template("site.js").render()
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        places = [("All targets", "index.html")] if self._reports else []
        places += [("Interoperability", MATRIX)] if self._conversations is not None else []
        common = {"root": root, "script": script, "digest": digest, "signs": SIGNS, "page_name": page_name}
        common |= {"places": places}
        return self._environment.get_template(template).render(**common, **values)

    def _index(self) -> str:
        columns = [
            (
                report.name,
                f"targets/{number}-{page_name(report.name)}.html",
                conclusion(report.card),
            )
            for number, report in enumerate(self._reports)
        ]
        rows = [
            (one, [report.card["requirements"].get(one.id, {}).get("verdict", "") for report in self._reports])
            for one in self._table
            if one.id in self._judged
        ]
        return self._render("index.html", "", columns=columns, rows=rows)

    def _requirement(self, one: Requirement) -> str:
        results = []
        for number, report in enumerate(self._reports):
            links = self._links(number)
            judged = [
                (scenario, links.get(scenario["id"], ""))
                for scenario in report.card["scenarios"]
                if one.id in requirement_ids(scenario["requirements"])
            ]
            results.append((report.name, judged))
        sections = [self._table.section(one.section).heading_in(version) for version in one.versions]
        return self._render(
            "requirement.html",
            "../",
            one=one,
            sections=list(dict.fromkeys(sections)),
            claims=self._claims.get(one.id, ()),
            faults=self._faults.get(one.id, ()),
            results=results,
        )

    def _failure_page(self, report: Report, cause: Card) -> str:
        picture = picture_of(report.folder, cause["transcripts"])
        screen = screen_of(report.folder, cause.get("picture", ""))
        return self._render(
            "failure.html",
            "../",
            report=report,
            cause=cause,
            picture=picture,
            screen=screen,
            known=self._table.requirements,
        )

    def _target(self, number: int, report: Report) -> str:
        causes = [(cause, f"{self._failure(number, cause)}.html") for cause in report.card["causes"]]
        cells = f"cells/{number}-{page_name(report.name)}.html"
        return self._render(
            "target.html", "../", report=report, causes=causes, cells=cells, conclusion=conclusion(report.card)
        )

    def _cells(self, report: Report) -> str:
        """The state tables of a run: a table for each version and input, its cells coloured by what happened there."""
        visited = set(report.card["visited"])
        failed = _failed_cells(report.card)
        tables: dict[str, dict[str, dict[str, str]]] = defaultdict(lambda: defaultdict(dict))
        for cell in states.possible():
            name = str(cell)
            outcome = "fail" if name in failed else "pass" if name in visited else ""
            title = f"version {cell.version}, {cell.message.value}"
            tables[title][f"{cell.input} ({cell.setting})"][cell.auth.value] = outcome
        return self._render("cells.html", "../", report=report, tables=tables, words=CELLS)


def _failed_cells(card: Card) -> set[str]:
    """The cells that failing scenarios about the tables name in their details."""
    longest_first = sorted(map(str, states.possible()), key=len, reverse=True)  # some names begin with another one
    names = re.compile("|".join(map(re.escape, longest_first)))
    return {cell for cause in card["causes"] for line in cause["record"] for cell in names.findall(line)}
