"""The code blocks on the pages are run, and the runner detects a wrong block."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.example import SybilFailure

from tests import snippets

PAGES = sorted(
    {path for pattern in snippets.PATTERNS for path in snippets.ROOT.glob(pattern)}, key=lambda path: path.as_posix()
)

#: The number of blocks that are not run, for the reasons on the pages; so a new one is noticed.
NOT_RUN = 25

#: Languages of blocks with nothing to run.
INERT = {"text"}


def run(folder: Path, text: str) -> None:
    """Run all blocks of a page. SybilFailure."""
    page = folder / "page.md"
    page.write_text(text, encoding="utf-8")
    document = Sybil([snippets.parse], patterns=["*.md"]).parse(page)
    try:
        for example in document.examples():
            example.evaluate()
    finally:
        snippets.clean_up(document.namespace)


def block(language: str, text: str, comment: str = "") -> str:
    return f"{f'<!-- {comment} -->' if comment else ''}\n```{language}\n{text}\n```\n"


def test_every_block_is_run_or_says_why_not() -> None:
    found = [snippet for page in PAGES for _, snippet in snippets.snippets(page.read_text(encoding="utf-8"))]
    assert len(found) > 50
    left_out = [snippet for snippet in found if snippet.how == "not run"]
    assert len(left_out) == NOT_RUN
    assert all(len(snippet.what.split()) > 2 for snippet in left_out)
    run_or_read = {snippet.language for snippet in found if snippet not in left_out}
    assert {"console", "python", "toml"} <= run_or_read <= snippets.LANGUAGES | INERT


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(snippets.ROOT).as_posix())
def test_no_block_escapes(page: Path) -> None:
    """Commands and programs are in blocks that name their language, and comments above blocks are understood."""
    text = page.read_text(encoding="utf-8")
    found = [match for match, _ in snippets.snippets(text)]
    ours = [match for match in re.finditer(r"^ *```\S*$", text, re.M) if not match[0].strip().startswith("```{")]
    sphinx = len(re.findall(r"^ *```\{", text, re.M))
    assert len(ours) == 2 * len(found) + sphinx, "a block names no language, or is not closed"
    comments = re.findall(r"<!-- ([a-z ]+): .* -->\n *```", text)
    assert set(comments) <= set(snippets.DIRECTIVES)
    assert not re.findall(r"\n\n {4,}(?:\$ |\./run |otterproof |pytest |pip )", text), "commands are indented"


def test_what_is_right_passes(tmp_path: Path) -> None:
    run(
        tmp_path,
        block("text", "file: {", "file: a.txt")
        + block("console", "$ cat a.txt\nfile: ...\n$ (exit 3)\n$ echo $?\n3\n$ echo one \\\n    two\none two")
        + block("python", "assert open('a.txt').read()")
        + block("toml", 'target = "reference"')
        + block("json", "[1]")
        + block("console", "$ false", "not run: it fails"),
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (block("console", "$ false"), "exit code 1"),
        (block("sh", "true\nfalse"), "exit code 1"),
        (block("console", "$ echo one\ntwo"), "and not"),
        (block("console", "$ (exit 3)\n$ echo $?\n2"), "and not"),
        (block("console", "$ true", "shortened: && false"), "exit code 1"),
        (block("python", "raise ValueError('that')"), "ValueError: that"),
        (" 1. In a list\n\n    ```console\n    $ false\n    ```\n", "exit code 1"),
    ],
)
def test_what_is_wrong_is_noticed(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SybilFailure, match=told):
        run(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        block("toml", 'targets = "reference"'),
        block("toml", '[[deviation]]\nscenario = "no.such"\ncheck = "run.engine-error"\nreason = "r"'),
        block("json", "{"),
        block("python", "def", "file: a.py"),
        block("console", "echo"),
    ],
)
def test_what_has_a_wrong_form_is_noticed(tmp_path: Path, text: str) -> None:
    with pytest.raises((ValueError, SyntaxError, AssertionError)):
        run(tmp_path, text)


def test_times_and_dates_do_not_count() -> None:
    assert snippets.same("ok (3.1 s) in 2026-11-30-1", "ok (12 s) in 2027-01-02-13\n")
    assert not snippets.same("ok (3.1 s)", "ok (3.1 s)\nmore")
    assert snippets.same("ok\n...", "ok\nmore\n")


def test_a_page_that_is_come_back_to_has_a_folder_again(tmp_path: Path) -> None:
    """A worker of pytest-xdist may leave a page, which cleans up, and later get more of its blocks."""
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- file: a.txt -->\n```text\nhello\n```\n\n```console\n$ cat a.txt\nhello\n```\n", encoding="utf-8"
    )
    document = Sybil(parsers=[snippets.parse], patterns=["*.md"]).parse(page)
    for _ in range(2):
        list(document.examples())[-1].evaluate()
        snippets.clean_up(document.namespace)
