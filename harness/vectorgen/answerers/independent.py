"""The independent engine's functions, in the form that the vectors ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from otterproof.harness.vectorgen.answerers.base import SMP_TLV, Exponents, Refusal, SmpRun
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey
from otterproof.implementations.independent import ake, derive, dsa, inbound, smp, smp_run, text, wire
from otterproof.implementations.independent.derive import SignatureKeys
from otterproof.implementations.independent.outbound import Tlv
from otterproof.implementations.independent.primitives import (
    MAC_SIZE,
    KeyPair,
    aes_ctr,
    in_group,
    power,
    same,
    sha1,
    sha1_hmac,
)
from otterproof.implementations.independent.wire import Fault, Header, Reader, SealedSignature

T = TypeVar("T")

_SIZES = {"BYTE": 1, "SHORT": 2, "INT": 4, "CTR": 8, "MAC": 20}

#: The names of the numbers of each SMP message; the engine keeps the numbers in lists.
_NAMES = (
    ("g2a", "c2", "D2", "g3a", "c3", "D3"),
    ("g2b", "c2", "D2", "g3b", "c3", "D3", "Pb", "Qb", "cP", "D5", "D6"),
    ("Pa", "Qa", "cP", "D5", "D6", "Ra", "cR", "D7"),
    ("Rb", "cR", "D7"),
)


def _refusing(act: Callable[[], T]) -> T:
    try:
        return act()
    except (Fault, smp.RunFault) as fault:
        raise Refusal(fault.reason.value) from fault


def _in_range(theirs: int) -> None:
    if not in_group(theirs):
        raise Refusal("out of range")


def _whole(data: bytes, take: Callable[[Reader], T]) -> T:
    """The value read from the given bytes, which must be used up."""
    reader = Reader(data)
    value = _refusing(lambda: take(reader))
    _refusing(reader.end)
    return value


class IndependentTools:
    """tools.Tools on `pycryptodome`."""

    name = "independent"

    def read(self, kind: str, data: bytes) -> int | bytes:
        def take(reader: Reader) -> int | bytes:
            match kind:
                case "MPI":
                    return reader.mpi("value")
                case "DATA":
                    return reader.data("value")
                case "CTR" | "MAC":
                    return reader.fixed("value", _SIZES[kind])
                case _:
                    return reader.number("value", _SIZES[kind])

        return _whole(data, take)

    def write(self, kind: str, value: int | bytes) -> bytes:
        if isinstance(value, bytes):
            return wire.encode_data(value) if kind == "DATA" else value
        return wire.encode_mpi(value) if kind == "MPI" else value.to_bytes(_SIZES[kind], "big")

    def unarmour(self, text_received: bytes) -> bytes:
        found = text.classify(text_received)
        if not isinstance(found, text.EncodedText):
            raise Refusal("no encoded message")
        return _refusing(lambda: text.unarmour(text_received, found.start))

    def armour(self, binary: bytes) -> bytes:
        return text.armour(binary)

    def public_key(self, encoded: bytes) -> tuple[DsaPublicKey, bytes]:
        kind, key = _whole(encoded, dsa.read_public_key)
        if kind != dsa.DSA_TYPE or not dsa.acceptable(key):
            raise Refusal("unknown type, or parameters out of range")
        return key, dsa.fingerprint(key)

    def sign(self, key: DsaPrivateKey, mac: bytes, random: bytes) -> bytes:
        return dsa.sign(key, mac, random)

    def verify(self, key: DsaPublicKey, mac: bytes, signature: bytes) -> None:
        if len(signature) != dsa.SIGNATURE_SIZE or not dsa.verify(key, mac, signature):
            raise Refusal("wrong signature")

    def exchange(self, private: bytes, theirs: int) -> tuple[int, int]:
        _in_range(theirs)
        pair = KeyPair.from_bytes(private)
        return pair.public, power(theirs, pair.private)

    def handshake_keys(self, s: int) -> Mapping[str, bytes]:
        secbytes = derive.shared_secret(KeyPair(1, 2), s)
        keys = derive.handshake_keys(secbytes)
        return {
            "secbytes": secbytes,
            "ssid": keys.ssid,
            "c": keys.reveal.c,
            "c_primed": keys.reply.c,
            "m1": keys.reveal.m1,
            "m2": keys.reveal.m2,
            "m1_primed": keys.reply.m1,
            "m2_primed": keys.reply.m2,
        }

    def session_keys(self, private: bytes, theirs: int) -> Mapping[str, Any]:
        _in_range(theirs)
        pair = KeyPair.from_bytes(private)
        secbytes = derive.shared_secret(pair, theirs)
        keys = derive.session_keys(secbytes, pair.public, theirs)
        return {
            "our_public": pair.public,
            "s": power(theirs, pair.private),
            "high_end": keys.sending_aes == sha1(b"\1" + secbytes)[:16],
            "sending_aes": keys.sending_aes,
            "sending_mac": keys.sending_mac,
            "receiving_aes": keys.receiving_aes,
            "receiving_mac": keys.receiving_mac,
            "extra_key": keys.extra,
        }

    def open_commitment(self, revealed_key: bytes, encrypted_gx: bytes, hashed_gx: bytes) -> int:
        gx = _refusing(lambda: ake.open_commitment(revealed_key, encrypted_gx, hashed_gx))
        _in_range(gx)
        return gx

    def open_signature(
        self, signer: int, other: int, keys: tuple[bytes, bytes, bytes], encrypted: bytes, mac: bytes
    ) -> tuple[bytes, int]:
        sealed = SealedSignature(encrypted, mac)
        identity = _refusing(lambda: ake.unseal(SignatureKeys(*keys), sealed, other, signer))
        return dsa.fingerprint(identity.key), identity.keyid

    def open_data(self, message: bytes, aes_key: bytes, mac_key: bytes) -> Mapping[str, Any]:
        raw = self.unarmour(message)
        version = int.from_bytes(raw[:2], "big")
        if version not in (2, 3) or raw[2:3] != bytes([wire.Kind.DATA]):
            raise Refusal("no data message")
        header = Header(version, wire.Kind.DATA)
        read = _refusing(lambda: wire.read_data_body(raw, header))
        if not same(sha1_hmac(mac_key, read.authenticated), read.mac):
            raise Refusal("wrong MAC")
        if int.from_bytes(read.ctr, "big") == 0:
            raise Refusal("counter of 0")
        _in_range(read.next_dh)
        revealed = raw[len(read.authenticated) + MAC_SIZE + 4 :]
        return {
            **{name: getattr(read, name) for name in ("flags", "sender_keyid", "recipient_keyid", "next_dh", "ctr")},
            "plaintext": aes_ctr(aes_key, read.encrypted_message, read.ctr),
            "old_mac_keys": tuple(revealed[at : at + 20] for at in range(0, len(revealed), 20)),
        }

    def plaintext(self, plaintext: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
        shown, _, records = plaintext.partition(b"\0")
        found: list[tuple[int, bytes]] = []
        try:
            for record in inbound._records(records):
                found.append(record)
        except Fault as fault:
            raise Refusal(fault.reason.value, (shown, found)) from fault
        return shown, found

    def smp_secret(self, initiator: bytes, responder: bytes, ssid: bytes, secret: bytes) -> int:
        return smp_run._secret(initiator, responder, ssid, secret)

    def smp_run(self, x: int, y: int, initiator: Exponents, responder: Exponents) -> SmpRun:
        expect_2, first = smp.begin(x, _draw(initiator))
        expect_3, second = smp.answer(smp.check_message_1(first, None), y, _draw(responder))
        expect_4, third = smp.answer_message_2(expect_2, second, _draw(initiator))
        equal_b, fourth = smp.answer_message_3(expect_3, third, _draw(responder))
        lists: tuple[Sequence[int], ...] = (first, second, third, fourth)
        messages = tuple(dict(zip(names, values, strict=True)) for names, values in zip(_NAMES, lists, strict=True))
        return SmpRun(messages, (smp.conclude(expect_4, fourth), equal_b))

    def smp_check(self, message: int, known: Mapping[str, int], value: bytes) -> bool | None:
        return _refusing(lambda: self._smp_check(message, known, value))

    @staticmethod
    def _smp_check(message: int, known: Mapping[str, int], value: bytes) -> bool | None:
        values = smp_run._read_values(value, smp_run._COUNTS[Tlv(SMP_TLV[message])])
        if message == 1:
            smp.check_message_1(values, None)
        elif message == 2:
            state = smp.Expect2(known["x"], known["a2"], known["a3"])
            smp.answer_message_2(state, values, _anything)
        elif message == 3:
            names = {name: known[name] for name in ("b3", "g2", "g3", "g3a")}
            waiting = smp.Expect3(**names, pb=known["Pb"], qb=known["Qb"])
            return smp.answer_message_3(waiting, values, _anything)[0]
        else:
            last = smp.Expect4(known["a3"], known["g3b"], known["PaPb"], known["QaQb"])
            return smp.conclude(last, values)
        return None


def _draw(exponents: Exponents) -> smp.Draw:
    return lambda label: int.from_bytes(exponents[label.removeprefix("smp.")], "big")


def _anything(label: str) -> int:
    """In place of randomness, for an answer that is discarded."""
    return 3
