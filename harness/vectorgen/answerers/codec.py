"""The third opinion: the harness's own codec and arithmetic, without code of either engine."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from otterproof.harness import wire
from otterproof.harness.testkit.smp_peer import over, secret_number, times
from otterproof.harness.vectorgen.answerers.base import SMP_TLV, Exponents, Refusal, SmpRun
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, SMP_NUMBERS, SMP_ORDER, Kind, Part, Type, crypto, layers
from otterproof.harness.wire.fields import encode, read
from otterproof.harness.wire.numbers import dsa_sign, fingerprint, power
from otterproof.harness.wire.proofs import smp_hash
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey

_PARTS = {
    **{name: Part("value", Type(name)) for name in ("BYTE", "SHORT", "INT", "MPI", "DATA")},
    "CTR": Part("value", Type.FIXED, 8),
    "MAC": Part("value", Type.FIXED, 20),
}


def _whole(layer: layers.Layer) -> layers.Layer:
    """The layer, if it has no problems."""
    if layer.problems:
        raise Refusal(layer.problems[0].code)
    return layer


def _number(layer: layers.Layer, name: str) -> int:
    value = layer.value(name)
    if not isinstance(value, int):
        raise Refusal(f"{name} holds bytes")
    return value


def _bytes(layer: layers.Layer, name: str) -> bytes:
    value = layer.value(name)
    if not isinstance(value, bytes):
        raise Refusal(f"{name} holds a number")
    return value


def _in_range(theirs: int) -> None:
    if not 2 <= theirs <= DH_PRIME - 2:
        raise Refusal("out of range")


def _key(layer: layers.Layer) -> DsaPublicKey:
    key = DsaPublicKey(*(_number(layer, name) for name in "pqgy"))
    usual = key.p.bit_length() in (1024, 2048, 3072) and key.q.bit_length() == 160
    if _number(layer, "pubkey_type") != 0 or not usual or not 1 < key.g < key.p or not 1 < key.y < key.p:
        raise Refusal("no acceptable DSA key")
    return key


class OwnTools:
    """tools.Tools on harness/wire."""

    name = "harness"

    def read(self, kind: str, data: bytes) -> int | bytes:
        return _whole(layers.Layer(*read((_PARTS[kind],), data))).value("value")

    def write(self, kind: str, value: int | bytes) -> bytes:
        return encode(_PARTS[kind].type, value, "value")

    def unarmour(self, text: bytes) -> bytes:
        message = wire.parse(text)
        if message.armour is None:
            raise Refusal(f"it is a {message.kind} message")
        return message.body

    def armour(self, binary: bytes) -> bytes:
        return wire.armour(binary)

    def public_key(self, encoded: bytes) -> tuple[DsaPublicKey, bytes]:
        key = _key(_whole(layers.parse_public_key(encoded)))
        return key, fingerprint(key)

    def sign(self, key: DsaPrivateKey, mac: bytes, random: bytes) -> bytes:
        r, s = dsa_sign(key, mac, int.from_bytes(random) % (key.public.q - 1) + 1)
        return r.to_bytes(20) + s.to_bytes(20)

    def verify(self, key: DsaPublicKey, mac: bytes, signature: bytes) -> None:
        r, s = int.from_bytes(signature[:20]), int.from_bytes(signature[20:])
        if len(signature) != 40 or not 0 < r < key.q or not 0 < s < key.q:
            raise Refusal("r or s out of range")
        w = pow(s, -1, key.q)
        first, second = pow(key.g, int.from_bytes(mac) * w % key.q, key.p), pow(key.y, r * w % key.q, key.p)
        if first * second % key.p % key.q != r:
            raise Refusal("wrong signature")

    def exchange(self, private: bytes, theirs: int) -> tuple[int, int]:
        _in_range(theirs)
        exponent = int.from_bytes(private)
        return power(DH_GENERATOR, exponent), power(theirs, exponent)

    def handshake_keys(self, s: int) -> Mapping[str, bytes]:
        keys = crypto.handshake_keys(s)
        names = ("ssid", "c", "c_primed", "m1", "m2", "m1_primed", "m2_primed")
        return {"secbytes": crypto.secbytes(s), **{name: getattr(keys, name) for name in names}}

    def session_keys(self, private: bytes, theirs: int) -> Mapping[str, Any]:
        ours, s = self.exchange(private, theirs)
        keys = crypto.session_keys(ours, theirs, s)
        names = ("sending_aes", "sending_mac", "receiving_aes", "receiving_mac", "extra_key")
        return {"our_public": ours, "s": s, "high_end": ours > theirs, **{name: getattr(keys, name) for name in names}}

    def open_commitment(self, revealed_key: bytes, encrypted_gx: bytes, hashed_gx: bytes) -> int:
        gxmpi = crypto.aes_ctr(revealed_key, bytes(8), encrypted_gx)
        if hashlib.sha256(gxmpi).digest() != hashed_gx:
            raise Refusal("wrong hash")
        gx = _number(_whole(layers.parse_gxmpi(gxmpi)), "gx")
        _in_range(gx)
        return gx

    def open_signature(
        self, signer: int, other: int, keys: tuple[bytes, bytes, bytes], encrypted: bytes, mac: bytes
    ) -> tuple[bytes, int]:
        c, m1, m2 = keys
        if hmac.digest(m2, encode(Type.DATA, encrypted, "encrypted_signature"), "sha256")[:20] != mac:
            raise Refusal("wrong MAC")
        block = crypto.aes_ctr(c, bytes(8), encrypted)
        layer = _whole(layers.parse_signature_block(block))
        key, keyid = _key(layer), _number(layer, "keyid")
        if keyid == 0:
            raise Refusal("key id 0")
        public = encode(Type.MPI, signer, "ours") + encode(Type.MPI, other, "theirs")
        self.verify(key, hmac.digest(m1, public + block[:-40], "sha256"), _bytes(layer, "signature"))
        return fingerprint(key), keyid

    def open_data(self, message: bytes, aes_key: bytes, mac_key: bytes) -> Mapping[str, Any]:
        parsed = wire.parse(message)
        if parsed.kind is not Kind.DATA or parsed.problems:
            raise Refusal("no data message of the form")
        if not crypto.verifies(parsed, mac_key):
            raise Refusal("wrong MAC")
        if not any(parsed.data("ctr")):
            raise Refusal("counter of 0")
        _in_range(parsed.number("next_dh"))
        revealed = parsed.data("old_mac_keys")
        return {
            **{name: parsed.number(name) for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh")},
            "ctr": parsed.data("ctr"),
            "plaintext": crypto.decrypt_data(parsed, aes_key),
            "old_mac_keys": tuple(revealed[at : at + 20] for at in range(0, len(revealed), 20)),
        }

    def plaintext(self, plaintext: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
        found = layers.parse_plaintext(plaintext)
        whole = [(tlv.type, tlv.value) for tlv in found.tlvs if len(tlv.value) == tlv.length]
        if found.rest or len(whole) < len(found.tlvs):
            raise Refusal("a TLV is cut short", (found.text, whole))
        return found.text, whole

    def smp_secret(self, initiator: bytes, responder: bytes, ssid: bytes, secret: bytes) -> int:
        return secret_number(initiator, responder, ssid, secret)

    def smp_run(self, x: int, y: int, initiator: Exponents, responder: Exponents) -> SmpRun:
        a = {name: int.from_bytes(value) for name, value in initiator.items()}
        b = {name: int.from_bytes(value) for name, value in responder.items()}
        first = {**_knows(1, "g2a", "2", a["a2"], a["r2"]), **_knows(2, "g3a", "3", a["a3"], a["r3"])}
        second = {**_knows(3, "g2b", "2", b["b2"], b["r2"]), **_knows(4, "g3b", "3", b["b3"], b["r3"])}
        g2, g3 = power(first["g2a"], b["b2"]), power(first["g3a"], b["b3"])
        second |= _blinds(5, "b", y, g2, g3, b)
        third = _blinds(6, "a", x, g2, g3, a)
        quotient = over(third["Qa"], second["Qb"])
        third |= _raises(7, "Ra", quotient, a["a3"], a["r7"])
        fourth = _raises(8, "Rb", quotient, b["b3"], b["r7"])
        both = over(third["Pa"], second["Pb"])
        equal = power(fourth["Rb"], a["a3"]) == both, power(third["Ra"], b["b3"]) == both
        return SmpRun((first, second, third, fourth), equal)

    def smp_check(self, message: int, known: Mapping[str, int], value: bytes) -> bool | None:
        kind = SMP_TLV[message]
        names = SMP_NUMBERS[kind]
        layer = _whole(layers.parse_smp(kind, value).layer)
        if _number(layer, "count") != len(names):
            raise Refusal("wrong count")
        given = {name: _number(layer, name) for name in names}
        for name, number in given.items():
            if name[0] == "D" and number >= SMP_ORDER:
                raise Refusal(f"{name} is not below the order")
            if name[0] not in "Dc":
                _in_range(number)
        return _CHECKS[message](known, given)


# ---- SMP, from the formulas of the protocol text ---------------------------------------------------------------------


def _knows(prefix: int, name: str, number: str, exponent: int, r: int) -> dict[str, int]:
    c = smp_hash(prefix, power(2, r))
    return {name: power(2, exponent), f"c{number}": c, f"D{number}": (r - exponent * c) % SMP_ORDER}


def _blinds(prefix: int, side: str, secret: int, g2: int, g3: int, r: Mapping[str, int]) -> dict[str, int]:
    c = smp_hash(prefix, power(g3, r["r5"]), times(power(2, r["r5"]), power(g2, r["r6"])))
    return {
        f"P{side}": power(g3, r["r4"]),
        f"Q{side}": times(power(2, r["r4"]), power(g2, secret)),
        "cP": c,
        "D5": (r["r5"] - r["r4"] * c) % SMP_ORDER,
        "D6": (r["r6"] - secret * c) % SMP_ORDER,
    }


def _raises(prefix: int, name: str, quotient: int, exponent: int, r: int) -> dict[str, int]:
    c = smp_hash(prefix, power(2, r), power(quotient, r))
    return {name: power(quotient, exponent), "cR": c, "D7": (r - exponent * c) % SMP_ORDER}


def _demand(c: int, prefix: int, *numbers: int) -> None:
    if c != smp_hash(prefix, *numbers):
        raise Refusal("a proof is wrong")


def _halves(prefix: int, given: Mapping[str, int], side: str) -> None:
    for offset, number in enumerate("23"):
        c = given[f"c{number}"]
        _demand(c, prefix + offset, times(power(2, given[f"D{number}"]), power(given[f"g{number}{side}"], c)))


def _blinded(prefix: int, given: Mapping[str, int], side: str, g2: int, g3: int) -> None:
    c, d5, d6 = given["cP"], given["D5"], given["D6"]
    left = times(power(g3, d5), power(given[f"P{side}"], c))
    _demand(c, prefix, left, times(power(2, d5), power(g2, d6), power(given[f"Q{side}"], c)))


def _raised(prefix: int, given: Mapping[str, int], name: str, half: int, quotient: int) -> None:
    c, d7 = given["cR"], given["D7"]
    right = times(power(quotient, d7), power(given[name], c))
    _demand(c, prefix, times(power(2, d7), power(half, c)), right)


def _check_1(known: Mapping[str, int], given: Mapping[str, int]) -> None:
    _halves(1, given, "a")


def _check_2(known: Mapping[str, int], given: Mapping[str, int]) -> None:
    _halves(3, given, "b")
    _blinded(5, given, "b", power(given["g2b"], known["a2"]), power(given["g3b"], known["a3"]))


def _check_3(known: Mapping[str, int], given: Mapping[str, int]) -> bool:
    _blinded(6, given, "a", known["g2"], known["g3"])
    _raised(7, given, "Ra", known["g3a"], over(given["Qa"], known["Qb"]))
    return power(given["Ra"], known["b3"]) == over(given["Pa"], known["Pb"])


def _check_4(known: Mapping[str, int], given: Mapping[str, int]) -> bool:
    _raised(8, given, "Rb", known["g3b"], known["QaQb"])
    return power(given["Rb"], known["a3"]) == known["PaPb"]


_CHECKS = {1: _check_1, 2: _check_2, 3: _check_3, 4: _check_4}
