"""Random conversations under an adversary, as Hypothesis state machines; every step is judged by the oracles.

A machine draws moves and makes them in a world. What it made is a program, a list of moves, and a run that fails
prints it as a Python program: pasted into a file it fails again, without Hypothesis. Most cases start in a session that
was brought about once and is taken from a snapshot, so they pay for no handshake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import cast

from harness.keys import test_key
from harness.lockstep import EngineFactory, LockstepParty
from harness.model import Book, PartyModel
from harness.network import Deliver, Move
from harness.oracles import Oracles
from harness.targets import EngineTarget, LockstepTarget
from harness.world import World
from implementations.contract import Engine, Event, PartyConfig, Policy
from implementations.entropy import RecordingEntropy, SeededEntropy

#: Both versions, and nothing else.
BOTH = Policy.ALLOW_V2 | Policy.ALLOW_V3


#: The two engines of the project in lockstep, so that every case also asks whether they agree (I15).
both_engines = EngineTarget("reference").engine


#: The policies that cases are made with; every flag is in one of them.
POLICIES = {
    "both": BOTH,
    "v2": Policy.ALLOW_V2,
    "v3": Policy.ALLOW_V3,
    "private": BOTH | Policy.REQUIRE_ENCRYPTION | Policy.ERROR_START_AKE,
    "eager": BOTH | Policy.SEND_WHITESPACE_TAG | Policy.WHITESPACE_START_AKE,
}

#: The clients of each kind of network: name -> (key, instance tag).
CLIENTS: dict[str, dict[str, tuple[str, int]]] = {
    "pair": {"alice": ("alice", 0x1A1A), "bob": ("bob", 0x2B2B)},
    "three": {"alice": ("alice", 0x1A1A), "bob1": ("bob", 0x2B01), "bob2": ("bob", 0xFEED2B02)},
}


@dataclass(frozen=True)
class Setup:
    """What a case starts from, and who judges it.

    start: "scratch", or the protocol version in which the sessions are encrypted. oracles: ids, all if there are none.
    """

    network: str = "pair"
    start: str = "3"
    policy: str = "both"
    size: int | None = None
    engine: EngineFactory = both_engines
    oracles: tuple[str, ...] = ()

    def configs(self) -> dict[str, PartyConfig]:
        policy = POLICIES[self.policy]
        return {
            name: PartyConfig(test_key(key), policy, tag, self.size if name == "alice" else None, heartbeat_interval=60)
            for name, (key, tag) in CLIENTS[self.network].items()
        }


class Case:
    """A world with oracles, from a setup: `Case(start="2").run([Deliver("bob"), ...])`, then `finish()`."""

    def __init__(
        self,
        network: str = "pair",
        start: str = "3",
        policy: str = "both",
        size: int | None = None,
        engine: EngineFactory = both_engines,
        oracles: tuple[str, ...] = (),
    ) -> None:
        self.setup = Setup(network, start, policy, size, engine, oracles)
        self.world, self.oracles, saved = _prepared(self.setup)
        _restore(self.world, self.oracles, saved)
        self.program: list[Move] = []

    def run(self, moves: Iterable[Move]) -> list[Event]:
        """Make moves, each judged; all events."""
        events: list[Event] = []
        for move in moves:
            self.program.append(move)
            events.extend(self.world.apply(move))
        return events

    def settle(self, limit: int = 40) -> None:
        """Deliver what is under way, in order, as moves of the program; at most `limit` messages."""
        for _ in range(limit):
            name = next((name for name, queue in self.world.network.queues.items() if queue), None)
            if name is None:
                return
            self.run([Deliver(name)])

    def finish(self) -> None:
        """The end of the run: all policies are as they were at first, and the parties can talk again."""
        for name, config in self.setup.configs().items():
            self.world.user(name, "set_policy", policy=config.policy)
        if not self.setup.oracles or "I3" in self.setup.oracles:
            self.oracles.check_healing()

    def __str__(self) -> str:
        """The run as a program, with all that it needs to be pasted into a file and run."""
        setup = self.setup
        arguments = [repr(one) for one in (setup.network, setup.start, setup.policy, setup.size)]
        # Pasted, a target is made anew by its name; an engine of the reader's own must be there under its name.
        target = getattr(setup.engine, "__self__", None)
        made = setup.engine is not both_engines and isinstance(target, LockstepTarget)
        if isinstance(target, LockstepTarget) and made:
            arguments.append(f"engine=make({target.name!r}).engine")
        elif setup.engine is not both_engines:
            arguments.append(f"engine={getattr(setup.engine, '__name__', '...')}")
        if setup.oracles:
            arguments.append(f"oracles={setup.oracles!r}")
        names = ", ".join(sorted({type(move).__name__ for move in self.program}))
        lines = "".join(f"        {as_source(move)},\n" for move in self.program)
        return (
            (f"from harness.network import {names}\n" if names else "")
            + ("from harness.roster import make\n" if made else "")
            + "from implementations.contract import Policy\n"
            + "from scenarios.machines import Case\n\n"
            + f"case = Case({', '.join(arguments)})\n"
            + f"case.run(\n    [\n{lines}    ]\n)\n"
            + "case.finish()\n"
        )


def as_source(move: Move) -> str:
    """A move as Python source, without the names of its fields."""
    return f"{type(move).__name__}({', '.join(repr(getattr(move, one.name)) for one in fields(move))})"


def _world(setup: Setup) -> tuple[World, Oracles]:
    entropy = {name: RecordingEntropy(SeededEntropy(b"machine").child(name)) for name in setup.configs()}
    configs = setup.configs()
    parties = {name: setup.engine(config, entropy[name]) for name, config in configs.items()}
    book = Book()
    for name, party in parties.items():
        if isinstance(party, LockstepParty):
            party.name = name
            party.follower = PartyModel(name, configs[name], book)
    others = {
        "alice": [name for name in configs if name != "alice"],
        **{name: ["alice"] for name in configs if name != "alice"},
    }
    world = World(parties, others)
    drawn = {name: _tape(source) for name, source in entropy.items()}
    oracles = Oracles(world, *setup.oracles, configs=configs, drawn=drawn)
    world.watchers.append(oracles)
    return world, oracles


def _tape(source: RecordingEntropy) -> Callable[[], Mapping[tuple[str, int], bytes]]:
    return lambda: source.drawn


@cache
def _prepared(setup: Setup) -> tuple[World, Oracles, object]:
    """The world of a setup and its state at the start. It is used by one case at a time."""
    world, oracles = _world(setup)
    if setup.start != "scratch":
        only = Policy.ALLOW_V2 if setup.start == "2" else Policy.ALLOW_V3
        for name in world.parties:
            world.user(name, "set_policy", policy=only)
        world.user("alice", "start")
        world.settle()
        for name, config in setup.configs().items():
            world.user(name, "set_policy", policy=config.policy)
    return world, oracles, _save(world, oracles)


def _engines(world: World) -> Iterator[tuple[str, Engine]]:
    """The parties, which the world knows by less than they can do."""
    return ((name, cast(Engine, party)) for name, party in world.parties.items())


def _save(world: World, oracles: Oracles) -> object:
    states = {name: party.snapshot() for name, party in _engines(world)}
    return states, world.network.snapshot(), world.now, world.steps, oracles.snapshot()


def _restore(world: World, oracles: Oracles, saved: object) -> None:
    match saved:
        case (dict() as states, tuple() as network, int() as now, int() as steps, dict() as judged):
            for name, party in _engines(world):
                party.restore(states[name])
            world.network.restore(network)
            world.now, world.steps = now, steps
            oracles.restore(judged)
        case _:
            raise TypeError("not a saved world; pass what _save returned")
