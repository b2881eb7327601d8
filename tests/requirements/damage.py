"""Shared by the tests of the table: how to damage a copy of it, and how to find the resulting problem."""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.spec.requirements import Problem

#: Replaces the first occurrence of a text in a file of the copy, and lints: (file, old, new).
Damage = Callable[[str, str, str], list[Problem]]

#: Adds a requirement with some of its lines replaced, and lints.
Add = Callable[..., list[Problem]]


def finds(problems: list[Problem], where: str, what: str) -> Problem:
    """The only problem at `where` that mentions `what`; every problem must say how to correct it."""
    assert all(problem.where and problem.what and problem.remedy for problem in problems)
    found = [problem for problem in problems if where in problem.where and what in problem.what]
    assert len(found) == 1, "\n".join(map(str, problems)) or "no problems"
    return found[0]
