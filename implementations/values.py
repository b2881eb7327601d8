"""Fast construction of the immutable values that a run makes by the thousand: messages, events, states, steps.

A frozen dataclass sets each of its fields through `object.__setattr__`, which takes several times as long as an
assignment, and a fuzzing campaign makes more than ten such values for every step. A class with the decorator below is
made by assignments. It is still frozen for the type checker, which is what guards these classes; at run time nothing
stops an assignment.
"""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quickly_made(kind: type[T]) -> type[T]:
    """Let instances of a frozen dataclass be made by plain assignments. Goes above `@dataclass(frozen=True)`.

    TypeError for a class whose fields it can't set that way.
    """
    made: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]  # (the decorated class is a dataclass)
    if any(one.kw_only for one in made) or hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} has keyword-only fields or a __post_init__; leave it to dataclass")
    scope: dict[str, Any] = {"missing": MISSING}
    parameters, body = ["self"], []
    for one in made:
        given = one.name
        if one.default_factory is not MISSING:
            scope[f"new_{one.name}"] = one.default_factory
            parameters.append(f"{one.name}=missing")
            given = f"new_{one.name}() if {one.name} is missing else {one.name}"
        elif one.default is not MISSING:
            scope[f"default_{one.name}"] = one.default
            parameters.append(f"{one.name}=default_{one.name}")
        else:
            parameters.append(one.name)
        if not one.init:
            parameters.pop()
            given = f"default_{one.name}"
        body.append(f"self.{one.name} = {given}")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body or ["pass"]), scope)
    scope["__init__"].__qualname__ = f"{kind.__qualname__}.__init__"
    setattr(kind, "__init__", scope["__init__"])  # noqa: B010 (a plain assignment is not typed)
    for name in ("__setattr__", "__delattr__"):
        if name in vars(kind):
            delattr(kind, name)
    return kind
