"""Recordings: what the genuine engine was given and what it did, to be given to an engine with a fault.

Up to its first difference a faulty engine does what the genuine one does, so whoever faces it does the same as well.
A drill or scenario is therefore run once, with a `Recorder` in the place of the target, and its recordings are then
played to any number of faulty engines, which costs no more than their own work.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from harness.lockstep import EngineFactory
from harness.model import Book
from harness.targets import CAPABILITIES
from harness.world import Party
from implementations.contract import Engine, Entropy, Event, PartyConfig, PartySnapshot, Policy
from implementations.entropy import SeededEntropy
from implementations.reference import ReferenceEngine

#: Seconds of this process's own time after which a step that has not ended counts as a hang.
PATIENCE = 1.0


@dataclass(frozen=True, slots=True)
class Act:
    """An input and what the genuine engine made of it."""

    action: str
    args: Mapping[str, object]
    events: Sequence[Event]
    after: PartySnapshot
    secrets: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Mark:
    """The moment was saved (`back` false), or gone back to, under a number."""

    number: int
    back: bool


@dataclass(frozen=True, slots=True)
class Recording:
    """The life of one engine."""

    config: PartyConfig
    entropy: Entropy
    steps: list[Act | Mark] = field(default_factory=list)

    def play(self, factory: EngineFactory, *, memory: bool = False) -> str | None:
        """How an engine differs from the genuine one, at its first difference; None if it never does.

        memory: what it remembers of secrets counts, too, and not only what it says and what state it is in.
        """
        engine = factory(self.config, self.entropy)
        moments: dict[int, object] = {}
        for number, step in enumerate(self.steps):
            if isinstance(step, Mark):
                if step.back:
                    engine.restore(moments[step.number])
                else:
                    moments[step.number] = engine.snapshot()
            elif difference := _differs(engine, step, memory):
                return f"step {number}, {step.action}: {difference}"
        return None


def _differs(engine: Engine, step: Act, memory: bool) -> str | None:
    try:
        with _patience():
            events = getattr(engine, step.action)(**step.args) or ()
        after = engine.inspect()
        secrets = engine.secrets() if memory else {}
    except TimeoutError:
        return "hangs"
    except Exception as error:  # noqa: BLE001 (an engine with a fault may raise anything)
        return f"raises {type(error).__name__}: {error}"
    if list(events) != list(step.events):
        return f"{[type(event).__name__ for event in events]} in place of {[type(e).__name__ for e in step.events]}"
    if after != step.after:
        return "another state"
    if memory and secrets != step.secrets:
        return f"other secrets: {', '.join(sorted(secrets.keys() ^ step.secrets.keys())) or 'of other values'}"
    return None


@contextmanager
def _patience() -> Iterator[None]:
    """Raise TimeoutError in what takes too long; in the main thread only, for no other is told of alarms."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def alarm(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not done after {PATIENCE} s")

    before = signal.signal(signal.SIGVTALRM, alarm)
    signal.setitimer(signal.ITIMER_VIRTUAL, PATIENCE)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


class Recorder:
    """The genuine engine as a party that writes down what it is given."""

    def __init__(self, config: PartyConfig, entropy: Entropy) -> None:
        self.engine = ReferenceEngine(config, entropy)
        self.recording = Recording(config, entropy)
        self._marks = 0

    @property
    def instance_tag(self) -> int:
        return self.engine.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self.engine.fingerprint

    def receive(self, message: bytes) -> Sequence[Event]:
        return self.do("receive", message=message)

    def set_time(self, now: int) -> None:
        self.do("set_time", now=now)

    def set_policy(self, policy: Policy) -> Sequence[Event]:
        return self.do("set_policy", policy=policy)

    def inspect(self) -> PartySnapshot:
        return self.engine.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        return self.engine.secrets()

    def __getattr__(self, action: str) -> Any:
        """The user's actions: send, start, end ..."""
        if action.startswith("_") or not hasattr(ReferenceEngine, action):
            raise AttributeError(f"an engine has no action {action!r}")
        return lambda **args: self.do(action, **args)

    def do(self, action: str, **args: object) -> Sequence[Event]:
        events: Sequence[Event] = getattr(self.engine, action)(**args) or ()
        step = Act(action, args, list(events), self.engine.inspect(), self.engine.secrets())
        self.recording.steps.append(step)
        return events

    def snapshot(self) -> object:
        self._marks += 1
        self.recording.steps.append(Mark(self._marks, False))
        return self._marks, self.engine.snapshot()

    def restore(self, state: object) -> None:
        match state:
            case (int() as number, saved):
                self.recording.steps.append(Mark(number, True))
                self.engine.restore(saved)
            case _:
                raise TypeError("not a snapshot of this party; pass what snapshot() returned")


class RecordingTarget:
    """A target for scenarios whose parties record."""

    name = "reference"
    version = "1"
    capabilities = CAPABILITIES - {"lockstep"}
    randomness = "tape"

    def __init__(self) -> None:
        self.recordings: list[Recording] = []

    def party(self, name: str, config: PartyConfig, seed: bytes, book: Book | None) -> Party:
        recorder = Recorder(config, SeededEntropy(seed).child(name))
        self.recordings.append(recorder.recording)
        return recorder

    def reset(self) -> None:
        """Nothing outlives its world."""

    def close(self) -> None:
        """Nothing to close."""
