"""Fields: the code that reads and writes every layer of every message without losing a byte.

A layout is a table of parts. Reading cuts bytes into fields that tile the layer. A field whose length prefix promises
more than there is takes all that is left, and anything after the last field becomes a field called "end". So joining
the raw bytes of all fields always gives the layer back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple


class Type(StrEnum):
    """The data types of the protocol text. FIXED stands for CTR, MAC and SIG; REST takes all that is left."""

    BYTE = "BYTE"
    SHORT = "SHORT"
    INT = "INT"
    MPI = "MPI"
    DATA = "DATA"
    FIXED = "FIXED"
    REST = "REST"


_NUMBERS = {Type.BYTE: 1, Type.SHORT: 2, Type.INT: 4}

# Bound to names for speed: every field that is read is compared with them.
_MPI, _DATA, _REST = Type.MPI, Type.DATA, Type.REST


class Part(NamedTuple):
    """A field in a layout. size: of FIXED, its bytes; of DATA, the only valid length, or 0 for any."""

    name: str
    type: Type
    size: int = 0


Layout = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """A deviation from the protocol text. offset: in bytes, within the layer."""

    code: str
    field: str
    offset: int
    text: str

    def __str__(self) -> str:
        return f"{self.field} at {self.offset}: {self.text}"


class Field(NamedTuple):
    """A field as it was read. value: a number, or the content of DATA and FIXED; None if it is cut short.

    It is a tuple because that is created in half the time of a dataclass: a run of `fuzz` makes tens of thousands of
    fields.
    """

    name: str
    type: Type
    raw: bytes
    value: int | bytes | None
    offset: int


#: Makes a field from its values, in half the time again: the class takes them as arguments.
field_of: Callable[[tuple[str, Type, bytes, int | bytes | None, int]], Field] = partial(tuple.__new__, Field)


class FieldError(LookupError):
    """A message does not have the field asked for, or the field can't hold the value given."""


class UnreadableField(FieldError):
    """The field to be read is missing from the message, or cut short in it."""


def read(layout: Layout, data: bytes) -> tuple[tuple[Field, ...], tuple[Problem, ...]]:
    """Cut `data` into the fields of a layout; never fails."""
    fields: list[Field] = []
    problems: list[Problem] = []
    at, end = 0, len(data)
    for name, kind, size in layout:
        if at >= end and kind is not _REST:
            problems.append(Problem("missing", name, at, "the message ends before it"))
            break
        start = at
        if width := _NUMBERS.get(kind):
            stop = at + width
        elif kind is _MPI or kind is _DATA:
            start = at + 4
            stop = start + (int.from_bytes(data[at:start]) if start <= end else 4)  # even the length may be cut short
        else:
            stop = end if kind is _REST else at + size
        raw = data[at:stop]
        if stop > end:
            there = f"{stop - start} bytes announced, {max(end - start, 0)} there"
            problems.append(Problem("short", name, at, f"cut short: {there}"))
            fields.append(Field(name, kind, raw, None, at))
            at = end
            break
        value: int | bytes
        if width:
            value = int.from_bytes(raw)
        elif start == at:
            value = raw
        else:
            value = data[start:stop]
            if kind is _MPI:
                if value[:1] == b"\0":
                    problems.append(Problem("leading-zero", name, at, "an MPI with leading zero bytes"))
                value = int.from_bytes(value)
            elif size and len(value) != size:
                problems.append(Problem("length", name, at, f"{len(value)} bytes where {size} are prescribed"))
        fields.append(field_of((name, kind, raw, value, at)))
        at = stop
    if at < end:
        fields.append(Field("end", Type.REST, data[at:], data[at:], at))
        problems.append(Problem("trailing", "end", at, f"{end - at} bytes follow the last field"))
    return tuple(fields), tuple(problems)


def encode(kind: Type, value: int | bytes, name: str, size: int = 0) -> bytes:
    """Encode a value as on the wire. FieldError if the type can't hold it."""
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
