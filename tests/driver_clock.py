"""A clock for tests of time limits. It counts how often it is read, so that no test has to wait or hurry."""

from __future__ import annotations

import time

import pytest

from otterproof.harness.targets.driver import process

#: When a call begins, its deadline is set; after that, the clock is read before each wait. The third value is for a
#: driver that answers `shutdown` and whose end is then awaited.
AT_ONCE, AFTER_THE_FIRST_WORDS, AFTER_AN_ANSWER = 1, 2, 3


class Clock:
    """The time of the system, until it jumps an hour ahead."""

    def __init__(self) -> None:
        self._looks: int | None = None
        self._ahead = 0.0

    def __call__(self) -> float:
        if self._looks == 0:
            self._ahead, self._looks = self._ahead + 3600.0, None
        elif self._looks is not None:
            self._looks -= 1
        return time.monotonic() + self._ahead

    def jump(self, looks: int) -> None:
        """Jump ahead after this many more reads."""
        self._looks = looks


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of all drivers in a test."""
    made = Clock()
    monkeypatch.setattr(process, "clock", made)
    return made
