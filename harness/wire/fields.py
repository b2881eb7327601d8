"""Fields: the one machinery with which every layer of every message is read and written, without losing a byte.

A layout is a table of parts. Reading cuts bytes into fields that tile the layer: a field whose length prefix
promises more than there is takes what is left, and what is left over after the last field is a field called "end". So
joining the raw bytes of all fields always gives the layer back, whatever it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    """The data types of the protocol text; FIXED stands for CTR, MAC and SIG, REST takes all that is left."""

    BYTE = "BYTE"
    SHORT = "SHORT"
    INT = "INT"
    MPI = "MPI"
    DATA = "DATA"
    FIXED = "FIXED"
    REST = "REST"


_NUMBERS = {Type.BYTE: 1, Type.SHORT: 2, Type.INT: 4}

# By names of their own, for every field that is read is compared with them.
_MPI, _DATA, _REST = Type.MPI, Type.DATA, Type.REST


@dataclass(frozen=True, slots=True)
class Part:
    """A field in a layout. size: bytes of a FIXED one; the only right length of a DATA one, when not 0."""

    name: str
    type: Type
    size: int = 0


Layout = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the protocol text has it. offset: in the layer, in bytes."""

    code: str
    field: str
    offset: int
    text: str

    def __str__(self) -> str:
        return f"{self.field} at {self.offset}: {self.text}"


class Field(NamedTuple):
    """A field as it stands. value: a number, or the content of DATA and FIXED; None when it is cut short.

    It is a tuple, which is made in half the time of a dataclass: a run of `fuzz` makes ten thousands of fields.
    """

    name: str
    type: Type
    raw: bytes
    value: int | bytes | None
    offset: int


class FieldError(LookupError):
    """A field was asked for that the message does not have, or given a value that it can't hold."""


class UnreadableField(FieldError):
    """A field was read that a message does not have, or that is cut short in it."""


def read(layout: Layout, data: bytes) -> tuple[tuple[Field, ...], tuple[Problem, ...]]:
    """Cut `data` into the fields of a layout; never fails."""
    fields: list[Field] = []
    problems: list[Problem] = []
    at, end = 0, len(data)
    for part in layout:
        name, kind = part.name, part.type
        if at >= end and kind is not _REST:
            problems.append(Problem("missing", name, at, "the message ends before it"))
            break
        start, width = at, _NUMBERS.get(kind)
        if width is not None:
            stop = at + width
        elif kind is _MPI or kind is _DATA:
            start = at + 4
            stop = start + (int.from_bytes(data[at:start]) if start <= end else 4)  # there may be not even a length
        else:
            stop = end if kind is _REST else at + part.size
        raw, content = data[at:stop], data[start:stop]
        if stop > end:
            there = f"{stop - start} bytes announced, {max(end - start, 0)} there"
            problems.append(Problem("short", name, at, f"cut short: {there}"))
            fields.append(Field(name, kind, raw, None, at))
            at = end
            break
        if kind is _MPI and content[:1] == b"\0":
            problems.append(Problem("leading-zero", name, at, "an MPI with leading zero bytes"))
        elif kind is _DATA and part.size and len(content) != part.size:
            problems.append(Problem("length", name, at, f"{len(content)} bytes where {part.size} are prescribed"))
        value = content if width is None and kind is not _MPI else int.from_bytes(content)
        fields.append(Field(name, kind, raw, value, at))
        at = stop
    if at < end:
        fields.append(Field("end", Type.REST, data[at:], data[at:], at))
        problems.append(Problem("trailing", "end", at, f"{end - at} bytes follow the last field"))
    return tuple(fields), tuple(problems)


def encode(kind: Type, value: int | bytes, name: str, size: int = 0) -> bytes:
    """A value as bytes on the wire. FieldError when the type can't hold it."""
    if isinstance(value, int):
        width = (value.bit_length() + 7) // 8 if kind is Type.MPI else _NUMBERS.get(kind, 0)
        if kind is not Type.MPI and not width:
            raise FieldError(f"{name} is {kind}: give it bytes, not the number {value:#x}")
        if value < 0 or value.bit_length() > 8 * width:
            raise FieldError(f"{name} is {kind}: {value:#x} does not fit; give a number of at most {8 * width} bits")
        number = value.to_bytes(width)
        return width.to_bytes(4) + number if kind is Type.MPI else number
    if kind is Type.MPI or kind in _NUMBERS:
        raise FieldError(f"{name} is {kind}: give it a number, not bytes; with_raw takes bytes as they are")
    if size and len(value) != size:
        raise FieldError(f"{name} has {size} bytes, not {len(value)}; with_raw takes bytes as they are")
    return len(value).to_bytes(4) + value if kind is Type.DATA else value


def write(layout: Layout, values: Iterable[int | bytes]) -> bytes:
    """The bytes of a layout from its values, in order. FieldError when one does not fit."""
    return b"".join(
        encode(part.type, value, part.name, part.size if part.type is Type.FIXED else 0)
        for part, value in zip(layout, values, strict=True)
    )
