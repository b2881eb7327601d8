"""A value as text that is the same in every process and on every run.

Python's own repr of a set depends on how the set was made, and that of a dataclass may leave out fields. Every state
that an exploration reaches is converted, so whatever can be worked out once for each type is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import Any, TypeAlias

_Former: TypeAlias = Callable[[Any], str]


class _Formers(dict[type, _Former]):
    """The converter for each type of value."""

    def __missing__(self, kind: type) -> _Former:
        made = self[kind] = _former(kind)
        return made


_formers = _Formers()


def form(value: object) -> str:
    """The complete text form of a value made of dataclasses, containers and plain values."""
    return _formers[type(value)](value)


def _former(kind: type) -> _Former:
    names = _names(kind)
    if names is not None:
        return _of_fields(kind.__name__, names)
    if issubclass(kind, Set):
        return lambda value: f"{{{','.join(sorted([_formers[type(one)](one) for one in value]))}}}"
    if issubclass(kind, Mapping):
        return _of_mapping
    if issubclass(kind, tuple | list):
        return lambda value: f"({','.join([_formers[type(one)](one) for one in value])})"
    return cache(repr) if issubclass(kind, Enum) else repr


def _names(kind: type) -> tuple[str, ...] | None:
    """The parts of a value of this type: all fields of a dataclass, or the public slots of a type without a form.

    None for types that have a form of their own.
    """
    if is_dataclass(kind):
        return tuple(one.name for one in fields(kind))
    shows_nothing = not any("__repr__" in vars(one) for one in kind.__mro__[:-1])
    if shows_nothing and (slots := getattr(kind, "__slots__", None)):
        return tuple(name for name in slots if not name.startswith("_"))
    return None


def _of_fields(kind: str, names: tuple[str, ...]) -> _Former:
    if not names:
        return lambda value: f"{kind}()"
    values = attrgetter(*names)
    if len(names) == 1:
        return lambda value: f"{kind}({form(values(value))})"
    return lambda value: f"{kind}({','.join([_formers[type(one)](one) for one in values(value)])})"


def _of_mapping(value: Mapping[Any, Any]) -> str:
    return f"{{{','.join([f'{form(key)}:{form(one)}' for key, one in value.items()])}}}"
