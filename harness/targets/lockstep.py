"""Two engines on the same inputs: their events and snapshots must be the same, and the model must have predicted them.

A `LockstepParty` looks like one engine. Internally, each input goes to all engines, which draw from equal seeds; their
outgoing bytes, events and snapshots are compared with the first engine's, and then passed to the symbolic model. The
first difference raises Divergence, which says what was done, and shows both sides, with messages dissected by field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Protocol

from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.harness.wire import dissect
from otterproof.harness.wire.shown import call, shown
from otterproof.implementations.contract import (
    Engine,
    Entropy,
    Event,
    OutgoingMessage,
    PartyConfig,
    PartySnapshot,
    Policy,
)

#: Creates an engine; its class will do.
EngineFactory = Callable[[PartyConfig, Entropy], Engine]


class Follower(Protocol):
    """Looks at every step of a party, such as the symbolic model does; raises if a step is not as predicted."""

    def follow(
        self, action: str, args: Mapping[str, object], events: Sequence[Event], after: PartySnapshot
    ) -> None: ...
    def snapshot(self) -> object: ...
    def restore(self, state: object) -> None: ...


class Divergence(DemandFailed):
    """Two engines that should agree did not. differences: the places where they differ, after their common part."""

    def __init__(
        self, check_id: str, party: str, action: str, args: Mapping[str, object], differences: Sequence[str]
    ) -> None:
        where = call(party, action, args)
        super().__init__(check_id, checks.rule(check_id), where=where, differences=differences)
        self.party = party
        self.action = action


class LockstepParty(ActionDispatcher):
    """One party made of several engines, the first of which is compared with each of the others.

    engines: name -> engine, all made with the same config and equal entropy.
    """

    def __init__(self, name: str, engines: Mapping[str, Engine], follower: Follower | None = None) -> None:
        self.name = name
        self.engines = dict(engines)
        self._name, *self._others = engines
        self._first = engines[self._name]
        self.follower = follower

    @property
    def instance_tag(self) -> int:
        return self._first.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._first.fingerprint

    def set_time(self, now: int) -> None:
        self._do("set_time", now=now)

    def set_policy(self, policy: Policy) -> None:
        self._do("set_policy", policy=policy)

    def inspect(self) -> PartySnapshot:
        return self._first.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        """The secrets of all engines, with the engine's name as a prefix."""
        return {
            f"{name}: {key}": secret
            for name, engine in self.engines.items()
            for key, secret in engine.secrets().items()
        }

    def snapshot(self) -> object:
        followed = self.follower.snapshot() if self.follower is not None else None
        return [followed, *(engine.snapshot() for engine in self.engines.values())]

    def restore(self, state: object) -> None:
        if not isinstance(state, list) or len(state) != len(self.engines) + 1:
            raise TypeError("not a snapshot of this party; pass what snapshot() returned")
        if self.follower is not None:
            self.follower.restore(state[0])
        for engine, part in zip(self.engines.values(), state[1:], strict=True):
            engine.restore(part)

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        first: Sequence[Event] = getattr(self._first, action)(**args) or ()
        if not self._others and self.follower is None:
            return first
        outcomes = [(name, getattr(self.engines[name], action)(**args) or ()) for name in self._others]
        after = self._first.inspect()
        for name, other in outcomes:
            if list(first) != list(other):
                found = _events_differ(self._name, first, name, other)
                raise Divergence("engines-agree.events-differ", self.name, action, args, found)
            snapshot = self.engines[name].inspect()
            if snapshot != after:
                lines = differences(after, snapshot, self._name, name)
                raise Divergence("engines-agree.states-differ", self.name, action, args, lines)
        if self.follower is not None:
            self.follower.follow(action, args, first, after)
        return first


def _events_differ(left: str, first: Sequence[Event], right: str, second: Sequence[Event]) -> list[str]:
    """The first place at which two lists of events differ, with both sides."""
    common = min(len(first), len(second))
    at = next((index for index in range(common) if first[index] != second[index]), common)
    lines = [f"  event {at} differs ({len(first)} events from {left}, {len(second)} from {right})"]
    one, other = (events[at] if at < len(events) else None for events in (first, second))
    for name, event in ((left, one), (right, other)):
        lines.append(f"  {name}: {shown(event)}")
        if isinstance(event, OutgoingMessage):
            lines += dissect(event.message).split("\n")
    if type(one) is type(other) and not isinstance(one, OutgoingMessage):
        lines += differences(one, other, left, right)  # they may print alike: a key, say, is not shown
    return lines


def differences(left: object, right: object, left_name: str, right_name: str, path: str = "") -> list[str]:
    """Where two values differ, a line for each place, descending into dataclasses, mappings and sequences."""
    if left == right:
        return []
    if type(left) is type(right) and is_dataclass(left):
        names = [field.name for field in fields(left)]
        pairs = [(f".{name}", getattr(left, name), getattr(right, name)) for name in names]
    elif isinstance(left, Mapping) and isinstance(right, Mapping):
        pairs = [(f"[{shown(key)}]", left.get(key), right.get(key)) for key in {**left, **right}]
    elif isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
        pairs = [(f"[{index}]", a, b) for index, (a, b) in enumerate(zip(left, right, strict=True))]
    else:
        return [f"  {path or 'value'}: {left_name} {shown(left)}, {right_name} {shown(right)}"]
    return [line for step, a, b in pairs for line in differences(a, b, left_name, right_name, path + step)]
