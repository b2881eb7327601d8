"""Old MAC keys: which ones are revealed, when, and why. [Revealing MAC keys]

The messages that the target received determine what it must reveal. A `Ledger` keeps track of that.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from otterproof.harness import wire
from otterproof.harness.testkit.context import Context, Reply, TargetSession, check, check_equal
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.mac_account import MacAccount, PairIds
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import PeerEndedSession, UserEndedSession


class Ledger(MacAccount):
    """A session with an insider, and the MAC keys that the target owes. exact: it reveals only those, in order."""

    def __init__(self, target: TargetSession, insider: Insider, exact: bool = False) -> None:
        super().__init__(insider, insider.their_keyid + 1, insider.our_keyid - 1, exact=exact)
        self.target = target

    def receive(self, pair: PairIds | None = None, text: bytes = b"text", **data: object) -> Reply:
        """The target receives a message under a pair of keys, and the ledger records what it did with them."""
        mine, yours = pair or (self.insider.our_keyid - 1, self.insider.their_keyid)
        self.insider.exponents.setdefault(mine + 1, self.insider.draw(self.insider.exponent_size))
        reply = self.target.receive(self.insider.data(text, under=(mine, yours), **data))  # type: ignore[arg-type]
        if reply.accepted or not text:
            self.accepted(mine, yours)
        elif "mac" not in data and (mine, yours) in self.live():
            self.verified(mine, yours)
        return reply

    def send(self, text: bytes = b"text") -> Message:
        """The target's user sends a text; its message must reveal the keys that are due."""
        message = self.target.assert_sends_text(self.insider, text)
        self.judge(message)
        return message

    def demand_dropped(self, *pairs: PairIds, case: str = "") -> None:
        """Demand that exactly these pairs, which verified messages, have been dropped since the last text."""
        dropped = self.due == [*pairs]
        check("keys.pair-not-dropped", dropped, expected=_ids(pairs), got=_ids(self.due), case=case)


def _ids(pairs: Iterable[PairIds]) -> list[str]:
    return [f"sender key id {mine} with recipient key id {yours}" for mine, yours in pairs]


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
    """When both sides write in turn, each message reveals the receiving MAC key of the pair just dropped, exactly once.

    Nothing is revealed before a pair is dropped.
    """
    ledger = _ledger(context)
    ledger.send(b"nothing was received")
    for turn in range(5):
        ledger.receive()
        dropped, expected = len(ledger.due), min(turn, 1)
        check_equal("keys.pair-not-dropped", dropped, expected, case=f"turn {turn + 1}")
        found = ledger.send().revealed_mac_keys()
        once = len(set(found)) == len(found)
        check("mac-reveal.revealed-twice", once, got=found, case="the keys in one message")
        ledger.send(b"more")


@scenario(requirements=("MACREVEAL-WHEN-2", "!MACREVEAL-WHEN-2", "MACREVEAL-WHEN-4", "!MACREVEAL-WHEN-4"))
def revealed_when_their_keys_are_dropped(context: Context) -> None:
    """When the correspondent's keys change and the target's do not, the MAC keys of the dropped keys are revealed.

    The MAC keys of live keys are not.
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
    """Whatever the order in which live pairs of keys are used, each used MAC key is revealed right after its pair is
    dropped.

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

    Both pairs that contain a dropped key can therefore be due at once.
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
    """The next Data Message, of whatever kind, reveals the keys that are due; no other message does."""
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
            found = messages[0].revealed_mac_keys()
            ledger.demand_all(found, {ledger.key(pair) for pair in ledger.due}, case)
            live = {ledger.key(pair) for pair in ledger.live()} & {*found}
            check("mac-reveal.live-key-revealed", action == "end" or not live, got=sorted(live), case=case)


@scenario(needs=("time", "heartbeat"), requirements=("MACREVEAL-WHEN-3",))
def heartbeats_reveal_due_keys(context: Context) -> None:
    """A heartbeat reveals the keys that are due, including those dropped by the message that it answers."""
    ledger = _ledger(context)
    ledger.receive()
    ledger.send()
    ledger.target.tick(120)
    ledger.judge(ledger.receive().message(Kind.DATA))


@scenario(requirements=("MACREVEAL-WHAT-4", "!MACREVEAL-WHAT-4"))
def keys_with_leading_zeros(context: Context) -> None:
    """A MAC key that begins with a zero byte is revealed in full."""
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
    """A revealed key verifies the earlier message, so that anyone can forge one, but the target rejects such forgeries.

    It rejects them under the old key ids and under the live ones.
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
    """A session with used keys, some already due if `pending`; all keys that must still be revealed."""
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
    """After a new handshake, the target's first text must reveal the keys owed. case: how the last session ended."""
    ledger.insider.x = ledger.insider.draw(40)
    ledger.target.establish(ledger.insider)
    found = ledger.target.assert_sends_text(ledger.insider, b"in the new session").revealed_mac_keys()
    missing = [key for key in owed if key not in found]
    got = f"{len(owed) - len(missing)} of them"
    check("mac-reveal.lost-with-session", not missing, expected=f"{len(owed)} MAC keys", got=got, case=case)
    again = {*ledger.target.assert_sends_text(ledger.insider, b"and once more").revealed_mac_keys()} & {*found}
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
            found = reply.message(Kind.DATA).revealed_mac_keys()
            left = [key for key in owed if key not in found]
            if left:
                _follow_up(ledger, left, "the user ended the session")
