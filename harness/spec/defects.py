"""The classes of defects found in implementations, each with the scenarios that look for it."""

from __future__ import annotations

import textwrap
import tomllib
from dataclasses import dataclass
from pathlib import Path

from otterproof.harness.spec import pages

TABLE = Path(__file__).with_suffix(".toml")

_OPENING = """# Classes of defects

Defects that implementations of OTR had, by the public record or by what the protocol texts warn of, and the scenarios
that look for each. `otterproof check TARGET --only NAME` runs one. `otterproof docs` makes this page from
`harness/spec/defects.toml`.
"""


@dataclass(frozen=True, slots=True)
class DefectClass:
    """seen: where it was found. scenarios: their ids, without the version."""

    id: str
    text: str
    seen: str
    scenarios: tuple[str, ...]


def classes() -> list[DefectClass]:
    """The table."""
    content = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return [
        DefectClass(entry["id"], entry["text"], entry["seen"], tuple(entry["scenarios"])) for entry in content["class"]
    ]


def page() -> str:
    """The table as a page."""
    lines = [_OPENING]
    for one in classes():
        lines += [f"## {one.id}", "", textwrap.fill(f"{one.text} Seen: {one.seen}.", 120), ""]
        lines += [f"- `{name}`" for name in one.scenarios]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


pages.register("reference/defects.md", page)
