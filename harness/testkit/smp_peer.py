"""The insider's part in SMP: both sides of a run, with right or wrong numbers under proofs that still fit.

An `SmpPeer` computes a run as the protocol text says, with short exponents, which are fast and which the target can't
tell from long ones. Its parts (an exponent, the way of hashing) can be changed before it makes a message, and the rest
of the message still fits; if a number of a finished message is changed, the proofs no longer fit. [The SMP state
machine]
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, SMP_NUMBERS, SMP_ORDER
from otterproof.harness.wire.layers import build_smp
from otterproof.harness.wire.numbers import power
from otterproof.harness.wire.proofs import Hash, prove_exponent, smp_hash

#: Numbers of an SMP message, by name.
Numbers = Mapping[str, int]

#: The check that fails if a due SMP message is not sent, by TLV type. 7 is message 1 with a question.
SMP_MESSAGE_CHECKS: Mapping[int, str] = {
    2: "smp.message-1-not-sent",
    3: "smp.message-2-not-sent",
    4: "smp.message-3-not-sent",
    5: "smp.message-4-not-sent",
    7: "smp.question-not-sent",
}

#: The check that fails if a message with an invalid proof is accepted.
PROOF_CHECKS: Mapping[int, str] = {
    2: "smp.message-1-proof-not-verified",
    3: "smp.message-2-proof-not-verified",
    4: "smp.message-3-proof-not-verified",
    5: "smp.message-4-proof-not-verified",
}

#: The check that fails if a message with a group element out of range is accepted.
RANGE_CHECKS: Mapping[int, str] = {
    2: "smp.message-1-range-not-checked",
    3: "smp.message-2-range-not-checked",
    4: "smp.message-3-range-not-checked",
    5: "smp.message-4-range-not-checked",
}

#: The check that fails if a message that the state does not expect is accepted, or does not abort the run.
OUT_OF_TURN_CHECKS: Mapping[int, str] = {
    2: "smp.message-1-out-of-turn",
    3: "smp.message-2-out-of-turn",
    4: "smp.message-3-out-of-turn",
    5: "smp.message-4-out-of-turn",
    7: "smp.message-1-out-of-turn",
}


def smp_value(kind: int, numbers: Numbers, *, count: int | None = None, tail: bytes = b"") -> bytes:
    """The value of an SMP TLV, with a wrong count or extra bytes on request."""
    value = build_smp(kind, [numbers[name] for name in SMP_NUMBERS[kind]])
    return (value[:4] if count is None else count.to_bytes(4)) + value[4:] + tail


def secret_number(initiator: bytes, responder: bytes, ssid: bytes, text: bytes) -> int:
    """x or y, from both fingerprints. [Secret information]"""
    return int.from_bytes(hashlib.sha256(b"\1" + initiator + responder + ssid + text).digest())


def over(dividend: int, divisor: int) -> int:
    """The quotient modulo p."""
    return dividend * pow(divisor, -1, DH_PRIME) % DH_PRIME


def times(*factors: int) -> int:
    """The product modulo p."""
    product = 1
    for factor in factors:
        product = product * factor % DH_PRIME
    return product


def commitment(base: int, d: int, element: int, c: int) -> int:
    """The input of a proof: base ** r, from D = r - x * c and the element, base ** x."""
    return times(power(base, d), power(element, c))


class SmpPeer:
    """Both parts of an SMP run. e2, e3: its exponents; r: the others, as r2 to r7; hashed: its hash function."""

    def __init__(self, secret: int) -> None:
        self.secret = secret
        self.e2, self.e3 = 0x1234567, 0x89ABCDF1
        self.r = [0x10001 + 2 * number for number in range(8)]
        self.hashed: Hash = smp_hash
        self.g2 = self.g3 = self.p = self.q = self.quotient = 0

    def message_1(self) -> dict[str, int]:
        c2, d2 = prove_exponent(1, self.e2, self.r[2], self.hashed)
        c3, d3 = prove_exponent(2, self.e3, self.r[3], self.hashed)
        g2a, g3a = power(DH_GENERATOR, self.e2), power(DH_GENERATOR, self.e3)
        return {"g2a": g2a, "c2": c2, "D2": d2, "g3a": g3a, "c3": c3, "D3": d3}

    def message_2(self, first: Numbers) -> dict[str, int]:
        c2, d2 = prove_exponent(3, self.e2, self.r[2], self.hashed)
        c3, d3 = prove_exponent(4, self.e3, self.r[3], self.hashed)
        self.g2, self.g3 = power(first["g2a"], self.e2), power(first["g3a"], self.e3)
        g2b, g3b = power(DH_GENERATOR, self.e2), power(DH_GENERATOR, self.e3)
        self.p, self.q, proof = self.blind(5)
        numbers = {"g2b": g2b, "c2": c2, "D2": d2, "g3b": g3b, "c3": c3, "D3": d3}
        return {**numbers, "Pb": self.p, "Qb": self.q, **proof}

    def message_3(self, second: Numbers) -> dict[str, int]:
        self.g2, self.g3 = power(second["g2b"], self.e2), power(second["g3b"], self.e3)
        self.p, self.q, proof = self.blind(6)
        self.quotient = over(self.q, second["Qb"])
        return {"Pa": self.p, "Qa": self.q, **proof, **self.lift(7, "Ra", self.e3)}

    def message_4(self, third: Numbers) -> dict[str, int]:
        self.quotient = over(third["Qa"], self.q)
        return self.lift(8, "Rb", self.e3)

    def finds_equal(self, lifted: int, pa: int, pb: int) -> bool:
        """The peer's own test of equality, on the R that it received."""
        return power(lifted, self.e3) == over(pa, pb)

    def blind(self, prefix: int) -> tuple[int, int, dict[str, int]]:
        """P and Q, and the proof that they belong together."""
        r4, r5, r6 = self.r[4:7]
        c = self.hashed(prefix, power(self.g3, r5), times(power(DH_GENERATOR, r5), power(self.g2, r6)))
        proof = {"cP": c, "D5": (r5 - r4 * c) % SMP_ORDER, "D6": (r6 - self.secret * c) % SMP_ORDER}
        return power(self.g3, r4), times(power(DH_GENERATOR, r4), power(self.g2, self.secret)), proof

    def lift(self, prefix: int, name: str, exponent: int) -> dict[str, int]:
        """R, the quotient raised to an exponent, and the proof that our half of g3 has the same exponent."""
        r7 = self.r[7]
        c = self.hashed(prefix, power(DH_GENERATOR, r7), power(self.quotient, r7))
        return {name: power(self.quotient, exponent), "cR": c, "D7": (r7 - exponent * c) % SMP_ORDER}
