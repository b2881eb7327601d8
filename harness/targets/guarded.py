"""An engine alone, as a party that may be wrong: an exception is a crash of the target, an endless loop a hang."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import FrameType
from typing import TypeVar

from otterproof.harness.targets.driver.errors import TargetCrash, TargetHang
from otterproof.harness.targets.driver.giving_up import GivingUp
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.implementations.contract import Engine, Entropy, Event, OtrError, PartyConfig, PartySnapshot, Policy

T = TypeVar("T")

#: Seconds of this process's own time after which an unfinished action counts as a hang. A genuine engine needs some
#: hundredths for the longest.
PATIENCE = 2.0

#: Seconds until the next alarm, if one could not end the action.
_AGAIN = 0.2


class GuardedEngine(ActionDispatcher):
    """A party made of one engine; it raises TargetCrash, TargetHang, and OtrError where the contract requires that."""

    def __init__(
        self,
        name: str,
        make: EngineFactory,
        config: PartyConfig,
        entropy: Entropy,
        giving_up: GivingUp | None = None,
    ) -> None:
        """giving_up: decides when the engine is no longer called; the target's, so that it outlives the party."""
        self._name = name
        self._giving_up = giving_up or GivingUp()
        self._engine: Engine = self._in_time("made", lambda: make(config, entropy))

    @property
    def instance_tag(self) -> int:
        return self._engine.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._engine.fingerprint

    def set_time(self, now: int) -> None:
        self._call("set_time", lambda: self._engine.set_time(now))

    def set_policy(self, policy: Policy) -> None:
        self._call("set_policy", lambda: self._engine.set_policy(policy))

    def inspect(self) -> PartySnapshot:
        return self._call("inspect", self._engine.inspect)

    def secrets(self) -> Mapping[str, bytes]:
        return self._call("secrets", self._engine.secrets)

    def snapshot(self) -> object:
        return self._call("snapshot", self._engine.snapshot)

    def restore(self, state: object) -> None:
        self._call("restore", lambda: self._engine.restore(state))

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        def act() -> Sequence[Event]:
            events: Sequence[Event] = getattr(self._engine, action)(**args)
            return events

        return self._in_time(action, act)

    def _in_time(self, action: str, function: Callable[[], T]) -> T:
        if threading.current_thread() is not threading.main_thread():  # only the main thread gets alarms
            return self._call(action, function)
        _listen()
        if self._giving_up.limit:
            with self._giving_up.watching(self._name, action):
                return self._with_patience(action, function)
        return self._with_patience(action, function)

    def _with_patience(self, action: str, function: Callable[[], T]) -> T:
        signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE, _AGAIN)
        try:
            return self._call(action, function)
        except _OutOfPatience:
            raise TargetHang(f"{self._name}: {action} has not returned after {PATIENCE} s", method=action) from None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _call(self, action: str, function: Callable[[], T]) -> T:
        try:
            return function()
        except (OtrError, KeyboardInterrupt, SystemExit, _OutOfPatience):
            raise
        except BaseException as error:  # a Rust library that panics raises a BaseException
            kind = type(error).__name__
            raise TargetCrash(f"{self._name}: {action} raises {kind}: {error}", method=action, how=kind) from error


class _OutOfPatience(BaseException):
    """Not an Exception, so that no engine catches it as one of its own."""


@cache  # once per process: asking who listens takes longer than many an action
def _listen() -> None:
    """Have `_alarm` told of alarms; nothing else in this project uses their signal."""
    signal.signal(signal.SIGVTALRM, _alarm)


def _alarm(number: int, frame: FrameType | None) -> None:
    """End the action, except inside garbage collector callbacks, whose errors are lost. The next alarm is soon."""
    if frame is not None and any(getattr(one, "__code__", None) is frame.f_code for one in gc.callbacks):
        return
    raise _OutOfPatience
