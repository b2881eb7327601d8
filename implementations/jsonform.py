"""The contract's types as plain JSON values, and back, without loss.

Drivers, transcripts and vectors all write events, snapshots, policies and keys in this form. The conversion follows the
types of the dataclass fields in `contract.py`: a new event or field there needs a change here only if its type is new.

The form
    An event is an object with its name in snake case under "event", and every field of its class:
    {"event": "text_received", "text": "hi", "secure": true, "warn": false, "instance": 256}.
    A snapshot is an object with every field of its class; nested snapshots are nested objects.

    bytes        a string in which each character U+0000 to U+00FF is one byte (Latin-1), so that texts and messages
                 are readable; in the fields in HEX_FIELDS, lower-case hexadecimal, two digits a byte
    int          a number; in the fields in HEX_INT_FIELDS, a string of lower-case hexadecimal digits
    bool, str    as they are; an Enum by its value; a Flag (Policy) as a list of its members' names in lower case
    (a, b)       a pair of numbers is the string "a,b" in decimal, as a key, set member or value
    mapping      an object with decimal numbers or pairs as keys, ascending; a set is a list, ascending, no duplicates
    X | None     X or null

Null in events
    A third-party implementation may not know a field that the contract requires. Its driver then writes null, and the
    field is None: not told. `unknown_fields` lists such fields. Only in `question` is None a value of its own.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, Flag
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast

from otterproof.implementations.contract import (
    DsaPrivateKey,
    DsaPublicKey,
    Event,
    PartyConfig,
    PartySnapshot,
    Policy,
)

#: Fields whose bytes are digests or keys, not readable text: hexadecimal.
HEX_FIELDS = frozenset({"ssid", "fingerprint", "key", "pending_mac_keys"})

#: Fields whose integers have hundreds of digits: hexadecimal. (In a mapping, its values, not its keys.)
HEX_INT_FIELDS = frozenset({"our_keys", "their_keys", "p", "q", "g", "y", "x"})

#: Event fields in which null is a value, not an unknown.
NULL_IS_A_VALUE = frozenset({"question"})

_HEX_BYTES = re.compile(r"(?:[0-9a-f]{2})*", re.ASCII)
_HEX_INT = re.compile(r"[0-9a-f]+", re.ASCII)
# 19 digits hold any 63-bit number. Without the bound, int() would raise its own error for huge strings.
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)

#: The most digits of a big number: twice as many as OTR's largest has. Longer numbers make arithmetic slow, and Python
#: refuses to print one of more than 4300 decimal digits.
_MAX_HEX = 2048

_T = TypeVar("_T")


class JsonFormError(ValueError):
    """A JSON value does not have the form described above. `where` is the path to it, such as "event.text"."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}")
        self.where = where
        self.problem = problem


# --------------------------------------------------------------------------------------------------------------------
# Codecs for single types
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Codec:
    """Writes and reads the values of one type.

    decode takes the JSON value and the path to it, which error messages name.
    """

    encode: Callable[[Any], Any]
    decode: Callable[[Any, str], Any]


def _kind(value: object) -> str:
    """The JSON name of a value's type, for error messages."""
    names = {NoneType: "null", bool: "a boolean", int: "an integer", float: "a fraction", str: "a string"}
    names |= {list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)


def _expect(value: object, wanted: type[_T], where: str) -> _T:
    # type() and not isinstance(): in Python a bool is an int, in JSON it is not.
    if type(value) is not wanted:
        raise JsonFormError(where, f"expected {_kind(wanted())}, got {_kind(value)}")
    return value


def _object(value: object, where: str) -> dict[str, Any]:
    # Any mapping will do, so that callers may pass read-only views.
    if not isinstance(value, Mapping):
        raise JsonFormError(where, f"expected an object, got {_kind(value)}")
    return {_expect(key, str, f"{where}: a key"): item for key, item in value.items()}


def _latin1_to_bytes(value: object, where: str) -> bytes:
    text = _expect(value, str, where)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise JsonFormError(
            where,
            f"character U+{ord(text[error.start]):04X} at position {error.start} is not a byte (U+0000 to U+00FF)",
        ) from None


def _hex_to_bytes(value: object, where: str) -> bytes:
    text = _expect(value, str, where)
    if not _HEX_BYTES.fullmatch(text):
        raise JsonFormError(where, "expected lower-case hexadecimal, two digits a byte")
    return bytes.fromhex(text)


def _hex_to_int(value: object, where: str) -> int:
    text = _expect(value, str, where)
    if len(text) > _MAX_HEX:
        raise JsonFormError(where, f"the number has {len(text)} hexadecimal digits, and the limit is {_MAX_HEX}")
    if not _HEX_INT.fullmatch(text):
        raise JsonFormError(where, "expected a number in lower-case hexadecimal digits")
    return int(text, 16)


def _to_int(value: object, where: str) -> int:
    number = _expect(value, int, where)
    if not -(1 << 63) <= number < 1 << 64:
        raise JsonFormError(where, "the number has more than 64 bits")
    return number


def _decimal_to_int(value: object, where: str) -> int:
    text = _expect(value, str, where)
    if not _DECIMAL.fullmatch(text):
        raise JsonFormError(where, f"expected a decimal number without leading zeros, got {text!r:.40}")
    return int(text)


def _string_to_pair(value: object, where: str) -> tuple[int, int]:
    first, comma, second = _expect(value, str, where).partition(",")
    if not comma:
        raise JsonFormError(where, f'expected two decimal numbers as "a,b", got {value!r:.40}')
    return _decimal_to_int(first, where), _decimal_to_int(second, where)


def _pair_to_string(pair: tuple[int, int]) -> str:
    return f"{pair[0]},{pair[1]}"


_INT = Codec(int, _to_int)
_BOOL = Codec(bool, lambda value, where: _expect(value, bool, where))
_STR = Codec(str, lambda value, where: _expect(value, str, where))
_TEXT = Codec(lambda value: value.decode("latin-1"), _latin1_to_bytes)
_HEX = Codec(lambda value: value.hex(), _hex_to_bytes)
_BIG = Codec(lambda value: format(value, "x"), _hex_to_int)
_PAIR = Codec(_pair_to_string, _string_to_pair)
_KEY_OF = {int: Codec(str, _decimal_to_int), tuple[int, int]: _PAIR}


def _enum_codec(cls: type[Enum]) -> Codec:
    by_value = {member.value: member for member in cls}

    def decode(value: object, where: str) -> Enum:
        text = _expect(value, str, where)
        if text not in by_value:
            raise JsonFormError(where, f"{text!r:.40} is not a valid {cls.__name__}; known: {', '.join(by_value)}")
        return by_value[text]

    return Codec(lambda member: member.value, decode)


def _flag_codec(cls: type[Flag]) -> Codec:
    by_name = {str(member.name).lower(): member for member in cls}

    def encode(flags: Flag) -> list[str]:
        return [name for name, member in by_name.items() if member in flags]

    def decode(value: object, where: str) -> Flag:
        flags = cls(0)
        for number, item in enumerate(_expect(value, list, where)):
            name = _expect(item, str, f"{where}[{number}]")
            if name not in by_name:
                raise JsonFormError(
                    f"{where}[{number}]", f"{name!r:.40} is not a valid {cls.__name__}; known: {', '.join(by_name)}"
                )
            if by_name[name] in flags:
                raise JsonFormError(f"{where}[{number}]", f"duplicate {name!r}")
            flags |= by_name[name]
        return flags

    return Codec(encode, decode)


def _mapping_codec(key: Codec, item: Codec) -> Codec:
    def encode(mapping: Mapping[Any, Any]) -> dict[str, Any]:
        return {key.encode(name): item.encode(mapping[name]) for name in sorted(mapping)}

    def decode(value: object, where: str) -> dict[Any, Any]:
        return {
            key.decode(name, f"{where}: a key"): item.decode(inner, f"{where}[{name}]")
            for name, inner in _object(value, where).items()
        }

    return Codec(encode, decode)


def _sequence_codec(item: Codec, container: type) -> Codec:
    def encode(values: Any) -> list[Any]:
        return [item.encode(value) for value in (sorted(values) if container is frozenset else values)]

    def decode(value: object, where: str) -> Any:
        values = [item.decode(inner, f"{where}[{n}]") for n, inner in enumerate(_expect(value, list, where))]
        if container is frozenset and len(set(values)) != len(values):
            raise JsonFormError(where, "a duplicate member of the set")
        return container(values)

    return Codec(encode, decode)


def _optional_codec(inner: Codec) -> Codec:
    return Codec(
        lambda value: None if value is None else inner.encode(value),
        lambda value, where: None if value is None else inner.decode(value, where),
    )


# --------------------------------------------------------------------------------------------------------------------
# From a type to its codec
# --------------------------------------------------------------------------------------------------------------------


def codec_of(hint: Any, name: str) -> Codec:
    """The codec of a field called `name` with the type `hint`. TypeError for a type that has no JSON form."""
    simple = {
        int: _BIG if name in HEX_INT_FIELDS else _INT,
        bytes: _HEX if name in HEX_FIELDS else _TEXT,
        bool: _BOOL,
        str: _STR,
        tuple[int, int]: _PAIR,
        DsaPrivateKey: _DSA_KEY,
    }
    if hint in simple:
        return simple[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (UnionType, typing.Union) and len(arguments) == 2 and NoneType in arguments:
        return _optional_codec(codec_of(next(one for one in arguments if one is not NoneType), name))
    if origin is tuple and arguments[1:] == (...,):
        return _sequence_codec(codec_of(arguments[0], name), tuple)
    if origin is frozenset:
        return _sequence_codec(codec_of(arguments[0], name), frozenset)
    if origin is Mapping and arguments[0] in _KEY_OF:
        return _mapping_codec(_KEY_OF[arguments[0]], codec_of(arguments[1], name))
    if isinstance(hint, type) and issubclass(hint, Flag):
        return _flag_codec(hint)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum_codec(hint)
    if isinstance(hint, type) and is_dataclass(hint):
        return Codec(lambda value: _encode(hint, value), lambda value, where: _decode(hint, value, where))
    raise TypeError(
        f"contract type {hint!r} of field {name!r} has no JSON form; add one to implementations/jsonform.py"
    )


@cache
def _table(cls: Any) -> dict[str, Codec]:
    """Field name -> codec, in the order of the class."""
    hints = typing.get_type_hints(cls)
    return {field.name: codec_of(hints[field.name], field.name) for field in fields(cls)}


def _encode(cls: type, value: Any) -> dict[str, Any]:
    return {name: codec.encode(getattr(value, name)) for name, codec in _table(cls).items()}


def _decode(cls: Callable[..., _T], value: object, where: str) -> _T:
    """Read an object with exactly the fields of `cls`."""
    given, table = _object(value, where), _table(cls)
    for problem, names in (("missing", table.keys() - given.keys()), ("unknown", given.keys() - table.keys())):
        if names:
            listed = ", ".join(map(ascii, sorted(names)))
            raise JsonFormError(where, f"{problem} field {listed}; the fields are: {', '.join(table) or 'none'}")
    return cls(**{name: codec.decode(given[name], f"{where}.{name}") for name, codec in table.items()})


def _encode_dsa_key(key: DsaPrivateKey) -> dict[str, str]:
    return _encode(DsaPublicKey, key.public) | {"x": _BIG.encode(key.x)}


def _decode_dsa_key(value: object, where: str) -> DsaPrivateKey:
    given = _object(value, where)
    if "x" not in given:
        raise JsonFormError(where, "missing field 'x'; the fields are: p, q, g, y, x")
    public = {name: item for name, item in given.items() if name != "x"}
    return DsaPrivateKey(_decode(DsaPublicKey, public, where), _hex_to_int(given["x"], f"{where}.x"))


_DSA_KEY = Codec(_encode_dsa_key, _decode_dsa_key)


# --------------------------------------------------------------------------------------------------------------------
# What the rest of the project uses
# --------------------------------------------------------------------------------------------------------------------


def event_name(cls: type) -> str:
    """The name of an event class in JSON: TextReceived -> "text_received"."""
    return _in_snake_case(cls.__name__)


@cache
def _in_snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


#: Name in JSON -> event class.
EVENTS: dict[str, type] = {event_name(cls): cls for cls in typing.get_args(Event)}


def event_to_json(event: Event) -> dict[str, Any]:
    return {"event": event_name(type(event))} | _encode(type(event), event)


def _event_class(given: dict[str, Any], where: str) -> type:
    if "event" not in given:
        raise JsonFormError(where, 'missing field "event", the name of the event')
    name = _expect(given["event"], str, f"{where}.event")
    if name not in EVENTS:
        raise JsonFormError(f"{where}.event", f"unknown event {name!r:.40}; known: {', '.join(EVENTS)}")
    return EVENTS[name]


def event_from_json(obj: object, where: str = "event") -> Event:
    """Read an event. `where` names the value in a JsonFormError."""
    given = _object(obj, where)
    cls = _event_class(given, where)
    del given["event"]
    return cast(Event, _decode(cls, given, where))


def unknown_fields(obj: object, where: str = "event") -> frozenset[str]:
    """The fields of a JSON event that are null because the implementation does not tell them.

    JsonFormError if it is not an object or not a known event; the values of the fields are not checked.
    """
    given = _object(obj, where)
    table = _table(_event_class(given, where))
    return frozenset(name for name in table.keys() - NULL_IS_A_VALUE if given.get(name, "") is None)


@cache
def may_be_untold(event: str) -> frozenset[str]:
    """The fields that an implementation need not tell of the event with this JSON name."""
    hints = typing.get_type_hints(EVENTS[event])
    optional = {name for name, hint in hints.items() if NoneType in typing.get_args(hint)}
    return frozenset(optional - NULL_IS_A_VALUE)


def snapshot_to_json(snapshot: PartySnapshot) -> dict[str, Any]:
    return _encode(PartySnapshot, snapshot)


def snapshot_from_json(obj: object, where: str = "snapshot") -> PartySnapshot:
    return _decode(PartySnapshot, obj, where)


def policy_to_json(policy: Policy) -> list[str]:
    return cast(list[str], _flag_codec(Policy).encode(policy))


def policy_from_json(obj: object, where: str = "policy") -> Policy:
    return cast(Policy, _flag_codec(Policy).decode(obj, where))


def dsa_key_to_json(key: DsaPrivateKey) -> dict[str, str]:
    """{"p", "q", "g", "y", "x"}, each in hexadecimal."""
    return _encode_dsa_key(key)


def dsa_key_from_json(obj: object, where: str = "key") -> DsaPrivateKey:
    return _decode_dsa_key(obj, where)


def config_to_json(config: PartyConfig) -> dict[str, Any]:
    """Includes the private key: without it, the configuration could not be replayed."""
    return _encode(PartyConfig, config)


def config_from_json(obj: object, where: str = "config") -> PartyConfig:
    return _decode(PartyConfig, obj, where)
