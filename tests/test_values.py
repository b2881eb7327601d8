"""Values that are made quickly behave as frozen dataclasses do, except that nothing stops an assignment."""

from __future__ import annotations

import pickle
from copy import deepcopy
from dataclasses import dataclass, field, replace

import pytest

from otterproof.implementations.values import quickly_made


@dataclass(frozen=True, slots=True)
class Plain:
    one: int
    two: str = "two"
    three: list[int] = field(default_factory=list)
    memo: int | None = field(default=None, init=False, repr=False, compare=False)


@quickly_made
@dataclass(frozen=True, slots=True)
class Quick:
    one: int
    two: str = "two"
    three: list[int] = field(default_factory=list)
    memo: int | None = field(default=None, init=False, repr=False, compare=False)


@quickly_made
@dataclass(frozen=True)
class WithoutSlots:
    one: int


def test_arguments_and_defaults_are_those_of_the_dataclass() -> None:
    assert repr(Quick(1)) == repr(Plain(1)).replace("Plain", "Quick")
    assert repr(Quick(1, three=[4], two="x")) == repr(Plain(1, three=[4], two="x")).replace("Plain", "Quick")
    assert Quick(1).three is not Quick(1).three
    assert Quick(1).memo is None
    assert WithoutSlots(1) == WithoutSlots(1)


@pytest.mark.parametrize("arguments", [{}, {"one": 1, "memo": 2}, {"one": 1, "four": 4}])
def test_wrong_arguments_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(TypeError):
        Quick(**arguments)  # type: ignore[arg-type]


def test_values_are_compared_hashed_and_copied() -> None:
    value = Quick(1, three=[2])
    assert value == Quick(1, three=[2]) != Quick(2, three=[2])
    assert hash(WithoutSlots(1)) == hash(WithoutSlots(1))
    assert replace(value, one=3) == Quick(3, three=[2])
    assert deepcopy(value) == pickle.loads(pickle.dumps(value)) == value


def test_other_dataclasses_are_refused() -> None:
    @dataclass(frozen=True, kw_only=True)
    class ByName:
        one: int

    @dataclass(frozen=True)
    class Checked:
        one: int

        def __post_init__(self) -> None:
            raise AssertionError("not reached")

    for kind in (ByName, Checked):
        with pytest.raises(TypeError, match="leave it to dataclass"):
            quickly_made(kind)
