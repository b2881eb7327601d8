"""A message as text for people: one line for each field, with its offset and what is wrong with it.

Used to compare two messages and to report a finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from otterproof.harness.wire.fields import Field, Type
from otterproof.harness.wire.message import ENCODED, Message, offered_versions, parse

#: Longest value, in characters, that is shown whole.
_WIDTH = 72


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field for people. offset: in bytes, within its layer. value: in words. marked: it is the field in question."""

    offset: int
    name: str
    value: str
    marked: bool = False


def dissected(raw: bytes, mark: str = "", *, whole: bool = False) -> tuple[str, tuple[FieldLine, ...]]:
    """The title and the fields of a message. mark: the name of the field in question. whole: nothing is shortened."""
    message = parse(raw)
    return _title(message, raw), field_lines(message.fields, message.kind in ENCODED, mark, whole=whole)


def field_lines(
    fields: Iterable[Field], binary: bool = True, mark: str = "", *, whole: bool = False
) -> tuple[FieldLine, ...]:
    """The fields of a layer. binary: they hold bytes, not text. mark, whole: see dissected."""
    return tuple(
        FieldLine(field.offset, field.name, _shown(field, binary, whole), field.name == mark)
        for field in fields
        if field.raw or binary
    )


def dissect(raw: bytes) -> str:
    """Several lines: the kind of message, then its fields (offset, name, value), with problems marked "!"."""
    message = parse(raw)
    title, fields = dissected(raw)
    lines = [title]
    width = max((len(field.name) for field in message.fields), default=0)
    for field in fields:
        lines.append(f"  {field.offset:5}  {field.name:{width}}  {field.value}")
        lines += [f"      !  {problem.text}" for problem in message.problems if problem.field == field.name]
    named = {field.name for field in fields}
    lines += [f"      !  {problem}" for problem in message.problems if problem.field not in named]
    return "\n".join(lines)


def _title(message: Message, raw: bytes) -> str:
    title = f"{message.kind.replace('_', ' ')}, {len(raw)} bytes"
    if message.version is not None:
        title += f", version {message.version}"
    offered = offered_versions(message)
    return title + (f", offers {', '.join(map(str, sorted(offered)))}" if offered else "")


def _shown(field: Field, binary: bool, whole: bool) -> str:
    if isinstance(field.value, int) and field.type is not Type.MPI:
        return f"{field.value} ({field.value:#x})"
    if isinstance(field.value, int):
        return _cut(f"{field.value:#x}", f"{field.value.bit_length()} bits", whole)
    content = field.raw if field.value is None else field.value
    if not binary:
        return _cut(ascii(content.decode("latin-1")), f"{len(content)} bytes", whole)
    text = content.hex() if whole else content.hex(" ", 4)
    return _cut(text or "(empty)", f"{len(content)} bytes", whole)


def _cut(text: str, size: str, whole: bool) -> str:
    if whole or len(text) <= _WIDTH:
        return text
    half = _WIDTH // 2 - 2
    return f"{text[:half]} ... {text[-half:]} ({size})"
