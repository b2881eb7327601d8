"""The entries of a file of known deviations: reading them, with the location of every mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from otterproof.harness.runs.fuzz.excuses import MOST_VALUES, PARTS, Excuse, is_value
from otterproof.harness.runs.runner import Result
from otterproof.harness.simulation.transcript import Verdict
from otterproof.harness.spec.entries import Entry, Fields, Problem
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.support.inputs import LIMITS, parse_toml, read_input
from otterproof.harness.support.printable import printable
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.targets.driver import SANITIZED

#: The folder of the third-party targets' files: NAME.toml.
FOLDER = Path(__file__).parent

#: Verdicts that a known deviation can excuse.
VERDICTS = (Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC)

#: What a file is called in messages when it can't be read.
WHAT = "a file of known deviations"

#: What an entry is about: a scenario with or without its version, a requirement, a vector case with or without the part
#: of its id after a dot, or the failures of random runs.
ABOUT = ("scenario", "requirement", "vector", "fuzz")

#: The key of a file that names the library which its target uses.
LIBRARY = "library"

_FIELDS: Fields = {
    "scenario": False,
    "requirement": False,
    "vector": False,
    "fuzz": False,
    "check": True,
    "reason": True,
    "expires": False,
    "flaky": False,
    "cases": False,
    **dict.fromkeys(PARTS, False),
}

#: Former fields, from when the beginning of its text identified a failure.
_EARLIER = frozenset({"message", "verdict"})


class DeviationError(CommandError, ValueError):
    """A file of known deviations can't be used. The message lists every problem, and what to do about it."""

    exit_code = USAGE

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class Deviation:
    """An entry. about: the kind of its subject, from ABOUT; name: which one, "" for random runs.

    check: the id of the failure. number: its position in the file, from 1. flaky: chance decides whether the scenario
    fails, so it may also pass; it may have several entries, one for each check that it may fail. cases: the inputs, or
    the cells of a state table, that fail the check; empty: any. kind, cell, observed: for random runs, the parts of the
    buckets that are known; empty: any. library: the one whose entry it is; "" if it is the target's own.
    """

    about: str
    name: str
    check: str
    reason: str
    expires: date | None
    number: int
    flaky: bool = False
    cases: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    cell: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    library: str = ""

    @property
    def excuse(self) -> Excuse:
        """The failures in random runs that it makes known."""
        return Excuse(self.check, self.kind, self.cell, self.observed)

    def covers(self, result: Result) -> bool:
        """Whether it is about this scenario, whatever the result."""
        if self.about == "requirement":
            return self.name in result.claimed
        return self.about == "scenario" and self.name in (result.scenario, result.scenario.partition("[")[0])

    def speaks_of_vector(self, case: str) -> bool:
        """Whether it is about this vector case: the case itself, or all cases whose ids begin with its name."""
        return self.about == "vector" and (case == self.name or case.startswith(f"{self.name}."))

    def explains(self, result: Result) -> bool:
        """Whether the scenario failed as the entry says."""
        fails_so = self.covers(result) and result.verdict in VERDICTS and result.check == self.check
        return fails_so and not self.unnamed_cases(result)

    def unnamed_cases(self, result: Result) -> list[str]:
        """The cases that failed and that an entry with cases does not name."""
        return [case for case in failed_cases(result) if self.cases and case not in self.cases]

    def passing_cases(self, result: Result) -> list[str]:
        """The cases that it names and that did not fail."""
        return [case for case in self.cases if case not in failed_cases(result)]

    def __str__(self) -> str:
        return f"entry {self.number} ({printable(f'{self.about} {self.name or self.check}')})"


def failed_cases(result: Result) -> tuple[str, ...]:
    """The cases of a scenario that failed the reported check."""
    return result.failure.failed_cases if result.failure is not None else ()


def shipped(target: str) -> Path | None:
    """The file of a third-party target, built with sanitizers or not; None if it has none."""
    # Do not ask the file system: the name may be a command line, too long for a file name or with dots in it.
    return next((path for path in FOLDER.glob("*.toml") if path.stem == target.removesuffix(SANITIZED)), None)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a file. Raises DeviationError if it is not TOML, InputError if it can't be read."""
    try:
        return parse_toml(read_input(path, limit=LIMITS["known deviations"], what=WHAT))
    except ValueError as error:
        raise DeviationError([f"{path} is not TOML: {error}"]) from error


def load(
    path: Path, scenarios: Sequence[str], requirements: Sequence[str], today: date | None = None
) -> list[Deviation]:
    """Read the entries of a file. Raises DeviationError, listing everything that is wrong, or InputError.

    scenarios, requirements: the existing ids. today: the date for judging expiry; None: expiry is not judged. The
    entries of the library that the target uses come last, if the file names one.
    """
    content = read_toml(path)
    entries, problems = _entries_in(content, path)
    problems += check(entries, scenarios, requirements, today, str(path))
    if problems:
        raise DeviationError(problems)
    return entries + library_entries(content, path)


def _entries_in(content: Mapping[str, Any], path: Path) -> tuple[list[Deviation], list[str]]:
    """The entries of a file that can be read, and what is wrong with its form. DeviationError."""
    problems = [
        f"{path}: unknown key {key!r}; entries begin with [[deviation]]"
        for key in content.keys() - {"deviation", LIBRARY}
    ]
    entries: list[Deviation] = []
    found: list[Problem] = []
    tables = content.get("deviation", [])
    if not isinstance(tables, list):
        raise DeviationError([f"{path}: 'deviation' is {tables!r:.60}; entries begin with [[deviation]]"])
    earlier = sum(isinstance(fields, Mapping) and bool(_EARLIER & fields.keys()) for fields in tables)
    if earlier:
        what = f"{path}: {earlier} of {len(tables)} entries use the old format (a failure's text instead of its check)"
        raise DeviationError([f"{what}; run with --fix, which keeps the reasons"])
    for number, fields in enumerate(tables, start=1):
        entry = read_entry(fields, number, str(path), found)
        if entry is not None:
            entries.append(entry)
    return entries, [*problems, *map(str, found)]


def library_entries(content: Mapping[str, Any], path: Path) -> list[Deviation]:
    """The entries of the library that a target uses, if its own file names one, as entries for random runs.

    What the target shows in a scenario may be another matter. content, path: the target's own file. Raises
    DeviationError if no file is shipped for the library.
    """
    name = content.get(LIBRARY)
    if name is None:
        return []
    file = shipped(name) if isinstance(name, str) else None
    if file is None or file == path:
        there = sorted(one.stem for one in FOLDER.glob("*.toml"))
        advice = did_you_mean(str(name), there, f"there are {', '.join(there)}")
        raise DeviationError([f"{path}: no file is shipped for {LIBRARY} = {printable(repr(name)[:60])}{advice}"])
    entries, _ = _entries_in(read_toml(file), file)
    return [
        replace(one, about="fuzz", name="", reason=f"{file.stem}: {one.reason}", library=file.stem)
        for one in entries
        if one.about != "vector"
    ]


def check(
    entries: Sequence[Deviation],
    scenarios: Sequence[str],
    requirements: Sequence[str],
    today: date | None,
    where: str,
) -> Iterator[str]:
    """Report entries that are unknown, duplicated or expired."""
    known = {"scenario": {name for one in scenarios for name in (one, one.partition("[")[0])}}
    known["requirement"] = set(requirements)
    seen: dict[str, Deviation] = {}
    for entry in entries:
        if entry.about in known and entry.name not in known[entry.about]:
            advice = did_you_mean(entry.name, known[entry.about], "remove it, or run with --fix")
            yield f"{where}: {entry}: there is no such {entry.about}{advice}"
        name = entry.name or f"fuzz {entry.excuse}"
        same = [name, name.partition("[")[0]] if entry.name else [name]
        other = next((seen[name] for name in same if name in seen), None)
        several = other is not None and other.flaky and entry.flaky and other.check != entry.check
        if other is not None and not several:
            yield f"{where}: {entry}: {other} already covers this; remove one of them, or run with --fix"
        seen.setdefault(name, entry)
        if today is not None and entry.expires is not None and entry.expires < today:
            advice = "fix the target, or decide again and change the date"
            yield f"{where}: {entry}: it expired on {entry.expires}; {advice}"


def read_entry(fields: object, number: int, where: str, problems: list[Problem]) -> Deviation | None:
    """Read an entry; on mistakes return None and add them to `problems`."""
    here = f"{where}: entry {number}"
    if not isinstance(fields, dict):
        problems.append(Problem(here, "it is not a table", "Begin each entry with [[deviation]]"))
        return None
    before = len(problems)
    entry = Entry(here, "known deviation", "", fields, _FIELDS, problems)
    named = [about for about in ABOUT if about in fields]
    if len(named) != 1:
        entry.problem(f"it has {len(named)} of {', '.join(ABOUT)}", "Give it one of them")
    about = named[0] if named else "scenario"
    if about == "fuzz" and entry.flag("fuzz") is not True:
        entry.problem("fuzz is not true", "Write fuzz = true, or name a scenario in its place")
    check_id = entry.string("check")
    if set(check_id) & set(" ()"):
        entry.problem("check is not the id of a failure", "Write the id alone, as reports show it")
    parts = {name: entry.strings(name) for name in PARTS}
    if any(parts.values()) and about != "fuzz":
        entry.problem(f"it has parts of a bucket ({', '.join(PARTS)})", "Only entries with fuzz = true may have them")
    for name, values in parts.items():
        if len(values) > MOST_VALUES or not all(map(is_value, values)):
            remedy = f"Write up to {MOST_VALUES}, as the bucket in record.json of a finding has them"
            entry.problem(f"{name} has a value that no bucket has, or too many", remedy)
    read = Deviation(
        about,
        "" if about == "fuzz" else entry.string(about),
        check_id,
        entry.string("reason"),
        entry.date("expires"),
        number,
        entry.flag("flaky"),
        entry.strings("cases"),
        parts["kind"],
        parts["cell"],
        parts["observed"],
    )
    return read if len(problems) == before else None
