"""Objects whose whole memory can be saved and restored: the oracles, and the reader that they share.

When a fuzzing case goes back to a saved world, its oracles go back, too. If one of them kept anything from an earlier
case, the judgement of a program, or even its run, would depend on what ran before in the same process. So every
attribute of an object is part of its memory, except those it declares as fixed, and none can be overlooked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

#: The containers in an object's memory; all other values in it are immutable. (Looked up by class, since this is done
#: some hundred thousand times a minute.)
_CONTAINERS: frozenset[type] = frozenset({dict, set, list})

#: What `snapshot` gives: the attributes by name.
State = Mapping[str, Any]


class Remembering:
    """Remembers things in attributes that are immutable values, or containers of such values."""

    #: Attributes that never change once the object is made.
    fixed: ClassVar[frozenset[str]] = frozenset()

    def snapshot(self) -> State:
        """What the object remembers, for `restore`."""
        fixed = self.fixed
        return {
            name: value.copy() if type(value) in _CONTAINERS else value
            for name, value in vars(self).items()
            if name not in fixed
        }

    def restore(self, state: State) -> None:
        """Go back to a `snapshot`, which can be restored again later."""
        own, fixed = vars(self), self.fixed
        for name, value in state.items():
            own[name] = value.copy() if type(value) in _CONTAINERS else value
        if len(own) > len(state) + sum(name in own for name in fixed):
            for name in own.keys() - state.keys() - fixed:
                del own[name]
