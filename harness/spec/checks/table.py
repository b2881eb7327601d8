"""The table of checks: reading its files, and looking for mistakes in them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from otterproof.harness.spec import requirements
from otterproof.harness.spec.entries import Entry, Fields, Problem, TableError, documents
from otterproof.harness.spec.requirements import Level

#: Where the files are. An id says nothing about the file that it is in.
FOLDER = Path(__file__).parent

#: What the names of the files begin with that have the demands of oracles.
_OF_ORACLES = "oracles_"

#: AREA.WORDS, such as data.counter-not-higher.
CHECK_ID = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")

#: The fields of a check; True for the one that it must have.
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
    """A demand. rule: what it demands, as one sentence. requirements: ids of what it follows from; () where it follows
    from those of the scenario. field: the field of a message that it is about, "" where it is about none. general: it
    also fails for many reasons that have nothing to do with it, since helpers make it in many scenarios, or since it
    demands that all else still works after something. basic: it fails for one reason alone, and not much works then.
    presumes: ids of checks that it says nothing about a mistake
    after, if they fail as well. of_oracle: an oracle makes it in every run.
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
    """The checks by id, and what is wrong with the files."""
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
    """Checks that name what does not exist, that presume themselves, and rules that are written twice."""
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
    """Whether a check says nothing about a mistake where others fail as well: it presumes one of them, directly or not.

    What is less binding than the check itself does not count, since it must not hide what is more binding.
    """
    presumed = _presumed(checks(), checks()[name].presumes) if name in checks() else set()
    levels = list(Level)
    return any(levels.index(level_of(one)) <= levels.index(level_of(name)) for one in presumed.intersection(failing))


def _presumed(known: Mapping[str, Check], names: Iterable[str]) -> set[str]:
    """Some checks and all that they presume, directly or not."""
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
    """The project's checks by id. TableError when the files are wrong."""
    found, problems = read()
    if problems:
        raise TableError(problems)
    return found


def level_of(name: str) -> Level:
    """How strongly the texts demand what a check does: as its strongest requirement. MUST where it has none."""
    check = checks().get(name)
    table = requirements.load().requirements
    levels = {table[one].level for one in check.requirements} if check is not None else set()
    return next((level for level in Level if level in levels), Level.MUST)


def rule(name: str) -> str:
    """The rule of a check; "" for one that the project does not have, such as a user's own."""
    check = checks().get(name)
    return check.rule if check is not None else ""
