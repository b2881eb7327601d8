"""The parties that oracles judge: those under test, and peers only in what concerns the parties under test."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from otterproof.harness.judges.oracles import Oracles, Reader
from otterproof.harness.runs.fuzz.case import BOTH, CLIENTS, Case
from otterproof.harness.simulation.moves import Deliver, Drop, Duplicate, Inject, Move, Settle, Shuffle, User
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.targets.engines import SingleEngineTarget
from otterproof.harness.targets.faults import engine
from otterproof.harness.testkit.keys import published_key
from otterproof.implementations.contract import PartyConfig
from otterproof.implementations.entropy import SeededEntropy
from otterproof.implementations.reference import ReferenceEngine
from tests.raising import raises_check

TALK: Sequence[Move] = [
    User("alice", "start"),
    Settle(100),
    *[
        one
        for name in ("alice", "bob") * 3
        for one in (User(name, "send", {"text": b"from " + name.encode()}), Settle())
    ],
]


def judged(fault: str, under_test: set[str] | None) -> World:
    """A world with all oracles, in which alice has a fault."""
    configs = {name: PartyConfig(published_key(key), BOTH, tag) for name, (key, tag) in CLIENTS["pair"].items()}
    parties = {
        name: (engine(fault) if name == "alice" else ReferenceEngine)(config, SeededEntropy(name.encode()))
        for name, config in configs.items()
    }
    world = World(parties, {"alice": ["bob"], "bob": ["alice"]})
    world.watchers.append(Oracles(world, configs=configs, under_test=under_test))
    return world


def test_what_a_peer_does_wrong_by_itself_is_not_judged() -> None:
    judged("mac-keys-never-revealed", {"bob"}).run(TALK)
    for under_test in ({"alice"}, {"alice", "bob"}, None):
        with raises_check("mac-revelation.not-revealed"):
            judged("mac-keys-never-revealed", under_test).run(TALK)


def test_what_two_sides_make_of_each_other_is_judged_on_both() -> None:
    with raises_check("authenticity.text-changed"):
        judged("text-shown-twice", {"bob"}).run(TALK)


def test_a_peer_that_breaks_down_is_told() -> None:
    world = judged("unknown-type-crashes", {"bob"})
    with raises_check("bounds.breaks-down"):
        world.run([*TALK, Inject("alice", b"?OTR:AAN/AAArKwAAGho=.")])


@pytest.mark.parametrize("role", ["alice", "bob"])
def test_a_case_tests_its_target(role: str) -> None:
    """With a target, the others are peers; without one, every party is an engine under test."""
    target = SingleEngineTarget("faulty", engine("mac-keys-never-revealed"))
    with raises_check("mac-revelation.not-revealed"):
        Case(target=target, role=role, start="scratch").run(TALK)
    with raises_check("mac-revelation.not-revealed"):
        Case(engine=engine("mac-keys-never-revealed"), start="scratch").run(TALK)


def test_fragments_of_a_peer_are_followed_as_others_are() -> None:
    """Also those that no oracle is shown."""
    chaos: Sequence[Move] = [
        User("alice", "start"),
        Settle(5),
        Shuffle("bob", 1),
        Settle(100),
        *TALK,
        User("alice", "send", {"text": b"in pieces" * 40}),
        Duplicate("bob", 3),
        Deliver("bob"),
        Drop("bob", 5),
        Settle(100),
        Inject("bob", b"?OTR|1234,5678,1,2,no number is too small,"),
        Inject("bob", b"?OTR,1,2"),
        *TALK,
    ]
    case = Case(size=64, target=SingleEngineTarget("reference", ReferenceEngine))
    configs = case.setup.configs()
    case.begin()
    reader = Reader(case.world, configs)
    readers = (reader, case.oracles.reader)
    stores: list[list[object]] = []

    def follow(step: Step) -> None:
        reader.view(step)
        stores.append([one.snapshot()["_stores"].get("bob", {}) for one in readers])

    case.world.judges.append(follow)
    case.run(chaos)
    case.world.judges.remove(follow)
    assert sum(bool(mine) for mine, _ in stores) > 50
    assert all(mine == its for mine, its in stores)
