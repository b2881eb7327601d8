"""The account of one session between a target and an insider: key ids, counters, announced keys and old MAC keys.

Every Data Message of the session is in the run's record, with its effects. The account reads them in order and judges
each message of the target by those before it. So any disturbance of the session shows in the next message, and repeated
actions are followed all the way. If the texts allow the target several answers to a message, and the target does not
show which one it gave, key ids and MAC keys are no longer judged. The form of messages, such as their version, is
judged elsewhere. [harness/judges/oracles/form.py]
"""

from __future__ import annotations

from collections.abc import Sequence

from otterproof.harness.judges.oracles.observation import Observation
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.support.errors import DemandFailed
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.mac_account import MacAccount, PairIds
from otterproof.harness.testkit.reply import ACCEPTED, check
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import parse_plaintext
from otterproof.harness.wire.numbers import in_group
from otterproof.implementations.contract import PeerEndedSession, SessionEstablished, TextReceived, UserEndedSession

_ENDS = (SessionEstablished, PeerEndedSession, UserEndedSession)


class StepReader:
    """The steps of one party of a world, each read once, in order."""

    def __init__(self, world: World, name: str) -> None:
        self._reader = Reader(world)
        self._name = name
        self._read = 0
        self._views: list[Observation] = []

    def views(self, log: Sequence[Step]) -> list[Observation]:
        """All steps of the party so far."""
        for step in log[self._read :]:
            if step.party == self._name:
                self._views.append(self._reader.view(step))
        self._read = len(log)
        return self._views


class SessionAccount:
    """The account of the insider's session with the target; `settle` reads on and judges.

    began: which of the target's steps established the session.
    """

    def __init__(self, insider: Insider, version: int, began: int, after_another: bool) -> None:
        self.ssid = insider.ssid
        self._insider = insider
        self._version = version
        self._at = self._began = began
        mine, yours = insider.first_keyids
        self._macs = MacAccount(insider, yours + 1, mine, after_another=after_another)
        #: Whether a message of the target has shown that the session began with the expected keys.
        self._agreed = False
        #: Whether it is known which messages the target has accepted.
        self._sure = True
        self._over = False
        self._counters: dict[PairIds, int] = {}
        self._received: dict[PairIds, int] = {}
        self._announced: dict[int, int] = {}

    def settle(self, views: Sequence[Observation]) -> None:
        """Read the steps since the last call, and judge the target's messages in them."""
        for number in range(self._at, len(views)):
            self._at = number + 1
            try:
                self._step(views[number], number == self._began)
            except DemandFailed as error:
                error.step_number = views[number].step.number  # which may be long before the caller's step
                raise

    def _step(self, view: Observation, first: bool) -> None:
        if self._over:
            return
        ends = [one for one in view.observed if isinstance(one, _ENDS) and one.instance == self._instance]
        if not first and view.message is not None and view.is_data:
            self._receives(view, view.message)
        # What is sent at the end of a session reveals the live keys as well. [MACREVEAL-WHEN-6]
        if not first and (ends or view.step.action == "end"):
            self._over = True
            return
        for sent in view.sent:
            if sent.message.kind is Kind.DATA and not sent.message.problems:
                self._sends(sent.message)

    @property
    def _instance(self) -> int:
        return self._insider.tag if self._version == 3 else 0

    def _is_ours(self, mine: int, yours: int) -> bool:
        return mine in self._insider.exponents and yours in self._insider.theirs

    def _receives(self, view: Observation, message: Message) -> None:
        """The target has received a Data Message."""
        if message.problems:
            self._sure = self._sure and not _shows(view)
            return
        mine, yours = pair = (message.number("sender_keyid"), message.number("recipient_keyid"))
        if not self._is_ours(*pair) or not crypto.verifies(message, self._insider.keys(*pair).sending_mac):
            return
        counter, announced = int.from_bytes(message.data("ctr")), message.number("next_dh")
        in_turn = pair in self._macs.live() and counter > self._received.get(pair, 0)
        expected = in_turn and in_group(announced) and message.version == self._version
        plain = crypto.decrypt_data(message, self._insider.keys(*pair).sending_aes)
        unseen = not parse_plaintext(plain).text
        answered = any(sent.message.kind is Kind.ERROR for sent in view.sent)
        if _shows(view) or (expected and unseen and not view.refused and not answered):
            self._macs.accepted(mine, yours)
            self._received[pair] = counter
        elif expected:
            self._sure = False

    def _sends(self, message: Message) -> None:
        """Judge a Data Message of the target, if it belongs to this session."""
        yours, mine = message.number("sender_keyid"), message.number("recipient_keyid")
        if not self._is_ours(mine, yours):
            return
        if not crypto.verifies(message, self._insider.keys(mine, yours).receiving_mac):
            return
        if message.version == 3 and message.number("sender_tag") != self._insider.tag:  # or both tags are wrong
            tag, own = message.number("receiver_tag"), self._insider.tag
            check("instance.wrong-receiver-tag", tag == own, expected=f"{own:#x}", got=f"{tag:#x}", case=Kind.DATA)
        self._count(message, (mine, yours))
        known = self._announced.setdefault(yours + 1, message.number("next_dh"))
        same = message.number("next_dh") == known
        check("keys.announced-key-changed", same, got="another key", case=f"the key after key id {yours}")
        if not self._sure:
            return
        latest = self._macs.latest
        if not self._agreed and (mine, yours + 1) != latest:
            self._sure = False  # such as a handshake with a known key: the texts leave the key ids unchanged
            return
        self._agreed = True
        named = "sender key id %d", "recipient key id %d"
        sender, recipient = latest[1] - 1, latest[0]
        check("keys.wrong-sender-key", yours == sender, expected=named[0] % sender, got=named[0] % yours)
        check("keys.wrong-recipient-key", mine == recipient, expected=named[1] % recipient, got=named[1] % mine)
        self._macs.judge(message)

    def _count(self, message: Message, pair: PairIds) -> None:
        counter, last = int.from_bytes(message.data("ctr")), self._counters.get(pair, 0)
        check("data.counter-not-higher", counter > last, expected=f"above {last}", got=counter)
        self._counters[pair] = counter


def _shows(view: Observation) -> bool:
    """Whether the target has shown that it accepted the message as genuine."""
    return any(isinstance(one, TextReceived) and one.secure for one in view.observed) or any(
        isinstance(one, ACCEPTED) for one in view.observed
    )


def find_session(views: Sequence[Observation], insider: Insider, version: int) -> SessionAccount | None:
    """The account of the latest session with the insider; None if no step has established one."""
    instance = insider.tag if version == 3 else 0
    found = [
        (number, one.ssid)
        for number, view in enumerate(views)
        for one in view.observed
        if isinstance(one, SessionEstablished) and one.instance == instance
    ]
    if not found or found[-1][1] not in (None, insider.ssid):
        return None
    return SessionAccount(insider, version, found[-1][0], after_another=len(found) > 1)
