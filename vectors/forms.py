"""The forms of values in a vector file: how each is read, written, and described by a JSON Schema.

There are few forms, so that a consumer in any language can support them within an hour. Bytes that people may want to
read (messages, texts) are strings of Latin-1 characters, one per byte; all other bytes are hexadecimal digits.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class VectorError(ValueError):
    """A malformed vector file. Says where, and what is wrong there."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Form:
    """One form. read: (JSON value, its location) -> Python value, or VectorError; write: the inverse."""

    name: str
    schema: Mapping[str, Any]
    read: Callable[[Any, str], Any]
    write: Callable[[Any], Any]


def typed(value: object, wanted: type[T], where: str) -> T:
    """The value, if it has exactly that JSON type; true is not a number."""
    if type(value) is not wanted:
        raise VectorError(where, f"expected {wanted.__name__}, got {value!r:.60}")
    return value


#: The maximum digits of a big number, more than twice what OTR's largest number needs. Longer ones slow down
#: arithmetic, and Python refuses to print more than 4300 decimal digits.
MAX_DIGITS = 2048

_HEX = re.compile("(?:[0-9a-f]{2})*")
_BIG = re.compile("0|[1-9a-f][0-9a-f]*")


def _read_hex(value: Any, where: str) -> bytes:
    text = typed(value, str, where)
    if not _HEX.fullmatch(text):
        raise VectorError(where, "expected lower-case hexadecimal digits, two a byte")
    return bytes.fromhex(text)


def _read_big(value: Any, where: str) -> int:
    text = typed(value, str, where)
    if len(text) > MAX_DIGITS:
        raise VectorError(where, f"the number has {len(text)} hexadecimal digits, and the limit is {MAX_DIGITS}")
    if not _BIG.fullmatch(text):
        raise VectorError(where, "expected a number in lower-case hexadecimal digits without leading zeros")
    return int(text, 16)


def _read_int(value: Any, where: str) -> int:
    number = typed(value, int, where)
    if number < 0:
        raise VectorError(where, f"expected a number from 0 on, got {number}")
    return number


def _read_text(value: Any, where: str) -> bytes:
    try:
        return typed(value, str, where).encode("latin-1")
    except UnicodeEncodeError as error:
        raise VectorError(where, f"character {error.start} is not a byte (U+0000 to U+00FF)") from None


HEX = Form(
    "hex",
    {"type": "string", "pattern": "^([0-9a-f]{2})*$"},
    _read_hex,
    lambda value: value.hex(),
)
BIG = Form(
    "number, hexadecimal",
    {"type": "string", "pattern": "^(0|[1-9a-f][0-9a-f]*)$"},
    _read_big,
    lambda value: format(value, "x"),
)
INT = Form("number", {"type": "integer", "minimum": 0}, _read_int, lambda value: value)
TEXT = Form(
    "text",
    {"type": "string", "pattern": "^[\\u0000-\\u00ff]*$"},
    _read_text,
    lambda value: value.decode("latin-1"),
)
BOOL = Form("true or false", {"type": "boolean"}, lambda value, where: typed(value, bool, where), lambda value: value)
WORD = Form("word", {"type": "string", "minLength": 1}, lambda value, where: typed(value, str, where), lambda v: v)


def choice(*words: str) -> Form:
    """One of several words."""

    def read(value: Any, where: str) -> str:
        word = typed(value, str, where)
        if word not in words:
            raise VectorError(where, f"{word!r:.40} is not one of {', '.join(words)}")
        return word

    return Form(" or ".join(f"`{word}`" for word in words), {"enum": list(words)}, read, lambda value: value)


def listed(item: Form) -> Form:
    """A list whose items have one form."""

    def read(value: Any, where: str) -> tuple[Any, ...]:
        return tuple(item.read(one, f"{where}[{n}]") for n, one in enumerate(typed(value, list, where)))

    return Form(
        f"list of {item.name}",
        {"type": "array", "items": item.schema},
        read,
        lambda values: [item.write(one) for one in values],
    )


def mapped(item: Form, keys: str = "name") -> Form:
    """An object with arbitrary keys, whose values have one form."""

    def read(value: Any, where: str) -> dict[str, Any]:
        return {key: item.read(one, f"{where}.{key}") for key, one in typed(value, dict, where).items()}

    return Form(
        f"object: {keys} -> {item.name}",
        {"type": "object", "additionalProperties": item.schema},
        read,
        lambda values: {key: item.write(one) for key, one in values.items()},
    )


def nullable(form: Form) -> Form:
    """The form, or null."""
    return Form(
        f"{form.name} or null",
        {"anyOf": [form.schema, {"type": "null"}]},
        lambda value, where: None if value is None else form.read(value, where),
        lambda value: None if value is None else form.write(value),
    )


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an object: its form, its meaning, and whether it is optional."""

    form: Form
    text: str
    optional: bool = False


#: Name -> field, in the order of writing.
Shape = Mapping[str, Field]


def read_shape(shape: Shape, value: Any, where: str) -> dict[str, Any]:
    """The fields of an object. VectorError if one is missing, unknown or wrong."""
    given = typed(value, dict, where)
    for name in given:
        if name not in shape:
            raise VectorError(where, f"unknown field {name!r:.40}; the fields are {', '.join(shape) or 'none'}")
    for name, field in shape.items():
        if name not in given and not field.optional:
            raise VectorError(where, f"the field {name!r} is missing")
    return {name: field.form.read(given[name], f"{where}.{name}") for name, field in shape.items() if name in given}


def write_shape(shape: Shape, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as an object, in the order of the shape. VectorError for an unknown or missing name."""
    unknown = ", ".join(values.keys() - shape.keys())
    missing = ", ".join(name for name, field in shape.items() if name not in values and not field.optional)
    if unknown or missing:
        raise VectorError("written", f"unknown: {unknown or 'none'}; missing: {missing or 'none'}")
    return {name: field.form.write(values[name]) for name, field in shape.items() if name in values}


def shape_schema(shape: Shape, more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The JSON Schema of an object. more: additional properties, all of them required."""
    properties = {**(more or {}), **{name: dict(field.form.schema) for name, field in shape.items()}}
    required = [*(more or {}), *(name for name, field in shape.items() if not field.optional)]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def record(name: str, shape: Shape) -> Form:
    """An object with the fields of a shape."""
    return Form(
        name,
        {"title": name, **shape_schema(shape)},
        lambda value, where: read_shape(shape, value, where),
        lambda values: write_shape(shape, values),
    )
