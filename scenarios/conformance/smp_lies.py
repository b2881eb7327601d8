"""Tables of SMP messages from an insider, each wrong in one way.

A lie makes a message from a run and the target's last message. Everything else about the message is valid: the proofs
of a number out of range verify, for example, so that only a range check can detect it. [Receiving a type 2 TLV (SMP
message 1) to Receiving a type 5 TLV (SMP message 4)]
"""

from __future__ import annotations

from collections.abc import Callable

from otterproof.harness.testkit.smp_peer import Numbers, SmpPeer
from otterproof.harness.testkit.smp_session import MESSAGE_1, MESSAGE_2, MESSAGE_3, MESSAGE_4, Making, made
from otterproof.harness.wire import DH_PRIME, SMP_NUMBERS, SMP_ORDER
from otterproof.harness.wire.numbers import power
from otterproof.harness.wire.proofs import prove_degenerate, smp_hash

#: Lies about messages of one type, by what is wrong.
Lies = dict[str, Making]


def _changed(kind: int, name: str, change: Callable[[int], int]) -> Making:
    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        numbers = made(kind, run, heard)
        return {**numbers, name: change(numbers[name])}

    return making


def tampered(kind: int) -> Lies:
    """Each number of a message replaced by another that is in range, so that a proof no longer fits."""
    changes: dict[str, Callable[[int], int]] = {
        "c": lambda number: number ^ 1,
        "D": lambda number: (number + 1) % SMP_ORDER,
    }
    return {
        f"another {name}": _changed(kind, name, changes.get(name[0], lambda number: number * 4 % DH_PRIME))
        for name in SMP_NUMBERS[kind]
    }


def one_p_more(kind: int) -> Lies:
    """Each group element with p added: the same number modulo p, so every proof fits."""
    return {
        f"{name} + p": _changed(kind, name, lambda number: number + DH_PRIME)
        for name in SMP_NUMBERS[kind]
        if name[0] not in "cD"
    }


def one_q_more(kind: int) -> Lies:
    """Each D value with q added: the same exponent for everything in the subgroup, so every proof fits."""
    return {
        f"{name} + q": _changed(kind, name, lambda number: number + SMP_ORDER)
        for name in SMP_NUMBERS[kind]
        if name[0] == "D"
    }


def _degenerate_half(name: str, byte: int, element: int) -> Making:
    """A half of g2 or g3 in message 1 that is 0, 1 or -1 modulo p, with a proof that fits."""
    index = name[1]

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        c, d = prove_degenerate(byte, element)
        return {**run.message_1(), name: element, f"c{index}": c, f"D{index}": d}

    return making


def _half_of_1(kind: int, exponent: str) -> Making:
    """A half of g2 or g3 that is 1 because its exponent is 0; the whole message is made with it."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        setattr(run, exponent, 0)
        return made(kind, run, heard)

    return making


def _p_of_1(kind: int, run: SmpPeer, heard: Numbers) -> Numbers:
    """P is 1 because r4 is 0."""
    run.r[4] = 0
    return made(kind, run, heard)


def _p_of_minus_1(kind: int, run: SmpPeer, heard: Numbers) -> Numbers:
    """P is -1, under a proof whose hash is even."""
    run.r[4] = 0
    while (numbers := made(kind, run, heard))["cP"] % 2:
        run.r[5] += 2
    return {**numbers, "Pb" if kind == MESSAGE_2 else "Pa": DH_PRIME - 1}


def _zero(kind: int, name: str) -> Making:
    """P, Q or R is 0, and the proof hashes the 0 that the other side will compute."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        def hashed(byte: int, *numbers: int) -> int:
            left, right = numbers if len(numbers) == 2 else (numbers[0], 0)
            if name[0] == "P" and byte in (5, 6):
                left = 0
            elif (name[0] == "Q" and byte in (5, 6, 7)) or (name[0] == "R" and byte in (7, 8)):
                right = 0
            return smp_hash(byte, left, right) if len(numbers) == 2 else smp_hash(byte, left)

        run.hashed = hashed
        return {**made(kind, run, heard), name: 0}

    return making


def out_of_range(kind: int) -> Lies:
    """Group elements out of range (0, 1, p - 1, p and above) for which a fitting proof can be made."""
    lies = one_p_more(kind)
    if kind == MESSAGE_1:
        for name, byte in (("g2a", 1), ("g3a", 2)):
            for what, element in (("0", 0), ("1", 1), ("p - 1", DH_PRIME - 1), ("p", DH_PRIME)):
                lies[f"{name} of {what}"] = _degenerate_half(name, byte, element)
    if kind == MESSAGE_2:
        lies |= {"g2b of 1": _half_of_1(kind, "e2"), "g3b of 1": _half_of_1(kind, "e3")}
    if kind in (MESSAGE_2, MESSAGE_3):
        side = "b" if kind == MESSAGE_2 else "a"
        lies[f"P{side} of 1"] = lambda run, heard: _p_of_1(kind, run, heard)
        lies[f"P{side} of p - 1"] = lambda run, heard: _p_of_minus_1(kind, run, heard)
        lies |= {f"{name} of 0": _zero(kind, name) for name in (f"P{side}", f"Q{side}")}
    if kind in (MESSAGE_3, MESSAGE_4):
        name = "Ra" if kind == MESSAGE_3 else "Rb"
        lies[f"{name} of 0"] = _zero(kind, name)
    return lies


def with_hash(kind: int, hashed: Callable[..., int]) -> Making:
    """A whole message made with another hash function."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        run.hashed = hashed
        return made(kind, run, heard)

    return making


#: For each message, the version byte of each proof, and that of the proof most like it.
_BYTES = {
    MESSAGE_1: {1: 2, 2: 1},
    MESSAGE_2: {3: 1, 4: 2, 5: 6},
    MESSAGE_3: {6: 5, 7: 8},
    MESSAGE_4: {8: 7},
}


def of_another_place(kind: int) -> Lies:
    """Each proof made with the version byte of another place in the protocol."""

    def instead(byte: int, other: int) -> Callable[..., int]:
        return lambda prefix, *numbers: smp_hash(other if prefix == byte else prefix, *numbers)

    return {
        f"the proof with version byte {byte} made with {other}": with_hash(kind, instead(byte, other))
        for byte, other in _BYTES[kind].items()
    }


def made_otherwise(kind: int) -> Lies:
    """Numbers that do not belong together, each with a proof that is valid by itself."""

    def other_generators(run: SmpPeer, heard: Numbers) -> Numbers:
        """P and Q for a g2 that belongs to no run."""
        numbers = made(kind, run, heard)
        run.g2 = power(run.g2, 2)
        prefix, side = (5, "b") if kind == MESSAGE_2 else (6, "a")
        p, q, proof = run.blind(prefix)
        return {**numbers, f"P{side}": p, f"Q{side}": q, **proof}

    def other_exponent(run: SmpPeer, heard: Numbers) -> Numbers:
        """R made with an exponent other than that of our half of g3."""
        numbers = made(kind, run, heard)
        prefix, name = (7, "Ra") if kind == MESSAGE_3 else (8, "Rb")
        return {**numbers, **run.lift(prefix, name, run.e3 + 1)}

    lies: Lies = {}
    if kind in (MESSAGE_2, MESSAGE_3):
        lies["P and Q made with another g2"] = other_generators
    if kind in (MESSAGE_3, MESSAGE_4):
        lies["R made with another exponent than g3's half"] = other_exponent
    return lies


def swapped(kind: int, one: str, other: str) -> Making:
    """Two numbers swapped."""

    def making(run: SmpPeer, heard: Numbers) -> Numbers:
        numbers = made(kind, run, heard)
        return {**numbers, one: numbers[other], other: numbers[one]}

    return making
