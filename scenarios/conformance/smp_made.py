"""SMP: the numbers of the target's own messages are those of the protocol text, and their proofs verify.

The insider knows his own exponents and the secret, so what the target proves can be taken apart down to g1 to the power
of each of its random exponents. [Receiving a type 2 TLV (SMP message 1) to User requests to begin SMP]
"""

from __future__ import annotations

from itertools import combinations

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer, commitment, over, smp_hash
from otterproof.harness.testkit.smp_session import MESSAGE_2, MESSAGE_3, MESSAGE_4, SmpSession
from otterproof.harness.wire import DH_GENERATOR as G1
from otterproof.harness.wire import DH_PRIME, SMP_ORDER
from otterproof.harness.wire.numbers import power

#: Random exponents by name, as g1 to the power of each.
Random = dict[str, int]


def _in_order(numbers: Numbers) -> None:
    """Elements are in the subgroup, hashes have 256 bits at most, D values are below q."""
    for name, number in numbers.items():
        if name[0] == "D":
            check(number < SMP_ORDER, f"{name} is reduced modulo q")
        elif name[0] == "c":
            check(number < 1 << 256, f"{name} is a SHA256 hash")
        else:
            check(2 <= number <= DH_PRIME - 2 and power(number, SMP_ORDER) == 1, f"{name} is a power of g1")


def _halves(numbers: Numbers, side: str, first_byte: int) -> Random:
    """g2 and g3, our half or theirs, with their proofs."""
    found = {}
    for byte, index in ((first_byte, "2"), (first_byte + 1, "3")):
        half, c = numbers[f"g{index}{side}"], numbers[f"c{index}"]
        found[f"{side}{index}"] = half
        found[f"r{index}"] = commitment(G1, numbers[f"D{index}"], half, c)
        check(c == smp_hash(byte, found[f"r{index}"]), f"c{index} is SHA256({byte}, g1^r{index})")
    return found


def _blinded(numbers: Numbers, side: str, byte: int, run: SmpPeer, g2: int, g3: int) -> Random:
    """P and Q with their proof; what is random in it, if the secret is that of the run."""
    c, d5, d6 = numbers["cP"], numbers["D5"], numbers["D6"]
    p, q = numbers[f"P{side}"], numbers[f"Q{side}"]
    left = commitment(g3, d5, p, c)
    right = power(G1, d5) * power(g2, d6) * power(q, c) % DH_PRIME
    check(c == smp_hash(byte, left, right), f"cP is SHA256({byte}, g3^r5, g1^r5 g2^r6)")
    r4 = over(q, power(g2, run.secret))
    r5, r6 = commitment(G1, d5, r4, c), power(G1, (d6 + run.secret * c) % SMP_ORDER)
    return {"r4": r4, "r5": r5, "r6": r6}


def _lifted(numbers: Numbers, name: str, byte: int, half: int, quotient: int) -> Random:
    """R with its proof."""
    c, d7 = numbers["cR"], numbers["D7"]
    r7 = commitment(G1, d7, half, c)
    both = r7, commitment(quotient, d7, numbers[name], c)
    check(c == smp_hash(byte, *both), f"cR is SHA256({byte}, g1^r7, (Qa / Qb)^r7)")
    return {"r7": r7}


def _as_initiator(smp_session: SmpSession) -> Random:
    """A run that the target begins; its random exponents."""
    run = smp_session.liar(target_asks=True)
    first = smp_session.expect2()
    second = run.message_2(first)
    third = smp_session.tell(MESSAGE_2, second).numbers(MESSAGE_3)
    for numbers in (first, third):
        _in_order(numbers)
    found = _halves(first, "a", 1)
    found |= _blinded(third, "a", 6, run, run.g2, run.g3)
    found |= _lifted(third, "Ra", 7, first["g3a"], over(third["Qa"], second["Qb"]))
    check(run.finds_equal(third["Ra"], third["Pa"], second["Pb"]), "Ra is (Qa / Qb)^a3")
    smp_session.tell(MESSAGE_4, run.message_4(third)).tells(True)
    return found


def _as_responder(smp_session: SmpSession) -> Random:
    """A run that the insider begins; the target's random exponents."""
    run = smp_session.liar()
    second = smp_session.expect3(run)
    third = run.message_3(second)
    reply = smp_session.tell(MESSAGE_3, third)
    reply.tells(True)
    fourth = reply.numbers(MESSAGE_4)
    for numbers in (second, fourth):
        _in_order(numbers)
    found = _halves(second, "b", 3)
    found |= _blinded(second, "b", 5, run, run.g2, run.g3)
    found |= _lifted(fourth, "Rb", 8, second["g3b"], run.quotient)
    check(run.finds_equal(fourth["Rb"], third["Pa"], second["Pb"]), "Rb is (Qa / Qb)^b3")
    return found


def _all_different(found: Random) -> None:
    for (one, first), (other, second) in combinations(found.items(), 2):
        check(first != second, f"{one} and {other} are drawn apart from each other")


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
        "SMPMATH-PROOF-1",
        "SMPMATH-MODQ-1",
        "SMPMATH-MODQ-2",
    ),
)
def messages_1_and_3(context: Context) -> None:
    """The initiator's numbers: powers of g1, the secret blinded, Qa / Qb raised, each with the proof that fits it."""
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
    """The responder's numbers: powers of g1, the secret blinded, Qa / Qb raised, each with the proof that fits it."""
    _all_different(_as_responder(SmpSession(*context.encrypted())))


@scenario(needs=("smp",), requirements=("SMPMATH-EXP-3", "!SMPMATH-EXP-3", "SMPMATH-EXP-5", "!SMPMATH-EXP-5"))
def nothing_is_drawn_twice(context: Context) -> None:
    """In four runs of one session, two in each role, every random exponent is another one."""
    smp_session = SmpSession(*context.encrypted())
    found: Random = {}
    for number, run in enumerate((_as_initiator, _as_responder, _as_responder, _as_initiator), start=1):
        found |= {f"{name} of run {number}": value for name, value in run(smp_session).items()}
    _all_different(found)
