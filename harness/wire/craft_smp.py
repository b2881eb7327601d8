"""SMP messages as a malicious peer would change them, and why the receiver must refuse the result.

The first SMP TLV of a plaintext is changed: a number, a proof, the count or the question. An element can get a proof
that verifies, or be out of range while every proof holds. [SMP Message TLVs]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum

from otterproof.harness.wire.layers import Plaintext, Tlv, build_smp, parse_plaintext, parse_smp, tlv
from otterproof.harness.wire.layouts import DH_GENERATOR, DH_PRIME, SMP_NUMBERS
from otterproof.harness.wire.numbers import in_group, power
from otterproof.harness.wire.proofs import prove_degenerate, prove_exponent, verify_exponent_proof

#: Changes a plaintext. number: the index of the TLV or of the number in it, or an offset. value: what to put there.
Change = Callable[[Plaintext, int, int | bytes], Plaintext]

#: The types of the SMP TLVs that have numbers, and the one of them that also asks a question.
SMP_TYPES = frozenset({2, 3, 4, 5, 7})
_ASKS = 7

#: The proofs of knowledge that can be recomputed, by TLV type: (element, c, D, version byte of the hash).
_PROOFS: Mapping[int, tuple[tuple[str, str, str, int], ...]] = {
    2: (("g2a", "c2", "D2", 1), ("g3a", "c3", "D3", 2)),
    3: (("g2b", "c2", "D2", 3), ("g3b", "c3", "D3", 4)),
}

#: The group elements of SMP.
_ELEMENTS = frozenset({"g2a", "g3a", "g2b", "g3b", "Pa", "Qa", "Pb", "Qb", "Ra", "Rb"})

#: The random number of a recomputed proof; the receiver can't tell it from any other.
_R = 0x10001

#: The exponent of an element that is recomputed with another base.
_EXPONENT = 0x10003


def _of_first(change: Callable[[Tlv, int, int | bytes], Tlv | None]) -> Change:
    """Change the first SMP TLV; None leaves it as it is."""

    def changed(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
        at = next((at for at, one in enumerate(plaintext.tlvs) if one.type in SMP_TYPES), None)
        made = None if at is None else change(plaintext.tlvs[at], number, value)
        if at is None or made is None:
            return plaintext
        return replace(plaintext, tlvs=(*plaintext.tlvs[:at], made, *plaintext.tlvs[at + 1 :]))

    return changed


def _of_numbers(change: Callable[[int, dict[str, int], int, int], dict[str, int]]) -> Change:
    """Change the numbers in an SMP TLV, if it is well formed."""

    def changed(one: Tlv, number: int, value: int | bytes) -> Tlv | None:
        smp = parse_smp(one.type, one.value)
        if not isinstance(value, int) or value < 0 or smp.layer.problems:
            return None
        kind = _kind(one)
        numbers = {name: int(smp.layer.value(name)) for name in SMP_NUMBERS[kind]}
        values = change(kind, numbers, number, value)
        return tlv(one.type, build_smp(one.type, [values[name] for name in SMP_NUMBERS[kind]], smp.question))

    return _of_first(changed)


def _kind(one: Tlv) -> int:
    """The type that determines the numbers of an SMP TLV: a TLV of type 7 has those of type 2."""
    return 2 if one.type == _ASKS else one.type


def _another(kind: int, numbers: dict[str, int], number: int, value: int) -> dict[str, int]:
    """Replace a number; the proofs stay as they are."""
    name = SMP_NUMBERS[kind][number % len(SMP_NUMBERS[kind])]
    return {**numbers, name: value}


def _congruent(kind: int, numbers: dict[str, int], number: int, _: int) -> dict[str, int]:
    """Add p to an element: it is then out of range, while every proof still holds."""
    elements = [name for name in SMP_NUMBERS[kind] if name in _ELEMENTS]
    name = elements[number % len(elements)]
    return {**numbers, name: numbers[name] + DH_PRIME}


def _of_proof(prove: Callable[[int, int, int], tuple[int, int, int]]) -> Change:
    """Replace an element and its proof. prove: takes the version byte of the hash, the element and a value."""

    def changed(kind: int, numbers: dict[str, int], number: int, value: int) -> dict[str, int]:
        if kind not in _PROOFS:
            return numbers
        element, c, d, prefix = _PROOFS[kind][number % len(_PROOFS[kind])]
        return {**numbers, **dict(zip((element, c, d), prove(prefix, numbers[element], value), strict=True))}

    return _of_numbers(changed)


def _proved(prefix: int, _: int, value: int) -> tuple[int, int, int]:
    """A proof that verifies: for the value itself if it is 0, 1 or -1 modulo p, else for g to the power of it."""
    if value % DH_PRIME in (0, 1, DH_PRIME - 1):
        return value, *prove_degenerate(prefix, value)
    return power(DH_GENERATOR, value), *prove_exponent(prefix, value, _R)


def _to_base(prefix: int, _: int, value: int) -> tuple[int, int, int]:
    """A power of a base other than g, with a proof to that base."""
    return power(value, _EXPONENT), *prove_exponent(prefix, _EXPONENT, _R, base=value)


def _zeros(_: int, element: int, __: int) -> tuple[int, int, int]:
    return element, 0, 0


def _count(one: Tlv, _: int, value: int | bytes) -> Tlv | None:
    """Replace the count before the numbers."""
    if not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        return None
    head = one.value.index(b"\0") + 1 if one.type == _ASKS and b"\0" in one.value else 0
    return tlv(one.type, one.value[:head] + value.to_bytes(4) + one.value[head + 4 :])


def _question(one: Tlv, _: int, value: int | bytes) -> Tlv | None:
    """Replace the question, if there is one."""
    if not isinstance(value, bytes) or one.type != _ASKS:
        return None
    return tlv(one.type, value + b"\0" + one.value.partition(b"\0")[2])


#: What an insider can change in an SMP message, by name.
SMP_PARTS: Mapping[str, Change] = {
    "smp_number": _of_numbers(_another),
    "smp_congruent": _of_numbers(_congruent),
    "smp_proved": _of_proof(_proved),
    "smp_base": _of_proof(_to_base),
    "smp_zeros": _of_proof(_zeros),
    "smp_question": _of_first(_question),
    "smp_count": _of_first(_count),
}


class Lie(Enum):
    """Why an SMP message that an insider changed must not be accepted."""

    RANGE = "range"
    PROOF = "proof"


def smp_lie(before: bytes, after: bytes, version: int | None) -> tuple[int, Lie] | None:
    """The type of the SMP message whose numbers were changed in a plaintext, and why it must be refused.

    None if anything else was changed too, or if it need not be refused: a first message with new proofs is valid, and
    version 2 does not mention ranges, so an element plus p may be accepted there.
    """
    then, now = parse_plaintext(before), parse_plaintext(after)
    changed = [pair for pair in zip(then.tlvs, now.tlvs, strict=False) if pair[0] != pair[1]]
    if len(then.tlvs) != len(now.tlvs) or len(changed) != 1 or not now.whole:
        return None
    ((was, one),) = changed
    if one.type != was.type or one.type not in SMP_TYPES or sum(tlv.type in SMP_TYPES for tlv in now.tlvs) > 1:
        return None
    kind = _kind(one)
    old, new = parse_smp(was.type, was.value), parse_smp(one.type, one.value)
    if old.layer.problems or new.layer.problems or new.layer.value("count") != len(SMP_NUMBERS[kind]):
        return None
    if all(old.layer.value(name) == new.layer.value(name) for name in SMP_NUMBERS[kind]):
        return None
    numbers = {name: int(new.layer.value(name)) for name in SMP_NUMBERS[kind]}
    outside = any(name in _ELEMENTS and not in_group(value) for name, value in numbers.items())
    if outside and version == 3:
        return kind, Lie.RANGE
    if all(_is_congruent(name, int(old.layer.value(name)), value) for name, value in numbers.items()):
        return None
    proved = all(
        verify_exponent_proof(prefix, numbers[e], numbers[c], numbers[d]) for e, c, d, prefix in _PROOFS.get(kind, ())
    )
    return None if kind == 2 and proved else (kind, Lie.PROOF)


def _is_congruent(name: str, old: int, new: int) -> bool:
    return old == new or (name in _ELEMENTS and (old - new) % DH_PRIME == 0)
