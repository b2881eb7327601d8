"""The generated pages of the documentation: a register of what makes each of them.

Every page that is made from a table or from a run is registered here under its file name. `otterproof docs` writes
them all, and `otterproof docs --check` says which ones are out of date, so there is one command to remember and one
test that keeps `docs/` true.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE


def _root() -> Path:
    """The folder of the project: above this room in a checkout, and one more up in a source distribution."""
    above = Path(__file__).resolve().parents[2:4]
    return next((folder for folder in above if (folder / "pyproject.toml").is_file()), above[0])


#: Where the documentation is. An installed package has none.
DOCS = _root() / "docs"

#: Makes the text of a page.
Maker = Callable[[], str]

_MAKERS: dict[str, Maker] = {}

#: What takes the pictures of a page again, and makes the recording that it is made from.
_RECORDERS: dict[str, Callable[[], None]] = {}


class DocsMissing(CommandError, LookupError):
    """There is no checkout, and so no documentation to write."""

    exit_code = USAGE


def register(name: str, make: Maker) -> None:
    """Say what makes the page `docs/NAME`. ValueError when another maker is registered for it."""
    if _MAKERS.get(name, make) is not make:
        raise ValueError(f"two makers are registered for docs/{name}; give one of the pages another name")
    _MAKERS[name] = make


def register_recorder(name: str, record: Callable[[], None]) -> None:
    """Say what makes the recording from which the page `docs/NAME` is made, for one that can't be made from nothing."""
    _RECORDERS[name] = record


def record() -> list[str]:
    """Make all recordings again: the names of the pages that are made from them."""
    for make in _RECORDERS.values():
        make()
    return sorted(_RECORDERS)


def made() -> dict[str, str]:
    """Every registered page, made now: file name -> text. DocsMissing outside a checkout."""
    if not DOCS.is_dir():
        raise DocsMissing(f"there is no folder {DOCS}; run this in a checkout of the project")
    return {name: make() for name, make in sorted(_MAKERS.items())}


def sentence(text: str) -> str:
    """A text of help as a sentence, with a capital letter and a full stop; "" stays."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".") if text else ""


def with_part(name: str, mark: str, part: str) -> str:
    """A page that is written by hand, with the part between the comments `mark` and `/mark` made now."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    before, _, rest = (DOCS / name).read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"


def outdated(pages: dict[str, str]) -> list[str]:
    """The names of those pages whose file is missing or has another text."""
    return [
        name
        for name, text in pages.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
