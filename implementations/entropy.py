"""Sources of randomness for engines, addressed by label and index. [contract.Entropy]

An engine without a source uses the operating system's. The sources here make a conversation repeatable: `SeededEntropy`
derives values from a seed (scenarios, fuzzing), `TapeEntropy` gives prescribed values (vectors, replay, tests), and
`RecordingEntropy` records what another source gives (generating vectors). A draw depends only on its label, index and
size, not on the order of draws, so two engines that draw in different orders still get the same values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

from otterproof.implementations.contract import Entropy

#: The entries of a tape: (label, index) -> value.
Tape = Mapping[tuple[str, int], bytes]


class EntropyError(LookupError):
    """The source can't give the value that was drawn. The message names the label, index and size."""


def _check(label: str, index: int, size: int) -> None:
    if not label or index < 0 or size < 0:
        raise EntropyError(f"no such draw: label {label!r}, index {index}, size {size}; see contract.Entropy")


def _with_length(part: bytes) -> bytes:
    return len(part).to_bytes(8, "big") + part


class SeededEntropy:
    """Values derived from a seed: SHAKE-256 over seed, label and index, of the requested size.

    Every part is preceded by its length, so that no two draws hash the same bytes. The size is not hashed, so a shorter
    draw is a prefix of a longer one. Not for secrets: the seed determines every value.
    """

    def __init__(self, seed: bytes) -> None:
        # Hash once what all draws share.
        self._base = hashlib.shake_256(_with_length(b"otterproof entropy 1") + _with_length(seed))
        self._seed = seed

    def draw(self, label: str, index: int, size: int) -> bytes:
        _check(label, index, size)
        state = self._base.copy()
        state.update(_with_length(label.encode()) + _with_length(str(index).encode()))
        return state.digest(size)

    def child(self, name: str) -> SeededEntropy:
        """An independent source for a party or a purpose: SeededEntropy(b"7").child("alice")."""
        return SeededEntropy(_with_length(self._seed) + _with_length(name.encode()))

    def __deepcopy__(self, memo: object) -> SeededEntropy:
        # Hash objects can't be deep-copied, and a draw changes nothing, so copies of an engine can share their source.
        return self

    def __repr__(self) -> str:
        return f"SeededEntropy({self._seed!r})"


class TapeEntropy:
    """Prescribed values, by label and index. Others come from `fallback`; without one, EntropyError.

    A value on the tape whose size differs from the size drawn is an EntropyError even with a fallback: it was meant for
    this draw, so the tape is wrong.
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
    """The source of a party whose randomness can be controlled. Every run and replay follows this rule."""
    seeded = SeededEntropy(seed).child(party)
    return TapeEntropy(tape, seeded) if tape else seeded


class RecordingEntropy:
    """Passes on what `inner` gives and records it, for a vector or a tape.

    Drawing the same label and index again must give the same bytes (a restored engine draws again). If the inner source
    gives other bytes, EntropyError.
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
        """A view of all draws so far, in the order of their first occurrence."""
        return MappingProxyType(self._drawn)

    def snapshot(self) -> Tape:
        """The draws so far, for `restore`."""
        return dict(self._drawn)

    def restore(self, drawn: Tape) -> None:
        """Undo every draw since a snapshot, and return to the original source."""
        self._inner = self._first
        self._drawn.clear()
        self._drawn.update(drawn)

    def go_on(self, inner: Entropy) -> None:
        """Take values that have not been drawn yet from another source from now on."""
        self._inner = TapeEntropy(self._drawn, inner)

    def tape(self) -> TapeEntropy:
        """A source that replays the draws so far."""
        return TapeEntropy(self._drawn)
