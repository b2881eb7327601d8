"""Mutants: engines with one small change made by one of cosmic-ray's operators, drawn at random from all such changes.

The catalogue has the faults that somebody thought of; mutants are those that nobody did. The scenarios judge them as
they judge faults. If a mutant survives, either it is equivalent, which a file in `equivalent/` says with a reason, or a
scenario is missing. (Needs the extra "mutation".)
"""

from __future__ import annotations

import ast
import random
import sys
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from otterproof.harness.runs.faults.reach import Lines, around, first_line
from otterproof.harness.support.errors import OtterproofError
from otterproof.harness.targets.faults.entries import FaultError
from otterproof.harness.targets.faults.loader import INDEPENDENT, REFERENCE, Original

#: The engines that mutants are made of.
ORIGINALS: Mapping[str, Original] = {"reference": REFERENCE, "independent": INDEPENDENT}

#: The folder with the survivors that can't be told from the genuine engine, each with the reason; one file per engine.
EQUIVALENT = Path(__file__).parent / "equivalent"

#: Operators that are left out. Powers of numbers as long as ours never end; and "is" is the same as "==" for None and
#: the members of enums, which is all that the engines apply it to.
_LEFT_OUT = ("_Pow", "_Is_Eq", "_IsNot_NotEq")


class MutationMissing(OtterproofError, RuntimeError):
    """cosmic-ray is not installed."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What identifies a mutant, as long as the source around it stays as it is.

    function: the qualified name of the innermost function or class. before, after: the changed lines, stripped.
    """

    engine: str
    file: str
    function: str
    operator: str
    before: str
    after: str

    def __str__(self) -> str:
        where = f"{self.engine}/{self.file}, {self.function or 'module'}, {self.operator}"
        return f"{where}: {self.before!r} becomes {self.after!r}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant. text: its whole file. lines: as in reach.about."""

    key: Key
    text: str
    lines: Lines

    @property
    def original(self) -> Original:
        return ORIGINALS[self.key.engine]


@dataclass(frozen=True, slots=True)
class _Place:
    """A possible mutation: an occurrence of an operator in a top-level statement, which begins at `line`."""

    file: str
    line: int
    statement: str
    operator: str
    occurrence: int


def mutants(engine: str, number: int, seed: str) -> list[Mutant]:
    """So many mutants of an engine; the same seed draws the same ones. MutationMissing."""
    places = list(_places(ORIGINALS[engine]))
    random.Random(f"{seed} {engine}").shuffle(places)
    found: dict[Key, Mutant] = {}
    for place in places:
        if len(found) == number:
            break
        mutant = _mutant(engine, place)
        if mutant is not None:
            found.setdefault(mutant.key, mutant)
    return list(found.values())


def _places(original: Original) -> Iterator[_Place]:
    """Every possible mutation."""
    try:
        from cosmic_ray.ast import ast_nodes, get_ast
        from cosmic_ray.plugins import get_operator, operator_names
    except ImportError as missing:
        raise MutationMissing(
            f"mutants need cosmic-ray: {sys.executable} -m pip install 'cosmic-ray>=8.4,<9'"
        ) from missing
    operators = {name: get_operator(name) for name in operator_names() if not name.endswith(_LEFT_OUT)}
    able = {name: operator() for name, operator in operators.items() if not operator.arguments()}
    for file, text in original.sources.items():
        lines = text.splitlines(keepends=True)
        for one in ast.parse(text).body:
            first = first_line(one)
            statement = "".join(lines[first - 1 : one.end_lineno])
            nodes = list(ast_nodes(get_ast(statement)))
            for name, operator in able.items():
                count = sum(len(list(operator.mutation_positions(node))) for node in nodes)
                yield from (_Place(file, first, statement, name, occurrence) for occurrence in range(count))


def _mutant(engine: str, place: _Place) -> Mutant | None:
    """A mutant; None if it is the same program, or not a program at all."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    statement = mutate_code(place.statement, get_operator(place.operator)(), place.occurrence)
    if statement is None or not _is_another_program(place.statement, statement):
        return None
    original = ORIGINALS[engine]
    old, new = place.statement.splitlines(), statement.splitlines()
    at = _common(old, new)
    same = _common(old[: at - 1 if at else None : -1], new[: at - 1 if at else None : -1])
    before, after = ("\n".join(lines[at : len(lines) - same]).strip() for lines in (old, new))
    first, last = place.line + at, place.line + max(len(old) - same - 1, at)
    genuine = original.sources[place.file].splitlines()
    text = "\n".join([*genuine[: place.line - 1], *new, *genuine[place.line - 1 + len(old) :], ""])
    key = Key(engine, place.file, _function(place.statement, at + 1), place.operator, before, after)
    return Mutant(key, text, around(original, place.file, first, last))


def _common(left: list[str], right: list[str]) -> int:
    """How many lines two texts share at the beginning."""
    return next((at for at, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _is_another_program(genuine: str, text: str) -> bool:
    try:
        return _executed(text) != _executed(genuine)
    except SyntaxError:
        return False


@cache
def _executed(text: str) -> str:
    """The parts of a program that matter for what it does when it is called as its authors call it.

    Annotations, which nobody evaluates, do not matter, nor how arguments are to be passed, nor how data classes are to
    be made: these are for the type checker and for people.
    """
    with warnings.catch_warnings(action="ignore", category=SyntaxWarning):  # a mutant may well be odd
        tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            _ignore_argument_kinds(node.args)
        elif isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("dataclass", "field"):
            node.keywords = [one for one in node.keywords if one.arg not in _MAKING]
    return ast.dump(tree)


#: Options of data classes that do not affect their values.
_MAKING = ("frozen", "slots", "repr")


def _ignore_argument_kinds(arguments: ast.arguments) -> None:
    """Let all arguments be passed by position or by name."""
    by_name = arguments.kwonlyargs, arguments.kw_defaults
    arguments.args = [*arguments.posonlyargs, *arguments.args, *by_name[0]]
    arguments.defaults = [*arguments.defaults, *(one or ast.Constant(...) for one in by_name[1])]
    arguments.posonlyargs, arguments.kwonlyargs, arguments.kw_defaults = [], [], []


def _function(source: str, line: int) -> str:
    """The qualified name of the innermost function or class at a line, "" for the module."""
    names: list[str] = []
    body: list[ast.stmt] = ast.parse(source).body
    while inner := next((one for one in body if first_line(one) <= line <= (one.end_lineno or 0)), None):
        if isinstance(inner, ast.FunctionDef | ast.ClassDef):
            names.append(inner.name)
        body = [one for one in ast.iter_child_nodes(inner) if isinstance(one, ast.stmt)]
    return ".".join(names)


def equivalent() -> Mapping[Key, str]:
    """The mutants known to be equivalent, each with the reason. FaultError for an invalid entry."""
    fields = tuple(Key.__dataclass_fields__)
    found: dict[Key, str] = {}
    for where, entry in _equivalent_entries():
        if set(entry) != {*fields, "reason"} or not all(isinstance(value, str) for value in entry.values()):
            raise FaultError(f"{where}: an entry has {', '.join(fields)} and reason, all of them texts")
        key = Key(*(entry[name] for name in fields))
        if key.engine not in ORIGINALS or key.file not in ORIGINALS[key.engine].sources:
            raise FaultError(f"{where}: no file {key.file!r} in an engine {key.engine!r}")
        if not entry["reason"].strip():
            raise FaultError(f"{where}: say why nobody can tell it from the genuine engine")
        if key in found:
            raise FaultError(f"{where}: it is a duplicate; remove one")
        if key.before not in ORIGINALS[key.engine].sources[key.file]:
            raise FaultError(f"{where}: {key.before!r} is not in {key.file} any more; remove the entry, or correct it")
        found[key] = entry["reason"].strip()
    return found


def _equivalent_entries() -> Iterator[tuple[str, Mapping[str, str]]]:
    """The entries of all files, each with where it stands."""
    for path in sorted(EQUIVALENT.glob("*.toml")):
        for number, entry in enumerate(tomllib.loads(path.read_text(encoding="utf-8")).get("mutant", []), start=1):
            yield f"{EQUIVALENT.name}/{path.name}, entry {number}", entry
