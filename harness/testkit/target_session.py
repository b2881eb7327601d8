"""The target alone with the scenario, which plays everybody else: attackers on the network, and insiders.

Everything is judged by what the target sends and by its events, so any target can be tested. What an insider needs to
know about it (its instance tag), the insider learns from its messages, as a correspondent would.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from otterproof.harness import wire
from otterproof.harness.simulation.record import Record
from otterproof.harness.simulation.world import World
from otterproof.harness.testkit.insider import HONEST_SIGNATURE, Insider, SignatureOptions
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import (
    NOT_TOLD,
    TARGET,
    RecordedSession,
    Reply,
    Unsupported,
    check,
    check_equal,
    fail,
)
from otterproof.harness.testkit.scripted_handshake import ScriptedHandshake
from otterproof.harness.testkit.session_account import SessionAccount, StepReader, find_session
from otterproof.harness.wire import Kind, Message, crypto
from otterproof.harness.wire.layers import Plaintext, parse_plaintext, tlv
from otterproof.harness.wire.numbers import fingerprint
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import PeerEndedSession, SessionEstablished


class TargetSession(RecordedSession):
    """The target in a world of its own. name: which party of the world it is."""

    def __init__(self, world: World, version: int, record: Record, name: str = TARGET) -> None:
        super().__init__(world, version, record)
        self.name = name
        self._insiders: list[Insider] = []
        self._seen_tag = 0  # from the target's last message with one
        self._instance: int | None = None
        self._reader = StepReader(world, name)
        self._accounts: dict[Insider, SessionAccount] = {}

    def receive(self, message: bytes) -> Reply:
        """The target receives a message."""
        return self._heard(self.deliver(self.name, message))

    @contextmanager
    def addressing(self, instance: int | None) -> Iterator[None]:
        """The target's user names a session, by its instance tag, in each action about one; None: the user does not."""
        before, self._instance = self._instance, instance
        try:
            yield
        finally:
            self._instance = before

    def user(self, action: str, **args: object) -> Reply:
        """The target's user acts. A text that is sent as typed says nothing about the target."""
        if self._instance is not None and action != "start":
            args.setdefault("instance", self._instance)
        reply = self.do(self.name, action, args)
        return reply if args.get("text") in reply.raw else self._heard(reply)

    def query(self) -> Reply:
        """Send the target a query for the version of this run."""
        return self.receive(b"?OTRv%d?" % self.version)

    def insider(self, key: str = "mallory", tag: int = 0x2B2B, seed: bytes = b"insider") -> Insider:
        """A peer with valid keys that need not follow the protocol; see otterproof.harness.testkit.insider."""
        target_tag = self.world.parties[self.name].instance_tag or None
        insider = Insider(published_key(key), target_tag, version=self.version, tag=tag, seed=seed)
        if self._seen_tag:
            insider.learn_target_tag(self._seen_tag)
        self._insiders.append(insider)
        return insider

    def handshake_by_insider(self, insider: Insider, signed: SignatureOptions = HONEST_SIGNATURE) -> Reply:
        """The target asks, the insider commits, the target answers, the insider reveals; returns the last reply."""
        self.user("start")
        reply = self.receive(self._handshake(insider).by_insider(signed))
        for signature in reply.messages(Kind.SIGNATURE):
            insider.learn_peer_keyid(signature)
        return _told(reply, signed)

    def handshake_by_target(self, insider: Insider, signed: SignatureOptions = HONEST_SIGNATURE) -> Reply:
        """The target is asked to begin and commits, the insider answers and signs; returns the last reply."""
        handshake = self._handshake(insider)
        signature = handshake.by_client(signed)
        insider.learn_peer_keyid(wire.parse(handshake.heard[Kind.REVEAL_SIGNATURE]))
        return _told(self.receive(signature), signed)

    def _handshake(self, insider: Insider) -> ScriptedHandshake:
        return ScriptedHandshake(insider, lambda message, kind: wire.build(self.receive(message).message(kind)))

    def establish(
        self,
        insider: Insider,
        *,
        target_begins: bool = False,
        signed: SignatureOptions = HONEST_SIGNATURE,
        check_id: str = "",
    ) -> SessionEstablished:
        """A handshake that must succeed, with the insider's key and the ssid that the insider has computed.

        check_id: the check that fails if it does not, for a handshake about something particular.
        """
        reply = (
            self.handshake_by_target(insider, signed) if target_begins else self.handshake_by_insider(insider, signed)
        )
        return self.assert_established(reply, insider, signed, check_id)

    def assert_established(
        self, reply: Reply, insider: Insider, signed: SignatureOptions = HONEST_SIGNATURE, check_id: str = ""
    ) -> SessionEstablished:
        """Demand that a handshake has succeeded, with the insider's key and the ssid that the insider has computed."""
        established = reply.one(SessionEstablished, check_id)
        identity = fingerprint(signed.advertised_key or insider.key.public)
        self.assert_session(established, ssid=insider.ssid, fingerprint=identity)
        return established

    def assert_receives_text(
        self, insider: Insider, text: bytes, *, check_id: str = "", case: object = "", **data: object
    ) -> Reply:
        """The insider sends a text in the session; the target must show it once, as secure."""
        reply = self.receive(insider.data(text, **data))  # type: ignore[arg-type]
        reply.assert_shown(check_id or "text.not-delivered", text, case=case)
        return reply

    def assert_sends_text(self, insider: Insider, text: bytes, *, check_id: str = "", case: object = "") -> Message:
        """The target's user sends a text, which must arrive in one data message that the insider can read."""
        message = self.user("send", text=text).message(Kind.DATA, check_id, case=case)
        found = self.read(insider, message)
        check_equal(check_id or "text.changed-on-the-way", found.text, text, case=case)
        check("data.stray-bytes-encrypted", found.whole, expected="text, and whole TLVs behind it", got=found.rest)
        return message

    def read(self, insider: Insider, message: Message) -> Plaintext:
        """Read a data message of the target as the insider: under known keys, with the right MAC."""
        goes_to = message.number("receiver_tag") if message.version == 3 else insider.tag
        if goes_to != insider.tag and any(goes_to == other.tag for other in self._insiders) and self._instance is None:
            raise Unsupported("its texts go to another session, and it is not told which one to use")
        ours, theirs = message.number("recipient_keyid"), message.number("sender_keyid")
        used = f"sender key id {theirs}, recipient key id {ours}"
        if ours not in insider.exponents or theirs not in insider.theirs:
            senders, recipients = shown(sorted(insider.theirs)), shown(sorted(insider.exponents))
            fail(
                "data.key-id-unknown",
                expected=f"a sender key id of {senders}, a recipient key id of {recipients}",
                got=used,
            )
        right = crypto.verifies(message, insider.keys(ours, theirs).receiving_mac)
        check("data.mac-wrong", right, got=message.data("mac"), case=used)
        return parse_plaintext(insider.read(wire.build(message)))

    def assert_session_alive(self, insider: Insider, check_id: str = "") -> None:
        """Demand that the session works as before.

        Texts arrive in both directions, across a change of keys, and every message that the target has sent in the
        session fits those before it.
        """
        self.assert_receives_text(insider, b"can you hear me?", check_id=check_id)
        self.assert_sends_text(insider, b"yes", check_id=check_id)
        self.assert_receives_text(insider, b"good", check_id=check_id)
        self.assert_sends_text(insider, b"is it not?", check_id=check_id)
        self.assert_in_order(insider)

    def assert_in_order(self, insider: Insider) -> None:
        """Demand that all of the target's messages in the session with the insider are consistent.

        Their key ids, counters, keys and old MAC keys must follow from the messages before them.
        """
        views = self._reader.views(self.log)
        account = self._accounts.get(insider)
        if account is None or account.ssid != insider.ssid:
            account = find_session(views, insider, self.version)
            if account is None:
                return
            self._accounts[insider] = account
        account.settle(views)

    def exchange_texts(self, insider: Insider, *, check_id: str = "", case: object = "") -> Message:
        """Send a text each way, which changes the keys of both sides; returns the target's message."""
        self.assert_receives_text(insider, b"from the insider", check_id=check_id, case=case)
        return self.assert_sends_text(insider, b"from the target", check_id=check_id, case=case)

    def assert_sent_in_clear(self, text: bytes, check_id: str = "", *, tagged: str = "tag.sent-without-flag") -> None:
        """The target's user sends a text, which must be sent unchanged: PLAINTEXT.

        tagged: the check for a text with a tag. No policy under which this is demanded asks for a tag, so a tag says
        nothing about the state.
        """
        raw = self.user("send", text=text).raw
        has_tag = len(raw) == 1 and raw[0] != text and raw[0].startswith(text + wire.TAG_BASE)
        check_equal(tagged if has_tag else check_id or "text.not-sent-in-clear", raw, [text])

    def assert_not_sent(self, text: bytes, check_id: str = "") -> Reply:
        """The target's user types a text, of which nothing may be sent: FINISHED."""
        reply = self.user("send", text=text)
        check(check_id or "text.sent-after-end", not reply.raw, expected="nothing goes out", got=reply, case=text)
        return reply

    def end_by_peer(self, insider: Insider) -> None:
        """The insider ends the session, and the target must report it."""
        self.receive(insider.data(tlvs=[tlv(1)])).one(PeerEndedSession)

    def _heard(self, reply: Reply) -> Reply:
        """Let insiders who do not know the target's instance tag yet learn it from a reply."""
        for message in reply.sent:
            if message.has("sender_tag") and message.kind in wire.ENCODED:
                self._seen_tag = message.number("sender_tag")
                for insider in self._insiders:
                    insider.learn_target_tag(self._seen_tag)
        return reply


def _told(reply: Reply, signed: SignatureOptions) -> Reply:
    """The reply to a handshake. Raises Unsupported if it should have completed, but the target need not report that."""
    if signed is HONEST_SIGNATURE and reply.silent_refresh and not reply.of(SessionEstablished):
        raise Unsupported(NOT_TOLD)
    return reply
