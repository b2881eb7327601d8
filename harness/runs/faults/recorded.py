"""What the genuine engine is asked in a scenario, and answers, so that most faulty engines need no scenario.

A scenario follows from its seed and from what the target answers. So a faulty engine that gives the recorded answers to
the recorded calls passes as the genuine one does, and finding that out takes nothing but the engine. If an answer
differs, the scenario has to be run. Parties that don't reach what is wrong answer as recorded, and are not asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

from otterproof.harness.runs.faults.reach import Line, Lines, Trace
from otterproof.harness.targets.driver.errors import TargetError
from otterproof.harness.targets.faults.loader import copy_engine
from otterproof.harness.targets.guarded import GuardedEngine
from otterproof.harness.targets.lockstep import EngineFactory
from otterproof.harness.targets.party import ActionDispatcher
from otterproof.implementations.contract import Engine, Entropy, Event, OtrError, PartyConfig, PartySnapshot, Policy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a party, which is given by its number, and a digest of the answer."""

    party: int
    method: str
    args: Mapping[str, object]
    answer: int


@dataclass(slots=True)
class _Made:
    """How a party was made, the lines that it reaches, and a digest of its instance tag and fingerprint."""

    config: PartyConfig
    entropy: Entropy
    answer: int
    reached: set[Line] = field(default_factory=set)


@dataclass(slots=True)
class Recording:
    """A run with the genuine engine. complete: whether `calls` has everything that was asked."""

    parties: list[_Made] = field(default_factory=list)
    calls: list[_Call] = field(default_factory=list)
    complete: bool = True

    def answered_alike(self, name: str, make: EngineFactory, lines: Lines) -> bool:
        """Whether engines from `make`, which are wrong in some lines, give all the recorded answers."""
        if not self.complete:
            return False
        able = {
            number: made
            for number, made in enumerate(self.parties)
            if lines is None or not lines.isdisjoint(made.reached)
        }
        engines: dict[int, GuardedEngine] = {}
        try:
            for call in self.calls:
                if call.party not in able:
                    continue
                if call.party not in engines:
                    made = able[call.party]
                    engine = engines[call.party] = GuardedEngine(name, make, made.config, made.entropy)
                    if _known_by(engine) != made.answer:
                        return False
                if _answer(engines[call.party], call.method, call.args) != call.answer:
                    return False
        except (TargetError, OtrError):
            return False
        return True


@cache
def genuine_engine(name: str) -> EngineFactory:
    """A copy of the genuine engine; the peer is a genuine engine too, and its lines must not count."""
    return copy_engine(name, {})


class Recorder(Trace):
    """Collects the executed lines of an engine imported as `package`, and records the calls of engines made from it."""

    def __init__(self, package: str) -> None:
        super().__init__(package)
        self.recording = Recording()
        self._engines: list[_Recorded] = []
        self._since: set[Line] = set()

    def take(self) -> frozenset[Line]:
        """The lines since the last call."""
        self._note()
        found = frozenset(self._since)
        self._since.clear()
        return found

    def engines(self, make: EngineFactory) -> EngineFactory:
        """The same engines, recorded."""

        def recorded(config: PartyConfig, entropy: Entropy | None = None) -> Engine:
            if entropy is None:
                raise ValueError("only engines whose random values are given can be recorded")
            self._note()
            engine = make(config, entropy)
            made = _Made(config, entropy, _known_by(engine))
            self.recording.parties.append(made)
            made.reached |= self._note()
            self._engines.append(_Recorded(self, len(self._engines), engine))
            return self._engines[-1]

        return recorded

    def ask(self, party: int, method: str, args: Mapping[str, object], call: Callable[[], T]) -> T:
        """Make a call to an engine, and record it with the answer."""
        self._note()
        answer: T | None = None
        raised: OtrError | None = None
        try:
            answer = call()
        except OtrError as error:
            raised = error
            raise
        finally:
            self.recording.calls.append(_Call(party, method, args, _digest(answer, raised)))
            self.recording.parties[party].reached |= self._note()
        return answer

    def look_into_memory(self) -> None:
        """As a last call, ask every engine for its state and its secrets."""
        for engine in self._engines:
            engine.look_into_memory()

    def _note(self) -> frozenset[Line]:
        """The lines since this was last called."""
        found = super().take()
        self._since |= found
        return found


class _Recorded(ActionDispatcher):
    """An engine whose calls are recorded. A call that can't be repeated makes the recording incomplete.

    What is in memory is compared only at the end, though judges look at it after every step.
    """

    def __init__(self, recorder: Recorder, number: int, engine: Engine) -> None:
        self._number = number
        self._recorder = recorder
        self._engine = engine

    @property
    def instance_tag(self) -> int:
        return self._engine.instance_tag

    @property
    def fingerprint(self) -> bytes:
        return self._engine.fingerprint

    def _do(self, action: str, **args: object) -> Sequence[Event]:
        method: Callable[..., Sequence[Event]] = getattr(self._engine, action)
        return self._recorder.ask(self._number, action, args, lambda: method(**args))

    def set_time(self, now: int) -> None:
        self._recorder.ask(self._number, "set_time", {"now": now}, lambda: self._engine.set_time(now))

    def set_policy(self, policy: Policy) -> None:
        self._recorder.ask(self._number, "set_policy", {"policy": policy}, lambda: self._engine.set_policy(policy))

    def inspect(self) -> PartySnapshot:
        return self._engine.inspect()

    def secrets(self) -> Mapping[str, bytes]:
        return self._engine.secrets()

    def look_into_memory(self) -> None:
        """Record the state and the secrets, so that they are compared."""
        self._recorder.ask(self._number, "inspect", {}, self._engine.inspect)
        self._recorder.ask(self._number, "secrets", {}, self._engine.secrets)

    def snapshot(self) -> object:
        return self._unrepeatable(self._engine.snapshot)

    def restore(self, state: object) -> None:
        self._unrepeatable(lambda: self._engine.restore(state))

    def _unrepeatable(self, ask: Callable[[], T]) -> T:
        self._recorder.recording.complete = False
        return ask()


def _answer(engine: GuardedEngine, method: str, args: Mapping[str, object]) -> int:
    """A digest of what an engine answers."""
    try:
        return _digest(getattr(engine, method)(**args), None)
    except OtrError as error:
        return _digest(None, error)


def _digest(answer: object, raised: OtrError | None) -> int:
    """A digest of events, of what is in memory, or of nothing, and of the error."""
    if isinstance(answer, Mapping):
        answer = tuple(sorted(answer.items()))
    elif isinstance(answer, Sequence):
        answer = tuple(answer)
    return hash((answer if isinstance(answer, tuple) else repr(answer), type(raised).__name__, str(raised)))


def _known_by(engine: Engine | GuardedEngine) -> int:
    return hash((engine.instance_tag, engine.fingerprint))
