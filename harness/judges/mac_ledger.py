"""Book-keeping of the MAC keys that a party has to reveal: the only one in the harness. ["Revealing MAC keys"]

Two judges keep such books: an oracle, which follows any party in any run, and the scenarios on old MAC keys, which know
both sides' keys. How a session's keys are used and dropped is the same for both. What stands for a key in the books is
theirs: a message that it verified, or its pair of key ids. The engines and the model keep books of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

#: The party's own key id, and its peer's.
KeyPair: TypeAlias = tuple[int, int]

V = TypeVar("V")


@dataclass(frozen=True)  # no slots: in Python 3.11 MacLedger[Message]() can't be made with them
class MacLedger(Generic[V]):
    """The receiving MAC keys of a session that verified a message: those of live pairs, and those owed.

    our_keyid, their_keyid: the latest keys of the party and of its peer, of which the ones before them live too.
    """

    our_keyid: int = 0
    their_keyid: int = 0
    live: Mapping[KeyPair, V] = field(default_factory=dict)
    owed: tuple[V, ...] = ()

    def verified(self, pair: KeyPair, value: V) -> MacLedger[V]:
        """The MAC key of a live pair verified a message. The first value for a pair stays."""
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
        """What was owed has been revealed."""
        return MacLedger(self.our_keyid, self.their_keyid, self.live) if self.owed else self

    def _drop(
        self, gone: Callable[[KeyPair], bool], *, our_keyid: int | None = None, their_keyid: int | None = None
    ) -> MacLedger[V]:
        """Drop pairs; their keys are owed in the order of the peer's key ids. our_keyid, their_keyid: the new ones."""
        dropped = sorted(filter(gone, self.live), key=lambda one: one[::-1])
        live = {pair: value for pair, value in self.live.items() if pair not in dropped} if dropped else self.live
        return MacLedger(
            self.our_keyid if our_keyid is None else our_keyid,
            self.their_keyid if their_keyid is None else their_keyid,
            live,
            (*self.owed, *(self.live[pair] for pair in dropped)),
        )
