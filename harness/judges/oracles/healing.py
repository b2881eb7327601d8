"""The oracle for the end of a run: whatever the adversary did, the two sides can talk again."""

from __future__ import annotations

from collections.abc import Sequence

from otterproof.harness.judges.oracles.base import Impact, Oracle
from otterproof.harness.judges.oracles.observation import ALLOW, NO_LINK, Observation, SessionView
from otterproof.harness.judges.oracles.reading import Reader
from otterproof.harness.simulation.network import NotQuiescent
from otterproof.harness.simulation.world import Step, World
from otterproof.harness.targets.party import state_of
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import (
    ActionRefused,
    ErrorMessageReceived,
    Event,
    MessageUnreadable,
    Policy,
    StoredTextDropped,
    TextReceived,
)

#: The text with which the oracle tests a session; users never type it.
PROBE = b"otterproof: is this session in order? number %d"

#: The number of deliveries that counts as an endless exchange; high, as messages may come in many fragments.
LIMIT = 20_000


class Healing(Oracle):
    """After any loss, duplication, reordering or replay, a fresh message in each direction gets through.

    A message that arrives fresh and unchanged is accepted. It is fresh if it belongs to this session, its keys are
    live, and its counter is above all those accepted under them. At the end of a run, all messages under way are
    delivered. If both sides are then in the same session, a fresh text must arrive in each direction. If they are not,
    a fresh text may be lost, but never silently: the receiver or the sender is told. A query must then lead to a
    handshake that brings both into one session, provided their policies have a version in common (an account with
    several clients may need as many handshakes, as they can get in each other's way), and a fresh text must arrive in
    each direction. A session counts as lost if an insider has sent key ids, counters or D-H keys in it that are not its
    client's.
    """

    id = "healing"
    impact = Impact.AVAILABILITY
    one_sided = False

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._messages: dict[bytes, tuple[str, bytes | None]] = {}
        self._probes = 0

    @property
    def _world(self) -> World:
        return self._reader.world

    def observe(self, view: Observation) -> None:
        for one in view.sent:  # first, so that it is remembered even if a failure is excused
            name = one.message.authenticated
            if name is not None:
                self._messages[name] = (view.party, one.link.ssid)
        if view.is_data and not view.accepted and self._fresh(view):
            refusal = f"refused: {view.refusal.value}" if view.refusal is not None else view.step.events
            self.fail("healing.fresh-message-refused", view, expected="the message is accepted", got=refusal)

    def _fresh(self, view: Observation) -> bool:
        message, session = view.message, view.session(view.instance, after=False)
        name = message.authenticated if message is not None and not message.problems else None
        if message is None or name is None or session is None or session.ratchet is None:
            return False
        sender, ssid = self._messages.get(name, (view.party, b""))
        pair = (message.number("recipient_keyid"), message.number("sender_keyid"))
        live = pair[0] in session.ratchet.our_keys and pair[1] in session.ratchet.their_keys
        counter = int.from_bytes(message.data("ctr"))
        if self._reader.renumbered(session.ssid):
            return False
        fresh = live and counter > session.ratchet.received.get(pair, 0)
        return fresh and sender != view.party and ssid == session.ssid

    def check(self, first: str, second: str) -> None:
        """Test the conversation between two parties, and restore it with a handshake if necessary."""
        self._quiet()
        one, other = self._links(first, second)
        renumbered = self._may_be_same(one, other) and self._reader.renumbered(one.ssid, other.ssid)
        if not renumbered and self._same(one, other) and self._usable(first, second, one.version):
            for sender, receiver in ((first, second), (second, first)):
                if not self._arrives(sender, receiver):
                    expected = f"a text from {sender} is shown to {receiver} once, as secure"
                    self.fail("healing.text-not-delivered", None, expected=expected, got="it is not")
            return
        for sender, receiver in ((first, second), (second, first)) if not renumbered else ():
            self._told(sender, receiver)
        if not self._common_version(first, second):
            return
        # One D-H Commit goes to all clients of an account. Once the handshake with one of them has replaced the D-H key
        # of the commit, slower clients get no answer, and need a query of their own.
        clients = max(len(self._world.network.routes[name]) for name in (first, second))
        for _ in range(clients):
            self._act(first, "start")
            one, other = self._links(first, second)
            if self._same(one, other):
                break
        if not self._may_be_same(one, other):
            expected = f"{first} and {second} are ENCRYPTED with the same ssid after {first} sent a query"
            got = f"{self._shown(first, one)}; {self._shown(second, other)}"
            self.fail("healing.no-common-session", None, expected=expected, got=got)
        for sender, receiver in ((first, second), (second, first)):
            if not self._arrives(sender, receiver):
                expected = f"after a new handshake a text from {sender} is shown to {receiver} once, as secure"
                self.fail("healing.new-session-unusable", None, expected=expected, got="it is not")

    def _quiet(self) -> None:
        try:
            self._world.settle(LIMIT)
        except NotQuiescent as error:
            self.fail("healing.never-settles", None, expected=error.expected, got=error.got)

    def _act(self, party: str, action: str, **args: object) -> list[Step]:
        """Let a user act, deliver everything, and return the steps."""
        log: list[Step] = []
        self._world.watchers.append(log.append)
        try:
            self._world.user(party, action, **args)
            self._quiet()
        finally:
            self._world.watchers.remove(log.append)
        return log

    def _instance(self, party: str, peer: str) -> int:
        """The session of `party` with `peer` whose handshake completed last, in version 2 or 3.

        A peer that does not tell its instance tag is recognised by its key alone.
        """
        identity, tag = self._world.parties[peer].fingerprint, self._world.parties[peer].instance_tag
        links = self._reader.links(party)
        mine = {
            instance: link
            for instance, link in links.items()
            if instance in (0, tag or instance) and link.fingerprint in (identity, None)
        }
        return max(mine, key=lambda instance: mine[instance].number, default=0)

    def _links(self, first: str, second: str) -> tuple[SessionView, SessionView]:
        one, other = self._instance(first, second), self._instance(second, first)
        return self._reader.links(first).get(one, NO_LINK), self._reader.links(second).get(other, NO_LINK)

    @staticmethod
    def _same(one: SessionView, other: SessionView) -> bool:
        """Whether both sides are certainly in one session."""
        return one.encrypted and other.encrypted and one.same_as(other) is True

    @staticmethod
    def _may_be_same(one: SessionView, other: SessionView) -> bool:
        """Whether both sides may be in one session; an ssid may be unknown."""
        return one.encrypted and other.encrypted and one.same_as(other) is not False

    def _shown(self, party: str, link: SessionView) -> str:
        return f"{party} is {link.state.name} with ssid {shown(link.ssid)}"

    def _probe(self, sender: str, receiver: str) -> tuple[bytes, list[Step]]:
        self._probes += 1
        text = PROBE % self._probes
        instance = self._instance(sender, receiver)
        # The session is named only if it had a handshake and is not the only one; otherwise the focus is used.
        links = self._reader.links(sender)
        known = instance in links and len(links) > 1 and self._reader.can_choose(sender)
        return text, self._act(sender, "send", text=text, **({"instance": instance} if known else {}))

    @staticmethod
    def _events(log: Sequence[Step], party: str) -> list[Event]:
        return [event for step in log if step.party == party for event in step.events]

    def _arrives(self, sender: str, receiver: str) -> bool:
        text, log = self._probe(sender, receiver)
        texts = [
            event for event in self._events(log, receiver) if isinstance(event, TextReceived) and event.text == text
        ]
        return [event.secure for event in texts] == [True]

    def _told(self, sender: str, receiver: str) -> None:
        """Demand that a lost text is reported to one of the two users, unless OTR is switched off at either side."""
        if not self._enabled(sender) or not self._enabled(receiver):
            return
        links = self._reader.links(sender)
        if links and self._instance(sender, receiver) not in links:
            return  # the text would go to another of the correspondent's clients
        link = links.get(self._instance(sender, receiver), NO_LINK)
        if link.encrypted and not self._usable(sender, receiver, link.version):
            return
        text, log = self._probe(sender, receiver)
        there, here = self._events(log, receiver), self._events(log, sender)
        # A text that waited for a handshake goes to the first client that completes one.
        clients = self._world.network.routes[sender]
        seen = [event for name in clients for event in self._events(log, name) if isinstance(event, TextReceived)]
        arrived = any(text in event.text for event in seen)
        told = any(isinstance(event, MessageUnreadable) for event in there)
        told = told or any(
            isinstance(event, ErrorMessageReceived | ActionRefused | StoredTextDropped) for event in here
        )
        waits = text in self._stored(sender) or self._may_store(sender)
        if not (arrived or told or waits):
            expected = f"a text from {sender} arrives, or {sender} or {receiver} is told that it is lost"
            self.fail("healing.text-lost-silently", None, expected=expected, got="neither")

    def _stored(self, party: str) -> Sequence[bytes]:
        state = state_of(self._world.parties[party])
        return state.stored if state is not None else ()

    def _usable(self, first: str, second: str, version: int) -> bool:
        """Whether both parties accept data messages of a version.

        Our engines do so regardless of their policy. The text does not demand that of others.
        """
        policies = [self._reader.policy(name) for name in (first, second) if self._reader.is_foreign(name)]
        return all(policy is None or ALLOW[version] in policy for policy in policies)

    def _may_store(self, party: str) -> bool:
        """Whether a party that shows no state may be keeping a text until a handshake completes."""
        if state_of(self._world.parties[party]) is not None:
            return False
        policy = self._reader.policy(party)
        return policy is None or Policy.REQUIRE_ENCRYPTION in policy

    def _enabled(self, party: str) -> bool:
        policy = self._reader.policy(party)
        return policy is None or bool(policy & (Policy.ALLOW_V2 | Policy.ALLOW_V3))

    def _common_version(self, first: str, second: str) -> bool:
        """Whether a handshake is possible. Version 2 can't tell several clients of one account apart."""
        policies = [self._reader.policy(first), self._reader.policy(second)]
        known = [policy for policy in policies if policy is not None]
        common = {version for version, flag in ALLOW.items() if all(flag in policy for policy in known)}
        common = {one for one in common if all(self._reader.speaks(party, one) for party in (first, second))}
        routes = self._world.network.routes
        return 3 in common or (bool(common) and len(routes[first]) == len(routes[second]) == 1)
