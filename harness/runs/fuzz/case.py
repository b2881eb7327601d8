"""A case: a simulated world with oracles, in which a program of moves runs and every step is judged.

The same setup and program always give the same run, so a case that fails is a test: printed, it is a Python program
that can be pasted into a file and fails again. Either a target, which need not be an engine, plays one party and the
reference engine the others, or all parties are engines. If all of them have snapshots, a case starts in a session that
was established once, and pays for no handshake. [prepared.py; kept.py for drivers that keep copies of themselves]
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from types import TracebackType

from otterproof.harness.judges.model import NameTable, PartyModel
from otterproof.harness.judges.oracles import ORACLES, RENEWALS, Oracles
from otterproof.harness.judges.oracles.memory import Forgetting
from otterproof.harness.runs.fuzz.excuses import Excusing
from otterproof.harness.runs.fuzz.prepared import Prepared, Session
from otterproof.harness.runs.fuzz.source import Source
from otterproof.harness.simulation.moves import Craft, Move, Settle, User
from otterproof.harness.simulation.world import World
from otterproof.harness.support.excused import excusing
from otterproof.harness.targets.driver import TargetUnsupported
from otterproof.harness.targets.engines import EngineTarget, InProcess, Target
from otterproof.harness.targets.lockstep import EngineFactory, LockstepParty
from otterproof.harness.targets.party import Party
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.keys import long_key, published_key
from otterproof.implementations.contract import MAX_PADDING, Entropy, Event, PartyConfig, Policy
from otterproof.implementations.entropy import RecordingEntropy, SeededEntropy, Tape
from otterproof.implementations.reference import ReferenceEngine

#: Both versions of the protocol, and no other flag.
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3

#: The flags for which a party must understand the whitespace tag.
TAGS = Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE

#: The seed of all randomness of parties, together with the entropy number of the setup.
SEED = b"machine"

#: The project's two engines in lockstep, so that every case also tests whether they agree.
both_engines = EngineTarget("reference").engine

#: The policies that cases are made with; every flag is in one of them.
POLICIES = {
    "both": BOTH,
    "v2": Policy.ALLOW_V2,
    "v3": Policy.ALLOW_V3,
    "private": BOTH | Policy.REQUIRE_ENCRYPTION | Policy.ERROR_START_AKE,
    "tagging": BOTH | Policy.SEND_WHITESPACE_TAG,
    "eager": BOTH | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE,
}

#: The clients of each kind of network: name -> (key, instance tag).
CLIENTS: dict[str, dict[str, tuple[str, int]]] = {
    "pair": {"alice": ("alice", 0x1A1A), "bob": ("bob", 0x2B2B)},
    "three": {"alice": ("alice", 0x1A1A), "bob1": ("bob", 0x2B01), "bob2": ("bob", 0xFEED2B02)},
}

#: The published key that none of these clients has.
STRANGER = "mallory"

#: The capability that a target needs for an action.
_NEEDS = {"smp_start": "smp", "smp_answer": "smp", "smp_abort": "smp_abort", "extra_key": "extra_key"}


#: The largest numbers that TLV fields hold, by the argument that goes there.
_LARGEST = {"padding": MAX_PADDING, "use": 0xFFFFFFFF}


def _number(argument: object) -> int:
    return argument if isinstance(argument, int) else 0


@dataclass(frozen=True)
class Setup:
    """What a case starts from, and who judges it.

    start: "scratch", or the protocol version of the sessions in which it starts. size: alice's maximum message size.
    oracles: ids, () for all. target: plays the party `role`; None: `engine` makes all parties. excused: the checks that
    are known to fail, perhaps only in some buckets; the run goes on past them. [Excuse] entropy: selects the parties'
    randomness. Between engines it applies only once the case has started, so that sessions need not be established for
    each number.
    """

    network: str = "pair"
    start: str = "3"
    policy: str = "both"
    size: int | None = None
    engine: EngineFactory = both_engines
    oracles: tuple[str, ...] = ()
    target: Target | None = None
    role: str = "alice"
    excused: tuple[str, ...] = ()
    entropy: int = 0

    def case(self, *, fresh: bool = False, cleared: bool = False, session: Session | None = None) -> Case:
        """A case of this setup."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return Case(**own, fresh=fresh, cleared=cleared, session=session)

    def configs(self) -> dict[str, PartyConfig]:
        """The configurations of the parties. The target is asked for nothing that it does not claim to support."""
        made = {}
        for name, (key, tag) in CLIENTS[self.network].items():
            policy, size = self.allowed(name, POLICIES[self.policy]), self.size if name == "alice" else None
            if self._plays(name) and "fragmentation_out" not in self.capabilities:
                size = None
            made[name] = PartyConfig(published_key(key), policy, tag, size, heartbeat_interval=60)
        return made

    @property
    def judging(self) -> Collection[str]:
        """The oracles that judge: the chosen ones, else all that can judge the target."""
        if self.oracles or self.target is None:
            return self.oracles or ORACLES
        foreign = not self.in_process
        untold = RENEWALS if self.target.silent_refresh else frozenset()
        return [one for one in ORACLES if one not in untold and not (foreign and one == Forgetting.id)]

    @property
    def seed(self) -> bytes:
        """The seed of the parties' randomness."""
        return SEED + b" %d" % self.entropy if self.entropy else SEED

    @property
    def part(self) -> str:
        """Which party the target plays, and how the conversation begins, in words."""
        begins = "without a session" if self.start == "scratch" else f"in a session of version {self.start}"
        return f"{self.role}, beginning {begins}"

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities of the target; empty without one."""
        return self.target.capabilities if self.target is not None else frozenset()

    @property
    def in_process(self) -> bool:
        """Whether all parties are engines in this process, whose state can be restored."""
        return isinstance(self.target, InProcess | None)

    def _plays(self, name: str) -> bool:
        return self.target is not None and name == self.role

    def sets_policy(self, name: str) -> bool:
        """Whether a party's policy can be changed; if not, the other side determines the version."""
        return not (self._plays(name) and self.target is not None and self.target.fixed_policy is not None)

    def allowed(self, name: str, policy: Policy) -> Policy:
        """The part of a policy that a party supports: its versions, and other flags only if it obeys them."""
        if self._plays(name):
            if self.target is not None and self.target.fixed_policy is not None:
                return self.target.fixed_policy
            if "policy" not in self.capabilities:
                policy &= BOTH
            if "whitespace_tag" not in self.capabilities:
                policy &= ~TAGS
            for version, flag in (("v2", Policy.ALLOW_V2), ("v3", Policy.ALLOW_V3)):
                if version not in self.capabilities:
                    policy &= ~flag
        return policy

    def fitted(self, move: Move) -> Move | None:
        """A move as it can be made here; None for one that the target does not claim to support."""
        if not isinstance(move, User) or not self._plays(move.party):
            return move
        asks_question = move.args.get("question") is not None
        needed = _NEEDS.get(move.action)
        if needed is not None and needed not in self.capabilities:
            return None
        if asks_question and "smp_question" not in self.capabilities:
            return None
        if not self.in_process and any(_number(move.args.get(name)) > most for name, most in _LARGEST.items()):
            return None  # the protocol can't express it, and only engines have to refuse it
        fixed, longest = (None, None) if self.target is None else (self.target.fixed_policy, self.target.longest_text)
        text = move.args.get("text")
        if longest is not None and isinstance(text, bytes) and len(text) > longest:
            return None
        if fixed is not None and move.action == "set_policy":
            return None
        if isinstance(policy := move.args.get("policy"), Policy):
            policy = self.allowed(move.party, policy)
            if "policy" not in self.capabilities and not policy:
                return None  # it is not known whether that switches OTR off
            return User(move.party, move.action, {"policy": policy})
        return move


class Case:
    """A world with oracles, from a setup: `Case(start="2").run([Deliver("bob"), ...])`, then `finish()`.

    target: a target, or the name of one; a named one is started, and ended on leaving the context manager. fresh: begin
    with parties that have done nothing yet, even if a snapshot would do, to have the whole run. cleared: the target has
    no parties already. session: one of this setup that its driver has kept, to begin in.
    """

    def __init__(
        self,
        network: str = "pair",
        start: str = "3",
        policy: str = "both",
        size: int | None = None,
        engine: EngineFactory = both_engines,
        oracles: tuple[str, ...] = (),
        target: Target | str | None = None,
        role: str = "alice",
        excused: tuple[str, ...] = (),
        entropy: int = 0,
        *,
        fresh: bool = False,
        cleared: bool = False,
        session: Session | None = None,
    ) -> None:
        self._owned = open_target(target) if isinstance(target, str) else None
        player = self._owned if isinstance(target, str) else target
        self.setup = Setup(network, start, policy, size, engine, oracles, player, role, excused, entropy)
        self.program: list[Move] = []
        #: The kept session in which it begins, if there is one.
        self.session = session
        prepared = session.prepared if session is not None else None
        if self.setup.in_process and not fresh:
            prepared = _prepared(replace(self.setup, entropy=0))
        #: Whether it begins in an established session.
        self.established = prepared is not None and start != "scratch"
        self._excuses = Excusing(excused, role, established=self.established)
        #: What each of our parties drew until the case started; {} before that, and if one seed determines everything.
        self.tapes: dict[str, Tape] = {}
        self._opening: list[Move] = []
        self._started = False
        if session is not None:
            self._excuses.met.update(session.met)
        if prepared is not None:
            prepared.go_back()
            self.world, self.oracles, self.entropy = prepared.world, prepared.oracles, prepared.entropy
        else:
            if player is not None and not cleared:
                player.reset()
            begins = replace(self.setup, entropy=0) if self.setup.in_process else self.setup
            self.world, self.oracles, self.entropy = _world(begins)
            self._opening = opening(self.setup)

    def __enter__(self) -> Case:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._owned is not None:
            self._owned.close()

    def begin(self) -> None:
        """Establish the sessions in which the case starts, unless that has been done. `run` and `finish` do so."""
        if self._started:
            return
        while self._opening:
            self._make(self._opening.pop(0))
        self._started = True
        if self.setup.entropy and self.setup.in_process:
            self.tapes = {name: source.snapshot() for name, source in self.entropy.items()}
            for name, source in self.entropy.items():
                source.go_on(SeededEntropy(self.setup.seed).child(name))

    def run(self, moves: Iterable[Move]) -> list[Event]:
        """Make moves, each judged; returns all events. What the target says that it can't do is skipped."""
        self.begin()
        events: list[Event] = []
        for move in moves:
            self.program.append(move)
            events.extend(self._make(move))
        return events

    def settle(self) -> None:
        """Deliver what is under way, as a move of the program."""
        self.run([Settle()])

    def _make(self, move: Move) -> Iterable[Event]:
        fitted = self.setup.fitted(move)
        if fitted is None:
            return ()
        if isinstance(fitted, Craft):
            _unfollow(self.world)  # the model does not know what an insider encrypts
        try:
            if not self.setup.excused:
                return self.world.apply(fitted)
            with self._passing_over():
                return self.world.apply(fitted)
        except TargetUnsupported:
            return ()

    def _excusing(self) -> AbstractContextManager[None]:
        """Inside, failures of the excused checks are skipped."""
        return self._passing_over() if self.setup.excused else nullcontext()

    @contextmanager
    def _passing_over(self) -> Iterator[None]:
        self.world.judges.insert(0, self._excuses)
        try:
            with excusing(self._excuses.checks, self._excuses.is_excused):
                yield
        finally:
            self.world.judges.remove(self._excuses)

    @property
    def at_end(self) -> bool:
        """Whether the moves are over."""
        return self._excuses.at_end

    def catch_up(self) -> None:
        """Have the steps judged that have not been. [otterproof.harness.runs.fuzz.late]"""
        with self._excusing():
            self.world.catch_up()

    @property
    def passed_over(self) -> set[str]:
        """The excuses that covered a failure."""
        return self._excuses.met

    def finish(self) -> None:
        """End the run: restore the policies of the start, then require that the parties can talk again."""
        self.begin()
        self.catch_up()
        self._excuses.at_end = True
        for name, config in self.setup.configs().items():
            if not self.setup.sets_policy(name):
                continue
            with self._excusing():
                self.world.user(name, "set_policy", policy=config.policy)
        if "healing" in self.setup.judging:
            with self._excusing():
                self.oracles.check_healing()
        self.catch_up()

    def forget(self) -> None:
        """End the target's party, as the case is over. TargetError when the target breaks down over that."""
        if self.session is not None:
            self.session.end()
        elif self.setup.target is not None:
            self.setup.target.finish()

    def __str__(self) -> str:
        """The run as a program that can be pasted into a file and run."""
        setup = self.setup
        # In a file, a target is opened by its name; an engine of the reader's own must exist under its name.
        maker = getattr(setup.engine, "__self__", None)
        opened = ""
        if setup.target is not None:
            chosen = f"target={setup.target.name!r}, role={setup.role!r}"
        elif setup.engine is both_engines:
            chosen = ""
        elif isinstance(maker, InProcess):
            chosen, opened = f"engine=open_target({maker.name!r}).engine", "open_target"
        else:
            chosen = f"engine={getattr(setup.engine, '__name__', '...')}"
        source = Source(case_source(setup, chosen), tuple(self.program))
        return source.imports(opened) + "\n" + source.body()


def case_source(setup: Setup, chosen: str, maker: str = "Case") -> str:
    """The call that makes a case, as Python. chosen: the arguments that say who plays. maker: the function called."""
    names = [f"{name}={getattr(setup, name)!r}" for name in ("network", "start", "policy", "size")]
    more = [f"{name}={value!r}" for name in ("oracles", "excused", "entropy") if (value := getattr(setup, name))]
    return f"{maker}({', '.join([*names, *([chosen] if chosen else []), *more])})"


def opening(setup: Setup) -> list[Move]:
    """The moves that establish the sessions in which a case starts."""
    if setup.start == "scratch":
        return []
    only = Policy.ALLOW_V2 if setup.start == "2" else Policy.ALLOW_V3
    configs = setup.configs()
    return [
        *(User(name, "set_policy", {"policy": only}) for name in configs if setup.sets_policy(name)),
        User("alice", "start", {}),
        Settle(1000),
        *(User(name, "set_policy", {"policy": one.policy}) for name, one in configs.items() if setup.sets_policy(name)),
    ]


def _world(setup: Setup) -> tuple[World, Oracles, Mapping[str, RecordingEntropy]]:
    configs = setup.configs()
    entropy = {name: RecordingEntropy(SeededEntropy(setup.seed).child(name)) for name in configs}
    parties = {name: party_of(setup, name, config, entropy[name]) for name, config in configs.items()}
    engines = {name: party for name, party in parties.items() if isinstance(party, LockstepParty)}
    names = NameTable()
    for name, party in engines.items():
        party.name = name
        if len(engines) == len(parties):  # the model follows all of them or none
            party.follower = PartyModel(name, configs[name], names)
    others = {
        "alice": [name for name in configs if name != "alice"],
        **{name: ["alice"] for name in configs if name != "alice"},
    }
    world = World(parties, others)
    strangers = {STRANGER: published_key(STRANGER), f"{STRANGER}, with a long key": long_key()}
    world.keys = {name: config.key for name, config in configs.items()} | strangers
    foreign = {} if setup.in_process else {setup.role: setup.capabilities}
    drawn = {name: tape_of(source) for name, source in entropy.items() if name not in foreign}
    under_test = None if setup.target is None else {setup.role}
    oracles = Oracles(world, *setup.judging, configs=configs, drawn=drawn, foreign=foreign, under_test=under_test)
    world.judges.append(oracles)
    return world, oracles, entropy


def _unfollow(world: World) -> None:
    """Stop the model from following any party in this case."""
    for party in world.parties.values():
        if isinstance(party, LockstepParty):
            party.follower = None


def party_of(setup: Setup, name: str, config: PartyConfig, entropy: Entropy) -> Party:
    """Make a party of a setup: the target plays its role, engines the others."""
    if setup.target is None:
        return setup.engine(config, entropy)
    if name != setup.role:
        return LockstepParty(name, {"reference": ReferenceEngine(config, entropy)})
    if isinstance(setup.target, InProcess):
        return setup.target.engine(config, entropy)
    return setup.target.party(name, config, setup.seed)


def tape_of(source: RecordingEntropy) -> Callable[[], Mapping[tuple[str, int], bytes]]:
    """A function that returns what a source has given so far, for the oracles."""
    return lambda: source.drawn


@lru_cache(maxsize=128)  # bounded, for one process may judge many targets
def _prepared(setup: Setup) -> Prepared:
    world, oracles, entropy = _world(setup)
    world.run(opening(setup))
    return Prepared(world, oracles, entropy)


def forget_worlds() -> None:
    """Make the next case of each setup establish its sessions again."""
    _prepared.cache_clear()
