"""Objects whose whole memory can be saved and brought back: the oracles, and the reader that they share.

A fuzzing case that goes back to a saved world takes its oracles along. If one of them kept anything from the case
before, a program would be judged, or even run, in another way depending on what ran earlier in the same process.
Therefore everything that an object has is its memory, except for what it declares as fixed: what is not declared can't
be forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import ClassVar

#: What `snapshot` gives: the attributes by name.
State = Mapping[str, object]


class Remembering:
    """Keeps what it remembers in attributes that are immutable values, or containers of such."""

    #: Attributes that never change after the object was made.
    fixed: ClassVar[frozenset[str]] = frozenset()

    def snapshot(self) -> State:
        """What the object remembers, for `restore`."""
        return {name: copy(value) for name, value in vars(self).items() if name not in self.fixed}

    def restore(self, state: State) -> None:
        """Go back to a `snapshot`, which can be used again."""
        for name in vars(self).keys() - state.keys() - self.fixed:
            delattr(self, name)
        for name, value in state.items():
            setattr(self, name, copy(value))
