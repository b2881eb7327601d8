"""Key management: which D-H keys are live, the session keys of each pair of them, counters, and what is to be revealed.

Two keys of ours and up to two of theirs are live at a time, named by their key ids. Every pair of them has session
keys, worked out when first needed and kept for as long as both keys live. When a key is dropped, so are its pairs; the
receiving MAC keys among them that verified a message are handed out to be revealed. A ratchet is a value: each step
gives a new one and leaves the old one as it was. [Key Management]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otterproof.implementations.contract import RatchetSnapshot, RejectReason
from otterproof.implementations.values import quickly_made, replace

from .codec import Reject, mpi
from .numbers import Exponent, G, sha1, sha256

#: (our key id, their key id)
PairIds = tuple[int, int]


@quickly_made
@dataclass(frozen=True, slots=True)
class KeyPair:
    """A D-H key pair of ours."""

    private: Exponent = field(repr=False)
    public: int

    @classmethod
    def from_exponent(cls, exponent: bytes) -> KeyPair:
        private = Exponent(int.from_bytes(exponent))
        return cls(private, private.applied_to(G))


@quickly_made
@dataclass(frozen=True, slots=True)
class PairKeys:
    """The session keys of one pair, and what was done with them. [Computing AES keys, MAC keys ...]

    sent, received: the last counters; 0 is before the first, and so never a counter of a message. A new pair begins
    there again. [KEYMGMT-RECV-10]
    """

    sending_aes: bytes = field(repr=False)
    sending_mac: bytes = field(repr=False)
    receiving_aes: bytes = field(repr=False)
    receiving_mac: bytes = field(repr=False)
    secbytes: bytes = field(repr=False)
    sent: int = 0
    received: int = 0
    verified: bool = False

    @classmethod
    def derive(cls, ours: KeyPair, theirs: int, secbytes: bytes = b"") -> PairKeys:
        """secbytes: of the shared secret, where it is known already.

        [DATA-ORDER-2, DERIVE-DATA-2, DERIVE-DATA-3, DERIVE-DATA-4, DERIVE-DATA-5, DERIVE-DATA-6, DERIVE-DATA-7]
        """
        secbytes = secbytes or mpi(ours.private.applied_to(theirs))  # [DERIVE-SECRET-1, DERIVE-SECRET-2]
        send, receive = (b"\x01", b"\x02") if ours.public > theirs else (b"\x02", b"\x01")
        sending, receiving = sha1(send + secbytes)[:16], sha1(receive + secbytes)[:16]
        return cls(sending, sha1(sending), receiving, sha1(receiving), secbytes)

    @property
    def extra_key(self) -> bytes:
        """The extra symmetric key, 32 bytes. [Extra symmetric key; EXTRA-KEY-1, EXTRA-KEY-3, EXTRA-KEY-4]"""
        return sha256(b"\xff" + self.secbytes)


@quickly_made
@dataclass(frozen=True, slots=True)
class Ratchet:
    """The live keys of an ENCRYPTED session: `ours` and `theirs` are (previous, current).

    [KEYMGMT-KEEP-1, ROBUST-GROW-1]
    """

    our_keyid: int
    ours: tuple[KeyPair, KeyPair]
    their_keyid: int
    theirs: tuple[int | None, int]
    pairs: Mapping[PairIds, PairKeys] = field(default_factory=dict)

    def our_key(self, keyid: int) -> KeyPair:
        """Our live key of that id; Reject(UNKNOWN_KEY) if there is none. [KEYMGMT-RECV-2, KEYMGMT-ROTATE-7]

        Ours begin at 1 and theirs at 1 or above, so that no live key has the id 0. [DATA-KEYID-5]
        """
        age = self.our_keyid - keyid
        if age not in (0, 1):
            raise Reject(RejectReason.UNKNOWN_KEY)
        return self.ours[1 - age]

    def their_key(self, keyid: int) -> int:
        """Their live key of that id; Reject(UNKNOWN_KEY) if there is none. [KEYMGMT-RECV-3, KEYMGMT-RECV-4]"""
        age = self.their_keyid - keyid
        key = self.theirs[1 - age] if age in (0, 1) else None
        if key is None:
            raise Reject(RejectReason.UNKNOWN_KEY)
        return key

    def pair(self, ids: PairIds) -> PairKeys:
        """The session keys of a pair, derived if they were not needed before. [DERIVE-DATA-1, KEYMGMT-RECV-1]"""
        ours, theirs = self.our_key(ids[0]), self.their_key(ids[1])
        return self.pairs.get(ids) or PairKeys.derive(ours, theirs)

    def with_pair(self, ids: PairIds, keys: PairKeys) -> Ratchet:
        return replace(self, pairs={**self.pairs, ids: keys})

    def verified_mac_keys(self) -> tuple[bytes, ...]:
        """All receiving MAC keys that verified a message, as they are revealed when everything is dropped.

        [MACREVEAL-WHAT-1, MACREVEAL-WHAT-3]
        """
        return tuple(
            keys.receiving_mac for _, keys in sorted(self.pairs.items(), key=lambda item: item[0]) if keys.verified
        )

    def rotate_ours(self, new: KeyPair) -> tuple[Ratchet, tuple[bytes, ...]]:
        """Drop our previous key, take `new` as the current one; also the MAC keys to reveal.

        [DATA-KEYID-2, KEYMGMT-ROTATE-1, KEYMGMT-ROTATE-2, KEYMGMT-ROTATE-8, MACREVEAL-WHEN-1]
        """
        pairs, revealed = self._without(0, self.our_keyid - 1)
        return replace(self, our_keyid=self.our_keyid + 1, ours=(self.ours[1], new), pairs=pairs), revealed

    def rotate_theirs(self, new: int) -> tuple[Ratchet, tuple[bytes, ...]]:
        """Drop their previous key, take `new` as the current one; also the MAC keys to reveal.

        [KEYMGMT-ROTATE-3, MACREVEAL-WHEN-2]
        """
        pairs, revealed = self._without(1, self.their_keyid - 1)
        return replace(self, their_keyid=self.their_keyid + 1, theirs=(self.theirs[1], new), pairs=pairs), revealed

    def _without(self, side: int, keyid: int) -> tuple[dict[PairIds, PairKeys], tuple[bytes, ...]]:
        """The pairs without those of one key, and the receiving MAC keys of these that verified a message.

        A MAC key is given out together with the loss of its pair: once, and when it verifies nothing any more.
        [MACREVEAL-WHAT-1, MACREVEAL-WHAT-2, MACREVEAL-WHAT-3, MACREVEAL-WHAT-5, MACREVEAL-WHAT-6, MACREVEAL-WHEN-4,
        MACREVEAL-WHEN-5]
        """
        kept: dict[PairIds, PairKeys] = {}
        dropped: dict[PairIds, PairKeys] = {}
        for ids, keys in self.pairs.items():
            (dropped if ids[side] == keyid else kept)[ids] = keys
        return kept, tuple(dropped[ids].receiving_mac for ids in sorted(dropped) if dropped[ids].verified)

    def inspect(self) -> RatchetSnapshot:
        theirs = {self.their_keyid: self.theirs[1]}
        if self.theirs[0] is not None:
            theirs[self.their_keyid - 1] = self.theirs[0]
        return RatchetSnapshot(
            our_keyid=self.our_keyid,
            their_keyid=self.their_keyid,
            our_keys={self.our_keyid: self.ours[1].public, self.our_keyid - 1: self.ours[0].public},
            their_keys=theirs,
            sent={ids: keys.sent for ids, keys in self.pairs.items() if keys.sent},
            received={ids: keys.received for ids, keys in self.pairs.items() if keys.received},
            verified=frozenset(ids for ids, keys in self.pairs.items() if keys.verified),
        )
