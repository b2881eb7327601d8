"""SMP with numbers that are shorter than most, and with secrets whose hash begins with a zero byte.

The insider chooses its exponents so that its numbers have leading zero bytes. (Short hashes and halves of g2 and g3 are
in smp_wrong.) [SMP Hash function, Secret information]
"""

from __future__ import annotations

from itertools import count

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer, over, secret_number, times
from otterproof.harness.testkit.smp_session import (
    ABORT,
    MESSAGE_1,
    MESSAGE_2,
    MESSAGE_3,
    MESSAGE_4,
    SECRET,
    Making,
    SmpSession,
    made,
)
from otterproof.harness.wire import DH_GENERATOR
from otterproof.harness.wire.numbers import fingerprint, power

#: Numbers modulo p below this have a leading zero byte.
SHORT = 1 << 1528


def _short_d(kind: int) -> Making:
    """All D values are a few bytes shorter than most: D = r - exponent * c, with small exponents and a suitable r."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        run.r[2:] = [(1 << 1515) + number for number in range(len(run.r) - 2)]
        run.r[4] = 3
        if kind in (MESSAGE_1, MESSAGE_2):
            run.e2, run.e3 = 3, 5
        return made(kind, run, heard)

    return making


def _short(kind: int, name: str) -> Making:
    """P, Q or R is a byte shorter than most, because r4 is chosen for it."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        side = "a" if kind == MESSAGE_2 else "b"
        g2, g3 = power(heard[f"g2{side}"], run.e2), power(heard[f"g3{side}"], run.e3)
        fixed = power(g2, run.secret)

        def value(r4: int) -> int:
            q = times(power(DH_GENERATOR, r4), fixed)
            if name[0] == "R":
                return power(over(q, heard["Qb"]), run.e3)
            return q if name[0] == "Q" else power(g3, r4)

        run.r[4] = next(r4 for r4 in count(1000) if value(r4) < SHORT)
        return made(kind, run, heard)

    return making


#: Messages with numbers that are shorter than most, by what is short in each.
SHORT_NUMBERS: dict[int, dict[str, Making]] = {
    MESSAGE_1: {"short D values": _short_d(MESSAGE_1)},
    MESSAGE_2: {"short D values": _short_d(MESSAGE_2)} | {f"a short {name}": _short(3, name) for name in ("Pb", "Qb")},
    MESSAGE_3: {"short D values": _short_d(MESSAGE_3)}
    | {f"a short {name}": _short(4, name) for name in ("Pa", "Qa", "Ra")},
    MESSAGE_4: {"short D values": _short_d(MESSAGE_4)},
}


@scenario(needs=("smp",), requirements=("SMPMATH-MODQ-1", "SMPMATH-MODQ-2", "SMPMATH-HASH-4", "TYPES-MPI-1"))
def short_numbers_are_accepted(context: Context) -> None:
    """D values, P, Q and R that are one or more bytes shorter than most are accepted in each message."""
    smp_session = SmpSession(*context.encrypted())
    for kind, makings in SHORT_NUMBERS.items():
        for what, making in makings.items():
            reply = smp_session.offer(kind, making)
            case = f"a right SMP message {kind - 1} with {what}"
            wanted = "a request, the next message, or success"
            check("smp.genuine-message-refused", reply.goes_on, expected=wanted, got=reply, case=case)
            smp_session.give(ABORT)


@scenario(needs=("smp",), requirements=("SMP-SECRET-1", "SMP-SECRET-8"))
def secrets_that_hash_to_leading_zeros(context: Context) -> None:
    """Equal secrets whose hash begins with a zero byte are found equal, whichever side begins."""
    smp_session = SmpSession(*context.encrypted())
    pair = fingerprint(smp_session.insider.key.public), fingerprint(published_key("alice").public)
    for target_asks in (False, True):
        ordered = pair[::-1] if target_asks else pair
        text = next(
            text
            for text in (b"%s %d" % (SECRET, number) for number in count())
            if secret_number(*ordered, smp_session.insider.ssid, text) < 1 << 248
        )
        run = smp_session.liar(text, target_asks=target_asks)
        reply = smp_session.asks(run, text) if target_asks else smp_session.asked(run, text)
        reply.tells(
            True,
            case=f"a secret whose hash begins with a zero byte; {'the target' if target_asks else 'the peer'} asks",
        )
