"""The MAC keys that a target owes its peer: those that a session with an insider has used and dropped.

What the target must reveal depends on the messages that it received. The account knows the live keys of both sides, and
the pairs of keys that verified a message. The target may reveal unused keys too, but no key that can still verify a
message, and no key twice. [Revealing MAC keys]
"""

from __future__ import annotations

from collections.abc import Iterable

from otterproof.harness.judges.mac_ledger import MacLedger
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import fail
from otterproof.harness.wire import Message

#: (insider's key id, target's key id)
PairIds = tuple[int, int]


class MacAccount:
    """The MAC keys of a session. our_keyid, their_keyid: the latest keys of the target and of the insider.

    exact: the target reveals only what it owes, in the order in which it was dropped. after_another: there was an
    earlier session, whose keys messages may still reveal.
    """

    def __init__(
        self, insider: Insider, our_keyid: int, their_keyid: int, *, exact: bool = False, after_another: bool = False
    ) -> None:
        self.insider = insider
        self.exact = exact
        # From the target's view: its own key id comes first in a pair.
        self._book: MacLedger[PairIds] = MacLedger(our_keyid, their_keyid)
        self._after_another = after_another
        self.unused: set[PairIds] = set()
        self.revealed: list[bytes] = []
        self._named: set[PairIds] = set()  # pairs that were ever live, far fewer than all possible ones

    @property
    def latest(self) -> PairIds:
        """The insider's latest key that the target knows, and the target's latest key that it has announced."""
        return self._book.their_keyid, self._book.our_keyid

    def key(self, pair: PairIds) -> bytes:
        """The target's receiving MAC key for a pair."""
        return self.insider.keys(*pair).sending_mac

    def live(self) -> list[PairIds]:
        """The pairs under which the target would now read a message from the insider, who knows both keys."""
        latest, theirs = self._book.our_keyid, self.insider.theirs
        ours = [keyid for keyid in (self._book.their_keyid - 1, self._book.their_keyid) if keyid > 0]
        return [
            (mine, yours)
            for mine in ours
            for yours in (latest - 1, latest)
            if yours in theirs and mine in self.insider.exponents
        ]

    @property
    def due(self) -> list[PairIds]:
        """The pairs that were dropped since the last message, and whose keys were used."""
        return list(self._book.owed)

    def verified(self, mine: int, yours: int) -> None:
        """The target has verified a message under a pair of keys, but did not act on it."""
        self._named |= {(mine, yours), *self.live()}
        self._book = self._book.verified((yours, mine), (mine, yours))

    def accepted(self, mine: int, yours: int) -> None:
        """The target has read a message under a pair of keys."""
        self._named |= {(mine, yours), *self.live()}
        book = self._book.verified((yours, mine), (mine, yours))
        unused = {*self.live()} - {*book.live.values()}
        self._book = book.accepted((yours, mine))
        self.unused |= unused - {*self.live()}

    def end(self) -> None:
        """All keys are dropped."""
        self.unused |= {*self.live()} - {*self._book.live.values()}
        self._book = self._book.dropped()

    def judge(self, message: Message) -> list[bytes]:
        """Demand that the target's message reveals all that is due, and nothing else; return the revealed keys."""
        found = message.revealed_mac_keys()
        owed = {self.key(pair) for pair in self.due}
        self.demand_all(found, owed)
        self._demand_nothing_else(found, owed | {self.key(pair) for pair in self.unused})
        in_order = not self.exact or found == [self.key(pair) for pair in self.due]
        if not in_order:
            fail("mac-reveal.not-in-order", expected=self._names(map(self.key, self.due)), got=self._names(found))
        self.revealed += found
        self._book = self._book.paid()
        self.unused.clear()
        return found

    def demand_all(self, found: list[bytes], owed: set[bytes], case: str = "") -> None:
        """Demand that all due keys are among those revealed. case: the kind of message that reveals them."""
        if not owed <= {*found}:
            expected, got = sorted(self._names(owed)), self._names(found)
            fail("mac-reveal.used-key-not-revealed", expected=expected, got=got, case=case)

    def _demand_nothing_else(self, found: list[bytes], allowed: set[bytes]) -> None:
        """Demand that only receiving MAC keys of dropped pairs are revealed, each once."""
        other = [key for key in found if key not in allowed]
        live = {self.key(pair) for pair in self.live()}
        if live & {*other}:
            fail("mac-reveal.live-key-revealed", got=self._names(key for key in other if key in live))
        if {*other} & {*self.revealed}:
            fail("mac-reveal.revealed-twice", got=self._names(key for key in other if key in self.revealed))
        if other and not self._after_another:
            fail("mac-reveal.wrong-key-revealed", expected=sorted(self._names(allowed)), got=self._names(found))

    def _names(self, keys: Iterable[bytes]) -> list[str]:
        """MAC keys in words, as the key pairs that they belong to, if any."""
        pairs = sorted(self._named | {*self.live()})
        known = {self.key((mine, yours)): f"the receiving MAC key of ids {mine} and {yours}" for mine, yours in pairs}
        for mine, yours in pairs:
            known[self.insider.keys(mine, yours).receiving_mac] = f"the sending MAC key of ids {mine} and {yours}"
        return [known.get(key) or f"20 other bytes, {key.hex()}" for key in keys]
