"""When to stop calling a target: a call that hangs costs its time limit in every scenario, again and again.

A method is given up after this many failures in a row; calls of it then raise TargetGivenUp and are not sent. What ends
a row depends on the cost of a failure. After a hang, a malformed answer, or the end of a screen (which makes a scenario
run again), only a whole case in which the method was called and always answered ends the row: a target may answer twice
in each handshake and hang at the third message. A crash is cheap, and often due to one bad input; any answer of the
method ends the row.
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
    """How long to wait for a target.

    seconds: for one call of a driver. give_up_after: failures of a method in a row after which it is no longer called;
    0: never.
    """

    seconds: float = TIME_LIMIT
    give_up_after: int = 0


#: The default limits.
USUAL = Limits()


class GivingUp:
    """Counts the failures of one target's methods. limit: how many in a row end a method; 0: never."""

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self._hangs = Counter[str]()
        self._crashes = Counter[str]()
        self._last: dict[str, str] = {}
        self._answered: set[str] = set()
        self._failed: set[str] = set()

    @contextmanager
    def watching(self, name: str, method: str) -> Iterator[None]:
        """A context for one call of a method of the target of this name. Raises TargetGivenUp."""
        if self.limit and max(self._hangs[method], self._crashes[method]) >= self.limit:
            raise TargetGivenUp(
                f"{name}: {method} is no longer called after {self.limit} failures in a row (see "
                f"--give-up-after); last failure: {self._last[method]}",
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
        """A case is over: methods that were called in it and never failed start a new row."""
        for method in self._answered - self._failed:
            self._hangs[method] = 0
        self._answered.clear()
        self._failed.clear()
