"""The measure of growth itself: it detects quadratic work in Python and in C, and accepts linear work."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.hostile.growth import GrowsTooFast, growth


def _slices(content: bytes) -> int:
    return sum(len(content[at:]) & 1 for at in range(0, len(content), 8))


def _appended(content: bytes) -> bytes:
    found: tuple[int, ...] = ()
    for byte in content[::16]:
        found = (*found, byte)
    return bytes(found)


def _searched(content: bytes) -> object:
    return re.search(rb"a[^b]*b", content)


def _compared(content: bytes) -> int:
    return sum(content == content[:-1] + b"a" for _ in range(0, len(content), 64))


def _costly() -> int:
    return pow(3, (1 << 320) - 1, (1 << 1536) - 1)


QUADRATIC: dict[str, Callable[[bytes], object]] = {
    "slices of the rest": _slices,
    "a tuple that is copied for each item": _appended,
    "a regular expression that starts over at each byte": _searched,
    "comparisons of the whole": _compared,
    "slices of the rest, after costly work of fixed size": lambda content: (_costly(), _slices(content)),
}

LINEAR: dict[str, Callable[[bytes], object]] = {
    "nothing": lambda content: None,
    "a copy": lambda content: content + b"a",
    "one search": lambda content: re.search(rb"a*b", content.replace(b"a", b"c")),
    "a loop over the bytes": lambda content: [byte + 1 for byte in content],
    "slices of a part": lambda content: [content[at : at + 8] for at in range(0, len(content), 8)],
    "costly work of fixed size": lambda content: _costly(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", QUADRATIC)
def test_quadratic_work_is_found_out(name: str) -> None:
    with pytest.raises(GrowsTooFast, match="times the work for"):
        growth(QUADRATIC[name], lambda size: b"a" * size)


@pytest.mark.parametrize("name", LINEAR)
def test_linear_work_passes(name: str) -> None:
    growth(LINEAR[name], lambda size: b"a" * size)
