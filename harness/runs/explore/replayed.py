"""A party that returns to an earlier state by being recreated and given the same inputs again.

This is how a target behind the driver protocol is explored. A snapshot is the party's past: its inputs and the events
that each led to. A repeated input must give the same events to the byte, so the target's randomness must follow from a
seed; if the events differ, the target can't be explored. Two pasts never count as the same state, because a target may
remember what it does not show. A driver that keeps copies of itself returns to the nearest one, and only later inputs
are repeated (copies.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from otterproof.harness.runs.explore.copies import Copies, Probe
from otterproof.harness.runs.explore.errors import NotRepeatable, SnapshotBroken
from otterproof.harness.targets.driver import (
    DriverParty,
    DriverTarget,
    TargetError,
    TargetGivenUp,
    TargetUnsupported,
)
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.party import ActionDispatcher, Party
from otterproof.implementations.contract import (
    Event,
    PartyConfig,
    PeerEndedSession,
    Policy,
    SessionEstablished,
    SmpAborted,
    SmpFinished,
    SmpRequested,
    UserEndedSession,
)


class Playable(Party, Protocol):
    """A party whose policy can be set."""

    def set_policy(self, policy: Policy) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Past:
    """A party's history: the past before, the last input, the events it led to, and a digest of all inputs.

    asked: its user is being asked for the SMP secret.
    """

    before: Past | None
    action: str
    args: Mapping[str, object]
    came: tuple[Event, ...]
    digest: bytes
    asked: bool = False

    def __repr__(self) -> str:
        return self.digest.hex()

    def inputs(self) -> list[Past]:
        """The whole history, from the first input on."""
        found: list[Past] = []
        at: Past | None = self
        while at is not None:
            found.append(at)
            at = at.before
        return found[::-1]


class ReplayedParty(ActionDispatcher):
    """A party of a target, which is recreated whenever it must be in another state.

    target: opens the target; each process opens one of its own, because a driver serves one process. copying: use the
    copies of a driver that can keep them.
    """

    def __init__(
        self, target: Callable[[], Target], name: str, config: PartyConfig, seed: bytes, *, copying: bool = True
    ) -> None:
        self._open, self._make, self._copying = target, (name, config, seed), copying
        self._process = 0
        self._party: Party | None = None
        self._target: Target | None = None
        self._copies: Copies | None = None
        self._restored = False  # the party's state comes from a copy
        self._astray = False  # it was given an input that is in no past
        self._live: Past | None = None
        self._past: Past | None = None
        self._untold: set[tuple[str, str]] = set()
        party = self._again()
        self.instance_tag, self.fingerprint = party.instance_tag, party.fingerprint

    @property
    def untold(self) -> Collection[tuple[str, str]]:
        """Everything that the party was ever seen to leave out, in the form of `LeavesOut`."""
        return self._untold

    def snapshot(self) -> object:
        return self._past

    def restore(self, state: object) -> None:
        if not isinstance(state, Past | None):
            raise TypeError("not a snapshot of this party; pass what snapshot() returned")
        self._past = state

    def set_policy(self, policy: Policy) -> None:
        self._do("set_policy", policy=policy)

    def set_time(self, now: int) -> None:
        self._do("set_time", now=now)

    def close(self) -> None:
        """End the target that this process has opened."""
        if self._target is not None and self._process == os.getpid():
            self._target.close()
        self._target = None

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        party, given = self._there(), {name: value for name, value in args.items() if value is not None}
        came = self._told(party, action, given)
        before = _digest(self._past)
        if self._copies is not None:
            self._copies.note(before, Probe(action, given, came))
        digest = blake2b(before + repr((action, given)).encode(), digest_size=16).digest()
        asked = _asked(self._past is not None and self._past.asked, action, came)
        self._past = self._live = Past(self._past, action, given, came, digest, asked)
        return came

    def _told(self, party: Party, action: str, args: Mapping[str, object]) -> tuple[Event, ...]:
        """The events of an input. A breakdown counts only if it also happens without copies."""
        try:
            return self._asked(party, action, args)
        except TargetUnsupported:
            self._party, self._astray = party, True
            raise
        except TargetGivenUp:
            raise
        except TargetError as error:
            if not self._restored:
                raise
            party = self._again()
            self._repeat(party, self._past.inputs() if self._past is not None else [])
            self._asked(party, action, args)
            raise self._broken(f"it broke down at {action}, which it does not do otherwise: {error}") from error

    def _broken(self, what: str) -> SnapshotBroken:
        return SnapshotBroken(f"{self._make[0]}: the driver claims `snapshot`, and after `restore` {what}")

    def _there(self) -> Party:
        """The party, brought to the state where it should be."""
        ours = self._process == os.getpid()
        if self._party is not None and ours and self._live is self._past and not self._astray:
            return self._party
        inputs = self._past.inputs() if self._past is not None else []
        states = [b"", *(one.digest for one in inputs)]
        copies = self._copies if ours else None
        done = next((n for n in range(len(inputs), -1, -1) if copies is not None and states[n] in copies), None)
        if self._party is not None and copies is not None and done is not None:
            party = self._party
            self._go_back(party, copies, states[done])
        else:
            party, done = self._again(), 0
        self._repeat(party, inputs[done:])
        if self._copies is not None and states[-1] not in self._copies:
            self._copies.keep(states[-1])
        self._live = self._past
        return party

    def _go_back(self, party: Party, copies: Copies, state: bytes) -> None:
        self._restored, self._astray = True, False
        probe = copies.go_back(state)
        if probe is not None:
            self._repeat(party, [probe])
            copies.go_back(state)

    def _repeat(self, party: Party, inputs: Sequence[Past | Probe]) -> None:
        """Repeat inputs. Raises NotRepeatable."""
        for one in inputs:
            try:
                came = self._asked(party, one.action, one.args)
            except TargetError as error:
                if not self._restored:
                    raise
                raise self._broken(f"it broke down when inputs were repeated: {error}") from error
            if came != one.came:
                if self._restored:
                    raise self._broken(f"the same inputs led to another answer to {one.action}")
                raise NotRepeatable(
                    f"{self._make[0]}: the same inputs led to another answer to {one.action} when they were repeated; "
                    f"only a target whose randomness follows from its seed can be explored"
                )

    def _again(self) -> Party:
        """The party, newly created."""
        if self._target is None or self._process != os.getpid():
            self._target, self._process = self._open(), os.getpid()
        self._party = self._copies = None
        self._restored = self._astray = False
        self._target.reset()
        party = self._target.party(*self._make)
        if self._copying and isinstance(self._target, DriverTarget) and isinstance(party, DriverParty):
            self._copies = Copies(self._target, party) if "snapshot" in self._target.capabilities else None
        self._party, self._live = party, None
        return party

    def _asked(self, party: Party, action: str, args: Mapping[str, object]) -> tuple[Event, ...]:
        """The events of an input. After an error the party must not be used again."""
        self._party = None
        came = tuple(getattr(party, action)(**args) or ())
        self._party = party
        self._untold |= set(getattr(party, "untold", ()))
        return came


def _asked(before: bool, action: str, came: Sequence[Event]) -> bool:
    """Whether a user is being asked for the SMP secret after an input."""
    asked = before and not action.startswith("smp_")
    for event in came:
        if isinstance(event, SmpRequested):
            asked = True
        elif isinstance(event, SmpAborted | SmpFinished | SessionEstablished | PeerEndedSession | UserEndedSession):
            asked = False
    return asked


def _digest(past: Past | None) -> bytes:
    """A digest that identifies a past."""
    return past.digest if past is not None else b""
