"""The Socialist Millionaires' Protocol: its four messages as lists of numbers, made and checked.

One function makes or answers each message, from the state that the message is expected in to the next one. A state
holds only what later steps need, and never changes. Transport, user and abort are the business of `smp_run`.
[The SMP state machine]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from otterproof.implementations.contract import SmpAbortReason

from .primitives import G, P, Q, in_group, power, quotient, sha256
from .wire import encode_mpi

#: Draws the exponent of the given label, 1536 bits.
Draw = Callable[[str], int]

#: Above any value that a proof's c, a SHA256 hash, can have.
_HASH_LIMIT = 1 << 256


class RunFault(Exception):
    """An SMP message that ends its run. It holds the reason alone, no value of the message. [ROBUST-LEAK-1]"""

    def __init__(self, reason: SmpAbortReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Expect1:
    """SMPSTATE_EXPECT1, and nobody is being asked for anything."""


@dataclass(frozen=True, slots=True)
class Asked:
    """SMPSTATE_EXPECT1 while the user is asked for the secret that answers SMP message 1."""

    question: bytes | None
    g2a: int
    g3a: int


@dataclass(frozen=True, slots=True)
class Expect2:
    """SMPSTATE_EXPECT2: we have sent message 1. [SMP-BEGIN-2, SMPMATH-STORE-3]"""

    x: int = field(repr=False)
    a2: int = field(repr=False)
    a3: int = field(repr=False)


@dataclass(frozen=True, slots=True)
class Expect3:
    """SMPSTATE_EXPECT3: we have sent message 2. [SMP-MSG1-3, SMPMATH-STORE-1]"""

    b3: int = field(repr=False)
    g2: int = field(repr=False)
    g3: int = field(repr=False)
    g3a: int
    pb: int
    qb: int


@dataclass(frozen=True, slots=True)
class Expect4:
    """SMPSTATE_EXPECT4: we have sent message 3. The quotients are P_a / P_b and Q_a / Q_b.
    [SMP-MSG2-3, SMPMATH-STORE-2]
    """

    a3: int = field(repr=False)
    g3b: int
    p_quotient: int = field(repr=False)
    q_quotient: int = field(repr=False)


State = Expect1 | Asked | Expect2 | Expect3 | Expect4


def _hash(version: int, *values: int) -> int:
    """Of a version and one or two numbers. Each of the eight proofs has a version of its own.
    [SMP Hash function; SMPMATH-HASH-1, SMPMATH-HASH-2, SMPMATH-HASH-3, SMPMATH-HASH-4]
    """
    return int.from_bytes(sha256(bytes((version,)) + b"".join(map(encode_mpi, values))), "big")


def _check(*, elements: Sequence[int], responses: Sequence[int]) -> None:
    """Raise RunFault unless the group elements are in range and the D values are reduced. [SMPMATH-DVALUE-1]"""
    if not all(map(in_group, elements)) or not all(response < Q for response in responses):
        raise RunFault(SmpAbortReason.SMP_BAD_ELEMENT)


def _demand(proved: bool) -> None:
    if not proved:
        raise RunFault(SmpAbortReason.SMP_BAD_PROOF)


def _bounded(*challenges: int) -> None:
    """No hash has such a value, so it proves nothing; and it would make an exponentiation of any length.
    [ROBUST-INPUT-1]
    """
    _demand(all(challenge < _HASH_LIMIT for challenge in challenges))


def _prove_exponent(version: int, exponent: int, r: int) -> tuple[int, int]:
    """c and D: we know the exponent of g_1^exponent."""
    c = _hash(version, power(G, r))
    return c, (r - exponent * c) % Q


def _knows_exponent(version: int, element: int, c: int, d: int) -> bool:
    return c == _hash(version, power(G, d) * power(element, c) % P)


def _prove_coordinates(
    version: int, g2: int, g3: int, secret: int, r4: int, r5: int, r6: int
) -> tuple[int, int, int, int, int]:
    """P, Q, cP, D5 and D6: P and Q hide the secret in the way they must."""
    p = power(g3, r4)
    q = power(G, r4) * power(g2, secret) % P
    c = _hash(version, power(g3, r5), power(G, r5) * power(g2, r6) % P)
    return p, q, c, (r5 - r4 * c) % Q, (r6 - secret * c) % Q


def _coordinates_proved(version: int, g2: int, g3: int, p: int, q: int, c: int, d5: int, d6: int) -> bool:
    first = power(g3, d5) * power(p, c) % P
    second = power(G, d5) * power(g2, d6) % P * power(q, c) % P
    return c == _hash(version, first, second)


def _prove_r(version: int, q_quotient: int, exponent: int, r7: int) -> tuple[int, int, int]:
    """R, cR and D7: R is the quotient to the exponent of the sender's half of g_3."""
    r = power(q_quotient, exponent)
    c = _hash(version, power(G, r7), power(q_quotient, r7))
    return r, c, (r7 - exponent * c) % Q


def _r_proved(version: int, q_quotient: int, half: int, r: int, c: int, d7: int) -> bool:
    first = power(G, d7) * power(half, c) % P
    second = power(q_quotient, d7) * power(r, c) % P
    return c == _hash(version, first, second)


def begin(x: int, draw: Draw) -> tuple[Expect2, list[int]]:
    """SMP message 1. Every value comes with a proof. [User requests to begin SMP; SMPMATH-PROOF-1]"""
    a2, a3 = draw("smp.a2"), draw("smp.a3")
    c2, d2 = _prove_exponent(1, a2, draw("smp.r2"))  # [SMPMATH-MAKE-15]
    c3, d3 = _prove_exponent(2, a3, draw("smp.r3"))  # [SMPMATH-MAKE-16]
    return Expect2(x, a2, a3), [power(G, a2), c2, d2, power(G, a3), c3, d3]  # [SMPMATH-MAKE-14]


def check_message_1(values: Sequence[int], question: bytes | None) -> Asked:
    """The state in which the user is to be asked. Raises RunFault. [Receiving a type 2 TLV]"""
    g2a, c2, d2, g3a, c3, d3 = values  # [SMPMATH-ORDER-1]
    _check(elements=(g2a, g3a), responses=(d2, d3))  # [SMPMATH-RANGE-1, SMPMATH-RANGE-2, SMPMATH-RANGE-11]
    _bounded(c2, c3)
    _demand(_knows_exponent(1, g2a, c2, d2))  # [SMPMATH-CHECK-1]
    _demand(_knows_exponent(2, g3a, c3, d3))  # [SMPMATH-CHECK-2]
    return Asked(question, g2a, g3a)


def answer(asked: Asked, y: int, draw: Draw) -> tuple[Expect3, list[int]]:
    """SMP message 2. [Receiving a type 2 TLV; SMPMATH-EXP-1]"""
    b2, b3 = draw("smp.b2"), draw("smp.b3")
    c2, d2 = _prove_exponent(3, b2, draw("smp.r2"))  # [SMPMATH-MAKE-2]
    c3, d3 = _prove_exponent(4, b3, draw("smp.r3"))  # [SMPMATH-MAKE-3]
    g2, g3 = power(asked.g2a, b2), power(asked.g3a, b3)  # [SMPMATH-MAKE-4]
    # [SMPMATH-MAKE-5, SMPMATH-MAKE-6]
    pb, qb, cp, d5, d6 = _prove_coordinates(5, g2, g3, y, draw("smp.r4"), draw("smp.r5"), draw("smp.r6"))
    state = Expect3(b3=b3, g2=g2, g3=g3, g3a=asked.g3a, pb=pb, qb=qb)
    # [SMPMATH-MAKE-1]
    return state, [power(G, b2), c2, d2, power(G, b3), c3, d3, pb, qb, cp, d5, d6]


def answer_message_2(state: Expect2, values: Sequence[int], draw: Draw) -> tuple[Expect4, list[int]]:
    """Check SMP message 2 and make message 3. Raises RunFault. [Receiving a type 3 TLV; SMPMATH-EXP-4]"""
    g2b, c2, d2, g3b, c3, d3, pb, qb, cp, d5, d6 = values  # [SMPMATH-ORDER-2]
    # [SMPMATH-RANGE-3, SMPMATH-RANGE-4, SMPMATH-RANGE-5, SMPMATH-RANGE-6, SMPMATH-RANGE-12]
    _check(elements=(g2b, g3b, pb, qb), responses=(d2, d3, d5, d6))
    _bounded(c2, c3, cp)
    _demand(_knows_exponent(3, g2b, c2, d2))  # [SMPMATH-CHECK-3]
    _demand(_knows_exponent(4, g3b, c3, d3))  # [SMPMATH-CHECK-4]
    g2, g3 = power(g2b, state.a2), power(g3b, state.a3)  # [SMPMATH-MAKE-7]
    _demand(_coordinates_proved(5, g2, g3, pb, qb, cp, d5, d6))  # [SMPMATH-CHECK-5]
    # [SMPMATH-MAKE-8, SMPMATH-MAKE-9]
    pa, qa, cp, d5, d6 = _prove_coordinates(6, g2, g3, state.x, draw("smp.r4"), draw("smp.r5"), draw("smp.r6"))
    q_quotient = quotient(qa, qb)
    ra, cr, d7 = _prove_r(7, q_quotient, state.a3, draw("smp.r7"))  # [SMPMATH-MAKE-10, SMPMATH-MAKE-11]
    following = Expect4(a3=state.a3, g3b=g3b, p_quotient=quotient(pa, pb), q_quotient=q_quotient)
    return following, [pa, qa, cp, d5, d6, ra, cr, d7]


def answer_message_3(state: Expect3, values: Sequence[int], draw: Draw) -> tuple[bool, list[int]]:
    """Check SMP message 3 and make message 4; the flag tells if x = y. Raises RunFault. [Receiving a type 4 TLV]

    No test is made that P_a and Q_a differ from P_b and Q_b, for the first proof takes the exponents that they were
    made with, and a peer that copies ours does not know them. [SMPMATH-EQUAL-1]
    """
    pa, qa, cp, d5, d6, ra, cr, d7 = values  # [SMPMATH-ORDER-3]
    # [SMPMATH-RANGE-7, SMPMATH-RANGE-8, SMPMATH-RANGE-9, SMPMATH-RANGE-13]
    _check(elements=(pa, qa, ra), responses=(d5, d6, d7))
    _bounded(cp, cr)
    _demand(_coordinates_proved(6, state.g2, state.g3, pa, qa, cp, d5, d6))  # [SMPMATH-CHECK-6]
    q_quotient = quotient(qa, state.qb)
    _demand(_r_proved(7, q_quotient, state.g3a, ra, cr, d7))  # [SMPMATH-CHECK-7]
    # [SMPMATH-EXP-5, SMPMATH-MAKE-12, SMPMATH-MAKE-13]
    rb, cr, d7 = _prove_r(8, q_quotient, state.b3, draw("smp.r7"))
    equal = power(ra, state.b3) == quotient(pa, state.pb)  # [SMPMATH-TEST-1, SMP-RESULT-1]
    return equal, [rb, cr, d7]


def conclude(state: Expect4, values: Sequence[int]) -> bool:
    """Check SMP message 4, and tell if x = y. Raises RunFault. [Receiving a type 5 TLV]"""
    rb, cr, d7 = values  # [SMPMATH-ORDER-4]
    _check(elements=(rb,), responses=(d7,))  # [SMPMATH-RANGE-10, SMPMATH-RANGE-14]
    _bounded(cr)
    _demand(_r_proved(8, state.q_quotient, state.g3b, rb, cr, d7))  # [SMPMATH-CHECK-8]
    return power(rb, state.a3) == state.p_quotient  # [SMPMATH-TEST-2, SMP-RESULT-1]
