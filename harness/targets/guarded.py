"""An engine alone, as a party that may be wrong: an exception is a crash of the target, an endless loop a hang."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
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

#: How many alarms there are in this time.
_ALARMS = 10


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
        self._engine: Engine = self._in_time("made", partial(make, config, entropy))

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
        act: Callable[..., Sequence[Event]] = getattr(self._engine, action)
        return self._in_time(action, act, **args)

    def _in_time(self, action: str, function: Callable[..., T], **args: object) -> T:
        if threading.current_thread() is not threading.main_thread():  # only the main thread gets alarms
            return self._call(action, function, **args)
        if self._giving_up.limit:
            with self._giving_up.watching(self._name, action):
                return self._with_patience(action, function, **args)
        return self._with_patience(action, function, **args)

    def _with_patience(self, action: str, function: Callable[..., T], **args: object) -> T:
        _watch.begin()
        try:
            return self._call(action, function, **args)
        except _OutOfPatience:
            raise TargetHang(f"{self._name}: {action} has not returned after {PATIENCE} s", method=action) from None
        finally:
            _watch.acting = False

    def _call(self, action: str, function: Callable[..., T], **args: object) -> T:
        try:
            return function(**args)
        except (OtrError, KeyboardInterrupt, SystemExit, _OutOfPatience):
            raise
        except BaseException as error:  # a Rust library that panics raises a BaseException
            kind = type(error).__name__
            raise TargetCrash(f"{self._name}: {action} raises {kind}: {error}", method=action, how=kind) from error


class _OutOfPatience(BaseException):
    """Not an Exception, so that no engine catches it as one of its own."""


class _Watch:
    """Alarms at regular intervals, by which an action that does not return is noticed.

    To set a timer for each action takes longer than many an action. So one timer ticks while actions follow each other,
    and stops when none has begun between two alarms.
    """

    def __init__(self) -> None:
        self.acting = False
        self._begun = 0
        self._ticking = False
        # The action of the last alarm, by number, and for how many alarms it has been under way.
        self._seen = 0
        self._alarms = 0

    def begin(self) -> None:
        """An action begins; the caller sets `acting` to False when it ends."""
        self._begun += 1
        self.acting = True
        if not self._ticking:
            self._ticking = True
            signal.signal(signal.SIGVTALRM, self._alarm)  # nothing else in this project uses this signal
            signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE / _ALARMS, PATIENCE / _ALARMS)

    def stop(self) -> None:
        """Stop the timer until the next action begins."""
        if self._ticking:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._ticking = False

    def _alarm(self, number: int, frame: FrameType | None) -> None:
        """End an action that has been under way for too long.

        Inside a garbage collector callback, whose errors are lost, it is left to the next alarm.
        """
        if self._seen != self._begun:
            self._seen, self._alarms = self._begun, 0
        elif not self.acting:
            self.stop()
        else:
            self._alarms += 1
            if self._alarms >= _ALARMS and not _collecting(frame):
                raise _OutOfPatience


def _collecting(frame: FrameType | None) -> bool:
    """Whether a callback of the garbage collector is running."""
    return frame is not None and any(getattr(one, "__code__", None) is frame.f_code for one in gc.callbacks)


_watch = _Watch()
atexit.register(_watch.stop)  # an alarm after Python has ended would end the process with an error
os.register_at_fork(after_in_child=_watch.stop)  # a child has no timer, but must not take it to be ticking
