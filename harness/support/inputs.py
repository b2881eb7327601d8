"""Read files from others: whole, of bounded size, and as strict JSON or TOML.

Code that reads such a file calls `read_input` with one of the limits below, and then `parse_json` or `parse_toml`. The
command line reports InputError with exit code 2, since the user can name another file.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any, NoReturn

from otterproof.implementations.inputs import InputError, read_input

__all__ = ["LIMITS", "InputError", "parse_json", "parse_toml", "read_input"]

#: The most bytes in a file of each kind: many times what is ever written, and little enough to read.
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

#: The most characters in a line of TOML. The parser takes quadratic time for a key with very many parts.
_TOML_LINE = 4096


def parse_json(text: str | bytes, *, whole: bool = False) -> Any:
    """Parse a JSON value. Raises ValueError with the reason if it is invalid, or is one that no file of ours contains.

    Rejected are duplicate names in one object, NaN and infinities, numbers of thousands of digits, text that is not
    UTF-8, and values nested hundreds of levels deep. whole: also reject numbers with a fraction or exponent, which JSON
    Schema calls integers if the fraction is zero.
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
    """Parse a TOML document. Raises ValueError with the reason if it is invalid, or no file of ours is like it."""
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
