"""Objects whose whole memory can be saved and restored: the oracles, and the reader that they share.

A fuzzing case that goes back to a saved world takes its oracles along. If one of them kept anything from an earlier
case, then the way in which a program is judged, or even run, would depend on what ran before in the same process. So
every attribute of an object is part of its memory, except those that it declares as fixed: none can be overlooked.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import ClassVar

#: What `snapshot` gives: the attributes by name.
State = Mapping[str, object]


class Remembering:
    """Remembers things in attributes that are immutable values, or containers of such values."""

    #: Attributes that never change once the object is made.
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
