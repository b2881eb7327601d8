"""When a target is not asked again: a call that hangs costs its time limit in every scenario, and soon all there is.

A method is given up when it has failed so many times in a row; a call of it then raises TargetGivenUp and is not sent.
What a row is depends on what a failure costs. After a hang, a malformed answer, or the end of a screen, with which a
scenario is run again, calls of the method count again only when a whole case went by in which it was called and always
answered: a target may answer twice in each handshake and hang at the third message. A crash is cheap, and often one
bad input's; each answer of the method ends the row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from otterproof.harness.support.defaults import TIME_LIMIT
from otterproof.harness.targets.driver.errors import (
    TargetCrash,
    TargetDesync,
    TargetError,
    TargetGivenUp,
    TargetHang,
    TargetStranded,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a target is waited for.

    seconds: for one call of a driver. give_up_after: failures of a method in a row, after which it is not called any
    more; 0: never.
    """

    seconds: float = TIME_LIMIT
    give_up_after: int = 0


#: What holds where nobody has said anything else.
USUAL = Limits()


class GivingUp:
    """Counts the failures of the methods of one target. limit: how many in a row are the end of a method; 0: never."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._hangs = Counter[str]()
        self._crashes = Counter[str]()
        self._last: dict[str, str] = {}
        self._answered: set[str] = set()
        self._failed: set[str] = set()

    @contextmanager
    def watching(self, name: str, method: str) -> Iterator[None]:
        """For one call of a method of the target of this name. TargetGivenUp."""
        if self.limit and max(self._hangs[method], self._crashes[method]) >= self.limit:
            raise TargetGivenUp(
                f"{name}: {method} is given up: it failed {self.limit} times in a row, the last time so: "
                f"{self._last[method]}\n(--give-up-after sets how often)",
                method=method,
            )
        try:
            yield
        except TargetError as error:
            if isinstance(error, TargetHang | TargetDesync | TargetCrash | TargetStranded):
                self.failed(method, error)
            raise
        self._crashes[method] = 0
        self._answered.add(method)

    def failed(self, method: str, error: TargetError) -> None:
        """Count a failure."""
        row = self._crashes if isinstance(error, TargetCrash) else self._hangs
        row[method] += 1
        self._failed.add(method)
        self._last[method] = str(error).partition("\n")[0]

    def next_case(self) -> None:
        """A case is over: methods that were called in it and never failed begin a new row."""
        for method in self._answered - self._failed:
            self._hangs[method] = 0
        self._answered.clear()
        self._failed.clear()
