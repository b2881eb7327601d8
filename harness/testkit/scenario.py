"""Scenarios: what is judged, each a decorated function whose docstring is its published description.

A scenario gets a `Context` on which it sets up the target and whatever it needs to face it, and makes its checks there.
Its id is the name of its module, below the package that registers scenarios, and its own; with versions it is run once
in each. Scenarios are collected in one table, which the command line, pytest and the documentation read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import getdoc
from typing import TypeVar

from otterproof.harness.spec.requirements import requirement_ids
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE
from otterproof.harness.testkit.context import Context

Run = Callable[[Context], None]
R = TypeVar("R", bound=Run)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario in one protocol version.

    needs: capabilities without which the target is not asked; peer_needs: the same for the other side.
    """

    id: str
    kind: str
    description: str
    version: int
    requirements: tuple[str, ...]
    needs: frozenset[str]
    peer_needs: frozenset[str]
    run: Run

    @property
    def claimed(self) -> tuple[str, ...]:
        """The ids of the requirements that it judges, each once, whether kept or broken in it."""
        return requirement_ids(self.requirements)

    @property
    def internal(self) -> bool:
        """Whether it is for this project's engines alone; others are then not asked, rather than found wanting."""
        return "lockstep" in self.needs

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return first_sentence(self.description)


def first_sentence(text: str) -> str:
    """The first sentence of a text, on one line. A full stop ends it where a space and no small letter follows."""
    whole = " ".join(text.split())
    return re.split(r"(?<=[.!?])\s+(?![a-z])", whole, maxsplit=1)[0]


class ScenarioError(CommandError):
    """A scenario is not written correctly, or can't be imported."""

    exit_code = USAGE


_TABLE: dict[str, Scenario] = {}


def scenario(
    *,
    versions: tuple[int, ...] = (2, 3),
    requirements: tuple[str, ...] = (),
    needs: tuple[str, ...] = (),
    peer_needs: tuple[str, ...] = (),
) -> Callable[[R], R]:
    """Make a function a scenario. The first name of its module within its package is the kind; a docstring is a must.

    requirements: what it judges, as in harness/spec/requirements: "DATA-CTR-2", or "!DATA-CTR-2" where that is broken
    or put to the test. A requirement that is of one version only is judged in that one.
    """

    def register(run: R) -> R:
        description = getdoc(run)
        module = _name_below_package(run.__module__)
        kind = module.partition(".")[0]
        if not description:
            raise ScenarioError(f"scenario {module}.{run.__name__} has no docstring; it is the published description")
        for version in versions:
            name = f"{module}.{run.__name__}[v{version}]"
            if name in _TABLE:
                raise ScenarioError(f"two scenarios are called {name}; rename one")
            wanted = frozenset({f"v{version}", *needs})
            facing = frozenset({f"v{version}", *peer_needs})
            _TABLE[name] = Scenario(name, kind, description, version, requirements, wanted, facing, run)
        return run

    return register


@cache
def _packages() -> tuple[EntryPoint, ...]:
    """The packages that register scenarios: this project's own, and those that other projects offer."""
    return tuple(entry_points(group="otterproof.scenarios"))


def _name_below_package(module: str) -> str:
    """A module's name without that of the package it registers scenarios for, which ids do not repeat."""
    for package in _packages():
        if module.startswith(f"{package.module}."):
            return module.removeprefix(f"{package.module}.")
    return module.partition(".")[2] or module


def load(modules: Iterable[str] = ()) -> None:
    """Import all packages that register scenarios, and modules of a user's own that do. ScenarioError."""
    for package in _packages():
        package.load()
    for module in modules:
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            raise ScenarioError(
                f"the scenarios of {module} can't be imported: {error}; install the package that has them, or "
                "put it beside otterproof.toml"
            ) from error


def scenarios(pattern: str = "") -> Iterator[Scenario]:
    """All scenarios, or those whose id contains `pattern`, by id."""
    return (_TABLE[name] for name in sorted(_TABLE) if pattern in name)


def matching(text: str, able: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that a text chooses: that of this id, in its version or in all of them; else those whose ids have
    the text in them.
    """
    exact = [one for one in able if text in (one.id, one.id.partition("[")[0])]
    return exact or [one for one in able if text in one.id]


def chosen(only: Iterable[str], without: Iterable[str], able: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that some texts choose, of these; all unless `only` has any."""
    wanted = [*only]
    ids = {one.id for text in wanted for one in matching(text, able)}
    unwanted = {one.id for text in without for one in matching(text, able)}
    return [one for one in able if (not wanted or one.id in ids) and one.id not in unwanted]


def scenario_of(name: str) -> Scenario:
    """The scenario of that id, whose package is loaded."""
    return _TABLE[name]
