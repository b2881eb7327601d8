"""Random programs: from a seed and a number, what a case starts from and the moves that are made in it.

The generator is our own, so that the same seed, number and target give the same program in every checkout and on every
machine. It knows nothing of the run: what it draws does not depend on the outcome.
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

#: How a case starts, as often as it is there, and what a target must claim for it.
STARTS = (("3", "v3"), ("3", "v3"), ("2", "v2"), ("scratch", ""))

#: Most acts of a program; one act is one or several moves.
LONGEST, _LONGEST_PLAIN = 25, 40

#: One program in so many has a correspondent, or is one, with two clients of one account.
_CROWDS = 4


#: The most moves of a program, and the most messages that it delivers by `Settle`.
MOST_MOVES, MOST_SETTLED = 200, 8000

#: Parties have so many kinds of randomness: numbers that begin with a zero byte are one in 256. Where a session is
#: brought about by each case, through a driver, it is always the same one.
_ENTROPIES = 1 << 16


#: Characters that a D-H Key Message of version 3 has nearly always: a limit that it just meets.
_WHOLE = 282


@dataclass(frozen=True)
class Program:
    """What a case is made from and the moves that are made in it; the fields of `setup` say the rest."""

    setup: Setup
    moves: tuple[Move, ...]


def program(seed: str, number: int, target: Target, network: str | None = None) -> Program:
    """The program of that number, for a campaign. network: "pair" or "three", drawn unless given."""
    source, setup = _beginning(seed, number, target, network, sorted(POLICIES))
    setup = _with_entropy(setup, source.randrange(1, _ENTROPIES))
    if setup.size is not None and source.randrange(4) == 0:
        setup = replace(setup, size=_WHOLE)
    return Program(setup, bounded(_moves(source, setup, ACTS, LONGEST)))


def _with_entropy(setup: Setup, entropy: int) -> Setup:
    """A setup of that randomness; through a driver, sessions begin with the same one always."""
    return replace(setup, entropy=entropy if setup.start == "scratch" or setup.in_process else 0)


def with_target(setup: Setup, target: Target) -> Setup:
    """The same setup for another target, with the randomness that it can have there."""
    return _with_entropy(replace(setup, target=target), setup.entropy)


def plain_program(seed: str, number: int, target: Target, network: str | None = None) -> Program:
    """The program of that number, of single acts without stories. network: as for `program`.

    It is for scenarios, which judge the same programs for long, so that what a target is known to do otherwise stays
    known; and campaigns are compared with it.
    """
    source, setup = _beginning(seed, number, target, network, sorted(PLAIN))
    return Program(setup, tuple(_moves(source, setup, TABLE, _LONGEST_PLAIN)))


def _beginning(
    seed: str, number: int, target: Target, network: str | None, policies: Sequence[str]
) -> tuple[random.Random, Setup]:
    """The setup of a program, and what the rest of it is drawn from."""
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
    """The moves of so many acts at most, drawn from a table."""
    parties = sorted(CLIENTS[setup.network])
    moves: list[Move] = []
    for row in source.choices(table, [row.weight for row in table], k=source.randint(1, longest)):
        moves += row.moves(parties, **row.drawn(source))
    return moves


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
