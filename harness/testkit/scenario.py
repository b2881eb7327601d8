"""Scenarios: what is judged, each a decorated function whose docstring is its published description.

A scenario gets a `Context`, on which it sets up the target and its counterpart, and makes its checks. Its id consists
of its module's name, below the package that registers scenarios, and its own name; with versions, it runs once in each.
All scenarios are collected in one table, which the command line, pytest and the documentation read.
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

    needs: capabilities without which a target is not tested; peer_needs: the same for the other side.
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
        """The ids of the requirements that it judges, each once, whether as kept or as broken."""
        return requirement_ids(self.requirements)

    @property
    def internal(self) -> bool:
        """Whether it is only for this project's engines; other targets skip it, rather than fail."""
        return "lockstep" in self.needs

    @property
    def summary(self) -> str:
        """The first sentence of the description."""
        return first_sentence(self.description)


def first_sentence(text: str) -> str:
    """The first sentence of a text, on one line. It ends at a full stop followed by a space and no small letter."""
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
    """Make a function a scenario. A docstring is required.

    Its kind is the first part of its module's name within the package. requirements: what it judges, as in
    harness/spec/requirements: "DATA-CTR-2", or "!DATA-CTR-2" if that is broken or tested by attack. A requirement of
    one version is judged only in that version.
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
    """The packages that register scenarios: this project's own, and those of other projects."""
    return tuple(entry_points(group="otterproof.scenarios"))


def _name_below_package(module: str) -> str:
    """A module's name without the package it registers scenarios for, which ids do not repeat."""
    for package in _packages():
        if module.startswith(f"{package.module}."):
            return module.removeprefix(f"{package.module}.")
    return module.partition(".")[2] or module


def load(modules: Iterable[str] = ()) -> None:
    """Import all packages that register scenarios, and the user's own modules that do. Raises ScenarioError."""
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
    """All scenarios in the order of their ids, or those whose id contains `pattern`."""
    return (_TABLE[name] for name in sorted(_TABLE) if pattern in name)


def matching(text: str, able: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that a text selects.

    That is the scenario with this id, in its version or in all; if there is none, all whose ids contain the text.
    """
    exact = [one for one in able if text in (one.id, one.id.partition("[")[0])]
    return exact or [one for one in able if text in one.id]


def chosen(only: Iterable[str], without: Iterable[str], able: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios that `only` selects (all if it is empty), except those that `without` selects."""
    wanted = [*only]
    ids = {one.id for text in wanted for one in matching(text, able)}
    unwanted = {one.id for text in without for one in matching(text, able)}
    return [one for one in able if (not wanted or one.id in ids) and one.id not in unwanted]


def scenario_of(name: str) -> Scenario:
    """The scenario with that id; its package must be loaded."""
    return _TABLE[name]
