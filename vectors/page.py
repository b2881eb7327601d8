"""The page docs/reference/vectors-operations.md, made from the table of operations: all operations and their fields."""

from __future__ import annotations

from collections.abc import Iterator

from .forms import Shape
from .operations import KINDS, OPERATIONS, PARTY, SESSION, STATE, STEP, Operation

_INTRODUCTION = """\
# Operations and kinds of the known-answer vectors

`otterproof docs` makes this page from `vectors/operations.py`. [vectors.md](vectors.md) explains the format.
"""


def _table(title: str, shape: Shape) -> Iterator[str]:
    if not shape:
        return
    yield f"{title}:\n"
    yield "| field | form | what it is |"
    yield "|---|---|---|"
    for name, field in shape.items():
        text = field.text.replace("|", "\\|")
        yield f"| `{name}` | {field.form.name} | {text}{' (may be left out)' if field.optional else ''} |"
    yield ""


def _operation(operation: Operation) -> Iterator[str]:
    yield f"### `{operation.name}`\n"
    yield f"{operation.text}\n"
    yield from _table("Group", operation.group)
    yield from _table("Case", operation.case)
    yield from _table("Expected when valid", operation.expect)
    yield from _table("Expected when invalid", operation.refused)


def render() -> str:
    """The page as Markdown."""
    lines = [_INTRODUCTION, "## Kinds\n", "| file | what it is about | operations |", "|---|---|---|"]
    for kind in KINDS.values():
        names = ", ".join(f"`{name}`" for name in kind.operations)
        lines.append(f"| `{kind.name}.json` | {kind.text} | {names} |")
    lines.append("\n## Operations\n")
    for operation in OPERATIONS.values():
        lines += _operation(operation)
    lines.append("## Objects\n")
    for title, shape in (("party", PARTY), ("step", STEP), ("state", STATE), ("session", SESSION)):
        lines += _table(title, shape)
    return "\n".join(lines).rstrip() + "\n"
