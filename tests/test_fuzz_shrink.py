"""Shrinking when a move changes its meaning once others are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from otterproof.harness.runs.fuzz.bucket import Bucket
from otterproof.harness.runs.fuzz.case import Setup
from otterproof.harness.runs.fuzz.execute import attempt
from otterproof.harness.runs.fuzz.generate import Program
from otterproof.harness.runs.fuzz.replays import without
from otterproof.harness.runs.fuzz.reproduce import FailsAlike
from otterproof.harness.runs.fuzz.shrink import Budget, Shrinker
from otterproof.harness.simulation.moves import Deliver, Drop, Move, Replay, Settle, Tick, User
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target

REFERENCE = EngineTarget("reference")


def _says(text: str) -> User:
    return User("bob", "send", {"text": text.encode()})


class _Replaying:
    """Fails if a certain text is replayed, in a network that only carries texts."""

    def __init__(self, text: str) -> None:
        self._wanted = _says(text)
        self.sent: Sequence[int] = ()
        self.tried = 0

    def __call__(self, program: Program) -> bool:
        self.tried += 1
        history: list[Move] = []
        sent, fails = [], False
        for move in program.moves:
            sent.append(len(history))
            if isinstance(move, User):
                history.append(move)
            elif isinstance(move, Replay):
                fails = fails or (bool(history) and history[move.index % len(history)] == self._wanted)
        self.sent = sent if fails else self.sent
        return fails


@pytest.mark.parametrize("index", [-7, 3, -17])
def test_a_replay_stays_one_of_the_same_message(index: int) -> None:
    """The fourth of ten texts is replayed, indexed from the end, from the beginning, and once around."""
    fails = _Replaying("3")
    moves: list[Move] = [*(_says(str(number)) for number in range(10)), Tick(1), Replay("alice", index), _says("10")]
    small = Shrinker(fails, Budget(), lambda: fails.sent).shrink(Program(Setup(target=REFERENCE), tuple(moves)))
    assert small.moves[:1] == (_says("3"),)
    assert [type(move) for move in small.moves[1:]] == [Replay]
    assert fails.tried < 40


def test_what_is_replayed_may_have_been_sent_before_all_moves() -> None:
    moves = (_says("0"), Settle(), Replay("alice", -5), _says("1"), Replay("alice", -6))
    sent = (4, 5, 7, 7, 8)
    assert without(moves, {0}, sent) == (Settle(), Replay("alice", -4), _says("1"), Replay("alice", -5))
    assert without(moves, {1}, sent) == (_says("0"), Replay("alice", -3), _says("1"), Replay("alice", -4))
    assert without(moves, {3}, sent) == (_says("0"), Settle(), Replay("alice", -5), Replay("alice", -5))
    assert without(moves, {0, 1, 3}, sent) == (Replay("alice", -2), Replay("alice", -2))
    assert without(moves, {1}, ()) == (moves[0], *moves[2:]), "what is sent is not known"


def test_what_is_replayed_may_go_with_its_move() -> None:
    moves = (_says("0"), _says("1"), _says("2"), Replay("alice", -2))
    assert without(moves, {1}, (0, 1, 2, 3)) == (_says("0"), _says("2"), Replay("alice", -1))


def test_what_settles_one_after_the_other_settles_in_one_move() -> None:
    """All of these messages have to be delivered, so no `Settle` can go."""

    def fails(tried: Program) -> bool:
        return sum(move.limit for move in tried.moves if isinstance(move, Settle)) >= 100

    moves: list[Move] = [Settle(), Drop("bob"), Settle(), Settle(), Deliver("alice", 3), Settle(400), Settle(900)]
    small = Shrinker(fails, Budget()).shrink(Program(Setup(target=REFERENCE), tuple(moves[:4])))
    assert small.moves == (Settle(120),)
    large = Shrinker(lambda tried: sum(getattr(move, "limit", 0) for move in tried.moves) >= 1300, Budget())
    kept = large.shrink(Program(Setup(target=REFERENCE), tuple(moves[4:])))
    assert kept.moves == (Settle(400), Settle(900)), "a file can't have one that settles more than 1000"


def test_a_run_tells_what_had_been_sent_before_each_move() -> None:
    target = open_target("fault:counter-not-checked")
    moves: list[Move] = [_says("one"), Settle(), _says("two"), _says("three"), Settle(), Replay("alice", -3), Tick(1)]
    program = Program(Setup(target=target), tuple(moves))
    failure = attempt(program)
    assert failure is not None
    fails = FailsAlike(failure.bucket, failure.at_end, Budget())
    assert not FailsAlike(Bucket("form.counter-zero"), False, Budget())(program)
    assert fails(program)
    first = fails.sent[0]
    assert [one - first for one in fails.sent] == [0, 1, 1, 2, 3, 3]
    small = Shrinker(fails, Budget(), lambda: fails.sent).shrink(replace(program, moves=tuple(moves)))
    assert [type(move) for move in small.moves] == [User, Settle, Replay]


def test_shrinking_stays_within_its_time() -> None:
    """Each attempt takes a second, and the budget is ten."""
    now = 0.0

    def fails(tried: Program) -> bool:
        nonlocal now
        now += 1
        return len(tried.moves) > 40

    moves: list[Move] = [_says("0"), Settle(), Settle(), Replay("alice", -9)] * 20
    Shrinker(fails, Budget(seconds=10, clock=lambda: now), lambda: range(len(moves))).shrink(
        Program(Setup(target=REFERENCE), tuple(moves))
    )
    assert now == 10
