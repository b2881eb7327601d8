"""The binary form of the encoded messages: data types, the layout of each message as a table, reading and writing.

Reading is strict. The first field that does not fit stops it with a `Reject` that names the field and the offset at
which it starts. [Encoded messages]
"""

from __future__ import annotations

from base64 import b64encode
from binascii import a2b_base64
from dataclasses import dataclass
from enum import Enum, IntEnum
from re import compile as regex

from otterproof.implementations.contract import MIN_INSTANCE_TAG, DsaPublicKey, RejectReason

from .numbers import DSA_PART, sha1


class Reject(Exception):
    """What was received is not acted upon. Becomes a MessageRejected or MessageUnreadable, and never leaves the engine.

    It holds nothing of the content of the message. [ROBUST-LEAK-1]
    """

    def __init__(self, reason: RejectReason, field: str = "", offset: int = 0) -> None:
        super().__init__(reason, field, offset)
        self.reason = reason
        self.field = field
        self.offset = offset


class MessageType(IntEnum):
    """The third byte of every encoded message."""

    DH_COMMIT = 0x02  # [COMMIT-FORM-3]
    DATA = 0x03  # [DATA-FORM-3]
    DH_KEY = 0x0A  # [DHKEY-FORM-3]
    REVEAL_SIGNATURE = 0x11  # [REVEAL-FORM-3]
    SIGNATURE = 0x12  # [SIG-FORM-3]


class Kind(Enum):
    """The data types of the protocol text. FIXED stands for MAC, CTR and SIG: so many bytes, no length prefix."""

    BYTE = 1  # [TYPES-BYTE-1]
    SHORT = 2  # [TYPES-SHORT-1]
    INT = 4  # [TYPES-INT-1]
    MPI = "mpi"  # [TYPES-MPI-1]
    DATA = "data"  # [TYPES-DATA-1]
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Part:
    """A field in a layout. `size`: its bytes; of DATA the exact size, 0 for any, or with `multiple` a divisor of it."""

    name: str
    kind: Kind
    size: int = 0
    multiple: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.kind.value, int):
            object.__setattr__(self, "size", self.kind.value)


LAYOUTS: dict[MessageType, tuple[Part, ...]] = {
    # [COMMIT-FORM-6, COMMIT-HASH-2]
    MessageType.DH_COMMIT: (Part("encrypted_gx", Kind.DATA), Part("hashed_gx", Kind.DATA, 32)),
    MessageType.DH_KEY: (Part("gy", Kind.MPI),),  # [DHKEY-FORM-6]
    MessageType.REVEAL_SIGNATURE: (  # [REVEAL-FORM-8]
        Part("revealed_key", Kind.DATA, 16),  # [REVEAL-FORM-7]
        Part("encrypted_signature", Kind.DATA),
        Part("mac", Kind.FIXED, 20),
    ),
    # [SIG-FORM-6]
    MessageType.SIGNATURE: (Part("encrypted_signature", Kind.DATA), Part("mac", Kind.FIXED, 20)),
    MessageType.DATA: (  # [DATA-FORM-6]
        Part("flags", Kind.BYTE),
        Part("sender_keyid", Kind.INT),
        Part("recipient_keyid", Kind.INT),
        Part("next_dh", Kind.MPI),
        Part("ctr", Kind.FIXED, 8),  # [TYPES-CTR-1]
        Part("encrypted_message", Kind.DATA),
        Part("mac", Kind.FIXED, 20),  # [TYPES-MAC-1]
        Part("old_mac_keys", Kind.DATA, 20, multiple=True),  # [DATA-OLDMACS-1]
    ),
}

#: The block X in a Reveal Signature or Signature Message, once decrypted. [REVEAL-SIG-6, SIG-SIG-6]
SIGNATURE_BLOCK = (
    Part("pubkey_type", Kind.SHORT),
    Part("p", Kind.MPI),
    Part("q", Kind.MPI),
    Part("g", Kind.MPI),
    Part("y", Kind.MPI),
    Part("keyid", Kind.INT),
    Part("signature", Kind.FIXED, 2 * DSA_PART),  # [KEYS-SIG-2]
)

#: What the D-H Commit encrypts.
GXMPI = (Part("gx", Kind.MPI),)

#: Padded base64, if its length is a multiple of 4 as well. [ARMOUR-FORM-2]
#: (Groups of 4, repeated, would take eight times as long.)
_BASE64 = regex(rb"[A-Za-z0-9+/]*+={0,2}")


class Fields:
    """The values of a layout that was read: numbers for BYTE, SHORT, INT and MPI, bytes for the rest."""

    __slots__ = ("_values",)

    def __init__(self, values: dict[str, int | bytes]) -> None:
        self._values = values

    def number(self, name: str) -> int:
        value = self._values[name]
        if not isinstance(value, int):
            raise TypeError(f"field {name} holds bytes, not a number")
        return value

    def data(self, name: str) -> bytes:
        value = self._values[name]
        if not isinstance(value, bytes):
            raise TypeError(f"field {name} holds a number, not bytes")
        return value


def read(layout: tuple[Part, ...], body: bytes, offset: int = 0) -> Fields:
    """Read a layout that fills `body` from `offset` to its end; Reject(MALFORMED or NON_MINIMAL_MPI) otherwise."""
    values: dict[str, int | bytes] = {}
    end = len(body)
    for part in layout:
        start, kind, size = offset, part.kind, part.size
        if kind is Kind.MPI or kind is Kind.DATA:
            offset += 4
            size = int.from_bytes(body[start:offset])
            if kind is Kind.DATA and part.size and (size % part.size if part.multiple else size != part.size):
                raise Reject(RejectReason.MALFORMED, part.name, start)
        # Compared before anything is read, so a huge length costs nothing.
        # [ARMOUR-PARSE-6, TYPES-DATA-2, TYPES-DATA-3]
        if offset + size > end:
            raise Reject(RejectReason.MALFORMED, part.name, start)
        raw = body[offset : offset + size]
        if kind is Kind.MPI and raw[:1] == b"\0":
            raise Reject(RejectReason.NON_MINIMAL_MPI, part.name, start)  # [TYPES-MPI-5, KEYS-FPR-5]
        values[part.name] = raw if kind is Kind.DATA or kind is Kind.FIXED else int.from_bytes(raw)
        offset += size
    # [ARMOUR-PARSE-7]
    if offset != end:
        raise Reject(RejectReason.MALFORMED, "end", offset)
    return Fields(values)


def mpi(number: int) -> bytes:
    """A multi-precision integer of minimum length. [TYPES-MPI-1, TYPES-MPI-2, TYPES-MPI-4]"""
    size = (number.bit_length() + 7) // 8
    return size.to_bytes(4) + number.to_bytes(size)


def data(content: bytes) -> bytes:
    """Opaque data behind its length. [TYPES-DATA-1]"""
    return len(content).to_bytes(4) + content


def header(version: int, kind: MessageType, sender: int, receiver: int) -> bytes:
    """What every message starts with; version 2 has no instance tags. [INSTANCE-HEADER-1, INSTANCE-HEADER-3]"""
    start = version.to_bytes(2) + kind.to_bytes(1)
    return start if version == 2 else start + sender.to_bytes(4) + receiver.to_bytes(4)


def public_key(key: DsaPublicKey) -> bytes:
    """PUBKEY. [Public keys, signatures, and fingerprints; KEYS-PUBKEY-2, KEYS-PUBKEY-3]"""
    return b"\0\0" + mpi(key.p) + mpi(key.q) + mpi(key.g) + mpi(key.y)


def fingerprint(key: DsaPublicKey) -> bytes:
    """SHA-1 of the key without its two bytes of type, 20 bytes. [KEYS-FPR-1, KEYS-FPR-2]"""
    return sha1(public_key(key)[2:])


def armour(body: bytes) -> bytes:
    """A binary message as it is transmitted. [ARMOUR-FORM-1, ARMOUR-FORM-2]"""
    return b"?OTR:" + b64encode(body) + b"."


def unarmour(text: bytes) -> bytes:
    """The binary message in `text`, which begins after "?OTR:"; Reject(BAD_ARMOUR) unless padded standard base64.

    [ARMOUR-FORM-1, ARMOUR-PARSE-1]
    """
    content, stop, _ = text.partition(b".")
    if not stop or len(content) % 4 or _BASE64.fullmatch(content) is None:
        raise Reject(RejectReason.BAD_ARMOUR)
    return a2b_base64(content)


def check_tags(sender: int, receiver: int, own: int) -> None:
    """The rules for instance tags, 0 as receiver being let through.

    [Instance Tags; FRAGMENT-RECV-6, INSTANCE-DISCARD-1, INSTANCE-DISCARD-2, INSTANCE-DISCARD-3, INSTANCE-ZERO-2]
    """
    if sender < MIN_INSTANCE_TAG:
        raise Reject(RejectReason.BAD_SENDER_TAG)
    if 0 < receiver < MIN_INSTANCE_TAG:
        raise Reject(RejectReason.BAD_RECEIVER_TAG)
    if receiver not in (0, own):
        raise Reject(RejectReason.OTHER_INSTANCE)  # a fragment's tags are checked here, too [FRAGMENT-RECV-5]
