"""Groups of plays: a state is reached once, and each case is an act from there.

The generator reaches the state once with an engine and restores the engine to it for each case. A group may have a
sequel: the genuine message, which must still have its usual effect after a case that leaves the state unchanged. This
shows that the case broke nothing invisible.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.vectorgen.client_session import (
    PEER_TAG,
    ClientSession,
    Step,
    party_fields,
    reaction,
    seen,
    state,
)
from otterproof.implementations.contract import Engine, PartyConfig
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy
from otterproof.vectors import Case, Fields, Group, Outcome

T = TypeVar("T")
U = TypeVar("U")

#: Something done in a session.
Act = Callable[[ClientSession], object]

#: Makes an engine.
EngineMaker = Callable[[PartyConfig, RecordingEntropy], Engine]


class ClaimError(Exception):
    """An engine contradicts the author of a case, or a case is malformed."""


def nothing(session: ClientSession) -> None:
    """The act of a group that begins with a fresh client."""


def gives(*messages: bytes) -> Act:
    """The client receives messages."""
    return lambda session: [session.give(message) for message in messages]


def does(action: str, **args: Any) -> Act:
    """The client's user acts."""
    return lambda session: session.do(action, **args)


def hears(text: bytes = b"hello", **data: Any) -> Act:
    """The insider sends a data message; the arguments are those of Insider.data."""
    return lambda session: session.hear(text, **data)


def bound(value: T, act: Callable[[ClientSession, T], object]) -> Act:
    """An act bound to a value, for acts made in a loop."""
    return lambda session: act(session, value)


def bound2(first: T, second: U, act: Callable[[ClientSession, T, U], object]) -> Act:
    """The same with two values."""
    return lambda session: act(session, first, second)


def steps_fields(steps: list[Step]) -> tuple[dict[str, Any], ...]:
    return tuple(step.fields() for step in steps)


def tape_fields(entropy: RecordingEntropy) -> dict[str, bytes]:
    """The draws, in an order that does not depend on the engine."""
    return {f"{label} {index}": value for (label, index), value in sorted(entropy.drawn.items())}


def outcomes_of(where: str, outcome: Outcome, ours: str, others: Mapping[str, Outcome] | None) -> dict[str, Outcome]:
    """The outcomes of a case. ClaimError if `ours` is given without `others`, or the reverse."""
    if bool(ours) != bool(others):
        raise ClaimError(f"{where}: name our reading and the others, or neither")
    return {ours: outcome, **(others or {})}


class Plays(ABC):
    """A group of plays, independent of their use: they can be recorded, or performed with a target."""

    @abstractmethod
    def play(
        self,
        name: str,
        comment: str,
        requirements: str,
        act: Act,
        *,
        reaction: str = "",
        flags: str = "",
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
        values: Callable[[ClientSession], Mapping[str, bytes]] | None = None,
    ) -> None:
        """A case. reaction: only for an invalid one; `shown` may be claimed for text that is not an OTR message."""


class PlayGroup(Plays):
    """A group of plays, recorded with an engine."""

    def __init__(
        self,
        name: str,
        comment: str,
        reach: Act,
        made: PartyConfig,
        version: int,
        seed: str,
        engine: EngineMaker,
        sequel: Act | None,
        insider: str,
    ) -> None:
        self.id = name
        self.comment = comment
        self.cases: list[Case] = []
        self.flags: set[str] = set()
        self._made = made
        self._entropy = RecordingEntropy(SeededEntropy(seed.encode()).child(name))
        self._engine = engine(made, self._entropy)
        smp_peer = Insider(
            published_key(insider), self._engine.instance_tag, version=version, tag=PEER_TAG, seed=name.encode()
        )
        self._start = ClientSession(self._engine, version, smp_peer)
        reach(self._start)
        self._prefix = list(self._start.steps)
        self._moment = self._engine.snapshot()
        self._sequel = sequel
        self._sequel_steps: list[Step] = []
        if sequel is not None:
            self._sequel_steps = self._after(self.session())
            self._engine.restore(self._moment)

    def session(self) -> ClientSession:
        """The session in its state at the beginning of a case."""
        start = self._start
        self._engine.restore(self._moment)
        return ClientSession(self._engine, start.version, deepcopy(start.insider), [], deepcopy(start.memory))

    def _after(self, session: ClientSession) -> list[Step]:
        """The result of the sequel, with the insider as it was before the case."""
        before = len(session.steps)
        session.insider, session.memory = deepcopy(self._start.insider), deepcopy(self._start.memory)
        if self._sequel is not None:
            self._sequel(session)
        return session.steps[before:]

    def play(
        self,
        name: str,
        comment: str,
        requirements: str,
        act: Act,
        *,
        reaction: str = "",
        flags: str = "",
        ours: str = "",
        others: Mapping[str, Outcome] | None = None,
        values: Callable[[ClientSession], Mapping[str, bytes]] | None = None,
    ) -> None:
        where = f"{self.id}.{name}"
        session = self.session()
        before = self._engine.inspect()
        act(session)
        if not session.steps:
            raise ClaimError(f"{where}: nothing is done in it")
        after = self._engine.inspect()
        steps = list(session.steps)
        found, reason = _observed(steps, reaction)
        if found != reaction:
            raise ClaimError(
                f"{where}: the claim is {reaction or 'valid'}, and the engine's answer is {found or 'valid'}: "
                f"{steps[-1].events!r:.500}"
            )
        expect: dict[str, Any] = {"reason": reason} if reaction and reason else {}
        expect |= seen(steps[-1].events)
        expect["unchanged"] = before == after
        if before != after:
            expect["state"] = state(after)
        if values is not None:
            expect["values"] = dict(values(session))
        outcome = Outcome(not reaction, reaction, Fields(expect))
        if before == after and self._sequel is not None and self._after(session) != self._sequel_steps:
            raise ClaimError(f"{where}: the steps that follow it have different results")
        outcomes = outcomes_of(where, outcome, ours, others)
        shows = tuple(requirements.split())
        self.flags.update(flags.split())
        fields = Fields({"steps": steps_fields(steps)})
        self.cases.append(Case(where, comment, shows, tuple(flags.split()), fields, outcomes))

    def group(self) -> Group:
        """The finished group."""
        fields: dict[str, Any] = {
            "party": party_fields(self._made),
            "entropy": tape_fields(self._entropy),
            "prefix": steps_fields(self._prefix),
        }
        if self._sequel is not None:
            fields["sequel"] = steps_fields(self._sequel_steps)
        return Group(self.id, self.comment, "play", Fields(fields), tuple(self.cases))


def _observed(steps: list[Step], claimed: str) -> tuple[str, str]:
    """Reaction and reason of the last step. Shown text looks the same whether or not it should have been OTR."""
    found, reason = reaction(steps[-1].events)
    if not found and claimed == "shown" and seen(steps[-1].events)["shows"]:
        return "shown", reason
    if not found and claimed == "reported" and steps[-1].events:
        return "reported", reason
    if not found and claimed == "ignored" and not steps[-1].events:
        return "ignored", reason
    return found, reason
