"""Random programs: from a seed and a number, what a case starts from and the moves that are made in it.

The generator is our own, so that the same seed, number and target give the same program in every checkout and on every
machine. It knows nothing of the run: what it draws does not depend on the outcome.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from otterproof.harness.runs.fuzz.case import BOTH, CLIENTS, POLICIES, Setup
from otterproof.harness.runs.fuzz.stories import ACTS
from otterproof.harness.simulation.moves import Move, Settle
from otterproof.harness.targets.engines import Target
from otterproof.implementations.contract import MIN_MESSAGE_SIZE

#: How a case starts, as often as it is there, and what a target must claim for it.
STARTS = (("3", "v3"), ("3", "v3"), ("2", "v2"), ("scratch", ""))

#: Most acts of a program; one act is one or several moves.
LONGEST = 25

#: One program in so many has a correspondent, or is one, with two clients of one account.
_CROWDS = 4


#: The most moves of a program, and the most messages that it delivers by `Settle`.
MOST_MOVES, MOST_SETTLED = 200, 8000

#: So many cases that start without a session have parties of other randomness: numbers that begin with a zero byte are
#: one in 256. The sessions of the others were brought about once, and are the same.
_ENTROPIES = 1 << 16


@dataclass(frozen=True)
class Program:
    """What a case is made from and the moves that are made in it; the fields of `setup` say the rest."""

    setup: Setup
    moves: tuple[Move, ...]


def program(seed: str, number: int, target: Target, network: str | None = None) -> Program:
    """The program of that number. network: "pair" or "three", drawn unless given."""
    source = random.Random(f"{seed}/{number}".encode(errors="surrogatepass"))
    able = target.capabilities
    crowds = {"v3", "instance_tags"} <= able
    drawn = "three" if crowds and source.randrange(_CROWDS) == 0 else "pair"
    network = network or drawn
    starts = [start for start, needs in STARTS if (not needs or needs in able) and (network, start) != ("three", "2")]
    role = source.choice(sorted(CLIENTS[network]))
    speaks = Setup(target=target, role=role)
    policies = [name for name in ["both", *sorted(POLICIES)] if speaks.allowed(role, POLICIES[name]) & BOTH]
    start = source.choice(starts)
    setup = Setup(
        network,
        start,
        source.choice(policies),
        source.choice([None, None, MIN_MESSAGE_SIZE, 300]),
        target=target,
        role=role,
        entropy=source.randrange(1, _ENTROPIES) if start == "scratch" else 0,
    )
    parties = sorted(CLIENTS[network])
    moves: list[Move] = []
    for row in source.choices(ACTS, [row.weight for row in ACTS], k=source.randint(1, LONGEST)):
        moves += row.moves(parties, **{name: domain.draw(source) for name, domain in row.draws.items()})
    return Program(setup, bounded(moves))


def bounded(moves: Iterable[Move]) -> tuple[Move, ...]:
    """The first of some moves, as many as a program may have."""
    kept: list[Move] = []
    settled = 0
    for move in moves:
        settled += move.limit if isinstance(move, Settle) else 0
        if len(kept) == MOST_MOVES or settled > MOST_SETTLED:
            break
        kept.append(move)
    return tuple(kept)
