"""Which lines of an engine a run reaches, and which lines a change of its source is about.

A change can only matter in a run that reaches it. What a scenario reaches is found out once, with the genuine engine,
and most of the catalogue is then out of the question for it. When in doubt a change counts as reached: what is executed
on import (constants, signatures, classes) could matter anywhere.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FrameType
from typing import Any

from harness.faults.entries import Edit
from harness.faults.loader import REFERENCE, Original

#: A line of an engine: file and number.
Line = tuple[str, int]

#: What a change is about: alternatives, of which one must be reached; None if it could matter in any run.
Lines = frozenset[Line] | None


@contextmanager
def traced(package: str) -> Iterator[set[Line]]:
    """The lines that are executed in the block of an engine that was imported as `package`; complete after it."""
    reached: set[Line] = set()
    by_code: dict[CodeType, tuple[str, set[int]]] = {}

    def call(frame: FrameType, event: str, arg: Any) -> Any:
        name = frame.f_globals.get("__name__", "")
        if not name.startswith(package):
            return None
        _, lines = by_code.setdefault(frame.f_code, (name, set()))

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield reached
    finally:
        sys.settrace(before)
        for name, lines in by_code.values():
            reached.update((f"{name.rpartition('.')[2]}.py", number) for number in lines)


def about(edits: Iterable[Edit], original: Original = REFERENCE) -> Lines:
    """The lines that some edits are about."""
    found: set[Line] = set()
    for edit in edits:
        start = original.sources[edit.file].index(edit.find)
        first = original.sources[edit.file].count("\n", 0, start) + 1
        lines = around(original, edit.file, first, first + edit.find.rstrip("\n").count("\n"))
        if lines is None:
            return None
        found |= lines
    return frozenset(found)


def around(original: Original, file: str, first: int, last: int) -> Lines:
    """The lines of the statements that some lines belong to: of a compound statement the head, if that is enough."""
    found: set[Line] = set()
    for number in range(first, last + 1):
        lines = _statement(original, file, number)
        if lines is None:
            return None
        found.update((file, line) for line in lines)
    return frozenset(found)


@cache
def _tree(original: Original, file: str) -> ast.Module:
    return ast.parse(original.sources[file])


def _statement(original: Original, file: str, number: int) -> Iterable[int] | None:
    """The lines of the innermost statement at a line; none for a line between two; None if it is run on import."""
    text = original.sources[file].splitlines()[number - 1].strip()
    if not text or text.startswith("#"):
        return ()
    body: list[ast.stmt] = _tree(original, file).body
    found: ast.stmt | None = None
    inside = False
    while inner := next((one for one in body if _first(one) <= number <= (one.end_lineno or 0)), None):
        inside = inside or isinstance(found, ast.FunctionDef)
        found = inner
        body = _children(inner)
    if found is None or not inside or isinstance(found, ast.FunctionDef | ast.ClassDef):
        return None
    children = _children(found)
    if children and number < _first(children[0]):
        return range(_first(found), max(_first(children[0]), found.lineno + 1))
    return range(found.lineno, (found.end_lineno or found.lineno) + 1)


def _first(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _children(statement: ast.stmt) -> list[ast.stmt]:
    """The statements that a statement holds, in order."""
    found: list[ast.stmt] = []
    for node in ast.iter_child_nodes(statement):
        if isinstance(node, ast.stmt):
            found.append(node)
        elif isinstance(node, ast.ExceptHandler | ast.match_case):
            found.extend(node.body)
    return sorted(found, key=_first)
