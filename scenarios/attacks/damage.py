"""What an attacker without keys can do to single messages, tried systematically on every kind of message.

The engines can return to the moment before a message arrived, so one conversation serves for thousands of attacks. The
target, the other engine and the model all see each attack. (These scenarios need "lockstep", which only this project's
engines have.)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.testkit.context import PEER, TARGET, Context, Pair, PairCheckpoint, check
from otterproof.harness.testkit.reply import Reply
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire.mutate import flip_bit, truncate
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    Event,
    ExtraKeyDerived,
    PeerEndedSession,
    SessionEstablished,
    SmpFinished,
    SmpRequested,
    TextReceived,
)


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of the world just before a genuine message reaches the target."""

    pair: PairCheckpoint
    message: bytes


def _arrivals(pair: Pair) -> Iterator[Moment]:
    """Play a conversation with every kind of message; yield the moment before each message that reaches the target."""

    def settle() -> Iterator[Moment]:
        for name, message in pair.world.network.deliveries(to=(TARGET, PEER)):
            if name == TARGET:
                yield Moment(pair.checkpoint(), message)
            pair.deliver(name, message)

    for asks in (TARGET, PEER):  # the target plays each part of the handshake once
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
    check("run.kind-not-received", len(moments) == 5, expected="five kinds", got=list(moments))
    return list(moments.values())


#: Events that show that the target accepted a message as genuine.
_ACCEPTED = (TextReceived, SessionEstablished, PeerEndedSession, SmpRequested, SmpFinished, ExtraKeyDerived)


def _attack(pair: Pair, moment: Moment, message: bytes) -> list[Event]:
    """Give the target a message at that moment; return the events that show that it accepted something."""
    pair.restore(moment.pair)
    events = pair.world.step(TARGET, "receive", {"message": message})
    return [event for event in events if isinstance(event, _ACCEPTED)]


def _genuine_still_works(pair: Pair, moment: Moment, cut: bytes) -> None:
    """Demand that the genuine message has the same effect after one that is cut short as without it."""
    pair.restore(moment.pair)
    expected = pair.world.step(TARGET, "receive", {"message": moment.message})
    pair.restore(moment.pair)
    pair.world.step(TARGET, "receive", {"message": cut})
    found = pair.world.step(TARGET, "receive", {"message": moment.message})
    check(
        "encoding.cut-short-changes-state",
        list(expected) == list(found),
        expected=Reply(tuple(expected)),
        got=Reply(tuple(found)),
        case=_cut_to(moment, cut),
    )


def _cut_to(moment: Moment, cut: bytes) -> str:
    """How much of a message is left, in words."""
    whole = wire.parse(moment.message)
    return f"{shown(whole.kind)} cut to {len(wire.parse(cut).body)} of {len(whole.body)} bytes"


def _authenticated(message: bytes) -> int:
    """How many leading bytes of the binary message are protected: all but the revealed keys of a Data Message."""
    parsed = wire.parse(message)
    return len(parsed.mac_input()) + 20 if parsed.kind is wire.Kind.DATA else len(parsed.body)


@scenario(needs=("lockstep",), requirements=("!ARMOUR-PARSE-6", "!TYPES-DATA-2", "!ROBUST-INPUT-2"))
def every_truncation(context: Context) -> None:
    """A message of any kind, cut short anywhere, is not acted on, and the whole one still works afterwards."""
    pair = context.pair()
    for moment in _kinds(pair):
        size = len(wire.parse(moment.message).body)
        for length in range(size):
            cut = truncate(moment.message, length)
            accepted = _attack(pair, moment, cut)
            check(
                "encoding.cut-short-accepted",
                not accepted,
                expected="nothing is accepted",
                got=accepted,
                case=_cut_to(moment, cut) if accepted else "",
            )
        for length in (0, 2, 10, size // 2, size - 1):
            _genuine_still_works(pair, moment, truncate(moment.message, length))


@scenario(needs=("lockstep",), requirements=("!DATA-MAC-2", "!AKE-VERIFY-6", "!ROBUST-INPUT-2", "!DATA-RECV-12"))
def bit_flips(context: Context) -> None:
    """A message of any kind with a protected bit flipped yields no text, no session and no SMP.

    Every bit of the first 40 bytes is tried, and a sample of the rest.
    """
    pair, choose = context.pair(), random.Random(context.seed)
    for moment in _kinds(pair):
        kind = wire.parse(moment.message).kind
        check_id = "data.mac-not-verified" if kind is wire.Kind.DATA else "handshake.wrong-signature-accepted"
        protected = 8 * _authenticated(moment.message)
        bits = [*range(min(320, protected)), *choose.sample(range(protected), min(protected, 300))]
        for bit in bits:
            accepted = _attack(pair, moment, flip_bit(moment.message, bit))
            check(
                check_id,
                not accepted,
                expected="nothing is accepted",
                got=accepted,
                case=f"{shown(kind)} with bit {bit} of {8 * len(wire.parse(moment.message).body)} inverted"
                if accepted
                else "",
            )


@scenario(needs=("lockstep",), requirements=("!DATA-RECV-13", "!DATA-CTR-3", "!AKE-FRESH-1"))
def replays(context: Context) -> None:
    """No message of a conversation is accepted again when it is repeated at any later moment."""
    pair = context.pair()
    moments = list(_arrivals(pair))
    for index, later in enumerate(moments):
        for earlier in moments[:index]:
            if earlier.message == later.message or not earlier.message.startswith(b"?OTR:"):
                continue
            kind = wire.parse(earlier.message).kind
            accepted = _attack(pair, later, earlier.message)
            check(
                "data.replay-accepted" if kind is wire.Kind.DATA else "handshake.earlier-message-accepted",
                not accepted,
                expected="nothing is accepted",
                got=accepted,
                case=kind,
            )
