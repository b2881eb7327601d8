"""A value as text, the same in every process and on every run.

Python's own form of a set depends on how it was made, and that of a dataclass may leave fields out.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    """What a value of a type is made of: all fields of a dataclass, or the public slots of a type without a form.

    None for types that have a form of their own.
    """
    if is_dataclass(kind):
        return tuple(one.name for one in fields(kind))
    shows_nothing = not any("__repr__" in vars(one) for one in kind.__mro__[:-1])
    if shows_nothing and (slots := getattr(kind, "__slots__", None)):
        return tuple(name for name in slots if not name.startswith("_"))
    return None


def form(value: object) -> str:
    """The form of a value that is made of dataclasses, containers and plain values: all of it."""
    kind: Any = type(value)
    if kind in (int, bytes, str, bool):
        return repr(value)
    names = _names(kind)
    if names is not None:
        return f"{kind.__name__}({','.join([form(getattr(value, name)) for name in names])})"
    if isinstance(value, Set):
        return f"{{{','.join(sorted(map(form, value)))}}}"
    if isinstance(value, Mapping):
        return f"{{{','.join([f'{form(key)}:{form(one)}' for key, one in value.items()])}}}"
    if isinstance(value, tuple | list):
        return f"({','.join(map(form, value))})"
    return repr(value)
