"""The judge that sees only the network: no keys, no events, no screen.

It judges what each program sends. The rules of the oracle `form` apply to the form of messages; rules of the oracles
`counters` and `mac-revelation` apply to counters and revealed MAC keys, as far as they can be seen from outside. It
skips anything uncertain because a program may have received something else in the meantime. Messages that the proxy
made or changed are blamed on nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from otterproof.harness import wire
from otterproof.harness.judges.oracles.form import Sender, Wrong, wrong_with
from otterproof.harness.judges.oracles.observation import HANDSHAKE
from otterproof.harness.runs.failure import Failure, failure_of
from otterproof.harness.runs.proxy.items import UNSEEN, Happening, Item, What
from otterproof.harness.simulation.world import Step
from otterproof.harness.spec import checks
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.wire import ENCODED, Kind, Message
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import OutgoingMessage

#: How many received messages, and revealed keys, are remembered in each session.
_MOST = 500

#: How many of the MAC keys in one message are examined; an honest program owes a few.
_MOST_KEYS = 64

#: The largest key id, which has no successor.
_LAST_KEY_ID = 0xFFFFFFFF

#: A pair of key ids: the program's own, and its peer's.
_Pair = tuple[int, int]


@dataclass(slots=True)
class _Seen:
    """What was seen of one program.

    talks: it has sent a handshake message, so what looks like OTR was not typed by its user. from_nobody, used_up: for
    the oracle `form`. counters: the last one under two key ids, in a session. got: the Data Messages that it received
    in this session. revealed: all MAC keys that it has revealed. early: revealed keys of a pair that was still in use,
    unless the message was its last one of the session.
    """

    talks: bool = False
    from_nobody: Message | None = None
    used_up: bool = False
    counters: dict[tuple[_Pair, int, int], int] = field(default_factory=dict)
    got: deque[Message] = field(default_factory=lambda: deque(maxlen=_MOST))
    revealed: deque[bytes] = field(default_factory=lambda: deque(maxlen=_MOST))
    early: list[tuple[bytes, _Pair]] = field(default_factory=list)


class OutsideJudge:
    """Watches happenings; `failures` has each kind of problem once for each program."""

    def __init__(self, names: Sequence[str]) -> None:
        self._seen = {name: _Seen() for name in names}
        self._handshakes = 0
        self._steps: list[Step] = []
        self.failures: list[tuple[str, Failure]] = []

    def judge(self, happening: Happening) -> Failure | None:
        """What is wrong with what a program has sent; None if nothing is, or if it was reported before."""
        item = happening.item
        if item is None:
            return None
        if happening.what is What.PASSED:
            self._got(happening, item)
            return None
        if happening.what is not What.SENT:
            return None
        wrong = self._wrong(item)
        self._step(
            happening, Step(0, 0, item.sender, "send", {"text": UNSEEN}, (OutgoingMessage(item.raw),), None, None, None)
        )
        if wrong is None:
            return None
        if (item.sender, wrong.check) in [(name, failure.check) for name, failure in self.failures]:
            return None
        error = DemandFailed(
            wrong.check,
            checks.rule(wrong.check),
            case=f"{item.sender}, message {item.number}",
            expected=shown(wrong.expected),
            got=shown(wrong.got),
        )
        failure = failure_of(error, wrong.check, (), self._steps)
        self.failures.append((item.sender, failure))
        return failure

    def _step(self, happening: Happening, step: Step) -> None:
        number = 0 if happening.item is None else happening.item.number
        made = Step(number, int(happening.at), step.party, step.action, step.args, step.events, None, None, None)
        self._steps = [*self._steps, made][-8:]

    def _got(self, happening: Happening, item: Item) -> None:
        """Record a message that a program receives."""
        seen, message = self._seen[item.receiver], item.message
        self._step(happening, Step(0, 0, item.receiver, "receive", {"message": item.raw}, (), None, None, None))
        if message.kind in HANDSHAKE:
            self._handshake()
        if message.kind in ENCODED and message.version == 3 and not _has_sender(message):
            seen.from_nobody = message
        if message.has("sender_keyid") and message.number("sender_keyid") == _LAST_KEY_ID:
            seen.used_up = True
        if message.kind is Kind.DATA and not message.problems:
            seen.got.append(message)

    def _handshake(self) -> None:
        """A new session may be starting, in which key ids and counters start over."""
        self._handshakes += 1
        for seen in self._seen.values():
            seen.counters.clear()
            seen.got.clear()
            seen.early.clear()

    def _wrong(self, item: Item) -> Wrong | None:
        seen, message = self._seen[item.sender], item.message
        if message.kind in HANDSHAKE:
            self._handshake()
            seen.talks = True
        if message.kind in (Kind.PLAINTEXT, Kind.TAGGED_PLAINTEXT) or not seen.talks:
            return None  # a user may type anything
        sender = Sender(0, None, frozenset(), seen.from_nobody, None, seen.used_up)
        wrong = wrong_with(message, sender)
        if wrong is not None or message.kind is not Kind.DATA:
            return wrong
        return self._early(seen, message) or self._counter(seen, message) or self._revealed(seen, message)

    def _counter(self, seen: _Seen, message: Message) -> Wrong | None:
        pair = _pair(message)
        where = pair, message.number("next_dh"), self._instance(message)
        counter = int.from_bytes(message.data("ctr"))
        last = seen.counters.get(where, 0)
        seen.counters[where] = max(counter, last)
        if counter <= last:
            return Wrong("counters.not-higher", f"above {last}, under {_words(pair)}", counter)
        return None

    @staticmethod
    def _instance(message: Message) -> int:
        return message.number("receiver_tag") if message.version == 3 else 0

    def _early(self, seen: _Seen, message: Message) -> Wrong | None:
        """A key that was revealed while in use, which only a message that ends the session may do."""
        if not seen.early:
            return None
        key, pair = seen.early[0]
        seen.early.clear()
        return Wrong(
            "mac-revelation.key-still-in-use",
            f"not the MAC key of {_words(pair)}, which still verified messages, before the session is over",
            key,
        )

    def _revealed(self, seen: _Seen, message: Message) -> Wrong | None:
        ours, theirs = _pair(message)
        again = None
        for key in message.revealed_mac_keys()[:_MOST_KEYS]:
            if key in seen.revealed:
                again = key
            seen.revealed.append(key)
            for got in seen.got:
                sent_under, received_under = got.number("sender_keyid"), got.number("recipient_keyid")
                live = received_under >= ours and sent_under >= theirs - 1
                if live and wire.crypto.verifies(got, key):
                    seen.early.append((key, (received_under, sent_under)))
                    break
        return None if again is None else Wrong("mac-revelation.revealed-twice", "only keys not revealed before", again)


def _pair(message: Message) -> _Pair:
    return message.number("sender_keyid"), message.number("recipient_keyid")


def _words(pair: _Pair) -> str:
    return f"the sender's key {pair[0]} and the recipient's key {pair[1]}"


def _has_sender(message: Message) -> bool:
    return message.has("sender_tag") and message.number("sender_tag") >= 0x100
