"""The TLVs that carry SMP: their types, counts, and the abort. [Data Message, SMP Message TLVs]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import smp_value
from otterproof.harness.testkit.smp_session import ABORT, MESSAGE_1, MESSAGE_2, MESSAGE_4, SmpSession
from otterproof.harness.wire import SMP_NUMBERS
from otterproof.harness.wire.layers import build_smp


@scenario(needs=("smp",), requirements=("TLV-SMP-1", "TLV-SMP-7", "TLV-SMP-9", "!TLV-SMP-2"))
def types_2_to_5_carry_smp(context: Context) -> None:
    """In whole runs begun by either side, the four messages go out in TLVs of types 2 to 5, without an abort.

    Each has a count and that many MPIs.
    """
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar(target_asks=True)
    smp_session.asks(run).tells(True)  # the target's types 2 and 4; the moves check their form and count
    run = smp_session.liar()
    reply = smp_session.asked(run)  # the target's types 3 and 5
    reply.numbers(MESSAGE_4)
    reply.tells(True)


@scenario(needs=("smp",), requirements=("!TLV-SMP-1", "!TLV-FORM-4"))
def other_types_carry_no_smp(context: Context) -> None:
    """The next SMP message has no effect under an unknown type, and is refused under the type of another message."""
    smp_session = SmpSession(*context.encrypted())
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        value = smp_value(kind, numbers)
        for other in (0, 9, 0x0100 + kind, kind << 8):
            reply = smp_session.give(other, value)
            case = f"SMP message {kind - 1} in a TLV of type {other:#x}"
            reply.sends("tlv.smp-under-another-type", case=case)
            reply.tells(check_id="tlv.smp-under-another-type", case=case)
            asked = bool(reply.requests)
            check("tlv.smp-under-another-type", not asked, expected="the user is not asked", got=reply, case=case)
        case = f"SMP message {kind - 1} in a TLV of type {kind % 4 + 2}"
        smp_session.give(kind % 4 + 2, value).refuses("tlv.smp-under-another-type", case)
        smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-8", "!TLV-SMP-8", "!TLV-SMP-7", "!TLV-SMP-9"))
def incomplete_smp_messages(context: Context) -> None:
    """An SMP message is refused if it has too few MPIs, fewer MPIs than its count, a truncated MPI, or no count."""
    smp_session = SmpSession(*context.encrypted())
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        whole = smp_value(kind, numbers)
        short = build_smp(kind, [numbers[name] for name in SMP_NUMBERS[kind][:-1]])
        count = len(SMP_NUMBERS[kind])
        values = [
            (short, "without its last MPI"),
            (count.to_bytes(4) + short[4:], "with a right count and without its last MPI"),
            (whole[:-1], "without its last byte"),
            (b"", "with an empty value"),
            (whole[:3], "with a part of its count alone"),
            (whole[4:], "without its count"),
            (count.to_bytes(4, "little") + whole[4:], "with its count in the wrong byte order"),
        ]
        for value, what in values if state == 1 else values[1:2]:
            reply = smp_session.give(kind, value)
            reply.refuses("tlv.smp-value-too-short", f"SMP message {kind - 1} {what}")
            smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-9", "!TLV-SMP-9"))
def smp_messages_with_trailing_data(context: Context) -> None:
    """An SMP message is refused if it has too many MPIs, more MPIs than its count, or bytes after the last one."""
    smp_session = SmpSession(*context.encrypted())
    for state in (1, 2, 3, 4):
        kind, numbers = smp_session.bring(state)
        values = [numbers[name] for name in SMP_NUMBERS[kind]]
        lies = [
            (build_smp(kind, [*values, 5]), "with an MPI more, and counted"),
            (smp_value(kind, numbers, count=len(values) - 1), "with a count that is 1 too low"),
        ]
        if state == 1:
            lies.append((smp_value(kind, numbers, tail=b"\0\0\0\1\5"), "with an MPI more than its count"))
            lies.append((smp_value(kind, numbers, tail=b"x"), "with a byte after its last MPI"))
        for value, what in lies:
            smp_session.give(kind, value).refuses("tlv.smp-value-too-long", f"SMP message {kind - 1} {what}")
            smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-10", "!TLV-SMP-10"))
def huge_counts_do_no_harm(context: Context) -> None:
    """A huge count, or an MPI with a huge length, is refused at once, and SMP works afterwards."""
    smp_session = SmpSession(*context.encrypted())
    rest = smp_value(MESSAGE_1, smp_session.liar().message_1())[4:]
    for count in (0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x01000000, 0x10000, 100):
        for value in (count.to_bytes(4), count.to_bytes(4) + rest, b"\0\0\0\6" + count.to_bytes(4) + rest):
            for kind in (2, 3, 4, 5):
                smp_session.give(kind, value).refuses(
                    "tlv.huge-count-accepted", f"SMP message {kind - 1} with {count:#x} in it"
                )
                smp_session.give(ABORT)
    smp_session.asked(smp_session.liar()).tells(True)


@scenario(needs=("smp",), requirements=("TLV-SMP-2", "TLV-SMP-3", "!TLV-SMP-3"))
def aborts_are_empty(context: Context) -> None:
    """A client that can't continue sends a type 6 TLV of length 0; one that it receives may have a value."""
    smp_session = SmpSession(*context.encrypted())
    _, numbers = smp_session.bring(4)
    smp_session.give(ABORT, b"with a value")
    first = smp_session.give(MESSAGE_4, smp_value(MESSAGE_4, numbers))
    first.sends("smp.failure-not-aborted", ABORT, case="SMP message 4 in EXPECT1")
    # Whether malformed messages are also answered with an abort is judged elsewhere.
    others = [smp_session.give(kind, value) for kind, value in ((MESSAGE_2, bytes(4)), (MESSAGE_4, b""))]
    lengths = [one.length for reply in (first, *others) for one in reply.tlvs if one.type == ABORT]
    check("smp.abort-not-empty", not any(lengths), expected=0, got=lengths)
    smp_session.is_in_expect1()
