"""A message as text for people: a line for each field, with its offset, and what is wrong with it.

Used where two messages are compared and where a finding is reported.
"""

from __future__ import annotations

from otterproof.harness.wire.fields import Field, Type
from otterproof.harness.wire.message import ENCODED, Message, offered_versions, parse

#: Longest value, in characters, that is shown whole.
_WIDTH = 72


def dissect(raw: bytes) -> str:
    """Several lines: the kind of message, then its fields (offset, name, value), problems marked with "!"."""
    message = parse(raw)
    lines = [_title(message, raw)]
    width = max(len(field.name) for field in message.fields) if message.fields else 0
    for field in message.fields:
        if field.raw or message.kind in ENCODED:
            lines.append(f"  {field.offset:5}  {field.name:{width}}  {_shown(field, message.kind in ENCODED)}")
        lines += [f"      !  {problem.text}" for problem in message.problems if problem.field == field.name]
    named = {field.name for field in message.fields}
    lines += [f"      !  {problem}" for problem in message.problems if problem.field not in named]
    return "\n".join(lines)


def _title(message: Message, raw: bytes) -> str:
    title = f"{message.kind.replace('_', ' ')}, {len(raw)} bytes"
    if message.version is not None:
        title += f", version {message.version}"
    offered = offered_versions(message)
    return title + (f", offers {', '.join(map(str, sorted(offered)))}" if offered else "")


def _shown(field: Field, binary: bool) -> str:
    if isinstance(field.value, int) and field.type is not Type.MPI:
        return f"{field.value} ({field.value:#x})"
    if isinstance(field.value, int):
        return _cut(f"{field.value:#x}", f"{field.value.bit_length()} bits")
    content = field.raw if field.value is None else field.value
    if not binary:
        return _cut(ascii(content.decode("latin-1")), f"{len(content)} bytes")
    return _cut(content.hex(" ", 4) or "(empty)", f"{len(content)} bytes")


def _cut(text: str, size: str) -> str:
    if len(text) <= _WIDTH:
        return text
    half = _WIDTH // 2 - 2
    return f"{text[:half]} ... {text[-half:]} ({size})"
