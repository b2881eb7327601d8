"""The layers inside messages, once decrypted: plaintexts with their TLVs, SMP values, signature blocks, gxmpi.

Each is read into the same kind of fields as a message, which tile its bytes in the same way. [Data Message, SMP Message
TLVs]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from otterproof.harness.wire.fields import Field, FieldError, Layout, Problem, Type, UnreadableField, encode, read
from otterproof.harness.wire.layouts import GXMPI, PUBLIC_KEY, SIGNATURE_BLOCK, SMP_BODIES, SMP_NUMBERS, TLV_TYPES


@dataclass(frozen=True, slots=True)
class Layer:
    """Some bytes as fields that tile them."""

    fields: tuple[Field, ...]
    problems: tuple[Problem, ...]

    @property
    def body(self) -> bytes:
        return b"".join([field.raw for field in self.fields])

    def value(self, name: str) -> int | bytes:
        """The value of a field. UnreadableField if there is no such field, or it is cut short."""
        for field in self.fields:
            if field.name == name and field.value is not None:
                return field.value
        names = ", ".join(field.name for field in self.fields if field.value is not None)
        raise UnreadableField(f"no field {name!r} that can be read; this layer has {names or 'none'}")

    def with_value(self, name: str, value: int | bytes) -> bytes:
        """The layer's bytes with another value in a field."""
        self.value(name)
        return b"".join(
            encode(field.type, value, name, len(field.raw) if field.type is Type.FIXED else 0)
            if field.name == name
            else field.raw
            for field in self.fields
        )


def parse_layer(layout: Layout, data: bytes) -> Layer:
    """Read the bytes of a layer by its layout; never fails."""
    return Layer(*read(layout, data))


def parse_signature_block(data: bytes) -> Layer:
    """X_A or X_B, decrypted."""
    return parse_layer(SIGNATURE_BLOCK, data)


def parse_public_key(data: bytes) -> Layer:
    return parse_layer(PUBLIC_KEY, data)


def parse_gxmpi(data: bytes) -> Layer:
    """What a D-H Commit encrypts."""
    return parse_layer(GXMPI, data)


@dataclass(frozen=True, slots=True)
class Tlv:
    """A TLV as it was read. `value` is shorter than `length` if the plaintext ends within it."""

    type: int
    length: int
    value: bytes

    @property
    def name(self) -> str:
        return TLV_TYPES.get(self.type, f"type_{self.type}")


@dataclass(frozen=True, slots=True)
class Plaintext:
    """The plaintext of a data message. nul: whether a NUL follows the text. rest: up to 3 stray bytes at the end."""

    text: bytes
    nul: bool
    tlvs: tuple[Tlv, ...]
    rest: bytes = b""

    @property
    def whole(self) -> bool:
        """Whether no TLV is cut short, and nothing follows the last one."""
        return not self.rest and all(len(one.value) == one.length for one in self.tlvs)


def parse_plaintext(data: bytes) -> Plaintext:
    """Split a plaintext into text and TLVs; never fails, and `build_plaintext` gives the bytes back."""
    text, nul, records = data.partition(b"\0")
    tlvs, at = [], 0
    while len(records) - at >= 4:
        kind, length = int.from_bytes(records[at : at + 2]), int.from_bytes(records[at + 2 : at + 4])
        tlvs.append(Tlv(kind, length, records[at + 4 : at + 4 + length]))
        at += 4 + length
    return Plaintext(text, bool(nul), tuple(tlvs), records[at:])


def build_plaintext(plaintext: Plaintext) -> bytes:
    """The bytes of a plaintext. The length field of a TLV is its `length`, right or wrong."""
    records = b"".join(tlv.type.to_bytes(2) + tlv.length.to_bytes(2) + tlv.value for tlv in plaintext.tlvs)
    return plaintext.text + (b"\0" if plaintext.nul else b"") + records + plaintext.rest


def tlv(kind: int, value: bytes = b"") -> Tlv:
    """A TLV with the right length."""
    return Tlv(kind, len(value), value)


def with_tlvs(text: bytes, tlvs: Iterable[Tlv]) -> bytes:
    """A plaintext of a text and TLVs."""
    return build_plaintext(Plaintext(text, True, tuple(tlvs)))


@dataclass(frozen=True, slots=True)
class SmpValue:
    """The value of an SMP TLV. question: that of type 7, without its NUL; None for other types or without a NUL."""

    question: bytes | None
    layer: Layer


def parse_smp(kind: int, value: bytes) -> SmpValue:
    """Read the value of a TLV of type 2 to 5 or 7. FieldError for another type."""
    question = None
    if kind == 7:
        text, nul, rest = value.partition(b"\0")
        if nul:
            question, value = text, rest
        kind = 2
    if kind not in SMP_BODIES:
        raise FieldError(f"TLV type {kind} is no SMP message; types 2 to 5 and 7 are")
    return SmpValue(question, parse_layer(SMP_BODIES[kind], value))


def build_smp(kind: int, numbers: Iterable[int], question: bytes | None = None) -> bytes:
    """The value of an SMP TLV from its numbers, in order, with their count before them."""
    values = list(numbers)
    if kind not in (7, *SMP_NUMBERS):
        raise FieldError(f"TLV type {kind} is no SMP message; types 2 to 5 and 7 are")
    body = len(values).to_bytes(4) + b"".join(encode(Type.MPI, number, "MPI") for number in values)
    return body if question is None else question + b"\0" + body
