"""Kept sessions: a driver that can copy itself lets its cases begin in a session, as engines in this process do.

A driver that claims `snapshot` keeps one copy without parties, and one for each session in which cases begin. The
copies are in a process of their own (`DriverTarget.companion`), so nothing else that is asked of the target makes it
forget them. Copies are not trusted to be complete: the first failures of cases that begin in one are reported only if
the program also fails from the very beginning. For whatever breaks the driver down, that is always so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache

from otterproof.harness.runs.fuzz.behaviour import Tracker
from otterproof.harness.runs.fuzz.case import Case, Setup
from otterproof.harness.runs.fuzz.prepared import Prepared
from otterproof.harness.runs.signature import check_of
from otterproof.harness.simulation.world import World
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.targets.driver import DriverParty, DriverTarget, TargetError
from otterproof.harness.targets.driver.target import CASES_PER_PROCESS
from otterproof.harness.targets.engines import Target

#: The handle of the copy without parties; and how many copies of sessions there can be, one for each other handle.
#: [docs/reference/driver-protocol.md, Snapshots]
_EMPTY, MOST = 0, 63

#: The most setups remembered; a campaign may have ever new ones, with other excuses.
_REMEMBERED = 1000

#: How many failures must have been the same without a copy before one in a copy is believed.
_PROOFS = 8

#: How often a driver may fail at its copies, or only in cases that begin in one, before copies are given up.
_PATIENCE = 3


class DriverSessions:
    """The sessions that the driver of a target keeps copies of."""

    def __init__(self, target: DriverTarget) -> None:
        self._target = target
        # The least recently used one is first.
        self._kept: dict[Setup, KeptSession] = {}
        # The setups for which a session is kept when they recur, and those for which that is impossible.
        self._known: set[Setup] = set()
        self._hopeless: set[Setup] = set()
        self._driver: DriverTarget | None = None
        self._cases = 0
        self._failures, self._to_prove = 0, _PROOFS

    def session(self, setup: Setup, *, now: bool = False) -> KeptSession | None:
        """The session of a setup, to which the driver has just been restored; None if a case can't begin in one.

        It is established when the setup comes for the second time, or at once with `now`.
        """
        if self._failures >= _PATIENCE or setup in self._hopeless or setup.start == "scratch":
            return None
        if setup not in self._known:
            _remember(self._known, setup)
            if not now:
                return None
        try:
            driver = self._ready()
            kept = self._kept.pop(setup, None)
            if kept is None:
                kept = self._made(setup, driver)
            else:
                kept.go_back()
        except DemandFailed:  # a run from the beginning will show it
            kept = None
        except TargetError:
            self._failed()
            return None
        if kept is None:
            _remember(self._hopeless, setup)
            return None
        self._kept[setup] = kept
        return kept

    def trusted(self, error: Exception) -> bool:
        """Whether the error that ended a case in a kept session is believed."""
        return not self._to_prove and not isinstance(error, TargetError)

    def compare(self, error: Exception, again: Exception | None) -> None:
        """Compare what ended a case in a kept session with what ended the same case from the beginning, if anything."""
        if again is None:
            self._failed()
        elif not isinstance(again, TargetError) and check_of(error) == check_of(again):
            self._to_prove = max(0, self._to_prove - 1)

    def _failed(self) -> None:
        """The driver has failed at a copy, or only because the case began in one."""
        self._failures += 1
        self._kept.clear()
        self._driver = None

    def _ready(self) -> DriverTarget:
        """The driver that has the copies; a new process if the last one is dead or old."""
        self._cases += 1
        driver = self._driver
        if driver is None or not driver.idle or self._cases > CASES_PER_PROCESS:
            self._kept.clear()
            self._cases = 1
            self._driver = None
            driver = self._target.companion(renewed=True)
            driver.reset()
            driver.snapshot(_EMPTY)
            self._driver = driver
        driver.giving_up.next_case()
        return driver

    def _made(self, setup: Setup, driver: DriverTarget) -> KeptSession | None:
        """A new session; None if it was not established, or messages are still under way. TargetError, DemandFailed."""
        if len(self._kept) == MOST:
            oldest = self._kept.pop(next(iter(self._kept)))
            oldest.discard()
        handle = next(one for one in range(1, MOST + 1) if all(one != kept.handle for kept in self._kept.values()))
        driver.restore(_EMPTY)
        case = replace(setup, target=driver).case(cleared=True)
        tracker = Tracker(setup.role, established=False)
        case.world.watchers.insert(0, tracker)
        case.begin()
        case.world.watchers.remove(tracker)
        if not tracker.established or case.world.network.waiting():
            return None
        driver.snapshot(handle)
        return KeptSession(driver, handle, case)


def _remember(known: set[Setup], setup: Setup) -> None:
    if len(known) == _REMEMBERED:
        known.clear()
    known.add(setup)


class KeptSession:
    """A session that a driver keeps a copy of. handle: of the copy. For the rest see Session."""

    def __init__(self, driver: DriverTarget, handle: int, case: Case) -> None:
        self.driver, self.handle = driver, handle
        self._party = _party_of(case.world, case.setup.role)
        self._late, self._shown = tuple(self._party.late), tuple(self._party.shown)
        self.prepared = Prepared(case.world, case.oracles, case.entropy)
        self.met: Collection[str] = frozenset(case.passed_over)

    def go_back(self) -> None:
        """Restore the driver to where the session begins. TargetError."""
        self.driver.restore(self.handle)
        self._party.late, self._party.shown = list(self._late), self._shown

    def end(self) -> None:
        """End the driver's party, as the case is over. TargetError when the driver breaks down over that.

        The second call notices a process that dies, or says more, after it has answered.
        """
        if not self.driver.closed:
            self._party.close()
            self.go_back()

    def discard(self) -> None:
        """Make the driver forget the copy. TargetError."""
        self.driver.discard(self.handle)


def _party_of(world: World, role: str) -> DriverParty:
    party = world.parties[role]
    if not isinstance(party, DriverParty):
        raise TypeError(f"{role} is played by {type(party).__name__}; only a driver keeps copies of itself")
    return party


@lru_cache(maxsize=8)  # bounded, for one process may judge many targets
def _of_driver(target: DriverTarget) -> DriverSessions:
    return DriverSessions(target)


def sessions_of(target: Target | None) -> DriverSessions | None:
    """The sessions that the driver of a target keeps copies of; None if it can't keep any."""
    if isinstance(target, DriverTarget) and "snapshot" in target.capabilities:
        return _of_driver(target)
    return None
