"""The TLVs that carry SMP: their types, counts, and the abort. [Data Message, SMP Message TLVs]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, MESSAGE_4, SmpSession
from otterproof.harness.wire import SMP_NUMBERS
from otterproof.harness.wire.layers import build_smp


def _talk(context: Context) -> SmpSession:
    return SmpSession(*context.encrypted())


@scenario(needs=("smp",), requirements=("TLV-SMP-1", "TLV-SMP-7", "TLV-SMP-9", "!TLV-SMP-2"))
def types_2_to_5_carry_smp(context: Context) -> None:
    """In whole runs begun by either side the four messages go in TLVs of types 2 to 5, each a count and so many MPIs,
    and no abort goes with them.
    """
    smp_session = _talk(context)
    run = smp_session.liar(target_asks=True)
    smp_session.asks(run).tells(True)  # types 2 and 4 of the target's; the moves check form and number
    run = smp_session.liar()
    reply = smp_session.asked(run)  # types 3 and 5
    reply.numbers(MESSAGE_4)
    reply.tells(True)


@scenario(needs=("smp",), requirements=("!TLV-SMP-1", "!TLV-FORM-4"))
def other_types_carry_no_smp(context: Context) -> None:
    """What would be the next SMP message is none under an unknown type, and has no effect there; under the type of
    another message it is refused.
    """
    smp_session = _talk(context)
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        value = smp_value(kind, numbers)
        for other in (0, 9, 0x0100 + kind, kind << 8):
            reply = smp_session.give(other, value)
            reply.sends()
            reply.tells()
            check(not reply.requests, f"type {other:#x} is no SMP message")
        smp_session.give(kind % 4 + 2, value).refuses(f"SMP message {kind - 1} under another type")
        smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-8", "!TLV-SMP-8", "!TLV-SMP-7", "!TLV-SMP-9"))
def values_with_too_little(context: Context) -> None:
    """An SMP message with fewer MPIs than it has, or that its count says, with an MPI cut short or no count at all, is
    refused.
    """
    smp_session = _talk(context)
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        whole, last = smp_value(kind, numbers), numbers[SMP_NUMBERS[kind][-1]]
        short = build_smp(kind, [numbers[name] for name in SMP_NUMBERS[kind][:-1]])
        count = len(SMP_NUMBERS[kind])
        values = [short, count.to_bytes(4) + short[4:], whole[:-1], b"", whole[:3], whole[4:]]
        values.append(count.to_bytes(4, "little") + whole[4:])
        check(len(whole) > len(short) + 4 and last > 0, "the last number is there to be left out")
        for value in values if state == 1 else values[1:2]:
            smp_session.give(kind, value).refuses(f"SMP message {kind - 1} of {len(value)} bytes")
            smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-9", "!TLV-SMP-9"))
def values_with_too_much(context: Context) -> None:
    """An SMP message with more MPIs than it has, or than its count says, or bytes behind the last one, is refused."""
    smp_session = _talk(context)
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        values = [numbers[name] for name in SMP_NUMBERS[kind]]
        lies = [build_smp(kind, [*values, 5]), smp_value(kind, numbers, count=len(values) - 1)]
        if state == 1:
            lies += [smp_value(kind, numbers, tail=tail) for tail in (b"\0\0\0\1\5", b"x")]
        for value in lies:
            smp_session.give(kind, value).refuses(f"SMP message {kind - 1} with more than it has")
            smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-10", "!TLV-SMP-10"))
def huge_counts_do_no_harm(context: Context) -> None:
    """A huge count, or a huge length of an MPI, is refused at once, and SMP works afterwards."""
    smp_session = _talk(context)
    rest = smp_value(MESSAGE_1, smp_session.liar().message_1())[4:]
    for count in (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x01000000, 0x10000, 100):
        for value in (count.to_bytes(4), count.to_bytes(4) + rest, b"\0\0\0\6" + count.to_bytes(4) + rest):
            for kind in (2, 3, 4, 5):
                smp_session.give(kind, value).refuses(f"an SMP message with {count} of something")
                smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-2", "TLV-SMP-3", "!TLV-SMP-3"))
def aborts_are_empty(context: Context) -> None:
    """A client that can't go on sends a type 6 TLV, of length 0 whatever was wrong; a received one may have a value."""
    smp_session = _talk(context)
    _, numbers = smp_session.bring(4)
    smp_session.give(ABORT, b"with a value")
    for kind, value in ((MESSAGE_4, smp_value(MESSAGE_4, numbers)), (3, bytes(4)), (5, b"")):
        reply = smp_session.give(kind, value)
        reply.sends(ABORT)
        check(reply.tlvs[0].length == 0, f"the abort has length 0, and has {reply.tlvs[0].length}")
    smp_session.is_in_expect1()
