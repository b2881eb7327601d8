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
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.serialize import program_from_json
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.spec import requirements
from otterproof.harness.targets.driver import THIRD_PARTIES, TargetMissing
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.scenario import load as load_scenarios
from otterproof.harness.testkit.scenario import scenarios

PAGES = Path(__file__).parents[1] / "docs" / "findings"

#: The transcripts of what only random runs show: TARGET.CHECK.jsonl.
TRANSCRIPTS = sorted((PAGES / "transcripts").iterdir())

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


def replayed(target: str) -> list[str]:
    """The names of the transcripts that a page's commands replay."""
    return re.findall(r"`otterproof replay docs/findings/transcripts/([\w.-]+)`", page(target))


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

    For a cause that only random runs show, the page has a command that replays one.
    """
    names = set(named(target))
    causes: dict[str, list[str]] = {}
    for entry in entries(target):
        causes.setdefault(entry.reason, []).extend(failing(entry))
    assert [reason for reason in causes if is_unexplained(reason)] == []
    untold = {
        reason
        for reason, fail in causes.items()
        if reason != SECRET and not any(name in one for name in names for one in fail)
    }
    fuzzed = [entry for entry in entries(target) if entry.about == "fuzz" and entry.reason in untold]
    shown = [{entry.reason for entry in fuzzed if name == f"{target}.{entry.check}.jsonl"} for name in replayed(target)]
    assert [len(reasons) for reasons in shown] == [1] * len(untold)
    assert untold == set().union(*shown)
    assert (f"## {SECRET.removesuffix('.')}" in page(target)) == (SECRET in causes)


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_of_what_maintainers_are_told_first_entries_say_little(target: str) -> None:
    """Entries on undisclosed causes have only the scenario and the check, with no text of their own."""
    told = [entry for entry in entries(target) if entry.reason.startswith(SECRET.removesuffix("."))]
    assert [entry for entry in told if entry.reason != SECRET] == []


@pytest.mark.parametrize("target", THIRD_PARTIES)
def test_every_command_shows_something_as_it_stands(target: str) -> None:
    """The entries excuse every finding: `check` prints it with its reason, but `fuzz` goes on past it."""
    commands = re.findall(r"`otterproof (\w+) ([^`]+)`", page(target))
    assert {word for word, _ in commands} <= {"check", "replay", "fuzz"}
    fuzzed = [words for word, words in commands if word == "fuzz"]
    assert [words for words in fuzzed if not {"--known none", "--seed", "--examples"} <= set(options(words))] == []
    assert len(replayed(target)) == sum(word == "replay" for word, _ in commands)


def options(words: str) -> list[str]:
    """The options of a command, and --known with its value."""
    return re.findall(r"--known \S+|--[\w-]+", words)


def test_every_transcript_is_on_the_page_of_its_target() -> None:
    named_there = [name for target in THIRD_PARTIES for name in replayed(target)]
    assert sorted(named_there) == [path.name for path in TRANSCRIPTS]


@pytest.mark.slow
@pytest.mark.parametrize("path", TRANSCRIPTS, ids=[path.stem for path in TRANSCRIPTS])
def test_a_transcript_shows_what_it_is_named_after(path: Path) -> None:
    name, _, check = path.stem.partition(".")
    header = read_transcript(path).header
    assert header.parties[header.judged].target == name
    try:
        target = open_target(name)
    except TargetMissing as missing:
        pytest.skip(str(missing))
    try:
        failure = attempt(program_from_json(header.program or {}, target), fresh=True)
    finally:
        target.close()
    assert failure is not None
    assert failure.check == check
