"""The rooms of the harness and the arrows between them, measured from the imports.

docs/explanation/architecture.md is handwritten except for the part between two marks, which `otterproof docs` fills in.
"""

from __future__ import annotations

import ast
from pathlib import Path

from otterproof import harness
from otterproof.harness.spec import pages

PAGE = "explanation/architecture.md"

#: The harness's own folder, and the rooms from top to bottom, in the order of import-linter's layers.
FOLDER = Path(harness.__path__[0])
ROOMS = ("ui", "vectorgen", "runs", "testkit", "judges", "simulation", "targets", "wire", "spec", "support")

_PREFIX = f"{harness.__name__}."


def imported_by(room: str) -> set[str]:
    """The other rooms that a room imports."""
    found = set()
    for path in (FOLDER / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                found |= {name.removeprefix(_PREFIX).partition(".")[0] for name in inside if name.startswith(_PREFIX)}
    return (found & set(ROOMS)) - {room}


def purpose(room: str) -> str:
    """The first sentence of a room's docstring."""
    text = ast.get_docstring(ast.parse((FOLDER / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    return " ".join(text.partition("\n\n")[0].split())


def render() -> str:
    """The table of rooms and the arrows between them, as Markdown."""
    arrows = {room: imported_by(room) for room in ROOMS}
    lines = ["| room | what it is for | imports |", "|---|---|---|"]
    for room in ROOMS:
        below = ", ".join(other for other in ROOMS if other in arrows[room])
        lines.append(f"| `harness/{room}` | {purpose(room)} | {below or 'no other room'} |")
    return "\n".join([*lines, ""])


pages.register(PAGE, lambda: pages.with_part(PAGE, "rooms", render()))
