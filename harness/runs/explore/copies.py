"""Copies that a driver keeps of itself: one call returns the target to an earlier state.

Only a driver that claims `snapshot` has them, and only a limited number, so the least recently used copy makes way for
a new one. The claim is verified: when one of the first copies is restored for the first time, the input that followed
it before is repeated and must lead to the same answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from otterproof.harness.runs.explore.errors import SnapshotBroken
from otterproof.harness.targets.driver import DriverParty, DriverTarget, TargetError, TargetUnsupported
from otterproof.implementations.contract import Event

#: The most copies that a driver is asked to keep at a time; their handles are the numbers below. [driver-protocol.md]
MOST = 64

#: How many copies are verified, in each process.
_PROVED = 16


@dataclass(frozen=True, slots=True)
class Probe:
    """An input and what it led to."""

    action: str
    args: Mapping[str, object]
    came: tuple[Event, ...]


@dataclass(slots=True)
class _Copy:
    """A copy: its handle, what the party has yet to report, and an input that was given to it in that state."""

    handle: int
    late: tuple[Event, ...]
    probe: Probe | None = None


class Copies:
    """The copies of a driver with one party, by the digests of the states.

    Any problem with a copy itself raises SnapshotBroken; the driver must not be used after that.
    """

    def __init__(self, target: DriverTarget, party: DriverParty) -> None:
        self._target, self._party = target, party
        # The most recently used one comes last.
        self._copies: dict[bytes, _Copy] = {}
        self._free = list(range(MOST))
        self._to_prove = _PROVED

    def __contains__(self, state: bytes) -> bool:
        return state in self._copies

    def keep(self, state: bytes) -> None:
        """Copy the present state, if the driver has room for one more copy."""
        with self._claimed("snapshot"), suppress(TargetUnsupported):
            if not self._free and self._copies:
                oldest = next(iter(self._copies))
                handle = self._copies.pop(oldest).handle
                self._target.discard(handle)
                self._free.append(handle)
            if self._free:
                self._target.snapshot(self._free[-1])
                self._copies[state] = _Copy(self._free.pop(), tuple(self._party.late))

    def note(self, state: bytes, probe: Probe) -> None:
        """An input was given in a state."""
        if self._to_prove and (copy := self._copies.get(state)) is not None and copy.probe is None:
            copy.probe = probe
            self._to_prove -= 1

    def go_back(self, state: bytes) -> Probe | None:
        """Restore a copy; return the input to repeat before the copy is trusted, if any."""
        copy = self._copies[state] = self._copies.pop(state)
        with self._claimed("restore"):
            self._target.restore(copy.handle)
        self._party.late = list(copy.late)
        probe, copy.probe = copy.probe, None
        return probe

    @contextmanager
    def _claimed(self, method: str) -> Iterator[None]:
        try:
            yield
        except TargetError as error:
            raise SnapshotBroken(f"{self._target.name} claims `snapshot`, and does not keep it: {error}") from error
