"""The driver of Courier for Otterproof: it passes each request to a `courier.Chat` and reports what happens.

Otterproof's docs/reference/driver-protocol.md explains each method and event.
"""

import courier
from potr.context import STATE_ENCRYPTED, STATE_FINISHED

from otterproof import Driver, DriverInfo, DriverParty, serve


class Party(DriverParty):
    """An account with one correspondent. Actions without a method here are answered with "unsupported"."""

    def __init__(self, settings):
        super().__init__(settings)
        public = settings.key.public
        key = (public.y, public.g, public.p, public.q, settings.key.x)
        self.chat = courier.Chat(settings.account, settings.peer, key, self.transmit, self.changed)
        self.before = self.chat.state
        self.fingerprint = self.chat.user.getPrivkey().fingerprint()

    def transmit(self, message):
        self.emit("outgoing_message", message=message)

    def changed(self, state):
        """The conversation is now encrypted, or has ended. A field that Courier does not tell is None."""
        before, self.before = self.before, state
        if state == STATE_ENCRYPTED:
            crypto = self.chat.crypto
            told = {"ssid": crypto.sessionId.hex(), "fingerprint": crypto.theirPubkey.fingerprint().hex()}
            unknown = {"sent_reveal_signature": None, "refreshed": None, "same_key": None}
            self.emit("session_established", instance=0, version=2, **told, **unknown)
        elif state == STATE_FINISHED:
            self.emit("peer_ended_session", instance=0)
        elif before != state:
            self.emit("user_ended_session", instance=0)

    def receive(self, message):
        try:
            text, secure = self.chat.hear(message)
        except courier.Unreadable:
            self.emit("message_unreadable", instance=0, reason=None, field=None, offset=None)
        else:
            if text is not None:
                self.emit("text_received", text=text, secure=secure, warn=None, instance=0)

    def send(self, text):
        try:
            self.chat.say(text)
        except courier.Refused:
            self.emit("action_refused", action="send", reason="wrong_state")

    def start(self):
        self.chat.say(b"?OTRv2?")

    def end(self):
        self.chat.disconnect()


courier.numbers = lambda: DriverParty.current.settings.random  # makes runs repeatable
serve(Driver(DriverInfo("courier", courier.__version__, (2,), ("v2",), "seed"), Party).methods())
