"""The wording of the project: phrases that are hard to read are banned from comments, texts and pages.

Each banned phrase comes with a replacement. Exempt files are listed; a file without a hit must leave the list, so the
list only gets shorter.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: A banned phrase, as a regular expression, and its replacement.
PHRASES = {
    r"(?<!there )(?:is|are|was|were)\s+none(?! of)": "name what is missing: 'no such target', 'is not a number'",
    r"(?:comes?|came|coming)\s+of": "result, follow, happen",
    r"and\s+there\s+(?:was|were)": "say what came instead: 'got: ...'",
    r"put(?:s|ting)?\s+up\s+with": "accept, tolerate",
    r"anew": "again",
    r"as\s+(?:it|they)\s+must\s+be": "correct, valid, well-formed",
    r"foret(?:ell|ells|elling|old)": "predict",
    r"mend(?:s|ed|ing)?": "fix, correct, repair",
    r"who(?:so)?ever": "anyone who, those who",
    r"for\s+ever": "forever, without end, indefinitely",
    r"(?:is|are|stands?)\s+there\s+twice": "duplicate",
    r"(?:[Hh]e|[Hh]im|[Hh]is|[Hh]imself)": "they, or name the peer, the user or the insider",
}
#: Words in ids, such as names of faults, don't count: ids never change.
BANNED = re.compile(rf"\b(?<!-)(?:{'|'.join(PHRASES)})(?![\w-])")

#: Where words are checked, and in which types of files; this file quotes the phrases.
FOLDERS = ("harness", "scenarios", "implementations", "tests", "docs", "examples")
KINDS = {".py", ".toml", ".md", ".go", ".js", ".c", ".h"}
SINGLE_FILES = ("README.md", "CHANGELOG.md", "conftest.py", "run", ".ci/run")

#: Generated pages; they repeat text from elsewhere.
PAGES = ("checks", "choices", "defects", "requirements", "states", "vectors-operations")
GENERATED = {
    *(f"docs/reference/{page}.md" for page in PAGES),
    "docs/explanation/walkthrough.md",
    "docs/explanation/pidgin.md",
}

#: Files that are exempt, each with a reason.
EXEMPT = {
    "scenarios/walkthrough.py": "Alice and Bob are people there",
}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """The texts of a file with their first lines: for Python, its comments and strings; else its paragraphs."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        line = 1
        for paragraph in source.split("\n\n"):
            yield line, paragraph
            line += paragraph.count("\n") + 2
        return
    block, first = "", 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            first = first or token.start[0]
            block += " " + token.string.lstrip("#: ")
        elif token.type == tokenize.STRING and "b" not in token.string[:2].lower():
            yield token.start[0], re.sub(r"\{[^{}]*\}", "{}", token.string)
        elif token.type not in (tokenize.NL, tokenize.NEWLINE) and block:
            yield first, block
            block, first = "", 0


def files() -> Iterator[str]:
    """The paths of the files to check, relative to the root."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            if path.suffix in KINDS and path.is_file() and "node_modules" not in path.parts and name not in GENERATED:
                yield name
    yield from SINGLE_FILES


def hits(name: str) -> list[str]:
    """The banned phrases in a file, each with its location."""
    if not BANNED.search(re.sub(r"[\s#:]+", " ", (ROOT / name).read_text(encoding="utf-8"))):
        return []  # true for most files, and tokenizing Python is slow
    return [
        f"{name}:{line + text.count(chr(10), 0, found.start())}: {found[0]!r}"
        for line, text in prose(ROOT / name)
        for found in BANNED.finditer(re.sub(r"\n[#\s]*", "\n", text))
    ]


def test_words_are_plain() -> None:
    found = [hit for name in files() if name not in EXEMPT and name != "tests/test_words.py" for hit in hits(name)]
    assert not found, "\n".join(["see PHRASES for what to write:", *found])


@pytest.mark.parametrize("name", EXEMPT)
def test_exemptions_are_needed(name: str) -> None:
    assert hits(name), "nothing is banned here any more: remove the entry"


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("# nothing came of it", "came of"),
        ("#: That is\n#: none.", "is none"),
        ('"""An insider\n\n    sends his key."""', "his"),
        ('x = f"{his} and there was {other}"', "and there was"),
    ],
)
def test_phrases_are_found(tmp_path: Path, text: str, phrase: str) -> None:
    (tmp_path / "module.py").write_text(text, encoding="utf-8")
    assert [match[0] for _, prose_ in prose(tmp_path / "module.py") for match in BANNED.finditer(prose_)] == [phrase]


def test_code_is_not_prose(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("his = b'anew' if he is None else None", encoding="utf-8")
    assert [match for _, text in prose(tmp_path / "module.py") for match in BANNED.finditer(text)] == []
