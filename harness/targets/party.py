"""What a party is: one side of a conversation, whatever plays it.

An engine, two engines in lockstep and a program behind the driver protocol are all parties. Optional abilities are
declared as separate protocols: some parties can be copied, some show their state, some show their secrets, and some
report which fields of events they leave out. Parties that treat all actions alike derive from `ActionDispatcher`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol, TypeGuard, cast, runtime_checkable

from otterproof.implementations.contract import Event, PartySnapshot


class Party(Protocol):
    """What every party has; contract.Engine has all of it."""

    @property
    def instance_tag(self) -> int: ...
    @property
    def fingerprint(self) -> bytes: ...
    def receive(self, message: bytes) -> Sequence[Event]: ...
    def set_time(self, now: int) -> None: ...


@runtime_checkable
class Copyable(Protocol):
    """A party that can return to an earlier state."""

    def snapshot(self) -> object: ...
    def restore(self, state: object) -> None: ...


@runtime_checkable
class Inspectable(Protocol):
    """A party that shows its state."""

    def inspect(self) -> PartySnapshot: ...


@runtime_checkable
class ShowsSecrets(Protocol):
    """A party that shows the secrets it holds in memory, by names of its own."""

    def secrets(self) -> Mapping[str, bytes]: ...


@runtime_checkable
class LeavesOut(Protocol):
    """A party that records the fields of events that it has left out, as (event, field)."""

    @property
    def untold(self) -> Collection[tuple[str, str]]: ...


@runtime_checkable
class HasScreen(Protocol):
    """A party that reports what its user was shown in its last step, by line."""

    @property
    def shown(self) -> Sequence[str]: ...


#: Whether classes of parties have abilities, as far as known: `isinstance` looks for the methods every time.
_KNOWN: dict[tuple[type, type], bool] = {}


def _able(party: object, ability: type) -> bool:
    kinds = (type(party), ability)
    if kinds not in _KNOWN:
        _KNOWN[kinds] = issubclass(*kinds)
    return _KNOWN[kinds]


def state_of(party: object) -> PartySnapshot | None:
    """The state that a party shows; None if it shows nothing."""
    return cast(Inspectable, party).inspect() if _able(party, Inspectable) else None


def shows_secrets(party: object) -> TypeGuard[ShowsSecrets]:
    """Whether a party shows its secrets."""
    return _able(party, ShowsSecrets)


class ActionDispatcher(ABC):
    """The actions that return events, with the arguments of contract.Engine."""

    @abstractmethod
    def _do(self, action: str, **args: object) -> Sequence[Event]:
        """Perform an action; omitted arguments are None."""

    def receive(self, message: bytes) -> Sequence[Event]:
        return self._do("receive", message=message)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> Sequence[Event]:
        return self._do("send", text=text, padding=padding, instance=instance)

    def start(self) -> Sequence[Event]:
        return self._do("start")

    def end(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("end", instance=instance)

    def smp_start(
        self, secret: bytes, *, question: bytes | None = None, instance: int | None = None
    ) -> Sequence[Event]:
        return self._do("smp_start", secret=secret, question=question, instance=instance)

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_answer", secret=secret, instance=instance)

    def smp_abort(self, *, instance: int | None = None) -> Sequence[Event]:
        return self._do("smp_abort", instance=instance)

    def extra_key(self, use: int, data: bytes = b"", *, instance: int | None = None) -> Sequence[Event]:
        return self._do("extra_key", use=use, data=data, instance=instance)
