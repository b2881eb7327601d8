"""SMP: the numbers in the target's own messages are those of the protocol text, and their proofs verify.

The insider knows its own exponents and the secret, so it can work out g1 to the power of each of the target's random
exponents. [Receiving a type 2 TLV (SMP message 1) to User requests to begin SMP]
"""

from __future__ import annotations

from itertools import combinations

from otterproof.harness.testkit.context import Context, check, check_equal
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer, commitment, over
from otterproof.harness.testkit.smp_session import MESSAGE_2, MESSAGE_3, MESSAGE_4, SmpSession
from otterproof.harness.wire import DH_GENERATOR as G1
from otterproof.harness.wire import DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import power
from otterproof.harness.wire.proofs import smp_hash

#: The random exponents by name, each as g1 to its power.
Random = dict[str, int]


def _in_order(numbers: Numbers) -> None:
    """Demand that elements are in the subgroup, hashes have at most 256 bits, and D values are below q."""
    for name, number in numbers.items():
        if name[0] == "D":
            check("smp.d-not-reduced", number < SMP_ORDER, expected="a number below q", got=number, case=name)
        elif name[0] == "c":
            check("smp.hash-too-long", number < 1 << 256, expected="256 bits at most", got=number, case=name)
        else:
            belongs = 2 <= number <= DH_PRIME - 2 and power(number, SMP_ORDER) == 1
            check("smp.element-outside-group", belongs, expected="a power of g1", got=number, case=name)


def _halves(check_id: str, numbers: Numbers, side: str, first_byte: int) -> Random:
    """Check the target's halves of g2 and g3 and their proofs."""
    found = {}
    for byte, index in ((first_byte, "2"), (first_byte + 1, "3")):
        half, c = numbers[f"g{index}{side}"], numbers[f"c{index}"]
        found[f"{side}{index}"] = half
        found[f"r{index}"] = commitment(G1, numbers[f"D{index}"], half, c)
        hashed = smp_hash(byte, found[f"r{index}"])
        check_equal(check_id, c, hashed, case=f"c{index} is SHA256({byte}, g1^r{index})")
    return found


def _blinded(check_id: str, numbers: Numbers, side: str, byte: int, run: SmpPeer) -> Random:
    """Check the proof of P and Q; the random exponents in it, provided that the secret is that of the run."""
    g2, g3 = run.g2, run.g3
    c, d5, d6 = numbers["cP"], numbers["D5"], numbers["D6"]
    p, q = numbers[f"P{side}"], numbers[f"Q{side}"]
    left = commitment(g3, d5, p, c)
    right = power(G1, d5) * power(g2, d6) * power(q, c) % DH_PRIME
    hashed = smp_hash(byte, left, right)
    check_equal(check_id, c, hashed, case=f"cP is SHA256({byte}, g3^r5, g1^r5 g2^r6)")
    r4 = over(q, power(g2, run.secret))
    r5, r6 = commitment(G1, d5, r4, c), power(G1, (d6 + run.secret * c) % SMP_ORDER)
    return {"r4": r4, "r5": r5, "r6": r6}


def _lifted(check_id: str, numbers: Numbers, name: str, byte: int, half: int, quotient: int) -> Random:
    """Check the proof of R."""
    c, d7 = numbers["cR"], numbers["D7"]
    r7 = commitment(G1, d7, half, c)
    hashed = smp_hash(byte, r7, commitment(quotient, d7, numbers[name], c))
    check_equal(check_id, c, hashed, case=f"cR is SHA256({byte}, g1^r7, (Qa / Qb)^r7)")
    return {"r7": r7}


def _as_initiator(smp_session: SmpSession) -> Random:
    """A run that the target begins; its random exponents."""
    run = smp_session.liar(target_asks=True)
    first = smp_session.expect2()
    _in_order(first)
    found = _halves("smp.message-1-half-proof-wrong", first, "a", 1)
    second = run.message_2(first)
    third = smp_session.tell(MESSAGE_2, second).numbers(MESSAGE_3)
    _in_order(third)
    found |= _blinded("smp.message-3-blinding-proof-wrong", third, "a", 6, run)
    quotient = over(third["Qa"], second["Qb"])
    found |= _lifted("smp.message-3-final-proof-wrong", third, "Ra", 7, first["g3a"], quotient)
    smp_session.tell(MESSAGE_4, run.message_4(third)).tells(True)
    return found


def _as_responder(smp_session: SmpSession) -> Random:
    """A run that the insider begins; the target's random exponents."""
    run = smp_session.liar()
    second = smp_session.expect3(run)
    _in_order(second)
    found = _halves("smp.message-2-half-proof-wrong", second, "b", 3)
    third = run.message_3(second)
    found |= _blinded("smp.message-2-blinding-proof-wrong", second, "b", 5, run)
    reply = smp_session.tell(MESSAGE_3, third)
    reply.tells(True)
    fourth = reply.numbers(MESSAGE_4)
    _in_order(fourth)
    found |= _lifted("smp.message-4-final-proof-wrong", fourth, "Rb", 8, second["g3b"], run.quotient)
    return found


def _all_different(found: Random) -> None:
    for (one, first), (other, second) in combinations(found.items(), 2):
        check(
            "smp.exponent-reused", first != second, expected="different exponents", got=f"{one} and {other} are equal"
        )


@scenario(
    needs=("smp",),
    requirements=(
        "SMPMATH-ORDER-1",
        "SMPMATH-ORDER-3",
        "SMPMATH-MAKE-7",
        "SMPMATH-MAKE-8",
        "SMPMATH-MAKE-9",
        "SMPMATH-MAKE-10",
        "SMPMATH-MAKE-11",
        "SMPMATH-MAKE-14",
        "SMPMATH-MAKE-15",
        "SMPMATH-MAKE-16",
        "SMPMATH-EXP-4",
        "!SMPMATH-EXP-4",
        "SMPMATH-HASH-1",
        "SMPMATH-HASH-2",
        "SMPMATH-HASH-4",
        "SMPMATH-PROOF-1",
        "SMPMATH-MODQ-1",
        "SMPMATH-MODQ-2",
    ),
)
def messages_1_and_3(context: Context) -> None:
    """The initiator sends powers of g1, then its blinded secret and (Qa / Qb) to its exponent, each with a proof that
    verifies.
    """
    _all_different(_as_initiator(SmpSession(*context.encrypted())))


@scenario(
    needs=("smp",),
    requirements=(
        "SMPMATH-ORDER-2",
        "SMPMATH-ORDER-4",
        "SMPMATH-MAKE-1",
        "SMPMATH-MAKE-2",
        "SMPMATH-MAKE-3",
        "SMPMATH-MAKE-4",
        "SMPMATH-MAKE-5",
        "SMPMATH-MAKE-6",
        "SMPMATH-MAKE-12",
        "SMPMATH-MAKE-13",
        "SMPMATH-EXP-1",
        "!SMPMATH-EXP-1",
        "SMPMATH-HASH-1",
        "SMPMATH-HASH-2",
        "SMPMATH-HASH-3",
        "SMPMATH-PROOF-1",
        "SMPMATH-MODQ-1",
        "SMPMATH-MODQ-2",
    ),
)
def messages_2_and_4(context: Context) -> None:
    """The responder sends powers of g1 and its blinded secret, then (Qa / Qb) to its exponent, each with a proof that
    verifies.
    """
    _all_different(_as_responder(SmpSession(*context.encrypted())))


@scenario(needs=("smp",), requirements=("SMPMATH-EXP-3", "!SMPMATH-EXP-3", "SMPMATH-EXP-5", "!SMPMATH-EXP-5"))
def exponents_are_not_reused(context: Context) -> None:
    """In four runs of one session, two in each role, no random exponent is used twice."""
    smp_session = SmpSession(*context.encrypted())
    found: Random = {}
    for number, run in enumerate((_as_initiator, _as_responder, _as_responder, _as_initiator), start=1):
        found |= {f"{name} of run {number}": value for name, value in run(smp_session).items()}
    _all_different(found)
