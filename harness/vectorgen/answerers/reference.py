"""The reference engine's functions, in the form that the vectors ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from otterproof.harness.vectorgen.answerers.base import SMP_TLV, Exponents, Refusal, SmpRun
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey
from otterproof.implementations.reference import codec, exchange, handshake, numbers, smp, text
from otterproof.implementations.reference.codec import Kind, MessageType, Part, Reject
from otterproof.implementations.reference.ratchet import KeyPair, PairKeys

T = TypeVar("T")

_PARTS = {
    "BYTE": Part("value", Kind.BYTE),
    "SHORT": Part("value", Kind.SHORT),
    "INT": Part("value", Kind.INT),
    "MPI": Part("value", Kind.MPI),
    "DATA": Part("value", Kind.DATA),
    "CTR": Part("value", Kind.FIXED, 8),
    "MAC": Part("value", Kind.FIXED, 20),
}
_PUBLIC_KEY = codec.SIGNATURE_BLOCK[:5]


def _key(fields: codec.Fields) -> DsaPublicKey:
    if fields.number("pubkey_type") != 0:
        raise Refusal("unknown type")
    key = DsaPublicKey(*(fields.number(name) for name in "pqgy"))
    if not numbers.acceptable(key):
        raise Refusal("parameters out of range")
    return key


def _in_range(theirs: int) -> None:
    if not numbers.in_group(theirs):
        raise Refusal("out of range")


class ReferenceTools:
    """tools.Tools on `cryptography`."""

    name = "reference"

    def read(self, kind: str, data: bytes) -> int | bytes:
        part = _PARTS[kind]
        fields = _refusing(lambda: codec.read((part,), data))
        return fields.number("value") if part.kind in _NUMBERS else fields.data("value")

    def write(self, kind: str, value: int | bytes) -> bytes:
        if isinstance(value, bytes):
            return codec.data(value) if kind == "DATA" else value
        size = _PARTS[kind].kind.value
        return codec.mpi(value) if kind == "MPI" else value.to_bytes(size)

    def unarmour(self, text_received: bytes) -> bytes:
        found = text.classify(text_received)
        if not isinstance(found, text.Encoded):
            raise Refusal("no encoded message")
        return _refusing(lambda: codec.unarmour(found.text))

    def armour(self, binary: bytes) -> bytes:
        return codec.armour(binary)

    def public_key(self, encoded: bytes) -> tuple[DsaPublicKey, bytes]:
        key = _key(_refusing(lambda: codec.read(_PUBLIC_KEY, encoded)))
        return key, codec.fingerprint(key)

    def sign(self, key: DsaPrivateKey, mac: bytes, random: bytes) -> bytes:
        signature = numbers.sign(key, mac, int.from_bytes(random) % (key.public.q - 1) + 1)
        if signature is None:
            raise Refusal("this nonce gives no signature")
        return signature

    def verify(self, key: DsaPublicKey, mac: bytes, signature: bytes) -> None:
        if len(signature) != 2 * numbers.DSA_PART or not numbers.verify(key, mac, signature):
            raise Refusal("wrong signature")

    def exchange(self, private: bytes, theirs: int) -> tuple[int, int]:
        _in_range(theirs)
        pair = KeyPair.from_exponent(private)
        return pair.public, pair.private.applied_to(theirs)

    def handshake_keys(self, s: int) -> Mapping[str, bytes]:
        keys = handshake.derive(s, KeyPair(numbers.Exponent(1), 2))
        names = ("secbytes", "ssid", "c", "c_primed", "m1", "m2", "m1_primed", "m2_primed")
        return {name: getattr(keys, name) for name in names}

    def session_keys(self, private: bytes, theirs: int) -> Mapping[str, Any]:
        _in_range(theirs)
        pair = KeyPair.from_exponent(private)
        keys = PairKeys.derive(pair, theirs)
        low = numbers.sha1(b"\2" + keys.secbytes)[:16] == keys.sending_aes
        names = ("sending_aes", "sending_mac", "receiving_aes", "receiving_mac", "extra_key")
        return {
            "our_public": pair.public,
            "s": pair.private.applied_to(theirs),
            "high_end": not low,
            **{name: getattr(keys, name) for name in names},
        }

    def open_commitment(self, revealed_key: bytes, encrypted_gx: bytes, hashed_gx: bytes) -> int:
        gxmpi = numbers.aes_ctr(revealed_key, bytes(8), encrypted_gx)
        if not numbers.same(numbers.sha256(gxmpi), hashed_gx):
            raise Refusal("wrong hash")
        gx = _refusing(lambda: codec.read(codec.GXMPI, gxmpi)).number("gx")
        _in_range(gx)
        return gx

    def open_signature(
        self, signer: int, other: int, keys: tuple[bytes, bytes, bytes], encrypted: bytes, mac: bytes
    ) -> tuple[bytes, int]:
        fields = codec.Fields({"encrypted_signature": encrypted, "mac": mac})
        key, keyid = _refusing(lambda: handshake._check_signature(fields, *keys, signer, other))
        return codec.fingerprint(key), keyid

    def open_data(self, message: bytes, aes_key: bytes, mac_key: bytes) -> Mapping[str, Any]:
        body = self.unarmour(message)
        version = int.from_bytes(body[:2])
        if version not in (2, 3) or body[2:3] != bytes([MessageType.DATA]):
            raise Refusal("no data message")
        fields = _refusing(lambda: codec.read(codec.LAYOUTS[MessageType.DATA], body, 3 if version == 2 else 11))
        keys = PairKeys(b"", b"", aes_key, mac_key, b"")
        _refusing(lambda: exchange._verify(keys, fields, body))
        revealed, ctr = fields.data("old_mac_keys"), fields.data("ctr")
        return {
            **{name: fields.number(name) for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh")},
            "ctr": ctr,
            "plaintext": numbers.aes_ctr(aes_key, ctr, fields.data("encrypted_message")),
            "old_mac_keys": tuple(revealed[at : at + 20] for at in range(0, len(revealed), 20)),
        }

    def plaintext(self, plaintext: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
        shown, _, records = plaintext.partition(b"\0")
        found: list[tuple[int, bytes]] = []
        try:
            for record in exchange._records(records):
                found.append(record)
        except Reject as reject:
            raise Refusal(reject.reason.value, (shown, found)) from reject
        return shown, found

    def smp_secret(self, initiator: bytes, responder: bytes, ssid: bytes, secret: bytes) -> int:
        return smp.secret(initiator, responder, ssid, secret)

    def smp_run(self, x: int, y: int, initiator: Exponents, responder: Exponents) -> SmpRun:
        run_a, first = smp.begin(x, _draw(initiator))
        offer = smp.offered(first).offer or {}
        run_b, second = smp.answer(offer, y, _draw(responder))
        run_a, third = smp.receive_2(run_a.kept, second, _draw(initiator))
        equal_b, fourth = smp.receive_3(run_b.kept, third, _draw(responder))
        return SmpRun((first, second, third, fourth), (smp.receive_4(run_a.kept, fourth), equal_b))

    def smp_check(self, message: int, known: Mapping[str, int], value: bytes) -> bool | None:
        return _refusing(lambda: self._smp_check(message, known, smp.decode(SMP_TLV[message], value)))

    @staticmethod
    def _smp_check(message: int, known: Mapping[str, int], given: smp.Numbers) -> bool | None:
        if message == 1:
            smp.offered(given)
        elif message == 2:
            smp.receive_2(known, given, _anything)
        elif message == 3:
            return smp.receive_3(known, given, _anything)[0]
        else:
            return smp.receive_4(known, given)
        return None


_NUMBERS = (Kind.BYTE, Kind.SHORT, Kind.INT, Kind.MPI)


def _draw(exponents: Exponents) -> smp.Draw:
    return lambda label: int.from_bytes(exponents[label.removeprefix("smp.")])


def _anything(label: str) -> int:
    """In place of randomness, for an answer that is discarded."""
    return 3


def _refusing(act: Callable[[], T]) -> T:
    try:
        return act()
    except (Reject, smp.SmpFailed) as error:
        raise Refusal(error.reason.value) from error
