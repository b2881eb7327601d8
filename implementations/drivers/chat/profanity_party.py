"""A conversation in Profanity: the user's actions, and which line on the screen becomes which event."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from otterproof.implementations.drivers.adapter import Settings
from otterproof.implementations.drivers.chat.party import ChatParty, Programs, refuse_instance
from otterproof.implementations.drivers.chat.xmpp import carried, typed_line
from otterproof.implementations.drivers.linejson import Unsupported

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.profanity import Profanity

#: The prefixes of Profanity's own lines, and of the correspondent's encrypted texts.
_NOTICE, _SECURE = "! ", "~ "

_CLEAR, _ERROR = "OTR: Received an unencrypted message: ", "OTR: Received error: "

#: In bytes: the longest message, and the longest secret or question, that the driver passes to Profanity.
LONGEST_MESSAGE, LONGEST_SECRET = 60_000, 4000

#: The beginning of a notice -> the event, and its reason.
_WORDS = {
    "OTR: Received an encrypted message but no private connection established.": ("unreadable", "not_encrypted"),
    "OTR: Cannot read the received message.": ("unreadable", None),
    "OTR: The message received contains malformed data.": ("unreadable", None),
    "OTR: Cannot recognize the type of message received.": ("rejected", None),
    "OTR: Received our own OTR message.": ("rejected", None),
    "OTR: A private conversation could not be set up.": ("rejected", None),
    "OTR: Message not sent because": ("refused", "wrong_state"),
    "OTR: Policy requires encryption": ("refused", None),
    "OTR: Error occurred while encrypting": ("refused", None),
    "Failed to encrypt and send": ("refused", None),
    "You are already in an OTR session.": ("refused", "wrong_state"),
    "You are not currently in an OTR session.": ("refused", "wrong_state"),
}

#: The end of a notice -> whether the secrets are equal; None: no result.
_RESULTS = {
    "Authentication successful.": True,
    " successfully authenticated you.": True,
    " failed to authenticate you.": False,
    "SMP session aborted.": None,
}


class ProfanityParty(ChatParty):
    """A conversation with one correspondent."""

    programs: ClassVar[Programs[Profanity]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._program = self.programs.take(settings.key)
        self.fingerprint = self._program.fingerprint
        self._texts: list[bytes] = []
        #: Whether the SMP request has a question, and whether the next line is its text.
        self._with_question = self._question_follows = False
        self._nick = self._program.join(self)

    @property
    def program(self) -> Profanity:
        return self._program

    def forget(self) -> None:
        self._program.leave(self._nick)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if not message:
            raise Unsupported("XMPP carries no empty messages")
        if len(message) > LONGEST_MESSAGE:
            raise Unsupported(f"Profanity needs too long to show more than {LONGEST_MESSAGE} bytes")
        carried(message)
        self.begin(message)
        self._take(self._program.deliver(self._nick, message))

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        refuse_instance("Profanity", instance)
        if padding is not None:
            raise Unsupported("Profanity adds no padding")
        if text != text.strip(b" \t") or not text or text.startswith(b"/"):
            raise Unsupported("what is empty, begins with a slash, or has blanks at an end, can't be typed as a text")
        self._type("send", typed_line("a text", text))

    def start(self) -> None:
        self._type("start", b"/otr start")

    def end(self, *, instance: int | None = None) -> None:
        refuse_instance("Profanity", instance)
        self._type("end", b"/otr end")

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        refuse_instance("Profanity", instance)
        if question is not None:
            self._type("smp_start", b"/otr question " + _quoted(question) + b" " + _quoted(secret))
        elif self.asked and not self._with_question:
            raise Unsupported("Profanity takes /otr secret for the answer to the request that is waiting")
        else:
            self._type("smp_start", b"/otr secret " + _quoted(secret))

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        refuse_instance("Profanity", instance)
        if not self.asked:
            raise Unsupported("Profanity has nothing to answer")
        answer = (b"/otr answer " if self._with_question else b"/otr secret ") + _quoted(secret)
        self.asked = False
        self._type("smp_answer", answer)

    def _type(self, action: str, command: bytes) -> None:
        self.begin(b"", action)
        self._take(self._program.do(self._nick, command))

    def begin(self, message: bytes, action: str = "") -> None:
        super().begin(message, action)
        self._texts = []

    # What the user is shown becomes events.

    def on_text(self, text: bytes) -> None:
        """Called by the plugin for each text that the user is shown."""
        self._texts.append(text)

    def _take(self, lines: list[str]) -> None:
        signs = {line[:2] for line in lines if line[2:].startswith(f"{self._nick}/")}
        for line in lines:
            self.show(line)
            if line.startswith(_NOTICE) or line == _NOTICE.strip():  # the line of an empty question
                self._notice(line[len(_NOTICE) :])
        for text in self._texts:
            # A text that moves the cursor may have overwritten its prefix.
            secure = _SECURE in signs if signs else self.is_secure(text)
            instance = 0 if secure else self.instance()
            self.emit("text_received", text=text, secure=secure, warn=False, instance=instance)
        for event in self.events:
            if event["event"] == "session_established":
                event["fingerprint"] = self._their_fingerprint()

    def _their_fingerprint(self) -> str | None:
        """The correspondent's fingerprint, from a command of the driver's own."""
        for line in self._program.do(self._nick, b"/otr theirfp"):
            _, found, digits = line.partition("'s OTR fingerprint: ")
            if found:
                return digits.replace(" ", "").lower()
        return None

    def _notice(self, words: str) -> None:
        """Handle one of Profanity's own lines."""
        if self._question_follows:
            self._question_follows, self.asked, self._with_question = False, True, True
            self.emit("smp_requested", instance=0, question=words.strip().encode())
        elif words.startswith("OTR session started"):
            self.established(None)
        elif words.startswith("OTR session ended."):
            if self.action == "end":
                self.ended_by_user()
            else:
                self.ended_by_peer()
        elif words.startswith(_CLEAR):
            text = words.removeprefix(_CLEAR).encode()
            self.emit("text_received", text=text, secure=False, warn=True, instance=0)
        elif words.startswith(_ERROR):
            self.emit("error_message_received", text=words.removeprefix(_ERROR).removesuffix(".").encode())
        elif words.endswith("with the following question:"):
            self._question_follows = True
        elif "wants to authenticate your identity, use '/otr secret" in words:
            self.asked, self._with_question = True, False
            self.emit("smp_requested", instance=0, question=None)
        elif words.startswith("Authentication failed, the secret"):
            self.smp_over(0, equal=False)
        else:
            self._other(words)

    def _other(self, words: str) -> None:
        for end, equal in _RESULTS.items():
            if words.endswith(end):
                self.smp_over(0, equal=equal)
        for beginning, told in _WORDS.items():
            if words.startswith(beginning):
                self.told(*told, refused="" if self.action == "end" else self.action)


def _quoted(text: bytes) -> bytes:
    """A text as an argument in quotation marks."""
    if not text or b'"' in text or len(text) > LONGEST_SECRET:
        raise Unsupported("a secret or question is not empty, not long, and has no quotation marks, in Profanity")
    return b'"' + typed_line("a secret or question", text) + b'"'
