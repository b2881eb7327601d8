"""An engine alone, as a party that may be wrong: what it raises is a crash of the target, what never ends is a hang."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from harness.actor import Actor
from harness.drivers.errors import TargetCrash, TargetHang
from harness.lockstep import EngineFactory
from implementations.contract import Entropy, Event, PartyConfig, PartySnapshot, Policy

#: Seconds of this process's own time after which a call that has not returned counts as a hang. A genuine engine needs
#: some hundredths for the longest.
PATIENCE = 2.0


class SoloParty(Actor):
    """A party made of one engine; TargetCrash and TargetHang are all that it raises."""

    def __init__(self, name: str, make: EngineFactory, config: PartyConfig, entropy: Entropy) -> None:
        self._name = name
        with self._guard("made"):
            self._engine = make(config, entropy)

    @property
    def instance_tag(self) -> int:
        return self._engine.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._engine.fingerprint

    def set_time(self, now: int) -> None:
        with self._guard("set_time"):
            self._engine.set_time(now)

    def set_policy(self, policy: Policy) -> None:
        with self._guard("set_policy"):
            self._engine.set_policy(policy)

    def inspect(self) -> PartySnapshot:
        with self._guard("inspect"):
            return self._engine.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        with self._guard("secrets"):
            return self._engine.secrets()

    def snapshot(self) -> object:
        with self._guard("snapshot"):
            return self._engine.snapshot()

    def restore(self, state: object) -> None:
        with self._guard("restore"):
            self._engine.restore(state)

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        with self._guard(action):
            events: Sequence[Event] = getattr(self._engine, action)(**args)
            return events

    @contextmanager
    def _guard(self, action: str) -> Iterator[None]:
        try:
            with _patience():
                yield
        except _OutOfPatience:
            raise TargetHang(f"{self._name}: {action} has not returned after {PATIENCE} s") from None
        except Exception as error:
            raise TargetCrash(f"{self._name}: {action} raises {type(error).__name__}: {error}") from error


class _OutOfPatience(BaseException):
    """Not an Exception, so that no engine takes it for one of its own."""


@contextmanager
def _patience() -> Iterator[None]:
    """Raise _OutOfPatience in what takes too long; in the main thread only, for no other is told of alarms."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def alarm(number: int, frame: FrameType | None) -> None:
        raise _OutOfPatience

    before = signal.signal(signal.SIGVTALRM, alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
