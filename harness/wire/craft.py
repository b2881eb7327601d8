"""What an insider makes of a data message: any part of it changed, and the message then encrypted and authenticated.

An insider is a peer who knows the keys. It changes a field of the header, the text, a TLV, a number of SMP, with the
proof left as it was or made again, or bytes at any place; the MAC fits the result, so the receiver reads all of it. A
part that is not there, or can't hold the value, leaves the message as it was. [Data Message, SMP Message TLVs]
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from otterproof.harness.wire import crypto
from otterproof.harness.wire.data_lies import LIES, Sealed, lying_mac
from otterproof.harness.wire.fields import FieldError, Type, encode
from otterproof.harness.wire.layers import Plaintext, Tlv, build_plaintext, build_smp, parse_plaintext, parse_smp, tlv
from otterproof.harness.wire.layouts import DH_GENERATOR, DH_PRIME, SMP_NUMBERS
from otterproof.harness.wire.message import Kind, Message, armour, build, parse
from otterproof.harness.wire.mutate import splice_bytes
from otterproof.harness.wire.numbers import in_group, power
from otterproof.harness.wire.proofs import is_known, knows, knows_degenerate

#: Finds the session keys of a pair of key ids, the sender's first; None if the insider does not have them.
KeysOf = Callable[[int, int], crypto.SessionKeys | None]

#: The most bytes of a plaintext that an insider makes.
_MOST = 1 << 16

#: The types of the TLVs of SMP that have numbers.
SMP_TYPES = frozenset({2, 3, 4, 5, 7})

#: The proofs of knowledge that can be made again, by TLV type: (element, c, D, version byte of the hash).
_PROOFS: Mapping[int, tuple[tuple[str, str, str, int], ...]] = {
    2: (("g2a", "c2", "D2", 1), ("g3a", "c3", "D3", 2)),
    3: (("g2b", "c2", "D2", 3), ("g3b", "c3", "D3", 4)),
}

#: The random number of a proof that is made again; nobody can tell it from another.
_R = 0x10001

#: The exponent of an element that is made again with another base.
_EXPONENT = 0x10003

#: The fields that say what layout a message has, with their offsets.
_OF_LAYOUT: Mapping[str, tuple[int, Type]] = {"version": (0, Type.SHORT), "type": (2, Type.BYTE)}

#: Changes a plaintext. number: of the TLV or of the number in it, or an offset; value: what is put there.
_Change = Callable[[Plaintext, int, int | bytes], Plaintext]


@dataclass(frozen=True, slots=True)
class Remade:
    """A data message that an insider has made of another one. plaintext, original: what it encrypts, and what that did.

    renumbered: whether the key ids, the counter or the next D-H key are others, so that the two sides differ on keys.
    """

    raw: bytes
    plaintext: bytes
    original: bytes
    renumbered: bool


def remade(raw: bytes, keys_of: KeysOf, part: str, number: int, value: int | bytes) -> Remade | None:
    """A data message with a part changed; None if nothing changes, or if the insider can't read it."""
    message = parse(raw)
    if message.kind is not Kind.DATA or message.problems:
        return None
    keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid"))
    if keys is None or not crypto.verifies(message, keys.sending_mac):
        return None
    original = plaintext = crypto.decrypt_data(message, keys.sending_aes)
    try:
        if part in _OF_LAYOUT:  # a message of another layout need not have the fields that are filled in below
            offset, kind = _OF_LAYOUT[part]
            number, value = offset, encode(kind, value, part)
        if part in _OF_LAYOUT or part == "header_bytes":
            return _with_any_header(message, keys, original, number, value)
        if part in PLAINTEXT_PARTS:
            plaintext = PLAINTEXT_PARTS[part](plaintext, number, value)[:_MOST]
        else:
            message = message.with_value(part, value)
            keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid")) or keys
    except FieldError:
        return None
    made = crypto.mac_data(crypto.encrypt_data(message, keys.sending_aes, plaintext), keys.sending_mac)
    result = build(made)
    return None if result == raw else Remade(result, plaintext, original, _renumbered(parse(raw), parse(result)))


def _with_any_header(
    message: Message, keys: crypto.SessionKeys, plaintext: bytes, number: int, value: int | bytes
) -> Remade | None:
    """Bytes put over those of the authenticated part, whatever they mean, with the MAC of the whole."""
    head = message.mac_input()
    changed = splice_bytes(head, number, len(value), value) if isinstance(value, bytes) else head
    if changed == head:
        return None
    tail = hmac.digest(keys.sending_mac, changed, "sha1") + encode(Type.DATA, message.data("old_mac_keys"), "keys")
    raw = armour(changed + tail)
    after = parse(raw)
    renumbered = after.kind is not Kind.DATA or bool(after.problems) or _renumbered(message, after)
    if after.kind is Kind.DATA and after.has("encrypted_message") and after.has("ctr"):
        plaintext = crypto.decrypt_data(after, keys.sending_aes)
    return Remade(raw, plaintext, crypto.decrypt_data(message, keys.sending_aes), renumbered)


def _renumbered(before: Message, after: Message) -> bool:
    names = ("version", "sender_keyid", "recipient_keyid", "next_dh", "ctr")
    return any(not after.has(name) or after.value(name) != before.value(name) for name in names)


def _of_plaintext(change: _Change) -> Callable[[bytes, int, int | bytes], bytes]:
    return lambda plaintext, number, value: build_plaintext(change(parse_plaintext(plaintext), number, value))


def _text(plaintext: Plaintext, _: int, value: int | bytes) -> Plaintext:
    return replace(plaintext, text=value) if isinstance(value, bytes) else plaintext


def _added(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
    """With a TLV of a type at the end."""
    if not isinstance(value, bytes) or not 0 <= number <= 0xFFFF or len(value) > 0xFFFF:
        return plaintext
    return replace(plaintext, nul=True, tlvs=(*plaintext.tlvs, tlv(number, value)))


def _each(change: Callable[[Tlv, int | bytes], tuple[Tlv, ...]]) -> _Change:
    """A change of the TLV of a number, which wraps around."""

    def changed(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
        if not plaintext.tlvs:
            return plaintext
        at = number % len(plaintext.tlvs)
        tlvs = (*plaintext.tlvs[:at], *change(plaintext.tlvs[at], value), *plaintext.tlvs[at + 1 :])
        return replace(plaintext, tlvs=tlvs)

    return changed


def _typed(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    return (replace(one, type=value),) if isinstance(value, int) and 0 <= value <= 0xFFFF else (one,)


def _with_length(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    """The length says something else than the value has."""
    return (replace(one, length=value),) if isinstance(value, int) and 0 <= value <= 0xFFFF else (one,)


def _filled(one: Tlv, value: int | bytes) -> tuple[Tlv, ...]:
    return (tlv(one.type, value),) if isinstance(value, bytes) and len(value) <= 0xFFFF else (one,)


def _cut(plaintext: bytes, number: int, _: int | bytes) -> bytes:
    """Without so many of the last bytes; wraps around."""
    return plaintext[: len(plaintext) - number % (len(plaintext) + 1)]


def _spliced(plaintext: bytes, number: int, value: int | bytes) -> bytes:
    return splice_bytes(plaintext, number, len(value), value) if isinstance(value, bytes) else plaintext


def _of_smp(change: Callable[[int, dict[str, int], int, int], dict[str, int]]) -> _Change:
    """A change of the numbers of the first TLV of SMP that is whole."""

    def changed(plaintext: Plaintext, number: int, value: int | bytes) -> Plaintext:
        at = next((at for at, one in enumerate(plaintext.tlvs) if one.type in SMP_TYPES), None)
        if at is None or not isinstance(value, int) or value < 0:
            return plaintext
        one = plaintext.tlvs[at]
        kind = 2 if one.type == 7 else one.type
        smp = parse_smp(one.type, one.value)
        if smp.layer.problems:
            return plaintext
        numbers = {name: int(smp.layer.value(name)) for name in SMP_NUMBERS[kind]}
        values = change(kind, numbers, number, value)
        body = build_smp(one.type, [values[name] for name in SMP_NUMBERS[kind]], smp.question)
        return replace(plaintext, tlvs=(*plaintext.tlvs[:at], tlv(one.type, body), *plaintext.tlvs[at + 1 :]))

    return changed


def _smp_number(kind: int, numbers: dict[str, int], number: int, value: int) -> dict[str, int]:
    """Another number; the proofs stay as they are."""
    name = SMP_NUMBERS[kind][number % len(SMP_NUMBERS[kind])]
    return {**numbers, name: value}


def _smp_proved(kind: int, numbers: dict[str, int], number: int, value: int) -> dict[str, int]:
    """Another element, with a proof that verifies: one that is 0, 1 or -1 modulo p, else the power of g to it."""
    if kind not in _PROOFS:
        return numbers
    element, c, d, prefix = _PROOFS[kind][number % len(_PROOFS[kind])]
    if value % DH_PRIME in (0, 1, DH_PRIME - 1):
        proof = knows_degenerate(prefix, value)
    else:
        value, proof = power(DH_GENERATOR, value), knows(prefix, value, _R)
    return {**numbers, element: value, c: proof[0], d: proof[1]}


def _smp_congruent(kind: int, numbers: dict[str, int], number: int, _: int) -> dict[str, int]:
    """An element plus p: out of range, while every proof still holds."""
    elements = [name for name in SMP_NUMBERS[kind] if name in _ELEMENTS]
    name = elements[number % len(elements)]
    return {**numbers, name: numbers[name] + DH_PRIME}


def _smp_base(kind: int, numbers: dict[str, int], number: int, value: int) -> dict[str, int]:
    """An element and its proof with another base than g, both made with a small exponent."""
    if kind not in _PROOFS:
        return numbers
    element, c, d, prefix = _PROOFS[kind][number % len(_PROOFS[kind])]
    proof = knows(prefix, _EXPONENT, _R, base=value)
    return {**numbers, element: power(value, _EXPONENT), c: proof[0], d: proof[1]}


def _smp_question(plaintext: Plaintext, _: int, value: int | bytes) -> Plaintext:
    """Another question in the first TLV of SMP, if it asks one."""
    at = next((at for at, one in enumerate(plaintext.tlvs) if one.type in SMP_TYPES), None)
    if at is None or not isinstance(value, bytes) or plaintext.tlvs[at].type != 7:
        return plaintext
    asked = tlv(7, value + b"\0" + plaintext.tlvs[at].value.partition(b"\0")[2])
    return replace(plaintext, tlvs=(*plaintext.tlvs[:at], asked, *plaintext.tlvs[at + 1 :]))


def _smp_zeros(kind: int, numbers: dict[str, int], number: int, _: int) -> dict[str, int]:
    """A proof of zeros."""
    if kind not in _PROOFS:
        return numbers
    c, d = _PROOFS[kind][number % len(_PROOFS[kind])][1:3]
    return {**numbers, c: 0, d: 0}


def _smp_count(plaintext: Plaintext, _: int, value: int | bytes) -> Plaintext:
    """Another count before the numbers of the first TLV of SMP."""
    at = next((at for at, one in enumerate(plaintext.tlvs) if one.type in SMP_TYPES), None)
    if at is None or not isinstance(value, int) or not 0 <= value <= 0xFFFFFFFF:
        return plaintext
    one = plaintext.tlvs[at]
    head = one.value.index(b"\0") + 1 if one.type == 7 and b"\0" in one.value else 0
    counted = tlv(one.type, one.value[:head] + value.to_bytes(4) + one.value[head + 4 :])
    return replace(plaintext, tlvs=(*plaintext.tlvs[:at], counted, *plaintext.tlvs[at + 1 :]))


#: The group elements of SMP.
_ELEMENTS = frozenset({"g2a", "g3a", "g2b", "g3b", "Pa", "Qa", "Pb", "Qb", "Ra", "Rb"})


def _is_congruent(name: str, old: int, new: int) -> bool:
    return old == new or (name in _ELEMENTS and (old - new) % DH_PRIME == 0)


class Lie(Enum):
    """Why a message of SMP that an insider has made of a right one must not be accepted."""

    RANGE = "range"
    PROOF = "proof"


def smp_lie(before: bytes, after: bytes, version: int | None) -> tuple[int, Lie] | None:
    """The type of the SMP message in which a plaintext has other numbers, and why it must be refused.

    None where something else is changed as well, or where it need not be refused: a first message that has been proved
    again is a right one, and version 2 does not speak of ranges, so that an element plus p may be accepted there.
    """
    then, now = parse_plaintext(before), parse_plaintext(after)
    changed = [pair for pair in zip(then.tlvs, now.tlvs, strict=False) if pair[0] != pair[1]]
    if len(then.tlvs) != len(now.tlvs) or len(changed) != 1 or not now.whole:
        return None
    ((was, one),) = changed
    if one.type != was.type or one.type not in SMP_TYPES or sum(tlv.type in SMP_TYPES for tlv in now.tlvs) > 1:
        return None
    kind = 2 if one.type == 7 else one.type
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
    proved = all(is_known(prefix, numbers[e], numbers[c], numbers[d]) for e, c, d, prefix in _PROOFS.get(kind, ()))
    return None if kind == 2 and proved else (kind, Lie.PROOF)


#: The parts of what a data message encrypts that an insider changes, by name.
PLAINTEXT_PARTS: Mapping[str, Callable[[bytes, int, int | bytes], bytes]] = {
    "text": _of_plaintext(_text),
    "tlv_added": _of_plaintext(_added),
    "tlv_type": _of_plaintext(_each(_typed)),
    "tlv_length": _of_plaintext(_each(_with_length)),
    "tlv_value": _of_plaintext(_each(_filled)),
    "tlv_twice": _of_plaintext(_each(lambda one, _: (one, one))),
    "tlv_left_out": _of_plaintext(_each(lambda _, __: ())),
    "smp_number": _of_plaintext(_of_smp(_smp_number)),
    "smp_proved": _of_plaintext(_of_smp(_smp_proved)),
    "smp_congruent": _of_plaintext(_of_smp(_smp_congruent)),
    "smp_base": _of_plaintext(_of_smp(_smp_base)),
    "smp_question": _of_plaintext(_smp_question),
    "smp_zeros": _of_plaintext(_of_smp(_smp_zeros)),
    "smp_count": _of_plaintext(_smp_count),
    "plaintext_cut": _cut,
    "plaintext_bytes": _spliced,
}

#: The fields of a data message that an insider changes.
HEADER_PARTS = (
    "flags",
    "sender_keyid",
    "recipient_keyid",
    "next_dh",
    "ctr",
    "old_mac_keys",
    "version",
    "type",
    "sender_tag",
    "receiver_tag",
)

#: The part that is the MAC, with a lie in it: the message is then none of the insider's client, and must be refused.
MAC = "mac"

#: All parts of data messages that an insider changes.
PARTS = (*HEADER_PARTS, "header_bytes", *PLAINTEXT_PARTS, MAC)


def lied_about(raw: bytes, keys_of: KeysOf, number: int, ssid: bytes) -> bytes | None:
    """A data message with a wrong MAC, one of LIES by its number; None if the insider can't read it or make it."""
    message = parse(raw)
    keys = keys_of(message.number("sender_keyid"), message.number("recipient_keyid"))
    if keys is None or not crypto.verifies(message, keys.sending_mac):
        return None
    mac = lying_mac(Sealed(message, keys, ssid), LIES[number % len(LIES)])
    return None if mac is None else build(message.with_value("mac", mac))
