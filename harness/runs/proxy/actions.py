"""The actions that can be applied to a message on its way, by name, with their parameters.

An action is data: rule files, the command line, the keys of the view and the adversary all produce the same values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.support.errors import UsageError
from otterproof.harness.support.suggestions import did_you_mean
from otterproof.harness.wire import Message
from otterproof.harness.wire.fields import FieldError
from otterproof.harness.wire.mutate import change_field, flip_bit, truncate


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an action. about: in words. kind: its type. most: the largest number."""

    name: str
    about: str
    kind: type
    most: int = 0


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of an action. needs: the required ones."""

    every: tuple[Parameter, ...] = ()
    needs: tuple[str, ...] = ()


_FIELD = Parameter("field", "a field of the message, as `otterproof inspect` names it", str)

#: The most seconds that a message is delayed, and the most copies that are made at once.
LONGEST, MOST_COPIES = 3600, 100

#: What can be done with a message, and the parameters that this takes. docs/how-to/proxy.md describes each action.
ACTIONS: Mapping[str, Parameters] = {
    "pass": Parameters(),
    "drop": Parameters(),
    "duplicate": Parameters((Parameter("count", "how many copies (default: 1)", int, MOST_COPIES),)),
    "replay": Parameters(
        (Parameter("back", "how many messages back, 1 is the one before it (default: 1); wraps around", int, 10_000),),
    ),
    "reflect": Parameters(),
    "flip": Parameters(
        (
            _FIELD,
            Parameter("bit", "which bit; 0 is the last one of the field, or the first of the message", int, 1 << 20),
        ),
    ),
    "change": Parameters(
        (_FIELD, Parameter("value", "a number, or bytes in hexadecimal", object)),
        ("field", "value"),
    ),
    "truncate": Parameters(
        (Parameter("size", "how many bytes to keep", int, 1 << 20),),
        ("size",),
    ),
    "fragment": Parameters((Parameter("size", "bytes in a fragment", int, 1 << 16),), ("size",)),
    "hold": Parameters(
        (Parameter("after", "how many later messages (default: until you release it)", int, 1000),),
    ),
    "delay": Parameters((Parameter("seconds", "how long", float, LONGEST),), ("seconds",)),
    "inject": Parameters(
        (Parameter("message", "the message, as text", str),),
        ("message",),
    ),
    "forge": Parameters(),
}


@dataclass(frozen=True, slots=True)
class Action:
    """An action with its arguments."""

    name: str
    given: Mapping[str, object]

    def number(self, name: str, default: int) -> int:
        """The value of a numeric argument."""
        value = self.given.get(name, default)
        return value if isinstance(value, int) else default

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={value}" for name, value in self.given.items())])


PASS, DROP, HOLD = Action("pass", {}), Action("drop", {}), Action("hold", {})


def action_of(name: object, given: Mapping[str, object], where: str) -> Action:
    """Parse an action that a user wrote. where: the place, for messages. Raises UsageError."""
    if not isinstance(name, str) or name not in ACTIONS:
        hint = did_you_mean(str(name), ACTIONS, f"there are {', '.join(ACTIONS)}")
        raise UsageError(f"{where}: there is no action {str(name)!r:.60}{hint}")
    takes = {one.name: one for one in ACTIONS[name].every}
    for missing in [one for one in ACTIONS[name].needs if one not in given]:
        raise UsageError(f"{where}: {name} needs {missing}: {takes[missing].about}")
    for key, value in given.items():
        if key not in takes:
            raise UsageError(f"{where}: {name} does not take {key!r:.60}; it takes {', '.join(takes) or 'nothing'}")
        _check(takes[key], value, f"{where}: {name}: {key}")
    return Action(name, dict(given))


def _check(parameter: Parameter, value: object, where: str) -> None:
    """Raise UsageError if a value is not valid for a parameter."""
    if parameter.kind is object:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise UsageError(f"{where} must be a number, or bytes in hexadecimal between quotation marks")
        if isinstance(value, str) and not _is_hexadecimal(value):
            raise UsageError(f"{where}: {value!r:.60} is not hexadecimal")
    elif parameter.kind is str:
        if not isinstance(value, str):
            raise UsageError(f"{where} must be a string in quotation marks: {parameter.about}")
    elif isinstance(value, bool) or not isinstance(value, (int, float) if parameter.kind is float else int):
        raise UsageError(f"{where} must be a number: {parameter.about}")
    elif not 0 <= value <= parameter.most:
        raise UsageError(f"{where} must be from 0 to {parameter.most}, not {value}")


def _is_hexadecimal(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True


def changed(message: Message, raw: bytes, action: Action) -> bytes:
    """A message after `flip`, `change` or `truncate`; unchanged if it has no such field, or one of another type."""
    name = action.given.get("field")
    if action.name == "truncate":
        return truncate(raw, action.number("size", 0))
    if action.name == "change":
        value = action.given.get("value")
        return change_field(raw, str(name), bytes.fromhex(value) if isinstance(value, str) else _whole(value))
    if name is None:
        return flip_bit(raw, action.number("bit", 0))
    if not message.has(str(name)):
        return raw
    return _flipped(message, raw, str(name), action.number("bit", 0))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _flipped(message: Message, raw: bytes, name: str, bit: int) -> bytes:
    """A message with one bit of a field inverted; bits count from the last."""
    value = message.value(name)
    if isinstance(value, int):
        return change_field(raw, name, value ^ 1 << bit % max(value.bit_length(), 1))
    if not value:
        return raw
    bit %= 8 * len(value)
    number = int.from_bytes(value) ^ 1 << bit
    try:
        return wire.build(message.with_value(name, number.to_bytes(len(value))))
    except FieldError:
        return raw
