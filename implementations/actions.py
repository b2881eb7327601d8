"""The actions of a party as plain JSON values: the methods of `contract.Engine`, by name, with their arguments.

A driver command and a transcript step each consist of an action's name and an object of arguments. Names and types
come from the method signatures in the contract; arguments with a default may be left out. Time is not an action:
transcript steps and driver commands carry it separately.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from otterproof.implementations.contract import Engine, Event
from otterproof.implementations.jsonform import Codec, JsonFormError, codec_of


@dataclass(frozen=True, slots=True)
class Action:
    """One method: its arguments with their JSON forms, and which of them have no default."""

    name: str
    arguments: Mapping[str, Codec]
    required: frozenset[str]


def _action(name: str) -> Action:
    method = getattr(Engine, name)
    hints = typing.get_type_hints(method)
    parameters = [one for one in inspect.signature(method).parameters.values() if one.name != "self"]
    return Action(
        name,
        {one.name: codec_of(hints[one.name], one.name) for one in parameters},
        frozenset(one.name for one in parameters if one.default is one.empty),
    )


#: Every method that changes a party, except set_time, snapshot and restore.
ACTIONS: Mapping[str, Action] = {
    name: _action(name)
    for name in (
        "receive",
        "send",
        "start",
        "end",
        "smp_start",
        "smp_answer",
        "smp_abort",
        "extra_key",
        "set_policy",
    )
}


class Receiver(Protocol):
    """What `perform` needs: a party with the methods in ACTIONS that it is asked to run. Engines have all of them."""

    def receive(self, message: bytes) -> Sequence[Event]: ...


def _checked(action: str, names: Sequence[str], where: str) -> Action:
    if action not in ACTIONS:
        raise JsonFormError(where, f"unknown action {action!a:.40}; known: {', '.join(ACTIONS)}")
    found = ACTIONS[action]
    for problem, wrong in (("missing", found.required - set(names)), ("unknown", set(names) - set(found.arguments))):
        if wrong:
            listed = ", ".join(map(ascii, sorted(wrong)))
            known = ", ".join(found.arguments) or "none"
            raise JsonFormError(where, f"{problem} argument {listed} of {action}; the arguments are: {known}")
    return found


def args_to_json(action: str, args: Mapping[str, object]) -> dict[str, Any]:
    """The given arguments in JSON form; those left out stay out. JsonFormError for an unknown or missing one."""
    found = _checked(action, list(args), f"arguments of {action!a:.40}")
    return {name: found.arguments[name].encode(value) for name, value in args.items()}


def args_from_json(action: str, obj: object, where: str = "args") -> dict[str, Any]:
    """Arguments for `perform`. JsonFormError: unknown action or argument, missing argument, or wrong type."""
    if not isinstance(obj, Mapping):
        raise JsonFormError(where, f"expected an object, got {type(obj).__name__}")
    found = _checked(action, list(obj), where)
    return {name: found.arguments[name].decode(value, f"{where}.{name}") for name, value in obj.items()}


def perform(party: Receiver, action: str, args: Mapping[str, Any]) -> tuple[Event, ...]:
    """Run an action and return its events (none for set_policy). Exceptions of the party pass through."""
    _checked(action, list(args), "perform")
    return tuple(getattr(party, action)(**args) or ())
