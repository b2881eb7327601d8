"""Oracles: rules that must hold in every run, whatever the users and the adversary do.

An oracle is a watcher on a world. It judges by the bytes on the wire, by the events, and by the snapshots of parties
that show them, never by the internals of an engine. `Oracles` bundles the oracles of one world. They share one reader,
which works out what a step means. Whether two engines agree is judged by otterproof.harness.targets.lockstep.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import combinations
from operator import attrgetter

from otterproof.harness.judges.oracles.agreement import Agreement, Smp
from otterproof.harness.judges.oracles.base import Impact, Oracle, OracleFailure
from otterproof.harness.judges.oracles.delivery import Authenticity, Rejection
from otterproof.harness.judges.oracles.exchange import Bounds, Fragments, InstanceTags, Leaks, holds
from otterproof.harness.judges.oracles.form import Form, FormWatch
from otterproof.harness.judges.oracles.healing import Healing
from otterproof.harness.judges.oracles.memory import Drawn, Forgetting
from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.ratchet import Counters, KeyIds, Revelation
from otterproof.harness.judges.oracles.reading import Reader, only_refused
from otterproof.harness.judges.oracles.remembering import State
from otterproof.harness.judges.oracles.states import States
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.spec.checks import is_consequence
from otterproof.harness.support.excused import is_excused
from otterproof.harness.wire import UnreadableField
from otterproof.implementations.contract import PartyConfig, PartySnapshot

__all__ = [
    "ORACLES",
    "RENEWALS",
    "Drawn",
    "FormWatch",
    "Impact",
    "Observation",
    "Oracle",
    "OracleFailure",
    "Oracles",
    "Reader",
    "State",
]

#: Every oracle by its id.
ORACLES: Mapping[str, type[Oracle]] = {
    oracle.id: oracle
    for oracle in (
        Form,
        Authenticity,
        Rejection,
        Healing,
        Agreement,
        KeyIds,
        Counters,
        Revelation,
        Forgetting,
        Smp,
        States,
        InstanceTags,
        Fragments,
        Leaks,
        Bounds,
    )
}


#: Of what takes long to judge, one in so many is judged in samples.
_SHARE = 8

#: The oracles that must be told of every renewal of a session.
RENEWALS = frozenset({"authenticity", "healing", "key-ids", "counters", "mac-revelation"})


class _Selection:
    """The oracles that judge a party.

    every: all that judge it. for_fragments: those that judge a step in which it only stores or refuses a fragment.
    after_other_party: those that judge such a step if another party has acted since this one was judged; all that
    matters then is whether the other party announced a key.
    """

    def __init__(self, oracles: Collection[Oracle], *, peer: bool) -> None:
        """peer: whether the party is not under test."""
        self.under_test = not peer
        self.every = [one for one in oracles if not (peer and one.one_sided)]
        self.for_fragments = [one for one in self.every if isinstance(one, Fragments)]
        self.after_other_party = [one for one in self.every if isinstance(one, (KeyIds, Fragments))]


class Oracles:
    """A watcher that applies all oracles, or those whose ids are given.

    configs: those of the parties; without them nothing is judged by policy or message size. drawn: for each party, the
    randomness that its source has given so far (RecordingEntropy.drawn), for which `forgetting` then searches. foreign:
    parties that are not engines of this project, with their capabilities. They are judged by the protocol text alone,
    not by the choices of our contract, and only by what they report; the rest is never guessed. under_test: the parties
    that all oracles judge; one-sided oracles skip the others. None: all parties.
    """

    def __init__(
        self,
        world: World,
        *ids: str,
        configs: Mapping[str, PartyConfig] | None = None,
        drawn: Mapping[str, Drawn] | None = None,
        foreign: Mapping[str, frozenset[str]] | None = None,
        under_test: Collection[str] | None = None,
    ) -> None:
        unknown = set(ids) - set(ORACLES)
        if unknown:
            raise ValueError(f"no oracle {', '.join(sorted(unknown))}; there are {', '.join(ORACLES)}")
        self._world = world
        # For each party, the last step that all oracles judged and found right; later steps only stored or refused
        # fragments, or set a policy, which changes nothing that the oracles remember. And the party judged last.
        self._judged: dict[str, Step] = {}
        self._last = ""
        self.reader = Reader(world, configs, foreign)
        self._oracles: dict[str, Oracle] = {}
        for oracle_id in ids or ORACLES:
            kind = ORACLES[oracle_id]
            if issubclass(kind, Forgetting):
                self._oracles[oracle_id] = kind(self.reader, drawn)
            elif issubclass(kind, Form | Fragments):
                self._oracles[oracle_id] = kind(self.reader, configs)
            else:
                self._oracles[oracle_id] = kind(self.reader)
        self._of_failures = [one for one in self._oracles.values() if isinstance(one, Bounds)]
        peers = set(world.parties) - set(world.parties if under_test is None else under_test)
        self._selections = {name: _Selection(self._oracles.values(), peer=name in peers) for name in world.parties}

    def __call__(self, step: Step) -> None:
        """Show a step to every oracle; raises OracleFailure."""
        before, selection = self._judged.get(step.party), self._selections[step.party]
        # Half of all steps are of this kind.
        if before is not None and step.party == self._last and _same_as_judged(step, before):
            stores = self.reader.after_fragment(step)
            if stores is not None and (not selection.under_test or holds(step.after, stores)):
                self.reader.keep(step.party, stores)
                self._judged[step.party] = step  # as right as the one before
                return
        view = self.reader.view(step)
        view.under_test = selection.under_test
        if before is not None:
            if _changes_nothing(view, before):
                self._judge(view, selection.for_fragments if step.party == self._last else selection.after_other_party)
                self._last = step.party
                return
            then, now = before.after, step.after
            view.settled = then is not None and now is not None and then.sessions == now.sessions
        self._last = step.party
        self._judged.pop(step.party, None)
        # A failed step has nothing else to judge.
        if self._judge(view, selection.every if step.failure is None else self._of_failures):
            self._judged[step.party] = step

    @staticmethod
    def _judge(view: Observation, oracles: Iterable[Oracle]) -> bool:
        """Show a step to some oracles; returns whether nothing is wrong. Raises OracleFailure, UnreadableField.

        All of them judge the step even if one fails, because a consequence may be noticed before its cause.
        """
        objections: list[OracleFailure] = []
        unreadable: UnreadableField | None = None
        for oracle in oracles:
            try:
                oracle.observe(view)
            except OracleFailure as failure:
                objections.append(failure)
            except UnreadableField as error:
                unreadable = unreadable or error
        if objections:
            _tell_cause(objections)  # the message is known to be wrong, so the missing field is not reported
        elif unreadable is not None:
            raise unreadable
        return not objections

    def sample(self, *, on: bool) -> None:
        """Judge only samples, or everything again, where judging takes long. A sample depends on the run alone."""
        for one in self._oracles.values():
            if isinstance(one, Forgetting):
                one.share = _SHARE if on else 1

    def check_healing(self, *pairs: tuple[str, str]) -> None:
        """At the end of a run, check that the given pairs of parties, or all connected ones, can talk again."""
        healing = self._oracles.get(Healing.id)
        if not isinstance(healing, Healing):
            raise ValueError(f"{Healing.id} is not among these oracles: {', '.join(self._oracles)}")
        routes = self._world.network.routes
        connected = [(a, b) for a, b in combinations(self._world.parties, 2) if b in routes[a] and a in routes[b]]
        for first, second in pairs or connected:
            try:
                healing.check(first, second)
            except OracleFailure as failure:
                _excuse(failure)

    def snapshot(self) -> State:
        """What the reader and all oracles remember."""
        return {"reader": self.reader.snapshot(), **{name: one.snapshot() for name, one in self._oracles.items()}}

    def restore(self, state: State) -> None:
        """Go back to a `snapshot`, which can be restored again later."""
        self._judged, self._last = {}, ""
        parts: dict[str, Reader | Oracle] = {"reader": self.reader, **self._oracles}
        for name, one in parts.items():
            part = state[name]
            if isinstance(part, Mapping):
                one.restore(part)


#: All of a snapshot except the stored fragments.
_BUT_FOR_FRAGMENTS = attrgetter(*(one.name for one in fields(PartySnapshot) if one.name != "fragments"))


def _changes_nothing(view: Observation, last: Step) -> bool:
    """Whether a party only stores a fragment, refuses one as it must, or changes its policy.

    It has to be in the state in which it was last judged.
    """
    step = view.step
    if (not view.is_fragment and step.action != "set_policy") or view.message is not None or step.failure is not None:
        return False
    return (not step.events or only_refused(step, view.fragment)) and _same_as_judged(step, last)


def _same_as_judged(step: Step, last: Step) -> bool:
    """Whether a party is after a step, and was before it, as when it was last judged, apart from stored fragments."""
    return _same_but_for_fragments(last.after, step.after) and (
        step.before is last.after or _same_but_for_fragments(step.before, step.after)
    )


def _same_but_for_fragments(one: PartySnapshot | None, other: PartySnapshot | None) -> bool:
    """Whether two snapshots are equal, apart from the stored fragments."""
    if one is None or other is None or one is other:
        return one is other
    return bool(_BUT_FOR_FRAGMENTS(one) == _BUT_FOR_FRAGMENTS(other))


def _tell_cause(objections: Sequence[OracleFailure]) -> None:
    """Raise the first objection to a step whose check presumes none of the others. OracleFailure.

    Excused objections, those whose demands are not made now, are passed over together with their consequences.
    """
    checks = [failure.check for failure in objections]
    for failure in [one for one in objections if not is_excused(one.check)]:
        if not is_consequence(failure.check, checks):
            raise failure


def _excuse(failure: OracleFailure) -> None:
    """Raise a failure, unless its demand is not made now. OracleFailure."""
    if not is_excused(failure.check):
        raise failure


def descriptions() -> dict[str, list[str]]:
    """The published description of every oracle by its id: paragraphs."""
    return {
        name: [" ".join(part.split()) for part in (one.__doc__ or "").split("\n\n")] for name, one in ORACLES.items()
    }
