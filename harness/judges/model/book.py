"""The book that the models of all parties share: the value of every name, and the meaning of every message sent.

Within a kind, names and values are one to one: the first value seen is bound to the name, and every later one must
agree with it. So validity can be judged without cryptography: a received field is genuine if the book knows that a
party sent it under the keys that the receiver would use. Tests enter what an insider makes with real keys
(`register_*`).

Entries never change, and each one is journalled. So a snapshot is just a reference into the journal, and restoring it
takes time proportional to the number of entries made since. Any snapshot can be restored, even one from another branch.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from otterproof.harness import wire
from otterproof.harness.judges.model.names import (
    Commit,
    Dh,
    Drawn,
    EncryptedGx,
    Given,
    HashedGx,
    Identity,
    MessageName,
    Name,
)
from otterproof.harness.judges.model.plain import Plain, plain_from_bytes
from otterproof.harness.wire import DH_PRIME, layers
from otterproof.implementations.contract import MessageRejected, RejectReason

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class BookConflict(Exception):
    """A name was seen with two values, or a value with two names."""


@dataclass(frozen=True, slots=True)
class CommitMeaning:
    """What a D-H Commit opens to with the right r. problem: what is wrong with an insider's gxmpi."""

    x: Dh
    problem: MessageRejected | None = None


@dataclass(frozen=True, slots=True)
class SignatureMeaning:
    """What (encrypted_signature, mac) means: who signed which handshake. [Reveal Signature, Signature Message]

    kind: that of the message. own, other: the D-H keys of the signer and of the correspondent. problem: an insider's
    mistake, although the MAC is right.
    """

    kind: str
    own: Dh
    other: Dh
    signer: Identity
    keyid: int
    problem: MessageRejected | None = None


@dataclass(frozen=True, slots=True)
class DataMeaning:
    """What (MAC'd bytes, mac) of a data message means: the D-H keys it was made with, and its content."""

    sender: Dh
    receiver: Dh
    plain: Plain


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """One line of the journal. `table[key]` was absent before it."""

    parent: _Entry | None
    depth: int
    table: dict[Hashable, object]
    key: Hashable
    value: object


class _Table(Generic[K, V]):
    """A mapping whose entries are only ever added, each at most once."""

    def __init__(self, names: NameTable) -> None:
        self._book = names
        self._entries: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        return self._entries.get(key)

    def __contains__(self, key: K) -> bool:
        return key in self._entries

    def add(self, key: K, value: V) -> None:
        """Add an entry. The same entry again changes nothing; another value for the key is a conflict."""
        known = self._entries.get(key)
        if known is None:
            self._book._enter(self._entries, key, value)  # type: ignore[arg-type]
        elif known != value:
            raise BookConflict(f"{key} is known with another value: {known!r:.200}")


class NameTable:
    """Names, values and provenance, shared by all parties of a world."""

    def __init__(self) -> None:
        self._head: _Entry | None = None
        self._values: _Table[Name, bytes | int] = _Table(self)
        self._names: _Table[tuple[type[Name], bytes | int], Name] = _Table(self)
        self._openings: _Table[tuple[bytes, bytes, bytes], CommitMeaning] = _Table(self)
        self._seals: _Table[tuple[bytes, bytes], SignatureMeaning] = _Table(self)
        self._written: _Table[tuple[bytes, bytes], DataMeaning] = _Table(self)
        self._messages: _Table[MessageName, bytes] = _Table(self)

    # Names and values.

    def bind(self, name: Name, value: bytes | int) -> None:
        """Record the value seen for a name. BookConflict if it contradicts what was seen before."""
        if isinstance(name, Given):
            if name.value != value:
                raise BookConflict(f"{name} has another value")
            return
        known = self._values.get(name)
        if known is not None and known != value:
            raise BookConflict(f"{name} was {_show(known)}")
        other = self._names.get((type(name), value))
        if other is not None and other != name:
            raise BookConflict(f"this is the value of {other}, not of {name}")
        self._values.add(name, value)
        self._names.add((type(name), value), name)

    def value(self, name: Name) -> bytes | int | None:
        """What the name stands for, if it has been seen."""
        return name.value if isinstance(name, Given) else self._values.get(name)

    def dh(self, value: int) -> Dh:
        """The name of a public key."""
        name = self._names.get((Drawn, value))
        return name if isinstance(name, Drawn) else Given(value)

    def negated(self, one: Dh, other: Dh) -> bool:
        """Whether one public key is p minus the other. If so, half of all exponents give the same secret with both."""
        values = self.value(one), self.value(other)
        return isinstance(values[0], int) and isinstance(values[1], int) and values[0] + values[1] == DH_PRIME

    # Provenance.

    def commit_fields(self, commit: Commit) -> tuple[bytes, bytes]:
        """encrypted_gx and hashed_gx of a commit that has been sent."""
        encrypted, hashed = self._values.get(EncryptedGx(commit)), self._values.get(HashedGx(commit))
        if not isinstance(encrypted, bytes) or not isinstance(hashed, bytes):
            raise BookConflict(f"the message of {commit} has not been seen")
        return encrypted, hashed

    def knows_commit_field(self, encrypted_gx: bytes, hashed_gx: bytes) -> bool:
        """Whether one of the fields comes from a modelled party's commit."""
        return (EncryptedGx, encrypted_gx) in self._names or (HashedGx, hashed_gx) in self._names

    def opening(self, encrypted_gx: bytes, hashed_gx: bytes, revealed_key: bytes) -> CommitMeaning | None:
        return self._openings.get((encrypted_gx, hashed_gx, revealed_key))

    def add_opening(self, encrypted_gx: bytes, hashed_gx: bytes, revealed_key: bytes, opening: CommitMeaning) -> None:
        self._openings.add((encrypted_gx, hashed_gx, revealed_key), opening)

    def seal(self, encrypted_signature: bytes, mac: bytes) -> SignatureMeaning | None:
        return self._seals.get((encrypted_signature, mac))

    def add_seal(self, encrypted_signature: bytes, mac: bytes, seal: SignatureMeaning) -> None:
        self._seals.add((encrypted_signature, mac), seal)

    def written(self, mac_input: bytes, mac: bytes) -> DataMeaning | None:
        return self._written.get((mac_input, mac))

    def add_written(self, mac_input: bytes, mac: bytes, written: DataMeaning) -> None:
        self._written.add((mac_input, mac), written)

    def message(self, name: MessageName) -> bytes:
        """The bytes of a handshake message that was sent and may be sent again."""
        known = self._messages.get(name)
        if known is None:
            raise BookConflict(f"the {name.kind} message of {', '.join(map(str, name.keys))} has not been seen")
        return known

    def add_message(self, name: MessageName, message: bytes) -> None:
        self._messages.add(name, message)

    # What insiders make. Public keys are given by value. The key of a modelled party must be bound first if it has not
    # been seen yet; otherwise the book takes it for a stranger's.

    def register_commit(self, encrypted_gx: bytes, hashed_gx: bytes, revealed_key: bytes, gxmpi: bytes) -> None:
        """A commit that opens to these bytes, which should be one MPI. [D-H Commit Message; REVEAL-SIG-10]"""
        parsed = layers.parse_gxmpi(gxmpi)
        problem = MessageRejected(*rejection(parsed.problems[0])) if parsed.problems else None
        gx = parsed.fields[0].value if parsed.fields else None
        opening = CommitMeaning(self.dh(gx if isinstance(gx, int) else 0), problem)
        self.add_opening(encrypted_gx, hashed_gx, revealed_key, opening)

    def register_seal(
        self,
        kind: str,
        encrypted_signature: bytes,
        mac: bytes,
        *,
        own: int,
        other: int,
        signer: Hashable,
        keyid: int = 1,
        problem: MessageRejected | None = None,
    ) -> None:
        """A Reveal Signature or Signature Message with the right MAC. signer: the public key.

        problem: the MessageRejected that its content calls for, from the structure of X to BAD_SIGNATURE; None if it is
        valid.
        """
        signed = SignatureMeaning(kind, self.dh(own), self.dh(other), Identity(signer), keyid, problem)
        self.add_seal(encrypted_signature, mac, signed)

    def register_data(
        self,
        message: bytes,
        *,
        sender_dh: int,
        receiver_dh: int,
        plaintext: bytes,
        proofs_hold: bool = False,
        equal: bool = False,
    ) -> None:
        """A data message with the right MAC for these two public keys.

        proofs_hold, equal: what a verifier would find out about its SMP message, if it has one.
        """
        parsed = wire.parse(message)
        plain = plain_from_bytes(plaintext, proofs_hold=proofs_hold, equal=equal)
        written = DataMeaning(self.dh(sender_dh), self.dh(receiver_dh), plain)
        self.add_written(parsed.mac_input(), parsed.raw("mac"), written)

    # Going back.

    def snapshot(self) -> object:
        """The current place in the journal."""
        return self._head

    def restore(self, state: object) -> None:
        """Go back, or forward, to a snapshot of this book."""
        if state is not None and not isinstance(state, _Entry):
            raise TypeError("not a snapshot of this book; pass what snapshot() returned")
        redo: list[_Entry] = []
        here, there = self._head, state
        while here is not there:
            if here is not None and (there is None or here.depth >= there.depth):
                del here.table[here.key]
                here = here.parent
            elif there is not None:
                redo.append(there)
                there = there.parent
        for entry in reversed(redo):
            entry.table[entry.key] = entry.value
        self._head = state

    def _enter(self, table: dict[Hashable, object], key: Hashable, value: object) -> None:
        table[key] = value
        self._head = _Entry(self._head, self._head.depth + 1 if self._head else 0, table, key, value)


def rejection(problem: wire.Problem) -> tuple[RejectReason, str, int]:
    """How events report a mistake in an encoding: reason, field and offset.

    [choice encoding.mistake-field; TYPES-MPI-5]
    """
    reason = RejectReason.NON_MINIMAL_MPI if problem.code == "leading-zero" else RejectReason.MALFORMED
    return reason, problem.field, problem.offset


def _show(value: bytes | int) -> str:
    return value.hex() if isinstance(value, bytes) else f"{value:#x}"[:40]
