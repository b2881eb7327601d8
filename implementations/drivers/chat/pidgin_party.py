"""A conversation in Pidgin: the user's actions, and which line or dialog becomes which event."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from otterproof.implementations.drivers.adapter import Settings
from otterproof.implementations.drivers.chat.party import ENCRYPTED, ChatParty, Programs
from otterproof.implementations.drivers.chat.xmpp import carried
from otterproof.implementations.drivers.linejson import Unsupported

if TYPE_CHECKING:
    from otterproof.implementations.drivers.chat.pidgin import Entry, Pidgin
    from otterproof.implementations.drivers.chat.windows import Node

#: In bytes: the longest message and the longest text that the driver passes to Pidgin. A word of 60,000 letters blocks
#: it for seconds.
LONGEST_MESSAGE, LONGEST_TEXT = 20_000, 10_000

#: libpurple's flags for a received text, and for a line written by Pidgin or the plugin.
_CAME, _SYSTEM = 0x2, 0x4

#: The beginning of a line of the plugin -> the event, and its reason.
_LINES: Mapping[str, tuple[str, str | None]] = {
    "We received an unreadable encrypted message from ": ("unreadable", None),
    "We received a malformed data message from ": ("unreadable", None),
    "The encrypted message received from ": ("unreadable", "not_encrypted"),
    "Unrecognized OTR message received from ": ("rejected", None),
    "We are receiving our own OTR messages.": ("rejected", None),
    "Error setting up private conversation: ": ("rejected", None),
    "Your message was not sent.": ("refused", "wrong_state"),
}
_REFRESHED = "Successfully refreshed the "
_OTHER_INSTANCE = " has sent a message intended for a different session."
_STARTED = re.compile(r"(Unverified|Private) conversation with \S+ started\.")
_PEER_ENDED = re.compile(r"\S+ has ended \S+ private conversation with you; ")
_USER_ENDED = re.compile(r"Private conversation with \S+ lost\.")
_CLEAR = re.compile(
    r"<b>The following message received from \S+ was <i>not</i> encrypted: \[</b>(.*)<b>\]</b>$", re.DOTALL
)

_ERROR = b"?OTR Error:"

#: The items of the plugin's menu. In a session the second of two is shown.
_START = ("Start private conversation", "Refresh private conversation")
_END = ("End private conversation",)
_AUTHENTICATE = ("Authenticate buddy", "Reauthenticate buddy")

#: The labels of dialogs, and the label before a question.
_SUCCESS = ("Authentication successful.", "Your buddy has successfully authenticated you.")
_FAILURE, _PROBLEM = "Authentication failed.", "An error occurred during authentication."
_QUESTION = "This is the question asked by your buddy:"


class PidginParty(ChatParty):
    """A conversation with one correspondent."""

    programs: ClassVar[Programs[Pidgin]]

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        # A party without a tag is another client of the account, so it needs its own program.
        # The message size is in a file that Pidgin reads only at the start.
        size = settings.max_message_size
        settings_of_its_own = {} if size is None else {"max_message_size": size}
        self._program = self.programs.take(
            settings.key, settings.instance_tag, alone=settings.instance_tag is None, **settings_of_its_own
        )
        self.fingerprint = self._program.fingerprint
        self.instance_tag = settings.instance_tag
        self._known = 0
        #: The dialog that asks the user for the secret.
        self._request: Node | None = None
        #: The dialog with the result of an SMP run. The user closes it before doing anything else.
        self._result: Node | None = None
        self._status = ""
        self._nick = self._program.join(self)

    @property
    def program(self) -> Pidgin:
        return self._program

    def begin_again(self) -> None:
        super().begin_again()
        self._known, self._status = 0, ""
        self._request = self._result = None

    def forget(self) -> None:
        self._program.leave(self._nick)
        self.programs.leave(self._program)

    # Actions of the user.

    def receive(self, message: bytes) -> None:
        if not message:
            raise Unsupported("XMPP carries no empty messages")
        if len(message) > LONGEST_MESSAGE:
            raise Unsupported(
                f"Pidgin is given messages of at most {LONGEST_MESSAGE} bytes, for it needs seconds to show more"
            )
        carried(message)
        self.begin(message)
        self._program.deliver(self._nick, message)
        self._look()

    def send(self, text: bytes, *, padding: int | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if padding is not None:
            raise Unsupported("Pidgin adds no padding")
        if not text:
            raise Unsupported("Pidgin sends no empty texts")
        self.begin(b"", "send")
        if self.state == ENCRYPTED:
            self._program.send(self._nick, _typed("a text", text))
        else:
            self._program.send(self._nick, html.escape(carried(text), quote=False).replace("\n", "<br>"))
        self._look()

    def _choose(self, instance: int | None) -> None:
        """Raise Unsupported if an action names any session but the only one."""
        if instance is not None and self.sessions != {instance}:
            raise Unsupported("the driver of Pidgin can't choose an instance")

    def start(self) -> None:
        self._from_menu("start", *_START)

    def end(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self._from_menu("end", *_END)

    def smp_start(self, secret: bytes, *, question: bytes | None = None, instance: int | None = None) -> None:
        self._choose(instance)
        if self.asked:
            raise Unsupported("the dialog in which the correspondent asks is in the way")
        if question == b"":
            raise Unsupported("Pidgin's dialog does not go on without a question")
        fields = [_typed("a secret", secret)]
        if question is not None:
            fields = [_typed("a question", question), *fields]
        self.begin(b"", "smp_start")
        if self._program.choose(self._nick, *_AUTHENTICATE):
            dialog = self._program.dialogs(self._nick)[0]
            if question is None:
                self._program.pick(self._nick, dialog, "Shared secret")
            self._authenticate(dialog, fields)
        else:
            self.emit("action_refused", action="smp_start", reason="wrong_state")
        self._look()

    def smp_answer(self, secret: bytes, *, instance: int | None = None) -> None:
        self._choose(instance)
        if self._request is None:
            raise Unsupported("there is no dialog in which the user could answer")
        self.begin(b"", "smp_answer")
        self._authenticate(self._request, [_typed("a secret", secret)])
        self._look()

    def _authenticate(self, dialog: Node, fields: list[str]) -> None:
        """Fill in the visible fields of a dialog and press its button."""
        for field, text in zip(self._program.fields(dialog), fields, strict=True):
            if not self._program.type(field, text):
                self._program.press(self._nick, dialog, "Cancel")
                raise Unsupported("a field of Pidgin's can't have this text")
        self._program.press(self._nick, dialog, "Authenticate")

    def smp_abort(self, *, instance: int | None = None) -> None:
        self._choose(instance)
        self.begin(b"", "smp_abort")
        dialogs = self._program.dialogs(self._nick)
        if not dialogs:
            raise Unsupported("there is no dialog that the user could cancel")
        self._program.press(self._nick, dialogs[0], "Cancel")
        self._look()

    def _from_menu(self, action: str, *names: str) -> None:
        self.begin(b"", action)
        if not self._program.choose(self._nick, *names):
            self.emit("action_refused", action=action, reason="wrong_state")
        self._look()

    def begin(self, message: bytes, action: str = "") -> None:
        if self._result is not None:
            self._program.press(self._nick, self._result, "OK")
            self._result = None
        super().begin(message, action)

    # What the user is shown becomes events.

    def picture(self) -> bytes:
        """A PNG file of the screen."""
        return self._program.picture(self._nick)

    def _look(self) -> None:
        """Report what is new in the conversation, on the plugin's button and in the dialogs."""
        entries = self._program.entries(self._nick, self._known)
        self._known += len(entries)
        for entry in entries:
            self._entry(entry)
        if (status := self._program.status(self._nick)) != self._status:
            self._status = status
            self.show(f"[{status}]")
        self._dialogs()

    def _entry(self, entry: Entry) -> None:
        words = _plain(entry.html)
        if entry.flags & _CAME:
            self.show(f"{self._nick}: {words}")
            self._text(entry.html)
        elif entry.flags & _SYSTEM:
            self.show(words)
            self._line(entry.html, words)
        else:
            self.show(f"{words}")

    def _text(self, source: str) -> None:
        """Report a received text. A decrypted one is HTML as it was sent; Pidgin converts one in the clear to HTML."""
        secure = self.is_secure(_plain(source).encode())
        text = source if secure else _plain(source)
        self.emit(
            "text_received", text=text.encode(), secure=secure, warn=False, instance=self.instance() if secure else 0
        )

    def _line(self, source: str, words: str) -> None:
        """Handle a line of the plugin."""
        if _ERROR in self.message and words.strip() == _after_error(self.message).strip():
            self.emit("error_message_received", text=words.encode())
        elif found := _CLEAR.match(source):
            self.emit("text_received", text=_plain(found[1]).encode(), secure=False, warn=True, instance=0)
        elif _STARTED.match(words):
            self._established(refreshed=None)
        elif _PEER_ENDED.match(words):
            self.ended_by_peer()
        elif _USER_ENDED.match(words):
            self.ended_by_user()
        elif _OTHER_INSTANCE in words:
            self.rejected("other_instance")
        elif words.startswith(_REFRESHED):
            self._established(refreshed=True)
        else:
            for beginning, told in _LINES.items():
                if words.startswith(beginning):
                    self.told(*told, refused=self.action)

    def _established(self, *, refreshed: bool | None) -> None:
        known = self._program.fingerprints(self._nick)
        self.established(known[0] if len(known) == 1 else None)
        self.events[-1]["refreshed"] = refreshed

    def _dialogs(self) -> None:
        """Handle the dialogs about the correspondent, which ask for a secret or show the progress of a run."""
        request = None
        for dialog in self._program.dialogs(self._nick):
            words = self._program.words(dialog)
            if dialog.name == "Authenticate Buddy":
                request = dialog
                if self._request is None or self._request.path != dialog.path:
                    self._program.put_beside(dialog)
                    self._asked(words)
            else:
                self._progress(dialog, words)
        self._request, self.asked = request, request is not None

    def _asked(self, words: list[str]) -> None:
        for line in filter(None, "\n".join(words).split("\n")):
            self.show(line)
        question = None
        if _QUESTION in words:
            question = words[words.index(_QUESTION) + 1].encode()
        self.emit("smp_requested", instance=self.instance(), question=question)

    def _progress(self, dialog: Node, words: list[str]) -> None:
        """Handle the dialog that shows the progress of a run."""
        said = words[-1]
        if said.startswith(_SUCCESS) or said == _FAILURE:
            self.smp_over(self.instance(), equal=said != _FAILURE)
        elif said == _PROBLEM:
            self.smp_over(self.instance(), equal=None)
        else:
            self._program.put_beside(dialog)
            return
        self.show(said)
        self._program.put_beside(dialog)
        self._result = dialog


def _typed(what: str, text: bytes) -> str:
    """The text as it is typed into a field. Unsupported if it can't be."""
    try:
        typed = text.decode()
    except UnicodeDecodeError:
        raise Unsupported(f"Pidgin takes {what} in UTF-8 only") from None
    if "\0" in typed:
        raise Unsupported(f"Pidgin takes {what} without NUL only")
    return typed


def _plain(source: str) -> str:
    """The visible text of HTML."""
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"(?i)<br ?/?>", "\n", source)))


def _after_error(message: bytes) -> str:
    return message.partition(_ERROR)[2].decode()
