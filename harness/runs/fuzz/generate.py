"""Random programs: a seed and a number give the setup of a case, and the moves that are made in it.

The generator is our own, so the same seed, number and target give the same program in every checkout and on every
machine. It runs nothing, so what it draws does not depend on outcomes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from otterproof.harness.runs.fuzz.actions import PLAIN, TABLE, Row
from otterproof.harness.runs.fuzz.case import BOTH, CLIENTS, POLICIES, Setup
from otterproof.harness.runs.fuzz.stories import ACTS
from otterproof.harness.simulation.moves import Move, Settle
from otterproof.harness.targets.engines import Target
from otterproof.implementations.contract import MIN_MESSAGE_SIZE

#: How a case can start, repeated by weight, and the capability that a target needs for it.
STARTS = (("3", "v3"), ("3", "v3"), ("2", "v2"), ("scratch", ""))

#: The most acts of a program, and of a plain one; an act is one or several moves.
LONGEST, _LONGEST_PLAIN = 25, 40

#: In one program out of this many, one account has two clients.
_CROWDS = 4


#: The most moves of a program, and the most messages that it delivers by `Settle`.
MOST_MOVES, MOST_SETTLED = 200, 8000

#: How many streams of randomness the parties can have, so that rare numbers come up: one in 256 begins with a zero
#: byte. If each case has to establish its session, through a driver, the stream is always the same.
_ENTROPIES = 1 << 16


#: The length of nearly every D-H Key Message of version 3, in characters: a maximum size that it just meets.
_WHOLE = 282

#: The least size makes thirty pieces of a message, whose delivery takes most of a case's time and shows little more
#: than that of seven pieces does. So it is drawn less often, with a larger one in its place.
_FEWER = {MIN_MESSAGE_SIZE: [MIN_MESSAGE_SIZE, 150, 150]}


@dataclass(frozen=True)
class Program:
    """A setup, and the moves that are made in it."""

    setup: Setup
    moves: tuple[Move, ...]


def program(seed: str, number: int, target: Target, network: str | None = None) -> Program:
    """The program of a number, for a campaign. network: "pair" or "three", drawn unless given."""
    source, setup = _beginning(seed, number, target, network, sorted(POLICIES))
    setup = _with_entropy(setup, source.randrange(1, _ENTROPIES))
    if setup.size is not None:
        size = source.choice([_WHOLE, *_FEWER.get(setup.size, [setup.size] * 3)])
        setup = replace(setup, size=size)
    return Program(setup, bounded(_moves(source, setup, ACTS, LONGEST)))


def _with_entropy(setup: Setup, entropy: int) -> Setup:
    """A setup with that randomness; sessions through a driver always begin with the same one."""
    return replace(setup, entropy=entropy if setup.start == "scratch" or setup.in_process else 0)


def with_target(setup: Setup, target: Target) -> Setup:
    """The same setup for another target, with the randomness that it can have there."""
    return _with_entropy(replace(setup, target=target), setup.entropy)


def plain_program(seed: str, number: int, target: Target, network: str | None = None) -> Program:
    """The plain program of a number: single acts, no stories. network: as for `program`.

    Scenarios use it. It stays the same over the years, so that the known deviations of a target stay known; and
    campaigns are compared with it.
    """
    source, setup = _beginning(seed, number, target, network, sorted(PLAIN))
    return Program(setup, tuple(_moves(source, setup, TABLE, _LONGEST_PLAIN)))


def _beginning(
    seed: str, number: int, target: Target, network: str | None, policies: Sequence[str]
) -> tuple[random.Random, Setup]:
    """The setup of a program, and the source that the rest of it is drawn from."""
    source = random.Random(f"{seed}/{number}".encode(errors="surrogatepass"))
    able = target.capabilities
    crowds = {"v3", "instance_tags"} <= able
    drawn = "three" if crowds and source.randrange(_CROWDS) == 0 else "pair"
    network = network or drawn
    starts = [start for start, needs in STARTS if (not needs or needs in able) and (network, start) != ("three", "2")]
    role = source.choice(sorted(CLIENTS[network]))
    speaks = Setup(target=target, role=role)
    fitting = [name for name in ["both", *policies] if speaks.allowed(role, POLICIES[name]) & BOTH]
    start, policy = source.choice(starts), source.choice(fitting)
    size = source.choice([None, None, MIN_MESSAGE_SIZE, 300])
    return source, Setup(network, start, policy, size, target=target, role=role)


def _moves(source: random.Random, setup: Setup, table: Sequence[Row], longest: int) -> list[Move]:
    """The moves of at most `longest` acts, drawn from a table."""
    parties = sorted(CLIENTS[setup.network])
    moves: list[Move] = []
    for row in source.choices(table, [row.weight for row in table], k=source.randint(1, longest)):
        moves += row.moves(parties, **row.drawn(source))
    return moves


def bounded(moves: Iterable[Move]) -> tuple[Move, ...]:
    """As many of the moves as a program may have, from the first one on."""
    kept: list[Move] = []
    settled = 0
    for move in moves:
        settled += move.limit if isinstance(move, Settle) else 0
        if len(kept) == MOST_MOVES or settled > MOST_SETTLED:
            break
        kept.append(move)
    return tuple(kept)
