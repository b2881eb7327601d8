"""The insider: a peer with valid keys that sends any message, right or wrong.

It speaks the protocol with the harness's own codec and arithmetic and no engine's code, so it can face any target.
Every message is correct unless the scenario asks for one thing to be wrong, and then the rest is still correct: MACs,
encryption and proofs match what is sent. Only an insider reaches most of a client's checks. Its part in SMP is in
harness/testkit/smp_peer.py.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from otterproof.harness import wire
from otterproof.harness.testkit.reply import fail
from otterproof.harness.testkit.smp_peer import SMP_MESSAGE_CHECKS
from otterproof.harness.wire import DH_GENERATOR, DH_PRIME, SMP_NUMBERS, Message, Type, crypto
from otterproof.harness.wire.fields import encode, write
from otterproof.harness.wire.layers import Layer, Tlv, parse_plaintext, parse_signature_block, parse_smp, with_tlvs
from otterproof.harness.wire.numbers import dsa_sign, mpi, power, public_key
from otterproof.implementations.contract import DsaPrivateKey, DsaPublicKey


@dataclass(frozen=True, slots=True)
class SignatureOptions:
    """How to make the block X of a Reveal Signature or Signature Message; only the defaults make a correct one.

    keyid, kind: the key id, and the type of the public key. advertised_key: a public key other than the one that signs.
    swap_dh: sign the two D-H keys in the wrong order. signature: r and s. high_r: r + q in place of r, with a nonce for
    which it still fits. accept_if: a condition on r and s; nonces are tried until it holds. transform: changes the
    value before it is signed. trailing: bytes after the signature. block: replaces the whole block. mac: replaces the
    MAC. secret: the shared secret, if nobody has the exponent of the insider's D-H key. derive: derives the keys of the
    handshake from the shared secret.
    """

    keyid: int = 1
    kind: int = 0
    advertised_key: DsaPublicKey | None = None
    swap_dh: bool = False
    signature: tuple[int, int] | None = None
    high_r: bool = False
    accept_if: Callable[[int, int], bool] | None = None
    transform: Callable[[bytes], bytes] | None = None
    trailing: bytes = b""
    block: bytes | None = None
    mac: bytes | None = None
    secret: int | None = None
    derive: Callable[[int], crypto.HandshakeKeys] = crypto.handshake_keys


#: An honest signature.
HONEST_SIGNATURE = SignatureOptions()


class Keys(dict[int, int]):
    """Keys by their ids. Looking up an unknown id fails the scenario: the target has named a key that nobody has."""

    def __init__(self, whose: str) -> None:
        super().__init__()
        self._whose = whose

    def __missing__(self, keyid: int) -> int:
        fail("data.key-id-unknown", expected=sorted(self), got=keyid, case=f"a key id of {self._whose}")


class Insider:
    """One client of a correspondent. The numbers that it draws follow from `seed`."""

    def __init__(
        self,
        key: DsaPrivateKey,
        target_tag: int | None,
        *,
        version: int = 3,
        tag: int = 0x2B2B,
        seed: bytes = b"insider",
    ) -> None:
        """target_tag: the instance tag of the target, None while it is not known. tag: its own."""
        self.key = key
        self.version = version
        self.tag = tag
        self._target_tag = target_tag
        self._learns_tag = target_tag is None
        self._seed = seed
        self._draws = 0
        self.r = self.draw(16).to_bytes(16)
        #: Our exponents and the target's public keys, by key id; all of them, forgotten ones too.
        self.exponents: dict[int, int] = Keys("the insider's")
        self.theirs: dict[int, int] = Keys("the target's")
        self.our_keyid = self.their_keyid = 0
        #: The key ids of the last handshake that it signed in: its own, and the target's.
        self.first_keyids = (0, 0)
        self.counters: dict[tuple[int, int], int] = {}
        self.ssid = b""
        self._handshake: crypto.HandshakeKeys | None = None
        #: The block X that it last signed, decrypted.
        self.block = b""
        #: The size in bytes of the exponents that it draws in a session. Short ones are faster, and look no different.
        self.exponent_size = 40
        self.x = self.draw(40)

    @property
    def target_tag(self) -> int:
        """The instance tag of the target; 0, which addresses any client, while it is not known."""
        return self._target_tag or 0

    @target_tag.setter
    def target_tag(self, tag: int) -> None:
        self._target_tag, self._learns_tag = tag, False

    def learn_target_tag(self, tag: int) -> None:
        """Learn the tag in a message of the target, which may change later. Ignored if one was given at the start."""
        if self._learns_tag:
            self._target_tag = tag

    @property
    def knows_target_tag(self) -> bool:
        """Whether the target's instance tag is known; irrelevant in version 2, which has none."""
        return self._target_tag is not None

    def draw(self, size: int) -> int:
        self._draws += 1
        return int.from_bytes(hashlib.shake_256(self._seed + self._draws.to_bytes(4)).digest(size))

    def exponent(self, theirs: int, wanted: Callable[[int, int], bool]) -> int:
        """An exponent for whose public value and shared secret `wanted` holds; one in a thousand is found quickly."""
        exponent = self.draw(40)
        public, secret = pow(DH_GENERATOR, exponent, DH_PRIME), pow(theirs, exponent, DH_PRIME)
        while not wanted(public, secret):
            exponent += 1
            public, secret = public * DH_GENERATOR % DH_PRIME, secret * theirs % DH_PRIME
        return exponent

    # ---- the handshake ------------------------------------------------------------------------------------------

    def _message(self, kind: str, *values: int | bytes, receiver: int | None = None) -> bytes:
        tags = (self.tag, self.target_tag if receiver is None else receiver) if self.version == 3 else ()
        code = next(code for code, name in wire.TYPES.items() if name == kind)
        return wire.armour(write(wire.layout(self.version, kind), (self.version, code, *tags, *values)))

    def commit(
        self, public: int | None = None, *, gxmpi: bytes | None = None, hashed: bytes | None = None, receiver: int = 0
    ) -> bytes:
        """A D-H Commit to g^x, to another value, or to bytes that are not an MPI; or with a wrong hash."""
        content = mpi(power(DH_GENERATOR, self.x) if public is None else public) if gxmpi is None else gxmpi
        encrypted = crypto.aes_ctr(self.r, bytes(8), content)
        commitment = hashlib.sha256(content).digest() if hashed is None else hashed
        return self._message("dh_commit", encrypted, commitment, receiver=receiver)

    def dh_key(self, public: int | None = None) -> bytes:
        return self._message("dh_key", power(DH_GENERATOR, self.x) if public is None else public)

    def reveal_signature(
        self,
        dh_key: bytes,
        signed: SignatureOptions = HONEST_SIGNATURE,
        *,
        public: int | None = None,
        revealed: bytes | None = None,
    ) -> bytes:
        """The answer to the target's D-H Key."""
        gy = wire.parse(dh_key).number("gy")
        return self._message(
            "reveal_signature", self.r if revealed is None else revealed, *self._sign(gy, signed, public, False)
        )

    def signature(self, gx: int, signed: SignatureOptions = HONEST_SIGNATURE, *, public: int | None = None) -> bytes:
        """The answer to the target's Reveal Signature; gx is the result of `decommit` for its commit."""
        return self._message("signature", *self._sign(gx, signed, public, True))

    @staticmethod
    def decommit(commit: bytes, reveal: bytes) -> int:
        """g^x of the target, from its D-H Commit and the key revealed."""
        gxmpi = crypto.committed_gxmpi(wire.parse(commit), wire.parse(reveal).data("revealed_key"))
        return int.from_bytes(gxmpi[4:])

    def _sign(self, theirs: int, signed: SignatureOptions, public: int | None, primed: bool) -> tuple[bytes, bytes]:
        ours = power(DH_GENERATOR, self.x) if public is None else public
        secret = power(theirs, self.x) if signed.secret is None else signed.secret
        keys = signed.derive(secret)
        c, m1, m2 = (keys.c_primed, keys.m1_primed, keys.m2_primed) if primed else (keys.c, keys.m1, keys.m2)
        identity = public_key(signed.advertised_key or self.key.public, signed.kind) + signed.keyid.to_bytes(4)
        pair = (theirs, ours) if signed.swap_dh else (ours, theirs)
        value = hmac.digest(m1, mpi(pair[0]) + mpi(pair[1]) + identity, "sha256")
        r, s = signed.signature or self._signature(signed.transform(value) if signed.transform else value, signed)
        block = identity + r.to_bytes(20) + s.to_bytes(20) + signed.trailing if signed.block is None else signed.block
        self.block = block
        encrypted = crypto.aes_ctr(c, bytes(8), block)
        mac = hmac.digest(m2, encode(Type.DATA, encrypted, "encrypted_signature"), "sha256")[:20]
        self.ssid, self._handshake = keys.ssid, keys
        self.exponents[signed.keyid] = self.x
        self.exponents[signed.keyid + 1] = self.draw(40)
        self.our_keyid = signed.keyid + 1
        self.theirs[1], self.their_keyid = theirs, 1
        self.first_keyids = (signed.keyid, 1)
        return encrypted, mac if signed.mac is None else signed.mac

    @property
    def handshake(self) -> crypto.HandshakeKeys:
        """The keys of the last handshake that it signed in."""
        if self._handshake is None:
            raise ValueError("the insider has no keys of a handshake yet; let it sign first")
        return self._handshake

    def identity(self, message: Message) -> Layer:
        """The block X of the target's Reveal Signature or Signature Message, once the insider has signed."""
        keys, primed = self.handshake, message.kind is wire.Kind.SIGNATURE
        return parse_signature_block(crypto.signature_block(message, keys.c_primed if primed else keys.c))

    def learn_peer_keyid(self, message: Message) -> None:
        """Record the key id that the target gives its D-H key in its Reveal Signature or Signature Message."""
        if not message.has("encrypted_signature"):
            return
        block = self.identity(message)
        keyid = next((field.value for field in block.fields if field.name == "keyid"), None)
        if isinstance(keyid, int) and keyid != self.their_keyid:
            self.theirs[keyid] = self.theirs.pop(self.their_keyid)
            self.their_keyid = keyid
            self.first_keyids = (self.first_keyids[0], keyid)

    def _signature(self, value: bytes, signed: SignatureOptions) -> tuple[int, int]:
        q = self.key.public.q
        while True:
            r, s = dsa_sign(self.key, value, self.draw(28) % (q - 1) + 1)
            if signed.high_r and r + q < 1 << 160:
                return r + q, s
            if not signed.high_r and (signed.accept_if is None or signed.accept_if(r, s)):
                return r, s

    def assume_session(self) -> None:
        """Act as if in a session that was never established, with keys that the target does not have."""
        self.exponents |= {1: self.x, 2: self.draw(40)}
        self.theirs |= {1: power(DH_GENERATOR, self.draw(40))}
        self.our_keyid, self.their_keyid = 2, 1

    # ---- data messages ------------------------------------------------------------------------------------------

    def keys(self, ours: int, theirs: int) -> crypto.SessionKeys:
        """The session keys for a pair of key ids, live or not."""
        exponent, public = self.exponents[ours], self.theirs[theirs]
        return crypto.session_keys(power(DH_GENERATOR, exponent), public, power(public, exponent))

    def data(
        self,
        plaintext: bytes = b"",
        *,
        tlvs: Iterable[Tlv] = (),
        under: tuple[int, int] | None = None,
        keys: crypto.SessionKeys | None = None,
        flags: int = 0,
        sender_keyid: int | None = None,
        recipient_keyid: int | None = None,
        next_dh: int | None = None,
        ctr: int | None = None,
        mac: bytes | None = None,
        old_mac_keys: bytes = b"",
    ) -> bytes:
        """A data message. under: (our key id, theirs) whose session keys protect it, whatever its fields say.

        keys: other session keys to protect it with; its fields are still those of `under`.
        """
        records = list(tlvs)
        ours, theirs = under or (self.our_keyid - 1, self.their_keyid)
        keys = keys or self.keys(ours, theirs)
        if ctr is None:
            ctr = self.counters[ours, theirs] = self.counters.get((ours, theirs), 0) + 1
        announced = power(DH_GENERATOR, self.exponents[ours + 1]) if next_dh is None else next_dh
        message = wire.parse(
            self._message(
                "data",
                flags,
                ours if sender_keyid is None else sender_keyid,
                theirs if recipient_keyid is None else recipient_keyid,
                announced,
                ctr.to_bytes(8),
                b"",
                bytes(20),
                old_mac_keys,
            )
        )
        message = crypto.encrypt_data(
            message, keys.sending_aes, with_tlvs(plaintext, records) if records else plaintext
        )
        message = crypto.mac_data(message, keys.sending_mac)
        return wire.build(message if mac is None else message.with_value("mac", mac))

    def seal(self, head: bytes, under: tuple[int, int] | None = None, old_mac_keys: bytes = b"") -> bytes:
        """A data message with any bytes, and the right MAC under a pair of keys."""
        keys = self.keys(*(under or (self.our_keyid - 1, self.their_keyid)))
        return wire.armour(head + hmac.digest(keys.sending_mac, head, "sha1") + encode(Type.DATA, old_mac_keys, "keys"))

    def peek(self, raw: bytes) -> bytes:
        """The plaintext of the target's data message, read without rotating keys, which is faster on both sides."""
        message: Message = wire.parse(raw)
        ours, theirs = message.number("recipient_keyid"), message.number("sender_keyid")
        return crypto.decrypt_data(message, self.keys(ours, theirs).receiving_aes)

    def read(self, raw: bytes) -> bytes:
        """The plaintext of the target's data message, read as an honest peer does, rotating keys."""
        plaintext = self.peek(raw)
        message: Message = wire.parse(raw)
        ours, theirs = message.number("recipient_keyid"), message.number("sender_keyid")
        self.theirs[theirs + 1] = message.number("next_dh")
        self.their_keyid = max(self.their_keyid, theirs + 1)
        if ours == self.our_keyid:
            self.our_keyid += 1
            self.exponents[self.our_keyid] = self.draw(self.exponent_size)
        return plaintext

    def smp_numbers(self, raw: bytes, kind: int) -> dict[str, int]:
        """The numbers in the SMP TLV of that type in the target's data message."""
        tlvs = parse_plaintext(self.read(raw)).tlvs
        found = next((tlv for tlv in tlvs if tlv.type == kind), None)
        if found is None:
            types = [tlv.type for tlv in tlvs]
            fail(SMP_MESSAGE_CHECKS[kind], expected=f"a TLV of type {kind}", got=f"TLVs of types {types}")
        layer = parse_smp(kind, found.value).layer
        return {name: int(layer.value(name)) for name in SMP_NUMBERS[2 if kind == 7 else kind]}
