"""Which lines of an engine a run reaches, and which lines a change of its source is about.

A change can only matter in a run that reaches it. What a scenario reaches is found out once, with the genuine engine,
and that rules out most of the catalogue for it. In doubt, a change counts as reached: what is executed on import
(constants, signatures, classes) could matter anywhere.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable
from functools import cache
from types import CodeType, FrameType
from typing import Any

from otterproof.harness.targets.faults.entries import Edit
from otterproof.harness.targets.faults.loader import REFERENCE, Original

#: A line of an engine: file and number.
Line = tuple[str, int]

#: The lines that a change is about, one of which must be reached for it to matter; None if it could in any run.
Lines = frozenset[Line] | None


class Trace:
    """Inside, collects the lines that are executed of an engine that was imported as `package`."""

    def __init__(self, package: str) -> None:
        self._package = package
        self._by_code: dict[CodeType, tuple[str, set[int], int]] = {}
        self._before: Any = None

    def take(self) -> frozenset[Line]:
        """The lines since the last call."""
        found = frozenset((file, number) for file, lines, _ in self._by_code.values() for number in lines)
        for _, lines, _ in self._by_code.values():
            lines.clear()
        return found

    def __enter__(self) -> Trace:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        known = self._by_code.get(code)
        if known is None:
            name = frame.f_globals.get("__name__", "")
            if not name.startswith(self._package):
                return None
            total = len({line for _, _, line in code.co_lines() if line is not None} - {code.co_firstlineno})
            known = self._by_code[code] = f"{name.rpartition('.')[2]}.py", set(), total
        _, lines, total = known
        if len(lines) >= total:
            return None

        def line(frame: FrameType, event: str, arg: Any) -> Any:
            lines.add(frame.f_lineno)
            return line

        return line


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
    """The lines of the statements that some lines belong to; of a compound statement the head, if that is enough."""
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
    """The lines of the innermost statement at a line; () for a line between two; None if it is run on import."""
    text = original.sources[file].splitlines()[number - 1].strip()
    if not text or text.startswith("#"):
        return ()
    body: list[ast.stmt] = _tree(original, file).body
    found: ast.stmt | None = None
    inside = False
    while inner := next((one for one in body if first_line(one) <= number <= (one.end_lineno or 0)), None):
        inside = inside or isinstance(found, ast.FunctionDef)
        found = inner
        body = _children(inner)
    if found is None or not inside or isinstance(found, ast.FunctionDef | ast.ClassDef):
        return None
    children = _children(found)
    if children and number < first_line(children[0]):
        return range(first_line(found), max(first_line(children[0]), found.lineno + 1))
    return range(found.lineno, (found.end_lineno or found.lineno) + 1)


def first_line(statement: ast.stmt) -> int:
    """The first line of a statement, including its decorators."""
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
    return sorted(found, key=first_line)
