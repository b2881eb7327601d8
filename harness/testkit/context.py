"""The context of one scenario: sets up the target together with whatever it faces.

A `Pair` has an honest peer on the other side; in a `TargetSession` the scenario itself plays the other side, as an
attacker on the network or as an insider. Every run has a record from before its parties are created, so that it can be
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

#: The instance tags of the two sides, for targets that accept one.
TARGET_TAG, PEER_TAG = 0x1A1A, 0x2B2B


def who_begins(target: bool) -> str:
    """The name of a case, by whether the target or the insider sends the D-H Commit."""
    return "the target begins" if target else "the insider begins"


class _WrongCase(NamedTuple):
    """An input that failed.

    record, steps: the failed run, and its number of steps at the time. picture: the screen at the time.
    """

    error: DemandFailed
    record: Record
    steps: int
    picture: bytes


class Context:
    """What a scenario works with. `target` is judged; `version` is the protocol version of this run.

    peer: plays the other side of pairs, by default the reference engine. tried: the number of random runs in which a
    property has been tried so far.
    """

    def __init__(self, target: Target, version: int, seed: bytes, peer: Target | None = None) -> None:
        self.target = target
        self.peer = peer or EngineTarget("reference")
        self.version = version
        self.seed = seed
        #: The seed that this context was made from; a scenario may change `seed`.
        self.origin = seed
        #: The runs so far, in order.
        self.records: list[Record] = []
        #: The measurements of probes: id of the reading -> option.
        self.readings: dict[str, str] = {}
        #: The names of visited cells of the state tables, whatever happened there. [harness/spec/states]
        self.visited: set[str] = set()
        self.tried = 0
        #: A factor for the number of random runs in which a property is tried; above 1 in a nightly run.
        self.effort = 1
        self._counted = 0
        #: The number of inputs tried by `case`, and those that failed; whether one is being tried.
        self._cases = 0
        self._wrong: list[_WrongCase] = []
        self._in_case = False
        #: The number of steps that the last run had when the reported case failed in it; None: at its end.
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
        """The target and the peer, connected. By default their policies allow this version alone, where possible."""
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
        """The target alone: it receives what the scenario gives it. instance_tag: None makes it draw one.

        tape: the values that it draws, if `takes_tape` says that they can be given.
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
        """Whether to look for random effects until it is as good as certain, which takes minutes."""
        return self.effort > 1

    @property
    def takes_tape(self) -> bool:
        """Whether the target's random values can be given, one by one."""
        return self.target.randomness == "tape"

    def target_twice(self) -> tuple[TargetSession, TargetSession]:
        """Two parties of the target, alice and bob, who hear each other only through the scenario."""
        self.target.reset()
        config = self._config(None, None, 60)
        configs = {TARGET: config, PEER: replace(config, key=published_key("bob"), instance_tag=PEER_TAG)}
        record = self.record({name: PartyInfo(self.target.name, own) for name, own in configs.items()})
        parties = {name: self.target.party(name, own, self.seed) for name, own in configs.items()}
        world = World(parties, {TARGET: [], PEER: []})
        first, second = (TargetSession(world, self.version, record, name) for name in configs)
        return first, second

    def record(self, parties: Mapping[str, PartyInfo], seed: bytes | None = None, **more: Any) -> Record:
        """Begin a run and return its record.

        seed: what its parties draw from, by default the context's; more: as Header. If the scenario fails, it counts as
        failing in the run that began last.
        """
        record = Record(Header(self.seed if seed is None else seed, parties, scenario_seed=self.origin, **more))
        self.records.append(record)
        return record

    def blame(self, record: Record) -> None:
        """Set the run in which the scenario fails, if it is not the last one."""
        self.records.remove(record)
        self.records.append(record)

    def encrypted(
        self, *, target_begins: bool = False, signed: SignatureOptions = HONEST_SIGNATURE, policy: Policy | None = None
    ) -> tuple[TargetSession, Insider]:
        """A target in an encrypted session with an insider. target_begins: a query made it send the commit."""
        target = self.target_session(policy=policy)
        insider = target.insider()
        target.establish(insider, target_begins=target_begins, signed=signed)
        return target, insider

    def each(self, values: Iterable[V], *, target_begins: bool = False) -> Iterator[tuple[TargetSession, Insider, V]]:
        """For each value, an encrypted session of its own, so that the values don't affect each other."""
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
        """A policy that allows all versions that the target speaks."""
        spoken = [flag for version, flag in ALLOW.items() if f"v{version}" in self.target.capabilities]
        return reduce(or_, spoken, Policy.NONE)

    def _config(self, policy: Policy | None, size: int | None, heartbeat: int | None) -> PartyConfig:
        """policy: None for this version alone. A target with a fixed policy keeps that, and the other side chooses."""
        allowed = self.target.fixed_policy or ALLOW[self.version] if policy is None else policy
        return PartyConfig(published_key("alice"), allowed, TARGET_TAG, size, heartbeat)

    def finish(self) -> None:
        """End the scenario: both sides forget their parties. Raises TargetError if that fails."""
        try:
            self.target.finish()
        finally:
            self.peer.finish()

    def reseeded(self, salt: bytes) -> Context:
        """The same context with other randomness; its runs are recorded here."""
        other = Context(self.target, self.version, self.seed + salt, self.peer)
        other.origin, other.records, other.effort = self.origin, self.records, self.effort
        return other

    def examples(self, count: int) -> Iterator[int]:
        """The numbers of the random runs in which to try a property; meant for a loop, because `tried` counts along."""
        for number in range(count * self.effort):
            self.tried = number + 1
            yield number

    @contextmanager
    def case(self, name: object = "") -> Iterator[None]:
        """One of several inputs that the scenario tries, such as those of a loop, each starting from its own state.

        If a demand inside does not hold, the scenario continues and fails at its end. So it reports which inputs fail,
        and how many. Each case must begin with its own session, or the failure of one would also be reported for the
        next; several inputs to one session are not cases. name: the input in words, for demands that do not say it
        themselves. A crash, a hang, or something unsupported ends the scenario as usual.
        """
        if self._in_case:
            raise ValueError("cases can't be nested: use case() only in the inner loop")
        self._cases += 1
        self._in_case = True
        try:
            yield
        except DemandFailed as error:
            error.case = error.case or (name if isinstance(name, str) else shown(name))
            record = self.records[-1] if self.records else self.record({})
            alike = any(one.error.check == error.check for one in self._wrong)
            picture = b"" if alike else self._taken_picture()  # only the first one for each check is reported
            self._wrong.append(_WrongCase(error, record, len(record.log), picture))
        finally:
            self._in_case = False

    @staticmethod
    @contextmanager
    def where_possible() -> Iterator[None]:
        """One of several texts or values, skipped if the target can't have it.

        So a program whose user types on one line is still tested with all other texts.
        """
        with suppress(TargetUnsupported):
            yield

    def wrong_case(self) -> DemandFailed | None:
        """The failure that `case` has held back: the first one of a demand that must hold, else the first of all."""
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
        """At the end of a scenario, raise the failure that `case` has held back."""
        error = self.wrong_case()
        if error is not None:
            raise error

    @property
    def last_steps(self) -> Sequence[Step]:
        """The steps of the last run, in which the scenario fails if it does, up to the failing step."""
        return self.records[-1].log[: self._failed_at] if self.records else ()

    def take_picture(self) -> None:
        """Keep what the target's user sees, unless already done: the scenario has failed."""
        if self._failed_at is None:
            self.picture = self._taken_picture()

    def _taken_picture(self) -> bytes:
        """A picture of the target's party that last received an input; b"" if there is none."""
        if not self.records or not isinstance(self.target, TakesPictures):
            return b""
        record = self.records[-1]
        players = {name: info.target for name, info in record.header.parties.items()}
        own = [step.party for step in record.log if players.get(step.party) == self.target.name]
        try:
            return self.target.picture(own[-1]) if own else b""
        except TargetError:
            return b""  # a picture illustrates a failure, and must not cause one

    def again(self) -> Context:
        """A fresh context like this one, before anything was done in it."""
        other = copy(self)
        other.seed, other.tried, other.records, other.readings = self.origin, 0, [], {}
        other.visited, other._cases, other._wrong, other._counted = set(), 0, [], self.steps
        other._in_case, other._failed_at, other.picture = False, None, b""
        return other

    def take_over(self, other: Context) -> None:
        """Add what was done in another context to this one."""
        vars(self).update(vars(other))

    def for_target(self, target: Target) -> Context:
        """The same context for another target; its runs are not recorded here."""
        return Context(target, self.version, self.seed, self.peer)

    def count(self, steps: int) -> None:
        """Add steps that were made in runs without a record."""
        self._counted += steps

    @property
    def steps(self) -> int:
        """The number of inputs given to parties so far."""
        return self._counted + sum(record.taken for record in self.records)

    def write_transcripts(self, folder: Path, name: str, verdict: Verdict, detail: str) -> list[Path]:
        """Write every run to FOLDER/NAME.jsonl (NAME-2.jsonl ...), as part of NAME, with the verdict on the last one.

        A failure is in the last run, and only that run is written for it. There is always one: a failure before any run
        begins leaves a run without steps. Raises OutputError.
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
        """Write what the user saw at the failure to FOLDER/NAME.png; return the file's name, "" without a picture.

        Raises OutputError.
        """
        if not self.picture:
            return ""
        path = folder / f"{name}.png"
        write_whole(path, self.picture, durable=False)
        return path.name


def _let_model_follow(parties: Mapping[str, Party], configs: Mapping[str, PartyConfig]) -> None:
    """Have the model follow all parties of a world, which is possible only if all of them run in lockstep."""
    engines = {name: party for name, party in parties.items() if isinstance(party, LockstepParty)}
    if len(engines) == len(parties):
        names = NameTable()
        for name, party in engines.items():
            party.follower = PartyModel(name, configs[name], names)
