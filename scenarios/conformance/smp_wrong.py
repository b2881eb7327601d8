"""SMP messages that do not verify: each number of each message is wrong in turn, and each such message is refused.

Every proof is tested with every number it depends on. [Receiving a type 2 TLV (SMP message 1) to Receiving a type 5 TLV
(SMP message 4)]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import PROOF_CHECKS, Numbers, SmpPeer, smp_value
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
from otterproof.harness.wire.numbers import power
from otterproof.harness.wire.proofs import smp_hash
from otterproof.scenarios.conformance.smp_lies import (
    Lies,
    made_otherwise,
    of_another_place,
    swapped,
    tampered,
    with_hash,
)


def refuse_all(context: Context, check_id: str, kind: int, lies: Lies) -> SmpSession:
    """Demand that each of these lies is refused in one session, and that the correct message is accepted after it."""
    smp_session = SmpSession(*context.encrypted())
    for what, making in lies.items():
        smp_session.refuses(check_id, kind, making, f"SMP message {kind - 1} with {what}")
    _accepts(smp_session, kind, lambda run, heard: made(kind, run, heard))
    return smp_session


def _accepts(smp_session: SmpSession, kind: int, making: Making) -> None:
    """Demand that a correct message is accepted."""
    reply = smp_session.offer(kind, making)
    expected = "a request, the next message, or success"
    check(
        "smp.genuine-message-refused",
        reply.goes_on,
        expected=expected,
        got=reply,
        case=f"a right SMP message {kind - 1}",
    )


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-MSG1-5",
        "SMPMATH-CHECK-1",
        "!SMPMATH-CHECK-1",
        "SMPMATH-CHECK-2",
        "!SMPMATH-CHECK-2",
        "!SMPMATH-MAKE-14",
        "!SMPMATH-MAKE-15",
        "!SMPMATH-MAKE-16",
        "!SMPMATH-PROOF-1",
    ),
)
def message_1_with_a_wrong_number(context: Context) -> None:
    """With any one number of SMP message 1 replaced, the user is not asked, or the user's answer is not sent."""
    refuse_all(context, PROOF_CHECKS[MESSAGE_1], MESSAGE_1, tampered(MESSAGE_1) | {"c2 and D2 of 0": _zeros})


def _zeros(run: SmpPeer, heard: object) -> dict[str, int]:
    return {**run.message_1(), "c2": 0, "D2": 0}


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-MSG2-4",
        "SMPMATH-CHECK-3",
        "!SMPMATH-CHECK-3",
        "SMPMATH-CHECK-4",
        "!SMPMATH-CHECK-4",
        "SMPMATH-CHECK-5",
        "!SMPMATH-CHECK-5",
        "!SMPMATH-MAKE-1",
        "!SMPMATH-MAKE-2",
        "!SMPMATH-MAKE-3",
        "!SMPMATH-MAKE-4",
        "!SMPMATH-MAKE-5",
        "!SMPMATH-MAKE-6",
        "!SMP-MSG2-2",
        "!SMPMATH-PROOF-1",
    ),
)
def message_2_with_a_wrong_number(context: Context) -> None:
    """With any one number of SMP message 2 replaced, the target sends no message 3 and reports no success."""
    lies = tampered(MESSAGE_2) | made_otherwise(MESSAGE_2)
    lies["D6 of 0"] = lambda run, heard: {**run.message_2(heard), "D6": 0}
    refuse_all(context, PROOF_CHECKS[MESSAGE_2], MESSAGE_2, lies)


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-MSG3-5",
        "SMPMATH-CHECK-6",
        "!SMPMATH-CHECK-6",
        "SMPMATH-CHECK-7",
        "!SMPMATH-CHECK-7",
        "!SMPMATH-MAKE-7",
        "!SMPMATH-MAKE-8",
        "!SMPMATH-MAKE-9",
        "!SMPMATH-MAKE-10",
        "!SMPMATH-MAKE-11",
        "!SMPMATH-PROOF-1",
    ),
)
def message_3_with_a_wrong_number(context: Context) -> None:
    """With any one number of SMP message 3 replaced, the target sends no message 4 and reports no success."""
    refuse_all(context, PROOF_CHECKS[MESSAGE_3], MESSAGE_3, tampered(MESSAGE_3) | made_otherwise(MESSAGE_3))


@scenario(
    needs=("smp",),
    requirements=(
        "SMP-MSG4-4",
        "SMPMATH-CHECK-8",
        "!SMPMATH-CHECK-8",
        "!SMPMATH-MAKE-12",
        "!SMPMATH-MAKE-13",
        "!SMPMATH-PROOF-1",
    ),
)
def message_4_with_a_wrong_number(context: Context) -> None:
    """With any one number of SMP message 4 replaced, the target reports no success."""
    refuse_all(context, PROOF_CHECKS[MESSAGE_4], MESSAGE_4, tampered(MESSAGE_4) | made_otherwise(MESSAGE_4))


@scenario(
    needs=("smp",),
    requirements=("SMP-MSG2-4", "SMP-MSG3-5", "SMP-MSG4-4", "SMP-EXPECT-5", "!SMP-EXPECT-5", "SMP-EXPECT-9"),
)
def wrong_message_ends_the_run(context: Context) -> None:
    """After a message that does not verify, the correct one comes too late, and another run can begin."""
    smp_session = SmpSession(*context.encrypted())
    for kind, number in ((MESSAGE_2, "c2"), (MESSAGE_3, "D5"), (MESSAGE_4, "cR")):
        kind, right = smp_session.bring(kind - 1)
        reply = smp_session.tell(kind, {**right, number: right[number] ^ 1})
        reply.refuses(PROOF_CHECKS[kind], f"SMP message {kind - 1} with another {number}")
        reply = smp_session.tell(kind, right)
        reply.refuses("smp.run-survives-failure", f"the right SMP message {kind - 1} after a wrong one")
    smp_session.is_in_expect1()


@scenario(needs=("smp",), requirements=("SMP-ABORT-1", "!SMP-ABORT-1"))
def wrong_proof_is_answered_with_an_abort(context: Context) -> None:
    """A message with a wrong proof is answered with one type 6 TLV, so that the other side need not wait."""
    smp_session = SmpSession(*context.encrypted())
    for kind, number in ((MESSAGE_1, "c2"), (MESSAGE_2, "cP"), (MESSAGE_3, "cR"), (MESSAGE_4, "cR")):
        reply = smp_session.offer(kind, tampered(kind)[f"another {number}"])
        if reply.requests and kind == MESSAGE_1:
            reply = smp_session.user("smp_answer", secret=SECRET)
        case = f"SMP message {kind - 1} with another {number}"
        reply.refuses(PROOF_CHECKS[kind], case)
        reply.sends("smp.failure-not-aborted", ABORT, case=case)


@scenario(needs=("smp",), requirements=("SMP-ABORT-1", "!SMP-ABORT-1"))
def malformed_message_is_answered_with_an_abort(context: Context) -> None:
    """A message that ends too early is answered with one type 6 TLV, and the correct one then comes too late."""
    smp_session = SmpSession(*context.encrypted())
    for kind in (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4):
        kind, numbers = smp_session.bring(kind - 1)
        reply = smp_session.give(kind, smp_value(kind, numbers)[:-100])
        case = f"SMP message {kind - 1} that ends too early"
        reply.refuses("tlv.smp-value-too-short", case)
        reply.sends("smp.failure-not-aborted", ABORT, case=case)
        smp_session.has_dropped("smp.run-survives-failure", (kind, numbers), case)


@scenario(
    needs=("smp",),
    requirements=("!SMPMATH-ORDER-1", "!SMPMATH-ORDER-2", "!SMPMATH-ORDER-3", "!SMPMATH-ORDER-4"),
)
def swapped_numbers_are_refused(context: Context) -> None:
    """A message in which two numbers are swapped is refused."""
    smp_session = SmpSession(*context.encrypted())
    for kind, one, other in (
        (MESSAGE_1, "g2a", "g3a"),
        (MESSAGE_1, "c2", "D2"),
        (MESSAGE_2, "Pb", "Qb"),
        (MESSAGE_2, "D5", "D6"),
        (MESSAGE_3, "Pa", "Qa"),
        (MESSAGE_3, "Ra", "D7"),
        (MESSAGE_4, "cR", "D7"),
    ):
        case = f"SMP message {kind - 1} with {one} and {other} exchanged"
        smp_session.refuses("smp.number-order-not-checked", kind, swapped(kind, one, other), case)
    smp_session.is_in_expect1()


@scenario(needs=("smp",), requirements=("!SMPMATH-HASH-2",))
def proof_from_another_step_is_refused(context: Context) -> None:
    """Each of the eight proofs is refused if it is made with the version byte of another place in the protocol."""
    smp_session = SmpSession(*context.encrypted())
    for kind in (MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4):
        for what, making in of_another_place(kind).items():
            smp_session.refuses("smp.proof-version-byte-not-checked", kind, making, what)
    smp_session.is_in_expect1()


def _mpi(number: int, zeros: int = 0) -> bytes:
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8)
    return len(raw).to_bytes(4) + raw


#: Hash functions of the version byte and the numbers, each wrong in one way.
WRONG_HASHES: dict[str, Callable[..., bytes]] = {
    "no version byte": lambda byte, *numbers: b"".join(map(_mpi, numbers)),
    "a version of four bytes": lambda byte, *numbers: byte.to_bytes(4) + b"".join(map(_mpi, numbers)),
    "numbers without their lengths": lambda byte, *numbers: bytes([byte]) + b"".join(_mpi(n)[4:] for n in numbers),
    "numbers with a leading zero": lambda byte, *numbers: bytes([byte]) + b"".join(_mpi(n, 1) for n in numbers),
    "an empty second number": lambda byte, *numbers: bytes([byte]) + b"".join(map(_mpi, numbers)) + bytes(4),
    "the numbers in the other order": lambda byte, *numbers: bytes([byte]) + b"".join(map(_mpi, numbers[::-1])),
    "the first number alone": lambda byte, *numbers: bytes([byte]) + _mpi(numbers[0]),
}


@scenario(needs=("smp",), requirements=("!SMPMATH-HASH-1", "!SMPMATH-HASH-3", "!SMPMATH-HASH-4"))
def wrongly_hashed_proof_is_refused(context: Context) -> None:
    """A proof that hashes one number (message 1) or two (message 2) is refused if it hashes anything else."""
    smp_session = SmpSession(*context.encrypted())
    for what, content in WRONG_HASHES.items():
        for kind, byte, count in ((MESSAGE_1, 1, 1), (MESSAGE_2, 5, 2)):

            def hashed(prefix: int, *numbers: int, chosen: int = byte, wrong: Callable[..., bytes] = content) -> int:
                if prefix != chosen:
                    return smp_hash(prefix, *numbers)
                return int.from_bytes(hashlib.sha256(wrong(prefix, *numbers)).digest())

            if smp_hash(byte, *range(3, 3 + count)) != hashed(byte, *range(3, 3 + count)):
                case = f"SMP message {kind - 1} whose hash has {what}"
                smp_session.refuses("smp.proof-hashed-otherwise", kind, with_hash(kind, hashed), case)
    smp_session.is_in_expect1()


@scenario(needs=("smp",), requirements=("SMPMATH-HASH-4", "SMPMATH-HASH-1", "SMPMATH-HASH-3"))
def short_numbers_have_no_leading_zeros(context: Context) -> None:
    """Numbers that happen to be a byte shorter are shorter MPIs, in messages and in hashes: such runs succeed."""
    smp_session = SmpSession(*context.encrypted())
    short = [exponent for exponent in range(2000, 6000) if power(2, exponent) < 1 << 1528]
    small = next(r for r in range(7000, 9999) if smp_hash(2, power(2, r)) < 1 << 248)
    for target_asks in (False, True):
        run = smp_session.liar(target_asks=target_asks)
        run.e2, run.e3, run.r[2], run.r[3], run.r[7] = short[0], short[1], short[2], small, short[3]
        reply = smp_session.asks(run) if target_asks else smp_session.asked(run)
        case = f"numbers of the peer that are a byte shorter; the {'target' if target_asks else 'peer'} begins"
        reply.tells(True, check_id="smp.short-numbers-padded", case=case)


@scenario(
    needs=("smp",),
    requirements=("!SMPMATH-STORE-1", "!SMPMATH-STORE-2", "!SMPMATH-STORE-3", "!SMPMATH-EXP-3", "!SMP-MSG3-3"),
)
def messages_of_an_earlier_run_are_refused(context: Context) -> None:
    """A message that was valid in one run is refused in the next, because the target's numbers differ."""
    smp_session = SmpSession(*context.encrypted())
    for kind in (MESSAGE_2, MESSAGE_3, MESSAGE_4):
        earlier: list[Numbers] = []

        def recorded(run: SmpPeer, heard: Numbers, kind: int = kind, earlier: list[Numbers] = earlier) -> Numbers:
            earlier.append(made(kind, run, heard))
            return earlier[0]

        _accepts(smp_session, kind, recorded)
        smp_session.give(ABORT)
        smp_session.refuses("smp.earlier-run-accepted", kind, recorded, f"SMP message {kind - 1} of an earlier run")
    smp_session.is_in_expect1()


@scenario(needs=("smp",), requirements=("SMPMATH-EQUAL-1", "!SMPMATH-EQUAL-1", "!SMPMATH-HASH-2"))
def own_numbers_are_refused(context: Context) -> None:
    """The target's own numbers and proofs are refused when sent back to it: Pa must not equal Pb, nor Qa equal Qb."""
    smp_session = SmpSession(*context.encrypted())
    run = smp_session.liar()
    second = smp_session.expect3(run)
    same = {"Pa": second["Pb"], "Qa": second["Qb"], **{name: second[name] for name in ("cP", "D5", "D6")}}
    run.quotient = 1
    reply = smp_session.tell(MESSAGE_3, {**same, **run.lift(7, "Ra", run.e3)})
    reply.refuses("smp.own-numbers-accepted", "SMP message 3 with P and Q of the target's message 2")
    halves = {"g2a": second["g2b"], "g3a": second["g3b"], **{name: second[name] for name in ("c2", "D2", "c3", "D3")}}
    case = "SMP message 1 with the halves of g2 and g3 from the target's message 2"
    smp_session.refuses("smp.own-numbers-accepted", MESSAGE_1, lambda run, heard: halves, case)
    smp_session.is_in_expect1()
