"""Sources of randomness for engines, by label and index, as the contract's `Entropy` asks.

An engine without a source uses the operating system's. The ones here make a conversation repeatable: from a seed
(scenarios, fuzzing), from a tape of given values (vectors, replay, values chosen by a test), and by writing down what
was drawn from another source (the making of vectors). None of them counts or remembers an order: a draw depends on its
label, index and size alone, so that two engines which draw in different orders still get the same values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from otterproof.implementations.contract import Entropy

#: What a tape is made of: (label, index) -> the value.
Tape = Mapping[tuple[str, int], bytes]


class EntropyError(LookupError):
    """A value was drawn that the source can't give. Says which label, index and size."""


def _check(label: str, index: int, size: int) -> None:
    if not label or index < 0 or size < 0:
        raise EntropyError(f"no such draw: label {label!r}, index {index}, size {size}; see contract.Entropy")


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


class SeededEntropy:
    """Values derived from a seed: SHAKE-256 over seed, label and index, as long as asked for.

    Every part is preceded by its length, so that no two draws hash the same bytes. The size is not hashed: a shorter
    draw is the beginning of a longer one, as with a stream. Not secret randomness: with the seed, all of it is known.
    """

    def __init__(self, seed: bytes) -> None:
        # The part that all draws share is hashed once.
        self._base = hashlib.shake_256(_with_length(b"otterproof entropy 1") + _with_length(seed))
        self._seed = seed

    def draw(self, label: str, index: int, size: int) -> bytes:
        _check(label, index, size)
        state = self._base.copy()
        state.update(_with_length(label.encode()) + _with_length(str(index).encode()))
        return state.digest(size)

    def child(self, name: str) -> SeededEntropy:
        """A source of its own for a party or a purpose: SeededEntropy(b"7").child("alice")."""
        return SeededEntropy(_with_length(self._seed) + _with_length(name.encode()))

    def __deepcopy__(self, memo: object) -> SeededEntropy:
        # A draw changes nothing, and hash objects can't be deep-copied: engines that are may share their source.
        return self

    def __repr__(self) -> str:
        return f"SeededEntropy({self._seed!r})"


class TapeEntropy:
    """Given values, by label and index. What is not on the tape comes from `fallback`; without one, EntropyError.

    A value on the tape with another size than the one drawn is an EntropyError, with or without a fallback: it was put
    there for this draw, so something has been mistaken.
    """

    def __init__(self, entries: Tape, fallback: Entropy | None = None) -> None:
        self._entries = dict(entries)
        self._fallback = fallback

    def draw(self, label: str, index: int, size: int) -> bytes:
        _check(label, index, size)
        value = self._entries.get((label, index))
        if value is None and self._fallback is not None:
            return self._fallback.draw(label, index, size)
        if value is None:
            held = sorted(number for name, number in self._entries if name == label)
            listed = f"it has {label} {', '.join(map(str, held))}" if held else "it has nothing with this label"
            raise EntropyError(f"the tape has no {label} {index} ({size} bytes): {listed}")
        if len(value) != size:
            raise EntropyError(f"the tape has {len(value)} bytes for {label} {index}, but {size} were drawn")
        return value


def entropy_of(party: str, seed: bytes, tape: Tape | None = None) -> Entropy:
    """What a party draws from, if its randomness can be given: the rule that every run and replay follows."""
    seeded = SeededEntropy(seed).child(party)
    return TapeEntropy(tape, seeded) if tape else seeded


class RecordingEntropy:
    """Hands on what `inner` gives and writes it down, for a vector or a tape.

    The same label and index drawn again must give the same bytes (an engine that was restored draws again); if the
    inner source gives others, EntropyError.
    """

    def __init__(self, inner: Entropy) -> None:
        self._inner = self._first = inner
        self._drawn: dict[tuple[str, int], bytes] = {}

    def draw(self, label: str, index: int, size: int) -> bytes:
        value = self._inner.draw(label, index, size)
        before = self._drawn.setdefault((label, index), value)
        if before != value:
            raise EntropyError(f"{label} {index} was drawn twice with different results: the source is not by label")
        return value

    @property
    def drawn(self) -> Tape:
        """A view of all draws so far, in the order in which they were first made."""
        return MappingProxyType(self._drawn)

    def snapshot(self) -> Tape:
        """The draws so far, for `restore`."""
        return dict(self._drawn)

    def restore(self, drawn: Tape) -> None:
        """Take back every draw that was made after a snapshot, and any other source since."""
        self._inner = self._first
        self._drawn.clear()
        self._drawn.update(drawn)

    def go_on(self, inner: Entropy) -> None:
        """From now on, what has not been drawn yet comes from another source."""
        self._inner = TapeEntropy(self._drawn, inner)

    def tape(self) -> TapeEntropy:
        """The draws so far as a source that gives them again."""
        return TapeEntropy(self._drawn)
