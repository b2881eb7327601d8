"""Mutations of good files: bytes are changed, and values of JSON and TOML are replaced by harmful ones.

Hypothesis draws a mutation as a place in the good document and a replacement. The replacement is text in the language
of the file, so it can be something that no writer would produce: a number with thousands of digits, a duplicate name,
values nested thousands of levels deep.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

#: JSON replacements for a value. The last ones are not JSON.
JSON = (
    *("null", "true", "false", "0", "-1", "1", "63", "1.0", "-0", "0.5", "1e3", "1e308", "[]", "{}", '""', '"x"'),
    *(str(1 << bits) for bits in (8, 16, 31, 32, 53, 63, 64, 100, 14_000)),
    *('"\\ud800"', '"\\u0000"', '"\\u001b]0;x\\u0007"', '"\\u0100"', '"\\u2028"', json.dumps("a" * 100_000)),
    *('"00"', '"ff"', json.dumps("f" * 1024), json.dumps("f" * 2049), json.dumps("0" * 100_000)),
    *('"exec:touch hurt"', '"fault:../x"', '"../../x"', '"reference"', '"alice"', '"__class__"', '"2"', '"allow_v3"'),
    json.dumps([0] * 10_000),
    json.dumps(["allow_v3", []] * 5_000),
    json.dumps({str(number): {} for number in range(10_000)}),
    *("[" * depth + "]" * depth for depth in (50, 300, 700, 900, 5_000)),
    *('{"a":' * depth + "0" + "}" * depth for depth in (50, 300, 700, 900, 5_000)),
    *('{"a":1,"a":2}', "NaN", "-Infinity", "1e999", "9" * 5_000, "9" * 100_000, "1" * 300 + ".0", "01", "", "'x'"),
)

#: TOML replacements for a value.
TOML = (
    *("true", "0", "-1", "1.5", "nan", "inf", "[]", "{}", '""', '"x"', "''", "9" * 5_000, "0x" + "f" * 4_000, ""),
    *('"\\u0000"', '"\\ud800"', '"\\u001b]0;x\\u0007"', "'" + "a" * 100_000 + "'", '"exec:touch hurt"', '"fail"'),
    *("2027-06-30", "2027-06-30T00:00:00Z", "0001-01-01", "07:32:00", "9999-12-31"),
    *("[" * depth + "]" * depth for depth in (50, 300, 900, 2_000)),
    *("{a=" * depth + "0" + "}" * depth for depth in (50, 300, 900)),
    "[\n" * 2_000 + "]\n" * 2_000,
    "0\n" + ".".join("a" * 2_000) + " = 1",
    "0\n" + ".".join("a" * 100_000) + " = 1",
    "0\n" + "".join(f"a{number} = 0\n" for number in range(500)),
)

#: Marks the value to replace while the document is made; it occurs in no good file.
_HERE = "\x01here\x01"


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths to all values."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in pairs:
        yield from _places(inner, (*path, name))


def _replaced(value: Any, path: tuple[str | int, ...], change: Callable[[Any], Any]) -> Any:
    """A copy with the value at a path changed."""
    if not path:
        return change(value)
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _replaced(value[path[0]], path[1:], change)
    return copy


def _added(value: Any) -> Any:
    """A container with an extra item, or a container in place of another value."""
    if isinstance(value, dict):
        return {**value, "more": _HERE}
    return [*value, _HERE] if isinstance(value, list) else _HERE


def _poorer(value: Any) -> Any:
    """A container without its first item, or null in place of another value."""
    if isinstance(value, dict):
        return dict(list(value.items())[1:])
    return value[1:] if isinstance(value, list) else None


@st.composite
def mutated_json(draw: st.DrawFn, good: Any) -> str:
    """A good value as JSON, with one change."""
    path = draw(st.sampled_from(list(_places(good))))
    change = draw(st.sampled_from([lambda _: _HERE, lambda _: _HERE, _added, _poorer, lambda value: [value, value]]))
    text = json.dumps(_replaced(good, path, change))
    return text.replace(json.dumps(_HERE), draw(st.sampled_from(JSON)))


@st.composite
def mutated_bytes(draw: st.DrawFn, good: bytes) -> bytes:
    """A good file with a piece replaced by a few bytes, removed or repeated, or with everything after it cut off."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 200)))
    put = draw(st.one_of(st.binary(max_size=8), st.just(good[start:end] * 3), st.sampled_from([b"\0", b"\xff", b"\n"])))
    return good[:start] + put + (good[end:] if draw(st.booleans()) else b"")


@st.composite
def mutated_toml(draw: st.DrawFn, good: str) -> bytes:
    """A good document of lines `name = value`, with the value of one line replaced."""
    lines = good.splitlines()
    at = draw(st.sampled_from([number for number, line in enumerate(lines) if " = " in line]))
    name = lines[at].partition(" = ")[0]
    lines[at] = f"{draw(st.sampled_from([name, name, 'more', 'a.b.c', '[x']))} = {draw(st.sampled_from(TOML))}"
    return "\n".join(lines).encode()
