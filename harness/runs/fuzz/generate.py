"""Random programs: from a seed and a number, what a case starts from and the moves that are made in it.

The generator is our own, so that the same seed, number and target give the same program in every checkout and on every
machine. It knows nothing of the run: what it draws does not depend on the outcome.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from otterproof.harness.runs.fuzz.actions import TABLE
from otterproof.harness.runs.fuzz.case import BOTH, CLIENTS, POLICIES, Setup
from otterproof.harness.simulation.moves import Move
from otterproof.harness.targets.engines import Target
from otterproof.implementations.contract import MIN_MESSAGE_SIZE

#: How a case starts, as often as it is there, and what a target must claim for it.
STARTS = (("3", "v3"), ("3", "v3"), ("2", "v2"), ("scratch", ""))

#: Most acts of a program; one act is one or several moves.
ACTS = 40

#: One program in so many has a correspondent, or is one, with two clients of one account.
_CROWDS = 4


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
    setup = Setup(
        network,
        source.choice(starts),
        source.choice(policies),
        source.choice([None, None, MIN_MESSAGE_SIZE, 300]),
        target=target,
        role=role,
    )
    parties = sorted(CLIENTS[network])
    moves: list[Move] = []
    for row in source.choices(TABLE, [row.weight for row in TABLE], k=source.randint(1, ACTS)):
        moves += row.moves(parties, **{name: domain.draw(source) for name, domain in row.draws.items()})
    return Program(setup, tuple(moves))
