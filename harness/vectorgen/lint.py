"""Checks that the committed vectors are well-formed. Whether they are right is up to verify.

A rule is a function from all files to its problems. The loader already refuses unknown fields, wrong forms, wrong
counts, duplicate ids and flags without a note; here they are reported as problems like the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from otterproof.harness.spec.entries import hint
from otterproof.harness.spec.requirements import RequirementClass, Table
from otterproof.harness.spec.requirements import load as load_requirements
from otterproof.harness.support.inputs import LIMITS, InputError, parse_json, parse_toml, read_input
from otterproof.vectors import FOLDER, KINDS, VectorError, VectorFile, load, schema
from otterproof.vectors.forms import typed

#: The minimum number of cases over all kinds, and the minimum share of invalid ones.
MIN_CASES = 2000
MIN_INVALID = 0.4

#: The maximum total size of the files in bytes.
MAX_BYTES = 12_000_000

#: Kinds that may have no file.
OPTIONAL = frozenset({"found"})

#: The requirements that no vector can show, each with a reason.
UNSHOWN = "unshown.toml"


def unshown(folder: Path = FOLDER) -> dict[str, str]:
    """Requirement -> why no vector can show it. VectorError."""
    path = folder / UNSHOWN
    try:
        content = parse_toml(read_input(path, limit=LIMITS["unshown"], what="a list of reasons"))
    except InputError as error:
        raise VectorError(path.name, str(error)) from error
    except ValueError as error:
        raise VectorError(str(path), f"can't be read: {error}") from error
    reasons: dict[str, str] = {}
    for number, entry in enumerate(typed(content.get("unshown", []), list, path.name), 1):
        where = f"{path.name}, entry {number}"
        given = typed(entry, dict, where)
        for name in typed(given.get("requirements"), list, f"{where}: requirements"):
            if typed(name, str, f"{where}: a requirement") in reasons:
                raise VectorError(where, f"{name} appears twice")
            reasons[name] = typed(given.get("reason"), str, f"{where}: reason")
    return reasons


Rule = Callable[[Sequence[VectorFile], Table, Path], Iterator[str]]


@cache
def _validator(kind: str) -> Draft202012Validator:
    return Draft202012Validator(schema.schema(KINDS[kind]))


def _text(path: Path) -> str:
    return read_input(path, limit=LIMITS["vectors"], what="a schema").decode("ascii", errors="replace")


def _schemas(files: Sequence[VectorFile], table: Table, folder: Path) -> Iterator[str]:
    """The schemas match the table of operations, and every file conforms to its own."""
    for kind in KINDS.values():
        path = folder / "schemas" / f"{kind.name}.schema.json"
        if not path.exists() or _text(path) != schema.render(kind):
            yield f"{path.name}: it is not what the table of operations makes; run `otterproof vectors generate`"
    for file in files:
        given = parse_json(read_input(folder / f"{file.kind}.json", limit=LIMITS["vectors"], what="vectors"))
        error = best_match(_validator(file.kind).iter_errors(given))
        if error is not None:
            yield f"{file.kind}.json: against its schema, at {error.json_path}: {error.message:.200}"


def _requirements(files: Sequence[VectorFile], table: Table, folder: Path) -> Iterator[str]:
    """Cases name requirements within the project's scope, and existing readings.

    Some of these requirements can't be judged by a scenario: a vector can ask for a function inside an implementation.
    """
    for file in files:
        for _, case in file:
            if not case.requirements:
                yield f"case {case.id}: it names no requirement that it shows"
            for name in case.requirements:
                found = table.requirements.get(name)
                if found is None:
                    yield f"case {case.id}: unknown requirement {name}{hint(name, table.requirements)}"
                elif found.kind is RequirementClass.OUT_OF_SCOPE:
                    yield f"case {case.id}: {name} is out of scope: {found.reason}"
            yield from _case_readings(case.id, tuple(case.outcomes), table)


def _case_readings(case: str, named: Sequence[str], table: Table) -> Iterator[str]:
    if named == ("",):
        return
    for number, full in enumerate(named):
        name, _, option = full.partition(":")
        reading = table.readings.get(name)
        if reading is None:
            yield f"case {case}: unknown reading {name}{hint(name, table.readings)}"
        elif option not in reading.options:
            yield f"case {case}: {name} has no option {option}; there are {', '.join(reading.options)}"
        elif (option == reading.ours) != (number == 0):
            yield f"case {case}: the first result, and only that, is in our reading, {name}:{reading.ours}; see {full}"


def _partition(files: Sequence[VectorFile], table: Table, folder: Path) -> Iterator[str]:
    """Every covered requirement is either shown by a case or listed with a reason why it can't be; never both."""
    try:
        reasons = unshown(folder)
    except VectorError as error:
        yield str(error)
        return
    shown = {name for file in files for _, case in file for name in case.requirements}
    covered = {requirement.id for requirement in table.of_kind(RequirementClass.COVERED)}
    for name in sorted(covered - shown - reasons.keys()):
        yield f"requirement {name}: no case shows it; write one, or say in {UNSHOWN} why none can"
    for name in sorted(shown & reasons.keys()):
        yield f"requirement {name}: {UNSHOWN} says that no vector can show it, and some do; remove it there"
    for name in sorted(reasons.keys() - covered):
        yield f"requirement {name}: it is in {UNSHOWN}, and is not a covered requirement{hint(name, covered)}"
    for name, reason in reasons.items():
        if not reason.strip():
            yield f"requirement {name}: {UNSHOWN} gives no reason"


def _notes(files: Sequence[VectorFile], table: Table, folder: Path) -> Iterator[str]:
    """Every note is used."""
    for file in files:
        used = {flag for _, case in file for flag in case.flags}
        for name in sorted(file.notes.keys() - used):
            yield f"{file.kind}.json: no case has the flag {name}; remove its note"


def _amounts(files: Sequence[VectorFile], table: Table, folder: Path) -> Iterator[str]:
    """There are enough cases, and the total size is within the limit."""
    cases, invalid = sum(file.count for file in files), sum(file.invalid for file in files)
    if cases < MIN_CASES:
        yield f"{cases} cases; at least {MIN_CASES} are wanted"
    if invalid < MIN_INVALID * cases:
        yield f"{invalid} of {cases} cases are invalid; at least {MIN_INVALID:.0%} are wanted"
    size = sum((folder / f"{file.kind}.json").stat().st_size for file in files)
    if size > MAX_BYTES:
        yield f"all files have {size} bytes; at most {MAX_BYTES} are wanted"


RULES: tuple[Rule, ...] = (_schemas, _requirements, _partition, _notes, _amounts)


def lint(folder: Path = FOLDER) -> list[str]:
    """All problems of the vectors in a folder, one per line."""
    files, problems = [], []
    for kind in KINDS:
        if not (folder / f"{kind}.json").exists():
            if kind not in OPTIONAL:
                problems.append(f"{kind}.json: it is missing; run `otterproof vectors generate`")
            continue
        try:
            files.append(load(kind, folder))
        except VectorError as error:
            problems.append(str(error))
    for path in sorted(folder.glob("*.json")):
        if path.stem not in KINDS:
            problems.append(f"{path.name}: there is no such kind")
    table = load_requirements()
    return problems + [problem for rule in RULES for problem in rule(files, table, folder)]
