"""The instructions on the pages work: links lead somewhere, commands are valid, names exist."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from otterproof.harness.spec import pages, requirements
from otterproof.harness.targets.driver import THIRD_PARTIES, VARIANTS
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.symbolic import MODEL

load()

ROOT = pages.DOCS.parent
PAGES = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("implementations/drivers/*/README.md")],
    key=str,
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]

#: Words in capitals stand for a value of the reader's.
_STANDS_FOR = {"TARGET": "reference", "N": "1", "NAME": "libotr", "COMMAND": "check", "SHELL": "bash"}

#: The name of the scenario in the README's own example.
_EXAMPLE = "key_id_0"


def spans(page: Path) -> list[str]:
    """All code on a page, without line breaks."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^ *```.*?^ *```$", text, re.M | re.S)
    for fence in fences:
        text = text.replace(fence, "")
    blocks = [line.strip() for line in re.findall(r"^ {4}(\S.*)$", text, re.M)]
    blocks += [line.strip().removeprefix("$ ") for fence in fences for line in fence.splitlines()[1:-1]]
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", text)] + blocks


def commands(page: Path) -> list[list[str]]:
    """The words of every command of ours on a page, without `./run` and without options in brackets."""
    found = []
    for span in spans(page):
        if not begins_a_command(span):
            continue
        ours = re.split(r" [>|] ", span.removesuffix("\\"))[0]
        words = shlex.split(re.sub(r"\[[^]]*\]", "", ours), comments=True)
        if len(words) > 1:
            found.append(words[1:])
    return found


def test_the_readme_lists_every_command() -> None:
    listed = {span.split()[1] for span in spans(ROOT / "README.md") if span.startswith("otterproof ")}
    assert cli.COMMANDS.keys() - listed == set()


def begins_a_command(span: str) -> bool:
    return span.startswith(("./run ", "otterproof ")) and "..." not in span


def headings(page: Path) -> set[str]:
    """The anchors of a page: its headings in GitHub's form, and explicit names."""
    text = page.read_text(encoding="utf-8")
    lines = re.findall(r"^#+ (.*)$", text, re.M)
    named = re.findall(r"<a (?:id|name)=\"([^\"]+)\"", text)
    return {re.sub(r"[^\w\- ]", "", line.lower()).strip().replace(" ", "-") for line in lines} | set(named)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in headings(target), link


def parsed(words: list[str]) -> argparse.Namespace | None:
    """The command line's result for these words; None if it exits, even with a help page."""
    try:
        return cli.parser().parse_args(words)
    except SystemExit:
        return None


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_commands_are_commands(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if page.name == "command-line.md":
        return  # it is generated from the parser
    for words in commands(page):
        if words[0] == "test":  # pytest parses the rest
            continue
        given = [_STANDS_FOR.get(word, word) for word in words]
        options = parsed(given)
        left_out = "the following arguments are required" in (problem := capsys.readouterr().err)
        assert options or left_out or not problem, f"{shlex.join(words)}: {problem}"
        for target in [getattr(options, "target", None), *(getattr(options, "targets", None) or [])]:
            if target and not re.match(r"(\w+=)?exec:|fault:", target):
                assert target in {*ENGINES, *THIRD_PARTIES, *VARIANTS, MODEL}, shlex.join(words)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_scenarios_and_requirements_exist(page: Path) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    about = {*(one.name for one in faults().values()), *(one.area for one in faults().values())}
    for only in re.findall(r"--only '?([a-z0-9_.\[\]-]{3,})", text):
        assert any(scenarios(only)) or only in about or "vectors examples" in text, only
    known = requirements.load()
    for name in set(re.findall(r"\b[A-Z]+(?:-[A-Z]+)+-\d+\b", text)):
        assert name in known.requirements, name


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_files_of_the_project_exist(page: Path) -> None:
    rooms = ("docs/", "harness/", "implementations/", "scenarios/", "tests/", "vectors/")
    for span in spans(page):
        if span.startswith(rooms) and re.fullmatch(r"[a-z0-9_./-]+|.*README.md", span):
            assert (ROOT / span).exists(), span


@pytest.mark.slow
def test_generated_pages_are_up_to_date() -> None:
    assert pages.outdated(pages.made()) == [], "run `otterproof docs`"


def test_the_pages_have_what_is_looked_for() -> None:
    assert len(PAGES) >= 15
    assert sum(len(commands(page)) for page in PAGES) >= 100
    assert ["check", "--only", _EXAMPLE] in commands(ROOT / "docs" / "how-to" / "scenario.md")
