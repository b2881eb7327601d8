"""What is known of a message, layer by layer, as plain values for the terminal and for JSON."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from otterproof.harness.runs.inspector.opening import NEAREST, Opener, Secrets
from otterproof.harness.runs.inspector.sources import Found
from otterproof.harness.support.printable import printable
from otterproof.harness.wire import Kind, Message, parse
from otterproof.harness.wire.dissect import dissected, field_lines
from otterproof.harness.wire.fields import FieldError, Problem
from otterproof.harness.wire.layers import Layer, Tlv, parse_gxmpi, parse_plaintext, parse_signature_block, parse_smp
from otterproof.harness.wire.numbers import fingerprint
from otterproof.implementations.contract import DsaPublicKey

#: The table of what fields mean: kind of message -> field -> what it is, and a requirement.
MEANINGS = Path(__file__).with_name("meanings.toml")

#: What the problems that the codec finds go against.
_RULES = {
    "leading-zero": "TYPES-MPI-2",
    "short": "TYPES-DATA-2",
    "missing": "TYPES-DATA-2",
    "trailing": "TYPES-DATA-2",
    "armour": "ARMOUR-FORM-1",
    "form": "FRAGMENT-SEND-3",
}


@dataclass(frozen=True, slots=True)
class InspectedField:
    """A field. offset: in its layer, in bytes. value: in words. meaning, requirement: "" where none is known."""

    offset: int
    name: str
    value: str
    meaning: str = ""
    requirement: str = ""


@dataclass(frozen=True, slots=True)
class InspectedLayer:
    """Fields that belong together: the message itself, or something that was inside it."""

    title: str
    fields: tuple[InspectedField, ...]


@dataclass(frozen=True, slots=True)
class Inspected:
    """A message. place: where it was found. layers: from the outside to the inside. notes: what the secrets tell.

    problems: what is not as the protocol texts have it, each with a requirement where one is known.
    """

    place: str
    kind: str
    version: int | None
    raw: str
    layers: tuple[InspectedLayer, ...]
    notes: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


@cache
def meanings() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """The table of what fields mean."""
    table = tomllib.loads(MEANINGS.read_text())
    return {kind: {name: (one[0], one[1]) for name, one in fields.items()} for kind, fields in table.items()}


def inspect_all(found: Sequence[Found], secrets: Secrets, *, whole: bool = False) -> Iterator[Inspected]:
    """What is known of messages that belong to one conversation. whole: no field is cut."""
    messages = [parse(one.raw) for one in found]
    opener = Opener(messages, secrets)
    for one, message in zip(found, messages, strict=True):
        yield _inspected(one, message, opener, whole)


def _inspected(found: Found, message: Message, opener: Opener, whole: bool) -> Inspected:
    title, lines = dissected(found.raw, whole=whole)
    known = {**meanings()["any"], **meanings().get(message.kind.value, {})}
    fields = tuple(
        InspectedField(line.offset, line.name, line.value, *known.get(line.name, ("", ""))) for line in lines
    )
    place = found.place if found.pieces == 1 else f"{found.place}, {found.pieces} fragments"
    layers = [InspectedLayer(title, fields)]
    notes: list[str] = []
    problems = list(_problems(message.problems))
    for layer, note, more in _inside(message, opener, whole):
        if layer is not None:
            layers.append(layer)
        notes += note
        problems += _problems(more)
    return Inspected(
        place, message.kind.value, message.version, found.raw.hex(), tuple(layers), tuple(notes), tuple(problems)
    )


def _problems(problems: Iterable[Problem]) -> Iterator[tuple[str, str]]:
    return ((str(problem), _RULES.get(problem.code, "")) for problem in problems)


_Part = tuple[InspectedLayer | None, list[str], Sequence[Problem]]


def _inside(message: Message, opener: Opener, whole: bool) -> Iterator[_Part]:
    match message.kind:
        case Kind.DH_COMMIT if message.has("hashed_gx"):
            encoded = opener.committed.get(message.data("hashed_gx"))
            if encoded is not None:
                layer = parse_gxmpi(encoded)
                yield _layer("what it commits to, opened with the revealed key", layer, whole), [], layer.problems
        case Kind.REVEAL_SIGNATURE | Kind.SIGNATURE:
            yield from _signed(message, opener, whole)
        case Kind.DATA:
            yield from _data(message, opener, whole)


def _signed(message: Message, opener: Opener, whole: bool) -> Iterator[_Part]:
    opened = opener.block_of(message)
    if opened is None:
        return
    block, keys, source = opened
    layer = parse_signature_block(block)
    notes = [f"the MAC is right, under keys from {source}", f"ssid {keys.ssid.hex()}"]
    try:
        numbers = {name: layer.value(name) for name in ("p", "q", "g", "y")}
        key = DsaPublicKey(**{name: int(value) for name, value in numbers.items() if isinstance(value, int)})
        notes.append(f"fingerprint {fingerprint(key).hex()}")
    except FieldError:
        notes.append("the public key can't be read")
    yield _layer("the signed block, decrypted", layer, whole), notes, layer.problems


def _data(message: Message, opener: Opener, whole: bool) -> Iterator[_Part]:
    key = opener.key_of(message)
    if key is None:
        if untried := opener.untried(message):
            note = f"of the MAC keys that are revealed, the {NEAREST} nearest do not fit, and {untried} were not tried"
            yield None, [note], ()
        return
    notes = [f"the MAC is right, under {key.source}; MAC key {key.mac.hex()}"]
    plaintext = opener.plaintext_of(message, key)
    if plaintext is None:
        yield None, notes, ()
        return
    parts = parse_plaintext(plaintext)
    text = InspectedField(0, "text", _whole(parts.text), "what the user reads", "DATA-FORM-6")
    yield InspectedLayer("the plaintext", (text,)), notes, ()
    for tlv in parts.tlvs:
        yield _tlv(tlv, key.extra_key, whole)


def _tlv(tlv: Tlv, extra_key: bytes | None, whole: bool) -> _Part:
    title = f"TLV {tlv.type}, {tlv.name.replace('_', ' ')}, {tlv.length} bytes"
    if tlv.name.startswith("smp_") and tlv.type != 6:
        value = parse_smp(tlv.type, tlv.value)
        question = () if value.question is None else (InspectedField(0, "question", _whole(value.question)),)
        layer = _layer(title, value.layer, whole)
        return InspectedLayer(title, (*question, *layer.fields)), [], value.layer.problems
    fields = (InspectedField(0, "value", _whole(tlv.value)),) if tlv.value else ()
    notes = [f"extra symmetric key {extra_key.hex()}"] if tlv.type == 8 and extra_key is not None else []
    return InspectedLayer(title, fields), notes, ()


def _whole(value: bytes) -> str:
    """Bytes that a user or a client was meant to read, all of them: as text, or else in hexadecimal."""
    if not value:
        return "no bytes"
    text = value.decode(errors="replace")
    if "\N{REPLACEMENT CHARACTER}" in text or "\0" in text:
        return f"{value.hex()} ({len(value)} bytes)"
    return f'"{printable(text)}"'


def _layer(title: str, layer: Layer, whole: bool) -> InspectedLayer:
    lines = field_lines(layer.fields, whole=whole)
    return InspectedLayer(title, tuple(InspectedField(line.offset, line.name, line.value) for line in lines))
