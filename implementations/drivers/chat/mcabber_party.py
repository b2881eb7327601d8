"""A conversation in mcabber: the user's actions, and which line on the screen becomes which event."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from otterproof.implementations.drivers.adapter import Settings
from otterproof.implementations.drivers.chat.party import ENCRYPTED, ChatParty, Programs
from otterproof.implementations.drivers.chat.xmpp import DOMAIN, carried, typed_line
from otterproof.implementations.drivers.linejson import Unsupported

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.mcabber import Mcabber

#: The prefixes of mcabber's own lines, and of the correspondent's texts, encrypted and not.
_NOTICE, _SECURE, _INSECURE = "*** ", "<O=", "<=="

#: In bytes: the longest message shown unchanged whose beginning stays on the screen.
_LONGEST_SHOWN = 40_000

_CLEAR, _ERROR = "OTR: Received unencrypted message: ", "OTR: Received general otr error: "
_SMP = "OTR: Socialist Millionaires' Protocol: "
_QUESTION = re.compile(r"\nQuestion: (.*)", re.DOTALL)

#: The beginning of a notice -> the event, and its reason.
_WORDS = {
    "OTR: Received encrypted message, but connection is not established": ("unreadable", "not_encrypted"),
    "OTR: Unable to read incoming message!": ("unreadable", None),
    "OTR: Malformed incoming message!": ("unreadable", None),
    "OTR: Unable to determine type of received OTR message!": ("rejected", None),
    "OTR: Received own OTR message!": ("rejected", None),
    "OTR: Error setting up private conversation": ("rejected", None),
    "OTR: Connection closed by remote end, message lost.": ("refused", "wrong_state"),
    "OTR: Policy requires encryption": ("refused", None),
    "OTR: Encryption error!": ("refused", None),
}

#: The text after the name of the protocol -> whether the secrets are equal; None: no result.
_RESULTS = {
    "Success!": True,
    "Failure.": False,
    "Aborted.": None,
    "Correspondent cancelled negotiation!": None,
    "Error occured, aborting negotiations!": None,
}


class McabberParty(ChatParty):
    """A conversation with one correspondent."""

    programs: ClassVar[Programs[Mcabber]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # A party without a tag is another client of the account, so it needs its own program.
        self._program = self.programs.take(settings.key, settings.instance_tag, alone=settings.instance_tag is None)
        self.fingerprint = self._program.fingerprint
        self.instance_tag = settings.instance_tag
        self._nick = self._program.join(self)
        self._jid = f"{self._nick}@{DOMAIN}".encode()

    @property
    def program(self) -> Mcabber:
        return self._program

    def forget(self) -> None:
        self._program.leave(self._nick)
        self.programs.leave(self._program)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if not message:
            raise Unsupported("XMPP carries no empty messages")
        carried(message)
        if len(message) > _LONGEST_SHOWN and not message.startswith((b"?OTR:", b"?OTR,", b"?OTR|")):
            raise Unsupported("what is shown of so long a message does not fit on mcabber's screen")
        self.begin(message)
        lines, texts = self._program.deliver(self._nick, message)
        self._take(lines)
        for text in texts:
            secure = self._shown_as_secure(lines, text)
            instance = self.instance() if secure else 0
            self.emit("text_received", text=text, secure=secure, warn=False, instance=instance)

    def _shown_as_secure(self, lines: list[str], text: bytes) -> bool:
        """Whether a text is shown as encrypted. The prefix of a long one may have scrolled off the screen."""
        signs = [line[:3] for line in lines if line.startswith((_SECURE, _INSECURE))]
        return _SECURE in signs if signs else self.is_secure(text)

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if padding is not None:
            raise Unsupported("mcabber adds no padding")
        if not text or text != text.strip(b" \t"):
            raise Unsupported("what is empty, or has blanks at an end, can't be typed as a text")
        self._type("send", b"/say_to " + self._jid + b" " + typed_line("a text", text))

    def _choose(self, instance: int | None) -> None:
        """Raise Unsupported if an action names any session but the only one."""
        if instance is not None and self.sessions != {instance}:
            raise Unsupported("the user of mcabber can't choose an instance")

    def start(self) -> None:
        self._type("start", b"/otr start " + self._jid)

    def end(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self._type("end", b"/otr stop " + self._jid)

    def smp_start(self, secret: bytes, *, instance: int | None = None) -> None:
        self._choose(instance)
        self._type("smp_start", self._with_secret(b"smpq", secret))

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        self._choose(instance)
        answer = self._with_secret(b"smpr", secret)
        self.asked = False
        self._type("smp_answer", answer)

    def smp_abort(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self.asked = False
        self._type("smp_abort", b"/otr smpa " + self._jid)

    def _with_secret(self, command: bytes, secret: bytes) -> bytes:
        """A command about SMP with its secret. Unsupported if that can't be typed."""
        if not secret:
            raise Unsupported("mcabber takes no empty secrets")
        quoted = re.sub(rb'(["\\])', rb"\\\1", typed_line("a secret", secret))
        return b"/otr " + command + b" " + self._jid + b' "' + quoted + b'"'

    def _type(self, action: str, command: bytes) -> None:
        self.begin(b"", action)
        self._take(self._program.do(self._nick, command))
        if self.state != ENCRYPTED and action.startswith("smp") and not self.events:
            self.emit("action_refused", action=action, reason="wrong_state")  # as the log says

    # What the user is shown becomes events.

    def _take(self, lines: list[str]) -> None:
        for line in lines:
            for part in line.split("\n"):
                self.show(part)
            if line.startswith(_NOTICE):
                self._notice(line.removeprefix(_NOTICE))
        for event in self.events:
            if event["event"] == "session_established":
                event["fingerprint"] = self._program.their_fingerprint(self._nick)

    def _notice(self, words: str) -> None:
        """A line of mcabber's own."""
        if words.startswith("OTR: channel established"):
            self.established(None)
        elif words.startswith("OTR: channel reestablished"):
            self.established(None)
            self.events[-1]["refreshed"] = True
        elif words.startswith("OTR: channel closed"):
            if self.action:
                self.ended_by_user()
            else:
                self.ended_by_peer()
        elif words.startswith(_CLEAR):
            text = words.removeprefix(_CLEAR).encode()
            self.emit("text_received", text=text, secure=False, warn=True, instance=0)
        elif words.startswith(_ERROR):
            self.emit("error_message_received", text=words.removeprefix(_ERROR).encode())
        elif words.startswith(f"{_SMP}Received SMP Initiation."):
            question = _QUESTION.search(words)
            self.asked = True
            asked = None if question is None else question[1].encode()
            self.emit("smp_requested", instance=self.instance(), question=asked)
        elif words.startswith(_SMP) and words.removeprefix(_SMP) in _RESULTS:
            self.smp_over(self.instance(), equal=_RESULTS[words.removeprefix(_SMP)])
        else:
            self._other(words)

    def _other(self, words: str) -> None:
        for beginning, told in _WORDS.items():
            if words.startswith(beginning):
                self.told(*told, refused=self.action or "send")
