"""What secrets open: the keys that follow from them, and the messages that these verify and decrypt.

A secret is given without a word on what it belongs to. All public keys in the messages are tried with each private
key, in both directions, until an authenticator fits. [Computing AES keys, MAC keys, and the secure session id]
What is tried with each message is limited, so that no message can make it take long.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.crypto import (
    HandshakeKeys,
    committed_gxmpi,
    decrypt_data,
    handshake_keys,
    session_keys,
    signature_block,
    verifies,
)
from otterproof.harness.wire.layers import parse_gxmpi
from otterproof.harness.wire.layouts import DH_GENERATOR, MAC_SIZE
from otterproof.harness.wire.numbers import in_group, power

#: The most private keys and public keys that are tried with each other.
MOST = 64

#: How many revealed MAC keys are tried on a message: those that are revealed next after it. A key is revealed soon
#: after its last message, so few others can come between.
NEAREST = 64


@dataclass(frozen=True, slots=True)
class Secrets:
    """What somebody has: AES keys, MAC keys, private D-H keys, shared D-H secrets."""

    aes: tuple[bytes, ...] = ()
    macs: tuple[bytes, ...] = ()
    private: tuple[int, ...] = ()
    shared: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key for Data Messages. aes: None where only the MAC key is known. source: where it is from, in words."""

    mac: bytes
    aes: bytes | None
    source: str
    extra_key: bytes | None = None


class Opener:
    """Tries secrets on the messages of one conversation."""

    def __init__(self, messages: Sequence[Message], secrets: Secrets) -> None:
        self._messages = messages
        self._secrets = secrets

    @cached_property
    def committed(self) -> dict[bytes, bytes]:
        """Each D-H Commit that a revealed key opens: its hash -> the encoded D-H public key."""
        found = {}
        revealed = [one.data("revealed_key") for one in self._messages if one.has("revealed_key")]
        for message in self._messages:
            if message.kind is not Kind.DH_COMMIT or not message.has("hashed_gx"):
                continue
            for r in revealed[:MOST]:
                if len(r) == 16 and hashlib.sha256(committed_gxmpi(message, r)).digest() == message.data("hashed_gx"):
                    found[message.data("hashed_gx")] = committed_gxmpi(message, r)
        return found

    @cached_property
    def publics(self) -> tuple[int, ...]:
        """The D-H public keys in the messages, the last ones first."""
        found: dict[int, None] = {}
        for message in self._messages:
            found |= {message.number(name): None for name in ("gy", "next_dh") if message.has(name)}
        for encoded in self.committed.values():
            layer = parse_gxmpi(encoded)
            found |= {int(field.value): None for field in layer.fields if isinstance(field.value, int)}
        return tuple(one for one in reversed(found) if in_group(one))[:MOST]

    @cached_property
    def shared(self) -> tuple[tuple[int, str], ...]:
        """The shared secrets that are known or follow from a private key, and where each is from."""
        given = [(secret, "the shared secret that was given") for secret in self._secrets.shared]
        derived = [
            (power(public, private), f"private key {number} and the public key {public:#x}"[:60])
            for number, private in enumerate(self._secrets.private, 1)
            for public in self.publics
            if public != power(DH_GENERATOR, private)
        ]
        return (*given, *derived)

    @cached_property
    def data_keys(self) -> tuple[DataKey, ...]:
        """All keys for Data Messages that were given or follow from what was; those with their AES key come first."""
        return tuple(self._data_keys())

    def _data_keys(self) -> Iterator[DataKey]:
        for key in self._secrets.aes:
            yield DataKey(hashlib.sha1(key).digest(), key, "the AES key that was given")
        for number, private in enumerate(self._secrets.private, 1):
            ours = power(DH_GENERATOR, private)
            for theirs in self.publics:
                keys = session_keys(ours, theirs, power(theirs, private))
                source = f"private key {number} and a public key of the other side"
                yield DataKey(keys.sending_mac, keys.sending_aes, f"{source}, sent", keys.extra_key)
                yield DataKey(keys.receiving_mac, keys.receiving_aes, f"{source}, received", keys.extra_key)
        for key in self._secrets.macs:
            yield DataKey(key, None, "the MAC key that was given")

    @cached_property
    def _revealed(self) -> tuple[tuple[bytes, ...], Mapping[int, int]]:
        """All MAC keys that are revealed, in their order; and how many were by each message, which has its identity."""
        keys: list[bytes] = []
        so_far: dict[int, int] = {}
        for message in self._messages:
            if message.has("old_mac_keys"):
                keys += [key for key in message.revealed_mac_keys() if len(key) == MAC_SIZE]
            so_far[id(message)] = len(keys)
        return tuple(keys), so_far

    def _near(self, message: Message) -> Sequence[bytes]:
        """The revealed keys that are tried on a message: those after it, and before it where few follow."""
        keys, so_far = self._revealed
        start = max(min(so_far[id(message)], len(keys) - NEAREST), 0)
        return keys[start : start + NEAREST]

    def untried(self, message: Message) -> int:
        """How many revealed keys are not tried on a Data Message, since others are nearer to it."""
        return len(self._revealed[0]) - len(self._near(message)) if message.has("mac") else 0

    def key_of(self, message: Message) -> DataKey | None:
        """The key under which the authenticator of a Data Message fits; None if none is known."""
        if message.kind is not Kind.DATA or not message.has("mac"):
            return None
        for key in self.data_keys:
            if verifies(message, key.mac):
                return key
        for mac in self._near(message):
            if verifies(message, mac):
                return DataKey(mac, None, "a MAC key that a later message reveals")
        return None

    def plaintext_of(self, message: Message, key: DataKey) -> bytes | None:
        """The plaintext of a Data Message; None where only its MAC key is known."""
        return None if key.aes is None else decrypt_data(message, key.aes)

    def block_of(self, message: Message) -> tuple[bytes, HandshakeKeys, str] | None:
        """The signed block of a Reveal Signature or Signature, the keys that open it, and where they are from."""
        if message.kind not in (Kind.REVEAL_SIGNATURE, Kind.SIGNATURE) or not message.has("mac"):
            return None
        for secret, source in self.shared:
            keys = handshake_keys(secret)
            reveal = message.kind is Kind.REVEAL_SIGNATURE
            c, m2 = (keys.c, keys.m2) if reveal else (keys.c_primed, keys.m2_primed)
            if hmac.digest(m2, message.raw("encrypted_signature"), "sha256")[:20] == message.data("mac"):
                return signature_block(message, c), keys, source
        return None
