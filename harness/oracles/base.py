"""What all oracles share: how one fails, and what it must be able to do.

An oracle looks at one step after the other and keeps what it must remember in containers of immutable values, so that
its state is copied by copying those: a fuzzing case that goes back to a saved world takes its oracles along.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import ClassVar, NoReturn

from harness.oracles.reading import Reader, View
from harness.world import Step

#: What `snapshot` of an oracle or of a reader gives: its containers by name.
State = Mapping[str, object]


class OracleFailure(AssertionError):
    """Something that must always hold did not.

    oracle: its id. requirement: what it demands, in a sentence. step: where, None at the end of a run. seen: what was
    there instead. expected: what must hold at this place.
    """

    def __init__(self, oracle: str, requirement: str, step: Step | None, seen: str, expected: str) -> None:
        where = "at the end of the run" if step is None else f"step {step.number}, {step.party}.{step.action}"
        super().__init__(f"{oracle}, {where}: {requirement}\n  must hold: {expected}\n  seen:      {seen}")
        self.oracle = oracle
        self.requirement = requirement
        self.step = step
        self.seen = seen
        self.expected = expected


class Oracle:
    """Watches the steps of a world for one thing that must always hold; its docstring is its published description."""

    id: ClassVar[str]

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    @property
    def requirement(self) -> str:
        """The first sentence of the description."""
        return " ".join((self.__doc__ or "").partition("\n\n")[0].split())

    def observe(self, view: View) -> None:
        """Look at a step; raises OracleFailure."""
        raise NotImplementedError

    def fail(self, view: View | None, seen: str, expected: str) -> NoReturn:
        raise OracleFailure(self.id, self.requirement, view.step if view else None, seen, expected)

    def demand(self, holds: bool, view: View, seen: str, expected: str) -> None:
        """Fail unless it holds. For texts that cost nothing to make; else test first and call `fail`."""
        if not holds:
            self.fail(view, seen, expected)

    def snapshot(self) -> State:
        """What the oracle remembers, for `restore`."""
        return {name: copy(value) for name, value in vars(self).items() if isinstance(value, dict | list | set)}

    def restore(self, state: State) -> None:
        """Go back to a `snapshot`, which can be used again."""
        for name, value in state.items():
            setattr(self, name, copy(value))
