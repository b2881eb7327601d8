"""The documentation site: it builds without a warning, needs no network, and its reference is complete."""

from __future__ import annotations

import argparse
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import otterproof
from otterproof.harness.spec import pages
from otterproof.harness.ui import cli, documentation_site
from otterproof.harness.ui.command_line_page import render as command_line
from otterproof.harness.ui.configuration_page import render as configuration
from otterproof.harness.ui.settings import Settings
from tests.browser import axe_finds

#: Elements that make a browser load a resource, and the attribute with its address.
_GETS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """What a page loads, where its links lead, and its anchors."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.gets: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if given.get("id"):
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _GETS and given.get(_GETS[tag], "").strip("#"):
            self.gets.append(given[_GETS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    documentation_site.build(folder)
    return folder


@pytest.mark.slow
def test_pages_get_nothing_from_elsewhere(site: Path) -> None:
    found = list(site.rglob("*.html"))
    assert len(found) > 40
    for path in found:
        for got in Page(path).gets:
            assert not urlsplit(got).netloc, (path, got)
            assert (path.parent / unquote(urlsplit(got).path)).is_file(), (path, got)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(.?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.slow
def test_links_lead_to_what_is_there(site: Path) -> None:
    read = {path: Page(path) for path in site.rglob("*.html")}
    for path, page in read.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            assert target in read or target.is_file(), (path, link)
            if parts.fragment and target in read:
                assert unquote(parts.fragment) in read[target].anchors, (path, link)


@pytest.mark.slow
def test_every_page_can_be_found(site: Path) -> None:
    """Through the navigation, which every page has, and through the search."""
    there = {path.relative_to(pages.DOCS).with_suffix("").as_posix() for path in pages.DOCS.rglob("*.md")}
    index = Page(site / "index.html")
    linked = {unquote(urlsplit(link).path).removesuffix(".html") for link in index.links}
    assert there - {"index"} <= linked
    assert (site / "searchindex.js").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.parametrize(("width", "dark"), [(1300, False), (500, True)])
def test_axe_core_finds_nothing(width: int, dark: bool, site: Path, tmp_path: Path) -> None:
    for name in ("index.html", "tutorial.html", "reference/command-line.html"):
        found = axe_finds(site / name, tmp_path, width, dark=dark)
        assert found == {"violations": [], "wider": False, "dark": dark}, name


@pytest.mark.slow
def test_a_wrong_page_ends_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text('extensions = ["myst_parser"]\n')
    (docs / "index.md").write_text("# Page\n\n[nowhere](nowhere.md)\n")
    monkeypatch.setattr(documentation_site, "DOCS", docs)
    monkeypatch.setattr(pages, "made", dict)
    assert cli.main(["docs", "--site", str(tmp_path / "site")]) == 1
    assert "index.md:3: WARNING" in capsys.readouterr().err


def test_without_sphinx_it_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(documentation_site, "find_spec", lambda name: None if name == "furo" else True)
    monkeypatch.setattr(pages, "made", dict)
    assert cli.main(["docs", "--site", str(tmp_path)]) == 3
    assert "furo can't be imported; run pip install" in capsys.readouterr().err


def test_the_python_page_has_every_public_name_once() -> None:
    page = (pages.DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    modules = {"moves": "harness.simulation.moves", "contract": "implementations.contract"}
    for name in otterproof.__all__:
        directive = rf"automodule:: otterproof\.{re.escape(modules[name])}" if name in modules else rf"auto\w+:: {name}"
        assert len(re.findall(rf"^\.\. {directive}$", page, re.M)) == 1, name


def test_the_command_line_page_has_every_command_and_option() -> None:
    page = command_line()
    (commands,) = (one for one in cli.parser()._actions if isinstance(one, argparse._SubParsersAction))
    assert set(commands.choices) == set(cli.COMMANDS)
    for name, command in commands.choices.items():
        assert f"\n## otterproof {name}\n" in page
        for option in (option for action in command._actions for option in action.option_strings):
            assert option in ("-h", "--help") or f"`{option}" in page, (name, option)
    assert str(Path.cwd()) not in page


def test_the_configuration_page_has_every_setting_and_fixture() -> None:
    page = configuration()
    for name in Settings.__dataclass_fields__:
        assert name == "file" or f"| `{name}` |" in page
    assert "| `otr_session` | The target alone" in page
    assert "`--otterproof-target TARGET`" in page
