"""Fast construction of the immutable values that a run makes by the thousand: messages, events, states, steps.

A frozen dataclass sets each of its fields through `object.__setattr__`, which takes several times as long as an
assignment, and a fuzzing campaign makes more than ten such values for every step. A class with the decorator below is
made by assignments, and so is a changed copy of it. It is still frozen for the type checker, which is what guards these
classes; at run time nothing stops an assignment.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, Field, fields
from typing import TYPE_CHECKING, Any, TypeVar

T = TypeVar("T")

if TYPE_CHECKING:  # the type checker knows what that one takes
    from dataclasses import replace as replace
else:

    def replace(value, /, **changes):
        """`dataclasses.replace`, in half the time for a class that is quickly made."""
        changed = getattr(value, "_changed", None)
        return dataclasses.replace(value, **changes) if changed is None else changed(**changes)


def quickly_made(kind: type[T]) -> type[T]:
    """Let instances of a frozen dataclass be made by plain assignments. Goes above `@dataclass(frozen=True)`.

    TypeError for a class whose fields it can't set that way.
    """
    made: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]  # (the decorated class is a dataclass)
    unusual = any(one.kw_only or (one.default is MISSING and not one.init) for one in made)
    if unusual or hasattr(kind, "__post_init__"):
        what = "keyword-only fields, fields that are no arguments and have no default, or a __post_init__"
        raise TypeError(f"{kind.__name__} has {what}; leave it to dataclass")
    scope: dict[str, Any] = {"missing": MISSING, "new": object.__new__, "kind": kind}
    parameters, begin, change = ["self"], list[str](), ["made = new(kind)"]
    for one in made:
        name = given = one.name
        scope |= {f"default_{name}": one.default, f"new_{name}": one.default_factory}
        if one.default_factory is not MISSING:
            parameters.append(f"{name}=missing")
            given = f"new_{name}() if {name} is missing else {name}"
        elif one.init:
            parameters.append(name if one.default is MISSING else f"{name}=default_{name}")
        else:
            given = f"default_{name}"
        begin.append(f"self.{name} = {given}")
        change.append(f"made.{name} = {f'self.{name} if {name} is missing else {name}' if one.init else given}")
    _define(kind, "__init__", parameters, begin, scope)
    changes = [f"{one.name}=missing" for one in made if one.init]
    _define(kind, "_changed", ["self", *changes], [*change, "return made"], scope)
    for name in ("__setattr__", "__delattr__"):
        if name in vars(kind):
            delattr(kind, name)
    return kind


def _define(kind: type, name: str, parameters: list[str], body: list[str], scope: dict[str, Any]) -> None:
    """Define a method of a class by its parameters and its lines."""
    exec(f"def {name}({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"]), scope)
    scope[name].__qualname__ = f"{kind.__qualname__}.{name}"
    setattr(kind, name, scope.pop(name))
