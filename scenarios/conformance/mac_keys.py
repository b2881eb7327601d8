"""Old MAC keys: which are revealed, when, and what for. [Revealing MAC keys]

What the target has to reveal follows from the messages that it was given, so a `Ledger` keeps account of them: the live
keys of both sides and which pairs of them verified a message. Whether unused keys are revealed too is the target's
choice; that none is revealed that still verifies, and none twice, is not.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import Ended, Finished

#: (insider's key id, target's key id)
PairIds = tuple[int, int]


class Ledger:
    """A session with an insider, and which MAC keys the target owes. exact: none but these, in the contract's order."""

    def __init__(self, target: TargetSession, insider: Insider, exact: bool = False) -> None:
        self.subject = target
        self.insider = insider
        self.exact = exact
        self.theirs, self.ours = insider.their_keyid + 1, insider.our_keyid - 1  # the latest that the target has
        self.verified: set[PairIds] = set()
        self.due: list[PairIds] = []
        self.unused: set[PairIds] = set()
        self.revealed: list[bytes] = []

    def key(self, pair: PairIds) -> bytes:
        """The target's receiving MAC key of a pair."""
        return self.insider.keys(*pair).sending_mac

    def live(self) -> list[PairIds]:
        """The pairs under which the target would read a message of ours now, and we know both keys."""
        ours = [keyid for keyid in (self.ours - 1, self.ours) if keyid > 0]
        return [
            (mine, yours) for mine in ours for yours in (self.theirs - 1, self.theirs) if yours in self.insider.theirs
        ]

    def hears(self, pair: PairIds | None = None, text: bytes = b"text", **data: object) -> Reply:
        """The target is given a message under a pair of keys; what it does with them is noted."""
        mine, yours = pair or (self.insider.our_keyid - 1, self.insider.their_keyid)
        self.insider.exponents.setdefault(mine + 1, self.insider.draw(40))
        reply = self.subject.receive(self.insider.data(text, under=(mine, yours), **data))  # type: ignore[arg-type]
        if reply.accepted or not text:
            self.accepted(mine, yours)
        elif "mac" not in data:
            self.verified.add((mine, yours))
        return reply

    def accepted(self, mine: int, yours: int) -> None:
        """The target has read a message under a pair of keys."""
        self.verified.add((mine, yours))
        if yours == self.theirs:
            self._drop(lambda pair: pair[1] == self.theirs - 1)
            self.theirs += 1
        if mine == self.ours:
            self._drop(lambda pair: pair[0] == self.ours - 1)
            self.ours += 1

    def _drop(self, gone: Callable[[PairIds], bool]) -> None:
        dropped = [pair for pair in self.live() if gone(pair)]
        self.due += [pair for pair in dropped if pair in self.verified]
        self.unused |= {*dropped} - self.verified

    def end(self) -> None:
        """All keys are dropped."""
        self._drop(lambda _: True)

    def says(self, text: bytes = b"text") -> Message:
        """The target's user sends a text, which must reveal what is due."""
        message = self.subject.assert_sends_text(self.insider, text)
        self.judge(message)
        return message

    def judge(self, message: Message) -> list[bytes]:
        """Demand that a message of the target's reveals all that is due, and nothing that is not; what it reveals."""
        found = revealed(message)
        owed = {self.key(pair) for pair in self.due}
        allowed = owed | {self.key(pair) for pair in self.unused}
        check(owed <= set(found), f"{len(owed)} MAC keys are revealed when they are due, not {len(owed & set(found))}")
        check(set(found) <= allowed, "nothing but receiving MAC keys of dropped pairs is revealed")
        check(
            not self.exact or found == [self.key(pair) for pair in self.due], "keys are revealed as they were dropped"
        )
        check(not set(found) & set(self.revealed), "no key is revealed again")
        self.revealed += found
        self.due.clear()
        self.unused.clear()
        return found


def revealed(message: Message) -> list[bytes]:
    """The old MAC keys in a message of the target's, which must be whole ones."""
    keys = message.data("old_mac_keys")
    check(len(keys) % 20 == 0, f"old MAC keys are values of 20 bytes each, and there are {len(keys)} bytes of them")
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
    """In a conversation in turns each message reveals the receiving MAC key of the pair that was just dropped, once,
    and none before that.
    """
    ledger = _ledger(context)
    check(not revealed(ledger.says(b"nothing was received")), "before anything is dropped nothing is revealed")
    for turn in range(5):
        ledger.hears()
        check(len(ledger.due) == min(turn, 1), "from the second turn on a used pair of keys is dropped")
        found = revealed(ledger.says())
        check(len(set(found)) == len(found), "no key is revealed twice in a message")
        check(not revealed(ledger.says(b"more")), "the next message of a run reveals nothing again")


@scenario(requirements=("MACREVEAL-WHEN-2", "!MACREVEAL-WHEN-2", "MACREVEAL-WHEN-4", "!MACREVEAL-WHEN-4"))
def revealed_when_their_keys_are_dropped(context: Context) -> None:
    """When the correspondent's keys change and the target's do not, the MAC keys of his dropped keys are revealed, and
    those of his live ones are not.
    """
    ledger = _ledger(context)
    for number in range(1, 6):
        ledger.hears((number, 1))
        check(ledger.due == ([(number - 1, 1)] if number > 1 else []), "the pair with the dropped key is due")
        ledger.says()
        late = ledger.insider.data(b"too late", under=(number - 1, 1), ctr=100) if number > 1 else None
        if late:
            ledger.subject.receive(late).assert_rejected("a message under a MAC key that was revealed")
        ledger.hears((number, 1), b"live")
        check(not revealed(ledger.says(b"more")), "no MAC key is revealed that can still verify something")


@scenario(
    requirements=(
        "MACREVEAL-WHEN-6",
        "!MACREVEAL-WHEN-6",
        "MACREVEAL-WHAT-2",
        "MACREVEAL-WHEN-1",
        "MACREVEAL-WHEN-2",
        "MACREVEAL-WHAT-3",
        "!MACREVEAL-WHAT-3",
    )
)
def all_are_revealed_in_the_end(context: Context) -> None:
    """Whatever order messages come in under live pairs of keys, every MAC key that verified something is revealed in
    the first message after its pair was dropped; beside these, only keys of dropped pairs that verified nothing.
    """
    choose = random.Random(context.seed)
    for _ in range(3):
        ledger = _ledger(context)
        for _ in range(24):
            if choose.random() < 0.4:
                ledger.says()
            else:
                forged = {"mac": bytes(range(20))} if choose.random() < 0.2 else {}
                ledger.hears(choose.choice(ledger.live()), ctr=1000 + len(ledger.subject.log), **forged)
        ledger.says()
        check(bool(ledger.revealed), "some keys were revealed on the way")


@scenario(requirements=("MACREVEAL-WHAT-2", "!MACREVEAL-WHAT-2"))
def keys_of_refused_messages_are_revealed(context: Context) -> None:
    """A MAC key that verified nothing but a message refused for its counter or its next key counts as used, so that
    both pairings of a dropped key can be due at once.
    """
    for odd in ({"ctr": 0}, {"next_dh": 1}):
        ledger = _ledger(context)
        ledger.hears((1, 1))
        ledger.says()
        if any(ledger.hears(pair, b"refused, or not", **odd).accepted for pair in ((2, 1), (1, 2))):
            continue  # the target takes such messages, and they are like others
        ledger.hears((1, 2), ctr=9)
        ledger.hears((2, 2), ctr=9)
        check(ledger.due == [(1, 1), (2, 1), (1, 2)], "all pairs that are dropped have verified something")
        ledger.says()


@scenario(requirements=("MACREVEAL-WHEN-3", "!MACREVEAL-WHEN-3"))
def every_kind_of_message_reveals(context: Context) -> None:
    """What is due is revealed in the next data message of any kind, and by no other message."""
    able = context.target.capabilities
    actions: list[tuple[str, dict[str, object]]] = [("send", {"text": b"text"}), ("end", {})]
    actions += [("smp_start", {"secret": b"secret"})] if "smp" in able else []
    actions += [("extra_key", {"use": 1, "data": b"a file"})] if "extra_key" in able and context.version == 3 else []
    for action, args in actions:
        ledger = _ledger(context)
        ledger.hears()
        ledger.says()
        ledger.hears()
        ledger.subject.receive(b"?OTR Error: no data message comes of this")
        messages = ledger.subject.user(action, **args).messages(Kind.DATA)
        check(bool(messages), f"a data message goes out for {action}")
        found = revealed(messages[0])
        owed = {ledger.key(pair) for pair in ledger.due}
        check(owed <= set(found), f"what comes of {action} reveals the keys that are due")
        live = {ledger.key(pair) for pair in ledger.live()}
        check(action == "end" or not live & set(found), "nothing is revealed that can still verify")


@scenario(needs=("time", "heartbeat"), requirements=("MACREVEAL-WHEN-3",))
def heartbeats_reveal(context: Context) -> None:
    """A heartbeat is a data message, and reveals what is due, the keys dropped by the message that it answers too."""
    ledger = _ledger(context)
    ledger.hears()
    ledger.says()
    ledger.subject.tick(120)
    ledger.judge(ledger.hears().message(Kind.DATA))


@scenario(requirements=("MACREVEAL-WHAT-4", "!MACREVEAL-WHAT-4"))
def keys_with_leading_zeros(context: Context) -> None:
    """A MAC key that begins with a zero byte is revealed whole."""
    ledger = _ledger(context)
    insider, theirs = ledger.insider, ledger.insider.theirs[1]

    def begins_with_zero(public: int, secret: int) -> bool:
        return crypto.session_keys(public, theirs, secret).sending_mac[0] == 0

    insider.exponents[2] = insider.exponent(theirs, begins_with_zero)
    ledger.hears((1, 1))
    ledger.hears((2, 1))
    ledger.says()
    ledger.hears((2, 2))
    check((2, 1) in ledger.due, "the pair is dropped")
    ledger.says()


@scenario(requirements=("MACREVEAL-WHAT-5", "!MACREVEAL-WHAT-5", "MACREVEAL-WHAT-6", "!MACREVEAL-WHAT-6"))
def revealed_keys_make_forgeries(context: Context) -> None:
    """With a revealed key anybody can check and change the message that it was for, but the target does not take it,
    under the old key ids or the live ones.
    """
    ledger = _ledger(context)
    messages = []
    for _ in range(4):
        mine, yours = ledger.insider.our_keyid - 1, ledger.insider.their_keyid
        genuine = ledger.insider.data(b"genuine")
        ledger.subject.receive(genuine).assert_shown(b"genuine")
        ledger.accepted(mine, yours)
        messages.append(wire.parse(genuine))
        ledger.says()
    check(len(ledger.revealed) >= 3, "the keys of the first messages have been revealed")
    for number, message in enumerate(messages[:3]):
        keys = [key for key in ledger.revealed if crypto.verifies(message, key)]
        check(len(keys) == 1, f"one revealed key verifies message {number}")
        changed = message.with_value("encrypted_message", b"another").with_value("ctr", (1 << 50).to_bytes(8))
        forged = crypto.mac_data(changed, keys[0])
        check(crypto.verifies(forged, keys[0]), "the forged message verifies")
        ids = (ledger.insider.our_keyid - 1, ledger.insider.their_keyid)
        for sender, recipient in ((None, None), ids, (ids[0] - 1, ids[1] - 1)):
            if sender is not None and recipient is not None:
                forged = changed.with_value("sender_keyid", sender).with_value("recipient_keyid", recipient)
                forged = crypto.mac_data(forged, keys[0])
            ledger.subject.receive(wire.build(forged)).assert_rejected("a message forged with a revealed key")
    ledger.subject.assert_receives_text(ledger.insider, b"genuine", ctr=1 << 51)


def _used(context: Context, pending: bool) -> tuple[Ledger, list[bytes]]:
    """A session with used keys, some of them waiting to be revealed if `pending`; all that must be revealed yet."""
    ledger = _ledger(context)
    ledger.hears()
    ledger.says()
    ledger.hears()
    if not pending:
        ledger.says()
        ledger.hears()
        ledger.says()
        ledger.hears(ledger.live()[0], ctr=90)
    ledger.end()
    return ledger, [ledger.key(pair) for pair in ledger.due]


def _follow_up(ledger: Ledger, owed: list[bytes], what: str) -> None:
    """After a new handshake the target's first text must reveal what is owed."""
    ledger.insider.x = ledger.insider.draw(40)
    ledger.subject.establish(ledger.insider)
    found = revealed(ledger.subject.assert_sends_text(ledger.insider, b"in the new session"))
    missing = [key for key in owed if key not in found]
    check(not missing, f"{what} the next data message reveals the MAC keys used before; {len(missing)} are lost")
    again = revealed(ledger.subject.assert_sends_text(ledger.insider, b"and once more"))
    check(not set(again) & set(found), "they are revealed once")


@scenario(requirements=("MACREVEAL-END-1", "!MACREVEAL-END-1"))
def a_new_handshake_loses_no_keys(context: Context) -> None:
    """MAC keys of a session that a new handshake replaces, used or already waiting, are revealed in the first message
    of the new one.
    """
    for pending in (True, False):
        _follow_up(*_used(context, pending), "after a new handshake")


@scenario(requirements=("MACREVEAL-END-1", "!MACREVEAL-END-1"))
def the_correspondents_end_loses_no_keys(context: Context) -> None:
    """MAC keys of a session that the correspondent ends are revealed in the first message of the next one."""
    for pending in (True, False):
        ledger, owed = _used(context, pending)
        last = (ledger.insider.our_keyid - 1, ledger.insider.their_keyid)
        ledger.subject.receive(ledger.insider.data(tlvs=[tlv(1)], ctr=200)).one(Finished)
        _follow_up(ledger, [*owed, ledger.key(last)], "after the correspondent's end")


@scenario(requirements=("MACREVEAL-WHEN-6", "!MACREVEAL-WHEN-6"))
def the_users_end_loses_no_keys(context: Context) -> None:
    """The message that ends a session reveals all MAC keys that were used, or else those of live keys are revealed in
    the first message of the next one.
    """
    for pending in (True, False):
        ledger, owed = _used(context, pending)
        reply = ledger.subject.user("end")
        reply.one(Ended)
        found = revealed(reply.message(Kind.DATA))
        left = [key for key in owed if key not in found]
        if left:
            _follow_up(ledger, left, "after the user's end")
