"""The context of one scenario: where the target is set up together with whatever it is to face.

A `Pair` has an honest peer on the other side; with a `TargetSession` the scenario itself plays the other side, as an
attacker on the network or as an insider. Every run has a record, from before its parties are made, so that it can be
written down whatever fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from otterproof.harness.judges.model import NameTable, PartyModel
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.transcript import Header, PartyInfo, Verdict
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.spec.checks import level_of
from otterproof.harness.spec.requirements import Level
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.targets.driver.errors import TargetError, TargetUnsupported
from otterproof.harness.targets.engines import EngineTarget, TakesPictures, Target
from otterproof.harness.targets.lockstep import LockstepParty
from otterproof.harness.targets.party import Party
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.pair import Pair, PairCheckpoint
from otterproof.harness.testkit.reply import (
    PEER,
    TARGET,
    CheckFailed,
    Reply,
    Unsupported,
    check,
    check_equal,
    check_told,
)
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import PartyConfig, Policy
from otterproof.implementations.entropy import Tape

__all__ = [
    "ALLOW",
    "PEER",
    "PEER_TAG",
    "TARGET",
    "TARGET_TAG",
    "CheckFailed",
    "Context",
    "Pair",
    "PairCheckpoint",
    "Reply",
    "TargetSession",
    "check",
    "check_equal",
    "check_told",
]

V = TypeVar("V")

ALLOW = {2: Policy.ALLOW_V2, 3: Policy.ALLOW_V3}

#: The instance tags of the two sides, for targets that can be told theirs.
TARGET_TAG, PEER_TAG = 0x1A1A, 0x2B2B


def who_begins(target: bool) -> str:
    """The name of a case in which the target sends the D-H Commit, or the insider does."""
    return "the target begins" if target else "the insider begins"


class _WrongCase(NamedTuple):
    """An input that failed. record, steps: the run in which it did, and how many steps that had then. picture: what
    was to be seen then.
    """

    error: DemandFailed
    record: Record
    steps: int
    picture: bytes


class Context:
    """What a scenario works with. `target` is what is judged, `version` the protocol version of this run.

    peer: what plays the other side of pairs, the reference engine unless given. tried: in how many random runs a
    property has been tried so far.
    """

    def __init__(self, target: Target, version: int, seed: bytes, peer: Target | None = None) -> None:
        self.target = target
        self.peer = peer or EngineTarget("reference")
        self.version = version
        self.seed = seed
        #: The seed that this context was made from; a scenario may change `seed`.
        self.origin = seed
        #: The runs so far, in their order.
        self.records: list[Record] = []
        #: What probes have measured: id of the reading -> option.
        self.readings: dict[str, str] = {}
        #: Names of the cells of the state tables that were visited, whatever happened there. [harness/spec/states]
        self.visited: set[str] = set()
        self.tried = 0
        #: How many times as many random runs a property is tried in; above 1 in a nightly run.
        self.effort = 1
        self._counted = 0
        #: How many inputs were tried by `case`, and those that failed; whether one is being tried.
        self._cases = 0
        self._wrong: list[_WrongCase] = []
        self._in_case = False
        #: How many steps the last run had when the case that is told failed in it; None: it is told at its end.
        self._failed_at: int | None = None
        #: What the target's user saw when the scenario failed, as a PNG file; b"" for a target without a screen.
        self.picture = b""

    def pair(
        self,
        *,
        policy: Policy | None = None,
        peer_policy: Policy | None = None,
        max_message_size: int | None = None,
        peer_max_message_size: int | None = None,
        heartbeat_interval: int | None = 60,
        peer_heartbeat_interval: int | None = 60,
    ) -> Pair:
        """The target and the peer, connected. Policies that are not given allow this version alone, where possible."""
        self.target.reset()
        self.peer.reset()
        config = self._config(policy, max_message_size, heartbeat_interval)
        own = self.peer.fixed_policy or ALLOW[self.version] if peer_policy is None else peer_policy
        if self._settle_on(config.policy, own) != self.version:
            raise Unsupported("neither side can be told to speak this version alone")
        facing = PartyConfig(published_key("bob"), own, PEER_TAG, peer_max_message_size, peer_heartbeat_interval)
        peer = self.peer
        record = self.record({TARGET: PartyInfo(self.target.name, config), PEER: PartyInfo(peer.name, facing)})
        parties = {
            TARGET: self.target.party(TARGET, config, self.seed),
            PEER: peer.party(PEER, facing, self.seed),
        }
        _let_model_follow(parties, {TARGET: config, PEER: facing})
        return Pair(World(parties, {TARGET: [PEER], PEER: [TARGET]}), self.version, record)

    def target_session(
        self,
        *,
        policy: Policy | None = None,
        max_message_size: int | None = None,
        heartbeat_interval: int | None = 60,
        instance_tag: int | None = TARGET_TAG,
        tape: Tape | None = None,
    ) -> TargetSession:
        """The target alone: what it receives is what the scenario hands to it. instance_tag: None has it draw one.

        tape: what it draws, where `takes_tape` says that this can be given.
        """
        self.target.reset()
        config = self._config(policy, max_message_size, heartbeat_interval)
        config = replace(config, instance_tag=instance_tag)
        record = self.record({TARGET: PartyInfo(self.target.name, config, tape or {})})
        world = World({TARGET: self.target.party(TARGET, config, self.seed, tape=tape)}, {TARGET: []})
        return TargetSession(world, self.version, record)

    def _settle_on(self, one: Policy, other: Policy) -> int:
        """The version that two sides speak with each other, if their policies are fixed; else that of this run."""
        if self.target.fixed_policy is None or self.peer.fixed_policy is None:
            return self.version
        return max((version for version, flag in ALLOW.items() if flag & one & other), default=0)

    @property
    def thorough(self) -> bool:
        """Whether to look for what only chance can show until it is as good as certain, which takes minutes."""
        return self.effort > 1

    @property
    def takes_tape(self) -> bool:
        """Whether the random values that the target draws can be given, one by one."""
        return self.target.randomness == "tape"

    def target_twice(self) -> tuple[TargetSession, TargetSession]:
        """Two parties of the target, alice and bob, who do not hear each other but through the scenario."""
        self.target.reset()
        config = self._config(None, None, 60)
        configs = {TARGET: config, PEER: replace(config, key=published_key("bob"), instance_tag=PEER_TAG)}
        record = self.record({name: PartyInfo(self.target.name, own) for name, own in configs.items()})
        parties = {name: self.target.party(name, own, self.seed) for name, own in configs.items()}
        world = World(parties, {TARGET: [], PEER: []})
        first, second = (TargetSession(world, self.version, record, name) for name in configs)
        return first, second

    def record(self, parties: Mapping[str, PartyInfo], seed: bytes | None = None, **more: Any) -> Record:
        """A new run begins: its record. seed: what its parties draw from, the context's unless given; more: as Header.

        Where the scenario fails, it is taken to fail in the run that began last.
        """
        record = Record(Header(self.seed if seed is None else seed, parties, scenario_seed=self.origin, **more))
        self.records.append(record)
        return record

    def blame(self, record: Record) -> None:
        """Say in which run the scenario fails, if it is not the last one."""
        self.records.remove(record)
        self.records.append(record)

    def encrypted(
        self, *, target_begins: bool = False, signed: SignatureOptions = HONEST_SIGNATURE, policy: Policy | None = None
    ) -> tuple[TargetSession, Insider]:
        """A target in an encrypted session with an insider. target_begins: it sent the commit, as asked by a query."""
        target = self.target_session(policy=policy)
        insider = target.insider()
        target.establish(insider, target_begins=target_begins, signed=signed)
        return target, insider

    def each(self, values: Iterable[V], *, target_begins: bool = False) -> Iterator[tuple[TargetSession, Insider, V]]:
        """For each value an encrypted session of its own: what one does to it the next does not feel."""
        for value in values:
            yield (*self.encrypted(target_begins=target_begins), value)

    def each_state(self, policy: Policy | None = None) -> Iterator[tuple[str, TargetSession, Insider]]:
        """The target in each message state (plaintext, encrypted, finished), with the insider of its session."""
        target = self.target_session(policy=policy)
        yield "plaintext", target, target.insider()
        yield "encrypted", *self.encrypted(policy=policy)
        target, insider = self.encrypted(policy=policy)
        target.end_by_peer(insider)
        yield "finished", target, insider

    @property
    def all_versions(self) -> Policy:
        """The versions that the target speaks, all of them allowed."""
        spoken = [flag for version, flag in ALLOW.items() if f"v{version}" in self.target.capabilities]
        return reduce(or_, spoken, Policy.NONE)

    def _config(self, policy: Policy | None, size: int | None, heartbeat: int | None) -> PartyConfig:
        """policy: None for this version alone. A target with a fixed policy has that, and the other side chooses."""
        allowed = self.target.fixed_policy or ALLOW[self.version] if policy is None else policy
        return PartyConfig(published_key("alice"), allowed, TARGET_TAG, size, heartbeat)

    def finish(self) -> None:
        """The scenario is over: both sides forget their parties. TargetError when that goes wrong."""
        try:
            self.target.finish()
        finally:
            self.peer.finish()

    def reseeded(self, salt: bytes) -> Context:
        """The same context with other randomness; what happens there is written down here."""
        other = Context(self.target, self.version, self.seed + salt, self.peer)
        other.origin, other.records, other.effort = self.origin, self.records, self.effort
        return other

    def examples(self, count: int) -> Iterator[int]:
        """The numbers of the random runs in which a property is to be tried; for a loop, since `tried` counts along."""
        for number in range(count * self.effort):
            self.tried = number + 1
            yield number

    @contextmanager
    def case(self, name: object = "") -> Iterator[None]:
        """One of several inputs that the scenario tries, such as those of a loop, each from a state of its own.

        Where a demand does not hold inside, the scenario goes on with what follows, and fails at its end: so it is told
        which inputs are wrong, and how many. So each case must begin with a session of its own, or the failure of one
        would be told as that of the next as well; inputs to one session are not cases. name: the input in words, for
        demands that do not say it themselves. A crash, a hang, or what is not supported ends the scenario as usual.
        """
        if self._in_case:
            raise ValueError("a case within a case: the inner loop has the inputs, so only that has cases")
        self._cases += 1
        self._in_case = True
        try:
            yield
        except DemandFailed as error:
            error.case = error.case or (name if isinstance(name, str) else shown(name))
            record = self.records[-1] if self.records else self.record({})
            alike = any(one.error.check == error.check for one in self._wrong)
            picture = b"" if alike else self._taken_picture()  # only that of the first is told
            self._wrong.append(_WrongCase(error, record, len(record.log), picture))
        finally:
            self._in_case = False

    @staticmethod
    @contextmanager
    def where_possible() -> Iterator[None]:
        """One of several texts or values, which is passed over where the target can't have it: so that a program whose
        user types on one line is asked about all other texts.
        """
        with suppress(TargetUnsupported):
            yield

    def wrong_case(self) -> DemandFailed | None:
        """What `case` has held back: the first demand that must hold and did not, else the first of all."""
        if not self._wrong:
            return None
        first = next((one for one in self._wrong if level_of(one.error.check) is Level.MUST), self._wrong[0])
        alike = [one.error.case for one in self._wrong if one.error.check == first.error.check]
        first.error.cases = (len(alike), self._cases)
        first.error.failed_cases = tuple(alike)
        if first.record in self.records:
            self.blame(first.record)
            self._failed_at = first.steps
            self.picture = first.picture
        return first.error

    def raise_wrong_case(self) -> None:
        """At the end of a scenario: raise what `case` has held back."""
        error = self.wrong_case()
        if error is not None:
            raise error

    @property
    def last_steps(self) -> Sequence[Step]:
        """The steps of the last run, in which the scenario fails if it does, up to the one in which it does."""
        return self.records[-1].log[: self._failed_at] if self.records else ()

    def take_picture(self) -> None:
        """Keep what the target's user sees, unless that was done already: the scenario has failed."""
        if self._failed_at is None:
            self.picture = self._taken_picture()

    def _taken_picture(self) -> bytes:
        """A picture of the party of the target that was given something last; b"" where there is none."""
        if not self.records or not isinstance(self.target, TakesPictures):
            return b""
        record = self.records[-1]
        players = {name: info.target for name, info in record.header.parties.items()}
        own = [step.party for step in record.log if players.get(step.party) == self.target.name]
        try:
            return self.target.picture(own[-1]) if own else b""
        except TargetError:
            return b""  # it is about what failed, and fails nothing by itself

    def again(self) -> Context:
        """A context like this one before anything was done in it."""
        other = copy(self)
        other.seed, other.tried, other.records, other.readings = self.origin, 0, [], {}
        other.visited, other._cases, other._wrong, other._counted = set(), 0, [], self.steps
        other._in_case, other._failed_at, other.picture = False, None, b""
        return other

    def take_over(self, other: Context) -> None:
        """What was done in another context counts as done in this one."""
        vars(self).update(vars(other))

    def for_target(self, target: Target) -> Context:
        """The same context for another target; what happens there is not written down here."""
        return Context(target, self.version, self.seed, self.peer)

    def count(self, steps: int) -> None:
        """Steps that were made in runs without a record."""
        self._counted += steps

    @property
    def steps(self) -> int:
        """Inputs given to parties so far."""
        return self._counted + sum(record.taken for record in self.records)

    def write_transcripts(self, folder: Path, name: str, verdict: Verdict, detail: str) -> list[Path]:
        """Write down every run as FOLDER/NAME.jsonl (NAME-2.jsonl ...), as part of NAME; the verdict is the last one's.

        A run that led to a failure is the last one; of a failure only that is written down. There is always one: what
        fails before a run begins leaves a run without steps. OutputError.
        """
        failed = verdict not in (Verdict.PASS, Verdict.UNSUPPORTED)
        if failed and not self.records:
            self.record({TARGET: PartyInfo(self.target.name, self._config(None, None, 60))})
        paths = []
        for number, record in enumerate(self.records[-1:] if failed else self.records, start=1):
            path = folder / (f"{name}.jsonl" if number == 1 else f"{name}-{number}.jsonl")
            last = record is self.records[-1]
            record.write(path, name, verdict if last else Verdict.PASS, detail if last else "")
            paths.append(path)
        return paths

    def write_picture(self, folder: Path, name: str) -> str:
        """Write down what the user saw when the scenario failed, as FOLDER/NAME.png: the file's name, "" without one.

        OutputError.
        """
        if not self.picture:
            return ""
        path = folder / f"{name}.png"
        write_whole(path, self.picture, durable=False)
        return path.name


def _let_model_follow(parties: Mapping[str, Party], configs: Mapping[str, PartyConfig]) -> None:
    """Have the model follow all parties of a world, which it can only if all of them run in lockstep."""
    engines = {name: party for name, party in parties.items() if isinstance(party, LockstepParty)}
    if len(engines) == len(parties):
        names = NameTable()
        for name, party in engines.items():
            party.follower = PartyModel(name, configs[name], names)
