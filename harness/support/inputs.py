"""Files that others send, and how they are read: whole, of bounded size, and as strict JSON or TOML.

Code that reads such a file calls `read_input` with one of the limits below, and `parse_json` or `parse_toml` for what
is in it. The command line reports InputError with exit code 2, since another file can be named.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any, NoReturn

from otterproof.implementations.inputs import InputError, read_input

__all__ = ["LIMITS", "InputError", "parse_json", "parse_toml", "read_input"]

#: The most bytes that a file of each kind can have: many times what is ever written, and little enough to be read.
LIMITS = {
    "transcript": 64 << 20,
    "campaign": 64 << 20,
    "known deviations": 1 << 20,
    "found case": 16 << 20,
    "vectors": 16 << 20,
    "unshown": 1 << 20,
    "settings": 1 << 20,
    "card": 64 << 20,
    "picture": 1 << 20,
}

#: The most characters of a line of TOML. The parser takes quadratic time for a key of very many parts.
_TOML_LINE = 4096


def parse_json(text: str | bytes, *, whole: bool = False) -> Any:
    """A JSON value. ValueError with the reason when it is not one, or is one that no file of ours has.

    Refused are a name that appears twice in one object, NaN and infinities, numbers of thousands of digits, text that
    is not UTF-8, and values that are nested hundreds of levels deep. whole: also numbers with a fraction or exponent,
    which JSON Schema calls integers when nothing is behind the point.
    """
    try:
        return json.loads(
            text.decode() if isinstance(text, bytes) else text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_no_fraction if whole else _finite,
        )
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def parse_toml(data: bytes) -> dict[str, Any]:
    """A document of TOML. ValueError with the reason when it is not one, or is one that no file of ours is."""
    text = data.decode()
    longest = max(map(len, text.split("\n")))
    if longest > _TOML_LINE:
        raise ValueError(f"it has a line of {longest} characters, and the limit is {_TOML_LINE}")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name appears twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {digits:.40} is too large")
    return number


def _no_fraction(digits: str) -> NoReturn:
    raise ValueError(f"the number {digits:.40} is not a whole number")
