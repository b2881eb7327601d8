"""The table of checks: reads its files and lints them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from otterproof.harness.spec import requirements
from otterproof.harness.spec.entries import Entry, Fields, Problem, TableError, documents
from otterproof.harness.spec.requirements import Level

#: Where the files are. The id of a check doesn't depend on the file that defines it.
FOLDER = Path(__file__).parent

#: The prefix of the files that hold the checks of oracles.
_OF_ORACLES = "oracles_"

#: AREA.WORDS, such as data.counter-not-higher.
CHECK_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")

#: The fields of a check; True if required.
FIELDS: Fields = {
    "rule": True,
    "requirements": False,
    "field": False,
    "general": False,
    "basic": False,
    "presumes": False,
}


@dataclass(frozen=True, slots=True)
class Check:
    """A demand. rule: what it demands, in one sentence. requirements: the ids it follows from; () if it follows from
    the requirements of the scenario. field: the message field it is about, or "". general: it also fails for many
    unrelated reasons, because helpers make it in many scenarios or because it demands that everything still works after
    some event. basic: it fails for only one reason, and little works when it does. presumes: ids of checks; if one of
    them fails as well, this check says nothing about a mistake. of_oracle: an oracle makes it in every run.
    """

    id: str
    rule: str
    requirements: tuple[str, ...] = ()
    field: str = ""
    general: bool = False
    basic: bool = False
    presumes: tuple[str, ...] = ()
    of_oracle: bool = False


def read(folder: Path = FOLDER) -> tuple[dict[str, Check], list[Problem]]:
    """The checks by id, and the problems in the files."""
    found: dict[str, Check] = {}
    problems: list[Problem] = []
    for file, content in documents(folder, problems):
        for area, entries in content.items():
            if not isinstance(entries, dict):
                problems.append(Problem(file, f"{area!r} stands outside a check", "Write it below [area.words]"))
                continue
            for name, fields in entries.items():
                check = _check(f"{area}.{name}", fields, file, problems)
                if check.id in found:
                    problems.append(Problem(file, f"{check.id} is in another file too", "Remove one of them"))
                found.setdefault(check.id, check)
    return found, problems


def _check(name: str, fields: object, file: str, problems: list[Problem]) -> Check:
    entry = Entry(f"{file}, {name}", "check", name, fields, FIELDS, problems)
    if not CHECK_ID.fullmatch(name):
        entry.problem("this is not the id of a check", "Write it as area.words, in lower-case letters")
    rule = entry.string("rule")
    if rule and not rule.endswith("."):
        entry.problem("rule is not a sentence", "Put a full stop at the end")
    if "\n" in rule:
        entry.problem("rule has more than one line", "End each of its lines but the last with a backslash")
    sources, oracle = entry.strings("requirements"), file.startswith(_OF_ORACLES)
    presumed = entry.strings("presumes")
    return Check(
        name, rule, sources, entry.string("field"), entry.flag("general"), entry.flag("basic"), presumed, oracle
    )


def lint(known: Mapping[str, Check], requirements: Collection[str]) -> Iterator[Problem]:
    """Finds references to unknown ids, checks that presume themselves, and duplicate rules."""
    rules: dict[str, str] = {}
    for check in known.values():
        for name in check.requirements:
            if name not in requirements:
                yield Problem(check.id, f"there is no requirement {name}", "Correct the id")
        for name in check.presumes:
            if name not in known:
                yield Problem(check.id, f"there is no check {name} to presume", "Correct the id")
        if check.id in _presumed(known, check.presumes):
            yield Problem(check.id, "it presumes itself", "Take out one of the ids on the way")
        if check.rule in rules:
            yield Problem(check.id, f"{rules[check.rule]} has the same rule", "Use one id, or tell them apart")
        rules.setdefault(check.rule, check.id)


def is_consequence(name: str, failing: Iterable[str]) -> bool:
    """Whether a failure of this check only follows from another one that fails, which it presumes, even indirectly.

    A presumed check that is less binding than this one does not count: it must not hide the more binding demand.
    """
    presumed = _presumed(checks(), checks()[name].presumes) if name in checks() else set()
    levels = list(Level)
    return any(levels.index(level_of(one)) <= levels.index(level_of(name)) for one in presumed.intersection(failing))


def _presumed(known: Mapping[str, Check], names: Iterable[str]) -> set[str]:
    """The named checks and everything they presume, directly or indirectly."""
    found: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found.add(name)
            waiting += known[name].presumes
    return found


@cache
def checks() -> Mapping[str, Check]:
    """The project's checks by id. TableError if the files are wrong."""
    found, problems = read()
    if problems:
        raise TableError(problems)
    return found


def level_of(name: str) -> Level:
    """How strongly the texts demand a check: the level of its strongest requirement, or MUST if there is none."""
    check = checks().get(name)
    table = requirements.load().requirements
    levels = {table[one].level for one in check.requirements} if check is not None else set()
    return next((level for level in Level if level in levels), Level.MUST)


def rule(name: str) -> str:
    """The rule of a check; "" if the project does not define the check (a user may define their own)."""
    check = checks().get(name)
    return check.rule if check is not None else ""
