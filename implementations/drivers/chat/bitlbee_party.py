"""A conversation in bitlbee: the user's actions, and which line becomes which event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from otterproof.implementations.drivers.adapter import Settings
from otterproof.implementations.drivers.chat.party import (
    DATA,
    ENCRYPTED,
    FINISHED,
    ChatParty,
    Programs,
    kind_and_version,
    one_line,
)
from otterproof.implementations.drivers.chat.xmpp import carried
from otterproof.implementations.drivers.linejson import Unsupported

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.bitlbee import Bitlbee

#: In bytes: where bitlbee wraps lines.
_WRAP = 425

#: The prefix of the plugin's lines in the conversation. XMPP can't carry U+0002, so no correspondent can write this in
#: the clear.
_NOTICE = "<<\x02OTR\x02>> "

#: A line of the plugin -> the event, and its reason.
_WORDS: Mapping[str, tuple[str, Any]] = {
    "unreadable encrypted message received": ("unreadable", None),
    "malformed OTR message received": ("unreadable", None),
    "unexpected encrypted message received": ("unreadable", "not_encrypted"),
    "unrecognized OTR message received": ("rejected", None),
    "received our own OTR message (!?)": ("rejected", None),
    "OTR message for a different instance received": ("rejected", "other_instance"),
    "other end has disconnected OTR - close connection or reconnect!": ("refused", "wrong_state"),
    "policy requires encryption - message not sent": ("refused", None),
    "error during encryption - message not sent": ("refused", None),
}
_ERROR, _CLEAR = "OTR error message received: ", "unencrypted message received: "
_ASKED = re.compile(r'smp: initiated by (\S+)(?: with question: \x02"(.*?)(?:"\x02)?| - respond with .*)$', re.DOTALL)
_RESULT = re.compile(r"smp (\S+): (correct answer|secrets proved equal|wrong answer|secrets did not match), ")
_ABORTED = re.compile(r"smp (\S+): (opponent violated protocol|protocol error), aborting$")
_PEER_ABORTED = re.compile(r"smp: received abort from (\S+)$")


class Session(NamedTuple):
    """What `otr info` says about a session. target: whether texts are sent in it."""

    target: bool
    state: str
    version: int
    fingerprint: str | None


class BitlbeeParty(ChatParty):
    """A conversation with one correspondent."""

    programs: ClassVar[Programs[Bitlbee]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # A party without a tag is another client of the account, so it needs its own program.
        self._program = self.programs.take(settings.key, settings.instance_tag, alone=settings.instance_tag is None)
        self.fingerprint = self._program.fingerprint
        self.instance_tag = settings.instance_tag
        #: The lines of the text being shown; a message may have several.
        self._text: list[bytes] = []
        self._clear: list[bytes] = []
        self._error: list[bytes] = []
        #: The lines of the question being shown.
        self._question: list[bytes] = []
        #: The number of sessions that the correspondent has ended and the user has not.
        self._finished = 0
        self._nick = self._program.join(self)

    @property
    def program(self) -> Bitlbee:
        return self._program

    def begin_again(self) -> None:
        super().begin_again()
        self._finished = 0

    def forget(self) -> None:
        self._program.leave(self._nick)
        self.programs.leave(self._program)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if not message:
            raise Unsupported("XMPP carries no empty messages")
        carried(message)
        self.begin(message)
        self._program.deliver(self._nick, message)
        self._show_text()
        self._ask_state()

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if padding is not None:
            raise Unsupported("bitlbee adds no padding")
        if not text or text.startswith((b"\x01", b"/")):
            raise Unsupported("what is empty, or begins with U+0001 or a slash, is no text for an IRC client")
        if self.state != ENCRYPTED:
            carried(text)
        self.begin(b"", "send")
        self._program.type(f"PRIVMSG {self._nick} :".encode() + _utf8(one_line("a text", text)))
        self._ask_state()

    def _choose(self, instance: int | None) -> None:
        """Raise Unsupported if an action names any session but the only one."""
        if instance is not None and self.sessions != {instance}:
            raise Unsupported("the user of bitlbee can't choose an instance")

    def start(self) -> None:
        self._command("start", "connect", self._nick)

    def end(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self._command("end", "disconnect", self._nick)

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if question is not None:
            self._command("smp_start", "smpq", self._nick, _quoted(question), _quoted(secret))
        elif self.asked:
            raise Unsupported("bitlbee takes otr smp for the answer to the question that is waiting")
        else:
            self._command("smp_start", "smp", self._nick, _quoted(secret))

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        self._choose(instance)
        if not self.asked:
            raise Unsupported("bitlbee takes otr smp for a new request where no question is waiting")
        quoted = _quoted(secret)
        self.asked = False
        self._command("smp_answer", "smp", self._nick, quoted)

    def _command(self, action: str, *words: str | bytes) -> None:
        self.begin(b"", action)
        self._program.command(b" ".join([b"otr", *(w.encode() if isinstance(w, str) else w for w in words)]))
        self._ask_state()

    def begin(self, message: bytes, action: str = "") -> None:
        super().begin(message, action)
        self._text, self._clear, self._error = [], [], []

    # What the user is shown becomes events.

    def on_line(self, line: bytes) -> None:
        """A line in the correspondent's window: a text, or the plugin's comment on a message."""
        words = line.decode(errors="replace")
        self.show(f"<{self._nick}> {words}")
        if not words.startswith(_NOTICE):
            (self._error or self._clear or self._text).append(line)  # a long comment has several lines
            return
        words = words.removeprefix(_NOTICE)
        if words.startswith(_CLEAR):
            self._clear.append(line)
        elif words.startswith(_ERROR):
            self._error.append(line)
        elif words in _WORDS:
            self.told(*_WORDS[words], refused="send")

    def on_notice(self, line: bytes) -> None:
        """A notice in the correspondent's window, by which the plugin reports on the session."""
        words = line.decode(errors="replace")
        self.show(f"-{self._nick}- {words}")
        if words.startswith("conversation is now off the record"):
            self.established(None)
        elif words.startswith("otr connection has been refreshed"):
            self.established(None)
            self.events[-1]["refreshed"] = True
        elif words.startswith("OTR connection failed: "):
            self.rejected()
        elif words.startswith("conversation is now in cleartext"):
            self.ended_by_user()

    def on_control(self, line: bytes) -> None:
        """A line in the channel for commands while this party is acting."""
        words = line.decode(errors="replace")
        self.show(f"<root> {words}")
        if self._question or words.startswith(f"smp: initiated by {self._nick} with question: "):
            if not words.startswith("smp: respond with "):
                self._question.append(line)
                return
            words = unwrapped(self._question).decode(errors="replace")
            self._question = []
        if (found := _ASKED.match(words)) and found[1] == self._nick:
            self.asked = True
            question = None if found[2] is None else found[2].encode()
            self.emit("smp_requested", instance=self.instance(), question=question)
        elif (found := _RESULT.match(words)) and found[1] == self._nick:
            self.smp_over(self.instance(), equal=found[2] in ("correct answer", "secrets proved equal"))
        elif (found := _ABORTED.match(words) or _PEER_ABORTED.match(words)) and found[1] == self._nick:
            self.smp_over(self.instance(), equal=None)
        elif words.startswith("smp: otr inactive with") and self.action:
            self.emit("action_refused", action=self.action, reason="wrong_state")

    def _show_text(self) -> None:
        """Report the text of the last message, if it had one."""
        if self._text:
            text = unwrapped(self._text)
            secure = self.is_secure(text)
            instance = self.instance() if secure else 0
            self.emit("text_received", text=text, secure=secure, warn=False, instance=instance)
        if self._clear:
            text = unwrapped(self._clear)[len(_NOTICE + _CLEAR) :]
            self.emit("text_received", text=text, secure=False, warn=True, instance=0)
        if self._error:
            self.emit("error_message_received", text=unwrapped(self._error)[len(_NOTICE + _ERROR) :])

    def _ask_state(self) -> None:
        """Ask for the state of the sessions, and report what has changed."""
        sessions = self._program.sessions(self._nick)
        # There may be one in each version; the one just established has the version of the last handshake.
        of_version = [one for one in sessions if one.version == self.version] or sessions
        session = of_version[-1] if of_version else None
        for event in self.events:
            if event["event"] == "session_established" and session is not None and session.state == ENCRYPTED:
                event["fingerprint"] = session.fingerprint
                event["version"] = session.version
                event["instance"] = 0 if session.version == 2 else None
        finished = sum(one.state == FINISHED for one in sessions)
        # On a handshake message, libotr may copy the context of an ended session for a new instance. Of a message in
        # fragments the answer tells: a Data Message that ends a session has none.
        kind, _ = kind_and_version(self.message)
        answered = any(event["event"] == "outgoing_message" for event in self.events)
        if finished > self._finished and (kind == DATA or (kind == 0 and not answered)):
            self.ended_by_peer()
        self._finished = finished


def unwrapped(lines: list[bytes]) -> bytes:
    """Join the lines of a text that bitlbee has split at its line ends and where a line would be too long."""
    text, last = lines[0], lines[0]
    for line in lines[1:]:
        blank_first = b" " in last or b"-" in last  # else a long word was probably cut
        likely = (b" ", b"") if blank_first else (b"", b" ")
        fits = (between for between in likely if _broken_after(last + between + line) == len(last))
        text, last = text + next(fits, b"\n") + line, line
    return text


def _broken_after(text: bytes) -> int:
    """How many bytes of a text without line ends bitlbee puts on one line; 0 if all of it fits."""
    if len(text) <= _WRAP:
        return 0
    for place in range(_WRAP, 0, -1):
        if text[place] in b" -":
            return place + (text[place] == ord("-"))
    return len(text[:_WRAP].decode(errors="ignore").encode())


def _utf8(text: bytes) -> bytes:
    """Return the text if it can be typed. Unsupported if it is not UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise Unsupported("bitlbee takes texts in UTF-8 only") from None
    return text


def _quoted(text: bytes) -> bytes:
    """A text as an argument in quotation marks."""
    if not text:
        raise Unsupported("bitlbee takes no empty secrets and questions")
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", _utf8(one_line("a secret or question", text))) + b'"'
