"""The byte-level format of encoded messages: data types, the header, and the five message bodies.

Reading is strict and says where it failed: every reader method takes the name of the field it reads, and raises
`Fault` with that name and the offset at which the field starts. Nothing here looks at keys or at any state, except
that the header is judged by the instance tag of its reader. [Encoded messages]
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from otterproof.implementations.contract import MIN_INSTANCE_TAG, VERSIONS, RejectReason

from .primitives import MAC_SIZE


class Kind(IntEnum):
    """The message types. [Encoded messages]"""

    DH_COMMIT = 0x02  # [COMMIT-FORM-3]
    DATA = 0x03  # [DATA-FORM-3]
    DH_KEY = 0x0A  # [DHKEY-FORM-3]
    REVEAL_SIGNATURE = 0x11  # [REVEAL-FORM-3]
    SIGNATURE = 0x12  # [SIG-FORM-3]


HANDSHAKE_KINDS: Final = frozenset({Kind.DH_COMMIT, Kind.DH_KEY, Kind.REVEAL_SIGNATURE, Kind.SIGNATURE})

#: The flag of a Data Message that asks the receiver not to complain. [Data Message; DATA-FLAGS-3]
IGNORE_UNREADABLE: Final = 0x01

#: The reasons for which a message is discarded by its tags alone.
TAG_REASONS: Final = frozenset(
    {RejectReason.BAD_SENDER_TAG, RejectReason.BAD_RECEIVER_TAG, RejectReason.OTHER_INSTANCE}
)


class Fault(Exception):
    """Something received cannot be accepted; `field` and `offset` as in MessageRejected.

    It names a field and a place, and never holds a value, so that nothing reported from it can hold a secret.
    [choice encoding.mistake-field, ROBUST-LEAK-1]
    """

    def __init__(self, reason: RejectReason, field: str = "", offset: int = 0) -> None:
        super().__init__(reason.value, field, offset)
        self.reason = reason
        self.field = field
        self.offset = offset


class Reader:
    """Takes fields off the front of some bytes. Each method raises Fault, at the offset where its field starts."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self._data = data
        self.offset = offset

    def fixed(self, name: str, size: int) -> bytes:
        """`size` bytes, which have to be there. [ARMOUR-PARSE-6, TYPES-DATA-2]

        The size is compared before anything is copied, and Python's integers don't wrap around. [TYPES-DATA-3]
        """
        end = self.offset + size
        if end > len(self._data):
            raise Fault(RejectReason.MALFORMED, name, self.offset)
        value = self._data[self.offset : end]
        self.offset = end
        return value

    def number(self, name: str, size: int) -> int:
        """A BYTE, SHORT or INT, unsigned and big-endian. [TYPES-BYTE-1, TYPES-SHORT-1, TYPES-INT-1]"""
        return int.from_bytes(self.fixed(name, size), "big")

    def data(self, name: str) -> bytes:
        """A DATA field; its offset is that of its length. [TYPES-DATA-1]"""
        start = self.offset
        try:
            return self.fixed(name, self.number(name, 4))
        except Fault:
            raise Fault(RejectReason.MALFORMED, name, start) from None

    def sized_data(self, name: str, size: int) -> bytes:
        """A DATA field that must have a certain length."""
        start = self.offset
        value = self.data(name)
        if len(value) != size:
            raise Fault(RejectReason.MALFORMED, name, start)
        return value

    def mpi(self, name: str) -> int:
        """An MPI, which must have the minimum length, so that a number has one encoding. [TYPES-MPI-1, TYPES-MPI-5]"""
        start = self.offset
        value = self.data(name)
        if value.startswith(b"\0"):
            raise Fault(RejectReason.NON_MINIMAL_MPI, name, start)
        return int.from_bytes(value, "big")

    def end(self) -> None:
        """Nothing may follow. [choice encoding.trailing-bytes; ARMOUR-PARSE-7]"""
        if self.offset != len(self._data):
            raise Fault(RejectReason.MALFORMED, "end", self.offset)


def encode_data(value: bytes) -> bytes:
    """A DATA field. [Data types; TYPES-DATA-1]"""
    return struct.pack(">I", len(value)) + value


def encode_mpi(value: int) -> bytes:
    """An MPI of minimum length, without a byte for a sign. [Data types; TYPES-MPI-1, TYPES-MPI-2, TYPES-MPI-4]"""
    return encode_data(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True)
class Header:
    """The start of every encoded message. Version 2 has no tags; both are 0 then.
    [Encoded messages; INSTANCE-HEADER-1, INSTANCE-HEADER-3]
    """

    version: int
    kind: int
    sender: int = 0
    receiver: int = 0

    def encode(self) -> bytes:
        """The version as a SHORT, the type as a BYTE, and in version 3 the tags as INTs.
        [COMMIT-FORM-1, COMMIT-FORM-2, DHKEY-FORM-1, DHKEY-FORM-2, REVEAL-FORM-1, REVEAL-FORM-2, SIG-FORM-1,
        SIG-FORM-2, DATA-FORM-1, DATA-FORM-2, INSTANCE-OWN-1]
        """
        if self.version == 2:
            return struct.pack(">HB", self.version, self.kind)
        return struct.pack(">HBII", self.version, self.kind, self.sender, self.receiver)

    @property
    def size(self) -> int:
        """Its length in bytes, which is the offset of the body."""
        return 3 if self.version == 2 else 11


@dataclass(frozen=True, slots=True)
class Encoded:
    """A message of ours, ready for the armour; kept where it may have to be sent once more."""

    header: Header
    body: bytes = field(repr=False)

    @property
    def raw(self) -> bytes:
        return self.header.encode() + self.body


def judge_sender(tag: int) -> None:
    """Raise Fault for a sender tag below the smallest valid one. [Instance Tags; INSTANCE-DISCARD-2]"""
    if tag < MIN_INSTANCE_TAG:
        raise Fault(RejectReason.BAD_SENDER_TAG)


def judge_receiver(tag: int, own_tag: int, *, zero_allowed: bool) -> None:
    """Raise Fault for a receiver tag that is invalid, or that names somebody else.
    [Instance Tags; INSTANCE-DISCARD-1, INSTANCE-DISCARD-3]
    """
    if 0 < tag < MIN_INSTANCE_TAG:
        raise Fault(RejectReason.BAD_RECEIVER_TAG)
    if tag != own_tag and not (tag == 0 and zero_allowed):
        raise Fault(RejectReason.OTHER_INSTANCE)


def read_header(raw: bytes, own_tag: int) -> Header:
    """Read and judge the header; the type is read but not judged. [choice encoding.header-order]

    Raises Fault, also for a message that is too short to have a header. [ARMOUR-PARSE-2]
    """
    reader = Reader(raw)
    version = reader.number("version", 2)
    if version not in VERSIONS:  # also a Key Exchange Message of version 1 [ARMOUR-PARSE-4, AKE-V1-1]
        raise Fault(RejectReason.UNKNOWN_VERSION)
    kind = reader.number("type", 1)
    if version == 2:
        return Header(version, kind)
    # Tags are unsigned, and judged before the type matters. [INSTANCE-RANGE-1, INSTANCE-DISCARD-5]
    sender = reader.number("sender_tag", 4)
    judge_sender(sender)
    receiver = reader.number("receiver_tag", 4)
    judge_receiver(receiver, own_tag, zero_allowed=kind == Kind.DH_COMMIT)  # [INSTANCE-ZERO-2, INSTANCE-ZERO-3]
    return Header(version, kind, sender, receiver)


@dataclass(frozen=True, slots=True)
class DhCommit:
    """[D-H Commit Message; COMMIT-FORM-6]"""

    encrypted_gx: bytes
    hashed_gx: bytes

    def encode(self) -> bytes:
        return encode_data(self.encrypted_gx) + encode_data(self.hashed_gx)


@dataclass(frozen=True, slots=True)
class DhKey:
    """[D-H Key Message; DHKEY-FORM-6]"""

    gy: int

    def encode(self) -> bytes:
        return encode_mpi(self.gy)


@dataclass(frozen=True, slots=True)
class SealedSignature:
    """X encrypted, and the MAC of that: what the Reveal Signature and the Signature Message have in common."""

    encrypted: bytes
    mac: bytes

    def encode(self) -> bytes:
        return encode_data(self.encrypted) + self.mac


@dataclass(frozen=True, slots=True)
class RevealSignature:
    """[Reveal Signature Message; REVEAL-FORM-6, REVEAL-FORM-8]"""

    revealed_key: bytes = field(repr=False)
    sealed: SealedSignature

    def encode(self) -> bytes:
        return encode_data(self.revealed_key) + self.sealed.encode()


@dataclass(frozen=True, slots=True)
class Signature:
    """[Signature Message; SIG-FORM-6]"""

    sealed: SealedSignature

    def encode(self) -> bytes:
        return self.sealed.encode()


@dataclass(frozen=True, slots=True)
class DataMessage:
    """A Data Message as received; `authenticated` is what its MAC covers. [Data Message]"""

    flags: int
    sender_keyid: int
    recipient_keyid: int
    next_dh: int
    ctr: bytes
    encrypted_message: bytes
    authenticated: bytes
    mac: bytes


HandshakeMessage = DhCommit | DhKey | RevealSignature | Signature


def _read_sealed(reader: Reader) -> SealedSignature:
    return SealedSignature(reader.data("encrypted_signature"), reader.fixed("mac", MAC_SIZE))


def read_handshake_body(raw: bytes, header: Header) -> HandshakeMessage:
    """The body of one of the four handshake messages. Raises Fault, with UNKNOWN_TYPE for another type.

    No state is looked at before the structure is right. [COMMIT-BAD-1]
    """
    reader = Reader(raw, header.size)
    message: HandshakeMessage
    match header.kind:
        case Kind.DH_COMMIT:
            message = DhCommit(reader.data("encrypted_gx"), reader.sized_data("hashed_gx", 32))  # [COMMIT-HASH-2]
        case Kind.DH_KEY:
            message = DhKey(reader.mpi("gy"))
        case Kind.REVEAL_SIGNATURE:
            message = RevealSignature(reader.sized_data("revealed_key", 16), _read_sealed(reader))  # [REVEAL-FORM-7]
        case Kind.SIGNATURE:
            message = Signature(_read_sealed(reader))
        case _:
            raise Fault(RejectReason.UNKNOWN_TYPE)  # [ARMOUR-PARSE-5]
    reader.end()
    return message


def read_data_body(raw: bytes, header: Header) -> DataMessage:
    """The body of a Data Message. Raises Fault. [Data Message; DATA-FORM-6]"""
    reader = Reader(raw, header.size)
    flags = reader.number("flags", 1)
    sender_keyid = reader.number("sender_keyid", 4)
    recipient_keyid = reader.number("recipient_keyid", 4)
    next_dh = reader.mpi("next_dh")
    ctr = reader.fixed("ctr", 8)  # [TYPES-CTR-1]
    encrypted_message = reader.data("encrypted_message")
    authenticated = raw[: reader.offset]  # from the version on, without the old MAC keys [DATA-MAC-2, DATA-MAC-3]
    mac = reader.fixed("mac", MAC_SIZE)
    start = reader.offset
    if len(reader.data("old_mac_keys")) % MAC_SIZE:  # [DATA-OLDMACS-1]
        raise Fault(RejectReason.MALFORMED, "old_mac_keys", start)
    reader.end()
    return DataMessage(flags, sender_keyid, recipient_keyid, next_dh, ctr, encrypted_message, authenticated, mac)
