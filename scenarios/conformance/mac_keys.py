"""Old MAC keys: which are revealed, when, and what for. [Revealing MAC keys]

What the target has to reveal follows from the messages that it was given. A `Ledger` keeps account of them: the live
keys of both sides, and the pairs of keys that verified a message. The target may reveal unused keys too, but no key
that can still verify a message, and no key twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from otterproof.harness import wire
from otterproof.harness.judges.mac_ledger import MacLedger
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import fail
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import PeerEndedSession, UserEndedSession

#: (insider's key id, target's key id)
PairIds = tuple[int, int]


class Ledger:
    """A session with an insider, and the MAC keys that the target owes. exact: those alone, as they were dropped."""

    def __init__(self, target: TargetSession, insider: Insider, exact: bool = False) -> None:
        self.target = target
        self.insider = insider
        self.exact = exact
        # As the target keeps it: its own key id comes first in a pair.
        self._book: MacLedger[PairIds] = MacLedger(insider.their_keyid + 1, insider.our_keyid - 1)
        self.unused: set[PairIds] = set()
        self.revealed: list[bytes] = []

    def key(self, pair: PairIds) -> bytes:
        """The target's receiving MAC key of a pair."""
        return self.insider.keys(*pair).sending_mac

    def live(self) -> list[PairIds]:
        """The pairs under which the target would now read a message of the insider's, who knows both keys."""
        latest, theirs = self._book.our_keyid, self.insider.theirs
        ours = [keyid for keyid in (self._book.their_keyid - 1, self._book.their_keyid) if keyid > 0]
        return [(mine, yours) for mine in ours for yours in (latest - 1, latest) if yours in theirs]

    @property
    def due(self) -> list[PairIds]:
        """The pairs that were dropped since the last text and whose keys were used."""
        return list(self._book.owed)

    def receive(self, pair: PairIds | None = None, text: bytes = b"text", **data: object) -> Reply:
        """The target receives a message under a pair of keys, and the ledger notes what it did with them."""
        mine, yours = pair or (self.insider.our_keyid - 1, self.insider.their_keyid)
        self.insider.exponents.setdefault(mine + 1, self.insider.draw(40))
        reply = self.target.receive(self.insider.data(text, under=(mine, yours), **data))  # type: ignore[arg-type]
        if reply.accepted or not text:
            self.accepted(mine, yours)
        elif "mac" not in data and (mine, yours) in self.live():
            self._book = self._book.verified((yours, mine), (mine, yours))
        return reply

    def accepted(self, mine: int, yours: int) -> None:
        """The target has read a message under a pair of keys."""
        book = self._book.verified((yours, mine), (mine, yours))
        unused = {*self.live()} - {*book.live.values()}
        self._book = book.accepted((yours, mine))
        self.unused |= unused - {*self.live()}

    def end(self) -> None:
        """All keys are dropped."""
        self.unused |= {*self.live()} - {*self._book.live.values()}
        self._book = self._book.dropped()

    def send(self, text: bytes = b"text") -> Message:
        """The target's user sends a text, which must reveal what is due."""
        message = self.target.assert_sends_text(self.insider, text)
        self.judge(message)
        return message

    def judge(self, message: Message) -> list[bytes]:
        """Demand that a message of the target's reveals all that is due, and nothing that is not; what it reveals."""
        found = revealed(message)
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
        """Demand that the keys that are due are among those revealed. case: the kind of message that reveals them."""
        if not owed <= {*found}:
            expected, got = sorted(self._names(owed)), self._names(found)
            fail("mac-reveal.used-key-not-revealed", expected=expected, got=got, case=case)

    def _demand_nothing_else(self, found: list[bytes], allowed: set[bytes]) -> None:
        """Demand that only receiving MAC keys of dropped pairs are revealed, and each once."""
        other = [key for key in found if key not in allowed]
        live = {self.key(pair) for pair in self.live()}
        if live & {*other}:
            fail("mac-reveal.live-key-revealed", got=self._names(key for key in other if key in live))
        if {*other} & {*self.revealed}:
            fail("mac-reveal.revealed-twice", got=self._names(key for key in other if key in self.revealed))
        if other:
            fail("mac-reveal.wrong-key-revealed", expected=sorted(self._names(allowed)), got=self._names(found))

    def _names(self, keys: Iterable[bytes]) -> list[str]:
        """MAC keys as the pairs of keys that they belong to, where they belong to any."""
        pairs = [(mine, yours) for mine in self.insider.exponents for yours in self.insider.theirs]
        known = {self.key((mine, yours)): f"the receiving MAC key of ids {mine} and {yours}" for mine, yours in pairs}
        for mine, yours in pairs:
            known[self.insider.keys(mine, yours).receiving_mac] = f"the sending MAC key of ids {mine} and {yours}"
        return [known.get(key) or f"20 other bytes, {key.hex()}" for key in keys]

    def demand_dropped(self, *pairs: PairIds, case: str = "") -> None:
        """Demand that these pairs, which have verified messages, are those that were dropped since the last text."""
        dropped = self.due == [*pairs]
        check("keys.pair-not-dropped", dropped, expected=_ids(pairs), got=_ids(self.due), case=case)


def _ids(pairs: Iterable[PairIds]) -> list[str]:
    return [f"sender key id {mine} with recipient key id {yours}" for mine, yours in pairs]


def revealed(message: Message) -> list[bytes]:
    """The old MAC keys in a message of the target's."""
    keys = message.data("old_mac_keys")
    return [keys[at : at + 20] for at in range(0, len(keys), 20)]


def _ledger(context: Context) -> Ledger:
    return Ledger(*context.encrypted())


@scenario(
    requirements=(
        "MACREVEAL-WHEN-1",
        "!MACREVEAL-WHEN-1",
        "MACREVEAL-WHEN-3",
        "MACREVEAL-WHEN-5",
        "!MACREVEAL-WHEN-5",
        "MACREVEAL-WHAT-1",
        "!MACREVEAL-WHAT-1",
        "MACREVEAL-WHAT-4",
    )
)
def revealed_when_own_keys_are_dropped(context: Context) -> None:
    """In a conversation in turns, each message reveals the receiving MAC key of the pair that was just dropped, once.

    Before a pair is dropped, nothing is revealed.
    """
    ledger = _ledger(context)
    ledger.send(b"nothing was received")
    for turn in range(5):
        ledger.receive()
        dropped, expected = len(ledger.due), min(turn, 1)
        check_equal("keys.pair-not-dropped", dropped, expected, case=f"turn {turn + 1}")
        found = revealed(ledger.send())
        once = len(set(found)) == len(found)
        check("mac-reveal.revealed-twice", once, got=found, case="the keys in one message")
        ledger.send(b"more")


@scenario(requirements=("MACREVEAL-WHEN-2", "!MACREVEAL-WHEN-2", "MACREVEAL-WHEN-4", "!MACREVEAL-WHEN-4"))
def revealed_when_their_keys_are_dropped(context: Context) -> None:
    """When the correspondent's keys change and the target's do not, the MAC keys of the dropped keys are revealed.

    Those of live keys are not.
    """
    ledger = _ledger(context)
    for number in range(1, 6):
        ledger.receive((number, 1))
        ledger.demand_dropped(*[(number - 1, 1)] if number > 1 else [], case=f"a message under key {number}")
        ledger.send()
        late = ledger.insider.data(b"too late", under=(number - 1, 1), ctr=100) if number > 1 else None
        if late:
            ledger.target.receive(late).assert_rejected("mac-reveal.revealed-key-accepted", "a new message")
        ledger.receive((number, 1), b"live")
        ledger.send(b"more")


@scenario(
    requirements=(
        "MACREVEAL-WHEN-6",
        "!MACREVEAL-WHEN-6",
        "MACREVEAL-WHAT-2",
        "MACREVEAL-WHEN-1",
        "MACREVEAL-WHEN-2",
        "MACREVEAL-WHEN-5",
        "MACREVEAL-WHAT-3",
        "!MACREVEAL-WHAT-3",
    )
)
def all_used_keys_are_revealed(context: Context) -> None:
    """In whatever order live pairs of keys are used, each used MAC key is revealed right after its pair was dropped.

    The only other keys that may be revealed are those of dropped pairs that verified nothing.
    """
    choose = random.Random(context.seed)
    for _ in range(3):
        with context.case():
            ledger = _ledger(context)
            for _ in range(24):
                if choose.random() < 0.4:
                    ledger.send()
                else:
                    forged = {"mac": bytes(range(20))} if choose.random() < 0.2 else {}
                    ledger.receive(choose.choice(ledger.live()), ctr=1000 + len(ledger.target.log), **forged)
            ledger.send()
            dropped = bool(ledger.revealed)
            check("keys.pair-not-dropped", dropped, expected="pairs of keys are dropped on the way", got="none was")


@scenario(requirements=("MACREVEAL-WHAT-2", "!MACREVEAL-WHAT-2"))
def keys_of_refused_messages_are_revealed(context: Context) -> None:
    """A MAC key counts as used even if the only message it verified was refused for its counter or its next key.

    So both pairings of a dropped key can be due at once.
    """
    for odd in ({"ctr": 0}, {"next_dh": 1}):
        with context.case():
            ledger = _ledger(context)
            ledger.receive((1, 1))
            ledger.send()
            if any(ledger.receive(pair, b"refused, or not", **odd).accepted for pair in ((2, 1), (1, 2))):
                continue  # the target accepts such messages, so they are no different from others
            ledger.receive((1, 2), ctr=9)
            ledger.receive((2, 2), ctr=9)
            ledger.demand_dropped((1, 1), (2, 1), (1, 2), case=f"refused for their {', '.join(odd)}")
            ledger.send()


@scenario(requirements=("MACREVEAL-WHEN-3", "!MACREVEAL-WHEN-3"))
def every_data_message_reveals_due_keys(context: Context) -> None:
    """What is due is revealed in the next Data Message, whatever kind it is, and in no other message."""
    able = context.target.capabilities
    actions: list[tuple[str, dict[str, object]]] = [("send", {"text": b"text"}), ("end", {})]
    actions += [("smp_start", {"secret": b"secret"})] if "smp" in able else []
    actions += [("extra_key", {"use": 1, "data": b"a file"})] if "extra_key" in able and context.version == 3 else []
    for action, args in actions:
        with context.case():
            ledger = _ledger(context)
            ledger.receive()
            ledger.send()
            ledger.receive()
            ledger.target.receive(b"?OTR Error: no data message comes of this")
            messages = ledger.target.user(action, **args).messages(Kind.DATA)
            case = f"the message for {action.replace('_', ' ')}"
            check("message.data-not-sent", bool(messages), expected=Kind.DATA, got="no Data Message", case=case)
            found = revealed(messages[0])
            ledger.demand_all(found, {ledger.key(pair) for pair in ledger.due}, case)
            live = {ledger.key(pair) for pair in ledger.live()} & {*found}
            check("mac-reveal.live-key-revealed", action == "end" or not live, got=sorted(live), case=case)


@scenario(needs=("time", "heartbeat"), requirements=("MACREVEAL-WHEN-3",))
def heartbeats_reveal_due_keys(context: Context) -> None:
    """A heartbeat reveals what is due, including the keys that were dropped by the message that it answers."""
    ledger = _ledger(context)
    ledger.receive()
    ledger.send()
    ledger.target.tick(120)
    ledger.judge(ledger.receive().message(Kind.DATA))


@scenario(requirements=("MACREVEAL-WHAT-4", "!MACREVEAL-WHAT-4"))
def keys_with_leading_zeros(context: Context) -> None:
    """A MAC key that begins with a zero byte is revealed whole."""
    ledger = _ledger(context)
    insider, theirs = ledger.insider, ledger.insider.theirs[1]

    def begins_with_zero(public: int, secret: int) -> bool:
        return crypto.session_keys(public, theirs, secret).sending_mac[0] == 0

    insider.exponents[2] = insider.exponent(theirs, begins_with_zero)
    ledger.receive((1, 1))
    ledger.receive((2, 1))
    ledger.send()
    ledger.receive((2, 2))
    check("keys.pair-not-dropped", (2, 1) in ledger.due, expected=_ids([(2, 1)]), got=_ids(ledger.due))
    ledger.send()


@scenario(requirements=("MACREVEAL-WHAT-5", "!MACREVEAL-WHAT-5", "MACREVEAL-WHAT-6", "!MACREVEAL-WHAT-6"))
def revealed_keys_allow_forgery(context: Context) -> None:
    """A revealed key verifies the earlier message, so anybody can forge one; the target does not accept forgeries.

    They are rejected under the old key ids and under the live ones.
    """
    ledger = _ledger(context)
    messages = []
    for _ in range(4):
        mine, yours = ledger.insider.our_keyid - 1, ledger.insider.their_keyid
        genuine = ledger.insider.data(b"genuine")
        ledger.target.receive(genuine).assert_shown("text.not-delivered", b"genuine")
        ledger.accepted(mine, yours)
        messages.append(wire.parse(genuine))
        ledger.send()
    count = len(ledger.revealed)
    check("keys.pair-not-dropped", count >= 3, expected="3 MAC keys revealed in 4 turns", got=f"{count}")
    for number, message in enumerate(messages[:3]):
        keys = [key for key in ledger.revealed if crypto.verifies(message, key)]
        fitting = f"{len(keys)} of the {count} keys revealed"
        one = "one revealed key verifies the message"
        check("mac-reveal.wrong-key-revealed", len(keys) == 1, expected=one, got=fitting, case=f"message {number + 1}")
        changed = message.with_value("encrypted_message", b"another").with_value("ctr", (1 << 50).to_bytes(8))
        forged = crypto.mac_data(changed, keys[0])
        ids = (ledger.insider.our_keyid - 1, ledger.insider.their_keyid)
        for sender, recipient in ((None, None), ids, (ids[0] - 1, ids[1] - 1)):
            if sender is not None and recipient is not None:
                forged = changed.with_value("sender_keyid", sender).with_value("recipient_keyid", recipient)
                forged = crypto.mac_data(forged, keys[0])
            case = "a message forged with a revealed key"
            ledger.target.receive(wire.build(forged)).assert_rejected("mac-reveal.revealed-key-accepted", case)
    ledger.target.assert_receives_text(ledger.insider, b"genuine", ctr=1 << 51)


def _used(context: Context, pending: bool) -> tuple[Ledger, list[bytes]]:
    """A session with used keys, some of which await revealing if `pending`; all keys that must still be revealed."""
    ledger = _ledger(context)
    ledger.receive()
    ledger.send()
    ledger.receive()
    if not pending:
        ledger.send()
        ledger.receive()
        ledger.send()
        ledger.receive(ledger.live()[0], ctr=90)
    ledger.end()
    return ledger, [ledger.key(pair) for pair in ledger.due]


def _follow_up(ledger: Ledger, owed: list[bytes], case: str) -> None:
    """After a new handshake, the target's first text must reveal what is owed. case: how the last session ended."""
    ledger.insider.x = ledger.insider.draw(40)
    ledger.target.establish(ledger.insider)
    found = revealed(ledger.target.assert_sends_text(ledger.insider, b"in the new session"))
    missing = [key for key in owed if key not in found]
    got = f"{len(owed) - len(missing)} of them"
    check("mac-reveal.lost-with-session", not missing, expected=f"{len(owed)} MAC keys", got=got, case=case)
    again = {*revealed(ledger.target.assert_sends_text(ledger.insider, b"and once more"))} & {*found}
    check("mac-reveal.revealed-twice", not again, got=sorted(again), case=case)


@scenario(requirements=("MACREVEAL-END-1", "!MACREVEAL-END-1"))
def mac_keys_survive_a_new_handshake(context: Context) -> None:
    """When a new handshake replaces a session, its used MAC keys are revealed in the first message of the new one."""
    for pending in (True, False):
        with context.case():
            _follow_up(*_used(context, pending), "a new handshake replaced the session")


@scenario(requirements=("MACREVEAL-END-1", "!MACREVEAL-END-1"))
def mac_keys_survive_the_peers_end(context: Context) -> None:
    """When the peer ends a session, its used MAC keys are revealed in the first message of the next one."""
    for pending in (True, False):
        with context.case():
            ledger, owed = _used(context, pending)
            last = (ledger.insider.our_keyid - 1, ledger.insider.their_keyid)
            ledger.target.receive(ledger.insider.data(tlvs=[tlv(1)], ctr=200)).one(PeerEndedSession)
            _follow_up(ledger, [*owed, ledger.key(last)], "the peer ended the session")


@scenario(requirements=("MACREVEAL-WHEN-6", "!MACREVEAL-WHEN-6"))
def mac_keys_survive_the_users_end(context: Context) -> None:
    """When the user ends a session, its used MAC keys are revealed in its last message or the first of the next one."""
    for pending in (True, False):
        with context.case():
            ledger, owed = _used(context, pending)
            reply = ledger.target.user("end")
            reply.one(UserEndedSession)
            found = revealed(reply.message(Kind.DATA))
            left = [key for key in owed if key not in found]
            if left:
                _follow_up(ledger, left, "the user ended the session")
