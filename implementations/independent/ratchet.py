"""Key management of one encrypted session: which D-H keys are live, and what was done under each pair of them.

A Ratchet never changes; every step returns a new one, so a snapshot of the engine can share it. What belongs to a
pair of keys (its derived keys, its counters, whether its receiving MAC key verified something) leaves together with
either key of the pair. [Key Management, Revealing MAC keys]
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from otterproof.implementations.contract import RatchetSnapshot, RejectReason

from .derive import SessionKeys, session_keys, shared_secret
from .primitives import KeyPair
from .wire import Fault

#: (our key id, their key id), both greater than 0, for ours start at 1 and theirs are no lower when they are learnt.
#: [DATA-KEYID-1, DATA-KEYID-3]
Pair = tuple[int, int]

_LAST_KEYID: Final = 0xFFFFFFFF
_V = TypeVar("_V")


def _surviving(table: Mapping[Pair, _V], gone: Iterable[Pair]) -> dict[Pair, _V]:
    kept = dict(table)
    for pair in gone:
        kept.pop(pair, None)
    return kept


@dataclass(frozen=True, slots=True)
class Ratchet:
    """The live keys of both ends by key id, and per pair: derived keys, last counters, and MAC keys that verified.

    Two of our keys are live, and up to two of theirs. [KEYMGMT-KEEP-1] The mappings are replaced, never written to.
    """

    our_keyid: int
    our_keys: Mapping[int, KeyPair]
    their_keyid: int
    their_keys: Mapping[int, int]
    derived: Mapping[Pair, SessionKeys]
    sent: Mapping[Pair, int]
    received: Mapping[Pair, int]
    verified: frozenset[Pair]

    @classmethod
    def begin(
        cls,
        our_first: KeyPair,
        our_second: KeyPair,
        their_keyid: int,
        their_y: int,
        secbytes: bytes,
        previous: Ratchet | None,
    ) -> Ratchet:
        """The state when a handshake completes.

        secbytes: the handshake's own secret, which is also that of our first key with theirs. previous: the ratchet
        that this one replaces; the correspondent's keys are kept if it knows their_y by that very id.
        [Key Management; KEYMGMT-AKE-3, KEYMGMT-AKE-4]
        """
        their_keys: Mapping[int, int] = {their_keyid: their_y}
        newest = their_keyid
        if previous is not None and previous.their_keys.get(their_keyid) == their_y:
            their_keys = previous.their_keys  # [KEYMGMT-AKE-2]
            newest = previous.their_keyid
        return cls(
            our_keyid=2,  # [KEYMGMT-START-1]
            our_keys={1: our_first, 2: our_second},
            their_keyid=newest,
            their_keys=their_keys,
            derived={(1, their_keyid): session_keys(secbytes, our_first.public, their_y)},
            sent={},
            received={},
            verified=frozenset(),
        )

    @property
    def sending_pair(self) -> Pair:
        """The pair that protects what we send: our previous key and their latest.

        Theirs is the latest that they have announced; ours is the latest that they have used, or the handshake's. It
        stays the same until they use a new key. [KEYMGMT-PICK-1, KEYMGMT-PICK-2, KEYMGMT-SEND-1, KEYMGMT-SEND-4]
        """
        return (self.our_keyid - 1, self.their_keyid)

    def check_pair(self, pair: Pair) -> None:
        """Raise Fault(UNKNOWN_KEY) unless both keys are live and the sender's can be followed by another.

        The previous keys are live too, for a message that comes late [KEYMGMT-RECV-8]. No key has id 0 [DATA-KEYID-5],
        and a dropped key is not found any more, which makes its revealed MAC key useless for forging messages to us
        [KEYMGMT-ROTATE-7, MACREVEAL-WHAT-6].
        """
        ours, theirs = pair
        if ours not in self.our_keys or theirs not in self.their_keys:
            # [KEYMGMT-RECV-2, KEYMGMT-RECV-3, KEYMGMT-RECV-4]
            raise Fault(RejectReason.UNKNOWN_KEY)
        if theirs == self.their_keyid == _LAST_KEYID:  # [KEYMGMT-NEXT-2]
            raise Fault(RejectReason.UNKNOWN_KEY)

    def with_keys(self, pair: Pair) -> tuple[Ratchet, SessionKeys]:
        """The derived keys of a live pair; the exponentiation is made once per pair.
        [DERIVE-DATA-1, KEYMGMT-RECV-1]
        """
        known = self.derived.get(pair)
        if known is not None:
            return self, known
        ours, theirs = self.our_keys[pair[0]], self.their_keys[pair[1]]
        keys = session_keys(shared_secret(ours, theirs), ours.public, theirs)
        return replace(self, derived={**self.derived, pair: keys}), keys

    def count_sent(self, pair: Pair) -> tuple[Ratchet, int]:
        """The next counter for a message that we send under `pair`: from 1 on, and never the same again.
        [DATA-CTR-1, DATA-CTR-2, DATA-CTR-3]
        """
        counter = self.sent.get(pair, 0) + 1
        return replace(self, sent={**self.sent, pair: counter}), counter

    def mark_verified(self, pair: Pair) -> Ratchet:
        """Its receiving MAC key has verified a message, so it is to be revealed one day. [MACREVEAL-WHAT-2]"""
        return self if pair in self.verified else replace(self, verified=self.verified | {pair})

    def accept_counter(self, pair: Pair, counter: int) -> Ratchet:
        """Note the counter of an accepted message. Raises Fault(BAD_COUNTER) unless it is higher than the last.

        The last one is that of the same pair, 0 for a new pair. So what was sent is taken once, and in its order.
        [KEYMGMT-RECV-6, KEYMGMT-RECV-10, DATA-RECV-13]
        """
        if counter <= self.received.get(pair, 0):
            raise Fault(RejectReason.BAD_COUNTER)
        return replace(self, received={**self.received, pair: counter})

    def mac_keys(self, pairs: Iterable[Pair] | None = None) -> tuple[bytes, ...]:
        """The receiving MAC keys, of all pairs or of those given, that verified something; by rising key ids.
        [Revealing MAC keys; MACREVEAL-WHAT-1, MACREVEAL-WHAT-3, MACREVEAL-WHAT-5]
        """
        chosen = self.verified if pairs is None else self.verified.intersection(pairs)
        return tuple(self.derived[pair].receiving_mac for pair in sorted(chosen))

    def rotate_ours(self, next_key: Callable[[], KeyPair]) -> tuple[Ratchet, tuple[bytes, ...], KeyPair]:
        """They have used our latest key: drop the previous one and make another. [KEYMGMT-ROTATE-1]

        Returns the new state, the MAC keys to reveal and the dropped key pair. Both are of keys that nothing is
        accepted under from now on. [KEYMGMT-ROTATE-2, MACREVEAL-WHEN-1, MACREVEAL-WHEN-4]
        """
        dropped = self.our_keyid - 1
        gone = [(dropped, theirs) for theirs in self.their_keys]
        revealed = self.mac_keys(gone)
        latest = self.our_keyid + 1  # [DATA-KEYID-2]
        rotated = replace(
            self._without(gone),
            our_keyid=latest,
            our_keys={self.our_keyid: self.our_keys[self.our_keyid], latest: next_key()},
        )
        return rotated, revealed, self.our_keys[dropped]

    def rotate_theirs(self, next_dh: int) -> tuple[Ratchet, tuple[bytes, ...]]:
        """They have used their latest key: take the one they announced, drop the previous one if there is one.
        [KEYMGMT-ROTATE-3]

        Returns the new state and the MAC keys to reveal. [MACREVEAL-WHEN-2, MACREVEAL-WHEN-4]
        """
        dropped = self.their_keyid - 1
        gone = [(ours, dropped) for ours in self.our_keys]
        revealed = self.mac_keys(gone)
        latest = self.their_keyid + 1
        rotated = replace(
            self._without(gone),
            their_keyid=latest,
            their_keys={self.their_keyid: self.their_keys[self.their_keyid], latest: next_dh},
        )
        return rotated, revealed

    def _without(self, gone: Iterable[Pair]) -> Ratchet:
        """Forget all that belongs to these pairs, so that nothing can be read with it and nothing heaps up.
        [KEYMGMT-ROTATE-8, ROBUST-GROW-1]
        """
        return replace(
            self,
            derived=_surviving(self.derived, gone),
            sent=_surviving(self.sent, gone),
            received=_surviving(self.received, gone),
            verified=self.verified.difference(gone),
        )

    def snapshot(self) -> RatchetSnapshot:
        """The public view."""
        return RatchetSnapshot(
            our_keyid=self.our_keyid,
            their_keyid=self.their_keyid,
            our_keys={keyid: pair.public for keyid, pair in self.our_keys.items()},
            their_keys=dict(self.their_keys),
            sent=dict(self.sent),
            received=dict(self.received),
            verified=self.verified,
        )
