"""The content of data messages: text and TLVs in the clear, SMP messages by their meaning.

The content of a modelled party's message is known from what was put into it. An insider's message is given as bytes and
parsed here, just as the receiver has to. SMP messages of modelled parties are symbolic: which message they answer, and
which secret went in. Those of insiders are bytes whose structure and ranges can be judged (`smp_fault`); the test has
to say whether their proofs hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from otterproof.harness.judges.model.names import Identity, Ssid
from otterproof.harness.wire import SMP_ORDER, layers
from otterproof.harness.wire.numbers import in_group
from otterproof.implementations.contract import SmpAbortReason

#: TLV types. [Data Message]
PADDING, DISCONNECTED, SMP_1, SMP_2, SMP_3, SMP_4, SMP_ABORT, SMP_1Q, EXTRA_KEY = range(9)


@dataclass(frozen=True, slots=True)
class SmpId:
    """One SMP message that a modelled party made, or, with owner "", an insider's."""

    owner: str
    number: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything that goes into x or y. [Secret information]"""

    initiator: Identity  # [SMP-SECRET-3]
    responder: Identity  # [SMP-SECRET-4]
    ssid: Ssid  # [SMP-SECRET-5, SMP-SECRET-9]
    secret: bytes  # [SMP-SECRET-6]


@dataclass(frozen=True, slots=True)
class Smp:
    """An SMP message: `step` 1 to 4. answers: the only message against which its proofs hold.

    compared: the sender's side of the comparison, None in message 1. question: that of message 1Q.
    """

    step: int
    id: SmpId
    answers: SmpId | None = None
    compared: Compared | None = None
    question: bytes | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """The smallest and largest size of its value in bytes; MPIs are minimal. [TLV-SMP-7]"""
        letters = _MPIS[self.step]
        lead = 4 + 4 * len(letters) + (0 if self.question is None else len(self.question) + 1)
        return lead, lead + sum(_LONGEST[letter] for letter in letters)


#: The MPIs of SMP messages 1 to 4: group elements (g), hashes (c), and D values (D). [The SMP state machine; TLV-SMP-9,
#: SMPMATH-ORDER-1, SMPMATH-ORDER-2, SMPMATH-ORDER-3, SMPMATH-ORDER-4]
_MPIS: Mapping[int, str] = {1: "gcDgcD", 2: "gcDgcDggcDD", 3: "ggcDDgcD", 4: "gcD"}
_LONGEST: Mapping[str, int] = {"g": 192, "c": 32, "D": 192}

#: Which SMP message a TLV type carries. [TLV-SMP-1]
SMP_STEPS: Mapping[int, int] = {SMP_1: 1, SMP_1Q: 1, SMP_2: 2, SMP_3: 3, SMP_4: 4}


@dataclass(frozen=True, slots=True)
class Raw:
    """A TLV as bytes. proofs_hold, equal: for an insider's SMP message, what a verifier would find out."""

    type: int
    value: bytes = b""
    proofs_hold: bool = False
    equal: bool = False


Tlv: TypeAlias = Raw | Smp


@dataclass(frozen=True, slots=True)
class Plain:
    """The content of a data message. cut: the bytes at the end are not a whole TLV."""

    text: bytes = b""
    tlvs: tuple[Tlv, ...] = ()
    cut: bool = False

    @property
    def sizes(self) -> tuple[int, int]:
        """The smallest and largest size in bytes; counter mode does not change it.

        [DATA-ENC-3, TLV-FORM-1, TLV-FORM-2, TLV-FORM-3]
        """
        least = most = len(self.text) + bool(self.tlvs)
        for tlv in self.tlvs:
            low, high = tlv.sizes if isinstance(tlv, Smp) else (len(tlv.value),) * 2
            least, most = least + 4 + low, most + 4 + high
        return least, most


def plain_from_bytes(content: bytes, *, proofs_hold: bool = False, equal: bool = False) -> Plain:
    """Parse the decrypted bytes of a data message. [Data Message]"""
    parsed = layers.parse_plaintext(content)
    whole = [tlv for tlv in parsed.tlvs if len(tlv.value) == tlv.length]
    cut = bool(parsed.rest) or len(whole) < len(parsed.tlvs)
    return Plain(parsed.text, tuple(Raw(tlv.type, tlv.value, proofs_hold, equal) for tlv in whole), cut)


def smp_question(tlv: Raw) -> bytes | None:
    """The question of an SMP message 1Q; None for the others. [TLV-SMP-5]"""
    return layers.parse_smp(tlv.type, tlv.value).question


def smp_fault(tlv: Raw) -> SmpAbortReason | None:
    """The first check that an insider's SMP message fails; None if it passes them all. [choice smp.check-order]"""
    parsed = layers.parse_smp(tlv.type, tlv.value)
    letters = _MPIS[SMP_STEPS[tlv.type]]
    asks = parsed.question is not None
    # [TLV-SMP-6, TLV-SMP-8, TLV-SMP-10]
    if asks != (tlv.type == SMP_1Q) or parsed.layer.problems or parsed.layer.value("count") != len(letters):
        return SmpAbortReason.SMP_MALFORMED
    for letter, field in zip(letters, parsed.layer.fields[1:], strict=True):
        number = field.value if isinstance(field.value, int) else 0
        # [SMPMATH-DVALUE-1, SMPMATH-RANGE-1, SMPMATH-RANGE-2, SMPMATH-RANGE-3, SMPMATH-RANGE-4, SMPMATH-RANGE-5,
        # SMPMATH-RANGE-6, SMPMATH-RANGE-7, SMPMATH-RANGE-8, SMPMATH-RANGE-9, SMPMATH-RANGE-10, SMPMATH-RANGE-11,
        # SMPMATH-RANGE-12, SMPMATH-RANGE-13, SMPMATH-RANGE-14, SMPMATH-RANGE-15]
        if (letter == "g" and not in_group(number)) or (letter == "D" and number >= SMP_ORDER):
            return SmpAbortReason.SMP_BAD_ELEMENT
    return None if tlv.proofs_hold else SmpAbortReason.SMP_BAD_PROOF
