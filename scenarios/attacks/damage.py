"""What an attacker without keys can do to single messages, done to every kind of message, systematically.

Engines can be taken back to the moment before a message arrived, so that one conversation serves for thousands of
attacks. Both engines and the model see each of them. (Needs "lockstep": only engines of this project have it.)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, Pair, PairCheckpoint, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire.mutate import flip_bit, truncate
from otterproof.implementations.contract import (
    Established,
    Event,
    ExtraKey,
    Finished,
    SmpFinished,
    SmpRequested,
    TextReceived,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """The world just before a genuine message reaches the target."""

    pair: PairCheckpoint
    message: bytes


def _arrivals(pair: Pair) -> Iterator[Moment]:
    """A conversation with every kind of message; each time one reaches the target, the moment before."""

    def settle() -> Iterator[Moment]:
        queues = pair.world.network.queues
        while queues[TARGET] or queues[PEER]:
            if queues[TARGET]:
                message = queues[TARGET].pop(0)
                yield Moment(pair.checkpoint(), message)
                pair.world.step(TARGET, "receive", {"message": message})
            else:
                pair.world.step(PEER, "receive", {"message": queues[PEER].pop(0)})

    for asks in (TARGET, PEER):  # so that the target has each part in the handshake once
        pair.world.user(asks, "start")
        yield from settle()
    for number in range(2):
        pair.world.user(PEER, "send", text=b"to the target %d" % number)
        pair.world.user(TARGET, "send", text=b"to the peer %d" % number)
        yield from settle()


def _kinds(pair: Pair) -> list[Moment]:
    """One moment for each kind of encoded message that reaches the target."""
    moments: dict[str, Moment] = {}
    for moment in _arrivals(pair):
        message = wire.parse(moment.message)
        if message.kind in wire.ENCODED:
            moments[message.kind] = moment
    check(len(moments) == 5, f"the conversation has all five kinds of encoded messages, and had {sorted(moments)}")
    return list(moments.values())


#: Events that show that the target took something for genuine.
_ACCEPTED = (TextReceived, Established, Finished, SmpRequested, SmpFinished, ExtraKey)


def _attack(pair: Pair, moment: Moment, message: bytes) -> list[Event]:
    """Hand a message to the target at that moment; what it took for genuine."""
    pair.restore(moment.pair)
    events = pair.world.step(TARGET, "receive", {"message": message})
    return [event for event in events if isinstance(event, _ACCEPTED)]


def _genuine_still_works(pair: Pair, moment: Moment, after: Callable[[], bytes]) -> None:
    """After an attack the genuine message must have the effect that it has without."""
    pair.restore(moment.pair)
    expected = pair.world.step(TARGET, "receive", {"message": moment.message})
    pair.restore(moment.pair)
    pair.world.step(TARGET, "receive", {"message": after()})
    found = pair.world.step(TARGET, "receive", {"message": moment.message})
    check(list(expected) == list(found), "the genuine message has the same effect after a forged one")


def _authenticated(message: bytes) -> int:
    """How many leading bytes of the binary message are protected: all, but for the revealed keys of a data message."""
    parsed = wire.parse(message)
    return len(parsed.mac_input()) + 20 if parsed.kind is wire.Kind.DATA else len(parsed.body)


@scenario(needs=("lockstep",), requirements=("!ARMOUR-PARSE-6", "!TYPES-DATA-2", "!ROBUST-INPUT-2"))
def every_truncation(context: Context) -> None:
    """A message of any kind, cut off anywhere, is not acted upon, and the whole one still works afterwards."""
    pair = context.pair()
    for moment in _kinds(pair):
        size = len(wire.parse(moment.message).body)
        for length in range(size):
            accepted = _attack(pair, moment, truncate(moment.message, length))
            check(not accepted, f"nothing comes of {length} of {size} bytes, and there was {accepted}")
        for length in (0, 2, 10, size // 2, size - 1):
            _genuine_still_works(pair, moment, lambda length=length, moment=moment: truncate(moment.message, length))  # type: ignore[misc]


@scenario(needs=("lockstep",), requirements=("!DATA-MAC-2", "!AKE-VERIFY-6", "!ROBUST-INPUT-2", "!DATA-RECV-12"))
def bit_flips(context: Context) -> None:
    """A message of any kind with any protected bit inverted yields no text, no session, no SMP; the genuine one still
    works.

    Every bit of the first 40 bytes is tried, and a sample of the others.
    """
    pair, choose = context.pair(), random.Random(context.seed)
    for moment in _kinds(pair):
        protected = 8 * _authenticated(moment.message)
        bits = [*range(min(320, protected)), *choose.sample(range(protected), min(protected, 300))]
        for bit in bits:
            accepted = _attack(pair, moment, flip_bit(moment.message, bit))
            check(not accepted, f"nothing comes of bit {bit} inverted, and there was {accepted}")


@scenario(needs=("lockstep",), requirements=("!DATA-RECV-13", "!DATA-CTR-3", "!AKE-FRESH-1"))
def replays(context: Context) -> None:
    """Every message of a whole conversation, handed over again at every later moment, is not delivered again."""
    pair = context.pair()
    moments = list(_arrivals(pair))
    for index, later in enumerate(moments):
        for earlier in moments[:index]:
            if earlier.message == later.message or not earlier.message.startswith(b"?OTR:"):
                continue
            accepted = _attack(pair, later, earlier.message)
            check(not accepted, f"an earlier message is not accepted again, and gave {accepted}")
