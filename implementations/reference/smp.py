"""The Socialist Millionaires' Protocol: the four messages, their proofs, and the comparison.

Pure functions from the state of a run and the numbers of a message to the next state and the numbers of the answer.
Names are those of the protocol text: Alice is who begins, Bob who answers; x is Alice's secret, y Bob's. What must be
in range is in a table. Every proof has a hash byte of its own, so that none can take the place of another. [The SMP
state machine; SMPMATH-HASH-2, SMPMATH-PROOF-1]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from otterproof.implementations.contract import SmpAbortReason, SmpState

from .codec import Kind, Part, Reject, mpi, read
from .numbers import G, P, Q, in_group, power, sha256

#: The numbers of a message, by name, in the order in which they are transmitted.
Numbers = dict[str, int]

#: Draws a random exponent by its label.
Draw = Callable[[str], int]

#: TLV type -> names of its numbers. Those that begin with c are hashes, with D proofs, the others group elements.
MESSAGES: dict[int, tuple[str, ...]] = {
    # [SMPMATH-ORDER-1]
    2: ("g2a", "c2", "D2", "g3a", "c3", "D3"),
    # [SMPMATH-ORDER-2]
    3: ("g2b", "c2", "D2", "g3b", "c3", "D3", "Pb", "Qb", "cP", "D5", "D6"),
    # [SMPMATH-ORDER-3]
    4: ("Pa", "Qa", "cP", "D5", "D6", "Ra", "cR", "D7"),
    # [SMPMATH-ORDER-4]
    5: ("Rb", "cR", "D7"),
}


class SmpFailed(Exception):
    """An SMP message fails a check, or is not the one that is expected; becomes an abort, never leaves the engine.

    It holds nothing of the content of the message. [ROBUST-LEAK-1]
    """

    def __init__(self, reason: SmpAbortReason) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SmpRun:
    """Where a run stands. `kept`: what the protocol text says to store. `offer`: an SMP message 1 waiting."""

    state: SmpState = SmpState.EXPECT1
    kept: Mapping[str, int] = field(default_factory=dict, repr=False)
    offer: Mapping[str, int] | None = field(default=None, repr=False)

    @property
    def under_way(self) -> bool:
        return self.state is not SmpState.EXPECT1 or self.offer is not None


#: Nothing under way: before a run, and after its end. [SMP-EXPECT-4, SMP-EXPECT-9]
NO_RUN = SmpRun()


def secret(initiator: bytes, responder: bytes, ssid: bytes, text: bytes) -> int:
    """x or y: the hash of both fingerprints, the session and what the user typed.

    [Secret information; SMP-SECRET-1, SMP-SECRET-2, SMP-SECRET-3, SMP-SECRET-4, SMP-SECRET-5, SMP-SECRET-6,
    SMP-SECRET-8] The fingerprints and the ssid differ between the two conversations of a man in the middle, and the
    ssid from one handshake to the next. [SMP-SECRET-9, SMP-STATE-4]
    """
    return int.from_bytes(sha256(b"\x01" + initiator + responder + ssid + text))


def encode(kind: int, numbers: Numbers) -> bytes:
    """The value of an SMP TLV, without a question. [TLV-SMP-7, TLV-SMP-9]"""
    names = MESSAGES[kind]
    return len(names).to_bytes(4) + b"".join(mpi(numbers[name]) for name in names)


def decode(kind: int, value: bytes) -> Numbers:
    """Read the value of an SMP TLV and check the ranges; SmpFailed(SMP_MALFORMED or SMP_BAD_ELEMENT).

    How many numbers are read depends on `kind`, never on the count. [TLV-SMP-7, TLV-SMP-8, TLV-SMP-9, TLV-SMP-10]
    """
    names = MESSAGES[kind]
    layout = (Part("count", Kind.INT), *(Part(name, Kind.MPI) for name in names))
    try:
        fields = read(layout, value)
    except Reject as reject:
        raise SmpFailed(SmpAbortReason.SMP_MALFORMED) from reject
    if fields.number("count") != len(names):
        raise SmpFailed(SmpAbortReason.SMP_MALFORMED)
    numbers = {name: fields.number(name) for name in names}
    for name, number in numbers.items():
        if name[0] == "D":
            if number >= Q:  # [SMPMATH-DVALUE-1]
                raise SmpFailed(SmpAbortReason.SMP_BAD_ELEMENT)
        elif name[0] != "c" and not in_group(number):
            # In both versions: [SMPMATH-RANGE-1, SMPMATH-RANGE-2; SMPMATH-RANGE-3, SMPMATH-RANGE-4, SMPMATH-RANGE-5,
            # SMPMATH-RANGE-6; SMPMATH-RANGE-7, SMPMATH-RANGE-8, SMPMATH-RANGE-9; SMPMATH-RANGE-10; SMPMATH-RANGE-11,
            # SMPMATH-RANGE-12, SMPMATH-RANGE-13, SMPMATH-RANGE-14].
            raise SmpFailed(SmpAbortReason.SMP_BAD_ELEMENT)
    return numbers


def _hash(prefix: int, *numbers: int) -> int:
    """[SMP Hash function; SMPMATH-HASH-1, SMPMATH-HASH-3, SMPMATH-HASH-4]"""
    return int.from_bytes(sha256(prefix.to_bytes(1) + b"".join(mpi(number) for number in numbers)))


def _times(*factors: int) -> int:
    product = 1
    for factor in factors:
        product = product * factor % P
    return product


def _over(dividend: int, divisor: int) -> int:
    return dividend * pow(divisor, -1, P) % P


def _demand(proof: bool) -> None:
    if not proof:
        raise SmpFailed(SmpAbortReason.SMP_BAD_PROOF)


# The proofs. Each D is reduced modulo q. [SMPMATH-MODQ-1, SMPMATH-MODQ-2]


def _prove_exponent(prefix: int, exponent: int, r: int) -> tuple[int, int]:
    """(c, D): that we know the exponent of G ** exponent."""
    c = _hash(prefix, power(G, r))
    return c, (r - exponent * c) % Q


def _check_exponent(prefix: int, element: int, c: int, d: int) -> None:
    _demand(c == _hash(prefix, _times(power(G, d), power(element, c))))


def _commit_to_secret(prefix: int, value: int, g2: int, g3: int, r4: int, r5: int, r6: int) -> tuple[int, ...]:
    """(P, Q, cP, D5, D6): the secret, blinded, and the proof that it was blinded correctly."""
    blinded_p, blinded_q = power(g3, r4), _times(power(G, r4), power(g2, value))
    c = _hash(prefix, power(g3, r5), _times(power(G, r5), power(g2, r6)))
    return blinded_p, blinded_q, c, (r5 - r4 * c) % Q, (r6 - value * c) % Q


def _check_commitment(prefix: int, g2: int, g3: int, message: Numbers, p: int, q: int) -> None:
    c, d5, d6 = message["cP"], message["D5"], message["D6"]
    left = _times(power(g3, d5), power(p, c))
    right = _times(power(G, d5), power(g2, d6), power(q, c))
    _demand(c == _hash(prefix, left, right))


def _raise_quotient(prefix: int, quotient: int, exponent: int, r7: int) -> tuple[int, int, int]:
    """(R, cR, D7): Qa / Qb to our exponent, and the proof that it is the exponent of g3a or g3b."""
    c = _hash(prefix, power(G, r7), power(quotient, r7))
    return power(quotient, exponent), c, (r7 - exponent * c) % Q


def _check_quotient(prefix: int, g3: int, quotient: int, r: int, message: Numbers) -> None:
    c, d7 = message["cR"], message["D7"]
    left = _times(power(G, d7), power(g3, c))
    _demand(c == _hash(prefix, left, _times(power(quotient, d7), power(r, c))))


def begin(x: int, draw: Draw) -> tuple[SmpRun, Numbers]:
    """The user requests to begin: message 1. [SMP-BEGIN-1, SMP-BEGIN-2]"""
    a2, a3 = draw("smp.a2"), draw("smp.a3")
    c2, d2 = _prove_exponent(1, a2, draw("smp.r2"))  # [SMPMATH-MAKE-15]
    c3, d3 = _prove_exponent(2, a3, draw("smp.r3"))  # [SMPMATH-MAKE-16]
    numbers = {"g2a": power(G, a2), "c2": c2, "D2": d2, "g3a": power(G, a3), "c3": c3, "D3": d3}  # [SMPMATH-MAKE-14]
    return SmpRun(SmpState.EXPECT2, {"x": x, "a2": a2, "a3": a3}), numbers  # [SMPMATH-STORE-3]


def offered(message: Numbers) -> SmpRun:
    """Message 1 received: check it and wait for the user."""
    _check_exponent(1, message["g2a"], message["c2"], message["D2"])  # [SMPMATH-CHECK-1]
    _check_exponent(2, message["g3a"], message["c3"], message["D3"])  # [SMPMATH-CHECK-2]
    return SmpRun(offer={"g2a": message["g2a"], "g3a": message["g3a"]})


def answer(offer: Mapping[str, int], y: int, draw: Draw) -> tuple[SmpRun, Numbers]:
    """The user gave the secret: message 2. [SMPMATH-EXP-1, SMP-MSG1-2, SMP-MSG1-3]"""
    b2, b3 = draw("smp.b2"), draw("smp.b3")
    c2, d2 = _prove_exponent(3, b2, draw("smp.r2"))  # [SMPMATH-MAKE-2]
    c3, d3 = _prove_exponent(4, b3, draw("smp.r3"))  # [SMPMATH-MAKE-3]
    g2, g3 = power(offer["g2a"], b2), power(offer["g3a"], b3)  # [SMPMATH-MAKE-4]
    # [SMPMATH-MAKE-5, SMPMATH-MAKE-6]
    pb, qb, cp, d5, d6 = _commit_to_secret(5, y, g2, g3, draw("smp.r4"), draw("smp.r5"), draw("smp.r6"))
    numbers = {"g2b": power(G, b2), "c2": c2, "D2": d2, "g3b": power(G, b3), "c3": c3, "D3": d3}  # [SMPMATH-MAKE-1]
    numbers |= {"Pb": pb, "Qb": qb, "cP": cp, "D5": d5, "D6": d6}
    kept = {"g3a": offer["g3a"], "g2": g2, "g3": g3, "b3": b3, "Pb": pb, "Qb": qb}  # [SMPMATH-STORE-1]
    return SmpRun(SmpState.EXPECT3, kept), numbers


def receive_2(kept: Mapping[str, int], message: Numbers, draw: Draw) -> tuple[SmpRun, Numbers]:
    """Message 2 received: check it, make message 3. [SMPMATH-EXP-4, SMP-MSG2-2, SMP-MSG2-3]"""
    _check_exponent(3, message["g2b"], message["c2"], message["D2"])  # [SMPMATH-CHECK-3]
    _check_exponent(4, message["g3b"], message["c3"], message["D3"])  # [SMPMATH-CHECK-4]
    a3, pb, qb = kept["a3"], message["Pb"], message["Qb"]
    g2, g3 = power(message["g2b"], kept["a2"]), power(message["g3b"], a3)  # [SMPMATH-MAKE-7]
    _check_commitment(5, g2, g3, message, pb, qb)  # [SMPMATH-CHECK-5]
    # [SMPMATH-MAKE-8, SMPMATH-MAKE-9]
    pa, qa, cp, d5, d6 = _commit_to_secret(6, kept["x"], g2, g3, draw("smp.r4"), draw("smp.r5"), draw("smp.r6"))
    quotient = _over(qa, qb)
    ra, cr, d7 = _raise_quotient(7, quotient, a3, draw("smp.r7"))  # [SMPMATH-MAKE-10, SMPMATH-MAKE-11]
    numbers = {"Pa": pa, "Qa": qa, "cP": cp, "D5": d5, "D6": d6, "Ra": ra, "cR": cr, "D7": d7}
    # [SMPMATH-STORE-2]
    return SmpRun(SmpState.EXPECT4, {"g3b": message["g3b"], "PaPb": _over(pa, pb), "QaQb": quotient, "a3": a3}), numbers


def receive_3(kept: Mapping[str, int], message: Numbers, draw: Draw) -> tuple[bool, Numbers]:
    """Message 3 received: check it, make message 4, compare. [SMPMATH-EXP-5]

    Pa equal to Pb, or Qa equal to Qb, needs no check of its own: only with an Ra of 1 or p - 1 could such a run be
    proved and succeed, and both are out of range. [SMPMATH-EQUAL-1]
    """
    pa, qa, ra, b3 = message["Pa"], message["Qa"], message["Ra"], kept["b3"]
    _check_commitment(6, kept["g2"], kept["g3"], message, pa, qa)  # [SMPMATH-CHECK-6]
    quotient = _over(qa, kept["Qb"])
    _check_quotient(7, kept["g3a"], quotient, ra, message)  # [SMPMATH-CHECK-7]
    rb, cr, d7 = _raise_quotient(8, quotient, b3, draw("smp.r7"))  # [SMPMATH-MAKE-12, SMPMATH-MAKE-13]
    # Multiplied out, for a division takes as long as many products. [SMPMATH-TEST-1, SMP-RESULT-1]
    return power(ra, b3) * kept["Pb"] % P == pa, {"Rb": rb, "cR": cr, "D7": d7}


def receive_4(kept: Mapping[str, int], message: Numbers) -> bool:
    """Message 4 received: check it, compare."""
    _check_quotient(8, kept["g3b"], kept["QaQb"], message["Rb"], message)  # [SMPMATH-CHECK-8]
    return power(message["Rb"], kept["a3"]) == kept["PaPb"]  # [SMPMATH-TEST-2, SMP-RESULT-1]
