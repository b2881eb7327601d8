"""Names that stand for values: D-H keys, commitments, session ids, MAC keys, extra keys, identities.

The model never computes with keys. It says which value is meant (`alice.dh.x[3]`, the MAC key from this key to that
one), and the book (book.py) ensures that each name has one value and that different names have different values. A name
derived from a pair of D-H keys is built from both their names, so the separate models of both ends arrive at the same
name for what they share.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Drawn:
    """A D-H key that a modelled party drew: whose draw, its entropy label, and its index with that label."""

    owner: str
    label: str
    index: int

    def __str__(self) -> str:
        return f"{self.owner}.{self.label}[{self.index}]"


@dataclass(frozen=True, slots=True)
class Given:
    """A D-H key that no modelled party made. Nothing but its value is known, so the value is its name."""

    value: int

    def __str__(self) -> str:
        return f"given {self.value:#x}"[:24]


Dh: TypeAlias = Drawn | Given


@dataclass(frozen=True, slots=True)
class Commit:
    """What a D-H Commit Message commits to: the draws of r and x, made together. [D-H Commit Message]"""

    owner: str
    index: int

    @property
    def x(self) -> Drawn:
        """The D-H key committed to."""
        return Drawn(self.owner, "ake.x", self.index)

    def __str__(self) -> str:
        return f"{self.owner}.commit[{self.index}]"


@dataclass(frozen=True, slots=True)
class EncryptedGx:
    """The field of that name in the message of `commit`."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class HashedGx:
    """The field of that name in the message of `commit`."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class RevealedKey:
    """The key r that opens `commit`."""

    commit: Commit


@dataclass(frozen=True, slots=True)
class Ssid:
    """The secure session id that a handshake with these two D-H keys gives."""

    keys: frozenset[Dh]


@dataclass(frozen=True, slots=True)
class SharedKey:
    """The extra symmetric key of these two D-H keys. [Extra symmetric key; EXTRA-KEY-3, EXTRA-KEY-4]"""

    keys: frozenset[Dh]


@dataclass(frozen=True, slots=True)
class MacKey:
    """The MAC key for data messages from the one D-H key to the other. [Computing AES keys, MAC keys, ...]"""

    sender: Dh
    receiver: Dh

    def __str__(self) -> str:
        return f"MAC key {self.sender} -> {self.receiver}"


@dataclass(frozen=True, slots=True)
class Identity:
    """The fingerprint of a long-term key. `key` is the public key, or the name that a test gives to an insider's.

    [KEYS-FPR-3, KEYS-FPR-5]
    """

    key: Hashable

    def __str__(self) -> str:
        return f"fingerprint of {self.key!r}"[-60:]


#: Everything that can be bound to a value. Each class has a table of its own, and values in a table are distinct.
Name: TypeAlias = Dh | EncryptedGx | HashedGx | RevealedKey | Ssid | SharedKey | MacKey | Identity


def pair(one: Dh, other: Dh) -> frozenset[Dh]:
    """Two D-H keys in either order: both ends derive the same from them. [DERIVE-SECRET-1, DATA-ORDER-2]"""
    return frozenset((one, other))


@dataclass(frozen=True, slots=True)
class MessageName:
    """A handshake message that may be resent byte for byte: its kind, the D-H keys in it, and its session.

    signature: which of its sender's signatures it has, as the same keys may be signed again with another nonce.
    """

    kind: str
    keys: tuple[Dh, ...]
    instance: int
    signature: int = 0
