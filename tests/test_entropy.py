"""Sources of randomness: a value depends only on label and index, and a missing one raises an error that names it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otterproof.implementations.contract import Entropy
from otterproof.implementations.entropy import EntropyError, RecordingEntropy, SeededEntropy, TapeEntropy

LABELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
DRAWS = st.tuples(LABELS, st.integers(0, 2**40))


@given(st.binary(), DRAWS, st.integers(0, 1000))
def test_a_seed_gives_the_same_value_whenever_it_is_drawn(seed: bytes, draw: tuple[str, int], size: int) -> None:
    source: Entropy = SeededEntropy(seed)
    value = source.draw(*draw, size)
    assert len(value) == size
    source.draw("other", 0, 7)
    assert source.draw(*draw, size) == value == SeededEntropy(seed).draw(*draw, size)
    assert source.draw(*draw, 2 * size)[:size] == value


def test_a_seeded_value_is_fixed_for_all_times() -> None:
    # A change here would change every recorded conversation.
    assert SeededEntropy(b"seed").draw("ake.r", 1, 16).hex() == "edbb5e6d46bd95444b68da4131f16492"


@given(st.lists(st.tuples(st.binary(), DRAWS), unique=True, min_size=2, max_size=6))
def test_different_draws_have_different_values(draws: list[tuple[bytes, tuple[str, int]]]) -> None:
    assert len({SeededEntropy(seed).draw(*draw, 16) for seed, draw in draws}) == len(draws)


def test_parts_that_run_together_are_told_apart() -> None:
    parts = [(b"a", "b", 1), (b"ab", "1", 1), (b"", "ab", 1), (b"a", "b1", 1), (b"a", "b", 11), (b"a", "b1", 11)]
    assert len({SeededEntropy(seed).draw(label, index, 16) for seed, label, index in parts}) == len(parts)


def test_children_are_sources_of_their_own() -> None:
    seed = SeededEntropy(b"s")
    names = ["alice", "bob", "a", ""]
    assert len({seed.draw("x", 0, 16)} | {seed.child(name).draw("x", 0, 16) for name in names}) == 5
    assert seed.child("bob").draw("x", 0, 16) == SeededEntropy(b"s").child("bob").draw("x", 0, 16)


def test_a_seeded_source_can_be_copied() -> None:
    source = SeededEntropy(b"s")
    assert copy.deepcopy(source).draw("x", 0, 4) == source.draw("x", 0, 4)


@pytest.mark.parametrize(("label", "index", "size"), [("", 0, 1), ("x", -1, 1), ("x", 0, -1)])
def test_a_senseless_draw_is_refused(label: str, index: int, size: int) -> None:
    for source in (SeededEntropy(b""), TapeEntropy({})):
        with pytest.raises(EntropyError, match="no such draw"):
            source.draw(label, index, size)


def test_a_tape_gives_what_is_on_it() -> None:
    tape = TapeEntropy({("ake.r", 0): b"\x01" * 16}, fallback=SeededEntropy(b"s"))
    assert tape.draw("ake.r", 0, 16) == b"\x01" * 16
    assert tape.draw("ake.r", 1, 16) == SeededEntropy(b"s").draw("ake.r", 1, 16)


def test_what_a_tape_lacks_is_said() -> None:
    tape = TapeEntropy({("dh.x", 0): b"", ("dh.x", 2): b""})
    with pytest.raises(EntropyError, match=r"the tape has no dh\.x 1 \(40 bytes\): it has dh\.x 0, 2"):
        tape.draw("dh.x", 1, 40)
    with pytest.raises(EntropyError, match=r"the tape has no ake\.r 0 .* nothing with this label"):
        tape.draw("ake.r", 0, 16)


def test_a_wrong_size_is_an_error_even_with_a_fallback() -> None:
    tape = TapeEntropy({("ake.r", 0): b"123"}, fallback=SeededEntropy(b"s"))
    with pytest.raises(EntropyError, match=r"the tape has 3 bytes for ake\.r 0, but 16 were drawn"):
        tape.draw("ake.r", 0, 16)


def test_what_was_drawn_is_recorded_and_can_be_drawn_again() -> None:
    recording = RecordingEntropy(SeededEntropy(b"s"))
    first, second = recording.draw("b", 1, 4), recording.draw("a", 0, 2)
    recording.draw("b", 1, 4)
    assert list(recording.drawn.items()) == [(("b", 1), first), (("a", 0), second)]
    assert recording.tape().draw("b", 1, 4) == first
    with pytest.raises(EntropyError):
        recording.tape().draw("b", 2, 4)


def test_a_source_that_is_not_by_label_is_found_out() -> None:
    class Counter:
        count = 0

        def draw(self, label: str, index: int, size: int) -> bytes:
            self.count += 1
            return self.count.to_bytes(size, "big")

    recording = RecordingEntropy(Counter())
    recording.draw("x", 0, 4)
    with pytest.raises(EntropyError, match="x 0 was drawn twice with different results"):
        recording.draw("x", 0, 4)
