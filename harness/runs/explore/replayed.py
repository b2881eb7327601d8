"""A party that can be taken back to an earlier state because it is made again: every input that led there is repeated.

This is how a target behind the driver protocol is explored. A snapshot is the party's past: its inputs and the events
that each led to. When an input is repeated, its events must be the same to the byte, so the target's randomness must
follow from a seed; where they are not the same, nothing can be said about the target. Two pasts are never taken for the
same state, for a target may remember what it does not show.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.exits import NOT_RUN
from otterproof.harness.targets.engines import Target
from otterproof.harness.targets.party import ActionDispatcher, Party
from otterproof.implementations.contract import Event, PartyConfig, Policy


class NotRepeatable(CommandError):
    """A target answered differently when the same inputs were repeated, though it says that a seed decides."""

    exit_code = NOT_RUN


class Playable(Party, Protocol):
    """A party whose policy can be set."""

    def set_policy(self, policy: Policy) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Past:
    """What became of a party: the past before, the last input, the events it led to, and a digest of all inputs."""

    before: Past | None
    action: str
    args: Mapping[str, object]
    came: tuple[Event, ...]
    digest: bytes

    def __repr__(self) -> str:
        return self.digest.hex()

    def inputs(self) -> list[Past]:
        """All of it, from the first input on."""
        found: list[Past] = []
        at: Past | None = self
        while at is not None:
            found.append(at)
            at = at.before
        return found[::-1]


class ReplayedParty(ActionDispatcher):
    """A party of a target, which is asked to play it again whenever it is to be in another state.

    target: opens the target. Each process opens one of its own, for a driver serves one process.
    """

    def __init__(self, target: Callable[[], Target], name: str, config: PartyConfig, seed: bytes) -> None:
        self._open, self._make = target, (name, config, seed)
        self._process = 0
        self._party: Party | None = None
        self._target: Target | None = None
        self._live: Past | None = None
        self._past: Past | None = None
        self._untold: set[tuple[str, str]] = set()
        party = self._again()
        self.instance_tag, self.fingerprint = party.instance_tag, party.fingerprint

    @property
    def untold(self) -> Collection[tuple[str, str]]:
        """All that the party was ever seen to leave out, as `LeavesOut` has it."""
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
        came = self._asked(party, action, given)
        before = self._past.digest if self._past is not None else b""
        digest = blake2b(before + repr((action, given)).encode(), digest_size=16).digest()
        self._past = self._live = Past(self._past, action, given, came, digest)
        return came

    def _there(self) -> Party:
        """The party, where it is to be."""
        if self._party is not None and self._live is self._past and self._process == os.getpid():
            return self._party
        party = self._again()
        for one in self._past.inputs() if self._past is not None else ():
            came = self._asked(party, one.action, one.args)
            if came != one.came:
                raise NotRepeatable(
                    f"{self._make[0]}: the same inputs led to another answer to {one.action} when they were repeated; "
                    f"only a target whose randomness follows from its seed can be explored"
                )
        self._live = self._past
        return party

    def _again(self) -> Party:
        """The party when it is new."""
        if self._target is None or self._process != os.getpid():
            self._target, self._process = self._open(), os.getpid()
        self._party = None
        self._target.reset()
        party = self._target.party(*self._make)
        self._party, self._live = party, None
        return party

    def _asked(self, party: Party, action: str, args: Mapping[str, object]) -> tuple[Event, ...]:
        """What an input leads to. After an error the party is not to be used again."""
        self._party = None
        came = tuple(getattr(party, action)(**args) or ())
        self._party = party
        self._untold |= set(getattr(party, "untold", ()))
        return came
