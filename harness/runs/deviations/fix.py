"""Rewrite a file of known deviations to match the results: `check --fix`, `fuzz --update-baseline`.

Entries that stay keep their reasons, dates and comments. A new entry gets its reason from the module `reasons`, or says
that nobody has looked at it yet.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

import tomlkit
from tomlkit.items import AoT, Table

from otterproof.harness.runs.deviations.entries import (
    VERDICTS,
    WHAT,
    Deviation,
    DeviationError,
    failed_cases,
    library_entries,
    read_entry,
)
from otterproof.harness.runs.deviations.known import Known
from otterproof.harness.runs.deviations.reasons import NOT_LOOKED_AT, Reason, Reasons, is_unexplained
from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.excuses import PARTS, Excuse, widest
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.support.inputs import LIMITS, parse_toml, read_input
from otterproof.harness.support.outputs import write_whole


class Fixed(NamedTuple):
    """How many entries were removed and added, and how many of the present ones nobody has looked at."""

    removed: int
    added: int
    unexplained: int


def fix(path: Path, results: Sequence[Result], others: Collection[str] = ()) -> Fixed:
    """Make a file match a run's results.

    others: the scenarios that were not run. The file's entries for them stay, and so do those for random runs and
    vectors. Unreadable, unknown and duplicate entries are removed. An entry for several versions that holds only in
    some of them is replaced by entries for those. An expired entry stays, because extending it is a decision. Raises
    DeviationError if the file is not TOML, InputError if it can't be read.
    """
    document, tables = document_of(path)
    kept: list[Table] = []
    narrowed: list[Table] = []  # for versions of a scenario that were not run, where another version has changed
    explained: set[str] = set()
    seen: set[tuple[str, str]] = set()
    for table in tables:
        entry = read_entry(table.unwrap(), 0, str(path), [])
        if _is_untouched(entry, results, others):
            kept.append(table)
            explained.update(result.scenario for result in results if entry is not None and entry.explains(result))
            continue
        if entry is None or Known([entry]).stale(results):
            narrowed += [_renamed(table, name) for name in others if entry is not None and _base(name) == entry.name]
            continue
        if (entry.name, entry.check) in seen or (not entry.flaky and entry.name in {name for name, _ in seen}):
            continue
        covered = [result.scenario for result in results if entry.explains(result)]
        if not entry.flaky and (not covered or explained.issuperset(covered)):
            continue
        seen.add((entry.name, entry.check))
        explained.update(covered)
        kept.append(table)
    failed = [result for result in results if result.verdict in VERDICTS and result.scenario not in explained]
    flaky = {_base(str(table.get("scenario", ""))) for table in kept if table.get("flaky") is True}
    by_case = {_base(str(table.get("scenario", ""))) for table in tables if table.get("cases")}
    new = [*narrowed]
    for name, result, reason in _groups(failed, results, others, by_case, Reasons(tables)):
        new.append(_table(name, result, reason, _base(name) in flaky, _base(name) in by_case))
    if new or len(kept) < len(tables) or not path.exists():
        write_document(path, document, [*kept, *new])
    unexplained = sum(is_unexplained(str(table.get("reason", ""))) for table in [*kept, *new])
    return Fixed(len(tables) - len(kept), len(new), unexplained)


def _is_untouched(entry: Deviation | None, results: Sequence[Result], others: Collection[str]) -> bool:
    """Whether the results don't decide an entry: it is about something else, or its scenarios ran in part at most."""
    if entry is not None and entry.about not in ("scenario", "requirement"):
        return True
    if not others:
        return False
    return entry is None or entry.about != "scenario" or not any(map(entry.covers, results))


def fix_fuzz(path: Path, failing: Collection[Excuse], fixed: Collection[Bucket]) -> tuple[int, int]:
    """Make a file match a campaign: add entries for what fails in random runs, remove those for what was fixed.

    fixed: the buckets of findings that no longer occur; an entry is removed if it covers one of them and no present
    failure. Returns how many entries were removed, and how many added. Raises as `fix` does.
    """
    document, tables = document_of(path)
    kept: list[Table] = []
    known = [one.excuse for one in library_entries(document.unwrap(), path)]
    for table in tables:
        entry = read_entry(table.unwrap(), 0, str(path), [])
        if entry is not None and entry.about == "fuzz" and _is_fixed(entry.excuse, failing, fixed):
            continue
        kept.append(table)
        if entry is not None and entry.about != "vector":
            known.append(entry.excuse)
    new = []
    for excuse in widest(one for one in failing if not any(other.includes(one) for other in known)):
        table = tomlkit.table()
        table["fuzz"] = True
        table["check"] = excuse.check
        for name in PARTS:
            if values := getattr(excuse, name):
                table[name] = list(values)
        table["reason"] = NOT_LOOKED_AT
        new.append(table)
    if new or len(kept) < len(tables) or not path.exists():
        write_document(path, document, [*kept, *new])
    return len(tables) - len(kept), len(new)


def _is_fixed(excuse: Excuse, failing: Collection[Excuse], fixed: Collection[Bucket]) -> bool:
    """Whether an excuse covers something that is fixed, and nothing that fails."""
    return any(map(excuse.covers, fixed)) and not any(excuse.includes(one) for one in failing)


def document_of(path: Path) -> tuple[tomlkit.TOMLDocument, list[Table]]:
    """A file and its entries; an empty document if there is no file. Raises as `fix` does."""
    document = _document(path) if path.exists() else tomlkit.document()
    entries = document.get("deviation", tomlkit.aot())
    return document, list(entries) if isinstance(entries, AoT) else []


def write_document(path: Path, document: tomlkit.TOMLDocument, tables: Sequence[Table]) -> None:
    """Write a file with these entries in place of its own."""
    entries = tomlkit.aot()
    for table in tables:
        entries.append(table)
    document.pop("deviation", None)
    if entries:
        document["deviation"] = entries
    # tomlkit puts an extra blank line between the tables of an array that is put back together.
    write_whole(path, re.sub(r"\n{3,}", "\n\n", tomlkit.dumps(document).lstrip("\n")))


def _document(path: Path) -> tomlkit.TOMLDocument:
    data = read_input(path, limit=LIMITS["known deviations"], what=WHAT)
    try:
        parse_toml(data)  # tomlkit is slow, so give it only valid TOML
        return tomlkit.parse(data)
    except (tomlkit.exceptions.TOMLKitError, ValueError, RecursionError) as error:
        raise DeviationError([f"{path} can't be rewritten: {error}; correct it by hand"]) from error


def _groups(
    failed: Sequence[Result],
    results: Sequence[Result],
    others: Collection[str],
    by_case: Collection[str],
    reasons: Reasons,
) -> list[tuple[str, Result, Reason]]:
    """Names for new entries, each with a result that it explains: one for all versions if they all fail alike.

    by_case: the scenarios whose entries name the failing cases.
    """
    checks: dict[str, set[str]] = defaultdict(set)
    for result in failed:
        checks[_base(result.scenario)].add(result.check)
    groups: dict[tuple[str, str, tuple[str, ...], Reason], list[Result]] = defaultdict(list)
    for result in sorted(failed, key=lambda result: result.scenario):
        base = _base(result.scenario)
        cases = failed_cases(result) if base in by_case else ()
        groups[base, result.check, cases, reasons.of(result, checks[base])].append(result)
    named: list[tuple[str, Result, Reason]] = []
    for (base, _, _, reason), alike in groups.items():
        asked = [one for one in results if _base(one.scenario) == base and one.verdict is not Verdict.UNSUPPORTED]
        all_alike = len(alike) == len(asked) and base not in map(_base, others)
        named += [(base, alike[0], reason)] if all_alike else [(one.scenario, one, reason) for one in alike]
    return named


def _renamed(table: Table, name: str) -> Table:
    """The same entry for another scenario."""
    copy = tomlkit.table()
    for key, value in table.items():
        copy[key] = name if key == "scenario" else value
    return copy


def _base(scenario: str) -> str:
    """A scenario's id without the version."""
    return scenario.partition("[")[0]


def _table(name: str, result: Result, reason: Reason, flaky: bool, by_case: bool) -> Table:
    """A new entry. by_case: it names the failing cases."""
    table = tomlkit.table()
    table["scenario"] = name
    table["check"] = result.check
    table["reason"] = reason.text
    if reason.expires is not None:
        table["expires"] = reason.expires
    if flaky:
        table["flaky"] = True
    if by_case and failed_cases(result):
        table["cases"] = list(failed_cases(result))
    return table
