"""A ledger of the MAC keys that a party has to reveal. ["Revealing MAC keys"]

Two judges keep one: an oracle, which follows any party in any run, and the scenarios on old MAC keys, which know both
sides' keys. The rules for using and dropping a session's keys are the same for both. Each chooses what represents a key
in its ledger: a message that the key verified, or its pair of key ids. The engines and the model keep their own
records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from otterproof.implementations.values import quickly_made

#: The party's own key id, and its peer's.
KeyPair: TypeAlias = tuple[int, int]

V = TypeVar("V")


@quickly_made
@dataclass(frozen=True)  # no slots: with them, MacLedger[Message]() fails in Python 3.11
class MacLedger(Generic[V]):
    """The receiving MAC keys of a session that verified a message: those of live pairs, and those owed.

    our_keyid, their_keyid: the latest key ids of the party and of its peer; the keys before them are live, too.
    """

    our_keyid: int = 0
    their_keyid: int = 0
    live: Mapping[KeyPair, V] = field(default_factory=dict)
    owed: tuple[V, ...] = ()

    def verified(self, pair: KeyPair, value: V) -> MacLedger[V]:
        """The MAC key of a live pair verified a message. A pair keeps the first value it gets."""
        if pair in self.live:
            return self
        return MacLedger(self.our_keyid, self.their_keyid, {**self.live, pair: value}, self.owed)

    def accepted(self, pair: KeyPair) -> MacLedger[V]:
        """A message under a pair was accepted: rotate our key, then theirs. [Key Management]"""
        after, (ours, theirs) = self, pair
        if ours == self.our_keyid:
            after = after._drop(lambda one: one[0] == ours - 1, our_keyid=ours + 1)
        if theirs == self.their_keyid:
            after = after._drop(lambda one: one[1] == theirs - 1, their_keyid=theirs + 1)
        return after

    def dropped(self) -> MacLedger[V]:
        """All keys of the session are dropped."""
        return self._drop(lambda one: True)

    def paid(self) -> MacLedger[V]:
        """The owed keys have been revealed."""
        return MacLedger(self.our_keyid, self.their_keyid, self.live) if self.owed else self

    def _drop(
        self, gone: Callable[[KeyPair], bool], *, our_keyid: int | None = None, their_keyid: int | None = None
    ) -> MacLedger[V]:
        """Drop pairs; their keys are then owed, ordered by the peer's key id. our_keyid, their_keyid: the new ones."""
        dropped = sorted(filter(gone, self.live), key=lambda one: one[::-1])
        live = {pair: value for pair, value in self.live.items() if pair not in dropped} if dropped else self.live
        return MacLedger(
            self.our_keyid if our_keyid is None else our_keyid,
            self.their_keyid if their_keyid is None else their_keyid,
            live,
            (*self.owed, *(self.live[pair] for pair in dropped)),
        )
