"""The generated pages of the documentation, and what makes each of them.

Every page made from a table or from a run is registered here under its file name. `otterproof docs` writes them all,
and `otterproof docs --check` lists those that are out of date: one command to remember, and one test that keeps `docs/`
true.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import USAGE


def _root() -> Path:
    """The folder of the project: one level above this room in a checkout, two in a source distribution."""
    above = Path(__file__).resolve().parents[2:4]
    return next((folder for folder in above if (folder / "pyproject.toml").is_file()), above[0])


#: Where the documentation is. An installed package has none.
DOCS = _root() / "docs"

#: Makes the text of a page.
Maker = Callable[[], str]

_MAKERS: dict[str, Maker] = {}

#: For a page made from a recording: records it again, pictures included.
_RECORDERS: dict[str, Callable[[], None]] = {}


class DocsMissing(CommandError, LookupError):
    """There is no checkout, so there is no documentation to write."""

    exit_code = USAGE


def register(name: str, make: Maker) -> None:
    """Set the maker of the page `docs/NAME`. ValueError if another maker is registered for it."""
    if _MAKERS.get(name, make) is not make:
        raise ValueError(f"two makers are registered for docs/{name}; give one of the pages another name")
    _MAKERS[name] = make


def register_recorder(name: str, record: Callable[[], None]) -> None:
    """Set the recorder for the page `docs/NAME`, which can't be made without a recording."""
    _RECORDERS[name] = record


def record() -> list[str]:
    """Make all recordings again. Returns the names of the pages made from them."""
    for make in _RECORDERS.values():
        make()
    return sorted(_RECORDERS)


def made() -> dict[str, str]:
    """Renders every registered page: file name -> text. DocsMissing outside a checkout."""
    if not DOCS.is_dir():
        raise DocsMissing(f"there is no folder {DOCS}; run this in a checkout of the project")
    return {name: make() for name, make in sorted(_MAKERS.items())}


def sentence(text: str) -> str:
    """A help text as a sentence, with a capital letter and a full stop; "" stays ""."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".") if text else ""


def with_part(name: str, mark: str, part: str) -> str:
    """A hand-written page with the part between the comments `mark` and `/mark` replaced by `part`."""
    begin, end = f"<!-- {mark} -->\n", f"<!-- /{mark} -->\n"
    before, _, rest = (DOCS / name).read_text(encoding="utf-8").partition(begin)
    return f"{before}{begin}\n{part}\n{end}{rest.partition(end)[2]}"


def outdated(pages: dict[str, str]) -> list[str]:
    """The names of the pages whose file is missing or differs."""
    return [
        name
        for name, text in pages.items()
        if not (DOCS / name).is_file() or (DOCS / name).read_text(encoding="utf-8") != text
    ]
