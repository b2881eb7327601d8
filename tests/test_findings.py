"""The pages of findings: what they name exists, their commands show deviations, and every cause of one is listed.

They are compared with the files of known deviations, and every judgement of a target is compared with its file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from otterproof.harness.runs.deviations import Deviation, load, shipped
from otterproof.harness.runs.deviations.reasons import is_unexplained
from otterproof.harness.spec import requirements
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios

PAGES = Path(__file__).parents[1] / "docs" / "findings"

#: The reason for deviations with security consequences that are not public.
SECRET = "To be reported to the maintainers first."


def page(target: str) -> str:
    """The text of a page with whitespace collapsed, so that names and commands are in one piece."""
    return " ".join((PAGES / f"{target}.md").read_text(encoding="utf-8").split())


def entries(target: str) -> list[Deviation]:
    """The target's own; those of its library are on the library's page."""
    load_scenarios()
    path = shipped(target)
    assert path is not None, f"{target} has no file of known deviations"
    found = load(path, [one.id for one in scenarios()], list(requirements.load().requirements))
    return [one for one in found if not one.library]


def named(target: str) -> Iterator[str]:
    """The scenarios that a page names: after --only, and alone between backquotes."""
    yield from re.findall(r"--only ([\w.]+)", page(target))
    yield from re.findall(r"`([a-z]+(?:[_.][a-z0-9]+)+)`", page(target).replace("`handle_input`", ""))


def failing(entry: Deviation) -> list[str]:
    """The ids of the failing scenarios that an entry lists."""
    if entry.about == "requirement":
        return [one.id for one in scenarios() if entry.name in one.claimed]
    return [one.id for one in scenarios() if entry.name in (one.id, one.id.partition("[")[0])]


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_requirements_on_the_page_are_in_the_table(target: str) -> None:
    found = set(re.findall(r"\b[A-Z]+(?:-[A-Z0-9]+)+-\d+\b", page(target)))
    assert found
    assert found <= set(requirements.load().requirements)


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_what_the_page_names_fails(target: str) -> None:
    fail = [name for entry in entries(target) for name in failing(entry)]
    names = set(named(target))
    assert names
    assert [name for name in sorted(names) if not any(name in one for one in fail)] == []


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_what_the_page_names_shows_what_it_tells(target: str) -> None:
    """A scenario that fails only for an undisclosed reason does not illustrate a finding."""
    told = [name for entry in entries(target) if entry.reason != SECRET for name in failing(entry)]
    assert [name for name in sorted(set(named(target))) if not any(name in one for one in told)] == []


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_every_cause_is_on_the_page(target: str) -> None:
    """At least one scenario per cause; undisclosed causes have only a table.

    For a cause that only random runs show, the page has the command that runs them.
    """
    names = set(named(target))
    fuzzed = page(target).count(f"`otterproof fuzz {target}`")
    causes: dict[str, list[str]] = {}
    for entry in entries(target):
        causes.setdefault(entry.reason, []).extend(failing(entry))
    assert [reason for reason in causes if is_unexplained(reason)] == []
    untold = {
        reason
        for reason, fail in causes.items()
        if reason != SECRET and not any(name in one for name in names for one in fail)
    }
    assert len(untold) == fuzzed
    assert untold <= {entry.reason for entry in entries(target) if entry.about == "fuzz"}
    assert (f"## {SECRET.removesuffix('.')}" in page(target)) == (SECRET in causes)


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_of_what_maintainers_are_told_first_entries_say_little(target: str) -> None:
    """Entries on undisclosed causes have only the scenario and the check, with no text of their own."""
    told = [entry for entry in entries(target) if entry.reason.startswith(SECRET.removesuffix("."))]
    assert [entry for entry in told if entry.reason != SECRET] == []
